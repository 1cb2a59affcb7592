"""Which examples a step sees, and how its work is divided."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.encode import TokenPair
from seedstep.encode.packing import IGNORED
from seedstep.tune.plan import PlannedRows, StepRows, StepWork, batches_of, divide
from seedstep.tune.records import Training
from support.tiny_models import MadeData, made_pairs

sizes = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def pairs_of(sizes: list[int]) -> list[TokenPair]:
    return [
        TokenPair(f"task{task}", str(number), (task, 5, number), (7, 2))
        for task, size in enumerate(sizes)
        for number in range(size)
    ]


@given(sizes, st.integers(1, 9), st.integers(1, 9))
def test_every_example_is_seen_once_in_whole_batches(
    sizes: list[int], batch: int, share: int
) -> None:
    pairs = pairs_of(sizes)
    batches = batches_of(pairs, seed=1, epoch=0, batch=batch, share=share)
    assert sorted(place for batch in batches for place in batch) == list(range(len(pairs)))
    assert all(len(members) == batch for members in batches[:-1])


def test_the_order_depends_on_seed_and_epoch_and_not_on_the_order_of_the_data() -> None:
    pairs = pairs_of([9, 9, 9, 9])

    def names(pairs: list[TokenPair], seed: int, epoch: int) -> list[list[tuple[str, str]]]:
        batches = batches_of(pairs, seed=seed, epoch=epoch, batch=6, share=3)
        return [
            [(pairs[place].task, pairs[place].instance) for place in batch] for batch in batches
        ]

    first = names(pairs, 1, 0)
    assert names(pairs[::-1], 1, 0) == first
    assert names(pairs, 2, 0) != first != names(pairs, 1, 1)


def test_a_batch_holds_several_tasks_even_if_more_could_be_shared() -> None:
    pairs = pairs_of([16] * 8)
    batches = batches_of(pairs, seed=1, epoch=0, batch=8, share=100)
    tasks = [{pairs[place].task for place in batch} for batch in batches]
    assert sum(map(len, tasks)) / len(tasks) > 1.5


def test_without_sharing_a_batch_is_drawn_from_all_tasks() -> None:
    pairs = pairs_of([16] * 8)
    batches = batches_of(pairs, seed=1, epoch=0, batch=16, share=1)
    tasks = [len({pairs[place].task for place in batch}) for batch in batches]
    assert sum(tasks) / len(tasks) > 5


@given(sizes, st.integers(1, 8), st.integers(1, 9))
def test_work_is_divided_among_all_parts(sizes: list[int], parts: int, share: int) -> None:
    pairs = pairs_of(sizes)
    divided = divide(pairs, parts=parts, share=share, row_tokens=100)
    assert len(divided) == parts
    assert sum(1 for part in divided if part) == min(parts, len(divided), len(pairs))
    found = Counter(pair for part in divided for group in part for pair in group.pairs)
    assert found == Counter(pairs)


def of_all_processes(work: StepWork) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The rows that teach something, as tokens and labels."""
    rows = [row for own in work.passes for part in own for row in part]
    taught = [row for row in rows if (row.labels != IGNORED).any()]
    return sorted((tuple(row.tokens.tolist()), tuple(row.labels.tolist())) for row in taught)


@pytest.mark.parametrize("share", [1, 4])
def test_passes_and_processes_can_stand_for_each_other(share: int) -> None:
    data = MadeData(made_pairs(4, 7))
    rows = PlannedRows(share, 4096, 64)

    def step(accumulate: int, processes: int) -> StepWork:
        training = Training(batch=8, share=share, accumulate=accumulate)
        return StepRows(data, training, rows, processes).step(1)

    four, two = step(4, 1), step(2, 2)
    assert of_all_processes(four) == of_all_processes(two)
    assert replace(four, passes=()) == replace(two, passes=())


@given(sizes, st.integers(1, 5), st.integers(1, 3))
def test_every_process_has_as_many_passes(sizes: list[int], processes: int, share: int) -> None:
    data = MadeData(pairs_of(sizes))
    steps = StepRows(data, Training(batch=5, share=share), PlannedRows(share, 50, 20), processes)
    targets = 0
    for number in range(steps.per_epoch):
        work = steps.step(number)
        assert len(work.passes) == processes
        assert len(set(map(len, work.passes))) == 1
        labels = [row.labels for own in work.passes for part in own for row in part]
        targets += (taught := int((np.concatenate(labels) != IGNORED).sum()))
        assert taught == work.targets
        # what a process does last is real work, wherever there is any for it
        busy = min(processes, work.examples)
        last = [(own[-1][0].labels != IGNORED).any() for own in work.passes]
        assert sum(map(bool, last)) == busy
    assert targets == sum(len(pair.target) for pair in data.pairs)


def test_steps_go_on_through_the_epochs() -> None:
    data = MadeData(made_pairs(4, 7))
    steps = StepRows(data, Training(batch=8), PlannedRows(8, 4096, 4096), 1)
    assert steps.per_epoch == 4
    first, second = steps.step(0), steps.step(4)
    assert of_all_processes(first) != of_all_processes(second)
    assert of_all_processes(steps.step(0)) == of_all_processes(first)
    assert steps.step(3).examples == 4
