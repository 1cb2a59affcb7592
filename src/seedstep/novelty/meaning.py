"""Find the known text that is nearest in meaning, by the cosine of sentence embeddings.

ROUGE-L does not see a task that comes again in other words. The search is exact: what a few array
operations in single precision leave in doubt is computed again in double precision, so that the
result does not depend on blocks, threads, or the order of sums. A score has six decimals, and of
texts with equal scores the first is the nearest.

Example::

    >>> index = MeaningIndex()
    >>> rows = unit_rows(np.array([[3.0, 4.0], [4.0, 3.0]], np.float32))
    >>> index.add("seed_001", rows[0])
    >>> index.nearest(rows[1])
    Neighbor(id='seed_001', score=0.96)
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from seedstep.novelty.bulk import Decisions, Nearest
from seedstep.novelty.records import NamedText, Neighbor, Overlap

__all__ = [
    "MeaningContamination",
    "MeaningIndex",
    "Vector",
    "cosines",
    "decide_by_meaning",
    "nearest_by_meaning",
    "unit_rows",
]

Vector = NDArray[np.float32]
"""An embedding (width,), or one in each row (n, width), of length 1 (`unit_rows`)."""

DECIMALS = 6
BLOCK = 1024
KNOWN_BLOCK = 8192
"""How many new and known texts are compared in one operation: 32 MiB of scores."""

PAIRS = 16_384
"""How many pairs are computed in double precision in one operation."""

FIRST = 64
"""How many texts, with the highest bounds, are compared first."""

LEAST_ROTATED = 1024
"""From so many known texts on, bounds of scores are computed from fewer numbers a text."""

HEAD = 96
"""The most numbers of a rotated embedding that its bound is computed from."""


class MeaningIndex:
    """Known texts by their embeddings, in the order in which they were added.

    Bounds: embeddings are rotated so that their first numbers differ most. The cosine is at most
    the product of the first numbers, and the lengths of the others. Only texts whose bound reaches
    a known score are compared whole.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._vectors: Vector = np.empty((0, 0), np.float32)
        self._rotation: Vector | None = None
        self._rotated_at = 0
        self._heads: Vector = np.empty((0, 0), np.float32)
        self._tails: Vector = np.empty(0, np.float32)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, text_id: str, vector: Vector) -> None:
        """Add a text to the known ones."""
        count, row = len(self), vector[None]
        if count == len(self._vectors):
            self._vectors = _grown(self._vectors, row)
        self._vectors[count] = row[0]
        self._ids.append(text_id)
        if self._rotation is None:
            if len(self) >= LEAST_ROTATED:
                self._rotate()
        elif len(self) >= 8 * self._rotated_at:
            self._rotate()
        else:
            if count == len(self._heads):
                self._heads = _grown(self._heads, row @ self._rotation)
                self._tails = np.resize(self._tails, len(self._heads))
            heads, tails = _halves(row, self._rotation)
            self._heads[count], self._tails[count] = heads[0], tails[0]

    def nearest(self, vector: Vector) -> Neighbor | None:
        """Return the known text with the highest cosine, the first of equals; None without any."""
        if not self._ids:
            return None
        known, new = self._vectors[: len(self)], vector[None]
        if self._rotation is None:
            rows = np.arange(len(self))
        else:
            head, tail = _halves(new, self._rotation)
            bounds = self._heads[: len(self)] @ head[0] + self._tails[: len(self)] * tail[0]
            size = min(FIRST, len(self))
            first = np.argpartition(-bounds, size - 1)[:size]
            floor = (known[first] @ new[0]).max() - 2 * _doubt(known)
            rows = np.flatnonzero(bounds >= floor)
        scores = known[rows] @ new[0]
        rows = rows[scores >= scores.max() - 2 * _doubt(known)]
        exact = cosines(known[rows], new)
        best = int(exact.argmax())
        return Neighbor(self._ids[int(rows[best])], float(exact[best]))

    def _rotate(self) -> None:
        """Choose the directions in which the known embeddings differ most."""
        known = self._vectors[: len(self)]
        _, directions = np.linalg.eigh((known.T @ known).astype(np.float64))
        self._rotation = np.ascontiguousarray(directions[:, ::-1][:, :HEAD], np.float32)
        self._rotated_at = len(self)
        self._heads, self._tails = _halves(self._vectors, self._rotation)


class MeaningContamination:
    """The items of evaluation sets, by their embeddings."""

    def __init__(self, items: Sequence[NamedText], vectors: Vector, threshold: float) -> None:
        """Take items. From a cosine of `threshold` a text is too close."""
        self._items = items
        self._vectors = vectors
        self._threshold = threshold
        self._index = MeaningIndex()
        for number, vector in enumerate(vectors):
            self._index.add(str(number), vector)

    def overlap(self, vector: Vector) -> Overlap | None:
        """Return the item that a text is too close to; None if there is none."""
        near = self._index.nearest(vector)
        return self._overlap(int(near.id), near.score) if near else None

    def overlaps(self, vectors: Vector) -> list[Overlap | None]:
        """Return for each text the item that it is too close to, as `overlap` does."""
        near = nearest_by_meaning(self._vectors, vectors)
        pairs = zip(near.numbers.tolist(), near.scores.tolist(), strict=True)
        return [self._overlap(row, score) if row >= 0 else None for row, score in pairs]

    def _overlap(self, row: int, score: float) -> Overlap | None:
        return Overlap(*self._items[row], score, "cosine") if score >= self._threshold else None


def cosines(some: Vector, others: Vector) -> NDArray[np.float64]:
    """Return the cosine of each row with the same row of `others`, or with its only one."""
    left, right = some.astype(np.float64), others.astype(np.float64)
    lengths = np.sqrt((left * left).sum(axis=-1) * (right * right).sum(axis=-1))
    products = (left * right).sum(axis=-1)
    found: NDArray[np.float64] = np.round(products / np.where(lengths > 0, lengths, 1), DECIMALS)
    return found


def nearest_by_meaning(known: Vector, new: Vector) -> Nearest:
    """Return the row of `known` that is nearest to each row of `new`, -1 if there is none."""
    parts = [_nearest(known, new[start : start + BLOCK]) for start in range(0, len(new), BLOCK)]
    if not parts:
        return Nearest(np.empty(0, np.int64), np.empty(0))
    return Nearest(
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def decide_by_meaning(
    vectors: Vector, threshold: float, tell: Callable[[int], None] = lambda done: None
) -> Decisions:
    """Decide in order: a text is kept if its cosine with all kept before is below `threshold`.

    The nearest text is the nearest one that was kept before, for kept texts too. `tell` is called
    with the number of texts that are decided.
    """
    count = len(vectors)
    kept = np.zeros(count, np.bool_)
    numbers, scores = np.full(count, -1, np.int64), np.zeros(count)
    before: NDArray[np.int64] = np.empty(0, np.int64)
    held = np.empty_like(vectors)  # the kept ones, without gaps
    for start in range(0, count, BLOCK):
        part = vectors[start : start + BLOCK]
        near = _nearest(held[: len(before)], part)
        found = np.append(before, -1)[near.numbers], near.scores
        inside = _decide_block(part, threshold, found[0], found[1], start)
        end = start + len(part)
        numbers[start:end], scores[start:end] = found
        kept[start:end] = inside
        new = start + np.flatnonzero(inside)
        held[len(before) : len(before) + len(new)] = vectors[new]
        before = np.concatenate([before, new])
        tell(end)
    return Decisions(kept, Nearest(numbers, scores))


def _decide_block(
    part: Vector,
    threshold: float,
    numbers: NDArray[np.int64],
    scores: NDArray[np.float64],
    start: int,
) -> NDArray[np.bool_]:
    """Return which texts of a block are kept; set their nearest where it is in the block."""
    near, doubt = part @ part.T, _doubt(part)
    kept = np.zeros(len(part), np.bool_)
    for row in range(len(part)):
        others = np.flatnonzero(kept[:row])
        found = near[row, others]
        highest = found.max(initial=-2.0)
        if highest >= (scores[row] if numbers[row] >= 0 else -1) - doubt:
            others = others[found >= highest - 2 * doubt]
            exact = cosines(part[others], part[row : row + 1])
            best = int(exact.argmax())
            if numbers[row] < 0 or exact[best] > scores[row]:
                numbers[row], scores[row] = start + others[best], exact[best]
        kept[row] = numbers[row] < 0 or scores[row] < threshold
    return kept


def _nearest(known: Vector, new: Vector) -> Nearest:
    """Return the nearest of `known` for a block of new texts. Rows have a length of 1."""
    if not len(known):
        return Nearest(np.full(len(new), -1, np.int64), np.zeros(len(new)))
    doubt = _doubt(known)
    highest = np.full(len(new), -2.0, np.float32)
    rows, columns, values = [], [], []
    for start in range(0, len(known), KNOWN_BLOCK):
        near = new @ known[start : start + KNOWN_BLOCK].T
        highest = np.maximum(highest, near.max(axis=1))
        row, column = np.nonzero(near >= (highest - 2 * doubt)[:, None])
        rows.append(row)
        columns.append(start + column)
        values.append(near[row, column])
    row, column = np.concatenate(rows), np.concatenate(columns)
    open_still = np.concatenate(values) >= highest[row] - 2 * doubt
    row, column = row[open_still], column[open_still]
    exact = np.concatenate(
        [
            cosines(known[column[start : start + PAIRS]], new[row[start : start + PAIRS]])
            for start in range(0, len(row), PAIRS)
        ]
    )
    order = np.lexsort((column, -exact, row))
    first = order[np.searchsorted(row[order], np.arange(len(new)))]
    return Nearest(column[first].astype(np.int64), exact[first])


def unit_rows(vectors: Vector) -> Vector:
    """Return the rows with a length of 1; a row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def _doubt(vectors: Vector) -> float:
    """Return by how much a product in single precision may differ from the score."""
    return 1e-5 + 1.2e-7 * len(vectors[0])


def _halves(vectors: Vector, rotation: Vector) -> tuple[Vector, Vector]:
    """Return the first numbers of rotated embeddings, and at least the length of the others."""
    heads = vectors @ rotation
    rest = 1 - (heads * heads).sum(axis=1)
    return heads, np.sqrt(np.maximum(rest, 0) + np.float32(1e-5))


def _grown(rows: Vector, like: Vector) -> Vector:
    """Return the rows with room for as many more."""
    room: Vector = np.zeros((max(FIRST, 2 * len(rows)), like.shape[1]), np.float32)
    room[: len(rows)] = rows if len(rows) else 0
    return room
