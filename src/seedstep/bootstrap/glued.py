"""Find items of lists that may hold more than one instruction, or a label that is not known.

Such items are rejected by name: two instructions are never joined to one.

Example::

    >>> may_be_several("Sort it.\\n10) Name it.", 9), may_be_several("Sort it\\nby size.", 9)
    (True, False)
    >>> goes_on_unnumbered(9, "Sort it.\\n- Name it.", 0, alone=True)
    True
"""

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile

from seedstep.lazy import late_pattern
from seedstep.text import count_words
from seedstep.text.closings import is_closing, is_note
from seedstep.text.numbering import (
    find_number,
    inside_line,
    lettered,
    looks_numbered,
    unbolded,
    without_labels,
    words_for,
)

__all__ = [
    "BULLET",
    "SENTENCE_END",
    "UNKNOWN_LABEL",
    "goes_on_unnumbered",
    "has_title",
    "may_be_several",
]

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


_FIELDS = late_pattern(
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
    if any(map(_FIELDS.match, others if number else ())) or (number and _FIELDS.match(text)):
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
    bullet = BULLET.match(
        line
    )  # from the beginning: elsewhere spaces would be read again and again
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
