"""Whatever a model replies is read in a time that grows with its length, and no faster."""

import json

import pytest

from support.growth import READERS, UNITS, seconds_of, texts

SIZE = 3000
LARGE = 200_000
OFTEN = ("", "## Example 1", "1. Read\n2. Answer\n")


@pytest.mark.parametrize("name", READERS)
def test_no_reader_takes_long_for_a_run_of_marks(name: str) -> None:
    """What grows with the square takes seconds for some of them: 3,000 times 3,000 steps."""
    for opening, unit, text in texts(SIZE):
        if opening in OFTEN:
            assert seconds_of(READERS[name], text, 1.0) < 0.5, (opening, unit)


@pytest.mark.parametrize("unit", ["*", " ", "\t", "#", "\u3000", "("])
@pytest.mark.parametrize("name", READERS)
def test_long_runs_of_marks_are_read_in_seconds(name: str, unit: str) -> None:
    for opening in OFTEN:
        text = opening + unit * LARGE + "x"
        assert seconds_of(READERS[name], text, 10.0) < 5.0, (opening, unit)


@pytest.mark.parametrize("inner", ["think>", "/think>", "|think|>"])
@pytest.mark.parametrize("name", ["without marks", "steps", "answer", "body"])
def test_marks_inside_marks_are_read_in_seconds(name: str, inner: str) -> None:
    """Where each mark that is left out leaves another, there are as many as the text is long."""
    for end in ("", "[BEGIN FINAL RESPONSE]x"):
        text = "<" * 10_000 + inner * 10_000 + end
        body = json.dumps({"choices": [{"text": text}]})
        assert seconds_of(READERS[name], body if name == "body" else text, 10.0) < 5.0, end


def test_the_units_are_those_that_patterns_repeat() -> None:
    assert {" ", "\t", "\n", "*", "#", "_", "-"} <= set(UNITS)
