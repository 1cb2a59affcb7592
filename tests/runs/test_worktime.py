"""The time of work on a run, over all its starts: what speed is told of."""

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep import open_run
from seedstep.runs.requests import PAUSE_SECONDS, elapsed
from seedstep.stages import BOOTSTRAP
from support.command_line import seedstep
from support.forking import ForkedProcess, forked
from support.growing import grow
from support.scripted_server import Fault, ScriptedServer

SLOW = 0.1
"""Seconds that a reply takes."""

PAUSE = 1.0
"""Seconds between two processes: two of them are longer than what three take to start and end."""


def test_pauses_are_left_out() -> None:
    assert elapsed([]) == ()
    times = [100.0, 101.0, 102.0 + PAUSE_SECONDS, 105.0 + PAUSE_SECONDS]
    assert elapsed(times) == (0.0, 1.0, 1.0, 4.0)


def test_work_begins_with_a_start_and_ends_with_what_was_done_last() -> None:
    assert elapsed([100.0, 101.0], [90.0]) == (10.0, 11.0)
    assert elapsed([100.0, 101.0, 121.0], [90.0, 95.0, 120.0, 130.0]) == (5.0, 6.0, 7.0)
    assert elapsed([100.0, 101.0, 121.0], [120.0]) == (0.0, 1.0, 2.0)
    assert elapsed([100.0], [100.0]) == (0.0,)
    assert elapsed([5000.0], [100.0]) == (0.0,)  # asleep, most likely


MOMENTS = st.lists(st.floats(0, 1e4), max_size=30).map(sorted)


@given(MOMENTS, MOMENTS)
def test_it_never_falls_and_is_never_more_than_the_time_that_went_by(
    times: list[float], starts: list[float]
) -> None:
    found = elapsed(times, starts)
    assert list(found) == sorted(found)
    if times:
        assert 0 <= found[-1] <= times[-1] - min([times[0], *starts]) + 1e-6


def speed_of(run: Path) -> float:
    with open_run(run, BOOTSTRAP) as opened:
        speed = opened.status().per_minute
    assert speed is not None
    return speed


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedstep.runs.grown.SHORTEST_SECONDS", 0.1)


def bootstrap(out: Path, server: ScriptedServer) -> ForkedProcess:
    flags = {"model": "openai:scripted", "base-url": server.url, "tasks": 16, "in-flight": 4}
    words = [f"--{name}={value}" for name, value in flags.items()]
    command = forked("bootstrap", "--out", out, *words)
    return ForkedProcess(command, stdout=-1, stderr=-1)


def slow(_: int, body: dict[str, Any]) -> Fault:
    return Fault(delay=SLOW)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_interrupted_tells_the_speed_of_its_work(
    number: signal.Signals, tmp_path: Path
) -> None:
    run, moments = tmp_path / "run", list[float]()
    most = least = 0.0

    def script(_: int, body: dict[str, Any]) -> Fault:
        moments.append(time.time())
        return Fault(delay=SLOW)

    with ScriptedServer(script) as server:
        for requests in (12, 24, None):
            moments.clear()
            begun = time.time()
            running = bootstrap(run, server)
            while requests and server.requests < requests and running.poll() is None:
                time.sleep(0.01)
            if requests:
                running.send_signal(number)
            running.communicate(timeout=60)
            most += time.time() - begun
            least += moments[-1] - moments[0] - SLOW  # what was in flight may be lost
            if requests:
                time.sleep(PAUSE)
        assert running.returncode == 0
    assert least <= 60 * 16 / speed_of(run) <= most


def test_a_slow_run_that_retires_all_at_its_end(tmp_path: Path) -> None:
    """The first item waits for a reply of a second, and all others for it."""
    waiting: list[int] = []

    def late(number: int, body: dict[str, Any]) -> Fault | None:
        waiting.append(number)
        return Fault(delay=1.0) if len(waiting) == 1 else None

    with ScriptedServer(late) as server:
        begun = time.time()
        made = grow(tmp_path / "run", server, tasks=6, in_flight=8)
        seconds = time.time() - begun
    finished = len(made.tasks)
    assert 60 * finished / seconds <= speed_of(tmp_path / "run") <= 60 * finished / 1.0
    headline = seedstep("status", tmp_path / "run").lines[0]
    assert f"{speed_of(tmp_path / 'run'):.1f} a minute" in headline


def test_a_run_of_an_earlier_version_counts_from_its_first_request(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with ScriptedServer(slow) as server:
        made = grow(run, server, tasks=6)
        with closing(sqlite3.connect(run / "run.db")) as database, database:
            first = "SELECT min(at - seconds) FROM requests"
            database.execute(f"UPDATE starts SET at = ({first})")  # as if it had asked at once
        new = speed_of(run)
        with closing(sqlite3.connect(run / "run.db")) as database, database:
            database.execute("DELETE FROM starts")
        old = speed_of(run)
        time.sleep(0.3)
        grow(run, server, tasks=6)  # nothing is left to do
    assert old == new == speed_of(run)
    assert len(made.tasks) == 6
