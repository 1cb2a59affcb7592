"""What errors have in common: names that are not known, the first line of a message, pickles."""

import pickle

import pytest

from seedstep.errors import (
    BudgetReached,
    InputError,
    MissingExtraError,
    RunMismatchError,
    SeedstepError,
    first_line,
    short_line,
    unknown_name,
)


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


HUGE = "x" * (2 << 20)


@pytest.mark.parametrize(
    "error",
    [
        SeedstepError(HUGE, "write less"),
        InputError("seeds.jsonl, line 3: 'a\nb\r\nc\u2028d\x85e'", "write\none line"),
        unknown_name("setting", HUGE, ["tasks"], "c.yaml"),
        unknown_name("setting", "tasks", [HUGE, *map(str, range(1000))], "c.yaml"),
        unknown_name("setting", [HUGE] * 3, [HUGE], "c.yaml"),
        RunMismatchError("run", [("model", HUGE, HUGE), ("sampling", {"a": HUGE}, HUGE)]),
        RunMismatchError("run", [(f"setting{n}", n, HUGE) for n in range(100)]),
        InputError(first_line(ValueError(HUGE)), HUGE),
    ],
)
def test_a_message_is_one_line_of_a_few_hundred_characters(error: SeedstepError) -> None:
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) < 1600
    assert len(error.what) <= 500


def test_a_long_value_is_told_with_its_beginning_and_its_end() -> None:
    error = InputError(f"c.yaml, setting 'model': {HUGE} is none", "correct it")
    assert error.what.startswith("c.yaml, setting 'model': xxx")
    assert error.what.endswith("xxx is none")
    assert short_line("short") == "short"


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


@pytest.mark.parametrize(
    "error",
    [
        InputError("seeds.jsonl, line 3: no text", "write one"),
        MissingExtraError("LoRA", extra="tune"),
        BudgetReached("max_requests", "30 requests"),
        RunMismatchError("runs/first", [("seed", 1, 2)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_another_process_raises_the_same_error(error: SeedstepError) -> None:
    error.add_note("in task 7")
    taken = pickle.loads(pickle.dumps(error))
    assert type(taken) is type(error)
    assert (str(taken), vars(taken)) == (str(error), vars(error))
