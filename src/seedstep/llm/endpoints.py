"""Endpoints of models, and the providers that open them: here servers, and recordings.

`seedstep.llm.models` has the table of all providers.

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
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from yarl import URL

from seedstep.data import Instance, Task
from seedstep.errors import InputError
from seedstep.llm.ledgers import read_recording
from seedstep.llm.records import Sender

__all__ = [
    "Copy",
    "Endpoint",
    "Opening",
    "Provider",
    "addresses_of",
    "file_fingerprint",
    "first_address",
    "folder_fingerprint",
    "is_loopback_host",
    "known_checkpoint",
    "known_recording",
    "known_server",
    "last_part",
    "open_recording",
    "open_server",
    "require_address",
    "server_address",
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


Copy = Callable[[Task, Instance, int | None], str | None]
"""A function of a task, an instance, and a seed for random choices, that returns an answer.

It returns None if the task has nothing to copy.
"""


def last_part(name: str) -> str:
    """Return the name of a model without parent directories."""
    return PurePath(name).name or name


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider of models. Its functions are called with the name of a model.

    `argument` says what is written after the prefix; it is empty if nothing is. `meaning` is a line
    for the table of models in README.md. The models of a provider without `opens` are not served,
    and those of a provider without `checkpoint` can't be loaded by transformers.
    """

    prefix: str
    argument: str
    meaning: str

    opens: Callable[[str, Opening], AbstractAsyncContextManager[Endpoint]] | None = None
    """Opens the endpoint at which the request engine asks a model."""

    known: Callable[[str, Opening], Endpoint] | None = None
    """Returns what keys of requests know of the endpoint, without opening it: so what is stored is
    found again where nothing is asked."""

    address: Callable[[str | None], str] | None = None
    """Returns the address of the server, from the user's if given; None if there is none."""

    checkpoint: Callable[[str], str] | None = None
    """Returns the path or hub id of the checkpoint that transformers loads into this process."""

    path: Callable[[str], Path] | None = None
    """Returns the model's file or directory. Its content distinguishes models of the same name."""

    named_by_path: bool = False
    """Whether a name is a path; a relative one is from the directory in which it is written."""

    is_gguf: bool = False
    """Whether `path` is a GGUF file."""

    copies: Mapping[str, Copy] = field(default_factory=lambda: MappingProxyType({}))
    """Functions by model name that copy an answer. With any, the provider has no other models."""

    tuning: Literal["here", "job"] | None = None
    """How its models are tuned: in this process, by a fine-tuning job at a server, or not."""

    likelihoods: bool = False
    """Whether its models can compute the likelihood of a given text."""

    encodes: Literal["here", "server"] | None = None
    """How its models encode sentences: in this process, at a server, or not."""

    reasons: bool = False
    """Whether its models may reason before they answer, using tokens of the reply."""

    takes_batches: bool = False
    """Whether its models may be asked by batch. A recording answers as if they were."""

    style: Callable[[str], str] = lambda _: "completion"
    """Returns the default prompt style of a model: `completion`, `turns`, `dialogue` or `chat`.

    `turns` is a conversation with demonstrations as turns; in `dialogue` the model also writes the
    user's turns.
    """

    public_name: Callable[[str], str] = last_part
    """Returns the name of a model for others to read, without parent directories."""

    def require_whole(self) -> None:
        """Check that it has what its models need for what it says that they do.

        Raises:
            InputError: the provider lacks a function that its fields need.
        """
        for name, value, needed in _NEEDED:
            if getattr(self, name) == value and getattr(self, needed) is None:
                what = f"the provider '{self.prefix}' has {name}={value!r} and no `{needed}`"
                raise InputError(what, f"give it `{needed}`, or leave `{name}` out")

    @property
    def is_served(self) -> bool:
        """Whether its models are asked through the request engine."""
        return self.opens is not None

    @property
    def is_loaded(self) -> bool:
        """Whether transformers can load its models into this process."""
        return self.checkpoint is not None

    @property
    def is_asked(self) -> bool:
        """Whether the request engine can ask its models: served ones, or those it can load."""
        return self.is_served or self.is_loaded

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms in which its models are written, such as `openai:NAME`."""
        if self.copies:
            return tuple(f"{self.prefix}:{name}" for name in self.copies)
        return (f"{self.prefix}:{self.argument}" if self.argument else self.prefix,)


_NEEDED = (
    ("encodes", "server", "opens"),
    ("encodes", "server", "known"),
    ("encodes", "here", "checkpoint"),
    ("tuning", "here", "checkpoint"),
    ("is_gguf", True, "path"),
)
"""Values of a provider's fields, each with the field that must be there, too."""


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
        InputError: the text is no such address; the message has nothing that may be a password.
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
