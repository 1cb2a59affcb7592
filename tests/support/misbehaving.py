"""What the tests of whole runs on misbehaving servers share."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seedstep import Task
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.command_line import Outcome, seedstep
from support.growing import times_asked
from support.scripted_server import (
    Fault,
    Script,
    ScriptedServer,
    chat_text,
    completion,
    completion_text,
)

TASKS = 10
STYLES = ("completion", "chat")
LATEST = 20.0
"""Seconds in which every run has ended, on a busy machine too."""


def bootstrap(server: ScriptedServer, style: str, out: str = "run", *flags: object) -> Outcome:
    """Make a run, or go on with one, in the time it may take."""
    began = time.monotonic()
    where = ("--out", out, "--model", "openai:scripted", "--base-url", server.url)
    done = seedstep("bootstrap", *where, "--prompt-style", style, "--tasks", TASKS, *flags)
    assert time.monotonic() - began < LATEST
    return done


def rows(path: str = "run") -> list[dict[str, Any]]:
    """The requests in a run's database."""
    with closing(sqlite3.connect(f"{path}/run.db")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM requests")]


def failures(path: str = "run") -> set[tuple[str, int]]:
    return {(row["failure"], row["status"]) for row in rows(path) if row["failure"]}


@dataclass(frozen=True)
class Data:
    """What a run made, and what it turned down."""

    tasks: tuple[Task, ...]
    rejected: tuple[tuple[str, str, str], ...]
    bad_instances: dict[str, int]


def data_of(path: str = "run") -> Data:
    with Run.read(BOOTSTRAP, Path(path)) as run:
        return Data(run.tasks().tasks, run.records.rejected(), dict(run.status().bad_instances))


@cache
def calm(style: str) -> Data:
    """What a run makes on a server without faults."""
    with TemporaryDirectory() as folder, ScriptedServer() as server:
        assert bootstrap(server, style, f"{folder}/run").code == 0
        return data_of(f"{folder}/run")


def asked_bodies(server: ScriptedServer) -> list[tuple[dict[str, Any], int]]:
    return [(json.loads(text), times) for text, times in times_asked(server.bodies).items()]


def picked(body: dict[str, Any], one_in: int) -> bool:
    """True of one in so many requests, always the same ones."""
    text = json.dumps(body, sort_keys=True).encode()
    return sha256(text).digest()[0] % one_in == 0


def for_some(fault: Fault, one_in: int = 6) -> Script:
    """Some requests get the fault, as often as they are asked."""
    return lambda number, body: fault if picked(body, one_in) else None


def every_fifth(fault: Fault) -> Script:
    return lambda number, body: fault if number % 5 == 0 else None


def five_times_each(fault: Fault) -> Script:
    """Every request fails five times before it succeeds."""
    seen: Counter[str] = Counter()

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        text = json.dumps(body, sort_keys=True)
        seen[text] += 1
        return fault if seen[text] <= 5 else None

    return script


def rewritten(body: dict[str, Any], change: Callable[[str], str]) -> bytes:
    """The ordinary reply with its text changed."""
    if "prompt" in body:
        return completion(change(completion_text(body["prompt"])))
    text = change(chat_text(body["messages"][0]["content"]))
    return completion("", choices=[{"message": {"content": text}, "finish_reason": "stop"}])
