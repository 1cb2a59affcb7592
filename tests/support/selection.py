"""Which tests are slow, and which have to stay in one process with which others.

`make test` runs all tests in several processes, `make check` only those that `--quick` leaves. A
place names a file of `tests`, and after `::` a class or a test in it, with all its parameters.
"""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["ALONE", "SHARING", "SLOW", "TESTS", "group_of", "is_slow", "order_of", "place_of"]

TESTS = Path(__file__).parents[1]

ALONE = (
    "test_embedded.py",
    "docs/test_pages.py::test_the_commands_of_a_page_run",
    "docs/test_pages.py::test_what_the_readme_makes",
    "cli/test_cli_novelty.py::TestOnRay",
    "cli/test_tune_command.py::test_two_processes_take_the_trajectory_of_one",
    "llm/test_limits.py",
    "tune/test_gguf.py",
    "tune/test_sharing.py",
)
"""Take several cores, much memory or exact times. One process runs them, one after another."""

SHARING = (
    "cli/test_report_command.py",
    "cli/test_tune_command.py",
    "docs/test_docs_build.py",
    "exports/test_export.py",
    "exports/test_hub.py",
    "runs/test_run.py",
    "suite/test_suite_answers.py",
    "tune/test_tune_faults.py",
)
"""Files whose tests share what is dear to make. The tests of each stay in one process."""

SLOW: tuple[str, ...] = ()
"""Load torch, Ray or a browser, start processes, or take more than a second each."""


def place_of(nodeid: str) -> str:
    """Return the place of a test: its id in pytest, seen from `tests`, without parameters."""
    return nodeid.removeprefix("tests/").partition("[")[0]


def is_slow(place: str) -> bool:
    """Return whether `--quick` leaves out a test, or a whole file."""
    return _within(place, SLOW)


def group_of(place: str) -> str:
    """Return the tests with which a test stays in one process, or "" if it may run anywhere."""
    if _within(place, ALONE):
        return "alone"
    file = place.partition("::")[0]
    return file if file in SHARING else ""


def order_of(place: str) -> int:
    """Return what to sort tests by that several processes run: what takes longest comes first."""
    group = group_of(place)
    return 0 if group == "alone" else 1 if group else 2


def _within(place: str, places: Sequence[str]) -> bool:
    return any(place == other or place.startswith(f"{other}::") for other in places)
