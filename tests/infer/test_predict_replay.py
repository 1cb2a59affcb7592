"""Recordings of runs of predictions."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from seedstep.errors import InputError
from seedstep.recipes import predict
from seedstep.runs import Run
from seedstep.stages import PREDICT
from support.predicting import asked_of, predicted, word_model, write_word_tasks
from support.scripted_server import ScriptedServer


@pytest.fixture
def model() -> Iterator[ScriptedServer]:
    with ScriptedServer(word_model()) as server:
        yield server


def test_a_recorded_system_is_replayed(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    with predict(tmp_path / "run", **asked_of(model, tasks)) as run:
        assert run.write_recording(tmp_path / "recording.jsonl") == 12
    replay = f"replay:{tmp_path / 'recording.jsonl'}"
    predict(tmp_path / "again", tasks=tasks, model=replay, name="again").close()
    assert predicted(tmp_path / "again", "again") == predicted(tmp_path / "run")


def test_are_of_one_model(model: ScriptedServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni", 1, 1)
    predict(tmp_path / "run", name="one", **asked_of(model, tasks)).close()
    other = {**asked_of(model, tasks), "model": "openai:other"}
    predict(tmp_path / "run", name="two", **other).close()
    with (
        Run.read(PREDICT, tmp_path / "run") as run,
        pytest.raises(InputError, match="2 models"),
    ):
        run.write_recording(tmp_path / "recording.jsonl")
