"""The examples in docstrings run, and the file map has each module's first line."""

import ast
import doctest
import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

from support.pages import ROOT
from support.selection import ALONE, BROWSING, LONG, MERGING, SLOW, TESTS

SOURCE = ROOT / "src"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


WITH_EXAMPLES = [
    module_name(path) for path in sorted(SOURCE.rglob("*.py")) if ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty directory, with the names of the module."""
    monkeypatch.chdir(tmp_path)
    outcome = doctest.testmod(importlib.import_module(name), optionflags=FLAGS, report=False)
    assert outcome.attempted
    assert not outcome.failed


FILES = ("py", "yaml", "db", "json", "jsonl", "html", "md", "lock")


def named_modules() -> list[tuple[str, str]]:
    """The names such as `runs.lists` that the pages have in backticks, with their pages."""
    rooms = [path.stem for path in SOURCE.joinpath("seedstep").iterdir() if path.stem[0] != "_"]
    pattern = re.compile(rf"`(?:seedstep\.)?((?:{'|'.join(rooms)})(?:\.[A-Za-z_]+)+)(?:\(.*?\))?`")
    pages = [*ROOT.joinpath("docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    found = {(page.name, name) for page in pages for name in pattern.findall(page.read_text())}
    return sorted((page, name) for page, name in found if name.rpartition(".")[2] not in FILES)


@pytest.mark.parametrize("page, name", named_modules())
def test_the_modules_that_pages_name_are_there(page: str, name: str) -> None:
    assert pkgutil.resolve_name(f"seedstep.{name}")


def test_the_file_map_has_each_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    filemap = importlib.import_module("filemap")
    page = ROOT.joinpath("docs", "architecture.md").read_text(encoding="utf-8")
    listed = page.partition("## File map\n")[2]
    folders = re.findall(r"^### `(seedstep[^`]*)`\n\n((?:- .*\n)+)", listed, re.MULTILINE)
    modules = {
        SOURCE / folder / module
        for folder, lines in folders
        for module in re.findall(r"^- `([^`]+)`: \S", lines, re.MULTILINE)
    }
    tasks = SOURCE / "seedstep" / "suite" / "tasks"
    assert modules == {path for path in SOURCE.rglob("*.py") if tasks not in path.parents}
    assert page == filemap.page_with_map(), "run `make format`"


def test_the_table_of_rooms_is_the_import_contract() -> None:
    page = ROOT.joinpath("docs", "architecture.md").read_text(encoding="utf-8")
    table = page.partition("| room | what lives there |\n|---|---|\n")[2].partition("\n\n")[0]
    rooms = [set(re.findall(r"`(\w+)`", row.split("|")[1])) for row in table.splitlines()]
    settings = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    layers = [set(re.findall(r"seedstep\.(\w+)", layer)) for layer in contract["layers"]]
    assert rooms == layers


def test_the_places_of_the_selection_are_there() -> None:
    for place in (*ALONE, *BROWSING, *LONG, *MERGING, *SLOW):
        file, *names = place.split("::")
        body: list[ast.stmt] = ast.parse(TESTS.joinpath(file).read_bytes()).body
        for name in names:
            found = [node for node in body if getattr(node, "name", "") == name]
            assert found, f"tests/support/selection.py: there is no {place}"
            body = getattr(found[0], "body", [])
