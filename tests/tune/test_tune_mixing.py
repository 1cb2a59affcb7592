"""Which instances are trained on, how often, and which tasks are held out."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.data import Instance, Task
from seedstep.encode import ENCODINGS
from seedstep.errors import InputError
from seedstep.tune import Mixture, SourcePart, TuneSource, mix, usable

DEFINITION = ENCODINGS["definition"]
SELF_INSTRUCT = ENCODINGS["self-instruct"]


def made(name: str, instances: int = 4) -> Task:
    some = (Instance(f"in {n}", (f"out {n}",), f"{name}-{n}") for n in range(instances))
    return Task(name, f"Do {name}.", tuple(some))


def part(source: TuneSource, tasks: int = 3, instances: int = 4) -> SourcePart:
    named = tuple(made(f"{source.path}{n}", instances) for n in range(tasks))
    return SourcePart(source, named, DEFINITION)


def names(mixture: Mixture) -> list[tuple[str, str]]:
    return [(use.task.id, use.instance.id) for use in mixture.training]


def test_all_is_used_once_unless_told_otherwise() -> None:
    mixture = mix([part(TuneSource("a"))], seed=42)
    assert len(names(mixture)) == len(set(names(mixture))) == 12
    assert mixture.counts == (("a", 3, 12),)
    assert mixture.held_out == ()


def test_a_count_takes_so_many_the_same_ones_each_time() -> None:
    some = [mix([part(TuneSource("a", count=5))], seed=seed) for seed in (1, 1, 2)]
    assert [len(part.training) for part in some] == [5, 5, 5]
    assert names(some[0]) == names(some[1]) != names(some[2])
    with pytest.raises(InputError, match="has 12 of the 13 examples"):
        mix([part(TuneSource("a", count=13))], seed=1)


@given(st.integers(min_value=3, max_value=12), st.integers(min_value=0, max_value=99))
def test_a_covering_draw_has_each_task(count: int, seed: int) -> None:
    parts = [part(TuneSource("a", count=count))]
    mixture = mix(parts, seed=seed, covering=True)
    assert len(mixture.training) == len(set(names(mixture))) == count
    assert {use.task.id for use in mixture.training} == {"a0", "a1", "a2"}
    assert names(mixture) == names(mix(parts, seed=seed, covering=True))
    assert names(mixture) == [
        name
        for name in names(mix([part(TuneSource("a"))], seed=seed))
        if name in set(names(mixture))
    ]


def test_a_covering_draw_is_a_draw() -> None:
    few = [names(mix([part(TuneSource("a", count=3))], seed=n, covering=True)) for n in range(9)]
    assert len({tuple(each) for each in few}) > 1
    with pytest.raises(InputError, match="2 examples can't cover its 3 tasks"):
        mix([part(TuneSource("a", count=2))], seed=1, covering=True)


@given(st.floats(min_value=0.1, max_value=4), st.integers(min_value=0, max_value=99))
def test_a_weight_is_how_often_an_example_is_used(weight: float, seed: int) -> None:
    mixture = mix([part(TuneSource("a", weight=weight))], seed=seed)
    assert len(mixture.training) == pytest.approx(12 * weight, abs=0.51)
    assert len(set(names(mixture))) == len(mixture.training)
    inputs = Counter((use.task.id, use.instance.input) for use in mixture.training)
    assert all(int(weight) <= count <= int(weight) + 1 for count in inputs.values())


def test_sources_are_mixed_side_by_side() -> None:
    parts = [part(TuneSource("a", count=4)), part(TuneSource("b", weight=2.0))]
    counted = {source: examples for source, _, examples in mix(parts, seed=1).counts}
    assert counted == {"a=4": 4, "b=x2": 24}


def test_held_out_tasks_are_not_trained_on() -> None:
    parts = [part(TuneSource("a")), part(TuneSource("b"))]
    mixture = mix(parts, seed=3, held_out=2, held_out_instances=3)
    held = {use.task.id for use in mixture.held_out}
    assert len(held) == 2
    assert len(mixture.held_out) == 6
    assert held.isdisjoint(task for task, _ in names(mixture))
    limited = mix(parts, seed=3, held_out=2, limit_tasks=1)
    assert {use.task.id for use in limited.held_out} == held
    assert len({task for task, _ in names(limited)}) == 2


def test_another_source_may_be_held_out() -> None:
    mixture = mix([part(TuneSource("a"))], [part(TuneSource("b"), instances=1)], seed=3)
    assert [use.instance.id for use in mixture.held_out] == ["b0-0", "b1-0", "b2-0"]
    assert len(mixture.training) == 12


def test_tasks_of_the_same_name_stay_apart() -> None:
    mixture = mix([part(TuneSource("a")), part(TuneSource("a"))], seed=3)
    assert len(set(names(mixture))) == 24


def test_with_all_held_out_nothing_is_left() -> None:
    with pytest.raises(InputError, match="no data is left"):
        mix([part(TuneSource("a"))], seed=3, held_out=3)


def test_self_instruct_data_have_each_content_once() -> None:
    task = made("a")
    twin = Task("b", task.definition, (*task.instances[:2], Instance("new", ("x",), "b-9")))
    tuned = mix([SourcePart(TuneSource("a"), (task, twin), SELF_INSTRUCT)], seed=1)
    assert len(tuned.training) == 5
    assert tuned.duplicates == 2
    assert len(mix([SourcePart(TuneSource("a"), (task, twin), DEFINITION)], seed=1).training) == 7


def test_tasks_and_instances_that_teach_nothing_are_named() -> None:
    bad = Task("b", "Do.", (Instance("x", ("",), "b-0"), Instance("y", ("y",), "b-1")))
    part = SourcePart(TuneSource("s"), (made("a", 0), bad), DEFINITION)
    with pytest.raises(InputError, match=r"s, task a: has no instances \(and 1 more\).*--skip-bad"):
        usable(part, skip_bad=False)
    left, faults = usable(part, skip_bad=True)
    assert [task.id for task in left.tasks] == ["b"]
    assert [instance.id for instance in left.tasks[0].instances] == ["b-1"]
    assert faults[1] == "s, task b, instance b-0: has no target"
    with pytest.raises(InputError, match="nothing to train on"):
        usable(SourcePart(TuneSource("s"), (made("a", 0),), DEFINITION), skip_bad=True)
