"""Find all pairs of similar texts: an exact join that compares few pairs.

If the ROUGE-L of two texts with m and n tokens is at least t, they have at least
`needed(t, m, n)` elements in common. It follows that

- the longer text has at most (2 - t) / t times the tokens of the shorter one;
- with each text's elements sorted, the rarest first, and c elements or more in common, c of
  them are both among the first m - needed + c of one and among the first n - needed + c of
  the other. Each combination of c = 2 elements in such a prefix is a key, and texts that are
  near each other share a key. A long text would have too many, so there c = 1;
- their signatures differ in no more bits than the texts differ in elements.

So no pair is missed, and the longest common subsequence decides about those that are left.
Prefixes are from Chaudhuri et al. (2006) and Bayardo et al. (2007), more than one common element
from Wang et al. (2012), signatures from Sandes et al. (2020).

Example::

    for pairs in join(seeds, corpus, threshold=0.7):
        print(pairs.ones, pairs.others, pairs.scores)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from seedstep.novelty.texts import IndexedTexts, Sequenced, hashed

__all__ = ["Matches", "Pairs", "compare", "f1_scores", "join", "key_counts"]

PAIRED_LENGTH = 64
"""The keys of texts up to so many tokens are pairs of elements; those of longer ones are elements.
"""

COUNTED_LENGTH = 4096
"""For texts of more tokens, common elements are counted first, which is faster."""

MAX_KEYS = 1 << 22
"""How many keys are held at a time, on each side of a join."""

MAX_HITS = 1 << 17
"""How many equal keys are processed together, so that they fit into a processor's cache."""

_SENTINEL = np.int64(1 << 62)
"""An element that is added to all texts, so that texts with one common element have two."""

_MAX_LENGTH = 0xFFFF
_LENGTH = np.uint64(_MAX_LENGTH)
"""The low bits of a key hold the length of its text, or as much of it as fits."""

_ROUNDING = 1e-6
"""Bounds may be off by so much. They err on the side of comparing."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of texts, by their rows, with their ROUGE-L F1: three arrays of one length."""

    ones: NDArray[np.int64]
    others: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Keys:
    """Keys without length, and the row and the last element's place of each key's text."""

    keys: NDArray[np.uint64]
    rows: NDArray[np.int32]
    lasts: NDArray[np.int32]

    def sorted(self, keys: NDArray[np.uint64]) -> "_Keys":
        """Return these in the order of `keys`, which take their place."""
        order = np.argsort(keys)
        return _Keys(keys[order], self.rows[order], self.lasts[order])


def join(ones: IndexedTexts, others: IndexedTexts, threshold: float) -> Iterator[Pairs]:
    """Yield all pairs of texts of `ones` and of `others` with a score of at least `threshold`.

    A pair may be yielded more than once.
    """
    for start, ones_part in _parts(ones, threshold):
        for begin, others_part in _parts(others, threshold):
            for pairs in Matches(ones_part, others_part, threshold).pairs():
                yield Pairs(pairs.ones + start, pairs.others + begin, pairs.scores)
            for pairs in Matches(others_part, ones_part, threshold, gap=1).pairs():
                yield Pairs(pairs.others + start, pairs.ones + begin, pairs.scores)


def needed(
    threshold: float, lengths: NDArray[np.int64], other_lengths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many common elements texts of these lengths need for a score of the threshold."""
    elements: NDArray[np.int64] = np.ceil(
        threshold / 2 * (lengths + other_lengths) - _ROUNDING
    ).astype(np.int64)
    return elements


def key_counts(texts: IndexedTexts, threshold: float) -> NDArray[np.int64]:
    """Return how many keys each text has where it is the longer of a pair: (n,)."""
    counts = np.zeros(len(texts), np.int64)
    for common in (1, 2):
        prefixes = _long_prefixes(texts.lengths, threshold, common)
        counts += prefixes if common == 1 else prefixes * (prefixes - 1) // 2
    return counts


def _parts(texts: IndexedTexts, threshold: float) -> Iterator[tuple[int, IndexedTexts]]:
    """Yield the texts in parts with few enough keys, each with its first row."""
    for start, end in _runs(key_counts(texts, threshold), MAX_KEYS):
        yield start, texts.part(start, end)


def _runs(sizes: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Yield consecutive runs of sizes with a sum of at most `most`, or of one larger size."""
    sums = np.cumsum(sizes)
    start = done = 0
    while start < len(sizes):
        end = max(start + 1, int(np.searchsorted(sums, done + most, "right")))
        yield start, end
        start, done = end, int(sums[end - 1])


class Matches:
    """Pairs of a shorter and a longer text, or of equally long ones, that have a key in common.

    If a set of texts is given twice, each pair is found once. `hits` is the number of equal keys to
    look at.
    """

    def __init__(
        self, shorts: IndexedTexts, longs: IndexedTexts, threshold: float, *, gap: int = 0
    ) -> None:
        """Take the texts. A longer text has at least `gap` tokens more than the shorter."""
        self._shorts = shorts
        self._longs = longs
        self._threshold = threshold
        self._probes = [_Probe(shorts, longs, threshold, common, gap) for common in (1, 2)]
        self.hits = sum(int(probe.counts.sum()) for probe in self._probes)

    def pairs(self) -> Iterator[Pairs]:
        """Yield the pairs whose score reaches the threshold. `ones` are the shorter texts."""
        for probe in self._probes:
            for start, end in _runs(probe.counts, MAX_HITS):
                yield self._near(probe, start, end)

    def _near(self, probe: "_Probe", start: int, end: int) -> Pairs:
        counts = probe.counts[start:end]
        before = np.cumsum(counts) - counts
        places = np.repeat(probe.begins[start:end] - before, counts) + np.arange(counts.sum())
        ones, others = np.repeat(probe.shorts.rows[start:end], counts), probe.longs.rows[places]
        lasts = np.repeat(probe.shorts.lasts[start:end], counts), probe.longs.lasts[places]
        lengths, other_lengths = self._shorts.lengths[ones], self._longs.lengths[others]
        least = needed(self._threshold, lengths, other_lengths)
        slack = probe.common - 1 - least
        possible = (lasts[0] <= lengths + slack) & (lasts[1] <= other_lengths + slack)
        if self._shorts is self._longs:
            possible &= (lengths < other_lengths) | (ones < others)
        kept = np.flatnonzero(possible)
        ones, others = ones[kept], others[kept]
        differing = np.bitwise_count(self._shorts.signatures[ones] ^ self._longs.signatures[others])
        shared = (lengths[kept] + other_lengths[kept] - differing.sum(1, dtype=np.int64)) // 2
        kept = np.flatnonzero(shared >= least[kept])
        return self._compare(ones[kept], others[kept])

    def _compare(self, ones: NDArray[np.int32], others: NDArray[np.int32]) -> Pairs:
        distinct = np.unique(ones.astype(np.int64) * len(self._longs) + others)
        rows, other_rows = self._overlapping(*np.divmod(distinct, len(self._longs)))
        scores = compare(
            [self._shorts.sequences[row] for row in rows.tolist()],
            [self._longs.sequences[row] for row in other_rows.tolist()],
            self._shorts.lengths[rows],
            self._longs.lengths[other_rows],
        )
        near = scores >= self._threshold
        return Pairs(rows[near], other_rows[near], scores[near])

    def _overlapping(
        self, ones: NDArray[np.int64], others: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pairs without those of very long texts with too few common elements."""
        lengths, other_lengths = self._shorts.lengths[ones], self._longs.lengths[others]
        enough = np.ones(len(ones), np.bool_)
        for pair in np.flatnonzero(lengths > COUNTED_LENGTH).tolist():
            elements = self._shorts.of(ones[pair]), self._longs.of(others[pair])
            shared = len(np.intersect1d(*elements, assume_unique=True))
            enough[pair] = shared >= needed(self._threshold, lengths[pair], other_lengths[pair])
        return ones[enough], others[enough]


class _Probe:
    """The places of the keys of shorter texts among the sorted keys of longer ones.

    Key i of `shorts` is equal to `counts[i]` keys of `longs`, from `begins[i]` on.
    """

    def __init__(
        self, shorts: IndexedTexts, longs: IndexedTexts, threshold: float, common: int, gap: int
    ) -> None:
        self.common = common
        bounds = _partners(shorts.lengths, threshold, common, gap)
        least = needed(threshold, shorts.lengths, bounds[0])
        prefixes = np.where(bounds[0] <= bounds[1], shorts.lengths - least + common, 0)
        found = _combinations(shorts, prefixes, common)
        low, high = (np.minimum(bound, _MAX_LENGTH).astype(np.uint64) for bound in bounds)
        self.shorts = found.sorted(found.keys | low[found.rows])
        found = _combinations(longs, _long_prefixes(longs.lengths, threshold, common), common)
        lengths = np.minimum(longs.lengths, _MAX_LENGTH).astype(np.uint64)
        self.longs = found.sorted(found.keys | lengths[found.rows])
        self.begins = np.searchsorted(self.longs.keys, self.shorts.keys)
        last = (self.shorts.keys & ~_LENGTH) | high[self.shorts.rows]
        self.counts = np.searchsorted(self.longs.keys, last, "right") - self.begins


def compare(
    ones: Sequence[Sequenced],
    others: Sequence[Sequenced],
    lengths: NDArray[np.integer],
    other_lengths: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Return the ROUGE-L F1 of pairs of texts with these lengths, none of which is 0."""
    if not ones:
        return np.empty(0)
    common = process.cpdist(ones, others, scorer=LCSseq.similarity, dtype=np.int32)
    return f1_scores(common, lengths, other_lengths)


def f1_scores(
    common: NDArray[np.integer],
    lengths: NDArray[np.integer] | int,
    other_lengths: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Return the ROUGE-L F1 for the lengths of longest common subsequences, and of both texts.

    The operations are those of `lcs_f1` in the same order, so that the results are equal. No text
    is empty.
    """
    precision, recall = common / lengths, common / other_lengths
    scores: NDArray[np.float64] = 2 * precision * recall
    np.divide(scores, precision + recall, out=scores, where=common > 0)
    return scores


def _partners(
    lengths: NDArray[np.int64], threshold: float, common: int, gap: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the least and the greatest length that a longer text near one of each length can have.

    There is none where the first is greater than the second.
    """
    longest = np.floor(lengths * (2 - threshold) / threshold + _ROUNDING).astype(np.int64)
    least = lengths + gap
    if common == 1:
        least = np.maximum(least, PAIRED_LENGTH + 1)
    else:
        longest = np.minimum(longest, PAIRED_LENGTH)
    return least, np.where(lengths > 0, longest, -1)


def _long_prefixes(lengths: NDArray[np.int64], threshold: float, common: int) -> NDArray[np.int64]:
    """Return the prefix of each text against shorter ones; 0 where it has other keys or none."""
    shortest = np.ceil(lengths * threshold / (2 - threshold) - _ROUNDING).astype(np.int64)
    prefixes = lengths - needed(threshold, lengths, shortest) + common
    is_long = lengths > PAIRED_LENGTH
    chosen = is_long if common == 1 else (lengths > 0) & ~is_long
    return np.where(chosen, prefixes, 0)


def _combinations(texts: IndexedTexts, prefixes: NDArray[np.int64], common: int) -> _Keys:
    """Return all keys of the texts: combinations of `common` elements in their prefixes."""
    keys, rows, lasts = [], [], []
    for prefix in np.unique(prefixes[prefixes >= common]).tolist():
        chosen = np.flatnonzero(prefixes == prefix)
        elements = hashed(_heads(texts, chosen, prefix))
        if common == 1:
            last = np.arange(prefix)
        else:
            first, last = np.triu_indices(prefix, 1)
            elements = hashed(elements[:, first] + elements[:, last] * np.uint64(3))
        keys.append((elements & ~_LENGTH).ravel())
        rows.append(np.repeat(chosen.astype(np.int32), len(last)))
        lasts.append(np.tile(last.astype(np.int32), len(chosen)))
    if not keys:
        return _Keys(np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.int32))
    return _Keys(np.concatenate(keys), np.concatenate(rows), np.concatenate(lasts))


def _heads(texts: IndexedTexts, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the first elements of texts, with the sentinel after the last: (rows, count)."""
    columns = np.arange(count)
    places = np.minimum(texts.starts[rows][:, None] + columns, len(texts.elements) - 1)
    is_text = columns < texts.lengths[rows][:, None]
    return np.where(is_text, texts.elements[places], _SENTINEL)
