"""Shuffled steps: a permutation that depends on seed and task alone."""

import os
import subprocess
import sys
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.steps import parse, render, shuffled

STEPS = ("Read it.", "Think.", "Compare.", "Say it.")


@given(st.lists(st.text()), st.integers(), st.text())
def test_the_same_steps_in_another_order(steps: list[str], run_seed: int, task_id: str) -> None:
    order = shuffled(steps, run_seed=run_seed, task_id=task_id)
    assert Counter(order) == Counter(steps)
    assert (order == tuple(steps)) is (len(set(steps)) < 2)
    assert order == shuffled(steps, run_seed=run_seed, task_id=task_id)


@given(st.integers(), st.text(), st.lists(st.text(), min_size=4, max_size=4, unique=True))
def test_the_texts_of_the_steps_do_not_decide(
    run_seed: int, task_id: str, steps: list[str]
) -> None:
    known = shuffled(STEPS, run_seed=run_seed, task_id=task_id)
    expected = tuple(steps[STEPS.index(step)] for step in known)
    assert shuffled(steps, run_seed=run_seed, task_id=task_id) == expected


def test_canonical_steps_stay_canonical() -> None:
    order = shuffled(STEPS, run_seed=1, task_id="a")
    assert parse(render(order)).steps == order


def test_the_order_is_pinned() -> None:
    """Another order would change published runs: no version of Python may bring one."""
    assert shuffled("abcdefgh", run_seed=42, task_id="task002") == tuple("fcaehgbd")


def test_every_process_makes_the_same_order() -> None:
    code = (
        "from seedstep.steps import shuffled; print(*shuffled('abcdefgh', run_seed=7, task_id='é'))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split()
        == list(shuffled("abcdefgh", run_seed=7, task_id="é"))
        for seed in ("1", "2")
    }
    assert said == {True}


def test_seeds_and_tasks_differ() -> None:
    letters = "abcdefgh"
    orders = {
        shuffled(letters, run_seed=seed, task_id=task) for seed in range(10) for task in "xyz"
    }
    assert len(orders) > 25
    assert shuffled(letters, run_seed=1, task_id="1 x") != shuffled(
        letters, run_seed=11, task_id="x"
    )


# The 0.999 quantiles of the chi-square distribution.
QUANTILES = {4: 18.47, 10: 29.59, 22: 48.27}


@pytest.mark.parametrize("steps", ["abc", "abcd", "aabc"])
def test_all_other_orders_are_equally_likely(steps: str) -> None:
    draws = 6000
    others = sorted(set(permutations(steps)) - {tuple(steps)})
    drawn = Counter(shuffled(steps, run_seed=seed, task_id="t") for seed in range(draws))
    assert sorted(drawn) == others
    expected = draws / len(others)
    chi_square = sum((drawn[order] - expected) ** 2 / expected for order in others)
    assert chi_square < QUANTILES[len(others) - 1]


def test_one_distinct_step_has_no_other_order() -> None:
    assert shuffled((), run_seed=1, task_id="t") == ()
    assert shuffled(("Read it.",), run_seed=1, task_id="t") == ("Read it.",)
    assert shuffled(("Go.", "Go."), run_seed=1, task_id="t") == ("Go.", "Go.")


def test_many_steps_are_shuffled() -> None:
    steps = [f"Step {number}" for number in range(20_000)]
    assert sorted(shuffled(steps, run_seed=1, task_id="\ud800")) == sorted(steps)
