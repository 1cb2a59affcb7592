"""Compare two versions of an instruction: what is the same, what was removed, what was added.

Example::

    >>> [(run.kind, run.text) for run in differences("Name it.", "Name it now.")]
    [('same', 'Name it'), ('added', ' now'), ('same', '.')]
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from rapidfuzz.distance import LCSseq

__all__ = ["ChangeKind", "TextRun", "differences"]

ChangeKind = Literal["same", "removed", "added"]

MAX_TOKENS = 10_000
"""The most tokens of a text that is compared in parts. Tokens are words, marks, white space."""

ISLAND = 3
"""The fewest equal words and marks between two changes that are shown as equal."""

_TOKEN = re.compile(r"\w+|[^\w\s]|\s+")


@dataclass(frozen=True, slots=True)
class TextRun:
    """A stretch of text that stands in both texts, in the earlier only, or in the later only."""

    kind: ChangeKind
    text: str


def differences(earlier: str, later: str) -> list[TextRun]:
    """Return the runs that lead from one text to the other, what was removed before what was added.

    The runs that are the same or removed make up the earlier text to the last character; those that
    are the same or added make up the later text.
    """
    earlier_tokens, later_tokens = _TOKEN.findall(earlier), _TOKEN.findall(later)
    if earlier_tokens == later_tokens:
        return [TextRun("same", earlier)] if earlier else []
    if max(len(earlier_tokens), len(later_tokens)) > MAX_TOKENS:
        blocks = [(False, earlier, later)]
    else:
        blocks = list(_blocks(earlier_tokens, later_tokens))
    return [run for block in blocks for run in _runs(*block)]


def _blocks(earlier: Sequence[str], later: Sequence[str]) -> Iterator[tuple[bool, str, str]]:
    """Yield stretches as (whether they are the same, earlier text, later text)."""
    codes = LCSseq.opcodes(earlier, later)
    ends = (codes[0], codes[-1])
    found = []
    for code in codes:
        words = earlier[code.src_start : code.src_end]
        large = code in ends or sum(not word.isspace() for word in words) >= ISLAND
        found.append((code.tag == "equal" and large, words, later[code.dest_start : code.dest_end]))
    for same, group in groupby(found, key=lambda block: block[0]):
        together = list(group)
        yield same, _text(words for _, words, _ in together), _text(new for _, _, new in together)


def _text(stretches: Iterable[Sequence[str]]) -> str:
    return "".join(word for stretch in stretches for word in stretch)


def _runs(same: bool, earlier: str, later: str) -> Iterator[TextRun]:
    if same:
        yield TextRun("same", earlier)
        return
    if earlier:
        yield TextRun("removed", earlier)
    if later:
        yield TextRun("added", later)
