"""Huge and hostile texts are parsed and checked, in time that grows with their length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.steps import CHECKS, check, parse, render
from support.defined_tasks import defined

MEGABYTE = 1_000_000

HOSTILE: dict[str, tuple[str, int, int]] = {
    "digits": ("7", 0, 0),
    "spaces": (" ", 0, 0),
    "blank-lines": ("\n", 0, 0),
    "numbers": ("1.", 0, 0),
    "numbers-and-spaces": ("1. ", 1, 1),
    "sub-numbers": ("1.1.", 0, 0),
    "stars": ("**", 0, 0),
    "labels": ("Step 2: **Step 3: ", 0, 0),
    "steps": ("1. Go.\n", MEGABYTE // 7, MEGABYTE // 7),
    "versions": ("Refined instruction:\n1. Go.\n2. Stop.\n", 2, 2),
    "thoughts": ("<think>", 0, 0),
    "brackets": ("[", 0, 0),
    "announcements": ("here are examples ", 0, 0),
}


@pytest.mark.parametrize(("piece", "least", "most"), HOSTILE.values(), ids=HOSTILE)
def test_a_megabyte_of_anything_is_read(piece: str, least: int, most: int) -> None:
    assert least <= len(parse(piece * (MEGABYTE // len(piece))).steps) <= most


@pytest.mark.parametrize(
    "piece", ["1.1.", "Step 2: **Step 3: ", "here ", "input: ", "2. Go ", "**a"]
)
def test_a_step_of_a_megabyte_is_read(piece: str) -> None:
    long = piece * (MEGABYTE // len(piece))
    found = parse(f"x {long}\n1. {long}\n2. Stop.\n\nx {long}")
    assert len(found.steps) == 2
    assert parse(render(found.steps)).steps == found.steps


@given(st.text(), st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_any_texts_are_checked(
    reply: str, definition: str, examples: list[tuple[str, str]]
) -> None:
    found = check(parse(reply), defined(definition, tuple(examples)))
    assert {finding.name for finding in found} <= set(CHECKS)
    assert all(finding.detail for finding in found)


@pytest.mark.parametrize(
    "piece",
    [
        "a ",
        '"a" or ',
        "given a cat, ",
        "must not be x. ",
        "for each a in the ",
        "A, ",
        "e.g. ",
        "'",
        "(like ",
    ],
)
def test_huge_texts_are_checked(piece: str) -> None:
    huge = piece * (300_000 // len(piece))
    parsed = parse(f"1. Read it.\n2. {huge}\n3. Output {huge}")
    assert {finding.name for finding in check(parsed, defined(huge, ((huge, huge),)))} <= set(
        CHECKS
    )


def test_very_many_steps_are_checked() -> None:
    reply = "1. For each word, say it aloud.\n" * 40_000
    task = defined("You are given a word. " * 1000, (("a word " * 1000, "b"),))
    found = {finding.name: finding.detail for finding in check(parse(reply), task)}
    assert found["too_many"] == "40000 steps"
    assert "repeats" in found
