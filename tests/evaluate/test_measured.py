"""Scores with their intervals, and the tables made of them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.evaluate import InstanceResult
from seedstep.evaluate.compare import compare, measured, measured_by
from seedstep.evaluate.intervals import Value, shown
from seedstep.evaluate.systems import CellTable
from seedstep.evaluate.tables import markdown
from support.command_line import UNSAFE
from support.metrics import marks_of

RESULTS = [
    InstanceResult(
        f"t{n}-{k}",
        f"t{n}",
        "Sorting" * (n % 2),
        marks_of(n / 9, n / 10, float(n == k)),
        "predicted",
    )
    for n in range(9)
    for k in range(n + 1)
]
NOTHING = [
    InstanceResult(result.instance, result.task, "", marks_of(0, 0, 0), "missing")
    for result in RESULTS
]


def test_the_interval_is_that_of_a_difference_from_nothing() -> None:
    found = measured(RESULTS, seed=3)
    against = compare(RESULTS, NOTHING, seed=3)
    assert found.of("rouge_l") == against.overall.difference
    assert found.of("exact_match") == against.by("exact_match").difference
    assert (found.instances, found.tasks, found.missing) == (45, 9, 0)
    assert measured(NOTHING).missing == 45


def test_groups_are_by_name_and_few_tasks_have_no_interval() -> None:
    found = measured_by(RESULTS, "category")
    assert list(found) == ["", "Sorting"]
    assert [scores.tasks for scores in found.values()] == [5, 4]
    assert all(
        scores.of("rouge_1").low is None and scores.of("rouge_1").reason
        for scores in found.values()
    )
    assert list(measured_by(RESULTS, "task")) == [f"t{n}" for n in range(9)]
    assert measured_by(NOTHING, "category") == {}


@pytest.mark.parametrize(
    ("value", "text", "signed"),
    [
        (Value(1.25, 0.04, 2.96), "1.2 [0.0, 3.0]", "+1.2 [+0.0, +3.0]"),
        (Value(-1.0, None, None, "1 task"), "-1.0", "-1.0"),
        (Value(None, None, None, "no tasks"), "-", "-"),
    ],
)
def test_a_value_is_shown_as_far_as_it_is_there(value: Value, text: str, signed: str) -> None:
    assert shown(value) == text
    assert shown(value, sign="+") == signed


@given(st.text())
def test_any_text_is_one_cell_of_markdown(text: str) -> None:
    lines = markdown(CellTable(("a", text), ((text, "1"), ("b", text)))).split("\n")
    assert len(lines) == 5
    assert not UNSAFE.search("".join(lines))
    for line in lines[:4]:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3
