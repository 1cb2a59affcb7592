"""What one turn of the conversation changed in the text of another, word by word, for display.

Example::

    differences("Read the text.", "Read the whole text.")
    # [Run("same", "Read the "), Run("added", "whole "), Run("same", "text.")]
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from rapidfuzz.distance import LCSseq

__all__ = ["Kind", "Run", "differences"]

Kind = Literal["same", "removed", "added"]

MAX_TOKENS = 10_000
"""Longer texts are compared as a whole only. Tokens are words, marks and white space."""

ISLAND = 3
"""Fewer words and marks than this between two changes are shown as changed, too."""

_TOKEN = re.compile(r"\w+|[^\w\s]|\s+")


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text that both texts have, or just the earlier, or just the later one."""

    kind: Kind
    text: str


def differences(earlier: str, later: str) -> list[Run]:
    """The runs that lead from one text to the other; what was removed stands before the new.

    Those that are the same or removed make up the earlier text to the last character, those that
    are the same or added the later one.
    """
    one, other = _TOKEN.findall(earlier), _TOKEN.findall(later)
    if one == other:
        return [Run("same", earlier)] if earlier else []
    if max(len(one), len(other)) > MAX_TOKENS:
        blocks = [(False, earlier, later)]
    else:
        blocks = list(_blocks(one, other))
    return [run for block in blocks for run in _runs(*block)]


def _blocks(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[bool, str, str]]:
    """(whether it is the same, earlier text, later text) of stretches in turn."""
    codes = LCSseq.opcodes(one, other)
    ends = (codes[0], codes[-1])
    found = []
    for code in codes:
        words = one[code.src_start : code.src_end]
        large = code in ends or sum(not word.isspace() for word in words) >= ISLAND
        found.append((code.tag == "equal" and large, words, other[code.dest_start : code.dest_end]))
    for same, group in groupby(found, key=lambda block: block[0]):
        together = list(group)
        yield same, _text(words for _, words, _ in together), _text(new for _, _, new in together)


def _text(stretches: Iterable[Sequence[str]]) -> str:
    return "".join(word for stretch in stretches for word in stretch)


def _runs(same: bool, earlier: str, later: str) -> Iterator[Run]:
    if same:
        yield Run("same", earlier)
        return
    if earlier:
        yield Run("removed", earlier)
    if later:
        yield Run("added", later)
