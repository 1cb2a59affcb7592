"""The baselines that copy, and what evaluation needs of numpy."""

from collections import Counter
from dataclasses import dataclass

import pytest

from seedstep.evaluate import Prediction
from seedstep.infer import copy_demonstrations, copy_inputs


@dataclass(frozen=True)
class Example:
    output: str


EXAMPLES = [Example("one"), Example("two"), Example("three")]
IDS = [f"task1-{number}" for number in range(300)]


def test_inputs_are_copied_as_they_are() -> None:
    inputs = {"a": " Some text.\n", "b": ""}
    assert list(copy_inputs("t", inputs)) == [
        Prediction("t", "a", " Some text.\n"),
        Prediction("t", "b", ""),
    ]


def test_the_first_demonstration_is_copied() -> None:
    found = list(copy_demonstrations("t", ["a", "b"], EXAMPLES))
    assert found == [Prediction("t", "a", "one"), Prediction("t", "b", "one")]


def test_a_random_demonstration_depends_on_seed_and_instance_alone() -> None:
    found = {one.instance: one.text for one in copy_demonstrations("t", IDS, EXAMPLES, seed=1)}
    again = copy_demonstrations("other", reversed(IDS), EXAMPLES, seed=1)
    assert {one.instance: one.text for one in again} == found
    other = {one.instance: one.text for one in copy_demonstrations("t", IDS, EXAMPLES, seed=2)}
    assert other != found


@pytest.mark.parametrize("seed", [0, 1, -5])
def test_every_demonstration_is_drawn_about_equally_often(seed: int) -> None:
    drawn = Counter(one.text for one in copy_demonstrations("t", IDS, EXAMPLES, seed=seed))
    assert drawn.keys() == {"one", "two", "three"}
    assert min(drawn.values()) > 70


def test_ids_may_be_any_text() -> None:
    ids = ["", "\ud800", "日本", "x" * 100_000]
    assert [one.instance for one in copy_demonstrations("t", ids, EXAMPLES, seed=0)] == ids


@pytest.mark.parametrize("seed", [None, 1])
def test_a_task_without_demonstrations_gives_failed_predictions(seed: int | None) -> None:
    (found,) = copy_demonstrations("t", ["a"], [], seed)
    assert found.text == ""
    assert "no demonstration" in found.failed
