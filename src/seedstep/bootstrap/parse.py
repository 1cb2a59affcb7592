"""Read replies (Self-Instruct, section 2.2): instructions, values of an axis, or a yes or no.

Models of every size are used, so a reply may contain anything. A chat reply that is JSON is read as
JSON, any other like a completion. Numbers and labels are those of `seedstep.text.numbering`. Text
that can't be read is reported, and never taken for something else. All functions take time that is
linear in the length of the reply. An answer about classification that says yes and no, or denies
what it says, says neither.

Example::

    >>> found = read_instructions(" Sort the list.\\n10. Name a river.", first=9)
    >>> [item.text for item in found]
    ['Sort the list.', 'Name a river.']
    >>> says_classification("Yes, it has two labels."), says_classification("Yes.\\nNo.")
    (True, None)
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from seedstep.bootstrap.glued import (
    BULLET,
    SENTENCE_END,
    UNKNOWN_LABEL,
    goes_on_unnumbered,
    has_title,
    may_be_several,
)
from seedstep.text import (
    answer,
    is_refusal,
    plain_text,
    single_spaced,
)
from seedstep.text.closings import closing_sentence, ends_list, is_closing, is_note, talk_begins
from seedstep.text.numbering import (
    find_number,
    label_at_line_start,
    on_lines,
    unbolded,
    without_labels,
    words_for,
)

__all__ = [
    "ListedInstruction",
    "json_list",
    "read_instructions",
    "read_values",
    "says_classification",
]

_NOT_OF_INSTRUCTION = label_at_line_start("input", "output", "class label", "example", "answer")
_NUMBERED_EXAMPLE = re.compile(
    rf"^[ \t*#]*+{words_for('example')}[ \t]*+(\d{{1,3}})[ \t]*+[:：.)-]",
    re.MULTILINE | re.IGNORECASE,
)
_RULE = re.compile(r"[ \t]*+(?:[-*_=#~][ \t]*+){3,}+")
"""A line across the page, between the items of a list."""

_LONGEST_VALUE = 100
_LINE_ENDS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""What ends a line for people, and is no line feed."""

_NO_INPUT = re.compile(
    rf"(?<!\s)\s*+[(\[]?(?:\*\*)?{words_for('input')}(?:\*\*)?[ ]?[:：](?:\*\*)?[ ]?"
    r"[<(\[]?no[ _-]?input[>)\]]?[)\]]?[ ]?\.?\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ListedInstruction:
    """An item of a list of instructions. `fault` says why it can't be used, else it is empty.

    `fault` is "cut_list" if the reply was cut inside the item, and "unreadable_list" if the text
    may contain several items, or contains none.
    """

    text: str
    fault: str = ""


def read_instructions(
    text: str, *, first: int = 0, cut: bool = False
) -> tuple[ListedInstruction, ...]:
    """Return the items of a list, or of JSON; white space inside each is collapsed.

    A completion continues a list: the prompt ends with the number `first`, so that the first line
    is the text of that item. For a chat reply `first` is 0, and other text may come before the
    list. If the reply was `cut` at its length limit, its last item is incomplete. A reply without
    items is returned as an unreadable item, unless it is empty.
    """
    said = answer(_LINE_ENDS.sub("\n", text))
    listed = json_list(said, "tasks", '"')
    if listed is not None:
        values, rest = listed
        found = [item for value in values if (item := _json_item(value))]
        if cut and not said.rstrip().endswith(("}", "]")):
            found.append(ListedInstruction("", "cut_list"))
        elif rest.strip(", \t\n"):
            found.append(ListedInstruction(_one_line(rest), "unreadable_list"))
        return tuple(found)
    items = _listed(on_lines(said), first)
    following = [*(item.number for item in items), 0][1:]
    talk = items[-1] if ends_list([item.raw for item in items]) else None
    found = [
        ListedInstruction(_one_line(raw), "unreadable_list")
        if titled
        or talk is items[place]
        or goes_on_unnumbered(number, raw, after, alone=len(items) == 1)
        or (not after and any(map(is_note, raw.split("\n")[1:])))
        else item
        for place, ((number, raw, titled), after) in enumerate(zip(items, following, strict=False))
        if (item := _item(number, raw))
    ]
    if cut and items:
        last = _one_line(items[-1].raw)
        kept = found[:-1] if _item(items[-1].number, items[-1].raw) else found
        return (*_labelled_alike(kept), ListedInstruction(last, "cut_list"))
    if found or not said.strip():
        return tuple(_labelled_alike(found))
    return (ListedInstruction(_one_line(said), "cut_list" if cut else "unreadable_list"),)


def read_values(text: str, *, cut: bool = False) -> tuple[str, ...]:
    """Return the short texts that a reply lists, as JSON or as a list from 1 on, each once.

    If the reply was `cut` at its length limit, the last item of a list is incomplete.
    """
    said = on_lines(answer(_LINE_ENDS.sub("\n", text)))
    held = json_list(said, "values", '"')
    listed = held[0] if held else None
    if listed is None:
        items = _listed(said, 0)
        if (
            not items or items[0].number > 1
        ):  # it goes on with the first item, and has no words before
            items = _listed(said, 1)
        raw = [item.raw.rstrip(" *_") for item in items]
        talks = ends_list(raw) and raw[-1].endswith(("!", "！"))
        items = items[:-1] if cut or talks else items
        listed = [
            unbolded(raw.strip())
            for number, raw, _ in items
            if not re.search(rf"(?<![\w.]){number + 1}[.)]\s", raw)
        ]
    values: dict[str, str] = {}
    for value in listed:
        short = _one_line(value).rstrip(" .,;。、") if isinstance(value, str) else ""
        is_value = not (_NO_VALUE.match(short) or is_refusal(short) or closing_sentence(short))
        if 0 < len(short) <= _LONGEST_VALUE and is_value:
            values.setdefault(short.casefold(), short)
    return tuple(values.values())


_NO_VALUE = re.compile(
    r"(?:\W|_)*+(?:(?:etc|and so on|n/?a|none|null|string|value|topic)[\W\d]*+)?\Z", re.IGNORECASE
)
"""Matches what stands in the place of a value: a form that was not filled in, or the end of one."""


_FIELDS = ("instruction", "task", "definition", "text", "description", "prompt", "question")
"""The fields of an object in which an instruction may stand, the surest first."""


def _json_item(value: Any) -> ListedInstruction | None:
    found = value
    if isinstance(value, dict):
        fields = {name.casefold(): text for name, text in value.items() if isinstance(text, str)}
        found = next((fields[name] for name in _FIELDS if fields.get(name, "").strip()), value)
    if not isinstance(found, str):
        text = json.dumps(value, ensure_ascii=False)
        return ListedInstruction(_one_line(text), "unreadable_list") if value else None
    value = found
    line, _, rest = value.strip().partition("\n")
    number = find_number(line) if len(line.split(maxsplit=1)) > 1 else None
    if number is None:
        return _item(0, value)
    return _item(number.number, f"{number.text}\n{rest}")


class _Listed(NamedTuple):
    """An item of a list, unchanged, and its number, or 0. A title may stand before a `titled`."""

    number: int
    raw: str
    titled: bool


def _listed(text: str, first: int) -> list[_Listed]:
    """Return the items of a list. A line before the list announces it if it ends with a colon."""
    lines = text.split("\n")
    numbers = [find_number(line) for line in lines]
    items: list[tuple[int, str, list[str]]] = []
    announced = False
    if first and not numbers[0]:
        after = next((number.number for number in numbers if number), first + 1)
        if after > first or not lines[0].rstrip().endswith((":", "：")):
            items.append((first, lines[0], [lines[0]]))
            announced = after <= first and not lines[0].rstrip(" *_").endswith(SENTENCE_END)
        lines, numbers = lines[1:], numbers[1:]
    if any(numbers) or items:
        for line, number in zip(lines, numbers, strict=True):
            if number:
                items.append((number.number, line, [number.text]))
            elif items:
                items[-1][2].append(line)
    else:
        for line in lines:
            if bullet := BULLET.match(line):
                items.append((0, line, [line[bullet.end() :]]))
            elif items:
                items[-1][2].append(line)
    return [
        _Listed(
            number,
            _first_block(part, is_last=place == len(items)),
            (announced and place == 1) or has_title(line, *part[:4]),
        )
        for place, (number, line, part) in enumerate(items, start=1)
    ]


def _first_block(lines: list[str], *, is_last: bool) -> str:
    """Return the lines of an item up to a blank line, a rule, or the end of a fence."""
    block: list[str] = []
    for place, line in enumerate(lines):
        is_break = not line.strip() or _RULE.fullmatch(line)
        talks = is_last and bool(block) and is_closing(line) and talk_begins(lines, place)
        ends = is_break or talks
        if (ends and block) or line.startswith("```"):
            break
        if not is_break:
            block.append(line)
    return "\n".join(block)


def _item(number: int, raw: str) -> ListedInstruction | None:
    """Return an item without labels and other fields than the instruction; None if empty."""
    if not _one_line(raw):
        return None
    text = raw.strip()
    if number or without_labels(text) != unbolded(text):  # an item of JSON has no marks of a list
        text = without_labels(unbolded(text))
    if number and any(map(f"{number + 1}".__eq__, _NUMBERED_EXAMPLE.findall(text))):
        return ListedInstruction(_one_line(raw), "unreadable_list")
    text = _NO_INPUT.sub("", _NOT_OF_INSTRUCTION.split(text, maxsplit=1)[0])
    talk = number and closing_sentence(text.rpartition("\n")[2])
    if not _one_line(text) or talk or may_be_several(text, number):
        return ListedInstruction(_one_line(raw), "unreadable_list")
    return ListedInstruction(_one_line(text))


def _labelled_alike(found: Sequence[ListedInstruction]) -> list[ListedInstruction]:
    """Name the items that all begin with one label that is not known, as unreadable."""
    labels = [UNKNOWN_LABEL.match(item.text) for item in found if not item.fault]
    names = {label["name"].casefold() if label else "" for label in labels}
    if len(labels) < 2 or len(names) > 1 or "" in names:
        return list(found)
    return [replace(item, fault=item.fault or "unreadable_list") for item in found]


def _one_line(text: str) -> str:
    return single_spaced(plain_text(text)).strip("\u200b\ufeff ")


def json_list(text: str, field: str, item: str) -> tuple[list[Any], str] | None:
    """Return the list `field` of a JSON object, or a list whose items start with `item`.

    If the reply was cut, or is no JSON from some place on, the items before that are returned, and
    the text from there on; it is empty where the list ends.
    """
    opening = re.search(rf'"{field}"\s*+:\s*+\[|\A\s*+\[(?=\s*+{re.escape(item)})', text)
    if opening is None:
        return None
    decoder, separator = json.JSONDecoder(strict=False), re.compile(r"[,\s]*+")
    values: list[Any] = []
    place = opening.end()
    while True:
        begin = separator.match(text, place)
        assert begin
        try:
            value, place = decoder.raw_decode(text, begin.end())
        except (ValueError, RecursionError):
            return values, "" if text.startswith("]", begin.end()) else text[begin.end() :]
        values.append(value)


_JSON_ANSWER = re.compile(r'"is_classification"\s*+:\s*+"?(?P<said>true|false|yes|no)\b', re.I)
_YES_OR_NO = (
    r"(?P<said>yes(?!\w)|no(?!\w)(?![ ](?!(?:it|this|that|the|because|since|I)\b)\w))"
    r"(?![ ]?(?:/|or\b|and\b)|['\u2019-]\w)"
)
"""Matches a yes or a no, but not "yes or no", and not the no of "no labels"."""

_FIRST_WORD = re.compile(rf"[^\w]*+{_YES_OR_NO}(?!\W{{0,3}}\?)", re.IGNORECASE)
_ASKED_AGAIN = re.compile(
    r"(?:is it (?:a )?classification(?: task)?[ ]?\?|\b(?:answer|classification)\b[ ]?(?:is\b|:))"
    rf"[\s*:\"']*+{_YES_OR_NO}",
    re.IGNORECASE,
)
_BOTH = re.compile(r"\byes\W+(?:\w+\W+)?no\b|\bno\W+(?:\w+\W+)?yes\b", re.IGNORECASE)
_LAST_WORD = re.compile(
    r"(?<![\w/])(?<!\bor )(?<!maybe )(?<!perhaps )(?P<said>yes|no)[^\w?]{0,9}\Z", re.IGNORECASE
)
_GOES_ON = re.compile(r"\W*\w|[.!\u3002\uff01]")
_PAIR = re.compile(
    r"\byes\W{1,4}(?:(?:or|and|nor)\W{1,3})?no\b|\bno\W{1,4}(?:(?:or|and|nor)\W{1,3})?yes\b"
    r"|[\"'\u201c\u2018`](?:yes|no)\b",
    re.IGNORECASE,
)
"""Both words as labels, or one as a label in quotation marks, in the reason for an answer."""

_WORD_ALONE = re.compile(
    r"(?:^|[\n.!?;:,/|(\[\u2013\u2014-])[ \t*]*+"
    r"(?:(?:\w+[ ](?:thought|reflection)|actually|rather|wait|hmm+|(?:or )?(?:maybe|perhaps|better)"
    r"|but|sorry|so|or|and)[ ,.]{1,3}){0,3}"
    r"(?P<said>yes|no)(?=[ \t*]*+(?:[^\w\s'\u2019-]|\n|\Z))",
    re.IGNORECASE,
)
"""A yes or a no that answers: it stands alone in its part of a sentence."""

_DENIED = re.compile(
    r"(?:yes\W{1,3}(?:it|this|that)(?:[ ]is|['\u2019]s)?(?:[ ]not|n['\u2019]t)"
    r"|no\W{1,3}(?:it|this|that) is(?= (?:a )?classif|\W*\Z))\b",
    re.IGNORECASE,
)
_NOT_SAID = re.compile(r"(?:n['\u2019]t|\bnot|\bcannot|\bnever)[ ](?:\w+[ ]){0,2}\Z", re.IGNORECASE)
_NEXT_TASK = re.compile(r"\n[ \t]*+Task\b", re.IGNORECASE)
_LOOKED_AT = 2000
"""How many characters, from the start, are read of a reply about classification."""

RELEASED_YES = ("Yes", "yes", "YES")
"""The only replies that the released code takes for a yes."""


def says_classification(text: str, *, cut: bool = False, released: bool = False) -> bool | None:
    """Return whether a reply says that a task is a classification task; None if it says neither.

    A reply may be `{"is_classification": true}`, have a yes or no as its first or last word, or
    repeat the question and answer it. One that also says the opposite says neither, as does a
    refusal. The last word of a reply that was `cut` is not read: a "No" may have gone on as "No
    problem". With `released`, as in the released code, Yes, yes and YES are a yes, and all other
    text is a no; an empty reply says neither.
    """
    said = answer(text)[:_LOOKED_AT].strip()
    signs = {sign["said"].lower() in ("true", "yes") for sign in _JSON_ANSWER.finditer(said)}
    if signs:
        return signs.pop() if len(signs) == 1 else None
    if released:
        return said in RELEASED_YES if said else None
    if is_refusal(said):
        return None
    said = _NEXT_TASK.split(said, maxsplit=1)[0]
    found = _FIRST_WORD.match(said) or _ASKED_AGAIN.search(said)
    if cut and found and not _GOES_ON.match(said, found.end()):
        found = None
    if not found and not cut and not _BOTH.match(said):
        found = _LAST_WORD.search(said)
    if not found or _contradicts(said, found):
        return None
    return found["said"].lower() == "yes"


def _contradicts(said: str, found: re.Match[str]) -> bool:
    """Return whether a reply also says the opposite of a word in it, or denies the word."""
    start = found.start("said")
    if _DENIED.match(said, start) or _NOT_SAID.search(said[max(0, start - 60) : start]):
        return True
    before, after = said[:start], said[found.end("said") :]
    signs = (
        sign for part in (before, after) for sign in _WORD_ALONE.finditer(_PAIR.sub("both", part))
    )
    return any(sign["said"].lower() != found["said"].lower() for sign in signs)
