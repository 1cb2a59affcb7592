"""Read the body of a reply: its text, its thoughts, how it ended, and its tokens.

Servers with the OpenAI API send different forms. This module knows them: a text or a list of parts,
thoughts in separate fields or between marks in the text, a stream of events although none was
requested, errors beside a choice or inside a list, and various finish reasons.

Example::

    >>> ending_of("MAX_TOKENS"), ending_of("stop"), ending_of("something_new")
    ('cut', 'finished', 'unknown')
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from seedstep.text import split_thoughts

__all__ = ["ENDINGS", "Body", "BodyError", "Ending", "ending_of", "read_body"]

Ending = Literal["finished", "cut", "broken_off", "withheld", "unknown"]
"""How a reply ended. A reply that broke off is requested again; one withheld is a failure."""

ENDINGS: Mapping[str, Ending] = MappingProxyType(
    {
        "stop": "finished",
        "eos": "finished",
        "eos_token": "finished",
        "end": "finished",
        "end_turn": "finished",
        "stop_sequence": "finished",
        "completed": "finished",
        "complete": "finished",
        "done": "finished",
        "length": "cut",
        "max_tokens": "cut",
        "max_length": "cut",
        "length_limit": "cut",
        "limit": "cut",
        "truncated": "cut",
        "context_length_exceeded": "cut",
        "max_new_tokens": "cut",
        "max_output_tokens": "cut",
        "max_completion_tokens": "cut",
        "model_length": "cut",
        "model_context_window_exceeded": "cut",
        "token_limit": "cut",
        "endoftext": "finished",
        "end_of_text": "finished",
        "abort": "broken_off",
        "user_cancel": "broken_off",
        "error_limit": "cut",
        "malformed_function_call": "broken_off",
        "aborted": "broken_off",
        "cancel": "broken_off",
        "canceled": "broken_off",
        "cancelled": "broken_off",
        "disconnect": "broken_off",
        "error": "broken_off",
        "failed": "broken_off",
        "incomplete": "broken_off",
        "insufficient_system_resource": "broken_off",
        "internal_error": "broken_off",
        "interrupted": "broken_off",
        "model_error": "broken_off",
        "network_error": "broken_off",
        "server_error": "broken_off",
        "timeout": "broken_off",
        "blocklist": "withheld",
        "error_toxic": "withheld",
        "image_safety": "withheld",
        "blocked": "withheld",
        "censored": "withheld",
        "content_filter": "withheld",
        "content_filtered": "withheld",
        "guardrail_intervened": "withheld",
        "language": "withheld",
        "moderation": "withheld",
        "prohibited_content": "withheld",
        "recitation": "withheld",
        "refusal": "withheld",
        "safety": "withheld",
        "sensitive": "withheld",
        "spii": "withheld",
    }
)
"""The finish reasons of servers, in lower case, and what they mean."""

_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "thoughts")
"""The fields of a message in which servers send a model's thoughts."""

_THOUGHT_PARTS = ("thinking", "reasoning", "thought", "redacted_thinking", "reasoning_text")
"""The types of a message's parts that are thoughts."""

_REASON_FIELDS = ("finish_reason", "stop_reason", "native_finish_reason")
_PREFIX = re.compile(r"^(?:finish_reason|finishreason|stop_reason|reason)_")

MOST_TOKENS = 2**53


def ending_of(finish_reason: str) -> Ending:
    """Return how a reply ended by its finish reason; `unknown` for an unknown one.

    Case, spaces, hyphens and the prefixes of enumerations are ignored. A reply without a finish
    reason counts as `finished`.

    Example::

        >>> ending_of("FINISH_REASON_MAX_TOKENS"), ending_of("maxTokens")
        ('cut', 'cut')
    """
    if not finish_reason.strip():
        return "finished"
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", finish_reason.strip())
    word = re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")
    return ENDINGS.get(word) or ENDINGS.get(_PREFIX.sub("", word), "unknown")


@dataclass(frozen=True, slots=True)
class Body:
    """The content of a reply. Token counts are None if the server sends none that are plausible.

    `text` is None if there is none. `thoughts` were removed from it, or sent separately. `refusal`
    is True if the model refuses in a separate field.
    """

    text: str | None
    thoughts: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int
    refusal: bool = False

    @property
    def ending(self) -> Ending:
        """How the reply ended."""
        return ending_of(self.finish_reason)

    @property
    def used_up_by_thinking(self) -> bool:
        """Whether the reply was cut at its limit of tokens and contains nothing but thoughts."""
        empty = not (self.text or "").strip()
        return empty and self.ending == "cut" and bool(self.thoughts or self.reasoning_tokens)


class BodyError(ValueError):
    """A body with status 200 without a reply.

    `code` is the status that the body names, 0 if it names none. Token counts are the server's.
    """

    def __init__(self, message: str, code: int = 0, tokens: tuple[int, int] = (0, 0)) -> None:
        super().__init__(message)
        self.code = code
        self.tokens = tokens


def read_body(data: bytes) -> Body:
    """Read the body of a reply with status 200.

    Raises:
        BodyError: it has no reply.
    """
    record = _record(data)
    if isinstance(record, list) and record and isinstance(record[0], dict):
        record = record[0]
    if not isinstance(record, dict):
        raise BodyError("not a completion")
    usage = record.get("usage")
    prompt_tokens, completion_tokens = (
        _tokens(usage, "prompt_tokens", "input_tokens"),
        _tokens(usage, "completion_tokens", "output_tokens"),
    )
    paid = (prompt_tokens or 0, completion_tokens or 0)
    choices = record.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    held = choice if isinstance(choice, dict) else {}
    message = held.get("message")
    message = message if isinstance(message, dict) else {}
    if error := record.get("error") or held.get("error") or message.get("error"):
        raise BodyError(*_told(error), paid)
    if not isinstance(choice, dict):
        raise BodyError("not a completion", 0, paid)
    said, thoughts = _parts(choice.get("text") if message == {} else message.get("content"))
    beside = [_parts(message.get(name))[0] or "" for name in _THOUGHT_FIELDS]
    text, inside = split_thoughts(said) if said is not None else (None, "")
    return Body(
        text,
        "\n".join(filter(None, [*dict.fromkeys(beside), thoughts, inside])),
        _reason_in(choice),
        prompt_tokens,
        completion_tokens,
        _reasoning_tokens(usage),
        bool(message.get("refusal")) or _has_refusal(message.get("content")),
    )


def _record(data: bytes) -> Any:
    """Return the JSON value in a body, or the reply that is joined from a stream of events."""
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        pass  # json.loads takes more, such as lone surrogates
    try:
        text = data.decode("utf-8-sig")
        if text.lstrip().startswith(("data:", "event:", ":")):
            return _joined(list(_events(text)))
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BodyError("not a completion") from None


def _events(text: str) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream up to its end.

    Raises:
        ValueError: an event is not JSON, or the stream has no end.
    """
    for line in text.splitlines():
        field, _, value = line.partition(":")
        if field.strip() != "data":
            continue
        if value.strip() == "[DONE]":
            yield {"done": True}
            return
        event = json.loads(value)
        if not isinstance(event, dict):
            raise ValueError("an event that is no record")
        yield event
        if _finish_reason(event) and "usage" in event:
            return


def _joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Join the events of a stream to a reply.

    Raises:
        ValueError: the stream breaks off before the reply has ended.
    """
    texts: dict[str, list[str]] = {}
    whole: dict[str, Any] = {}
    reason, done = "", False
    for event in events:
        whole |= {name: event[name] for name in ("usage", "error") if event.get(name)}
        reason = _finish_reason(event) or reason
        done = done or "done" in event
        for choice in (event.get("choices") or [])[:1]:
            if choice.get("message") and not choice.get("delta"):
                texts.clear()  # the whole message at the end takes the place of its parts
            delta = choice.get("delta") or choice.get("message") or {"text": choice.get("text")}
            for name, value in delta.items():
                if name == "role" or value is None:
                    continue
                said, thoughts = _parts(value)
                for field, text in ((name, said), (_THOUGHT_FIELDS[0], thoughts)):
                    if text:
                        texts.setdefault(field, []).append(text)
    if not (reason or done or "error" in whole):
        raise ValueError("a stream without an end")
    fields = {name: "".join(parts) for name, parts in texts.items()}
    text = fields.pop("text", None)
    body = {"text": text} if text is not None else {"message": fields}
    return {**whole, "choices": [{**body, "finish_reason": reason}]}


def _finish_reason(event: Mapping[str, Any]) -> str:
    choices = event.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return _reason_in(first) if isinstance(first, dict) else ""


def _reason_in(choice: Mapping[str, Any]) -> str:
    """Return the finish reason of a choice. One that is no text is written as JSON: it is unknown.

    Gateways say `stop` beside the word of the server behind them: if that is another, it counts.
    """
    found = [choice.get(name) for name in _REASON_FIELDS]
    words = [
        word if isinstance(word, str) else json.dumps(word) for word in found if word is not None
    ]
    told = [word for word in words if ending_of(word) not in ("finished", "unknown")]
    return next(iter([*told, *words]), "")


def _parts(content: object) -> tuple[str | None, str]:
    """Return the text of a message's content, which may be a list of parts, and its thoughts."""
    if isinstance(content, str):
        return content, ""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(part, str | dict) for part in content):
        return None, ""
    said: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            said.append(part)
        elif part.get("type") in _THOUGHT_PARTS:
            thoughts.append(_text_of(part))
        elif part.get("type") != "refusal":
            said.append(_text_of(part))
    return ("".join(said) if said else None), "\n".join(thoughts)


def _text_of(part: Mapping[str, Any]) -> str:
    for name in ("text", "content", "thinking", "reasoning", "summary"):
        value = part.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            return _parts(value)[0] or ""
    return ""


def _has_refusal(content: object) -> bool:
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and part.get("type") == "refusal" for part in parts)


def _told(error: object) -> tuple[str, int]:
    """Return the message of an error inside a body, and the HTTP status that it names."""
    if not isinstance(error, dict):
        return str(error), 0
    code = error.get("code", error.get("status"))
    named = int(code) if isinstance(code, int | str) and str(code).isdecimal() else 0
    return str(error.get("message") or error), named if 100 <= named < 600 else 0


def _tokens(usage: object, *names: str) -> int | None:
    """Return a count of tokens under one of its names, or None if it is no count."""
    if not isinstance(usage, dict):
        return None
    for name in names:
        count = usage.get(name)
        if isinstance(count, str) and count.isdecimal() and len(count) < 20:
            count = int(count)
        if isinstance(count, int | float) and not isinstance(count, bool):
            return int(count) if 0 <= count < MOST_TOKENS and count == int(count) else None
    return None


def _reasoning_tokens(usage: object) -> int:
    """Return the number of tokens of thoughts in a reply, 0 if the server sends none."""
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    found = _tokens(details, "reasoning_tokens", "thinking_tokens")
    return found or _tokens(usage, "reasoning_tokens", "thoughts_token_count") or 0
