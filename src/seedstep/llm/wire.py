"""Send requests by the OpenAI completions and chat protocols, and read the replies.

A server may send anything: wrong types, incomplete bodies, huge bodies, pages of HTML. The result
is a `Reply`, or one of two exceptions that say whether sending the request again may help.

Example::

    reply = await Wire(session, endpoint).send(request)
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
import msgspec

from seedstep.errors import DeniedError, InputError
from seedstep.lazy import late_pattern
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.exchange import exchange
from seedstep.llm.faults import (
    OVERLOADED,
    Refused,
    Retryable,
    ServerError,
    retry_after,
    storable,
    without_key,
)
from seedstep.llm.pacing import RepliesInProgress
from seedstep.llm.parameters import DEFAULTS, Parameters, before_stop
from seedstep.llm.records import (
    THINKING_ROOM,
    Reasoning,
    Reply,
    Request,
    RequestChanges,
    estimated_tokens,
)
from seedstep.llm.replies import Body, BodyError, likelihood_in, read_body

__all__ = [
    "PARAMETER",
    "Wire",
    "path_of",
]

LARGE_BODY = 1 << 20
"""A request of more bytes is sent in pieces, as aiohttp advises."""

PARAMETER = "parameter"
"""The reason of a fault after which the request is sent again at once, with other parameters."""

THINKING = "used_up_by_thinking"
"""The reason of a failure: the model's thoughts used up all tokens of the reply."""

_REASONS = late_pattern(
    r"(?:^|/)(?:o[1-9](?:$|-)|gpt-5|gpt-oss|deepseek-(?:r|reasoner)|qwq|qwen3(?!.*instruct)"
    r"|magistral|grok-(?:3-mini|[4-9])|gemini-(?:2\.5|[3-9])|phi-4-.*reasoning|.*-thinking\b)",
    re.IGNORECASE,
)
"""Names of models that are known to reason before they answer (November 2026)."""


def path_of(request: Request) -> str:
    """Return the part of the address to which a request is sent."""
    return "completions" if isinstance(request.prompt, str) else "chat/completions"


@dataclass
class Wire:
    """A client of an endpoint that remembers which optional parameters it does not accept."""

    session: aiohttp.ClientSession
    endpoint: Endpoint
    writing: RepliesInProgress = field(default_factory=RepliesInProgress)
    _parameters: Parameters = field(default_factory=Parameters)
    _reasons: bool = False

    def __post_init__(self) -> None:
        self._reasons = bool(_REASONS.search(self.endpoint.model))

    async def send(self, request: Request) -> Reply:
        """Send a request once.

        Raises:
            Retryable: the server is overloaded or faulty, the connection broke, the reply is
                unreadable or broke off, or the server does not accept a parameter, which is left
                out from now on.
            Refused: the server does not accept this request, or withholds its reply.
        """
        body, changes = self.prepare(request)
        started = time.monotonic()
        status, headers, data = await self._post(path_of(request), body, request.purpose)
        seconds = time.monotonic() - started
        return self.read(request, body, changes, (status, headers, data), seconds)

    def prepare(self, request: Request) -> "tuple[dict[str, Any], RequestChanges]":
        """Return the body of a request, and what was changed in it for this server."""
        room = self._room(request)
        whole = self._body(request, room)
        omitted = self._parameters.left_out(request)
        left_out = tuple(name for name in whole if name in omitted)
        if lowered := self._parameters.lowered(request, whole):
            left_out += (lowered[1],)
        return self._parameters.adapt(request, whole), RequestChanges(room, left_out)

    def read(
        self,
        request: Request,
        body: Mapping[str, Any],
        changes: "RequestChanges",
        answer: tuple[int, Mapping[str, str], bytes],
        seconds: float = 0.0,
    ) -> Reply:
        """Read the answer to a request that was sent with this body: status, headers, and data.

        Raises:
            Retryable: for the reasons of `send`.
            Refused: for the reasons of `send`.
        """
        status, headers, data = answer
        if status == 200:
            self._parameters.succeeded(request)
            return self._reply(request, data, changes.room, changes.left_out, seconds)
        error = ServerError.read(status, data, self.endpoint.key)
        if self._parameters.give_way(request, error, body):
            raise Retryable(PARAMETER, error.detail, status)
        self._parameters.failed(request)
        raise self._classify(error, headers)

    async def check(self) -> int:
        """Return the HTTP status of the list of models; raise `Retryable` if nothing answers."""
        status, _, _ = await exchange(self.session, self.endpoint, "GET", "models")
        return status

    async def close(self) -> None:
        """Close the connections."""
        await self.session.close()

    async def _post(self, path: str, body: dict[str, Any], purpose: str) -> tuple[int, Any, bytes]:
        encoded = msgspec.json.encode(body)
        data = encoded if len(encoded) < LARGE_BODY else BytesIO(encoded)
        if not self.endpoint.in_process:
            return await exchange(self.session, self.endpoint, "POST", path, data)
        with self.writing.listen(purpose) as hear:
            return await exchange(self.session, self.endpoint, "POST", path, data, hear)

    def _reply(
        self, request: Request, data: bytes, room: int, left_out: tuple[str, ...], seconds: float
    ) -> Reply:
        """Read a body with status 200."""
        try:
            body = read_body(data)
        except BodyError as error:
            raise self._unreadable(request, error, data) from None
        tokens, estimated = _tokens(request, body)
        if request.scored_from is not None:
            text = self._likelihood(request, data)
            return Reply(text, "stop", *tokens, estimated=estimated, seconds=round(seconds, 3))
        thought_long = body.used_up_by_thinking or (body.thoughts and body.ending == "cut")
        if body.reasoning_tokens or thought_long:
            self._reasons = True
        if body.used_up_by_thinking:
            if self._room(request) > room:
                raise Retryable(PARAMETER, "no token was left for the answer", 200, tokens)
            raise _used_up(body, tokens)
        if body.ending == "broken_off":
            detail = f"the reply was broken off: {self._said(body.finish_reason)}"
            raise Retryable("broken_off", detail, 200, tokens)
        empty = not (body.text or "").strip()
        if body.ending == "withheld" or (body.refusal and empty):
            detail = f"the server withheld the reply: {self._said(body.finish_reason)}"
            raise Refused("content_filter", detail, 200, tokens)
        if body.text is None and not body.thoughts and not self.endpoint.in_process:
            detail = f"a completion without text: {self._said(body.finish_reason or 'no reason')}"
            raise _no_reply(detail, body, tokens)
        text, reason = storable(body.text or ""), self._said(self._reason(request, body, room))
        if "stop" in left_out and (shorter := before_stop(text, request.sampling.stop)) is not None:
            text, reason = shorter, "stop"
        return Reply(
            text,
            reason,
            *tokens,
            estimated=estimated,
            seconds=round(seconds, 3),
            thoughts=storable(body.thoughts),
            reasoning_tokens=body.reasoning_tokens,
            left_out=left_out,
        )

    def _reason(self, request: Request, body: Body, room: int) -> str:
        """Return how a reply ended. One that has all tokens, and whose end is not known, is cut."""
        word = body.finish_reason.strip()
        at_limit = (body.completion_tokens or 0) >= request.sampling.max_tokens + room
        if not at_limit or (word and body.ending != "unknown"):
            return word or "stop"
        return f"length ({word})" if word else "length"

    def _likelihood(self, request: Request, data: bytes) -> str:
        """Return the likelihood of a prompt's end as JSON.

        Raises:
            InputError: the server does not say it.
        """
        assert isinstance(request.prompt, str)
        assert request.scored_from is not None
        found = likelihood_in(data, request.scored_from, len(request.prompt))
        if found is None:
            raise InputError(
                f"{self.endpoint.url} gives no likelihoods of the texts that it is sent "
                f"('{self.endpoint.model}' was asked with `echo` and `logprobs`)",
                "name a checkpoint, hf:PATH, or a server that gives them, such as vLLM",
            )
        return msgspec.json.encode(found).decode()

    def _said(self, word: str) -> str:
        """Return a server's word about a reply, cleaned, so that it may be stored and shown."""
        return without_key(storable(word), self.endpoint.key)[:100]

    def _unreadable(self, request: Request, error: BodyError, data: bytes) -> Exception:
        """Return the exception for a body with status 200 that has no reply."""
        read = ServerError.read(200, data, self.endpoint.key)
        detail = f"not a completion: {read.detail}"
        paid = _paid(request, error.body)
        if error.code in (429, 503):
            return Retryable(OVERLOADED, detail, error.code, paid)
        if 400 <= error.code < 500 and error.code not in (408, 409, 425):
            return Refused("refused", detail, error.code, paid)
        return Retryable("malformed_reply", detail, 200, paid)

    def _room(self, request: Request) -> int:
        """Return the number of tokens for thoughts, to be added to the limit for the answer."""
        if request.scored_from is not None:
            return 0
        asked = request.reasoning.room if request.reasoning else None
        if asked is not None:
            return asked
        return THINKING_ROOM if self._reasons else 0

    def _body(self, request: Request, room: int) -> dict[str, Any]:
        sampling = request.sampling
        reasoning = request.reasoning or Reasoning()
        wished = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "frequency_penalty": sampling.frequency_penalty,
            "presence_penalty": sampling.presence_penalty,
            "reasoning_effort": reasoning.effort,
        }
        body: dict[str, Any] = {
            "model": self.endpoint.model,
            "max_tokens": sampling.max_tokens + room,
            **{name: value for name, value in wished.items() if self._is_sent(name, value)},
            "seed": request.draw,
        }
        if isinstance(request.prompt, str):
            body["prompt"] = request.prompt
        else:
            body["messages"] = request.prompt
        if sampling.stop:
            body["stop"] = sampling.stop
        if request.scored_from is not None:
            body |= {"echo": True, "logprobs": 1}
        if request.schema:
            schema = {"name": request.schema.name, "strict": True, "schema": request.schema.body}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self.endpoint.in_process:  # whoever waits sees what is being written
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return {**body, **reasoning.extra}

    def _is_sent(self, name: str, value: float | str | None) -> bool:
        """Return whether a parameter is sent: not if it is None, or the API's default.

        A model in this process has other defaults, so that all parameters are sent to it.
        """
        if value is None:
            return False
        return self.endpoint.in_process or DEFAULTS.get(name) != value

    def _classify(self, error: ServerError, headers: Any) -> Exception:
        detail = f"HTTP {error.status}: {error.detail}"
        if error.status in (401, 403):
            remedy = self.endpoint.key_remedy("a key that this server takes")
            denial = DeniedError(f"{self.endpoint.url}: the key was refused ({detail})", remedy)
            return denial if error.status == 401 else Refused("refused", detail, 403, denial=denial)
        if error.status == 404:
            what = f"{self.endpoint.url} has no model '{self.endpoint.model}' ({detail})"
            remedy = f"check the name after `{self.endpoint.prefix}:`, {_MODEL_REMEDY}"
            return Refused("refused", detail, 404, denial=DeniedError(what, remedy))
        if error.status == 402 or error.code == "insufficient_quota":
            return DeniedError(f"{self.endpoint.url}: no credit ({detail})", "top up, then go on")
        if 300 <= error.status < 400:
            what = f"{self.endpoint.url} redirects elsewhere ({detail})"
            return DeniedError(what, "give the final address with --base-url")
        if error.status in (429, 500, 503) and _TOO_LARGE.search(error.detail):
            return Refused("refused", detail, error.status)
        if error.status == 429 or error.status == 503:
            return Retryable(OVERLOADED, detail, error.status, after=retry_after(headers))
        if error.status >= 500 or error.status in (408, 409, 425) or error.status < 300:
            return Retryable("server_error", detail, error.status, after=retry_after(headers))
        return Refused("refused", detail, error.status)


_TOO_LARGE = late_pattern(
    r"(?:request|prompt|input|message)s? (?:is |are |was )?too (?:large|long|big)|must be reduced"
    r"|context (?:length|window|size)|^(?!.*(?:\bwait\b|\blater\b|\brate\b|slow down| per "
    r"(?:second|minute|hour|day))).*too many (?:input )?tokens",
    re.IGNORECASE,
)
"""The fault is in the request, whatever the status says: it is refused at each attempt.

Too many tokens may also be those of all requests, of which a server asks to wait.
"""

_MODEL_REMEDY = (
    "the --base-url (it usually ends in /v1), and that the server has this endpoint: many hosted "
    "ones have only chat, for which there is --prompt-style chat"
)


def _no_reply(detail: str, body: Body, tokens: tuple[int, int]) -> Exception:
    """Return the exception for a reply without text; what is paid for is not asked for again."""
    if body.completion_tokens:
        return Refused("malformed_reply", detail, 200, tokens)
    return Retryable("malformed_reply", detail, 200, (body.prompt_tokens or 0, 0))


def _used_up(body: Body, tokens: tuple[int, int]) -> Refused:
    used = body.reasoning_tokens or tokens[1]
    detail = (
        f"all {used:,} tokens of the reply went into the model's thoughts; raise `room` under "
        "`reasoning`, or lower its `effort`"
    )
    return Refused(THINKING, detail, 200, tokens)


MOST_CHARACTERS_A_TOKEN = 16
"""A text of more characters for each token that the server counts has more tokens than it says."""


def _tokens(request: Request, body: Body) -> tuple[tuple[int, int], bool]:
    """Return the tokens of prompt and reply, and whether one of the numbers is an estimate.

    They are the server's counts, if the texts can be of so few tokens; else they are estimated.
    What the server's total has more than both is paid, and counts as part of the reply.
    """
    written = (body.text or "") + body.thoughts
    counted = body.completion_tokens or 0
    too_few = counted * MOST_CHARACTERS_A_TOKEN < len(written)
    asked, prompt = _prompt_text(request), body.prompt_tokens or 0
    hides_prompt = prompt * MOST_CHARACTERS_A_TOKEN < len(asked) or not prompt
    prompt = estimated_tokens(asked) if hides_prompt else prompt
    completion = max(counted, estimated_tokens(written)) if too_few else counted
    estimated = hides_prompt or body.completion_tokens is None or too_few
    return (prompt, max(completion, body.total_tokens - prompt)), estimated


def _paid(request: Request, body: Body | None) -> tuple[int, int]:
    """Return the tokens that a body without a reply cost nevertheless."""
    if body is None:
        return 0, 0
    if body.was_paid:
        return _tokens(request, body)[0]
    return body.prompt_tokens or 0, 0


def _prompt_text(request: Request) -> str:
    if isinstance(request.prompt, str):
        return request.prompt
    return "\n".join(message.content for message in request.prompt)
