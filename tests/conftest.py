"""Fixtures that several test files share."""

import gc
import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from seedstep.suite import write_suite
from support.browsing import StartedBrowser, started_browser
from support.scripted_server import ScriptedServer
from support.selection import TESTS, group_of, is_slow, order_of, place_of

SLOW_SECONDS = 300
"""What a slow test has; others have the `timeout` of pyproject.toml."""

NOT_QUICK = ("ray", "torch")
"""Modules that take seconds to load."""
NAME_IT = "name it in SLOW of tests/support/selection.py"

MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 << 30
"""What has to be free there. Tests leave much less: what passed is removed."""

MANY_MODULES = 200
"""So many newly loaded modules are left out of what the garbage collector looks at."""

OBJECTS = 20_000
"""How many new objects there are before the garbage collector looks at them: 700 by default."""

QUICK_EXAMPLES = 20
"""With `--quick`, the most examples that hypothesis draws for a test; `make test` draws all."""

FROZEN = pytest.StashKey[int]()
"""How many modules were loaded when the garbage collector was last told to leave all alone."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--quick`."""
    parser.addoption(
        "--quick", action="store_true", help="leave out the tests that support.selection calls slow"
    )


def pytest_configure() -> None:
    """Keep torch and others to one thread: the tests' models are too small for more.

    Examples of hypothesis have no deadline of their own: each test has a time-out.
    Directories of tests are in memory where there is room: a run makes sure after each reply that
    it is on the disk, and waiting for the disk takes as long as all else that most tests do.
    """
    hypothesis.settings.register_profile("seedstep", deadline=None)
    hypothesis.settings.load_profile("seedstep")
    gc.set_threshold(OBJECTS, 20, 20)
    for library in ("OMP", "MKL", "RAYON"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    if _has_room(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _has_room(folder: Path) -> bool:
    """Whether tests can write to a folder, and run what they write."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(folder)
    runs = not found.f_flag & getattr(os, "ST_NOEXEC", 0)
    return runs and found.f_bavail * found.f_frsize >= MEMORY_BYTES


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--quick`, don't import the files that are slow as a whole."""
    slow = collection_path.suffix == ".py" and is_slow(str(collection_path.relative_to(TESTS)))
    return True if config.getoption("quick") and slow else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow, with `--quick`, or give it longer.

    What takes longest comes first, so that no process ends long after the others.
    """
    if config.getoption("quick"):
        config.hook.pytest_deselected(
            items=[item for item in items if is_slow(place_of(item.nodeid))]
        )
        items[:] = [item for item in items if not is_slow(place_of(item.nodeid))]
        for item in items:
            _draw_fewer(item)
    for item in items:
        if is_slow(place_of(item.nodeid)) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: order_of(place_of(item.nodeid)))


def _draw_fewer(item: pytest.Item) -> None:
    """Lower the number of examples of a test by hypothesis, which decorators have set."""
    name = "_hypothesis_internal_use_settings"  # where hypothesis looks them up
    test = getattr(item, "obj", None)
    function = getattr(test, "__func__", test)
    if hypothesis.is_hypothesis_test(test):
        drawn = getattr(function, name, None) or hypothesis.settings()
        fewer = hypothesis.settings(drawn, max_examples=min(drawn.max_examples, QUICK_EXAMPLES))
        setattr(function, name, fewer)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Send the tests of a group to one process.

    The marks of pytest-xdist for this have no effect with pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return group_of(place_of(nodeid))

    return Groups(config, log)


def loaded() -> set[str]:
    """The modules that take long to load, as far as they are loaded."""
    return {name for name in NOT_QUICK if name in sys.modules}


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, object, object]:
    """With `--quick`, refuse a file that loads what takes long."""
    before = loaded()
    report = yield
    if collector.config.getoption("quick") and loaded() > before:
        raise pytest.UsageError(f"{collector.nodeid} loads {loaded() - before}: {NAME_IT}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """With `--quick`, fail a test that loads what takes long."""
    before = loaded()
    result = yield
    if item.config.getoption("quick") and loaded() > before:
        pytest.fail(f"loads {loaded() - before}: {NAME_IT}")
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let the garbage collector leave alone what stays: modules, and the tests themselves.

    Each tuning lets it look at all there is, which takes longer than a tuning of a small model
    where torch and others are loaded.
    """
    result = yield
    frozen = item.config.stash.get(FROZEN, 0)
    if len(sys.modules) >= frozen + MANY_MODULES:
        gc.collect()
        gc.freeze()
        item.config.stash[FROZEN] = len(sys.modules)
    return result


@pytest.fixture(scope="session", autouse=True)
def stopped_by_signals() -> None:
    """As in a terminal, also where the tests run in the background or under nohup."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def one_core(request: pytest.FixtureRequest) -> Iterator[None]:
    """The embedded model computes on one core where other tests run beside it.

    The threads of llama.cpp wait for each other at each layer of each token, busily. With less than
    a core for each of them they take many times as long.
    """
    side_by_side = "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity")
    if not (side_by_side and request.node.get_closest_marker("embedded")):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Asserts that a text is that of tests/golden/NAME.txt.

    With SEEDSTEP_UPDATE_GOLDEN=1 in the environment the file is written first.
    """

    def check(name: str, text: str) -> None:
        path = TESTS / "golden" / f"{name}.txt"
        if os.environ.get("SEEDSTEP_UPDATE_GOLDEN") == "1":
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode())
        assert path.is_file(), f"{path} is missing: run pytest with SEEDSTEP_UPDATE_GOLDEN=1"
        assert text == path.read_bytes().decode()

    return check


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, which are not part of the project."""
    path = Path(os.environ.get("SEEDSTEP_DATA", TESTS.parent / ".." / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real data at {path}: set SEEDSTEP_DATA to its folder")
    return path


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite of tasks as `seedstep suite` writes it."""
    path = tmp_path_factory.mktemp("suite") / "suite"
    write_suite(path)
    return path


@pytest.fixture(scope="session")
def shards_server() -> Iterator[ScriptedServer]:
    """The server on which the shards of `grown_shards` grew."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="session")
def grown_shards(tmp_path_factory: pytest.TempPathFactory, shards_server: ScriptedServer) -> Path:
    """Two rounds of three shards, each merged: to be read, or copied."""
    from support.merging import grow_and_merge

    folder = tmp_path_factory.mktemp("grown")
    grow_and_merge(folder, shards_server)
    return folder


@pytest.fixture
def copied_shards(grown_shards: Path, tmp_path: Path) -> Path:
    """A copy of them, to be changed or spoilt."""
    return Path(shutil.copytree(grown_shards, tmp_path / "grown"))


@pytest.fixture
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts are drawn, but no images of them are made."""
    from support.reports import drawn_without_images

    for module in ("figures", "page"):
        monkeypatch.setattr(f"seedstep.report.{module}.render", drawn_without_images)


@pytest.fixture
def quick_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers of a checkpoint begin with torch loaded."""
    from seedstep.infer import workers
    from support.forking import forked_python

    command = tuple(forked_python(*workers.COMMAND[1:]))
    monkeypatch.setattr("seedstep.infer.workers.COMMAND", command)


@pytest.fixture
def quick_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of an experiment's stages begin with all commands loaded."""
    from support.forking import COMMANDS_ALONE, forked_python

    (python,) = forked_python(loaded=COMMANDS_ALONE)
    monkeypatch.setattr("seedstep.recipes.jobs.sys.executable", python)


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request engine asks again at once, and takes a short time without replies for long."""
    for module in ("engine", "servers"):
        monkeypatch.setattr(f"seedstep.llm.{module}.backoff", lambda attempt: 0.001)
    monkeypatch.setattr("seedstep.llm.faults.OUTAGE_SECONDS", 0.3)


@pytest.fixture
def quick_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are looked at again and again without pauses, and a wave ends soon."""
    monkeypatch.setattr("seedstep.llm.batches.QUIET_SECONDS", 0.03)
    monkeypatch.setattr("seedstep.llm.batches.MOST_QUIET_SECONDS", 0.6)
    for pause in ("FIRST_PAUSE", "LONGEST_PAUSE", "LONGEST_FILE_PAUSE", "LOOK_PAUSE"):
        monkeypatch.setattr(f"seedstep.llm.batch_work.{pause}", 0.01)
    monkeypatch.setattr("seedstep.llm.batch_work.STILL_SECONDS", 0.2)
    monkeypatch.setattr("seedstep.llm.batch_api.RESULT_PAUSE", 0.01)
    monkeypatch.setattr("seedstep.llm.jobs._backoff", lambda attempt: 0.0)


@pytest.fixture
def short_time_outs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request takes longer than three seconds, and a server may fail for five."""
    monkeypatch.setattr("seedstep.llm.exchange.REPLY_SECONDS", 3.0)
    monkeypatch.setattr("seedstep.llm.exchange.CONNECT_SECONDS", 1.0)
    monkeypatch.setattr("seedstep.llm.faults.OUTAGE_SECONDS", 5.0)


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current directory is empty, and no key is set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A scripted server, to which the environment points."""
    with ScriptedServer() as started:
        monkeypatch.setenv("OPENAI_BASE_URL", started.url)
        yield started


@pytest.fixture(scope="session")
def started() -> Iterator[StartedBrowser]:
    """The browser of a process's tests."""
    with started_browser() as opened:
        yield opened


@pytest.fixture
def browser(started: StartedBrowser) -> Iterator[Any]:
    """A browser, which is one for all tests: what each of them does is in a context of its own.

    Its event loop runs until the test ends: what needs one of its own is made before.
    """
    with started.running():
        yield started.browser
