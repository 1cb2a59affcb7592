"""Requests by batch: the same data as live, at whichever moment a process ends."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campaigns.batches import STEPS, Moment, disturbed, live
from seedstep.recipes import predict
from support.asking_stages import prepare
from support.batch_server import BatchServer
from support.predicting import asked_of, texts, word_model, write_word_tasks

NAME = "openai:scripted"


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedstep.llm.batches.QUIET_SECONDS", 0.03)
    monkeypatch.setattr("seedstep.llm.batch_work.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("seedstep.llm.batch_work.LONGEST_PAUSE", 0.01)
    monkeypatch.setattr("seedstep.llm.batch_api.RESULT_PAUSE", 0.01)
    monkeypatch.setattr("seedstep.llm.jobs._backoff", lambda attempt: 0.0)


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer(word_model()) as started:
        yield started


def by_batch(server: BatchServer, tasks: str, **settings: Any) -> dict[str, Any]:
    return asked_of(server, tasks, send="batch", **settings)


def test_killed_at_each_step_of_a_batch_nothing_is_paid_twice(tmp_path: Path) -> None:
    prepare(tmp_path)
    kills = disturbed("predict", tmp_path, live("predict", tmp_path), list(map(Moment, STEPS)))
    assert kills == len(STEPS)


def test_predictions_by_batch_are_those_of_live_requests(
    server: BatchServer, tmp_path: Path
) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    predict(tmp_path / "live", **asked_of(server, tasks)).close()
    live = server.requests
    with predict(tmp_path / "run", **by_batch(server, tasks)) as run:
        assert run.records.counts(NAME).predictions == 12
    assert texts(tmp_path / "run") == texts(tmp_path / "live")
    assert server.requests == live + 1, "the first is asked live"
    assert len(server.batches) == 1
    assert len(server.lines) == 11
    assert set(server.charged.values()) == {1}
    predict(tmp_path / "run", **by_batch(server, tasks)).close()
    assert len(server.batches) == 1
