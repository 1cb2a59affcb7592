"""From seeds to a data set with a real language model, as `make demo` does it, but smaller."""

import json
from pathlib import Path

import pytest

from seedstep import Task
from seedstep.data import Example, Instance
from seedstep.encode import Encoding, HfTokenizer, TaskEncoder, tokenize
from seedstep.llm import Engine, MemoryLedger, open_model
from seedstep.llm.checkpoints import load_model, load_tokenizer
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from seedstep.steps import StepsSettings, write_steps
from support.command_line import run_process

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("empty_directory"),
]

FLAGS = (
    "bootstrap",
    "--model",
    "local",
    "--out",
    "run",
    "--window",
    "2",
    "--in-flight",
    "2",
)


def test_the_embedded_model_makes_a_data_set() -> None:
    done = run_process(*FLAGS, "--tasks", "2", seconds=300)
    assert done.code == 0, done.err
    assert done.err == "", "llama.cpp is not heard"
    assert done.lines[0] == ("run: 2 tasks, model local, dialogue prompts, window 2, 2 in flight")
    with Run.read(BOOTSTRAP, Path("run")) as run:
        tasks = run.tasks()
        usage = run.status().usage
    assert len(tasks) == 2
    assert all(task.definition and task.instances[0].output for task in tasks)
    assert {"generation", "classification", "instances"} == set(usage)
    assert all(counts.prompt_tokens and not counts.estimated for counts in usage.values())

    assert run_process("export", "run", "--format", "alpaca", seconds=60).code == 0
    lines = Path("run/exports/alpaca/train.jsonl").read_text().splitlines()
    assert {json.loads(line)["instruction"] for line in lines} == {
        task.definition for task in tasks
    }

    again = run_process(*FLAGS, "--tasks", "2", seconds=60)
    assert again.code == 0, again.err
    with Run.read(BOOTSTRAP, Path("run")) as run:
        assert run.status().usage == usage, "nothing was asked again"


async def test_the_embedded_model_writes_step_by_step_instructions() -> None:
    tasks = [
        Task("mood", "Say whether the guest's message is friendly or angry.", ()),
        Task("title", "Write a title for the given report.", (), category="Title Generation"),
    ]
    settings = StepsSettings.of(model="local", repairs=1)
    async with (
        open_model("local", None, slots=1) as endpoint,
        Engine(endpoint, MemoryLedger(), in_flight=1) as engine,
    ):
        done = [entry async for entry in write_steps(settings, tasks, engine)]
    assert [entry.task_id for entry in done] == ["mood", "title"]
    for written in done:
        assert bool(written.steps) != bool(written.failure)
        assert 1 <= len(written.turns) <= 2
        assert all(turn.reply for turn in written.turns)


CAPITALS = Task(
    "capitals",
    "Write the capital of the given country, and nothing else.",
    tuple(
        Instance(country, (capital,), country)
        for country, capital in (
            ("France", "Paris"),
            ("the United Kingdom of Great Britain and Northern Ireland", "London"),
            ("Japan", "Tokyo"),
        )
    ),
    positive_examples=(Example("Italy", "Rome"), Example("Egypt", "Cairo")),
)


def test_the_embedded_model_answers_with_a_shared_prefix_as_it_does_alone() -> None:
    from seedstep.infer.generate import Checkpoint
    from support.answering_models import plainly

    model, tokenizer = load_model("local", dtype="float32"), load_tokenizer("local")
    reader = HfTokenizer(tokenizer)
    encoder = TaskEncoder(CAPITALS, Encoding(), reader)
    encoded = [encoder.encode(instance) for instance in CAPITALS.instances]
    prompts = [tokenize(pair, reader, decoder_only=True).prompt for pair in encoded]
    alone = [
        tokenizer.decode(plainly(model, prompt, 6), skip_special_tokens=True) for prompt in prompts
    ]
    checkpoint = Checkpoint(model, tokenizer, new_tokens=6)
    assert checkpoint.note == ""
    answers = {
        place: answer.text for batch in checkpoint.answers(prompts) for place, answer in batch
    }
    assert [answers[place] for place in range(3)] == [text.strip() for text in alone]
    assert all(answers.values())


def test_the_embedded_model_predicts() -> None:
    line = {
        "id": "capitals",
        "definition": CAPITALS.definition,
        "positive_examples": [{"input": "Italy", "output": "Rome"}],
        "instances": [{"input": "France", "output": "Paris"}],
    }
    Path("tasks.jsonl").write_text(json.dumps(line))
    flags = ("--model", "local", "--tasks", "tasks.jsonl", "--max-new-tokens", "8")
    done = run_process("predict", *flags, "--out", "predictions", "--in-flight", "1", seconds=300)
    assert (done.code, done.err) == (0, "")
    assert "local: 1 of 1 instances predicted" in done.lines
