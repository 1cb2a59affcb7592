"""Which texts of a whole file are novel, all decided at once (Self-Instruct, section 2.2).

The decisions are those of taking one text after the other, each compared with all that were
kept before it. To settle a range of texts, settle its first half, compare what was kept there
with the second half, and settle that. A range that has few enough pairs to look at is compared
with itself in one go. So memory is bounded, and of a million variations of one sentence only the
one that is kept is compared with the others.

Example::

    decisions = decide(encode(numbered, places), threshold=0.7)
    novel = [text for text, kept in zip(corpus, decisions.kept) if kept]
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seedstep.novelty.join import MAX_KEYS, Matches, join, key_counts
from seedstep.novelty.texts import Sequenced, Texts

__all__ = [
    "Decisions",
    "KeptTexts",
    "Nearest",
    "Settling",
    "TellSettled",
    "decide",
    "nearest_known",
]

FEW_HITS = 1 << 20
HITS_PER_TEXT = 64
"""A range is compared with itself when it has no more equal keys to look at than these allow."""

TellSettled = Callable[[int], None]
"""Is told, now and then, how many texts are settled."""

NearScores = Mapping[int, Mapping[int, float]]
"""The scores of a text with others, where they reach the threshold."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The most similar known text of each of n texts, the first of equals: two arrays (n,).

    `numbers` is -1 and `scores` 0 where no ROUGE-L F1 reaches the threshold.
    """

    numbers: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def none(cls, count: int) -> "Nearest":
        """Nothing found yet for so many texts."""
        return cls(np.full(count, -1, np.int64), np.zeros(count))

    def improve(
        self, rows: NDArray[np.int64], numbers: NDArray[np.int64], scores: NDArray[np.float64]
    ) -> None:
        """Take over what is nearer for these rows, or as near with a smaller number.

        Where a row stands several times, the nearest comes last.
        """
        tied = (scores == self.scores[rows]) & (numbers < self.numbers[rows])
        better = np.flatnonzero((scores > self.scores[rows]) | tied)
        self.numbers[rows[better]] = numbers[better]
        self.scores[rows[better]] = scores[better]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What became of n texts: `kept` (n,), and the kept text before that each is nearest to."""

    kept: NDArray[np.bool_]
    nearest: Nearest


def decide(texts: Texts, threshold: float, tell: TellSettled | None = None) -> Decisions:
    """Keep each text whose score with every text kept before it is below the threshold."""
    work = Settling(texts, threshold, tell=tell)
    work.settle(0, len(texts))
    return work.decisions


def nearest_known(known: Texts, texts: Texts, threshold: float) -> Nearest:
    """The nearest of the known texts, by its row, where a score reaches the threshold."""
    known_rows, _ = _distinct(known)
    rows, places = _distinct(texts)
    found = Nearest.none(len(rows))
    for pairs in join(known.take(known_rows), texts.take(rows), threshold):
        order = np.lexsort((-pairs.ones, pairs.scores))
        found.improve(pairs.others[order], known_rows[pairs.ones[order]], pairs.scores[order])
    return Nearest(found.numbers[places], found.scores[places])


def _distinct(texts: Texts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows where a sequence of tokens comes first, in order; and each text's place there."""
    first: dict[Sequenced, int] = {}
    places = [first.setdefault(sequence, len(first)) for sequence in texts.sequences]
    _, rows = np.unique(places, return_index=True)
    return rows, np.array(places, np.int64)


@dataclass(frozen=True, slots=True)
class KeptTexts:
    """Kept texts with their numbers, in ascending order: (n,)."""

    texts: Texts
    numbers: NDArray[np.int64]


class Settling:
    """Texts on the way to being decided."""

    def __init__(
        self, texts: Texts, threshold: float, *, first: int = 0, tell: TellSettled | None = None
    ) -> None:
        """`first` is the number of the first text, where they are a part of many."""
        self.decisions = Decisions(np.zeros(len(texts), np.bool_), Nearest.none(len(texts)))
        self._texts = texts
        self._threshold = threshold
        self._first = first
        self._tell = tell

    def __len__(self) -> int:
        return len(self._texts)

    def meet(self, kept: KeptTexts, start: int, end: int) -> None:
        """Compare the texts from `start` to `end` with texts that were kept before them."""
        found = nearest_known(kept.texts, self._texts.part(start, end), self._threshold)
        numbers = np.append(kept.numbers, -1)[found.numbers]  # -1 stays -1
        self.decisions.nearest.improve(np.arange(start, end), numbers, found.scores)

    def kept(self, start: int, end: int) -> KeptTexts:
        """What is kept of the texts from `start` to `end`, all being decided."""
        rows = start + np.flatnonzero(self.decisions.kept[start:end])
        return KeptTexts(self._texts.take(rows), rows + self._first)

    def settle(self, start: int, end: int) -> None:
        """Decide the texts from `start` to `end`, all before them being decided."""
        if start == end:
            return
        texts = self._texts.part(start, end)
        rows, places = _distinct(texts)
        near = self._near(texts.take(rows))
        if near is not None:
            self._resolve(start, places.tolist(), near)
            if self._tell:
                self._tell(end)
            return
        middle = (start + end) // 2
        self.settle(start, middle)
        self.meet(self.kept(start, middle), middle, end)
        self.settle(middle, end)

    def _near(self, texts: Texts) -> NearScores | None:
        """The scores of distinct texts among each other; None if that is too much for one go."""
        if int(key_counts(texts, self._threshold).sum()) > MAX_KEYS and len(texts) > 1:
            return None
        matches = Matches(texts, texts, self._threshold)
        if matches.hits > max(FEW_HITS, HITS_PER_TEXT * len(texts)) and len(texts) > 1:
            return None
        near: dict[int, dict[int, float]] = defaultdict(dict)
        for pairs in matches.pairs():
            columns = (pairs.ones.tolist(), pairs.others.tolist(), pairs.scores.tolist())
            for first, second, score in zip(*columns, strict=True):
                near[first][second] = near[second][first] = score
        return near

    def _resolve(self, start: int, places: Sequence[int], near: NearScores) -> None:
        """Decide one text after the other; `places` is what `near` calls each."""
        kept, nearest = self.decisions.kept, self.decisions.nearest
        rows: dict[int, int] = {}
        for row, text in enumerate(places, start):
            options = [
                (near[text][neighbor], -rows[neighbor])
                for neighbor in near.get(text, ())
                if neighbor in rows
            ]
            if text in rows:
                options.append((1.0, -rows[text]))
            if options:
                score, minus = max(options)
                if score > nearest.scores[row]:
                    nearest.scores[row], nearest.numbers[row] = score, self._first - minus
            if nearest.scores[row] < self._threshold:
                kept[row] = True
                if self._texts.sequences[row]:  # what has no tokens is like nothing
                    rows[text] = row
