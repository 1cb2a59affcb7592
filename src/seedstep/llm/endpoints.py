"""Where models are asked: the endpoint record, servers with the OpenAI protocol, recordings.

Example::

    url = server_address("http://127.0.0.1:8000/v1")
    async with open_server("my-model", Opening(url, url, slots=8)) as endpoint:
        ...
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from seedstep.errors import InputError
from seedstep.llm.replay import Recording, read_recording

__all__ = ["Endpoint", "Opening", "open_recording", "open_server", "server_address"]

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is asked. `identity` stands for it in request keys, across restarts.

    A `recording` answers in place of the address. `in_process` tells that llama.cpp in this process
    serves the model.
    """

    identity: str
    model: str
    url: str
    key: str = field(default="", repr=False)
    recording: Recording | None = None
    in_process: bool = False

    @property
    def is_loopback(self) -> bool:
        """True where no proxy may stand between."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Opening:
    """How a model is opened.

    `url` is the address of its server and `identity_url` the one under which its replies are kept;
    both are None for a model without an address. `slots` is the number of requests that a model in
    this process works on at a time.
    """

    url: str | None
    identity_url: str | None
    slots: int


def server_address(base_url: str | None) -> str:
    """The address that is asked: `base_url`, else OPENAI_BASE_URL, else OpenAI's own.

    Raises:
        InputError: it is not an address, or carries a password or parameters.
    """
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
async def open_server(name: str, opening: Opening) -> AsyncIterator[Endpoint]:
    """The endpoint of a model of a server with the OpenAI protocol.

    Raises:
        InputError: the key in OPENAI_API_KEY can't be used, or OpenAI's own server needs one.
    """
    url = server_address(opening.url).rstrip("/")
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key.isprintable() or " " in key:
        raise InputError("the key holds spaces or line ends", "set OPENAI_API_KEY to one key")
    if url == OPENAI_URL and not key:
        raise InputError("no key for api.openai.com", "set OPENAI_API_KEY, or --base-url")
    identity = (opening.identity_url or url).rstrip("/")
    yield Endpoint(f"openai:{identity}", name, url, key)


@asynccontextmanager
async def open_recording(name: str, _: Opening) -> AsyncIterator[Endpoint]:
    """The endpoint of a recording, which answers in place of a server.

    Raises:
        InputError: the recording can't be read.
    """
    recording = await asyncio.to_thread(read_recording, Path(name))
    yield Endpoint(recording.identity, "", f"replay:{name}", recording=recording)
