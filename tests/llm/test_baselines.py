"""The baselines that copy."""

from collections import Counter

import pytest

from seedstep.data import Example, Instance, Task
from seedstep.llm.providers import copy_demonstration, copy_input

TASK = Task(
    "t", "Do.", (), positive_examples=(Example("", "one"), Example("", "two"), Example("", "three"))
)
IDS = [f"task1-{number}" for number in range(300)]


def drawn(seed: int, ids: list[str]) -> dict[str, str | None]:
    return {name: copy_demonstration(TASK, Instance("x", ("y",), name), seed) for name in ids}


@pytest.mark.parametrize("text", [" Some text.\n", ""])
def test_inputs_are_copied_as_they_are(text: str) -> None:
    assert copy_input(TASK, Instance(text, ("y",), "a"), None) == text


def test_the_first_demonstration_is_copied() -> None:
    assert {copy_demonstration(TASK, Instance("x", ("y",), name), None) for name in IDS} == {"one"}


def test_a_random_demonstration_depends_on_seed_and_instance_alone() -> None:
    found = drawn(1, IDS)
    assert drawn(1, [*reversed(IDS)]) == found
    assert drawn(2, IDS) != found


@pytest.mark.parametrize("seed", [0, 1, -5])
def test_every_demonstration_is_drawn_about_equally_often(seed: int) -> None:
    counted = Counter(drawn(seed, IDS).values())
    assert counted.keys() == {"one", "two", "three"}
    assert min(counted.values()) > 70


@pytest.mark.parametrize("name", ["", "\ud800", "日本", "x" * 100_000])
def test_ids_may_be_any_text(name: str) -> None:
    assert drawn(0, [name])[name] in ("one", "two", "three")


@pytest.mark.parametrize("seed", [None, 1])
def test_a_task_without_demonstrations_has_nothing_to_copy(seed: int | None) -> None:
    assert copy_demonstration(Task("t", "Do.", ()), Instance("x", ("y",), "a"), seed) is None
