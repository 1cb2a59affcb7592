"""Which lines of a reply are steps, by their markers, and what stands before and after them.

Lines that begin steps have markers of one kind, and stand at the lowest indentation that has
markers. The lines that follow belong to the step; after the last step they do as long as they look
like what the other steps hold.

Example::

    >>> find_marker("**Step 2 -** Compare them.")
    ListMarker(kind='step', number=2, text='Compare them.')
    >>> found = find_list(read_lines("Sure:\\n1. Read.\\n2. Output.\\n\\nBye."))
    >>> len(found.segments)
    2
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import regex

from seedstep.lazy import late_pattern, late_regex
from seedstep.text import single_spaced
from seedstep.text.closings import talk_begins
from seedstep.text.numbering import HAN_NUMERALS, NUMBER_WORDS, words_for

__all__ = [
    "ReplyLine",
    "StepList",
    "clean_title",
    "find_list",
    "inline_parts",
    "is_item",
    "read_lines",
    "split_versions",
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
    kind: late_regex(rf"{_BEFORE}{core}{_BOLD} ?", regex.IGNORECASE)
    for kind, core in _KINDS.items()
}
_BULLET = late_regex(r"(?:[-*–—·+](?: |$)|[•◦▪‣●○] ?)")
_INLINE = {
    kind: late_regex(rf"(?<=^|[ ；。]){_KINDS[kind]}(?: |(?<=[、．）：]))(?=\S)", regex.IGNORECASE)
    for kind in INLINE_KINDS
}
_ITEM = late_regex(r"\(?(?:[a-z]|[ivx]{1,5})[.):] ?\S|\d++(?:\.\d++)++[.):]?+ \S", regex.IGNORECASE)
_LABELS = late_regex(rf"(?:{_BOLD} ?{_LABEL}{_AFTER_LABEL}{_BOLD} ?)*+", regex.IGNORECASE)
_BOLD_TITLE = late_regex(r"\A\*\*([^*\s](?:[^*]*[^*\s])?)\*\*")
_SIGN_BEFORE = late_regex(r"\A(?:[-–—:] |、)(?=[^\W\d_])")
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
    line = _SIGN_BEFORE.sub("", line, count=1)
    labels = _LABELS.match(line)
    if labels and labels.end():
        rest = line[labels.end() :]
        return (rest.replace("**", "", 1) if labels[0].count("**") % 2 else rest).strip()
    return single_spaced(_BOLD_TITLE.sub(r"\1", line, count=1))


TAB = 4
SLACK = 1
"""The indentation of lines that begin steps may differ by so many spaces."""

MAX_SKIP = 3
"""Numbers may skip: after 2, a line with a number up to 5 is a step."""

MAX_FIRST = 9
"""The largest number of a list's first step. A reply may go on where the prompt ended."""

MAX_HEADING_WORDS = 8
"""The most words of a heading, which is a line with a colon."""

_RULE = late_pattern(r"([-*_=])\1{2,}")
_BOLD_LINE = late_pattern(r"\*\*[^*]+\*\*:?")
_NEW_VERSION = late_pattern(
    r"\b(?:refined|revised|updated|improved|corrected|simplified|rewritten|modified|shortened"
    r"|instructions?|versions?|procedure)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """A line of a reply, its white space collapsed. It is blank where `text` is empty."""

    indent: int
    text: str
    marker: ListMarker | None = None


@dataclass(frozen=True, slots=True)
class StepList:
    """A list found in a reply. The first line of each segment has a marker."""

    before: tuple[ReplyLine, ...]
    segments: tuple[tuple[ReplyLine, ...], ...]
    between: tuple[ReplyLine, ...]
    after: tuple[ReplyLine, ...]
    base: int


def read_lines(text: str) -> list[ReplyLine]:
    """Return the lines of a text, each with its marker."""
    return [_line(raw) for raw in text.split("\n")]


def _line(raw: str) -> ReplyLine:
    text = single_spaced(raw)
    indent = raw[: len(raw) - len(raw.lstrip())].expandtabs(TAB)
    return ReplyLine(len(indent), text, find_marker(text) if text else None)


def split_versions(lines: Sequence[ReplyLine]) -> list[Sequence[ReplyLine]]:
    """Cut a reply where another version of the instruction is announced, and numbers restart."""
    base = _base(lines)
    top = [line.marker.kind for line in lines if line.marker and line.indent <= base + SLACK]
    bullets_begin = all(kind == BULLET for kind in top)
    restarts = False
    cuts = [len(lines)]
    for index in range(len(lines) - 1, 0, -1):
        line = lines[index]
        if line.marker:
            restarts = line.marker.number <= 1 and (bullets_begin or line.marker.kind != BULLET)
        elif restarts and line.indent <= base + SLACK and _NEW_VERSION.search(line.text):
            cuts.append(index)
            restarts = False
    cuts.append(0)
    cuts.reverse()
    return [lines[start:end] for start, end in pairwise(cuts)]


def find_list(lines: Sequence[ReplyLine]) -> StepList | None:
    """Return the list of steps: several lines with markers, or several markers in one line."""
    base = _base(lines)
    starts = _starts(lines, base)
    if len(starts) < 2:
        unfolded = _unfolded(lines, starts)
        if unfolded:
            lines, base = unfolded, _base(unfolded)
            starts = _starts(lines, base)
    return _cut(lines, starts, base) if starts else None


def _base(lines: Sequence[ReplyLine]) -> int:
    return min((line.indent for line in lines if line.marker), default=0)


def _starts(lines: Sequence[ReplyLine], base: int) -> list[int]:
    """Return the indices of the lines that begin steps, by the kind of marker that fits best."""
    top: dict[str, list[int]] = {"step": []}
    for index, line in enumerate(lines):
        if line.marker and line.indent <= base + SLACK:
            top.setdefault(line.marker.kind, []).append(index)
    bullets = top.pop(BULLET, [])
    found = [_in_sequence(lines, indices) for indices in top.values()]
    several = (starts for starts in [*found, bullets] if len(starts) > 1)
    single = (starts for starts in found if starts and _number(lines[starts[0]]) <= 1)
    return next(several, None) or next(single, bullets)


def _number(line: ReplyLine) -> int:
    return line.marker.number if line.marker else 0


def _in_sequence(lines: Sequence[ReplyLine], indices: Sequence[int]) -> list[int]:
    """Return the indices whose numbers go on: the next, the same, or from the beginning."""
    starts: list[int] = []
    last = MAX_FIRST - MAX_SKIP
    for index in indices:
        number = _number(lines[index])
        if number <= 1 or (number <= last + MAX_SKIP and (number >= last or not starts)):
            starts.append(index)
            last = number
    return starts


def _unfolded(lines: Sequence[ReplyLine], starts: Sequence[int]) -> list[ReplyLine]:
    """Return the lines with each step on a line of its own; empty if no line has several."""
    for index in starts or [at for at, line in enumerate(lines) if line.text]:
        if pieces := _pieces(lines[index], begins_step=bool(starts)):
            return [*lines[:index], *pieces, *lines[index + 1 :]]
    return []


def _pieces(line: ReplyLine, *, begins_step: bool) -> list[ReplyLine]:
    """Return the parts of a line. Text before the first marker is the first step, or talk."""
    if begins_step and line.marker:
        kind, number = line.marker.kind, line.marker.number
        first, *others = inline_parts(line.marker.text, kind, number + 1) or [""]
        steps = [first, *others] if first and others else []
        return [_step_line(line, kind, number + at, text) for at, text in enumerate(steps)]
    for kind in INLINE_KINDS:
        before, *steps = inline_parts(line.text, kind, 1) or [""]
        if len(steps) > 1:
            numbered = [_step_line(line, kind, at, text) for at, text in enumerate(steps, start=1)]
            return [ReplyLine(line.indent, before), *numbered] if before else numbered
    return []


def _step_line(line: ReplyLine, kind: str, number: int, text: str) -> ReplyLine:
    return ReplyLine(line.indent, text, ListMarker(kind, number, text))


def inline_parts(text: str, kind: str, first: int) -> list[str]:
    """Return a line cut at markers `first`, `first + 1`, ...; empty if a part would be."""
    places = find_inline(text, kind, first)
    starts = [start for start, _ in places]
    ends = [0, *(end for _, end in places)]
    parts = [text[end:start].strip() for end, start in zip(ends, [*starts, len(text)], strict=True)]
    parts = [clean_title(part) for part in parts]
    return parts if all(parts[1:]) else []


def _cut(lines: Sequence[ReplyLine], starts: Sequence[int], base: int) -> StepList:
    bounds = [*starts, len(lines)]
    raw = [list(lines[start:end]) for start, end in pairwise(bounds)]
    between: list[ReplyLine] = []
    for segment in raw[:-1]:
        between += _take_headings(segment, base)
    end = _end(raw[-1], raw[:-1], base)
    segments = (*raw[:-1], raw[-1][:end])
    return StepList(
        tuple(lines[: starts[0]]),
        tuple(map(tuple, segments)),
        tuple(between),
        tuple(raw[-1][end:]),
        base,
    )


def _take_headings(segment: list[ReplyLine], base: int) -> list[ReplyLine]:
    """Remove the headings of what follows a step from its end, and return them."""
    size = len(segment)
    while size > 1 and (not segment[size - 1].text or _is_heading(segment, size - 1, base)):
        size -= 1
    taken = segment[size:]
    del segment[size:]
    return [line for line in taken if line.text]


def _is_heading(segment: Sequence[ReplyLine], index: int, base: int) -> bool:
    line = segment[index]
    if line.indent > base + SLACK or is_item(line.text):
        return False
    if line.text.startswith("#") or _RULE.fullmatch(line.text) or _BOLD_LINE.fullmatch(line.text):
        return True
    apart = not segment[index - 1].text
    return apart and line.text.endswith(":") and len(line.text.split()) <= MAX_HEADING_WORDS


def _end(last: Sequence[ReplyLine], others: Sequence[Sequence[ReplyLine]], base: int) -> int:
    """Return where the last step ends: before lines that are like nothing in the other steps."""
    paragraphs = max((_paragraphs(segment, base) for segment in others), default=0)
    goes_on = not others or any(_goes_on(segment, base) for segment in [*others, last[:1]])
    fences = sum(line.text.startswith("```") for line in last if _is_loose(line, base))
    texts = [line.text for line in last]
    for index in range(1, len(last)):
        line = last[index]
        if line.indent <= base + SLACK and talk_begins(texts, index):
            return index
        if not _is_loose(line, base):
            continue
        apart = not last[index - 1].text
        paragraphs -= apart
        closes = line.text.startswith("```") and fences % 2 == 1
        if closes or paragraphs < 0 or not (apart or goes_on) or _is_heading(last, index, base):
            return index
    return len(last)


def _is_loose(line: ReplyLine, base: int) -> bool:
    """Return whether a line that is no item stands as far left as the lines that begin steps."""
    return bool(line.text) and line.indent <= base + SLACK and not is_item(line.text)


def _paragraphs(segment: Sequence[ReplyLine], base: int) -> int:
    pairs = pairwise(segment)
    return sum(not before.text and _is_loose(line, base) for before, line in pairs)


def _goes_on(segment: Sequence[ReplyLine], base: int) -> bool:
    """Return whether a step is broken into lines without indentation, or announces such lines."""
    pairs = pairwise(segment)
    broken = any(before.text and _is_loose(line, base) for before, line in pairs)
    return broken or segment[0].text.endswith(":")
