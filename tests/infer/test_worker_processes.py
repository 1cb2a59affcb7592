"""Processes that do work: what they have done is there at once, and how they end is told."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from seedstep.errors import ModelError
from seedstep.infer import workers
from support.selection import TESTS
from support.worker_jobs import CountingJob, DyingJob, FaultyJob, SleepingJob, done_by

SOURCES = os.pathsep.join([str(Path(workers.__file__).parents[2]), str(TESTS)])


@pytest.fixture(autouse=True)
def importing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers import the jobs of tests, and no torch, which takes seconds."""
    monkeypatch.setenv("PYTHONPATH", SOURCES)
    without = "import sys; sys.modules['torch'] = None; " + workers.COMMAND[-1]
    monkeypatch.setattr("seedstep.infer.workers.COMMAND", (*workers.COMMAND[:-1], without))


def test_a_result_is_there_before_its_unit_is_done() -> None:
    async def first() -> tuple[int, Any]:
        results = workers.in_workers(SleepingJob(), [("slow", 0)], 1)
        try:
            return await asyncio.wait_for(anext(results), 30)
        finally:
            await results.aclose()

    assert asyncio.run(first())[0] == 0


def test_what_a_worker_sent_before_it_died_is_not_done_again(tmp_path: Path) -> None:
    mark = tmp_path / "died"
    found = asyncio.run(done_by(CountingJob(str(mark)), [("a", 4), ("b", 1)], 2))
    assert mark.exists()
    assert [number for place, number in found if place == 0] == [0, 1, 2, 3]
    assert [number for place, number in found if place == 1] == [0]


def test_no_work_has_no_results() -> None:
    assert asyncio.run(done_by(CountingJob(), [], 2)) == []


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (DyingJob(9), "task 'a', was ended by SIGKILL. Use fewer --workers"),
        (DyingJob(40), "task 'a', was ended by signal 40. See with --workers 1"),
        (DyingJob(), "task 'a', ended with 3. See with --workers 1"),
    ],
)
def test_it_is_told_how_workers_died_and_what_helps(job: DyingJob, message: str) -> None:
    with pytest.raises(ModelError) as error:
        asyncio.run(done_by(job, [("a", 1)], 1))
    assert "3 workers died" in str(error.value)
    assert message in str(error.value)


def test_an_error_of_the_program_names_the_task_in_a_line() -> None:
    with pytest.raises(ModelError) as error:
        asyncio.run(done_by(FaultyJob(), [("task_7", 1)], 1))
    assert "task 'task_7': IndexError: the 7th of 3" in str(error.value)
    assert "Traceback" not in str(error.value)


def test_workers_end_with_a_process_that_is_killed_while_they_are_busy() -> None:
    code = (
        "import asyncio; from seedstep.infer import workers; "
        f"workers.COMMAND = {workers.COMMAND!r}; "
        "from support.worker_jobs import sleep_with_workers; asyncio.run(sleep_with_workers())"
    )
    giving = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert giving.stdout
    busy = [int(giving.stdout.readline()) for _ in range(2)]
    assert all(map(_is_there, busy))
    giving.kill()
    giving.wait()
    giving.stdout.close()
    until = time.monotonic() + 20
    while any(map(_is_there, busy)) and time.monotonic() < until:
        time.sleep(0.2)
    assert not any(map(_is_there, busy)), "a worker was left behind"


def _is_there(process: int) -> bool:
    """Return whether a process runs; one that ended and that nobody waits for does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("gpus", "visible", "own"),
    [(0, None, None), (2, None, "1"), (2, "4,7", "7"), (1, "GPU-8ac", "GPU-8ac"), (0, "", "")],
)
@pytest.mark.parametrize("too_late", [False, True])
def test_each_worker_sees_one_gpu_and_has_a_share_of_the_cores(
    gpus: int,
    visible: str | None,
    own: str | None,
    *,
    too_late: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    def count() -> int:
        named = os.environ.get(workers.VISIBLE)
        return gpus if too_late or named in (None, visible) else len(str(named).split(","))

    taken: list[int] = []
    shared: list[int] = []
    monkeypatch.delenv(workers.VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(workers.VISIBLE, visible)
    monkeypatch.setattr(torch.cuda, "device_count", count)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(torch, "set_num_threads", shared.append)
    workers._take_place(3, 4)
    assert shared == [2]
    assert os.environ.get(workers.VISIBLE) == own
    assert taken == ([1] if too_late and gpus > 1 else [])
