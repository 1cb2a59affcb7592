"""Importing the package, and starting the command, load only what is needed."""

import ast
import copy
import gc
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from shutil import copytree

import pytest

import seedstep
from seedstep.cli import COMMANDS
from seedstep.lazy import SELDOM, collector_seldom, late_pattern, late_regex
from seedstep.llm import Endpoint, Engine, MemoryLedger

SOURCE = Path(seedstep.__path__[0])
FIXTURES = Path(__file__).parent / "fixtures"
STUBS = sorted(SOURCE.rglob("__init__.pyi"))


def package_of(stub: Path) -> str:
    return ".".join(("seedstep", *stub.parent.relative_to(SOURCE).parts))


def loaded_by(code: str) -> set[str]:
    """The modules that a new process has loaded when it has run the code."""
    told = "import sys\ntry:\n    {}\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", told.format(code.replace("\n", "\n    "))],
        capture_output=True,
        check=True,
    )
    return set(done.stderr.decode().split())


def test_the_package_loads_nothing_until_it_is_asked() -> None:
    ours = {name for name in loaded_by("import seedstep") if name.partition(".")[0] == "seedstep"}
    assert ours == {"seedstep", "seedstep.interruption", "seedstep.lazy"}


def test_a_name_loads_its_module() -> None:
    loaded = loaded_by("from seedstep import InputError, Task")
    assert {"seedstep.errors", "seedstep.data.records"} < loaded
    assert not {"aiohttp", "numpy", "seedstep.recipes"} & loaded


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_what_tells_of_all_commands_loads_none(word: str) -> None:
    loaded = loaded_by(f"from seedstep.cli import main\nsys.argv = ['seedstep', '{word}']\nmain()")
    unneeded = {"aiohttp", "jinja2", "matplotlib", "numpy", "seedstep.cli.runs", "torch", "yaml"}
    rooms = {f"seedstep.{room}" for room in ("llm", "recipes", "report", "review", "stages")}
    assert not (unneeded | rooms) & loaded


COMMANDS_BY_MODULE = {entry.module or entry.name: entry.name for entry in COMMANDS}
"""A command of each module: what is loaded for one is for all that are defined beside it."""

NEEDED_FOR_HELP = {"run": {"seedstep.recipes.experiment_stages", "seedstep.recipes.jobs"}}
"""What is loaded of the rooms above the stages, as a flag has the names in one of its tables."""

BESIDES = {"publish": {"numpy"}, "steps": {"numpy"}}
"""What these still load: beside the formats of exports, and the settings of measurements."""


@pytest.mark.parametrize("module", sorted(COMMANDS_BY_MODULE))
def test_the_help_of_a_command_loads_what_its_flags_need(module: str) -> None:
    """These are the settings of its stage, and not what the command does with them."""
    words = ["seedstep", COMMANDS_BY_MODULE[module], "--help"]
    loaded = loaded_by(f"from seedstep.cli import main\nsys.argv = {words}\nmain()")
    assert f"seedstep.cli.{module}" in loaded
    unneeded = {"aiohttp", "jinja2", "matplotlib", "numpy", "starlette", "torch", "transformers"}
    besides = BESIDES.get(module, set())
    assert (unneeded & loaded) <= besides
    above = {f"seedstep.{room}" for room in ("recipes", "report", "review")}
    found = {name for name in loaded if name.rpartition(".")[0] in above}
    assert found == NEEDED_FOR_HELP.get(module, set())


def test_what_reads_a_run_loads_no_other_stage(tmp_path: Path) -> None:
    copytree(FIXTURES / "v0.1.0" / "bootstrap", tmp_path / "run")
    status = ["seedstep", "status", str(tmp_path / "run")]
    loaded = loaded_by(f"from seedstep.cli import main\nsys.argv = {status}\nmain()")
    unneeded = {"aiohttp", "jinja2", "matplotlib", "torch", "seedstep.llm.engine"}
    rooms = {f"seedstep.{room}" for room in ("exports", "inputs", "recipes", "report", "review")}
    stages = {
        f"seedstep.stages.{name}"
        for name in ("distill", "judge", "predict", "review", "steps", "tune")
    }
    assert "seedstep.stages.bootstrap" in loaded
    assert not (unneeded | rooms | stages) & loaded


@pytest.mark.parametrize("stub", STUBS, ids=package_of)
def test_what_a_stub_names_is_there(stub: Path) -> None:
    package = import_module(package_of(stub))
    named = [
        (alias.asname, alias.name, str(statement.module))
        for statement in ast.parse(stub.read_bytes()).body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    ]
    assert {name for name, _, _ in named} == {*package.__all__} - {"__version__"}
    for name, own_name, module in named:
        assert name == own_name
        assert getattr(package, name) is getattr(import_module(module), name)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        _ = package.other


@pytest.mark.parametrize("stub", STUBS, ids=package_of)
def test_a_stub_names_what_is_below(stub: Path) -> None:
    """As import-linter reads no stubs, they may not hide an import from a room above."""
    homes = [
        node.module
        for node in ast.parse(stub.read_bytes()).body
        if isinstance(node, ast.ImportFrom)
    ]
    below = (f"{package_of(stub)}.", "seedstep.data")
    assert [home for home in homes if not str(home).startswith(below)] == []


@pytest.mark.parametrize("stub", STUBS, ids=package_of)
def test_no_name_is_that_of_a_module(stub: Path) -> None:
    """Importing the module would put it in the place of what the name stands for."""
    modules = {path.stem for path in stub.parent.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not modules & set(import_module(package_of(stub)).__all__)


def test_a_pattern_is_compiled_when_it_is_used() -> None:
    unused = late_pattern("(")
    with pytest.raises(re.error):
        unused.search("")
    late = late_pattern(r"(?P<word>[a-z]+)\W*", re.IGNORECASE)
    text = "Two words"
    compiled = re.compile(late.pattern, re.IGNORECASE)
    assert [found["word"] for found in late.finditer(text)] == ["Two", "words"]
    assert late.findall(text) == compiled.findall(text)
    assert late.split(text) == compiled.split(text)
    assert late.sub("_", text, count=1) == compiled.sub("_", text, count=1)
    assert (late.groups, late.flags) == (compiled.groups, compiled.flags)
    assert late_regex(r"\p{Lu}").findall(text) == ["T"]


def test_a_late_pattern_is_copied_and_pickled() -> None:
    for late in (late_pattern("[a-z]+"), late_regex(r"\p{L}+")):
        for again in (copy.deepcopy(late), pickle.loads(pickle.dumps(late))):
            assert again.findall("two words") == ["two", "words"]
        assert late.findall("two words") == ["two", "words"]
        assert pickle.loads(pickle.dumps(late)).findall("a b") == ["a", "b"]


@pytest.fixture
def usual_collector() -> Iterator[None]:
    """The collector with Python's thresholds."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("usual_collector")
class TestCollectorSeldom:
    def test_it_works_less_until_the_last_of_several_contexts_ends(self) -> None:
        first, second = collector_seldom(), collector_seldom()
        first.__enter__()
        second.__enter__()
        assert gc.get_threshold() == (SELDOM, 10, 10)
        first.__exit__(None, None, None)
        assert gc.get_threshold() == (SELDOM, 10, 10)
        second.__exit__(None, None, None)
        assert gc.get_threshold() == (700, 10, 10)

    def test_one_that_never_works_stays_so(self) -> None:
        gc.set_threshold(0)
        with collector_seldom():
            assert gc.get_threshold()[0] == 0

    async def test_it_is_that_of_an_open_engine(self) -> None:
        async with Engine(Endpoint("test", "m", "http://127.0.0.1:1/v1"), MemoryLedger(), 1):
            assert gc.get_threshold() == (SELDOM, 10, 10)
        assert gc.get_threshold() == (700, 10, 10)
