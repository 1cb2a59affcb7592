"""Find the known text that is nearest to a new one, by ROUGE-L (Self-Instruct, section 2.2).

The index is for texts that come one at a time; `decide` is for whole files. The result is the same
as that of comparing with every known text. Signatures bound all scores in a few array operations,
and only texts whose bound reaches the best score so far are compared.

Example::

    >>> from seedstep.text import latin_tokens
    >>> index = NoveltyIndex(latin_tokens)
    >>> index.add("seed_001", "Sort the list of numbers.")
    >>> index.nearest("Sort a list of numbers.")
    Neighbor(id='seed_001', score=0.8000000000000002)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from seedstep.novelty.join import compare
from seedstep.novelty.texts import SIGNATURE_WORDS, Sequenced, TokenNumbers, encode
from seedstep.text import Tokenizer

__all__ = ["Neighbor", "NoveltyIndex"]

_FIRST = 64
"""How many texts, with the highest bounds, are compared first; later four times as many."""

_CLOSE = 0.9
"""The first comparison takes texts whose bound is at least this share of the highest."""

_BLOCK = 10_000
"""How many texts are encoded at once."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Neighbor:
    """The nearest known text and its ROUGE-L F1."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class _Query:
    """A text that is compared: its number of tokens, its signature, and its tokens."""

    length: int
    signature: NDArray[np.uint64]
    sequence: Sequenced


class NoveltyIndex:
    """Known texts in the order in which they were added."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Make an empty index. `tokenizer` decides what a token is."""
        self._vocabulary = TokenNumbers(tokenizer)
        self._ids: list[str] = []
        self._sequences: list[Sequenced] = []
        self._lengths = np.empty(_FIRST, np.int32)
        self._signatures = np.empty((SIGNATURE_WORDS, _FIRST), np.uint64)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, text_id: str, text: str) -> None:
        """Add a text to the known ones."""
        self.add_all([(text_id, text)])

    def add_all(self, texts: Iterable[tuple[str, str]]) -> None:
        """Add texts with their ids to the known ones, in their order; many at once are quicker."""
        rest = iter(texts)
        while block := list(islice(rest, _BLOCK)):
            count, new = len(self), encode(self._vocabulary.number(text for _, text in block))
            end = count + len(block)
            if end > len(self._lengths):
                self._lengths = np.resize(self._lengths, 2 * end)
                wider = np.empty((SIGNATURE_WORDS, 2 * end), np.uint64)
                wider[:, :count] = self._signatures[:, :count]
                self._signatures = wider
            self._ids += [text_id for text_id, _ in block]
            self._sequences += new.sequences
            self._lengths[count:end] = new.lengths
            self._signatures[:, count:end] = new.signatures.T

    def nearest(
        self, text: str, *, known: int | None = None, least: float = 0.0
    ) -> Neighbor | None:
        """Return the known text with the highest score, the first of equals.

        Only the first `known` texts are looked at, by default all. The result is None where no
        token is shared or no score reaches `least`; a higher `least` saves comparisons.
        """
        new = encode(self._vocabulary.number([text]))
        count = len(self) if known is None else min(known, len(self))
        query = _Query(int(new.lengths[0]), new.signatures[0], new.sequences[0])
        return self._nearest(query, count, least)

    def nearest_before(self, row: int) -> Neighbor | None:
        """Return what `nearest` does for a known text, by its row, and those that it follows.

        It saves encoding the text again.
        """
        signature = self._signatures[:, row]
        return self._nearest(_Query(int(self._lengths[row]), signature, self._sequences[row]), row)

    def _nearest(self, new: _Query, count: int, least: float = 0.0) -> Neighbor | None:
        bounds = self._bounds(new, count)
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

    def _bounds(self, new: _Query, count: int) -> NDArray[np.float64]:
        """Return upper bounds of the scores with known texts: (count,), 0 for no shared token."""
        length, known = np.int32(new.length), self._lengths[:count]
        words = zip(self._signatures[:, :count], new.signature, strict=True)
        differing = sum(np.bitwise_count(known_word ^ word) for known_word, word in words)
        total = length + known
        shared = np.minimum((total - differing) >> 1, np.minimum(length, known))
        bounds: NDArray[np.float64] = 2 * shared / np.maximum(total, 1)
        return bounds

    def _scores(self, new: _Query, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        known = [self._sequences[row] for row in rows.tolist()]
        lengths = self._lengths[rows]
        texts = [new.sequence] * len(known)
        return compare(texts, known, np.full_like(lengths, new.length), lengths)
