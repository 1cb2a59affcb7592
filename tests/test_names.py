"""Names say what things are, and no two things share one."""

import ast
import importlib
import pkgutil
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest

import seedstep


def _modules() -> list[ModuleType]:
    names = [name for _, name, _ in pkgutil.walk_packages(seedstep.__path__, "seedstep.")]
    return [importlib.import_module(name) for name in names if not name.endswith("__main__")]


def test_no_two_public_classes_share_a_name() -> None:
    homes = defaultdict(set)
    for module in _modules():
        for name, value in vars(module).items():
            defined_here = isinstance(value, type) and value.__module__ == module.__name__
            if defined_here and not name.startswith("_"):
                homes[name].add(module.__name__)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


ROOMS = sorted(
    path.name
    for path in Path(seedstep.__path__[0]).iterdir()
    if path.suffix == ".py" or (path / "__init__.py").is_file()
)


@pytest.mark.parametrize("room", ROOMS)
def test_no_variable_is_called_one(room: str) -> None:
    path = Path(seedstep.__path__[0]) / room
    found = []
    for file in [path] if path.is_file() else path.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.append((node.id, file.relative_to(path.parent), node.lineno))
            elif isinstance(node, ast.arg):
                found.append((node.arg, file.relative_to(path.parent), node.lineno))
    assert [place for name, *place in found if name == "one"] == []
