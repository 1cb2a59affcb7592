"""From seeds to a data set with a real language model, as `make demo` does it, but smaller."""

import json
from pathlib import Path

import pytest

from command_line import run_process
from seedstep import Run, Task
from seedstep.llm import Engine, MemoryLedger, open_model
from seedstep.steps import StepsSettings, write_steps

pytestmark = [pytest.mark.embedded, pytest.mark.usefixtures("empty_directory")]

BOOTSTRAP = ("bootstrap", "--model", "local", "--out", "run", "--window", "2", "--in-flight", "2")


def test_the_embedded_model_makes_a_data_set() -> None:
    done = run_process(*BOOTSTRAP, "--tasks", "2", seconds=300)
    assert done.code == 0, done.err
    assert done.err == "", "llama.cpp is not heard"
    assert done.lines[0] == ("run: 2 tasks, model local, turns prompts, window 2, 2 in flight")
    with Run.read(Path("run")) as run:
        tasks = run.tasks()
        usage = run.status().usage
    assert len(tasks) == 2
    assert all(task.definition and task.instances[0].output for task in tasks)
    assert {"generation", "classification", "instances"} == set(usage)
    assert all(one.prompt_tokens and not one.estimated for one in usage.values())

    assert run_process("export", "run", "--format", "alpaca", seconds=60).code == 0
    lines = Path("run/exports/alpaca/train.jsonl").read_text().splitlines()
    assert {json.loads(line)["instruction"] for line in lines} == {one.definition for one in tasks}

    again = run_process(*BOOTSTRAP, "--tasks", "2", seconds=60)
    assert again.code == 0, again.err
    with Run.read(Path("run")) as run:
        assert run.status().usage == usage, "nothing was asked again"


async def test_the_embedded_model_writes_step_by_step_instructions() -> None:
    tasks = [
        Task("mood", "Say whether the guest's message is friendly or angry.", ()),
        Task("title", "Write a title for the given report.", (), category="Title Generation"),
    ]
    settings = StepsSettings(model="local", repairs=1)
    async with (
        open_model("local", None, slots=1) as endpoint,
        Engine(endpoint, MemoryLedger(), in_flight=1) as engine,
    ):
        done = [one async for one in write_steps(settings, tasks, engine)]
    assert [one.task_id for one in done] == ["mood", "title"]
    for written in done:
        assert bool(written.steps) != bool(written.failure)
        assert 1 <= len(written.turns) <= 2
        assert all(turn.reply for turn in written.turns)
