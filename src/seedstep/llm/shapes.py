"""Find the reply in a server's body, whatever its shape: a choice, a stream of events, parts.

Servers with the OpenAI API send several shapes, and those behind gateways send their own. Each is
brought into the shape of a choice with a `message` or a `text`.

Example::

    choice_in({"choices": {"message": {"content": "Hi"}}})  # {"message": {"content": "Hi"}}
    parts_of([{"type": "text", "text": {"value": "Hi"}}])  # ("Hi", "")
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seedstep.llm.records import ending_of

__all__ = [
    "MOST_PARTS_IN_PARTS",
    "THOUGHT_FIELDS",
    "choice_in",
    "events_in",
    "is_event",
    "joined",
    "parts_of",
    "reason_in",
    "unwrapped",
]

THOUGHT_FIELDS = (
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "reasoning_details",
    "thinking",
    "thoughts",
)
"""The fields of a message in which servers send a model's thoughts."""

_THOUGHT_PARTS = (
    "thinking",
    "reasoning",
    "thought",
    "redacted_thinking",
    "reasoning_text",
    "reasoning_content",
    "summary_text",
)
"""The types of a message's parts that are thoughts."""

_TEXT_NAMES = ("text", "content", "thinking", "reasoning", "summary", "value", "parts")
"""The fields of a part in which its text may stand."""

_BARE_TEXTS = ("output_text", "generated_text", "response", "completion")
"""The fields of a body without choices in which its text may stand."""

_CHOICES = ("choices", "candidates", "outputs", "generations", "predictions")
"""The fields in which choices stand. Those after the first two may be texts."""

_ENVELOPES = ("data", "result", "response", "output", "body", "payload", "reply")
"""The fields in which gateways put the body of the server behind them."""

_NAMES_AROUND = {"role", "name", "refusal", "annotations", "audio", "tool_calls", "function_call"}
"""The fields of a message without a text: Gemini sends the role alone where thoughts used all."""

MOST_ENVELOPES = 3

MOST_PARTS_IN_PARTS = 20

_FIELDS = (
    "finish_reason",
    "finishReason",
    "native_finish_reason",
    "done_reason",
    "completion_reason",
    "completionReason",
    "finish_details",
    "incomplete_details",
)
_HOLDERS = ("details", "meta", "meta_info", "metadata")
"""The records beside a text in which some servers tell how it ended."""

_FLAGS: tuple[tuple[str, bool, str], ...] = (
    ("truncated", True, "truncated"),
    ("stopped_limit", True, "stopped_limit"),
    ("done", False, "incomplete"),
)
"""Fields that tell of an end by a value, and the word for that end."""

_OTHER_FIELDS = ("stop_reason", "stopReason")
"""Read where the others say nothing: vLLM writes the stop string of the request there."""

_LINE_END = re.compile(r"\r\n|\n|\r")
"""What ends a line of a stream. Unicode's separators of lines don't: texts hold them."""


def choice_in(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the first choice of a body, or a choice made from a body of another shape; or None."""
    name = next((name for name in _CHOICES if record.get(name) is not None), "")
    choices = record.get(name)
    if isinstance(choices, dict):
        held = {"message", "text", "delta", "content"} & set(choices)
        choices = [choices] if held else list(choices.values())
    if isinstance(choices, list):
        return _first_of(choices, may_be_text=name in _CHOICES[2:])
    if choices is not None:
        return None
    if isinstance(record.get("output"), list):  # the Responses API
        details = record.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        message = {"content": record["output"]}
        return {"message": message, "finish_reason": reason or record.get("status")}
    if isinstance(record.get("message"), dict) and "content" in record["message"]:
        return {"message": record["message"]}
    if isinstance(record.get("content"), list) and {"role", "stop_reason"} & set(record):
        return {"message": {"content": record["content"]}}
    feedback = record.get("promptFeedback", record.get("prompt_feedback"))
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        return {"text": "", "finish_reason": f"blocked: {feedback['blockReason']}"}
    return _bare(record)


def _bare(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a choice made from a body whose text stands in a field of its own, or None."""
    names = (*_BARE_TEXTS, *(["text"] if reason_in(record) else []))
    text = next((record[name] for name in names if isinstance(record.get(name), str)), None)
    return None if text is None else {"text": text}


def _first_of(choices: list[Any], *, may_be_text: bool) -> dict[str, Any] | None:
    """Return the first choice of a list that is an answer, in the shape of a choice, or None."""
    first: Any = next(filter(_is_answer, choices), choices[0] if choices else None)
    if isinstance(first, str) and may_be_text:
        return {"text": first}
    if not isinstance(first, dict):
        return None
    parts = first.get("message")
    if isinstance(parts, list) and all(isinstance(part, dict) for part in parts):
        first = {**first, "message": {"content": parts}}
    choice: dict[str, Any] = dict(first)
    content = choice.get("content")  # as Gemini's servers send it
    if content is not None and not (choice.get("message") and not content):
        choice["message"] = {"content": content}
    return choice


def _is_answer(choice: object) -> bool:
    """Return whether a choice is the first one's, and not what somebody else said."""
    if not isinstance(choice, dict):
        return isinstance(choice, str)
    message = choice.get("message")
    role = message.get("role") if isinstance(message, dict) else None
    return choice.get("index") in (None, 0, "0") and role not in ("user", "system", "tool")


def unwrapped(record: Any, depth: int = 0) -> Any:
    """Return a body without the envelope in which a gateway put it, with what it says beside it.

    Example::

        >>> unwrapped({"code": 0, "data": {"choices": [{"text": "Hi"}]}})
        {'code': 0, 'choices': [{'text': 'Hi'}]}
    """
    if not isinstance(record, dict) or depth > MOST_ENVELOPES:
        return record
    envelopes = {name: record[name] for name in _ENVELOPES if name in record}
    wrapped = any(str(it).lstrip().startswith('{"choices"') for it in envelopes.values())
    if envelopes and choice_in(record) is not None and not wrapped:
        return record
    for name, inner in envelopes.items():
        if isinstance(inner, str):
            inner = _json_in(inner)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        found = unwrapped(inner, depth + 1)
        if isinstance(found, dict) and (choice_in(found) is not None or found.get("error")):
            return {**{key: value for key, value in record.items() if key != name}, **found}
    return record


def _json_in(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def parts_of(content: object, depth: int = 0) -> tuple[str | None, str]:
    """Return the text of a message's content, which may be a list of parts, and its thoughts.

    A number is its digits, and an object without a text is its JSON: what the model wrote, read by
    the server.
    """
    if isinstance(content, str):
        parts = _parts_in(content) if depth == 0 else None
        return (content, "") if parts is None else parts_of(parts, 1)
    if isinstance(content, bool | int | float):
        return json.dumps(content), ""
    if isinstance(content, dict):
        if not {"type", *_TEXT_NAMES} & set(content):
            says = not set(content) <= _NAMES_AROUND
            return json.dumps(content, ensure_ascii=False) if says else None, ""
        content = [content]
    if not isinstance(content, list) or depth > MOST_PARTS_IN_PARTS:
        return None, ""
    if not all(isinstance(part, str | dict | list) for part in content):
        return None, ""
    said: list[str] = []
    thoughts: list[str] = []
    for part in content:
        text, inner = parts_of(_within(part), depth + 1)
        if text is not None:
            (thoughts if _is_thought(part) else said).append(text)
        thoughts.append(inner)
    return ("".join(said) if said else None), "\n".join(filter(None, thoughts))


_NAMES_IN_PARTS = {"type", *_TEXT_NAMES, "signature", "annotations", "id", "index", "status"}


def _parts_in(text: str) -> list[Any] | None:
    """Return the parts of a message that a gateway wrote as JSON into its text, or None."""
    if not (text.lstrip().startswith("[{") and '"type"' in text):
        return None
    parts = _json_in(text)
    known = (*_THOUGHT_PARTS, "text", "output_text", "refusal")
    is_whole = isinstance(parts, list) and all(
        isinstance(part, dict) and part.get("type") in known and set(part) <= _NAMES_IN_PARTS
        for part in parts
    )
    return parts if is_whole else None


def _within(part: Any) -> Any:
    """Return the text of a part, or the parts inside it; None if it has none, or refuses."""
    if not isinstance(part, dict):
        return part
    if part.get("type") == "refusal":
        return None
    return next((part[name] for name in _TEXT_NAMES if part.get(name)), None)


def _is_thought(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    return part.get("type") in _THOUGHT_PARTS or part.get("thought") is True


_KEPT = ("usage", "usageMetadata", "x_groq", "eval_count", "prompt_eval_count")
"""The fields with counts of tokens that an event of a stream may have."""


def joined(events: Iterable[object]) -> dict[str, Any]:
    """Join the events of a stream to a body. One that breaks off before its end is an error in it.

    Raises:
        ValueError: an event has another shape.
    """
    texts: dict[str, _Text] = {}
    whole: dict[str, Any] = {}
    reason, done = "", False
    for event in events:
        if not isinstance(event, dict):
            raise ValueError("an event that is no record")
        whole |= {name: event[name] for name in (*_KEPT, "error") if event.get(name)}
        done = done or event.get("done") is True
        if "choices" not in event and isinstance(event.get("message"), str):
            whole["error"] = event
        for choice in _choices(event)[:1]:
            reason = reason_in(choice, event) or reason
            whole |= {"error": choice["error"]} if choice.get("error") else {}
            may_be_whole = bool(choice.get("message")) and not choice.get("delta")
            for name, part in _changes(choice):
                texts.setdefault(name, _Text()).add(part, may_be_whole)
    if not (reason or done or "error" in whole):
        whole["error"] = {"message": "a stream without an end"}
    fields = {name: "".join(text.parts) for name, text in texts.items() if text.length}
    said = fields.pop("text", None)
    body = {"text": said} if said is not None else {"message": fields}
    return {**whole, "choices": [{**body, "finish_reason": reason}]}


@dataclass(slots=True)
class _Text:
    """The parts of a text that a stream sends."""

    parts: list[str] = field(default_factory=list)
    length: int = 0

    def add(self, part: str, may_be_whole: bool) -> None:
        """Add a part. One that may be the whole text, and begins as the parts do, replaces them."""
        if may_be_whole and len(part) >= self.length and part.startswith("".join(self.parts)):
            self.parts, self.length = [], 0
        self.parts.append(part)
        self.length += len(part)


def _changes(choice: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a message that an event adds to, and the texts that it adds.

    Raises:
        ValueError: it is no record.
    """
    delta = choice.get("delta") or choice.get("message") or {"text": choice.get("text")}
    if not isinstance(delta, dict):
        raise ValueError("a change of a message that is no record")
    for name, value in delta.items():
        if name != "role" and value is not None:
            said, thoughts = parts_of(value)
            yield name, said or ""
            yield THOUGHT_FIELDS[0], thoughts


def is_event(record: object) -> bool:
    """Return whether a record is an event of a stream: a choice that says what is added to it."""
    choices = record.get("choices") if isinstance(record, dict) else None
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and "delta" in choice for choice in choices
    )


def events_in(text: str) -> Iterator[object]:
    """Yield the events of a stream up to its end: lines of JSON, with or without `data:`.

    Raises:
        ValueError: an event is not JSON.
    """
    bare = text.lstrip().startswith("{")
    for line in _LINE_END.split(text):
        field, _, value = ("data", ":", line) if bare else line.partition(":")
        if field.strip() != "data" or not value.strip():
            continue
        if value.strip() == "[DONE]":
            yield {"done": True}
            return
        event = json.loads(value)
        yield event
        counted = isinstance(event, dict) and event.get("usage")
        if counted and any(reason_in(choice, event) for choice in _choices(event)):
            return


def _choices(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the choices of an event, without those that are not the first one's.

    Raises:
        ValueError: `choices` is not a list of choices.
    """
    if "choices" not in event and (only := choice_in(event)):  # as Ollama's own API sends them
        return [only]
    found = event.get("choices") or []
    if not isinstance(found, list) or not all(isinstance(choice, dict) for choice in found):
        raise ValueError("choices that are no records")
    return [choice for choice in found if choice.get("index") in (None, 0, "0")]


def reason_in(*records: Mapping[str, Any]) -> str:
    """Return the finish reason in a choice, or in the body around it; empty if there is none.

    Gateways say `stop` beside the word of the server behind them: if that is another, it counts.
    """
    words = [*_words(records, _FIELDS)] or [*_words(records, _OTHER_FIELDS)]
    told = [word for word in words if ending_of(word) not in ("finished", "unknown")]
    inner = (record.get(name) for record in records for name in _HOLDERS)
    for record in (*records, *(each for each in inner if isinstance(each, dict))):
        told += [word for field, value, word in _FLAGS if record.get(field) is value]
        if record in records:
            continue
        told += [word for word in _words((record,), _FIELDS) if ending_of(word) != "finished"]
    return next(iter([*told, *words]), "")


def _words(records: tuple[Mapping[str, Any], ...], fields: tuple[str, ...]) -> Iterator[str]:
    """Yield the values of fields but blank texts. One that is no text is written as JSON."""
    for record in records:
        for name in fields:
            value = record.get(name)
            if value is None:
                continue
            if isinstance(value, dict):
                value = value.get("type") or value.get("reason") or value
            if not isinstance(value, str):
                yield json.dumps(value)
            elif value.strip():
                yield value
