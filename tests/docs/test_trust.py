"""The page of promises: each of its tests is there, and each promise has one."""

import ast
import re
from pathlib import Path

from support.selection import TESTS

PAGE = TESTS.parent / "docs/trust.md"
_NAMED = re.compile(r"`([\w/]+\.py(?:::\w+)+)`")


def _tests_of(path: Path) -> set[str]:
    """The tests of a file, those of a class behind its name."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if hasattr(inner, "name")}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return found


def test_each_test_that_the_page_names_is_there() -> None:
    named = _NAMED.findall(PAGE.read_text("utf-8"))
    assert len(named) > 30
    missing = []
    for place in named:
        file, _, test = place.partition("::")
        path = TESTS / file
        if not path.is_file() or test not in _tests_of(path) or "test_" not in test:
            missing.append(place)
    assert missing == []


def test_each_promise_names_a_test() -> None:
    rows = [row for row in PAGE.read_text("utf-8").splitlines() if row.startswith("| ")]
    promises = [row for row in rows if row != "| promise | held by |"]
    assert promises
    assert all(_NAMED.search(row) for row in promises)
