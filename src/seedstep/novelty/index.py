"""Find the known text that is nearest to a new one, by ROUGE-L (Self-Instruct, section 2.2).

The index is for texts that come one at a time; `decide` is for whole files. The result is the same
as that of comparing with every known text. How many tokens the text has in common with each known
one is counted (see `postings`). That bounds all scores, and only texts whose bound reaches the best
score so far are compared, those with the most common tokens first.

Example::

    >>> from seedstep.text import latin_tokens
    >>> index = NoveltyIndex(latin_tokens)
    >>> index.add("seed_001", "Sort the list of numbers.")
    >>> index.nearest("Sort a list of numbers.")
    Neighbor(id='seed_001', score=0.8000000000000002)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from seedstep.novelty.join import f1_scores
from seedstep.novelty.postings import Postings, elements
from seedstep.novelty.texts import Sequenced, TokenNumbers, sequence
from seedstep.text import Tokenizer

__all__ = ["Neighbor", "NoveltyIndex"]

_FIRST = 16
"""How many texts, with the highest bounds, are compared first; later four times as many."""

_BAND = 4
"""Of c common tokens at most, texts with more than c - c / 4 are looked at together."""

_CAP = 255
"""Lengths up to this one are also held in bytes, which are compared quickly."""

_ROUNDING = 1e-9
"""Rounding errors of bounds are smaller. Bounds err on the side of comparing."""


@dataclass(frozen=True, slots=True)
class Neighbor:
    """The nearest known text and its ROUGE-L F1."""

    id: str
    score: float


class NoveltyIndex:
    """Known texts in the order in which they were added."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Make an empty index. `tokenizer` decides what a token is."""
        self._vocabulary = TokenNumbers(tokenizer)
        self._ids: list[str] = []
        self._sequences: list[Sequenced] = []
        self._lengths = np.empty(1, np.int32)
        self._capped = np.empty(1, np.uint8)
        self._postings = Postings()

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, text_id: str, text: str) -> None:
        """Add a text to the known ones."""
        tokens, count = self._vocabulary.of(text), len(self)
        if count == len(self._lengths):
            self._lengths = np.resize(self._lengths, 2 * count)
            self._capped = np.resize(self._capped, 2 * count)
        self._lengths[count] = len(tokens)
        self._capped[count] = min(len(tokens), _CAP)
        self._sequences.append(sequence(tokens))
        self._postings.add(elements(tokens))
        self._ids.append(text_id)

    def add_all(self, texts: Iterable[tuple[str, str]]) -> None:
        """Add texts with their ids to the known ones, in their order."""
        for text_id, text in texts:
            self.add(text_id, text)

    def nearest(
        self, text: str, *, known: int | None = None, least: float = 0.0
    ) -> Neighbor | None:
        """Return the known text with the highest score, the first of equals.

        Only the first `known` texts are looked at, by default all. The result is None where no
        token is shared or no score reaches `least`; a higher `least` saves comparisons.
        """
        count = len(self) if known is None else min(known, len(self))
        return self._nearest(self._vocabulary.of(text), count, least)

    def nearest_before(self, row: int) -> Neighbor | None:
        """Return what `nearest` does for a known text, by its row, and those that it follows.

        It saves numbering its tokens again.
        """
        known = self._sequences[row]
        tokens = list(map(ord, known)) if isinstance(known, str) else known
        return self._nearest(tokens, row)

    def _nearest(self, tokens: Sequence[int], count: int, least: float = 0.0) -> Neighbor | None:
        common = self._postings.common(elements(tokens), count)
        new, best = sequence(tokens), _Best(min(max(least, 2 * _ROUNDING), 1.0) - _ROUNDING)
        most = int(common.max(initial=0))
        while most >= (fewest := best.fewest(len(new))):
            lowest = max(fewest, most - most // _BAND)
            near = common >= lowest
            longest = best.longest(len(new), most)
            if longest < _CAP:
                near &= self._capped[:count] <= longest
            rows = np.flatnonzero(near)
            rows = rows[common[rows] <= most]
            self._compare(new, rows, common[rows], best)
            most = lowest - 1
        if best.row < 0 or best.score < least:
            return None
        return Neighbor(self._ids[best.row], best.score)

    def _compare(
        self,
        new: Sequenced,
        rows: NDArray[np.int64],
        common: NDArray[np.unsignedinteger],
        best: "_Best",
    ) -> None:
        """Compare a text with known ones, by their rows, as long as a bound reaches the best score.

        The bounds follow from the numbers of common tokens.
        """
        lengths = self._lengths[rows]
        bounds = common / ((len(new) + lengths) / 2)
        size = _FIRST
        while len(places := np.flatnonzero(bounds >= best.floor)):
            if len(places) > size:
                places = places[np.argpartition(-bounds[places], size)[:size]]
            known = [self._sequences[row] for row in rows[places].tolist()]
            found = process.cdist([new], known, scorer=LCSseq.similarity, dtype=np.int32)[0]
            best.improve(rows[places], f1_scores(found, len(new), lengths[places]))
            bounds[places] = 0
            size *= 4


@dataclass(slots=True)
class _Best:
    """The best score so far and its row, the first of equals. No score below `floor` counts."""

    floor: float
    row: int = -1
    score: float = 0.0

    def improve(self, rows: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Take over the highest score, if it is higher, or as high in an earlier row."""
        score = float(scores.max())
        row = int(rows[scores == score].min())
        if score > self.score or (score == self.score and row < self.row):
            self.row, self.score = row, score
            self.floor = max(self.floor, score - _ROUNDING)

    def fewest(self, length: int) -> int:
        """Return how many common tokens a text of this length needs at least, with any other."""
        return max(1, ceil(self.floor * length / (2 - self.floor)))

    def longest(self, length: int, common: int) -> int:
        """Return the greatest length of a text that has so many tokens in common with it."""
        return int(2 * common / self.floor) - length
