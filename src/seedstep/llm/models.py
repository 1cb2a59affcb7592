"""From a model's short name to an endpoint that speaks the OpenAI protocol.

`local` is the embedded default model and `gguf:PATH` a GGUF file, both served by llama.cpp
inside this process on a loopback port; `openai:NAME` is a model of any compatible server.

Example::

    async with open_model("openai:my-model", "http://127.0.0.1:8000/v1", slots=8) as endpoint:
        ...
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from seedstep.errors import InputError

__all__ = ["Endpoint", "default_prompt_style", "open_model"]

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is asked. `identity` stands for it in request keys, across restarts."""

    identity: str
    model: str
    url: str
    key: str = field(default="", repr=False)

    @property
    def is_loopback(self) -> bool:
        """True where no proxy may stand between."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")


def default_prompt_style(model: str) -> str:
    """What suits a model of this kind: few servers still have completions, `local` is a small
    chat model, and of a GGUF file nothing is known.
    """
    if model.startswith("openai:"):
        return "chat"
    return "turns" if model == "local" else "completion"


@asynccontextmanager
async def open_model(model: str, base_url: str | None, slots: int) -> AsyncIterator[Endpoint]:
    """The endpoint of a model, served as long as the context lasts.

    `slots` is the number of requests that an embedded model works on at a time.

    Raises:
        InputError: the name or the address is not one we know.
        MissingExtraError: llama.cpp or the embedded model is not installed.
        ModelError: the GGUF file can't be loaded.
    """
    kind, _, name = model.partition(":")
    if kind == "openai" and name:
        yield _openai(name, base_url)
    elif model == "local" or (kind == "gguf" and name):
        from seedstep.llm.local import embedded_model, serve_gguf

        path = Path(name) if name else embedded_model()
        async with serve_gguf(path, slots) as endpoint:
            yield endpoint
    else:
        raise InputError(
            f"model '{model}' is not of a known kind", "use local, gguf:PATH or openai:NAME"
        )


def _openai(name: str, base_url: str | None) -> Endpoint:
    url = (base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI_URL).rstrip("/")
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(
            f"base URL '{url}' is not an address", "give one such as http://127.0.0.1:8000/v1"
        )
    if parts.username or parts.password or parts.query:
        raise InputError(
            "the base URL carries a password or parameters", "put the key in OPENAI_API_KEY"
        )
    if url == OPENAI_URL and not key:
        raise InputError("no key for api.openai.com", "set OPENAI_API_KEY, or --base-url")
    return Endpoint(f"openai:{url}", name, url, key)
