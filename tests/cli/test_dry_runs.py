"""Dry runs, held against what a run then asks, and against what it refuses."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seedstep.data import Instance, Task
from seedstep.infer.predict import TaskWork, preview_answers
from seedstep.infer.settings import PredictSettings
from seedstep.runs import database
from seedstep.runs.directory import take_lock
from seedstep.settings import make_settings
from support.answer_files import write_lines
from support.command_line import Outcome, seedstep
from support.predicting import word_model, words, write_word_tasks
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat, numbered


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(word_model()) as started:
        yield started


def asked(server: ScriptedServer) -> tuple[str, ...]:
    return ("--model", "openai:scripted", "--base-url", server.url)


def files(folder: Path) -> dict[str, bytes]:
    """All files but those that SQLite has beside a database while it is read."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path): path.read_bytes() for path in found if not path.name.endswith(("-shm", "-wal"))
    }


def foreseen(done: Outcome) -> int:
    """The number of requests that a dry run says."""
    assert done.code == 0, done.err
    said = done.words
    if "no requests" in said:
        return 0
    return int(said.rpartition("about ")[0].rpartition("about ")[2].partition(" requests")[0])


class TestPredict:
    def test_a_new_system_is_asked_what_was_foreseen(
        self, server: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks, out = write_word_tasks(tmp_path, tasks=2, instances=3), tmp_path / "run"
        start = ("predict", "--tasks", tasks, *asked(server))
        without_run = seedstep(*start, "--dry-run")
        dry = seedstep(*start, "--out", out, "--dry-run")
        assert foreseen(dry) == foreseen(without_run) == 6
        assert not out.exists()
        assert server.requests == 0
        assert words(0, 1)[0] in dry.out
        assert seedstep(*start, "--out", out).code == 0
        assert server.requests == 6

    def test_a_list_that_grew_and_another_way_to_ask(
        self, server: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks, out = write_word_tasks(tmp_path, tasks=2, instances=3), tmp_path / "run"
        limit = ("--limit-instances", 2)
        assert seedstep("predict", "--tasks", tasks, *limit, *asked(server), "--out", out).code == 0
        before, sent = files(out), server.requests
        again = ("predict", "--out", out)
        changed: tuple[tuple[tuple[object, ...], int], ...] = (
            ((), 0),
            (("--limit-instances", 3), 2),
            (("--max-new-tokens", 60), 4),
            (("--limit-instances", 3, "--max-new-tokens", 60), 6),
        )
        for more, count in changed:
            assert foreseen(seedstep(*again, *more, "--dry-run")) == count
            assert files(out) == before
        assert server.requests == sent
        assert seedstep(*again, *changed[-1][0]).code == 0
        assert server.requests == sent + 6

    def test_equal_prompts_are_asked_once(self, server: ScriptedServer, tmp_path: Path) -> None:
        same = [{"input": f"word{n % 2}", "output": "x"} for n in range(5)]
        lines = [{"id": f"t{n}", "definition": "Say it.", "instances": same} for n in range(2)]
        tasks = write_lines(tmp_path / "tasks.jsonl", lines)
        start = ("predict", "--tasks", tasks, *asked(server), "--out", tmp_path / "run")
        dry = foreseen(seedstep(*start, "--dry-run"))
        assert seedstep(*start).code == 0
        assert server.requests == dry == 2

    def test_replies_that_are_kept_are_not_asked_for(
        self, server: ScriptedServer, tmp_path: Path
    ) -> None:
        tasks, out = write_word_tasks(tmp_path, tasks=2, instances=3), tmp_path / "run"
        again = ("predict", "--tasks", tasks, *asked(server), "--out", out)
        assert seedstep(*again).code == 0
        sent = server.requests
        other = ("--name", "again")  # another system, whose requests are the same
        assert foreseen(seedstep(*again, *other, "--dry-run")) == 0
        assert seedstep(*again, *other).code == 0
        assert server.requests == sent

    def test_only_the_first_prompt_of_a_checkpoint_is_made(self) -> None:
        def work() -> Iterator[TaskWork]:
            yield TaskWork(Task("t", "Say it.", ()), ((0, Instance("a", ("b",))),))
            raise AssertionError("a second task was read")

        settings = make_settings(PredictSettings, {"model": "hf:tiny"}, "settings")
        view = preview_answers(settings, work())
        assert len(view.requests) == 1
        assert not view.counts

    def test_a_baseline_asks_nothing(self, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path, tasks=1)
        done = seedstep("predict", "--tasks", tasks, "--model", "baseline:copy-input", "--dry-run")
        assert foreseen(done) == 0
        assert "4 instances with baseline:copy-input" in done.words


class TestJudge:
    @pytest.mark.parametrize("mode", ["rating", "pairwise"])
    def test_a_judge_is_asked_what_was_foreseen(self, mode: str, tmp_path: Path) -> None:
        tasks, out = write_word_tasks(tmp_path, tasks=2, instances=3), tmp_path / "judge"
        answers = tmp_path / "answers"
        for baseline in ("copy-input", "copy-demonstration"):
            made = ("--tasks", tasks, "--model", f"baseline:{baseline}", "--out", answers)
            assert seedstep("predict", *made).code == 0

        def judge(number: int, body: object) -> Fault:
            return chat(json.dumps({"rating": "B", "better": "Same"}))

        with ScriptedServer(judge) as server:
            start = ("judge", answers, "--mode", mode, *asked(server), "--out", out)
            part = foreseen(seedstep(*start, "--limit", 2, "--dry-run"))
            whole = foreseen(seedstep(*start, "--dry-run"))
            assert not out.exists()
            assert server.requests == 0
            assert seedstep(*start, "--limit", 2).code == 0
            assert server.requests == part
            before = files(out)
            rest = foreseen(seedstep("judge", "--out", out, "--limit", 6, "--dry-run"))
            assert files(out) == before
            assert seedstep("judge", "--out", out, "--limit", 6).code == 0
            assert server.requests == part + rest == whole
            assert foreseen(seedstep("judge", "--out", out, "--dry-run")) == 0


def step_model(number: int, body: dict[str, Any]) -> Fault:
    """Writes instructions, examples, outputs and verdicts, each without a fault."""
    said = body["messages"][-1]["content"]
    if said.startswith(("Give me", "Rank")):
        return chat("\n\n".join(f"Input: {n}\nOutput: {n}\nExplanation: so." for n in range(5)))
    if "rating" in said.lower():
        return chat(json.dumps({"rating": "B", "better": "Same"}))
    return chat(numbered("Read the words.", "Think of others.", "Write them down."))


Begin = Callable[[Path, ScriptedServer], tuple[object, ...]]


def _judge(folder: Path, server: ScriptedServer) -> tuple[object, ...]:
    tasks, answers = write_word_tasks(folder, tasks=1), folder / "answers"
    made = ("--tasks", tasks, "--model", "baseline:copy-input", "--out", answers)
    assert seedstep("predict", *made).code == 0
    return ("judge", answers)


def _examples(folder: Path, server: ScriptedServer) -> tuple[object, ...]:
    steps = ("steps", "--tasks", write_word_tasks(folder, tasks=2), "--out", folder / "steps")
    assert seedstep(*steps, *asked(server)).code == 0
    return ("examples", "--steps", folder / "steps")


STAGES: dict[str, Begin] = {
    "bootstrap": lambda folder, _: ("bootstrap", "--tasks", 1, "--patience", 3),
    "predict": lambda folder, _: ("predict", "--tasks", write_word_tasks(folder, tasks=1)),
    "steps": lambda folder, _: ("steps", "--tasks", write_word_tasks(folder, tasks=2)),
    "examples": _examples,
    "distill": lambda folder, _: ("distill", write_word_tasks(folder, tasks=1)),
    "judge": _judge,
}
"""How a run of each stage begins that has a dry run."""


@pytest.fixture
def writer() -> Iterator[ScriptedServer]:
    with ScriptedServer(step_model) as started:
        yield started


@pytest.mark.parametrize("stage", STAGES)
class TestEveryStage:
    def test_a_dry_run_refuses_what_the_run_refuses(
        self, stage: str, writer: ScriptedServer, tmp_path: Path
    ) -> None:
        start = (*STAGES[stage](tmp_path, writer), *asked(writer), "--out", tmp_path / "run")
        seedstep(*start)
        sent = writer.requests
        again = (*start, "--base-url", writer.url.replace("127.0.0.1", "localhost"))
        for more in ((), ("--in-flight", 2)):
            dry, done = (seedstep(*again, *more, *mode) for mode in (("--dry-run",), ()))
            assert dry.code == done.code == 1
            assert dry.error == done.error
            assert "base_url" in dry.error
        before = files(tmp_path / "run")
        assert seedstep(*again, "--dry-run").code == 1
        assert seedstep(*again, "--same-model", "--dry-run").code == 0
        assert writer.requests == sent
        assert files(tmp_path / "run") == before

    def test_a_run_that_another_process_works_on(
        self, stage: str, writer: ScriptedServer, tmp_path: Path
    ) -> None:
        start = (*STAGES[stage](tmp_path, writer), *asked(writer), "--out", tmp_path / "run")
        seedstep(*start)
        with take_lock(tmp_path / "run"):
            dry, done = (seedstep(*start, *mode) for mode in (("--dry-run",), ()))
        assert dry.error == done.error
        assert "another process works on" in dry.error

    def test_the_database_is_read_where_it_is(
        self,
        stage: str,
        writer: ScriptedServer,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        start = (*STAGES[stage](tmp_path, writer), *asked(writer), "--out", tmp_path / "run")
        seedstep(*start)
        modes, connect = [], database._connect

        def noted(path: Path, mode: str) -> Any:
            modes.append(mode)
            return connect(path, mode)

        monkeypatch.setattr(database, "_connect", noted)
        assert seedstep(*start, "--dry-run").code == 0
        assert {*modes} == {"ro"}


class TestARunThatStopped:
    def test_the_replies_that_are_there_are_not_counted(
        self, writer: ScriptedServer, tmp_path: Path
    ) -> None:
        start: tuple[object, ...] = ("steps", "--tasks", write_word_tasks(tmp_path, tasks=2))
        start += (*asked(writer), "--out", tmp_path / "run", "--in-flight", 1)
        whole = foreseen(seedstep(*start, "--dry-run"))
        assert seedstep(*start, "--max-requests", 3).code == 1
        assert writer.requests == 3
        told = seedstep(*start, "--max-requests", 5, "--dry-run")
        assert foreseen(told) == whole - 3
        assert "max_requests 5 allows 2 more requests, then the run stops" in told.words
        assert seedstep(*start, "--max-requests", 100).code == 0
        assert writer.requests == whole


class TestBootstrap:
    def test_the_time_of_the_embedded_model_is_told(self) -> None:
        done = seedstep("bootstrap", "--model", "local", "--tasks", 20, "--dry-run")
        assert "20 tasks from 175 seeds with local, 10:00 at the most on two idle" in done.words

    def test_it_goes_on_with_the_settings_and_tasks_of_the_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("seedstep.runs.grown.SHORTEST_SECONDS", 0)
        with ScriptedServer() as server:
            start: tuple[object, ...] = (
                "bootstrap",
                "--model",
                "openai:scripted",
                "--base-url",
                server.url,
            )
            start += ("--prompt-style", "completion", "--out", tmp_path / "run")
            assert seedstep(*start, "--tasks", 5).code == 0
            sent = server.requests
            again = ("bootstrap", "--out", tmp_path / "run", "--dry-run")
            assert foreseen(seedstep(*again)) == 0
            more = seedstep(*again, "--tasks", 45)
            assert "40 tasks from 175 seeds with openai:scripted, about" in more.words
            assert "at the speed so far" in more.words
            assert "Assumed: as so far, " in more.words
            assert "5 finished tasks already" in seedstep(*again, "--tasks", 3).error
            assert server.requests == sent

    def test_replies_ahead_of_the_last_task_are_not_asked_for(self, tmp_path: Path) -> None:
        """A window of 8 requests has brought replies for more tasks than were wanted."""
        with ScriptedServer() as server:
            start: tuple[object, ...] = (
                "bootstrap",
                "--model",
                "openai:scripted",
                "--base-url",
                server.url,
            )
            start += ("--prompt-style", "completion", "--out", tmp_path / "run", "--window", 8)
            assert seedstep(*start, "--tasks", 3).code == 0
            sent = server.requests
            on = ("bootstrap", "--out", tmp_path / "run", "--tasks", 5)
            dry = foreseen(seedstep(*on, "--dry-run"))
            assert seedstep(*on).code == 0
            assert abs(server.requests - sent - dry) <= 2
