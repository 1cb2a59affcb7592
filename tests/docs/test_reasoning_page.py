"""Models that reason, with the manners that the page on them speaks of: what is asked, and kept."""

import os
from pathlib import Path
from typing import Any

import pytest

from seedstep.stages import BOOTSTRAP, JUDGE, STEPS, open_run
from support.answer_files import right, write_lines, write_predictions, write_tasks
from support.command_line import environment, seedstep
from support.pages import ROOT, RUN, blocks_of
from support.pages_model import any_model
from support.reasoning_models import MANNERS, NEEDED, THOUGHTS
from support.scripted_server import ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory")

PAGE = ROOT / "docs" / "reasoning.md"


@pytest.fixture
def model(server: ScriptedServer) -> ScriptedServer:
    """The model of the pages, some of whose names reason."""
    server.script = any_model
    return server


def asked(model: ScriptedServer, name: str) -> list[dict[str, Any]]:
    return [body for body in model.bodies if body["model"] == name]


def write_things() -> None:
    write_lines(Path("tasks.jsonl"), [{"id": "boat", "definition": "Write a title for boat 1."}])


def test_the_page_names_the_models_whose_manners_are_scripted() -> None:
    commands = "".join(block.text for block in blocks_of(PAGE) if block.language in RUN)
    assert {name for name in MANNERS if f"openai:{name} " in commands} == set(MANNERS) - {
        "my-own-finetune"
    }
    assert environment(PATH=os.environ["PATH"])


class TestHosted:
    FLAGS = ("bootstrap", "--model", "openai:gpt-5-mini", "--tasks", 2, "--window", 1)

    def test_what_is_refused_is_left_out_and_told(self, model: ScriptedServer) -> None:
        done = seedstep(*self.FLAGS, "--reasoning", "{effort: low}", "--out", "run")
        assert done.code == 0
        last = model.bodies[-1]
        assert "max_tokens" not in last
        assert last["reasoning_effort"] == "low"
        assert last["max_completion_tokens"] > NEEDED
        with open_run("run", BOOTSTRAP) as run:
            assert len(run.tasks()) == 2
        assert "temperature" in seedstep("status", "run").words

    def test_thoughts_count_towards_the_budget(self, model: ScriptedServer) -> None:
        seedstep(*self.FLAGS, "--reasoning", "{effort: low}", "--out", "run")
        with open_run("run", BOOTSTRAP) as run:
            assert run.spent().total_tokens >= NEEDED * len(run.answered())

    def test_no_room_is_a_named_failure_and_more_room_the_remedy(
        self, model: ScriptedServer
    ) -> None:
        done = seedstep(*self.FLAGS, "--reasoning", "{room: 0}", "--patience", 2, "--out", "run")
        assert done.code == 1
        assert "used_up_by_thinking" in seedstep("requests", "run", "--failed").out
        assert "seedstep requests run --failed" in done.words


class TestVllm:
    @pytest.mark.parametrize("name", ["Qwen/Qwen3-8B", "my-own-finetune"])
    def test_thoughts_are_kept_apart(self, name: str, model: ScriptedServer) -> None:
        write_things()
        flags = ("steps", "--tasks", "tasks.jsonl", "--refine", "none", "--out", "run")
        done = seedstep(*flags, "--model", f"openai:{name}", "--reasoning", "{room: 8000}")
        assert done.code == 0
        with open_run("run", STEPS) as run:
            (entry,) = run.entries()
            (line,) = run.requests()[0]
            row = run.request(line.key)
        assert len(entry.result.steps) == 3
        assert "think" not in entry.result.turns[0].reply
        assert row["thoughts"].strip() == THOUGHTS
        assert THOUGHTS in seedstep("requests", "run", line.key).words
        assert asked(model, name)[0]["max_tokens"] > 8000

    def test_a_model_that_is_not_known_is_seen_to_reason(self, model: ScriptedServer) -> None:
        tasks = write_tasks(Path("tasks.jsonl"), tasks=1, instances=1)
        flags = ("predict", "--model", "openai:my-own-finetune", "--tasks", tasks, "--out", "run")
        assert seedstep(*flags).code == 0
        limits = [body["max_tokens"] for body in asked(model, "my-own-finetune")]
        assert limits[0] < NEEDED < limits[-1]
        assert "The answer" in Path("run/run.db").read_bytes().decode("latin-1")

    def test_the_switch_for_thoughts_is_sent(self, model: ScriptedServer) -> None:
        tasks = write_tasks(Path("tasks.jsonl"), tasks=1, instances=1)
        off = "{room: 0, extra: {chat_template_kwargs: {enable_thinking: false}}}"
        flags = ("--model", "openai:Qwen/Qwen3-8B", "--tasks", tasks, "--reasoning", off)
        assert seedstep("predict", *flags, "--out", "run").code == 0
        (body,) = asked(model, "Qwen/Qwen3-8B")
        assert body["chat_template_kwargs"] == {"enable_thinking": False}
        assert body["max_tokens"] == 128


class TestOllama:
    @pytest.mark.parametrize(
        ("how", "limit"), [("{room: 4000}", 5024), ("{effort: none, room: 0}", 1024)]
    )
    def test_verdicts_with_and_without_thoughts(
        self, how: str, limit: int, model: ScriptedServer
    ) -> None:
        tasks = write_tasks(Path("tasks.jsonl"), tasks=1)
        answers = write_predictions(Path("a.jsonl"), right(1))
        flags = ("judge", answers, "--tasks", tasks, "--model", "openai:qwen3:8b")
        assert seedstep(*flags, "--reasoning", how, "--out", "run").code == 0
        with open_run("run", JUDGE) as run:
            labels = [verdict.label for e in run.entries() for verdict in e.result.verdicts]
        assert labels == ["B", "B"]
        assert {body["max_tokens"] for body in asked(model, "qwen3:8b")} == {limit}
