"""What errors have in common: names that are not known, and the first line of a message."""

import pytest

from seedstep.errors import first_line, unknown_name


@pytest.mark.parametrize(
    ("name", "known", "remedy"),
    [
        ("alpacca", ("alpaca", "hub"), "write 'alpaca'; known are alpaca, hub"),
        ("zip", ("alpaca", "hub"), "known are alpaca, hub"),
        ("task77", [f"task{n}" for n in range(100, 200)], "write 'task177'"),
        ("x", [f"task{n}" for n in range(60)], ", task39 and 20 more"),
        ("x", (), "there is none yet"),
        (["x"], ("a",), "known are a"),
    ],
)
def test_an_unknown_name_is_told_with_those_there_are(
    name: object, known: list[str], remedy: str
) -> None:
    error = unknown_name("format", name, known, "run.yaml, line 3")
    assert error.what == f"run.yaml, line 3: there is no format '{name}'"
    assert error.remedy.endswith(remedy)
    assert unknown_name("format", name, known).what == f"there is no format '{name}'"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("\nfull\nof data"), "full"),
        (ValueError(""), "ValueError"),
        (ValueError(" \n "), "ValueError"),
    ],
)
def test_the_first_line_of_an_error(error: Exception, line: str) -> None:
    assert first_line(error) == line
