"""What the machine withholds: open files, space, rights, the database, the terminal."""

import ctypes
import os
import pty
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from seedstep import self_instruct
from seedstep.errors import StoreError
from seedstep.recipes import BootstrapProgress
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.command_line import environment, program, seedstep
from support.growing import Outcome, Recorder, asked_of, exported, grow, times_asked
from support.scripted_server import ScriptedServer, random_delays

SETTINGS: dict[str, Any] = {"tasks": 16, "window": 6, "in_flight": 4}


def command(path: Path, server: ScriptedServer, **settings: Any) -> list[str]:
    """The command line of a bootstrap in a process of its own."""
    values = {"out": path, **asked_of(server, **{**SETTINGS, **settings})}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    return program("bootstrap", *flags)


def ended(
    arguments: list[str],
    limit: Callable[[], object] | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """How a process ends, and what it says on standard error."""
    done = subprocess.run(
        arguments,
        preexec_fn=limit,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


def one_error(ending: tuple[int, str]) -> str:
    code, said = ending
    assert code == 1, said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


@pytest.fixture(name="calm", scope="module")
def _calm(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run that lacked nothing."""
    with ScriptedServer() as server:
        return grow(tmp_path_factory.mktemp("runs") / "calm", server, **SETTINGS)


@pytest.fixture
def copy(calm: Outcome, tmp_path: Path) -> Path:
    """The same run, to be spoilt."""
    return Path(shutil.copytree(calm.path, tmp_path / "run"))


# Open files


def test_few_open_files_lower_the_number_in_flight(tmp_path: Path) -> None:
    """Looking up a name takes files too."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    many: dict[str, Any] = {"tasks": 90, "window": 100}
    with ScriptedServer(random_delays(0.1)) as server:
        free = grow(tmp_path / "free", server, in_flight=200, **many)
        assert (len(free.tasks), server.most_in_flight > 64) == (90, True)
        server.bodies.clear()
        server.most_in_flight = 0
        server.url = server.url.replace("127.0.0.1", "localhost")
        code, said = ended(command(tmp_path / "run", server, in_flight=200, **many), limit)
        assert (code, said) == (0, "")
        assert 8 < server.most_in_flight < 64
        assert set(times_asked(server.bodies).values()) == {1}
    assert exported(tmp_path / "run") == exported(free.path)
    with Run.read(BOOTSTRAP, tmp_path / "run") as run:
        assert sum(usage.failed for usage in run.status().usage.values()) == 0


# Rights


def obeying_rights() -> None:
    """Rights bind root too in this process and what it starts, if the system is Linux."""
    if os.geteuid() == 0:
        drop, override = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
        ctypes.CDLL(None).prctl(drop, override, 0, 0, 0)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    for path in (folder, *folder.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize(
    "shared", [True, False], ids=["closed-by-a-reader", "closed-by-its-writer"]
)
def test_a_read_only_run_can_be_looked_at_and_exported(
    shared: bool, copy: Path, tmp_path: Path
) -> None:
    if not shared:  # the last writer takes these with it
        for path in copy.glob("run.db-*"):
            path.unlink()
    with read_only(copy):
        for arguments in (
            ("status", copy),
            ("show", copy),
            ("export", copy, "--format", "alpaca", "--out", tmp_path / "out"),
        ):
            assert ended(program(*arguments), obeying_rights) == (0, "")
    assert (tmp_path / "out" / "train.jsonl").stat().st_size > 0


def test_a_read_only_run_is_not_gone_on_with(copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.iterdir()}
    with ScriptedServer() as server, read_only(copy):
        flags = ("--out", copy, "--tasks", 30, "--base-url", server.url, "--same-model")
        said = one_error(ended(program("bootstrap", *flags), obeying_rights))
        assert server.requests == 0
    assert str(copy) in said
    assert {path: path.read_bytes() for path in copy.iterdir()} == before


def test_no_run_is_begun_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with ScriptedServer() as server, read_only(tmp_path / "mine"):
        for path in (tmp_path / "mine" / "run", tmp_path / "mine"):
            said = one_error(ended(command(path, server), obeying_rights))
            assert str(path) in said
        assert server.requests == 0
    assert list((tmp_path / "mine").iterdir()) == []


# Space


def file_size(limit: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def test_files_that_may_not_grow_end_the_run_and_it_goes_on_when_they_may(
    calm: Outcome, tmp_path: Path
) -> None:
    with ScriptedServer() as server:
        said = one_error(ended(command(tmp_path / "run", server), file_size(250_000)))
        assert "run.db" in said
        assert server.requests == 0  # an answer would have no room, and be bought again
        server.bodies.clear()
        assert ended(command(tmp_path / "run", server)) == (0, "")
    assert exported(tmp_path / "run") == exported(calm.path)


def test_a_run_needs_no_directory_for_temporary_files(calm: Outcome, tmp_path: Path) -> None:
    nowhere = environment(TMPDIR="/nowhere", SQLITE_TMPDIR="/nowhere", TEMP="/nowhere")
    path = tmp_path / "run"
    with ScriptedServer() as server:
        assert ended(command(path, server), env=nowhere) == (0, "")
    for name in ("alpaca", "superni", "parquet"):
        assert ended(program("export", path, "--format", name), env=nowhere) == (0, "")
    assert exported(path) == exported(calm.path)


def test_a_run_makes_no_files_elsewhere(
    calm: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine whose directories for temporary files are full."""

    def full() -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr("tempfile.gettempdir", full)
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, **SETTINGS)
    assert exported(made.path) == exported(calm.path)


# The database


class AfterThree(Recorder):
    """Does something once three generations are recorded."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self.act = act

    def retired(self, progress: BootstrapProgress, generation: Any) -> None:
        super().retired(progress, generation)
        if len(self.generations) == 3:
            self.act()


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedstep.runs.database.LOCK_SECONDS", 0.3)


@pytest.mark.usefixtures("short_patience")
def test_a_database_locked_by_another_process_ends_the_run(calm: Outcome, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with ScriptedServer() as server, other_process_of(path) as other:
        watch = AfterThree(lambda: other().execute("BEGIN EXCLUSIVE"))
        with pytest.raises(StoreError, match=r"run\.db: .*locked.* End the process"):
            self_instruct(path, watch=watch, **asked_of(server, **SETTINGS))
        with Run.read(BOOTSTRAP, path) as run:
            assert run.status().generations == 3
        with pytest.raises(StoreError, match="locked"):
            self_instruct(path, **asked_of(server, **SETTINGS))
        other().execute("ROLLBACK")
        assert exported(grow(path, server, **SETTINGS).path) == exported(calm.path)


@contextmanager
def other_process_of(path: Path) -> Iterator[Callable[[], sqlite3.Connection]]:
    """Another user of a run's database, from when it is first needed."""
    made: list[sqlite3.Connection] = []

    def connection() -> sqlite3.Connection:
        if not made:
            made.append(
                sqlite3.connect(path / "run.db", isolation_level=None, check_same_thread=False)
            )
        return made[0]

    try:
        yield connection
    finally:
        for opened in made:
            opened.close()


def test_a_short_lock_is_waited_for(calm: Outcome, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with ScriptedServer() as server, other_process_of(path) as other:

        def lock() -> None:
            other().execute("BEGIN EXCLUSIVE")
            threading.Timer(0.3, lambda: other().execute("ROLLBACK")).start()

        self_instruct(path, watch=AfterThree(lock), **asked_of(server, **SETTINGS)).close()
        assert set(times_asked(server.bodies).values()) == {1}
    assert exported(path) == exported(calm.path)


# A database cut off

CUTS = {"all": 0, "header": 50, "page": 4096, "third": 1 / 3, "odd": 0.7, "last-page": -4096}


def cut(path: Path, place: float) -> None:
    size = path.stat().st_size
    keep = place * size if isinstance(place, float) else place % size
    os.truncate(path, int(keep))


@pytest.mark.parametrize("place", CUTS.values(), ids=CUTS)
def test_a_database_cut_off_is_said_to_be_damaged(place: float, copy: Path) -> None:
    cut(copy / "run.db", place)
    before = (copy / "run.db").read_bytes()
    with ScriptedServer() as server:
        more = ("--out", copy, "--tasks", 40, "--base-url", server.url, "--same-model")
        for arguments in (("status", copy), ("show", copy), ("bootstrap", *more)):
            said = seedstep(*arguments).error
            assert "run.db" in said
            assert "damaged" in said
        assert server.requests == 0
    assert (copy / "run.db").read_bytes() == before


@pytest.mark.parametrize("place", [0, 50, 4096], ids=str)
def test_a_database_cut_off_under_a_run_ends_it_or_does_no_harm(
    place: int, calm: Outcome, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    watch = AfterThree(lambda: os.truncate(path / "run.db", place))
    with ScriptedServer() as server:
        with suppress(StoreError):
            self_instruct(path, watch=watch, **asked_of(server, **SETTINGS)).close()
            assert exported(path) == exported(calm.path)
            return
        asked = server.requests
        with pytest.raises(StoreError, match="damaged"):
            self_instruct(path, **asked_of(server, **SETTINGS))
        assert server.requests == asked


# The terminal and the signals


def until(condition: Callable[[], bool]) -> None:
    latest = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < latest
        time.sleep(0.002)


def goes_on(path: Path, server: ScriptedServer, calm: Outcome) -> None:
    """All that was answered is kept, and the same command makes the same data of it."""
    assert ended(command(path, server)) == (0, "")
    assert set(times_asked(server.bodies).values()) == {1}
    assert exported(path) == exported(calm.path)


def test_a_terminal_that_goes_away_stops_the_run_in_order(calm: Outcome, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with ScriptedServer(random_delays(0.1)) as server:
        pid, terminal = pty.fork()
        if pid == 0:
            arguments = command(path, server)
            os.execve(arguments[0], arguments, environment(TERM="xterm"))
        drain = threading.Thread(target=read_all, args=(terminal,))
        drain.start()
        until(lambda: len(server.bodies) >= 15)
        os.close(terminal)
        code = wait_for(pid)
        drain.join()
        assert len(server.bodies) < 60
        assert code == 130
        goes_on(path, server, calm)


def read_all(terminal: int) -> None:
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:  # it is gone
        pass


def wait_for(pid: int) -> int:
    ends: list[int] = []

    def has_ended() -> bool:
        done, status = os.waitpid(pid, os.WNOHANG)
        ends.append(status)
        return bool(done)

    until(has_ended)
    return os.waitstatus_to_exitcode(ends[-1])


def test_sighup_stops_the_run_in_order(calm: Outcome, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with ScriptedServer(random_delays(0.05)) as server:
        running = subprocess.Popen(command(path, server), stdout=-1, stderr=-1, text=True)
        until(lambda: len(server.bodies) >= 15)
        running.send_signal(signal.SIGHUP)
        _, said = running.communicate(timeout=20)
        assert running.returncode == 130
        assert "go on with: seedstep bootstrap" in said
        goes_on(path, server, calm)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=["nohup", "background"])
def test_a_signal_that_who_started_it_ignores_is_ignored(
    number: signal.Signals, calm: Outcome, tmp_path: Path
) -> None:
    def ignore() -> None:
        signal.signal(number, signal.SIG_IGN)

    path = tmp_path / "run"
    with ScriptedServer(random_delays(0.02)) as server:
        running = subprocess.Popen(
            command(path, server), preexec_fn=ignore, stdout=-1, stderr=-1, text=True
        )
        until(lambda: len(server.bodies) >= 15)
        running.send_signal(number)
        _, said = running.communicate(timeout=20)
        assert (running.returncode, said) == (0, "")
    assert exported(path) == exported(calm.path)
