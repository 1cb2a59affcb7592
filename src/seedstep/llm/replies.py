"""Read the body of a reply: its text, its thoughts, how it ended, and its tokens.

Servers with the OpenAI API send different forms. This module reads them with `seedstep.llm.shapes`,
which finds the reply in them, and the word for its end: thoughts in separate fields or between
marks in the text, errors beside a choice or inside a list, counts of tokens that are wrong.

Example::

    >>> read_body(b'{"choices": [{"text": "Blue", "finish_reason": "stop"}]}').text
    'Blue'
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from math import isfinite
from typing import Any

import msgspec

from seedstep.lazy import late_pattern
from seedstep.llm.exchange import LONGEST_REPLY
from seedstep.llm.records import Ending, Likelihood, ending_of
from seedstep.llm.shapes import (
    MOST_PARTS_IN_PARTS,
    THOUGHT_FIELDS,
    choice_in,
    events_in,
    is_event,
    joined,
    parts_of,
    reason_in,
    unwrapped,
)
from seedstep.text import split_thoughts

__all__ = ["MOST_TOKENS", "Body", "BodyError", "likelihood_in", "read_body"]

MOST_TOKENS = 100_000_000
"""The most tokens that a count of one request may have. A larger one is no count."""

HIGHEST = 0.01
"""Log-probabilities are not above 0, but for what numbers of 16 bits lose. Others are none."""

_COUNTS = {
    "prompt_tokens": "prompt",
    "input_tokens": "prompt",
    "promptTokenCount": "prompt",
    "prompt_eval_count": "prompt",
    "inputTokens": "prompt",
    "completion_tokens": "completion",
    "output_tokens": "completion",
    "candidatesTokenCount": "completion",
    "eval_count": "completion",
    "outputTokens": "completion",
    "total_tokens": "total",
    "totalTokenCount": "total",
    "reasoning_tokens": "thoughts",
    "thinking_tokens": "thoughts",
    "thoughts_token_count": "thoughts",
    "thoughtsTokenCount": "thoughts",
}
"""What the counts of tokens are of. Where a server sends several of the same, the largest counts.
"""

MOST_AROUND_USAGE = 1

_STATUS = re.compile(r"[0-9]{1,5}")
_OVERLOADED = late_pattern(
    r"rate.?limit|overload|too.?many.?requests|resource.?exhausted|unavailable", re.IGNORECASE
)
_AT_FAULT = late_pattern(
    r"invalid.?(?:request|argument|value|param)|bad.?request|context.?length|not.?found"
    r"|permission|authenticat|unauthori[sz]ed|unsupported|validation|failed.?precondition"
    r"|out.?of.?range|content.?(?:policy|filter)",
    re.IGNORECASE,
)
"""The kinds of errors after which the same request can succeed later, and those after which not."""

_COMMENTS = re.compile(r"\A\s*+(?::[^\n]*+\n\s*+)++")
"""The comments with which gateways keep a connection open, before any body."""


@dataclass(frozen=True, slots=True)
class Body:
    """The content of a reply. Token counts are None if the server sends none that are plausible.

    `text` is None if there is none. `thoughts` were removed from it, or sent separately.
    `total_tokens` are the server's count of all that is paid, 0 if it sends none. `is_chat` is True
    for a message, False for a completion. `refusal` is True if the model refuses in a separate
    field.
    """

    text: str | None
    thoughts: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int
    total_tokens: int = 0
    is_chat: bool = False
    refusal: bool = False

    @property
    def ending(self) -> Ending:
        """How the reply ended."""
        return ending_of(self.finish_reason)

    @property
    def used_up_by_thinking(self) -> bool:
        """Whether the reply was cut at its limit of tokens and contains nothing but thoughts.

        Many servers don't send the thoughts, and don't count them. A message that is cut before its
        first character has nothing else for which its tokens can have gone.
        """
        hidden = self.is_chat or self.text is None
        thought = bool(self.thoughts or self.reasoning_tokens or hidden)
        return thought and self.ending == "cut" and not (self.text or "").strip()

    @property
    def was_paid(self) -> bool:
        """Whether the server counts tokens of the reply, or has sent any."""
        return bool(self.completion_tokens or self.text or self.thoughts)


class BodyError(ValueError):
    """A body with status 200 without a reply.

    `code` is the status that the body names, 0 if it names none. `body` has what the body contains
    nevertheless, for which tokens are paid.
    """

    def __init__(self, message: str, code: int = 0, body: Body | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.body = body


def read_body(data: bytes) -> Body:
    """Read the body of a reply with status 200.

    Raises:
        BodyError: it has no reply.
    """
    try:
        return _read(unwrapped(_of_list(_decoded(data))))
    except BodyError:
        raise
    except (ValueError, RecursionError):
        raise BodyError("not a completion") from None


def likelihood_in(data: bytes, start: int, end: int) -> Likelihood | None:
    """Return the likelihood of the characters from `start` to `end` of a text that was sent.

    Returns None if the body does not have the log-probabilities of their tokens.

    Example:
        >>> found = b'{"tokens": ["A", " b"], "token_logprobs": [null, -2]}'
        >>> likelihood_in(b'{"choices": [{"logprobs": ' + found + b"}]}", 1, 3)
        Likelihood(nats=2.0, tokens=1)
    """
    try:
        choice = choice_in(_of_list(_decoded(data))) or {}
        found = msgspec.convert(choice.get("logprobs"), _Logprobs)
    except (ValueError, RecursionError, AttributeError):
        return None
    offsets = found.text_offset or [*accumulate(map(len, found.tokens), initial=0)][:-1]
    if not len(offsets) == len(found.tokens) == len(found.token_logprobs):
        return None
    ends = [*offsets[1:], offsets[-1] + len(found.tokens[-1])] if offsets else []
    values = [
        value
        for value, first, last in zip(found.token_logprobs, offsets, ends, strict=True)
        if first < end and last > start
    ]
    known = [value for value in values if value is not None and isfinite(value) and value < HIGHEST]
    if not values or len(known) < len(values) or max(ends) < end:
        return None
    return Likelihood(-sum(known) / len(known), len(known))


@dataclass(frozen=True, slots=True)
class _Logprobs:
    """The log-probabilities of tokens, as servers with completions send them."""

    tokens: list[str]
    token_logprobs: list[float | None]
    text_offset: list[int] = field(default_factory=list)


def _read(record: Any) -> Body:
    """Return the content of a JSON value."""
    if not isinstance(record, dict):
        raise BodyError("not a completion")
    choice = choice_in(record)
    body = _body(choice or {}, record)
    message = (choice or {}).get("message")
    held = [record, choice or {}, message if isinstance(message, dict) else {}]
    errors = (each[name] for each in held for name in ("error", "errors") if name in each)
    if error := next(filter(_is_error, errors), None):
        raise BodyError(*_told(error), body)
    if choice is None and body.completion_tokens and not _MESSAGES & set(record):
        return body  # paid for, and without a reply
    told = _told(record) if choice is None else _told_beside(record)
    if told is not None:
        raise BodyError(*told, body)
    return body


_MESSAGES = {"message", "msg", "detail", "code"}
"""Fields in which a body tells of an error."""


def _told_beside(record: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the error that a gateway tells in fields of its own beside a reply, or None."""
    inner = record.get("base_resp")
    inner = inner if isinstance(inner, dict) else {}
    if inner.get("status_code"):
        return str(inner.get("status_msg") or inner), 0
    code = record.get("code")
    failed = record.get("success") is False or str(record.get("status")).lower() == "error"
    if failed or (isinstance(code, int) and 400 <= code < 600):
        return _told(record)
    return None


def _body(choice: Mapping[str, Any], record: Mapping[str, Any]) -> Body:
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    text = choice.get("text")
    said, thoughts = (
        parts_of(message.get("content"))
        if message
        else (text if isinstance(text, str) else None, "")
    )
    beside = [parts_of(message[name])[0] or "" for name in THOUGHT_FIELDS if name in message]
    text, inside = said, ""
    if said is not None and len(said) <= LONGEST_REPLY:  # a longer one is refused later
        text, inside = split_thoughts(said)
    filtered = _is_filtered(choice.get("content_filter_results"))
    return Body(
        text,
        "\n".join(filter(None, [*dict.fromkeys(beside), thoughts, inside])),
        "content_filter" if filtered else reason_in(choice, message, record),
        *_counts(record),
        bool(message),
        bool(message.get("refusal")) or _has_refusal(message.get("content")),
    )


def _has_refusal(content: object, depth: int = 0) -> bool:
    """Return whether one of the parts of a message's content is a refusal."""
    parts = content if isinstance(content, list) and depth < MOST_PARTS_IN_PARTS else []
    return any(
        isinstance(part, dict)
        and (part.get("type") == "refusal" or _has_refusal(part.get("content"), depth + 1))
        for part in parts
    )


def _is_filtered(results: object) -> bool:
    """Return whether a filter of contents says that it took something out."""
    found = results.values() if isinstance(results, dict) else ()
    return any(isinstance(each, dict) and each.get("filtered") is True for each in found)


def _decoded(data: bytes) -> Any:
    """Return the JSON value in a body, or the reply that is joined from a stream of events."""
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        pass  # json.loads takes more, such as lone surrogates
    text = _COMMENTS.sub("", data.decode("utf-8-sig"))
    if text.lstrip().startswith(("data:", "event:", "id:", "retry:", ":")):
        return joined(events_in(text))
    try:
        return json.loads(text)
    except ValueError:
        is_stream = '"delta"' in text or '"done"' in text
        return joined(events_in(text)) if is_stream else None


def _of_list(record: Any) -> Any:
    """Return the first record of a list, or all of them joined if they are a stream's events."""
    if is_event(record):
        return joined([record])
    if not isinstance(record, list) or not record:
        return record
    return joined(record) if is_event(record[0]) else record[0]


def _is_error(error: object) -> bool:
    """Return whether a field that is named `error` tells of one: not if all in it is empty."""
    return any(error.values()) if isinstance(error, dict) else bool(error)


def _told(error: object) -> tuple[str, int]:
    """Return the message of an error inside a body, and the HTTP status that it names."""
    if isinstance(error, list) and error:
        error = error[0]
    if not isinstance(error, dict):
        return str(error), 0
    message = str(error.get("message") or error.get("msg") or error)
    code = error.get("code", error.get("status"))
    named = int(code) if isinstance(code, int | str) and _STATUS.fullmatch(str(code)) else 0
    if not 100 <= named < 600:
        kinds = " ".join(str(error.get(name, "")) for name in ("code", "type", "status"))
        named = 429 if _OVERLOADED.search(kinds) else 400 if _AT_FAULT.search(kinds) else 0
    return message, named


def _counts(record: Mapping[str, Any]) -> tuple[int | None, int | None, int, int]:
    """Return the tokens of the prompt, of the reply, of thoughts, and the total: all that is paid.

    Thoughts that have more tokens than the reply are paid beside it: some servers don't count them
    among its tokens.
    """
    usage = _usage(record)
    counts = _largest_counts(usage)
    details = [usage[name] for name in _DETAILS if isinstance(usage.get(name), dict)]
    held = [counts, *map(_largest_counts, details)]
    thoughts = max(each.get("thoughts", 0) for each in held)
    completion = counts.get("completion")
    if thoughts > (completion or 0):
        completion = (completion or 0) + thoughts
    return counts.get("prompt"), completion, thoughts, counts.get("total", 0)


_USAGES = ("usage", "usageMetadata", "token_usage", "tokens", "billed_units")
_DETAILS = ("completion_tokens_details", "output_tokens_details")


def _usage(record: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    """Return the record with the counts of tokens: one of a known name, or what stands around it.

    Some servers put it into another record, or into a choice.
    """
    for name in _USAGES:
        found: Any = record.get(name)
        if isinstance(found, dict):
            return _usage(found, depth)
    for inner in record.values() if depth < MOST_AROUND_USAGE else ():
        inner = inner[0] if isinstance(inner, list) and len(inner) == 1 else inner
        held = _usage(inner, depth + 1) if isinstance(inner, dict) else inner
        if isinstance(held, dict) and held is not inner:
            return held
    return record


def _largest_counts(usage: Mapping[str, Any]) -> dict[str, int]:
    """Return the largest count of tokens of each kind that there is."""
    found: dict[str, int] = {}
    for name, value in usage.items():
        if name in _COUNTS and (count := _count(value)) is not None:
            found[_COUNTS[name]] = max(count, found.get(_COUNTS[name], 0))
    return found


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value) if 0 <= value < MOST_TOKENS and value == int(value) else None
