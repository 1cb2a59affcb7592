"""The OpenAI completions and chat protocol: one request out, one reply or one error back.

Everything a server can send is expected here: wrong types, half bodies, huge bodies, pages of
HTML. What comes out is a `Reply`, or one of three exceptions that say whether asking again can
help.

Example::

    reply = await Wire(session, endpoint).send(request)
"""

import json
import re
import time
from dataclasses import dataclass, field
from io import BytesIO
from typing import Annotated, Any

import aiohttp
import msgspec

from seedstep.errors import DeniedError
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.exchange import (
    OVERLOADED,
    Refused,
    Retryable,
    ServerError,
    exchange,
    retry_after,
    storable,
)
from seedstep.llm.records import Reply, Request
from seedstep.llm.replay import Recording

__all__ = ["OVERLOADED", "PARAMETER", "Refused", "Retryable", "Sender", "Wire"]

LARGE_BODY = 1 << 20
"""Bytes from which a request is sent in pieces, as aiohttp wants it: long conversations."""

_OPTIONAL = (
    "response_format",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "top_p",
    "temperature",
    "stop",
)
"""Parameters to do without where a server does not take them."""

_UNSUPPORTED = (
    "support",
    "unknown",
    "unrecognized",
    "unexpected",
    "unavailable",
    "not permitted",
    "not allowed",
    "only 0 is allowed",
)
_CONTEXT = ("context length", "too large", "too long")


PARAMETER = "parameter"
"""The reason of a fault that the engine treats apart, as it does an overload."""


@dataclass(frozen=True, slots=True)
class _Message:
    content: str | None = None
    refusal: Any = None


@dataclass(frozen=True, slots=True)
class _Choice:
    text: str | None = None
    message: _Message | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Usage:
    prompt_tokens: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    completion_tokens: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] = 0


@dataclass(frozen=True, slots=True)
class _Payload:
    choices: list[_Choice]
    usage: Any = None


@dataclass
class Wire:
    """Speaks to one endpoint, and remembers which optional parameters it does not take."""

    session: aiohttp.ClientSession
    endpoint: Endpoint
    _without: set[str] = field(default_factory=set)

    async def send(self, request: Request) -> Reply:
        """Ask once.

        Raises:
            Retryable: overload, a server's fault, a broken connection, a reply that is none, or a
                parameter that the server does not take and that is left out from now on.
            Refused: the server does not take this request.
            DeniedError: the server takes none from us: key, model, address.
        """
        path = "completions" if isinstance(request.prompt, str) else "chat/completions"
        body = self._body(request)
        started = time.monotonic()
        status, headers, data = await self._post(path, body)
        if status == 200:
            return self._reply(request, data, time.monotonic() - started)
        error = ServerError.read(status, data, self.endpoint.key)
        if self._give_way(error, body):
            raise Retryable(PARAMETER, error.detail, status)
        raise self._classify(error, headers)

    async def check(self) -> int:
        """The HTTP status of the list of models; raise `Retryable` where nothing answers."""
        status, _, _ = await exchange(self.session, self.endpoint, "GET", "models")
        return status

    async def close(self) -> None:
        """Close its connections."""
        await self.session.close()

    async def _post(self, path: str, body: dict[str, Any]) -> tuple[int, Any, bytes]:
        encoded = msgspec.json.encode(body)
        data = encoded if len(encoded) < LARGE_BODY else BytesIO(encoded)
        return await exchange(self.session, self.endpoint, "POST", path, data)

    def _reply(self, request: Request, data: bytes, seconds: float) -> Reply:
        """Read a body with status 200."""
        try:
            payload = msgspec.convert(json.loads(data), _Payload)
        except (ValueError, RecursionError):  # UnicodeDecodeError and ValidationError too
            detail = f"not a completion: {ServerError.read(200, data, self.endpoint.key).detail}"
            raise Retryable("malformed_reply", detail, 200) from None
        choice = payload.choices[0] if payload.choices else _Choice()
        message = choice.message or _Message()
        text = choice.text if isinstance(request.prompt, str) else message.content
        if text is None and (choice.finish_reason == "content_filter" or message.refusal):
            raise Refused("content_filter", "the server's content filter withheld the reply", 200)
        if text is None:
            raise Retryable("malformed_reply", "a completion without text", 200)
        text = storable(text, self.endpoint.key)
        usage = _usage(payload.usage)
        estimated = usage is None
        usage = usage or _Usage(_estimate(_prompt_text(request)), _estimate(text))
        return Reply(
            text,
            storable(choice.finish_reason or "stop", self.endpoint.key),
            usage.prompt_tokens,
            usage.completion_tokens,
            estimated=estimated,
            seconds=round(seconds, 3),
        )

    def _body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self.endpoint.model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "frequency_penalty": sampling.frequency_penalty,
            "presence_penalty": sampling.presence_penalty,
            "seed": request.draw,
        }
        if isinstance(request.prompt, str):
            body["prompt"] = request.prompt
        else:
            body["messages"] = request.prompt
        if sampling.stop:
            body["stop"] = sampling.stop
        if request.schema:
            schema = {"name": request.schema.name, "strict": True, "schema": request.schema.body}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if "max_tokens" in self._without:
            body["max_completion_tokens"] = body.pop("max_tokens")
        return {name: value for name, value in body.items() if name not in self._without}

    def _give_way(self, error: ServerError, body: dict[str, Any]) -> bool:
        """Note a parameter that the server names as not supported; True if one was noted."""
        if error.status not in (400, 422):
            return False
        text = error.detail.lower()
        if any(word in text for word in _CONTEXT):
            return False
        if "max_completion_tokens" in text and "max_tokens" in body:
            self._without.add("max_tokens")
            return True
        if not any(word in text for word in _UNSUPPORTED):
            return False
        named = {name for name in _OPTIONAL if name in body and _names(error, name)}
        self._without |= named
        return bool(named)

    def _classify(self, error: ServerError, headers: Any) -> Exception:
        detail = f"HTTP {error.status}: {error.detail}"
        if error.status in (401, 403):
            return DeniedError(f"{self.endpoint.url}: the key was refused ({detail})", _KEY_REMEDY)
        if error.status == 404:
            what = f"{self.endpoint.url} has no model '{self.endpoint.model}' ({detail})"
            return DeniedError(what, _MODEL_REMEDY)
        if error.status == 402 or error.code == "insufficient_quota":
            return DeniedError(f"{self.endpoint.url}: no credit ({detail})", "top up, then go on")
        if 300 <= error.status < 400:
            what = f"{self.endpoint.url} redirects elsewhere ({detail})"
            return DeniedError(what, "give the final address with --base-url")
        if error.status == 429 or error.status == 503:
            return Retryable(OVERLOADED, detail, error.status, retry_after(headers))
        if error.status >= 500 or error.status in (408, 409, 425) or error.status < 300:
            return Retryable("server_error", detail, error.status, retry_after(headers))
        return Refused("refused", detail, error.status)


Sender = Wire | Recording
"""What requests are sent with."""


def _names(error: ServerError, name: str) -> bool:
    """True where an error is about this parameter, and not just uses the word."""
    if error.param.partition(".")[0] == name:
        return True
    camels = re.sub("_(.)", lambda match: match[1].upper(), name)
    if "_" in name and re.search(rf"\b({name}|{camels})\b", error.detail):
        return True
    quoted = rf"['\"`]{name}['\"`]"
    told = rf"(?:argument|parameter|property|field)s?\b[^.]*: {name}\b"
    return bool(re.search(f"{quoted}|{told}", error.detail)) or (
        name == "response_format" and "json_schema" in error.detail
    )


_KEY_REMEDY = "set OPENAI_API_KEY to a key that this server takes"
_MODEL_REMEDY = (
    "check the name after `openai:`, the --base-url (it usually ends in /v1), and that the server "
    "has this endpoint: many hosted ones have only chat, for which there is --prompt-style chat"
)


def _usage(counted: Any) -> _Usage | None:
    """The server's count; None where it has none that makes sense."""
    try:
        return msgspec.convert(counted, _Usage, strict=False)
    except msgspec.ValidationError:
        return None


def _prompt_text(request: Request) -> str:
    if isinstance(request.prompt, str):
        return request.prompt
    return "\n".join(message.content for message in request.prompt)


def _estimate(text: str) -> int:
    """Tokens of a text, about four characters each."""
    return (len(text) + 3) // 4
