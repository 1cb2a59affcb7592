"""Processes killed at any instant, and stopped with Ctrl-C: what they leave, and how it goes on."""

import json
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from seedstep.runs import BootstrapStatus, Run
from seedstep.stages import BOOTSTRAP
from support.command_line import program
from support.forking import ForkedProcess, forked
from support.growing import (
    asked,
    committed,
    exported,
    generated_in,
    grow,
    purpose_of,
    times_asked,
    where,
)
from support.scripted_server import (
    Fault,
    ScriptedServer,
    completion,
    completion_text,
    random_delays,
)

IN_FLIGHT = 4
SETTINGS: dict[str, Any] = {"tasks": 16, "window": 5, "in_flight": IN_FLIGHT, "seed": 7}
KILLS = 6


def process(*arguments: str, line: Callable[..., list[str]] = forked) -> "subprocess.Popen[str]":
    return ForkedProcess(line(*arguments), stdout=-1, stderr=-1, text=True)


def started(
    path: Path, server: ScriptedServer, style: str, line: Callable[..., list[str]] = forked
) -> "subprocess.Popen[str]":
    values = {"model": "openai:scripted", "base-url": server.url, "prompt-style": style}
    options = [f"--{name}={value}" for name, value in values.items()]
    options += [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    return process("bootstrap", "--out", str(path), *options, line=line)


def wait_for(condition: Callable[[], bool], running: "subprocess.Popen[str]") -> None:
    """Until it is true, or the process has ended."""
    latest = time.monotonic() + 20
    while not condition() and running.poll() is None:
        assert time.monotonic() < latest
        time.sleep(0.001)


def finish(running: "subprocess.Popen[str]", seconds: float = 30) -> tuple[int, str, str]:
    try:
        output, errors = running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()
        raise
    return running.returncode, output, errors


def killed(path: Path, server: ScriptedServer, style: str, chance: random.Random) -> None:
    """Start a process and kill it: while it starts, or after some more of its requests.

    One that is killed while it starts is no copy: that would have started before.
    """
    before = server.requests
    more = chance.randint(1, 12)
    is_early = chance.random() < 0.25
    running = started(path, server, style, program if is_early else forked)
    if is_early:
        time.sleep(chance.uniform(0, 0.7))
    else:
        wait_for(lambda: server.requests >= before + more, running)
        time.sleep(chance.uniform(0, 0.03))
    running.kill()
    finish(running)


def forget_hashes(path: Path) -> None:
    """Let the next process read all replies again, as in a run of 0.1.0."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path / "run.db")) as database:
        database.execute("UPDATE generations SET chain = NULL")
        database.commit()


@dataclass(frozen=True)
class Calm:
    """A run that was never stopped, and its exports."""

    status: BootstrapStatus
    exports: dict[str, dict[str, bytes]]


@cache
def calm(style: str) -> Calm:
    with TemporaryDirectory() as folder, ScriptedServer() as server:
        made = grow(Path(folder) / "run", server, prompt_style=style, **SETTINGS)
        return Calm(made.status, exported(made.path))


# Of these seeds, some kills come after more requests than are in flight: there are replies by then.
@pytest.mark.parametrize(("seed", "without_hashes"), [(3, False), (9, True)])
@pytest.mark.parametrize("style", ["completion", "chat"])
def test_killed_at_any_instant_it_ends_in_the_same_bytes(
    style: str, seed: int, without_hashes: bool, tmp_path: Path
) -> None:
    chance = random.Random(f"{style} {seed}")
    path = tmp_path / "run"
    with ScriptedServer(random_delays(0.04)) as server:
        kept: set[str] = set()
        for _ in range(KILLS):
            first = len(server.bodies)
            killed(path, server, style, chance)
            new = asked(server.bodies[first:])
            assert kept.isdisjoint(new)
            kept = committed(path)
            if without_hashes:
                forget_hashes(path)
            assert len(set(new) - kept) <= 2 * IN_FLIGHT  # under way, and being written
        first = len(server.bodies)
        code, _, errors = finish(started(path, server, style))
        assert code == 0, errors
        assert kept.isdisjoint(asked(server.bodies[first:]))
        assert kept, "every kill came before the first reply: nothing was tested"
        requests = server.requests
        code, _, errors = finish(started(path, server, style))
        assert code == 0, errors
        assert server.requests == requests
    assert exported(path) == calm(style).exports
    with Run.read(BOOTSTRAP, path) as run:
        assert run.status().rejected == calm(style).status.rejected
        assert run.status().generations == calm(style).status.generations


def moody(number: int, body: dict[str, Any]) -> Fault:
    """A model that never writes the same instructions again."""
    again = completion(completion_text(body["prompt"] + str(random.random())))
    generation = purpose_of(body) == "generation"
    return Fault(delay=random.uniform(0, 0.04), body=again if generation else None)


def test_killed_with_a_model_that_never_repeats_itself_all_is_built_on_what_was_kept(
    tmp_path: Path,
) -> None:
    chance = random.Random(3)
    path = tmp_path / "run"
    with ScriptedServer(moody) as server:
        for _ in range(KILLS):
            killed(path, server, "completion", chance)
        code, _, errors = finish(started(path, server, "completion"))
        assert code == 0, errors
    with Run.read(BOOTSTRAP, path) as run:
        every = [task.id for task in run.tasks()] + [row[0] for row in run.records.rejected()]
        shown = [run.records.show(name) for name in every]
    assert len(every) > SETTINGS["tasks"]
    for details in shown:
        first = details.requests[0]
        assert first["purpose"] == "generation"
        assert details.candidate.task.definition in first["reply"]
        lines = json.loads(first["request"])["prompt"].splitlines()
        assert all(
            any(text.rstrip(":") in line for line in lines) for _, text in details.demonstrations
        )


@pytest.mark.parametrize("style", ["completion", "chat"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal_it_keeps_all_and_says_how_to_go_on(
    style: str, number: signal.Signals, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    with ScriptedServer(random_delays(0.04)) as server:
        running = started(path, server, style)
        wait_for(lambda: len(server.bodies) >= 15, running)
        running.send_signal(number)
        code, _, errors = finish(running)
        assert code == 130
        assert "Traceback" not in errors
        assert f"go on with: seedstep bootstrap --out {path}\n" in errors
        assert committed(path) == set(asked(server.bodies))
        code, _, errors = finish(process("bootstrap", "--out", str(path)))
        assert code == 0, errors
    assert set(times_asked(server.bodies).values()) == {1}
    assert exported(path) == calm(style).exports


@pytest.mark.parametrize("pause", [0.0, 0.3], ids=["at-once", "later"])
def test_a_second_ctrl_c_does_not_wait_for_replies(pause: float, tmp_path: Path) -> None:
    never = where(generated_in(2), Fault(delay=60))
    with ScriptedServer(never) as server:
        running = started(tmp_path / "run", server, "completion")
        assert running.stderr
        wait_for(lambda: len(committed(tmp_path / "run")) >= 3, running)
        running.send_signal(signal.SIGINT)
        while "requests in flight are waited for" not in (line := running.stderr.readline()):
            assert line, "it ended without a word"
        time.sleep(pause)
        running.send_signal(signal.SIGINT)
        code, _, errors = finish(running, seconds=8)
    assert code == 130
    assert "go on with: seedstep bootstrap" in errors
    assert "Traceback" not in errors


def test_a_run_that_dried_up_exits_with_1_and_says_why(tmp_path: Path) -> None:
    config = tmp_path / "few.yaml"
    config.write_text("patience: 2\nnovelty_threshold: 0.01\nseed: 7\n")
    with ScriptedServer() as server:
        options = ["--model=openai:scripted", f"--base-url={server.url}", "--tasks=400"]
        command = ["bootstrap", f"--out={tmp_path / 'run'}", f"--config={config}", *options]
        code, output, errors = finish(process(*command))
    assert code == 1, errors
    assert "accepted: the last 2 generation requests gave no" in output
    assert "not_novel" in output
