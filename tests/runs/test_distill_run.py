"""Runs of outputs that another model writes anew, and what is made of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from seedstep import distill, export, open_run
from seedstep.data import Task
from seedstep.inputs import load_source
from seedstep.inputs.tasks import gather
from seedstep.llm import Engine
from seedstep.recipes import foresee_work
from seedstep.recipes.tasks import TaskProgress
from seedstep.runs.batches import opened_engine
from seedstep.stages import DISTILL
from seedstep.tune import TuneSettings, make_source
from support.command_line import seedstep
from support.growing import text_of, times_asked
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat

ROWS = [
    {"instruction": "Name a boat.", "input": f"colour {n}", "output": f"old {n}"} for n in range(6)
] + [{"instruction": "Say hello.", "input": "", "output": "old hello"}]
OUTCOMES = {"colour 1": "empty", "colour 2": "cut", "colour 3": "refusal", "colour 4": "failed"}


def reply(number: int, body: dict[str, Any]) -> Fault:
    """A new output, or what holds none for some inputs."""
    asked = text_of(body)
    kind = next((kind for text, kind in OUTCOMES.items() if text in asked), "")
    if kind == "failed":
        return Fault(400)
    if kind == "cut":
        return chat("new but", "length")
    said = {"empty": "", "refusal": "I'm sorry, but I can't help with that."}
    return chat(said.get(kind, f"new {asked.rpartition(' ')[2]}"))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(reply) as started:
        yield started


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def asked(server: ScriptedServer, source: Path) -> dict[str, Any]:
    return {"source": source, "model": "openai:better", "base_url": server.url}


def test_outputs_are_new_and_all_else_is_kept(
    server: ScriptedServer, source: Path, tmp_path: Path
) -> None:
    with distill(tmp_path / "run", **asked(server, source)) as run:
        boats, hello = (entry.result for entry in run.entries())
        rows = run.to_records()
    assert [(each.input, each.output) for each in boats.instances] == [
        ("colour 0", "new 0"),
        ("colour 5", "new 5"),
    ]
    assert boats.before == ("old 0", "old 5")
    reasons = ["empty", "cut", "refusal", "request_failed"]
    assert [each.reason for each in boats.left_out] == reasons
    assert [each.output for each in hello.instances] == ["new hello."]
    assert [row["output"] for row in rows] == ["new 0", "new 5", "new hello."]
    prompts = {text_of(body) for body in server.bodies}
    assert "Name a boat.\n\ncolour 0" in prompts
    assert "Say hello." in prompts


def test_a_watcher_hears_of_the_time_for_which_batches_are_waited_for(
    server: ScriptedServer, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def opened(*given: Any) -> AsyncIterator[Engine]:
        async with opened_engine(*given) as engine:
            yield engine
            ticks.clear()
            await asyncio.sleep(1.2)  # as where a batch that nothing needs is being cancelled

    class Watch:
        def began(self, progress: TaskProgress) -> None: ...

        def retired(self, progress: TaskProgress, task: Task) -> None: ...

        def tick(self, progress: TaskProgress) -> None:
            ticks.append(progress.done)

    ticks: list[int] = []
    monkeypatch.setattr("seedstep.recipes.tasks.opened_engine", opened)
    distill(tmp_path / "run", watch=Watch(), **asked(server, source)).close()
    assert ticks == [2]


def test_a_run_goes_on_where_its_budget_ended(
    server: ScriptedServer, source: Path, tmp_path: Path
) -> None:
    whole = asked(server, source)
    whole["in_flight"] = 1
    with distill(tmp_path / "run", max_requests=3, **whole) as run:
        assert not list(run.entries())
    with distill(tmp_path / "run", max_requests=50, **whole) as run:
        assert len(list(run.entries())) == 2
        ours = run.to_records()
    assert max(times_asked(server.bodies).values()) == 1
    with distill(tmp_path / "again", **whole) as run:
        assert run.to_records() == ours


def test_a_longer_list_asks_for_what_is_new(
    server: ScriptedServer, source: Path, tmp_path: Path
) -> None:
    distill(tmp_path / "run", **asked(server, source)).close()
    sent = server.requests
    more = {"instruction": "Say goodbye.", "input": "", "output": "old goodbye"}
    lines = [more, *ROWS, {**ROWS[0], "input": "colour 9"}]
    source.write_text("".join(json.dumps(row) + "\n" for row in lines))
    with distill(tmp_path / "run", **asked(server, source), removed="drop") as run:
        grown = run.to_records()
    assert len(server.bodies[sent:]) == 2
    with distill(tmp_path / "alone", **asked(server, source)) as run:
        assert run.to_records() == grown


def test_what_is_left_out_is_named_and_counted(
    server: ScriptedServer, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    flags = ("--model", "openai:better", "--base-url", server.url, "--out", out)
    done = seedstep("distill", source, *flags)
    assert done.code == 0, done.err
    assert "3 outputs written anew in 2 tasks, 3 of them other than before" in done.out
    for reason in ("empty", "cut", "refusal", "request_failed"):
        assert f"left out: {reason} 1 (" in done.out
    task = seedstep("show", out).lines[0].split()[0]
    assert "4 left out" in seedstep("show", out).lines[0]
    shown = seedstep("show", out, task).out
    assert "before: old 5" in shown
    assert "output: new 5" in shown
    assert len(seedstep("show", out, "--rejected").lines) == 4
    assert seedstep("requests", out, "--failed").lines


def test_it_is_a_source_of_tuning_and_of_exports(
    server: ScriptedServer, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    distill(out, **asked(server, source)).close()
    mixture = gather(TuneSettings.of(data=[f"{out}@self-instruct"])).mixture
    assert [use.instance.output for use in mixture.training] == ["new 0", "new 5", "new hello."]
    with open_run(out) as run:
        assert export(run, "alpaca", tmp_path / "alpaca") == 3
        assert export(run, "hub", tmp_path / "hub", licence="mit") == 3
    card = (tmp_path / "hub" / "README.md").read_text("utf-8")
    assert "license: mit" in card
    assert "# Outputs written anew by openai:better" in card
    assert "are those of rows.jsonl," in card
    assert "| rows whose output is other than before | 3 |" in card
    assert "| the reply was cut at its length limit | 1 |" in card
    assert server.url not in card
    assert str(tmp_path) not in card
    lines = map(json.loads, (tmp_path / "alpaca" / "train.jsonl").read_text().splitlines())
    assert {"instruction": "Say hello.", "input": "", "output": "new hello."} in lines
    done = seedstep("export", out, "--format", "prompt-completion", "--out", tmp_path / "pairs")
    assert "3 records" in done.out
    with distill(tmp_path / "twice", **asked(server, out)) as run:
        assert [row["before"] for row in run.to_records()] == ["new 0", "new 5", "new hello."]
    assert len(load_source(make_source(str(tmp_path / "twice"))).tasks) == 2


def test_instances_in_memory(server: ScriptedServer, tmp_path: Path) -> None:
    given = {"definition": "Say hello.", "instances": [{"input": "", "output": "hi"}]}
    named = {"model": "openai:better", "base_url": server.url}
    with distill(tmp_path / "run", source=[given], **named) as run:  # type: ignore[arg-type]
        assert [row["output"] for row in run.to_records()] == ["new hello."]


def test_a_preview_asks_nothing(server: ScriptedServer, source: Path) -> None:
    names = {**asked(server, source), "limit": 1}
    view = foresee_work(DISTILL, None, names).view
    assert view.counts == {"output": 6}
    assert view.prompt_tokens > 0
    flags = ("--model", "openai:better", "--base-url", server.url, "--dry-run")
    assert "7 instances with openai:better" in seedstep("distill", source, *flags).out
    assert not server.bodies


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "no instances to write outputs for"),
        ("bare.jsonl", "has no instances, so that there is no output to write anew"),
        ("steps", "it has instructions, and no tasks with instances. Name a bootstrap's run, "),
        ("answers", "it has answers of systems, and no tasks with instances"),
        ("answers", "or task files, such as its own: mine.jsonl"),
        ("missing.jsonl", "missing.jsonl"),
    ],
)
def test_a_source_without_instances_is_refused_at_once(
    source: str | None, said: str, server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "bare.jsonl").write_text('{"definition": "Say hello.", "instances": []}\n')
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "run.yaml").write_text("stage: steps\n")
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "run.yaml").write_text("stage: predict\ntasks: mine.jsonl\n")
    flags = ("--model", "openai:better", "--base-url", server.url, "--out", tmp_path / "run")
    done = seedstep("distill", *([tmp_path / source] if source else []), *flags)
    assert done.code == 1
    assert said in done.error
    assert not server.bodies
    assert not (tmp_path / "run").exists()


def test_a_completion_model_is_asked_as_in_the_papers_evaluation_or_by_whole_prompts(
    server: ScriptedServer, source: Path, tmp_path: Path
) -> None:
    model = {"model": "openai:better", "base_url": server.url, "prompt_style": "completion"}
    distill(tmp_path / "run", source=source, limit=1, **model).close()  # type: ignore[arg-type]
    assert text_of(server.bodies[0]) == "Name a boat.\n\nInput: colour 0\nOutput:"
    assert "\nInput:" in server.bodies[0]["stop"]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"prompt": "Q: 1+1\nA:", "completion": " 2"}) + "\n")
    distill(tmp_path / "pairs", source=pairs, **model).close()  # type: ignore[arg-type]
    assert text_of(server.bodies[-1]) == "Q: 1+1\nA:"


def test_tasks_that_become_whole_prompts_are_asked_again(
    server: ScriptedServer, source: Path, tmp_path: Path
) -> None:
    model = {"model": "openai:better", "base_url": server.url, "prompt_style": "completion"}
    forms = (("instruction", "output"), ("prompt", "completion"), ("instruction", "output"))
    tasks = []
    for asked, answered in forms:
        source.write_text(json.dumps({asked: "Say hello.", answered: "old"}) + "\n")
        with distill(tmp_path / "run", source=source, **model) as run:  # type: ignore[arg-type]
            tasks.append([(entry.task, entry.definition) for entry in run.entries()])
    assert tasks[0] == tasks[1] == tasks[2]
    first, whole = map(text_of, server.bodies)
    assert (first == whole, whole) == (False, "Say hello.")
