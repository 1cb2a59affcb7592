"""Which texts of a whole file are novel, decided together (Self-Instruct, section 2.2).

The decisions are those of taking one text after the other and comparing each with all that were
kept before it. A range of texts is settled in halves: the first half is settled, what was kept of
it is compared with the second half, and then the second half is settled. A range with few enough
pairs to look at is compared with itself at once. This bounds memory, and of a million variations of
a sentence only the kept one is compared with the others.

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
"""A range with at most so many equal keys, in all or for each text, is compared with itself."""

TellSettled = Callable[[int], None]
"""A function that is called now and then with the number of texts that are settled."""

NearScores = Mapping[int, Mapping[int, float]]
"""For each text, its scores with other texts, where they reach the threshold."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The most similar known text of each of n texts, the first of equals: two arrays (n,).

    `numbers` is -1 and `scores` is 0 where no ROUGE-L F1 reaches the threshold.
    """

    numbers: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def none(cls, count: int) -> "Nearest":
        """Return the record for `count` texts for which nothing was found yet."""
        return cls(np.full(count, -1, np.int64), np.zeros(count))

    def improve(
        self, rows: NDArray[np.int64], numbers: NDArray[np.int64], scores: NDArray[np.float64]
    ) -> None:
        """Take over what is nearer for these rows, or as near with a smaller number.

        Where a row stands several times, its nearest must come last.
        """
        tied = (scores == self.scores[rows]) & (numbers < self.numbers[rows])
        better = np.flatnonzero((scores > self.scores[rows]) | tied)
        self.numbers[rows[better]] = numbers[better]
        self.scores[rows[better]] = scores[better]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was decided about n texts: `kept` (n,), and the nearest text kept before each."""

    kept: NDArray[np.bool_]
    nearest: Nearest


def decide(texts: Texts, threshold: float, tell: TellSettled | None = None) -> Decisions:
    """Keep each text whose score with every text kept before it is below the threshold."""
    work = Settling(texts, threshold, tell=tell)
    work.settle(0, len(texts))
    return work.decisions


def nearest_known(known: Texts, texts: Texts, threshold: float) -> Nearest:
    """Return each text's nearest known text, by its row, where a score reaches the threshold."""
    known_rows, _ = _distinct(known)
    rows, places = _distinct(texts)
    found = Nearest.none(len(rows))
    for pairs in join(known.take(known_rows), texts.take(rows), threshold):
        order = np.lexsort((-pairs.ones, pairs.scores))
        found.improve(pairs.others[order], known_rows[pairs.ones[order]], pairs.scores[order])
    return Nearest(found.numbers[places], found.scores[places])


def _distinct(texts: Texts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows where sequences come first, in order, and each text's place there."""
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
    """Texts that are being decided."""

    def __init__(
        self, texts: Texts, threshold: float, *, first: int = 0, tell: TellSettled | None = None
    ) -> None:
        """Take texts. `first` is the number of the first one, where they are a part of many."""
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
        """Return what is kept of the texts from `start` to `end`, which must be decided."""
        rows = start + np.flatnonzero(self.decisions.kept[start:end])
        return KeptTexts(self._texts.take(rows), rows + self._first)

    def settle(self, start: int, end: int) -> None:
        """Decide the texts from `start` to `end`. All texts before them must be decided."""
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
        """Return the scores between distinct texts; None if they have too many pairs."""
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
        """Decide one text after the other. `places` says what `near` calls each of them."""
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
