"""The markers with which models number their steps: `1.`, `2)`, `(3)`, `Step 5:`, `第六步：`, `-`.

This module reads single lines, their white space collapsed. `steps.layout` decides which markers
begin steps.

Example::

    >>> find_marker("**Step 2 -** Compare them.")
    ListMarker(kind='step', number=2, text='Compare them.')
"""

from dataclasses import dataclass

import regex

from seedstep.steps.unfit import NUMBER_WORDS
from seedstep.text.numbering import HAN_NUMERALS, words_for

__all__ = [
    "BULLET",
    "INLINE_KINDS",
    "ListMarker",
    "clean_title",
    "find_inline",
    "find_marker",
    "is_item",
]

BULLET = "bullet"
INLINE_KINDS = ("step", "dot", "close", "paren")
"""The kinds of markers by which several steps may stand in one line."""

LONGEST_TITLE = 2000
"""The most characters of a line whose bold type and second labels are removed, in linear time."""

_STEP = words_for("step")
_NUMBER = r"(?P<n>\d{1,9})(?!\d)"
_COUNT = rf"(?:{_NUMBER}|(?P<n>[{HAN_NUMERALS}])|(?P<n>{'|'.join(NUMBER_WORDS)})\b)"
_BOLD = r"(?:\*\*)?+"
_LABEL = rf"(?:{_STEP} ?#?{_COUNT}|第 ?{_COUNT} ?步|{_NUMBER} ?단계)"
_AFTER_LABEL = rf"(?: ?{_BOLD} ?(?:[:：.．)、，,]|[-–—](?= |\*\*|$))|(?={_BOLD}$))"
_KINDS = {
    "step": rf"{_LABEL}{_AFTER_LABEL}",
    "paren": rf"[(（\[]{_NUMBER}[)）\]][.:]?",
    "dot": rf"{_NUMBER}{_BOLD} ?\\?[.．。、।]\)?+(?!\d)",
    "close": rf"{_NUMBER}{_BOLD} ?[)）]",
    "colon": rf"{_NUMBER}{_BOLD} ?[:：](?!\d)",
    "dash": rf"{_NUMBER}{_BOLD} ?[-–—](?= \D|$)",
    "pipe": rf"{_NUMBER}{_BOLD} ?[|｜]",
    "hash": rf"\#{_NUMBER}{_BOLD}(?: ?[.．。、:：)）|｜-]| (?=\D))",
    "ordinal": rf"第 ?{_COUNT} ?(?:个|個|项|項|点|點|条|條)?(?: ?[:：、.．，,)）]| )",
    "keycap": rf"{_NUMBER}\ufe0f?\u20e3",
}
_BEFORE = rf"(?:[-*•] (?={_BOLD}{_STEP}))?+(?:\#{{1,6}}(?!\d) ?)?+(?P<bold>\*\*)?+ ?"
_MARKERS = {
    kind: regex.compile(rf"{_BEFORE}{core}{_BOLD} ?", regex.IGNORECASE)
    for kind, core in _KINDS.items()
}
_BULLET = regex.compile(r"(?:[-*–—·+](?: |$)|[•◦▪‣●○] ?)")
_INLINE = {
    kind: regex.compile(
        rf"(?<=^|[ ；。]){_KINDS[kind]}(?: |(?<=[、．）：]))(?=\S)", regex.IGNORECASE
    )
    for kind in INLINE_KINDS
}
_ITEM = regex.compile(
    r"\(?(?:[a-z]|[ivx]{1,5})[.):] ?\S|\d++(?:\.\d++)++[.):]?+ \S", regex.IGNORECASE
)
_LABELS = regex.compile(rf"(?:{_BOLD} ?{_LABEL}{_AFTER_LABEL}{_BOLD} ?)*+", regex.IGNORECASE)
_BOLD_TITLE = regex.compile(r"\A\*\*([^*\s](?:[^*]*[^*\s])?)\*\*")
_SENTENCE_ENDS = ".!?:;)]\"'”’»。！？；）」"


@dataclass(frozen=True, slots=True)
class ListMarker:
    """What a line begins with. `number` is 0 for a bullet; `text` is the rest of the line."""

    kind: str
    number: int
    text: str


def find_marker(line: str) -> ListMarker | None:
    """Return the number or bullet that the line begins with; None if there is none."""
    for kind, pattern in _MARKERS.items():
        if found := pattern.match(line):
            rest = line[found.end() :]
            opened = found[0].count("**") % 2 == 1
            return ListMarker(kind, _value(found["n"]), clean_title(rest, opened=opened))
    if found := _BULLET.match(line):
        return ListMarker(BULLET, 0, line[found.end() :])
    return None


def is_item(line: str) -> bool:
    """Return whether the line is an item of a list inside a step: a bullet, `a.`, `ii)`, `2.1`."""
    return _ITEM.match(line) is not None or find_marker(line) is not None


def find_inline(line: str, kind: str, first: int) -> list[tuple[int, int]]:
    """Return the places (start, end) of markers numbered `first`, `first + 1`, ... inside a line.

    No lower-case letter follows them, and the text before each ends like a sentence. If that finds
    fewer, at least two numbers in a row do without the latter.
    """
    pattern = _INLINE.get(kind)
    found = list(pattern.finditer(line)) if pattern else []
    found = [match for match in found if not line[match.end()].islower()]
    after_sentences = [match for match in found if _sentence_ends(line, match.start())]
    strict, loose = _in_order(after_sentences, first), _in_order(found, first)
    return loose if len(loose) > max(1, len(strict)) else strict


def _sentence_ends(line: str, end: int) -> bool:
    before = line[max(0, end - 2) : end].rstrip()
    return not before or before[-1] in _SENTENCE_ENDS


def _in_order(found: list[regex.Match[str]], number: int) -> list[tuple[int, int]]:
    places = []
    for match in found:
        if _value(match["n"]) == number:
            places.append(match.span())
            number += 1
    return places


def _value(number: str) -> int:
    if number.isdecimal():
        return int(number)
    return (HAN_NUMERALS.find(number) + 1) or (NUMBER_WORDS.index(number.lower()) + 1)


def clean_title(line: str, *, opened: bool = False) -> str:
    """Return a step's first line without `Step 2:` and signs of bold type at its start.

    `opened` says that a sign before the line began bold type that ends in it.
    """
    if opened:
        line = line.replace("**", "", 1).strip()
    while 0 < len(line) <= LONGEST_TITLE and (cleaned := _cleaned_once(line)) != line:
        line = cleaned
    return line


def _cleaned_once(line: str) -> str:
    labels = _LABELS.match(line)
    if labels and labels.end():
        rest = line[labels.end() :]
        return (rest.replace("**", "", 1) if labels[0].count("**") % 2 else rest).strip()
    return " ".join(_BOLD_TITLE.sub(r"\1", line, count=1).split())
