"""Names say what things are, and no two things share one."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import seedstep

SOURCE = Path(seedstep.__path__[0])
ROOT = Path(__file__).parents[1]


def test_no_two_public_classes_share_a_name() -> None:
    homes = defaultdict(set)
    for path in SOURCE.rglob("*.py"):
        for statement in ast.parse(path.read_bytes()).body:
            if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
                homes[statement.name].add(str(path.relative_to(SOURCE)))
    assert len(homes) > 300
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


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
