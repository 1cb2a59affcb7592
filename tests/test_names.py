"""Names say what things are, and no two things share one."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

import seedstep

SOURCE = Path(seedstep.__path__[0])
ROOT = Path(__file__).parents[1]


def names_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the public classes and aliases of a module, each with a text that tells it from others.

    A type variable of a word has its definition as its text, so that modules that use it alike may
    define it again; `T` and the like are left out.
    """
    tree = ast.parse(path.read_bytes())
    for statement in chain(
        tree.body, *(each.body for each in tree.body if isinstance(each, ast.If))
    ):
        if isinstance(statement, ast.ClassDef):
            yield statement.name, str(path)
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name, made = statement.targets[0].id, ast.unparse(statement.value)
            if not name.isupper() and not re.fullmatch("[A-Z]_(co|contra)", name):
                yield name, made if made.startswith("TypeVar(") else str(path)


def test_no_two_classes_or_aliases_share_a_name() -> None:
    homes = defaultdict(set)
    for path in SOURCE.rglob("*.py"):
        for name, home in names_of(path):
            if name[0].isupper():
                homes[name].add(home)
    assert len(homes) > 500
    assert homes.keys() >= {"Answer", "Inputs", "FloatArray", "Task"}
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


ROOMS = sorted(
    path for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
)
OTHERS = [ROOT / name for name in ("benchmarks", "docs", "examples", "tests")]


@pytest.mark.parametrize("place", [*ROOMS, *OTHERS], ids=lambda place: place.name)
def test_no_variable_is_called_one(place: Path) -> None:
    found = []
    for file in [place] if place.is_file() else place.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.append((node.id, file.relative_to(place.parent), node.lineno))
            elif isinstance(node, ast.arg):
                found.append((node.arg, file.relative_to(place.parent), node.lineno))
    assert [where for name, *where in found if name == "one"] == []
