"""Modules are small, and none imports itself by way of others."""

import ast
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import seedstep

PACKAGE = Path(seedstep.__path__[0])
LONGEST_FILE = 400

Sources = dict[str, str]
"""The texts of modules and of the stubs of packages (`NAME.__init__.pyi`) by dotted name."""


def sources_in(package: Path) -> Sources:
    found = {}
    for path in (*package.rglob("*.py"), *package.rglob("__init__.pyi")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        is_package = path.name == "__init__.py"
        name = ".".join(parts[:-1] if is_package else parts)
        found[name + path.suffix * (path.suffix == ".pyi")] = path.read_text("utf-8")
    return found


def imports_in(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield all imports, also those in functions; but none for type checkers alone."""
    if isinstance(tree, ast.Import | ast.ImportFrom):
        yield tree
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        children: Iterable[ast.AST] = tree.orelse
    else:
        children = ast.iter_child_nodes(tree)
    for child in children:
        if not isinstance(child, ast.expr):  # which has no imports
            yield from imports_in(child)


def homes_in(stub: str) -> dict[str, str]:
    """Return the modules from which a package takes its names."""
    statements = (each for each in ast.parse(stub).body if isinstance(each, ast.ImportFrom))
    return {name.name: each.module or "" for each in statements for name in each.names}


def imported(sources: Sources) -> dict[str, set[str]]:
    """Return which modules each module imports. A name of a package counts for its own module."""
    homes = {
        name.removesuffix(".__init__.pyi"): homes_in(text)
        for name, text in sources.items()
        if name.endswith(".pyi")
    }
    modules = {name: ast.parse(text) for name, text in sources.items() if not name.endswith(".pyi")}

    def target(package: str, name: str) -> str:
        if f"{package}.{name}" in modules:
            return f"{package}.{name}"
        home = homes.get(package, {}).get(name)
        return target(home, name) if home else package

    graph = {}
    for module, tree in modules.items():
        found = set()
        for statement in imports_in(tree):
            if isinstance(statement, ast.Import):
                found |= {alias.name for alias in statement.names}
            else:
                assert not statement.level, f"{module}: a relative import"
                found |= {target(statement.module or "", alias.name) for alias in statement.names}
        graph[module] = found & set(modules)
    return graph


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of a cycle, the first one at the end again; nothing if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = imported(sources_in(PACKAGE))
    assert len(graph) > 250
    assert sum(map(len, graph.values())) > 1500
    assert cycle_in(graph) == []


A, B = "p.a", "p.b"


@pytest.mark.parametrize(
    ("back", "cycle"),
    [
        ("from p.a import f", True),
        ("import p.a", True),
        ("from p import a", True),
        ("from p import f", True),
        ("def g():\n    from p.a import f", True),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    from p.a import f", True),
        ("if TYPE_CHECKING:\n    from p.a import f", False),
        ("from p import b_only", False),
    ],
)
def test_a_cycle_is_found_wherever_the_import_stands(back: str, *, cycle: bool) -> None:
    stub = "from p.a import f as f\nfrom p.c import b_only as b_only\n"
    sources = {"p": "", "p.__init__.pyi": stub, A: "from p.b import g", B: back, "p.c": ""}
    assert set(cycle_in(imported(sources))) == ({A, B} if cycle else set())


@pytest.mark.parametrize(
    "stub", sorted(PACKAGE.rglob("__init__.pyi")), ids=lambda it: it.parent.name
)
def test_a_stub_names_each_module_once_and_in_order(stub: Path) -> None:
    body = ast.parse(stub.read_text("utf-8")).body
    modules = [each.module for each in body if isinstance(each, ast.ImportFrom)]
    assert modules == sorted(set(modules), key=str)


def test_no_file_is_long() -> None:
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")]
    assert len(files) > 250
    long = {
        str(path.relative_to(PACKAGE)): count
        for path in files
        if (count := len(path.read_text("utf-8").splitlines())) > LONGEST_FILE
    }
    assert long == {}
