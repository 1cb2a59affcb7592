"""Dry runs of `seedstep steps` and `seedstep examples`, held against what a run then asks."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seedstep.recipes import foresee_work
from seedstep.stages import EXAMPLES, STEPS
from seedstep.steps.pipeline import EXAMPLE_TOKENS, INSTRUCTION_TOKENS
from support.answer_files import write_lines
from support.command_line import UNSAFE, Outcome, seedstep
from support.growing import text_of
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat, numbered

CHARACTERS = 4
INSTRUCTION = numbered(*(f"Read part {n} of the report and note what it says." for n in range(12)))
EXAMPLE = "Input: Boat {n} was late, and {talk}.\nOutput: Late boat {n}\nExplanation: It says so."


def model(number: int, body: dict[str, Any]) -> Fault:
    """Replies as long as the estimates assume, and without faults."""
    asked = body["messages"][-1]["content"]
    if asked.startswith("Give me") or asked.startswith("Rank"):
        boats = range(len(asked), len(asked) + (5 if asked.startswith("Give me") else 2))
        talk = "so on" * ((EXAMPLE_TOKENS * CHARACTERS - len(EXAMPLE) + 8) // 5)
        return chat("\n\n".join(EXAMPLE.format(n=n, talk=talk) for n in boats))
    if '"correct"' in asked:
        return chat(json.dumps({"correct": True, "complete": True}))
    return chat(INSTRUCTION.ljust(INSTRUCTION_TOKENS * CHARACTERS, "."))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(model) as started:
        yield started


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """Two tasks with categories and examples, and one with neither."""
    examples = [{"input": f"[boat] {n}", "output": f"title {n}"} for n in range(2)]
    lines: list[dict[str, Any]] = [
        {"id": f"t{n}", "definition": f"Name report {n}.", "positive_examples": examples}
        for n in range(2)
    ]
    lines[0]["category"], lines[1]["category"] = "Title Generation", "Headlines"
    return write_lines(tmp_path / "tasks.jsonl", [*lines, {"id": "t2", "definition": "Sum up."}])


def flags(server: ScriptedServer) -> tuple[str, ...]:
    return ("--model", "openai:scripted", "--base-url", server.url)


def asked_tokens(server: ScriptedServer) -> int:
    """Tokens of all prompts that a server saw, by their characters."""
    texts = (message["content"] for body in server.bodies for message in body["messages"])
    return sum(map(len, texts)) // CHARACTERS


class TestSteps:
    def test_whole_prompts_are_shown_and_nothing_is_asked(
        self, server: ScriptedServer, tasks: Path, tmp_path: Path
    ) -> None:
        start = ("steps", "--tasks", tasks, *flags(server))
        dry = seedstep(*start, "--dry-run", "--out", tmp_path / "run")
        assert (dry.code, dry.err, server.requests) == (0, "", 0)
        assert not (tmp_path / "run").exists()
        assert seedstep(*start, "--limit", 1, "--out", tmp_path / "run").code == 0
        for body in server.bodies:
            assert body["messages"][-1]["content"] in dry.out
        assert "3 tasks with openai:scripted" in dry.words
        assert "no repairs (at most 6 requests more)" in dry.words

    @pytest.mark.parametrize("more", [{}, {"refine": "none"}, {"judge": "openai:j"}, {"limit": 2}])
    def test_the_estimate_is_what_a_run_asks_if_replies_are_as_assumed(
        self, more: dict[str, Any], server: ScriptedServer, tasks: Path, tmp_path: Path
    ) -> None:
        asked = {
            "model": "openai:scripted",
            "base_url": server.url,
            "judge_base_url": server.url,
            "tasks": str(tasks),
            **more,
        }
        view = foresee_work(STEPS, None, asked).view
        config = tmp_path / "config.yaml"
        config.write_text(json.dumps({"judge_base_url": server.url, **more}))
        start = ("steps", "--tasks", tasks, *flags(server), "--config", config)
        assert seedstep(*start, "--out", tmp_path / "run").code == 0
        assert sum(view.counts.values()) == server.requests
        assert view.prompt_tokens == pytest.approx(asked_tokens(server), rel=0.02)

    def test_tasks_in_another_language_are_told_of_it(
        self, server: ScriptedServer, tmp_path: Path
    ) -> None:
        german = {"id": "t", "definition": "Nenne ein Gemüse, das zu der Suppe passt."}
        tasks = write_lines(tmp_path / "tasks.jsonl", [german])
        start = ("steps", "--tasks", tasks, *flags(server), "--out", tmp_path / "run")
        told = "--language German asks for instructions in that language"
        assert told in seedstep(*start, "--dry-run").words
        done = seedstep(*start)
        assert (done.code, told in done.words) == (0, True)
        first = server.requests
        again = seedstep(*start, "--language", "German")
        assert again.code == 0
        assert "1 task (t) asked in another way" in again.words
        assert told not in again.words
        for body in server.bodies[first:]:
            last = body["messages"][-1]["content"]
            assert "Schreibe die Anleitung auf Deutsch." in last
        assert server.requests == 2 * first
        asked = server.bodies[-1]["messages"][0]["content"]
        examples = ("examples", "--steps", tmp_path / "run", *flags(server), "--dry-run")
        assert "Schreibe die Beispiele auf Deutsch" in seedstep(*examples).words
        assert "auf Deutsch" in asked

    def test_completion_style_shows_its_one_frame(self, tasks: Path) -> None:
        shown = seedstep("steps", "--tasks", tasks, "--model", "local", "--dry-run")
        assert "obtain (completion)" in shown.out
        assert "Task: Name report 0.\nStep-by-step instruction:\n1." in shown.out
        assert "about 3 requests (3 obtain)" in shown.out

    def test_hostile_tasks_are_shown_harmlessly(self, tmp_path: Path) -> None:
        hostile = "\x1b[31m[bold]Sort\x00\u202e these"
        tasks = write_lines(tmp_path / "tasks.jsonl", [{"id": "a", "definition": hostile}])
        shown = seedstep("steps", "--tasks", tasks, "--model", "local", "--dry-run")
        assert "[bold]Sort" in shown.out
        assert not UNSAFE.search(shown.out)

    @pytest.mark.parametrize(
        ("more", "error"),
        [
            (("--model", "openai:m"), "no tasks. Add --tasks PATH"),
            (("--model", "openai:m", "--tasks", "none.jsonl"), "none.jsonl"),
            (("--max-usd", "1"), "the price of 'local' is not known"),
        ],
    )
    def test_what_a_run_would_refuse_is_refused(
        self, more: tuple[str, ...], error: str, server: ScriptedServer
    ) -> None:
        address = ("--base-url", server.url) if "openai:m" in more else ()
        assert error in seedstep("steps", "--dry-run", *more, *address).error


class TestExamples:
    @pytest.fixture
    def written(self, server: ScriptedServer, tasks: Path, tmp_path: Path) -> Path:
        out = tmp_path / "steps"
        assert seedstep("steps", "--tasks", tasks, *flags(server), "--out", out).code == 0
        server.bodies.clear()
        return out

    def dry(self, server: ScriptedServer, written: Path, *more: object) -> Outcome:
        return seedstep("examples", "--steps", written, *flags(server), "--dry-run", *more)

    def test_both_prompts_are_shown_and_nothing_is_asked(
        self, server: ScriptedServer, written: Path, tmp_path: Path
    ) -> None:
        shown = self.dry(server, written, "--count", 3, "--out", tmp_path / "run")
        assert (shown.code, shown.err, server.bodies) == (0, "", [])
        assert not (tmp_path / "run").exists()
        assert "Give me 3" in shown.out
        assert shown.out.count(INSTRUCTION.splitlines()[3]) == 2
        assert "[input 3]" in shown.out
        assert "[input 4]" not in shown.out
        assert "about 6 requests (3 generate, 3 rank)" in shown.out

    def test_the_estimate_is_what_a_run_asks_if_replies_are_as_assumed(
        self, server: ScriptedServer, written: Path, tmp_path: Path
    ) -> None:
        asked = {"model": "openai:scripted", "base_url": server.url}
        view = foresee_work(EXAMPLES, None, {**asked, "steps": str(written), "limit": 2}).view
        start = ("examples", "--steps", written, *flags(server), "--limit", 2)
        assert seedstep(*start, "--out", tmp_path / "run").code == 0
        purposes = Counter(
            "rank" if text_of(body).startswith("Rank") else "generate" for body in server.bodies
        )
        assert purposes == view.counts
        assert view.prompt_tokens == pytest.approx(asked_tokens(server), rel=0.02)

    def test_it_needs_instructions(self, server: ScriptedServer, tmp_path: Path) -> None:
        assert "Add --steps RUN" in seedstep("examples", *flags(server), "--dry-run").error
        assert "is not a run" in self.dry(server, tmp_path).error
