"""From a model's reply to instructions, a yes or no, and instances (Self-Instruct, section 2.2).

Models of every size come through here, so a reply may hold anything. A chat reply is read as
JSON where it is JSON, and otherwise like a completion.

Example::

    instructions(" Sort the list.\\n10. Name a river.", continues=True)  # both instructions
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from seedstep.text import answer, plain_text

__all__ = ["RawInstance", "instructions", "is_classification", "labeled_inputs", "worked_examples"]


def _field(name: str) -> re.Pattern[str]:
    """Matches `Name:` at the start of a line, also numbered, bold or an item of a list."""
    name = rf"{name}[ \t]*\d*[ \t]*"
    bold = rf"\*\*{name}(?::[ \t]*\*\*|\*\*[ \t]*:)"
    return re.compile(rf"^[ \t]*(?:[-*•][ \t]+)?(?:{bold}|{name}:)[ \t]*", re.MULTILINE | re.I)


_OUTPUT = _field("Output")
_INPUT = _field("Input")
_LABEL = _field("Class label")
_NEXT_INPUT = re.compile(rf"{_INPUT.pattern}|^Input[ \t]+\d+[ \t]*-", re.MULTILINE | re.I)
_EXAMPLE = re.compile(
    r"^[ \t#*]*Example(?:[ \t]*\d*[ \t*]*[.:-]?[ \t*]*(?:\n|\Z)|[ \t]+\d+[ \t]*[.:][ \t*]*)",
    re.MULTILINE | re.I,
)
_NUMBERED = re.compile(
    r"^[ \t#*(]*(?:task[ \t]+)?\d{1,3}[ \t]*[.):](?!\d)[ \t*]*", re.MULTILINE | re.I
)
_NUMBER = re.compile(r"\A\s*\d{1,3}[.)]\s+(?=\S)")
_BULLET = re.compile(r"^[ \t]*[-*•][ \t]+", re.MULTILINE)
_END_OF_ITEM = re.compile(r"\n[ \t]*\n|\n```")
_JSON_YES = re.compile(r'"is_classification"\s*:\s*(true|false)\b')


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
    text = answer(text)
    found = _json_list(text, "tasks", '"')
    if found is not None:
        found = [_NUMBER.sub("", one) for one in found if isinstance(one, str)]
    else:
        items = _listed(f"0. {text}" if continues and not _NUMBERED.match(text) else text)
        found = items[:-1] if cut else items
    lines = (" ".join(plain_text(one).split()) for one in found)
    return tuple(one for one in lines if one)


def _listed(text: str) -> list[str]:
    item = _NUMBERED if _NUMBERED.search(text) else _BULLET
    return [_END_OF_ITEM.split(one.strip(), 1)[0] for one in item.split(text)[1:]]


def is_classification(text: str) -> bool:
    """True for yes, in any case, or `{"is_classification": true}`; False for all else."""
    text = answer(text)
    if found := _JSON_YES.search(text):
        return found[1] == "true"
    return re.match(r"\W*yes\b", text, re.I) is not None


def worked_examples(
    text: str, *, cut: bool = False, may_be_bare: bool = False
) -> tuple[RawInstance, ...]:
    """Instances of an input-first reply: `Example N` blocks, one `Output:`, or JSON.

    If it `may_be_bare`, a reply without any of these is the output for an empty input.
    """
    text = answer(text)
    found = _json_list(text, "examples", "{")
    if found is not None:
        return tuple(_json_instances(found, "output"))
    before, *blocks = _EXAMPLE.split(text)
    if _OUTPUT.search(before) or (may_be_bare and not blocks and before.strip()):
        blocks = [before, *blocks]
    return _mark_cut([_input_and_output(block) for block in blocks if block.strip()], cut)


def labeled_inputs(text: str, *, cut: bool = False) -> tuple[RawInstance, ...]:
    """Instances of an output-first reply: `Class label:` and the input below it, or JSON."""
    text = answer(text)
    found = _json_list(text, "examples", "{")
    if found is not None:
        return tuple(_json_instances(found, "label"))
    pairs = []
    for block in _LABEL.split(text)[1:]:
        label, _, rest = block.strip().partition("\n")
        pairs.append(RawInstance(_input(rest), label.strip()))
    return _mark_cut(pairs, cut)


def _input_and_output(block: str) -> RawInstance:
    before, *after = _OUTPUT.split(block)
    if not after:
        return RawInstance("", _NEXT_INPUT.split(block)[0].strip())
    return RawInstance(_input(before), _NEXT_INPUT.split(after[0])[0].strip())


def _input(text: str) -> str:
    """An input without `Input:` before it; other labels belong to it."""
    text = text.strip()
    label = _INPUT.match(text)
    return text[label.end() :].strip() if label else text


def _mark_cut(found: list[RawInstance], cut: bool) -> tuple[RawInstance, ...]:
    if cut and found:
        found[-1] = RawInstance(found[-1].input, found[-1].output, whole=False)
    return tuple(found)


def _json_list(text: str, field: str, item: str) -> list[Any] | None:
    """The list `field` of a JSON object, or a bare list whose items start with `item`.

    If the reply was cut, or breaks off being JSON, the items before that.
    """
    opening = re.search(rf'"{field}"\s*:\s*\[|\A\s*\[(?=\s*{re.escape(item)})', text)
    return list(_whole_items(text, opening.end())) if opening else None


def _whole_items(text: str, start: int) -> Iterator[Any]:
    decoder = json.JSONDecoder(strict=False)
    separator = re.compile(r"[,\s]*")
    while True:
        begin = separator.match(text, start)
        assert begin
        try:
            value, start = decoder.raw_decode(text, begin.end())
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
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""
    return plain_text(text).strip()
