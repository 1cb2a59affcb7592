"""Endpoints of models, and the providers that open them: here servers, and recordings.

`seedstep.llm.models` has the table of all providers.

Example::

    url = server_address("http://127.0.0.1:8000/v1")
    async with open_server("my-model", Opening(url, url, slots=8)) as endpoint:
        ...
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, Literal

from yarl import URL

from seedstep.data import Instance, Task
from seedstep.entries import (
    FUNCTION,
    FUNCTIONS_BY_NAME,
    LINE,
    MAYBE_FUNCTION,
    TEXT,
    TRUTH,
    FieldKind,
    choice_of,
    guarded,
    named_in_errors,
    require_fields,
    require_return,
)
from seedstep.errors import InputError
from seedstep.llm.addresses import OPENAI_URL, is_loopback_host, server_address
from seedstep.llm.ledgers import read_recording
from seedstep.llm.records import Sender

__all__ = [
    "OPENAI_KEY",
    "Copy",
    "Endpoint",
    "Opening",
    "Provider",
    "file_fingerprint",
    "folder_fingerprint",
    "guarded_provider",
    "known_checkpoint",
    "known_recording",
    "known_server",
    "last_part",
    "open_recording",
    "open_server",
]

OPENAI_KEY = "OPENAI_API_KEY"
"""The environment variable with the key for OpenAI's server, or the one in its place."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The endpoint of a model. `identity` stands for it in the keys of requests, across restarts.

    A `sender`, such as a recording, answers instead of a server. `in_process` says that llama.cpp
    serves the model in this process. `others` are further servers of the same model, under the
    same identity. Without `gives_texts`, replies are numbers, whose length has no bound. `prefix`
    is that of its provider, and `key_variable` the environment variable with its key, for messages.
    """

    identity: str
    model: str
    url: str
    key: str = field(default="", repr=False)
    sender: Sender | None = None
    in_process: bool = False
    others: tuple["Endpoint", ...] = ()
    gives_texts: bool = True
    prefix: str = "openai"
    key_variable: str = OPENAI_KEY

    def key_remedy(self, key: str) -> str:
        """Return what to do where a server refuses the key; `key` says which one it wants."""
        if self.key_variable:
            return f"set {self.key_variable} to {key}"
        return f"models {self.prefix}:… are sent no key: give their provider a `key_variable`"

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
    model in this process processes at a time. `key_variable` is the environment variable with the
    server's key; it is empty if no key is sent.
    """

    url: str | None
    identity_url: str | None
    slots: int
    key_variable: str = OPENAI_KEY


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

    `argument` says what is written after the prefix; it is empty if nothing is, or one of the names
    in `copies`. `meaning` is a line for the table of models in README.md. The models of a provider
    without `opens` are not served, and those of a provider without `checkpoint` can't be loaded by
    transformers.
    """

    prefix: str
    argument: str = ""
    meaning: str

    opens: Callable[[str, Opening], AbstractAsyncContextManager[Endpoint]] | None = None
    """Opens the endpoint at which the request engine asks a model."""

    known: Callable[[str, Opening], Endpoint] | None = None
    """Returns what keys of requests know of the endpoint, without opening it: so what is stored is
    found again where nothing is asked."""

    address: Callable[[str | None], str] | None = None
    """Returns the address of the server, from the user's if given; None if there is none."""

    key_variable: str = ""
    """The environment variable with the key of the server, which `open_server` sends."""

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
            EntryError: a field is of another kind.
            InputError: the provider lacks a function that its fields need.
        """
        require_fields(f"the provider '{self.prefix}'", self, _FIELDS)
        for name, value, needed in _NEEDED:
            if getattr(self, name) == value and getattr(self, needed) is None:
                what = f"the provider '{self.prefix}' has {name}={value!r} and no `{needed}`"
                raise InputError(what, f"give it `{needed}`, or leave `{name}` out")
        if not (self.opens or self.checkpoint or self.copies):
            what = f"the models of provider '{self.prefix}' can do nothing"
            raise InputError(what, "give it `opens`, `checkpoint` or `copies`")

    @asynccontextmanager
    async def opened(self, name: str, opening: Opening) -> AsyncIterator[Endpoint]:
        """Open the endpoint of a model that is served, which knows its provider."""
        assert self.opens
        opening = replace(opening, key_variable=self.key_variable)
        async with self.opens(name, opening) as endpoint:
            yield replace(endpoint, prefix=self.prefix, key_variable=self.key_variable)

    @property
    def takes_names(self) -> bool:
        """Whether something is written after the prefix of its models."""
        return bool(self.argument or self.copies)

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

_FIELDS: Mapping[str, FieldKind] = MappingProxyType(
    {
        **dict.fromkeys(("argument", "meaning", "key_variable"), LINE),
        **dict.fromkeys(("named_by_path", "is_gguf"), TRUTH),
        **dict.fromkeys(("likelihoods", "reasons", "takes_batches"), TRUTH),
        **dict.fromkeys(("opens", "known", "address", "checkpoint", "path"), MAYBE_FUNCTION),
        **dict.fromkeys(("style", "public_name"), FUNCTION),
        "copies": FUNCTIONS_BY_NAME,
        "tuning": choice_of("here", "job", None),
        "encodes": choice_of("here", "server", None),
    }
)
"""What the fields of a provider have to be."""

_RETURNS: Mapping[str, FieldKind] = MappingProxyType(
    {
        "known": FieldKind("an Endpoint", lambda found: isinstance(found, Endpoint)),
        "address": TEXT,
        "checkpoint": TEXT,
        "path": FieldKind("a Path", lambda found: isinstance(found, Path)),
        "style": choice_of("completion", "turns", "dialogue", "chat"),
        "public_name": TEXT,
    }
)
"""What the functions of a provider have to return."""


def guarded_provider(provider: Provider) -> Provider:
    """Return a provider that is named in errors of its functions; `opens` has to give an
    `Endpoint`.
    """
    checks: dict[str, Any] = {
        name: guarded(
            f"`{name}` of the provider '{provider.prefix}'", function, kind.wanted, kind.fits
        )
        for name, kind in _RETURNS.items()
        if (function := getattr(provider, name)) is not None
    }
    provider = replace(provider, **checks)
    opens, entry = provider.opens, f"`opens` of the provider '{provider.prefix}'"
    if opens is None:
        return provider

    @asynccontextmanager
    async def checked(name: str, opening: Opening) -> AsyncIterator[Endpoint]:
        async with AsyncExitStack() as stack:
            with named_in_errors(entry):
                endpoint = await stack.enter_async_context(opens(name, opening))
            require_return(entry, "an Endpoint", endpoint, fits=isinstance(endpoint, Endpoint))
            yield endpoint

    return replace(provider, opens=checked)


def known_server(name: str, opening: Opening) -> Endpoint:
    """Return the endpoint of a model at a server, without the key that opening it takes."""
    url = server_address(opening.url).rstrip("/")
    return Endpoint(f"openai:{(opening.identity_url or url).rstrip('/')}", name, url)


@asynccontextmanager
async def open_server(name: str, opening: Opening) -> AsyncIterator[Endpoint]:
    """Open the endpoint of a model at a server with the OpenAI protocol.

    Raises:
        InputError: the key in the provider's variable can't be used, or OpenAI's own server needs
            one.
    """
    endpoint = known_server(name, opening)
    variable = opening.key_variable
    key = os.environ.get(variable, "").strip() if variable else ""
    if not key.isprintable() or " " in key:
        raise InputError("the key holds spaces or line ends", f"set {variable} to one key")
    if endpoint.url == OPENAI_URL and variable and not key:
        raise InputError("no key for api.openai.com", f"set {variable}, or --base-url")
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
