"""The labelled instructions, and how well the checks agree with them."""

from collections import Counter

import pytest

from seedstep.steps import CHECKS, canonical, labelled, measure, parse, render
from seedstep.steps.measuring import Part

PARTS: tuple[Part, ...] = ("tune", "held_out")
ALL = [one for part in PARTS for one in labelled(part)]


def test_there_are_enough_good_ones_and_enough_of_each_fault() -> None:
    good = [one for one in ALL if not one.faults]
    faults = Counter(fault for one in ALL for fault in one.faults)
    assert len(good) >= 40
    assert len({one.task for one in good}) >= 15
    assert set(faults) == set(CHECKS)
    assert min(faults.values()) >= 6


def test_the_parts_share_no_task_and_no_text() -> None:
    tune, held_out = (labelled(part) for part in PARTS)
    assert not {one.task for one in tune} & {one.task for one in held_out}
    assert len({one.id for one in ALL}) == len(ALL)
    assert len({one.text for one in ALL}) == len(ALL)


def test_the_texts_are_lists_of_steps_unless_that_is_their_fault() -> None:
    for one in ALL:
        steps = parse(one.text).steps
        assert "no_steps" in one.faults or (steps and canonical(steps) == steps), one.id
        assert parse(render(steps)).steps == steps, one.id


def test_a_task_comes_with_two_examples() -> None:
    assert {len(one.task.examples) for one in ALL} == {2}


@pytest.mark.parametrize("part", PARTS)
def test_the_numbers_add_up(part: Part) -> None:
    faults = Counter(fault for one in labelled(part) for fault in one.faults)
    measured = measure(part)
    assert [one.name for one in measured] == list(CHECKS)
    for one in measured:
        assert one.right + one.missed == faults[one.name]
        assert one.recall == one.right / (one.right + one.missed)
        assert one.precision == one.right / (one.right + one.wrong)


FLOORS: dict[str, tuple[float, float]] = {
    "not_for_models": (0.9, 1.0),
    "unknown_label": (1.0, 0.8),
    "repeats": (1.0, 0.8),
    "missing_constraint": (0.6, 0.85),
}
"""Precision and recall on both parts; where nothing stands here, both are 1."""


@pytest.mark.parametrize("part", PARTS)
def test_the_checks_agree_with_people_as_well_as_documented(part: Part) -> None:
    for one in measure(part):
        precision, recall = FLOORS.get(one.name, (1.0, 1.0))
        assert one.precision >= precision, one
        assert one.recall >= recall, one
