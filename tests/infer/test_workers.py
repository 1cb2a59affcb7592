"""A checkpoint that predicts in several processes: the answers of one, though workers die."""

import gc
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedstep.errors import InputError, ModelError
from seedstep.infer import workers
from seedstep.recipes import PredictProgress, predict
from seedstep.runs import Run
from seedstep.stages import PREDICT
from support.answering_models import save_model
from support.predicting import write_word_tasks

SETTINGS: dict[str, Any] = {"encoding": "definition", "batch": 2, "max_new_tokens": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights, tasks, and what one process predicts."""
    made = tmp_path_factory.mktemp("workers")
    save_model("Llama", made / "model")
    tasks = write_word_tasks(made / "ni", 3, 7)
    predict(made / "alone", model=f"hf:{made / 'model'}", tasks=tasks, name="x", **SETTINGS).close()
    return made


def answers(path: Path) -> list[Any]:
    with Run.read(PREDICT, path) as run:
        return list(run.predictions("x"))


class Watch:
    """A watcher that does something after each batch."""

    def __init__(self, act: Callable[[int], None]) -> None:
        self.act = act
        self.batches = 0

    def began(self, progress: PredictProgress) -> None:
        pass

    def retired(self, progress: PredictProgress, record: Any) -> None:
        self.batches += 1
        self.act(self.batches)

    def tick(self, progress: PredictProgress) -> None:
        pass


def asked(folder: Path, **settings: Any) -> dict[str, Any]:
    values = {"model": f"hf:{folder / 'model'}", "tasks": str(folder / "ni"), "name": "x"}
    return {**values, **SETTINGS, **settings}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The processes that were started as workers."""
    processes: list[Any] = []
    popen = subprocess.Popen

    def noting(*words: Any, **options: Any) -> Any:
        processes.append(popen(*words, **options))
        return processes[-1]

    monkeypatch.setattr("seedstep.infer.workers.subprocess.Popen", noting)
    return processes


def test_two_workers_answer_as_one_process(
    folder: Path, started: list[Any], tmp_path: Path
) -> None:
    alone = answers(folder / "alone")
    assert len({answer.text for answer in alone}) > 3
    predict(tmp_path / "run", **asked(folder, workers=2)).close()
    assert answers(tmp_path / "run") == alone
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


@pytest.mark.usefixtures("quick_workers")
def test_a_worker_that_is_killed_is_replaced(
    folder: Path, started: list[Any], tmp_path: Path
) -> None:
    def kill(batches: int) -> None:
        if batches in (1, 4):
            os.kill(started[-1].pid, signal.SIGKILL)

    watch = Watch(kill)
    predict(tmp_path / "run", watch=watch, **asked(folder, workers=2)).close()
    assert answers(tmp_path / "run") == answers(folder / "alone")
    assert 3 <= len(started) <= 4
    assert watch.batches == 12, "a batch was answered twice"


@pytest.mark.usefixtures("quick_workers")
def test_a_run_goes_on_with_another_number_of_workers(
    folder: Path, started: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(batches: int) -> None:
        if batches == 2:
            raise KeyError

    with pytest.raises(KeyError):
        predict(tmp_path / "run", watch=Watch(stop), **asked(folder, workers=2))
    assert all(process.poll() is not None for process in started), "a worker was left behind"
    gc.collect()
    assert not caplog.records, "asyncio tells of an error that nobody waited for"
    predict(tmp_path / "run", **asked(folder, workers=1)).close()
    found, alone = answers(tmp_path / "run"), answers(folder / "alone")
    assert [(answer.instance, answer.text) for answer in found] == [
        (answer.instance, answer.text) for answer in alone
    ]


def test_workers_that_die_again_and_again_end_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dying = "import os, sys; sys.stdin.buffer.read(1); os.kill(os.getpid(), 9)"
    command = (*workers.COMMAND[:-1], dying)
    monkeypatch.setattr("seedstep.infer.workers.COMMAND", command)
    message = r"3 workers died .* loaded the model, was ended by SIGKILL. Use fewer --workers"
    with pytest.raises(ModelError, match=message):
        predict(tmp_path / "run", **asked(folder, workers=2))


@pytest.mark.usefixtures("quick_workers")
def test_what_is_wrong_with_a_checkpoint_is_said_as_without_workers(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 2, 2)
    (tmp_path / "model").mkdir()
    said = set()
    for number in (1, 2):
        with pytest.raises(ModelError, match="load its tokenizer") as error:
            predict(
                tmp_path / f"run{number}",
                model=f"hf:{tmp_path / 'model'}",
                tasks=tasks,
                workers=number,
                **SETTINGS,
            )
        said.add(str(error.value))
    assert len(said) == 1


def test_only_checkpoints_have_workers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only checkpoints are loaded by workers"):
        predict(tmp_path / "run", model="openai:x", tasks="none", workers=2)
