"""`seedstep tune --model openai:NAME`: the same command, and the job at the server."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seedstep import tune_model, tune_model_async
from seedstep.inputs.tasks import gather
from support.command_line import seedstep
from support.tuning_server import TuningServer, refusal
from support.tuning_things import lines_of, write_lines, write_tasks


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningServer]:
    """A fine-tuning API in a thread of its own, for commands that run a loop themselves."""
    monkeypatch.setattr("seedstep.tune.openai_jobs.POLL_SECONDS", 0.0)
    monkeypatch.setattr("seedstep.llm.jobs._backoff", lambda attempt: 0.0)
    started = TuningServer()
    ready, done = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with started.serve():
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(10)
    monkeypatch.setenv("OPENAI_BASE_URL", started.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    yield started
    loop.call_soon_threadsafe(done.set)
    thread.join(10)
    loop.close()


def test_a_job_from_the_command(server: TuningServer, tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl", tasks=2, instances=12)
    start = ("tune", "--model", "openai:small", "--data", data, "--out", tmp_path / "out")
    flags = ("--encoding", "definition", "--held-out", 1, "--epochs", 3)
    outcome = seedstep(*start, *flags)
    assert outcome.code == 0, outcome.err
    assert "12 examples, " in outcome.words
    assert "the tuned model is openai:ft:small:me::1" in outcome.words
    lines = [json.loads(line) for line in server.contents[0].splitlines()]
    assert len(lines) == 12
    user, assistant = lines[0]["messages"]
    assert user["content"].startswith("Definition: ")
    assert assistant["content"] in ("animal", "fruit", "tool")
    assert server.bodies[0]["method"]["supervised"]["hyperparameters"] == {"n_epochs": 3}
    assert seedstep("tune", "--out", tmp_path / "out").code == 0
    assert len(server.files) == len(server.jobs) == 1


def test_a_dry_run_sends_nothing(server: TuningServer, tmp_path: Path) -> None:
    data = write_tasks(tmp_path / "data.jsonl", instances=12)
    start = ("tune", "--model", "openai:small", "--data", data, "--out", tmp_path / "out")
    outcome = seedstep(*start, "--dry-run")
    assert outcome.code == 0
    assert "12 examples, " in outcome.words
    assert server.paths == []
    assert not (tmp_path / "out").exists()


def test_what_the_server_says_comes_through(server: TuningServer, tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", lines_of(1, 12))
    start = ("tune", "--model", "openai:small", "--data", data, "--out", tmp_path / "out")
    server.fail("POST fine_tuning/jobs", refusal(400, "small can't be tuned"))
    assert "small can't be tuned" in seedstep(*start).error
    few = write_tasks(tmp_path / "few.jsonl", instances=3)
    start = ("tune", "--model", "openai:small", "--data", few, "--out", tmp_path / "other")
    assert "3 examples, but the fine-tuning API takes no fewer than 10" in seedstep(*start).error


def test_data_are_read_beside_a_running_loop(server: TuningServer, tmp_path: Path) -> None:
    """So that a notebook's loop goes on meanwhile."""
    threads = []

    def read(settings: Any) -> Any:
        threads.append(threading.current_thread())
        return gather(settings)

    data = write_tasks(tmp_path / "data.jsonl", tasks=2, instances=12)
    asked: dict[str, Any] = {"model": "openai:small", "data": data}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("seedstep.recipes.tuning_at_server.gather", read)
        made = asyncio.run(tune_model_async(tmp_path / "out", **asked))
    assert threads
    assert threading.main_thread() not in threads
    assert made.job
    assert made.to_records() == []
    assert "a server tunes it" in made._repr_html_()
    again = tune_model(tmp_path / "other", dry_run=True, **asked)
    assert (again.to_records(), again.job) == ([], None)
    assert "nothing tuned yet" in again._repr_html_()
