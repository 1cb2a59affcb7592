"""Which known text is nearest to a new one, by ROUGE-L (Self-Instruct, section 2.2).

For texts that come one at a time; `decide` is for whole files. The answer is that of comparing
with every known text. Signatures bound all scores in a few array operations, and only texts whose
bound reaches the best score found so far are compared.

Example::

    index = NoveltyIndex(latin_tokens)
    index.add("seed_001", "Sort the list of numbers.")
    index.nearest("Sort a list of numbers.")  # Neighbor(id="seed_001", score=0.8)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedstep.novelty.join import compare
from seedstep.novelty.texts import SIGNATURE_WORDS, Sequenced, Texts, TokenNumbers, encode
from seedstep.text import Tokenizer

__all__ = ["Neighbor", "NoveltyIndex"]

_FIRST = 64
"""Texts compared in the first go, the most promising ones; four times more in each one after."""

_CLOSE = 0.9
"""Bounds are promising from this part of the highest one on."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Neighbor:
    """The nearest known text and its ROUGE-L F1."""

    id: str
    score: float


class NoveltyIndex:
    """Known texts in the order they were added."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """An empty index. `tokenizer` decides what a token is."""
        self._vocabulary = TokenNumbers(tokenizer)
        self._ids: list[str] = []
        self._sequences: list[Sequenced] = []
        self._lengths = np.empty(_FIRST, np.int32)
        self._signatures = np.empty((SIGNATURE_WORDS, _FIRST), np.uint64)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, text_id: str, text: str) -> None:
        """Make a text known."""
        count, new = len(self), self._encode(text)
        if count == len(self._lengths):
            self._lengths = np.resize(self._lengths, 2 * count)
            self._signatures = np.concatenate([self._signatures, self._signatures], axis=1)
        self._ids.append(text_id)
        self._sequences.append(new.sequences[0])
        self._lengths[count] = new.lengths[0]
        self._signatures[:, count] = new.signatures[0]

    def nearest(
        self, text: str, *, known: int | None = None, least: float = 0.0
    ) -> Neighbor | None:
        """The known text with the highest score, the first added of equals.

        Only the first `known` of them are looked at, by default all. None where no score reaches
        `least`, which saves comparisons, or no token is shared.
        """
        new = self._encode(text)
        bounds = self._bounds(new, len(self) if known is None else min(known, len(self)))
        best, best_score, size = 0, 0.0, _FIRST
        floor = max(least, 2 * _ROUNDING) - _ROUNDING
        rows = np.flatnonzero(bounds >= max(_CLOSE * bounds.max(initial=0), floor))[:size]
        while len(rows):
            scores = self._scores(new, rows)
            score = float(scores.max())
            row = int(rows[scores == score].min())
            if score > best_score or (score == best_score and row < best):
                best, best_score = row, score
            bounds[rows] = 0
            rows = np.flatnonzero(bounds >= max(best_score - _ROUNDING, floor))
            if len(rows) > size:
                rows = rows[np.argpartition(-bounds[rows], size)[:size]]
            size *= 4
        return (
            Neighbor(self._ids[best], best_score)
            if best_score > 0 and best_score >= least
            else None
        )

    def _encode(self, text: str) -> Texts:
        return encode(self._vocabulary.number([text]))

    def _bounds(self, new: Texts, count: int) -> NDArray[np.float64]:
        """(count,) what no score with a known text can exceed; 0 where no token is shared."""
        length, known = np.int32(new.lengths[0]), self._lengths[:count]
        words = zip(self._signatures[:, :count], new.signatures[0], strict=True)
        differing = sum(np.bitwise_count(known_word ^ word) for known_word, word in words)
        total = length + known
        shared = np.minimum((total - differing) >> 1, np.minimum(length, known))
        bounds: NDArray[np.float64] = 2 * shared / np.maximum(total, 1)
        return bounds

    def _scores(self, new: Texts, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        known = [self._sequences[row] for row in rows.tolist()]
        lengths = self._lengths[rows]
        texts = [new.sequences[0]] * len(known)
        return compare(texts, known, np.full_like(lengths, new.lengths[0]), lengths)
