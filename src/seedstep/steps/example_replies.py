"""What models write when asked for examples, and when asked for the best two of them.

Both are untrusted. A ranking is not taken as text: each example that it shows is matched to the
candidate that it repeats, with small changes or none.

Example::

    parse_examples("Input: 2, 3\\nOutput: 5\\nExplanation: 2 + 3 is 5.")
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from rapidfuzz import fuzz

from seedstep.data import Example
from seedstep.text import answer, plain_text

__all__ = ["best_two", "parse_examples", "written_examples"]

FIELDS = ("input", "output", "explanation")

SAME = 85.0
"""The indel similarity, of 100, of two examples that are the same but for small changes."""

LONGEST_COMPARED = 4000
"""Characters of an example that are compared."""

MOST_COMPARED = 50
"""Examples of a ranking that are looked at."""

BEST = 2

_BOLD = r"(?:\*\*|__)?+"
_BEFORE = (
    r"[ \t]*+(?:>[ \t]*+)?+(?:[-*•+][ \t]++)?+(?:#{1,6}[ \t]*+)?+(?:\d{1,3}[.)][ \t]++)?+" + _BOLD
)
_NUMBERED = r"example[ \t]*+#?\d{0,3}+"
_FIELD = re.compile(
    rf"{_BEFORE}(?:{_NUMBERED}[ \t]*+[-–:.]?+[ \t]*+)?+(?P<name>{'|'.join(FIELDS)})"
    rf"[ \t]*+#?\d{{0,3}}+[ \t]*+{_BOLD}[ \t]*+[:：]{_BOLD}[ \t]*+(?P<text>.*)",
    re.IGNORECASE,
)
_HEADING = re.compile(
    rf"{_BEFORE}(?:{_NUMBERED})?+[ \t]*+[:.)-]?+{_BOLD}[:.]?+[ \t]*+"
    r"|[ \t]*+[-*_=]{3,}[ \t]*+",
    re.IGNORECASE,
)
_NUMBER = re.compile(rf"{_BOLD}\d{{1,3}}[.)]{_BOLD}[ \t]*")
_CLOSING = re.compile(
    r"(?:these|the above|i hope|hope (?:this|these|that)|let me know|feel free|please note|note:"
    r"|note that|would you like|if you (?:need|want|would))\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\bexample[ \t]*#?(\d{1,3})\b", re.IGNORECASE)


def parse_examples(reply: str, *, cut: bool = False) -> tuple[Example, ...]:
    """The examples of a reply: those that have an input and an output, each input once.

    If the reply was `cut` at its length limit, the example that it ends in is left out.
    """
    found = list(_sections(answer(reply).split("\n")))
    kept: dict[str, Example] = {}
    for one in found[:-1] if cut else found:
        texts = [_joined(one.get(name, ())) for name in FIELDS]
        if texts[0] and texts[1]:
            kept.setdefault(" ".join(texts[0].split()), Example(*texts))
    return tuple(kept.values())


def _sections(lines: Iterable[str]) -> Iterator[dict[str, list[str]]]:
    """The lines of each example by field. An input begins an example."""
    example: dict[str, list[str]] = {}
    field: list[str] = []
    for line in lines:
        if match := _FIELD.fullmatch(line):
            name = match["name"].lower()
            if name == "input" and example:
                _drop_number(field)
                yield example
                example = {}
            field = [match["text"]]
            example.setdefault(name, field)
        elif _ends_field(line, field):
            field = []
        else:
            field.append(line)
    if example:
        yield example


def _drop_number(field: list[str]) -> None:
    """Remove the number of the next example, where it stands on a line of its own."""
    if len(field) > 1 and _NUMBER.fullmatch(field[-1]):
        field.pop()


def _ends_field(line: str, field: Sequence[str]) -> bool:
    """Whether a line is a heading between examples, or talk after the last one."""
    if not line.strip():
        return False
    apart = bool(field) and not field[-1].strip()
    return bool(_HEADING.fullmatch(line)) or (apart and bool(_CLOSING.match(line.lstrip("*_ "))))


def _joined(lines: Iterable[str]) -> str:
    return plain_text("\n".join(lines)).strip()


def written_examples(examples: Sequence[Example]) -> str:
    """The examples as the ranking prompt shows them, numbered, in the structure that was asked."""
    texts = []
    for number, one in enumerate(examples, start=1):
        lines = [f"Example {number}:", f"Input: {one.input}", f"Output: {one.output}"]
        texts.append("\n".join([*lines, *_explained(one)]))
    return "\n\n".join(texts)


def _explained(one: Example) -> list[str]:
    return [f"Explanation: {one.explanation}"] if one.explanation else []


def best_two(reply: str, candidates: Sequence[Example]) -> tuple[int, ...]:
    """The indices of the two candidates that a ranking names, the best first; empty if it doesn't.

    They are matched by content. Where the reply shows no example at all, `Example 3` counts too.
    """
    shown = parse_examples(reply)[:MOST_COMPARED]
    if shown:
        named: Iterable[int | None] = (_nearest(one, candidates) for one in shown)
    else:
        named = (int(number) - 1 for number in _NAMED.findall(reply))
    found: list[int] = []
    for one in named:
        if one is not None and one in range(len(candidates)) and one not in found:
            found.append(one)
        if len(found) == BEST:
            return tuple(found)
    return ()


def _nearest(shown: Example, candidates: Sequence[Example]) -> int | None:
    """The candidate that is most like an example; None if none is near."""
    text = _compared(shown)
    scores = [fuzz.ratio(text, _compared(one), score_cutoff=SAME) for one in candidates]
    best = max(range(len(scores)), key=scores.__getitem__, default=None)
    return best if best is not None and scores[best] else None


def _compared(one: Example) -> str:
    text = f"{one.input[:LONGEST_COMPARED]}\n{one.output[:LONGEST_COMPARED]}"
    return " ".join(text.casefold().split())
