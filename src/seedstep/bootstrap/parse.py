"""Read lists from replies (Self-Instruct, section 2.2): instructions, and values of an axis.

Models of every size are used, so a reply may contain anything. A chat reply that is JSON is read as
JSON, any other like a completion. Numbers and labels are those of `seedstep.text.numbering`. Text
that can't be read is reported, and never taken for something else: items that may hold more than
one instruction, or a label that is not known, are rejected by name. All functions take time that is
linear in the length of the reply.

Example::

    >>> found = read_instructions(" Sort the list.\\n10. Name a river.", first=9)
    >>> [item.text for item in found]
    ['Sort the list.', 'Name a river.']
    >>> may_be_several("Sort it.\\n10) Name it.", 9), may_be_several("Sort it\\nby size.", 9)
    (True, False)
    >>> goes_on_unnumbered(9, "Sort it.\\n- Name it.", 0, alone=True)
    True
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import Any, NamedTuple

from seedstep.lazy import late_pattern
from seedstep.text import answer, count_words, is_refusal, plain_text, single_spaced
from seedstep.text.cleaning import json_list
from seedstep.text.closings import closing_sentence, ends_list, is_closing, is_note, talk_begins
from seedstep.text.numbering import (
    find_number,
    inside_line,
    label_at_line_start,
    lettered,
    looks_numbered,
    on_lines,
    unbolded,
    without_labels,
    words_for,
)

__all__ = [
    "ListedInstruction",
    "read_instructions",
    "read_values",
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


BULLET = late_pattern(r"[ \t]*+[-*•][ \t]++")
_NUMBER_INSIDE = late_pattern(r"[.!?。！？][ \t]*+(?P<n>\d{1,3})[.)、．][ \t]*+(?=[^\d\s])")
_ITEM_TAG = late_pattern(r"<(?P<end>/)?(?:li|ol|ul)[ \t]*/?>", re.IGNORECASE)
_NEXT_LABEL = late_pattern(
    rf"[ \t*]*+{words_for('task')}[ \t]*+\d{{1,3}}[ \t*]*+[:：.]", re.IGNORECASE
)
UNKNOWN_LABEL = late_pattern(
    r"(?P<name>[^\W\d]{2,20})[ \t]{0,3}(?P<n>\d{1,3})?[ \t]{0,3}[:：](?=\s++\S)"
)
"""A label of a language that is not known, if anything stands behind it."""


_KINDS = late_pattern(
    r"[ \t>*•_#-]*+(?:(?:task |question )?(?:type|category|difficulty|level|domain|skills?|tags?)"
    r"|is classification|kategorie|typ|schwierigkeit|catégorie|difficulté|tipo|categoría|dificultad"
    r"|categoria|dificuldade|difficoltà|тип|категория|сложность|类型|類型|难度|難度|種類|カテゴリー?"
    r"|難易度|유형|난이도|النوع|الصعوبة|प्रकार|श्रेणी|कठिनाई|kategori|zorluk|độ khó|tingkat kesulitan)"
    r"[ \t*_]*+[:：][ \t*_]*+[^\s,?？，、;]++(?:[ \t]++[^\s,?？，、;]++){0,3}+[ \t]*+$",
    re.IGNORECASE | re.MULTILINE,
)
"""A field in which a model tells the kind of a task, and which is no part of it."""


def may_be_several(text: str, number: int) -> bool:
    """Return whether the text of item `number` may hold other items, or fields of a form, too.

    An item of JSON has the number 0: a list that begins with 1 is part of it.
    """
    _, *others = text.split("\n")
    if any(map(_KINDS.match, others if number else ())) or (number and _KINDS.match(text)):
        return True
    label = UNKNOWN_LABEL.match(text)
    if number and label and label["n"] == str(number):
        return True
    glued = _numbers_on(others, number) if number else _goes_on_elsewhere(others)
    return glued or _runs_on(text, number) or _has_loose_tag(text)


def _numbers_on(lines: Sequence[str], number: int) -> bool:
    """Return whether lines of an item have numbers or labels of a list."""
    return lettered(lines, number + 1) or any(
        find_number(line)
        or looks_numbered(line, number + 1)
        or without_labels(line) != unbolded(line)
        for line in lines
    )


_SAYS_MORE = late_pattern(r"[:：,;，；、(\[{\u2013\u2014-]\Z")
"""The end of a line that announces the next one."""

_OF_ITS_OWN = late_pattern(
    r"[\"'\u201c\u2018\u00ab`>|(\[{]|[A-Za-z][.)]\s|[^\s:：]+(?: [^\s:：]+){0,3}[ ]?[:：]"
)
"""The beginning of a line that is material of a task: quoted, an option, or with a label."""

SENTENCE_END = (".", "!", "?", "\u3002", "\uff01", "\uff1f", "\u0964", "\u061f", "\u06d4")
_WORDS_OF_AN_ITEM = 4


def goes_on_unnumbered(number: int, raw: str, following: int, *, alone: bool) -> bool:
    """Return whether the lines below an item may be further items, which have no numbers.

    They are, if the next number counts them. Where none follows, one line below the only item of a
    list, or two below the last one, can't be told from another item.
    """
    lines = [_without_bullet(line).strip() for line in raw.split("\n")]
    pairs = takewhile(lambda pair: not _SAYS_MORE.search(pair[0]), pairwise(lines))
    items = sum(_may_be_item(line) for _, line in pairs)
    if not number or not items:
        return False
    return following == number + 1 + items if following else items > (0 if alone else 1)


_TITLE_LINE = late_pattern(r"[ \t>*•-]*+(?:\#{1,6}[ \t]|.*(?:\*\*|__)[ \t]*+\Z)")
_TITLE_BEFORE = late_pattern(
    r"(?:\W|[\d_])*(?:\*\*|__)(?P<title>[^*_]+)(?:\*\*|__)[ \t]+(?P<rest>\w)"
)


def has_title(line: str, text: str, *below: str) -> bool:
    """Return whether a title without a colon stands before the instruction of an item.

    `line` has the item's number and the marks that `text` lacks. A title is a heading or bold, and
    followed by a sentence: on the same line, or `below`.
    """
    before = _TITLE_BEFORE.match(line)
    if before and not before["rest"].islower():
        title = before["title"].strip()
        return " " in title and not title.endswith(SENTENCE_END) and not _SAYS_MORE.search(title)
    if not text or not _TITLE_LINE.match(line):
        return False
    following = next((part.strip() for part in below if part.strip()), "")
    ended = text.endswith(SENTENCE_END) or _SAYS_MORE.search(text)
    return (
        not ended and _may_be_item(following) and not (is_closing(following) or is_note(following))
    )


def _without_bullet(line: str) -> str:
    bullet = BULLET.match(line)  # elsewhere spaces would be read again and again
    return line[bullet.end() :] if bullet else line


def _may_be_item(line: str) -> bool:
    if not line or line[0].islower() or _OF_ITS_OWN.match(line):
        return False
    return line.endswith(SENTENCE_END) or count_words(line) >= _WORDS_OF_AN_ITEM


def _goes_on_elsewhere(lines: Sequence[str]) -> bool:
    """Return whether lines of an item of JSON number on from another item, or label a task.

    A list that begins with 1 is part of the item.
    """
    first = next(filter(None, map(find_number, lines)), None)
    return (first is not None and first.number > 1) or any(map(_NEXT_LABEL.match, lines))


def _has_loose_tag(text: str) -> bool:
    """Return whether a tag of a list that HTML marks is not part of the text."""
    found = _ITEM_TAG.search(text)
    return found is not None and (found["end"] is not None or not text[: found.start()].strip())


def _runs_on(text: str, number: int) -> bool:
    """Return whether a text also contains the next two items, or the number of the next one."""
    following = number + 1
    for sign in _NUMBER_INSIDE.finditer(text) if number else ():
        following += int(sign["n"]) == following
    return following > number + 2 or (number > 0 and inside_line(text, number + 1))
