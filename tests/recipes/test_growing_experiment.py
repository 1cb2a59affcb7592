"""An experiment that is run again with a larger value grows: only what is new is asked."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir, closing
from pathlib import Path
from typing import Any

import pytest

from seedstep.exports import export_lines
from seedstep.recipes import run_experiment
from seedstep.recipes.experiment import read_experiment
from seedstep.runs import Run
from seedstep.stages import JUDGE, PREDICT, STEPS
from support.command_line import environment, program, run_process, seedstep
from support.forking import forked
from support.growing import exported as exports_of
from support.growing import times_asked
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat
from support.tuning_things import save_t5

FEW, MANY = 20, 30

ASKING = """
values: {tasks: 20, model: "openai:scripted", url: none}
stages:
  - name: grow
    bootstrap:
      model: "{model}"
      base-url: "{url}"
      tasks: "{tasks}"
      prompt-style: completion
      out: grown
  - name: steps
    steps: {tasks: grown, model: "{model}", base-url: "{url}", repairs: 0, out: steps}
    after: [grow]
  - name: export
    export: {arguments: [grown], format: superni, out: exported}
    after: [grow]
  - name: predict
    predict:
      tasks: exported
      model: "{model}"
      base-url: "{url}"
      encoding: definition
      name: served
      out: answers
    after: [export]
  - name: judge
    judge: {arguments: [answers], name: served, model: "{model}", base-url: "{url}", out: judged}
    after: [predict]
"""

TUNING = """
  - name: tune
    tune:
      model: "hf:{here}/t5"
      data: grown
      encoding: definition
      device: cpu
      max-steps: 2
      out: tuned
    after: [grow]
  - name: predict tuned
    predict:
      tasks: exported
      model: hf:tuned/model
      max-new-tokens: 2
      name: tuned
      out: answers
    after: [tune, predict]
  - name: compare
    compare: {arguments: answers, format: json, out: compared.json}
    after: [predict tuned]
  - name: report
    report: {arguments: [grown, steps, answers, judged, tuned], out: report}
    after: [predict tuned, judge, steps]
"""


def reply(number: int, body: dict[str, Any]) -> Fault | None:
    """The server's own reply to a bootstrap; by its text, one to all else."""
    if "prompt" in body:
        return None
    said = str(body["messages"][-1]["content"])
    if body.get("response_format"):
        return chat(json.dumps({"rating": "ABCD"[len(said) % 4]}))
    if "step-by-step instruction" in str(body["messages"][0]["content"]):
        return chat(f"1. Read the {len(said) % 7} words.\n2. Write the answer.")
    return chat(f"answer {len(said) % 9}")


def asked_by_stage(server: ScriptedServer) -> Counter[str]:
    """How many requests a server has had, by what they are for."""

    def stage(body: dict[str, Any]) -> str:
        if "prompt" in body:
            return "grow"
        if body.get("response_format"):
            return "judge"
        is_steps = "step-by-step instruction" in str(body["messages"][0]["content"])
        return "steps" if is_steps else "predict"

    return Counter(map(stage, server.bodies))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(reply) as started:
        yield started


def run(path: Path, server: ScriptedServer, tasks: int, out: Path) -> list[str]:
    """Run an experiment, its stages in this process; return what the stages printed."""
    said: list[str] = []

    def started(stage: Any, directory: Path) -> int:
        with chdir(directory):
            done = seedstep(*stage.command)
        said.append(done.words)
        assert done.code == 0, (stage.name, done.err)
        return done.code

    experiment = read_experiment(path, {"tasks": str(tasks), "url": server.url})
    run_experiment(experiment, out, lambda stage, what: None, started)
    return said


def steps_of(out: Path) -> bytes:
    with chdir(out), Run.read(STEPS, Path("steps")) as opened:
        export_lines(opened, Path("steps.jsonl"))
    return (out / "steps.jsonl").read_bytes()


def verdicts_of(out: Path) -> dict[str, Any]:
    with chdir(out), Run.read(JUDGE, Path("judged")) as opened:
        return {entry.task: entry.result for entry in opened.entries()}


def answers_of(out: Path, name: str = "served") -> list[Any]:
    with chdir(out), Run.read(PREDICT, Path("answers")) as opened:
        return list(opened.predictions(name))


def made(out: Path) -> tuple[Any, ...]:
    """What an experiment made, but for its tuning. Keys of requests hold the server's address."""
    judged = {
        name: [(verdict.label, verdict.replies) for verdict in found.verdicts]
        for name, found in verdicts_of(out).items()
    }
    return exports_of(out / "grown"), steps_of(out), answers_of(out), judged


@pytest.mark.usefixtures("quick_figures")
def test_a_whole_experiment_grows(server: ScriptedServer, tmp_path: Path) -> None:
    save_t5(tmp_path / "t5")
    path = tmp_path / "all.yaml"
    path.write_text(ASKING + TUNING)
    out = tmp_path / "out"
    run(path, server, FEW, out)
    first = asked_by_stage(server)
    steps, verdicts, answers = steps_of(out), verdicts_of(out), answers_of(out)
    weights = (out / "tuned/model/model.safetensors").read_bytes()
    with closing(sqlite3.connect(out / "steps/run.db")) as database:
        rows = database.execute("SELECT * FROM results ORDER BY position").fetchall()

    said = run(path, server, MANY, out)
    assert max(times_asked(server.bodies).values()) == 1, "nothing is asked twice"
    asked = asked_by_stage(server)
    assert asked["predict"] == len(answers_of(out)) > first["predict"] == len(answers)
    assert asked["judge"] == len(verdicts_of(out)) > first["judge"] == len(verdicts)
    assert asked["steps"] - first["steps"] <= 5 * (MANY - FEW)
    assert steps_of(out).startswith(steps), "what was there is as it was, byte for byte"
    with closing(sqlite3.connect(out / "steps/run.db")) as database:
        grown = database.execute("SELECT * FROM results ORDER BY position").fetchall()
    assert grown[:FEW] == rows
    assert len(grown) == MANY
    assert verdicts.items() < verdicts_of(out).items()
    assert answers == answers_of(out)[: len(answers)]
    assert any("to do: 10 tasks; about" in words for words in said)
    assert any(
        "a new tuning begins, and the earlier one is kept in tuned/earlier/1" in words
        for words in said
    )
    assert (out / "tuned/earlier/1/model/model.safetensors").read_bytes() == weights
    assert len(answers_of(out, "tuned")) == len(answers_of(out))
    assert f"{MANY} of {MANY} tasks" in seedstep("status", out / "grown").words
    assert "steps" in (out / "report/index.html").read_text(encoding="utf-8")

    with ScriptedServer(reply) as another:
        alone = tmp_path / "alone"
        run(path, another, MANY, alone)
        assert made(alone) == made(out)
        assert times_asked(another.bodies) == times_asked(server.bodies)
        assert asked_by_stage(another) == asked
    assert (alone / "tuned/model/model.safetensors").read_bytes() == (
        out / "tuned/model/model.safetensors"
    ).read_bytes()
    assert answers_of(alone, "tuned") == answers_of(out, "tuned")
    assert json.loads((alone / "compared.json").read_bytes()) == json.loads(
        (out / "compared.json").read_bytes()
    )


def kill_at(number: int, command: list[str], server: ScriptedServer) -> None:
    """Kill an experiment and its stage when the server has had so many requests."""
    process = subprocess.Popen(
        command,
        env=environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while server.requests < number and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "asking.yaml"
    path.write_text(ASKING)
    out = tmp_path / "out"
    with ScriptedServer(reply) as server:
        run(path, server, FEW, out)
        values = ("--set", f"tasks={MANY}", "--set", f"url={server.url}")
        command = ("run", path, "--out", out, *values)
        for more in (3, 40, 30):
            kill_at(server.requests + more, program(*command), server)
        done = run_process(*command, seconds=240, line=forked)
        assert done.code == 0, done.err
        twice = sum(count - 1 for count in times_asked(server.bodies).values())
        assert twice <= 3 * 9  # what a kill found in flight, or not yet on the disk
    with ScriptedServer(reply) as server:
        run(path, server, MANY, tmp_path / "alone")
    assert made(tmp_path / "alone") == made(out)


def test_a_smaller_value_is_one_error(server: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "asking.yaml"
    path.write_text(ASKING)
    out = tmp_path / "out"
    run(path, server, 4, out)
    shutil.copytree(out, tmp_path / "before")
    values = ("--set", "tasks=2", "--set", f"url={server.url}")
    done = run_process("run", path, "--out", out, *values, line=forked)
    assert "has 4 finished tasks already, more than --tasks" in " ".join(done.err.split())
    assert made(out) == made(tmp_path / "before")
