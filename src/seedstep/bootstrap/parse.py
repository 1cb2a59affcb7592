"""From a model's reply to instructions, a yes or no, and instances (Self-Instruct, section 2.2).

Models of every size come through here, so a reply may hold anything. A chat reply is read as
JSON where it is JSON, and otherwise like a completion.

Example::

    instructions(" Sort the list.\\n10. Name a river.", first=9)  # both instructions
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["RawInstance", "instructions", "is_classification", "labeled_inputs", "worked_examples"]

_NUMBERED = re.compile(r"^[ \t]*(?:task[ \t]+)?\d{1,3}[ \t]*[.):][ \t]*", re.MULTILINE | re.I)
_BULLET = re.compile(r"^[ \t]*[-*•][ \t]+", re.MULTILINE)
_EXAMPLE = re.compile(r"^[ \t#*]*Example[ \t]*\d*[ \t]*[.:]?[ \t*]*$\n?", re.MULTILINE | re.I)
_EXAMPLE_INLINE = re.compile(r"^[ \t#*]*Example[ \t]+\d+[ \t]*[.:][ \t*]*", re.MULTILINE | re.I)
_OUTPUT = re.compile(r"^[ \t*]*Output[ \t]*\d*[ \t]*:[ \t*]*", re.MULTILINE | re.I)
_INPUT = re.compile(r"^[ \t*]*Input[ \t]*\d*[ \t]*:[ \t*]*", re.MULTILINE | re.I)
_LABEL = re.compile(r"^[ \t*]*Class label[ \t]*\d*[ \t]*:[ \t*]*", re.MULTILINE | re.I)
_FENCE = re.compile(r"\A\s*```\w*\n(?P<body>.*?)\n?```\s*\Z", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_THINKING = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RawInstance:
    """An instance as the model wrote it. `whole` is False where the reply was cut inside it."""

    input: str
    output: str
    whole: bool = True


def instructions(text: str, *, continues: bool, cut: bool = False) -> tuple[str, ...]:
    """The instructions of a list, or of JSON; white space inside each is collapsed.

    A completion `continues` a list, so that its first line belongs to a number that stands in
    the prompt; before the list in a chat reply is talk. If the reply was `cut` at its length
    limit, the last instruction is unfinished and left out.
    """
    text = _clean(text)
    found = _from_json(text, "tasks")
    if found is not None:
        return tuple(" ".join(one.split()) for one in found if isinstance(one, str) and one.strip())
    if continues and not _NUMBERED.match(text):
        text = f"9. {text}"
    item = _NUMBERED if _NUMBERED.search(text) else _BULLET
    items = [" ".join(one.split()) for one in item.split(text)[1:]]
    if cut:
        items = items[:-1]
    return tuple(one for one in items if one)


def is_classification(text: str) -> bool:
    """True for yes, in any case, or `{"is_classification": true}`; False for all else."""
    text = _clean(text)
    value = _json_object(text).get("is_classification")
    if isinstance(value, bool):
        return value
    return re.match(r"\W*yes\b", text, re.I) is not None


def worked_examples(text: str, *, cut: bool = False) -> tuple[RawInstance, ...]:
    """Instances of an input-first reply: `Example N` blocks, one `Output:`, or JSON."""
    text = _clean(text)
    found = _from_json(text, "examples")
    if found is not None:
        return tuple(_json_instances(found, "output"))
    text = _EXAMPLE_INLINE.sub(lambda match: f"{match[0].rstrip()}\n", text)
    blocks = [block for block in _EXAMPLE.split(text) if block.strip()]
    if not _EXAMPLE.search(text) and not _OUTPUT.search(text):
        return ()
    return _mark_cut([_input_and_output(block) for block in blocks], cut)


def labeled_inputs(text: str, *, cut: bool = False) -> tuple[RawInstance, ...]:
    """Instances of an output-first reply: `Class label:` and the input below it, or JSON."""
    text = _clean(text)
    found = _from_json(text, "examples")
    if found is not None:
        return tuple(_json_instances(found, "label"))
    pairs = []
    for block in _LABEL.split(text)[1:]:
        label, _, rest = block.strip().partition("\n")
        pairs.append(RawInstance(_INPUT.sub("", rest, count=1).strip(), label.strip()))
    return _mark_cut(pairs, cut)


def _input_and_output(block: str) -> RawInstance:
    parts = _OUTPUT.split(block)
    if len(parts) == 1:
        return RawInstance("", block.strip())
    output = _INPUT.split(parts[1])[0]
    return RawInstance(_INPUT.sub("", parts[0], count=1).strip(), output.strip())


def _mark_cut(found: list[RawInstance], cut: bool) -> tuple[RawInstance, ...]:
    if cut and found:
        found[-1] = RawInstance(found[-1].input, found[-1].output, whole=False)
    return tuple(found)


def _clean(text: str) -> str:
    """Without control characters, a reasoning model's thoughts, and one fence around it all."""
    text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _THINKING.sub("", text)
    fenced = _FENCE.match(text)
    return fenced["body"] if fenced else text


def _json_object(text: str) -> dict[str, Any]:
    """The first JSON object in a text, or an empty one."""
    start = text.find("{")
    if start < 0:
        return {}
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text, start)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _from_json(text: str, field: str) -> list[Any] | None:
    """The list `field` of the JSON object in a reply; as much of it as is whole if it was cut."""
    value = _json_object(text).get(field)
    if isinstance(value, list):
        return value
    opening = re.search(rf'\{{\s*"{field}"\s*:\s*\[', text)
    return list(_whole_items(text, opening.end())) if opening else None


def _whole_items(text: str, start: int) -> Iterator[Any]:
    """Items of a JSON list whose end is missing, up to the first unfinished one."""
    decoder = json.JSONDecoder(strict=False)
    while True:
        start += len(text[start:]) - len(text[start:].lstrip(", \n\t"))
        try:
            value, start = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            return
        yield value


def _json_instances(found: list[Any], output: str) -> Iterator[RawInstance]:
    for one in found:
        if isinstance(one, dict):
            yield RawInstance(_as_text(one.get("input")), _as_text(one.get(output)))


def _as_text(value: Any) -> str:
    """A JSON value as text: models write numbers, lists and objects where text was asked for."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
