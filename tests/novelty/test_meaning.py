"""Search by meaning decides as comparing each vector with each known one does."""

import numpy as np
import pytest
from numpy.typing import NDArray

from seedstep.novelty import (
    MeaningContamination,
    MeaningIndex,
    Vector,
    decide_by_meaning,
    nearest_by_meaning,
    unit_rows,
)
from seedstep.novelty import meaning as module


def made(count: int, width: int, seed: int = 0) -> Vector:
    """Vectors in groups that lie near each other, some of them equal."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((count // 8 + 1, width))
    spread = chance.choice([0.02, 0.2, 0.6], (count, 1))
    rows = centres[chance.integers(len(centres), size=count)]
    rows = rows + spread * chance.standard_normal((count, width))
    rows[chance.integers(count, size=count // 10)] = rows[chance.integers(count, size=count // 10)]
    return unit_rows(rows.astype(np.float32))


def scores_of(known: Vector, new: Vector) -> NDArray[np.float64]:
    """All cosines by their definition, in double precision."""
    left, right = new.astype(np.float64), known.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)
    found: NDArray[np.float64] = np.round(left @ right.T / lengths, 6)
    return found


@pytest.mark.parametrize("width", [3, 40, 384])
def test_the_nearest_of_one_at_a_time_is_that_of_brute_force(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_ROTATED", 60)
    vectors, index = made(900, width), MeaningIndex()
    assert index.nearest(vectors[0]) is None
    for number, vector in enumerate(vectors):
        if number:
            scores = scores_of(vectors[:number], vector[None])[0]
            found = index.nearest(vector)
            assert found
            assert (int(found.id), found.score) == (int(scores.argmax()), scores.max())
        index.add(str(number), vector)
    assert len(index) == 900


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95, 1.0])
def test_a_whole_file_is_decided_as_brute_force_decides(
    threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(module, "KNOWN_BLOCK", 100)
    vectors = made(1000, 24)
    scores = scores_of(vectors, vectors)
    told: list[int] = []
    found = decide_by_meaning(vectors, threshold, told.append)
    assert told[-1] == 1000
    kept: list[int] = []
    for row in range(len(vectors)):
        best = max((scores[row, other] for other in kept), default=0.0)
        nearest = next((other for other in kept if scores[row, other] == best), -1)
        assert (found.nearest.numbers[row], found.nearest.scores[row]) == (nearest, best)
        assert bool(found.kept[row]) == (not kept or best < threshold)
        if found.kept[row]:
            kept.append(row)
    assert 0 < len(kept) < 1000


def test_the_decisions_do_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = made(700, 384)
    whole = decide_by_meaning(vectors, 0.8)
    monkeypatch.setattr(module, "BLOCK", 33)
    monkeypatch.setattr(module, "KNOWN_BLOCK", 57)
    parts = decide_by_meaning(vectors, 0.8)
    assert (whole.kept == parts.kept).all()
    assert (whole.nearest.numbers == parts.nearest.numbers).all()
    assert (whole.nearest.scores == parts.nearest.scores).all()


def test_many_equal_texts_are_nearest_to_the_first_of_them() -> None:
    vectors = np.tile(made(1, 8), (3000, 1))
    near = nearest_by_meaning(vectors, vectors)
    assert (near.numbers == 0).all()
    assert (near.scores == 1).all()
    assert decide_by_meaning(vectors, 1.0).kept.sum() == 1


def test_items_of_an_evaluation_set_are_found_and_named() -> None:
    items = made(40, 16)
    names = [(f"item {number}", f"text {number}") for number in range(40)]
    contamination = MeaningContamination(names, items, 0.9)
    new = np.concatenate([items[7:9] * 3, -items[7:8]])
    found = contamination.overlaps(new)
    assert [overlap and overlap.score for overlap in found[:2]] == [1, 1]
    assert found[:2] == [contamination.overlap(new[0]), contamination.overlap(new[1])]
    assert found[0]
    assert found[0].detail.startswith("cosine 1.00 with item ")
    assert contamination.overlap(unit_rows(-items.sum(axis=0)[None])[0]) is None


def test_nothing_is_near_where_nothing_is_known() -> None:
    near = nearest_by_meaning(np.empty((0, 4), np.float32), made(3, 4))
    assert near.numbers.tolist() == [-1, -1, -1]
    assert not len(nearest_by_meaning(made(3, 4), np.empty((0, 4), np.float32)).numbers)
    assert not len(decide_by_meaning(np.empty((0, 4), np.float32), 0.8).kept)
    alone = decide_by_meaning(np.zeros((2, 4), np.float32), 0.8)
    assert alone.kept.all()
