"""Dry runs of `seedstep predict` and `seedstep judge`, held against what a run then asks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import Outcome, seedstep
from support.predicting import word_model, words, write_word_tasks
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(word_model()) as started:
        yield started


def asked(server: ScriptedServer) -> tuple[str, ...]:
    return ("--model", "openai:scripted", "--base-url", server.url)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
