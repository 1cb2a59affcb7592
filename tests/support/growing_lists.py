"""Runs of instructions on a list of tasks that changes, for tests."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedstep import stages
from seedstep.exports import export_lines
from seedstep.runs import Run
from support.command_line import seedstep
from support.growing import text_of
from support.scripted_server import Fault, ScriptedServer
from support.step_server import boat_task, chat, strong_model

__all__ = [
    "FEW",
    "MANY",
    "Steps",
    "begun",
    "boats",
    "exported",
    "line_of",
    "model",
    "positions",
    "records",
    "tasks",
    "write",
]

FEW, MANY = range(6), range(12)


def line_of(number: int, **changed: Any) -> dict[str, Any]:
    """A task as a line; the server reads the number in its definition."""
    task = boat_task(number)
    examples = [{"input": each.input, "output": each.output} for each in task.positive_examples]
    known = {"definition": task.definition, "category": task.category}
    return {"id": task.id, **known, "positive_examples": examples, **changed}


def write(folder: Path, *lines: dict[str, Any], name: str = "tasks.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / name


def tasks(folder: Path, numbers: Any = FEW) -> Path:
    return write(folder, *map(line_of, numbers))


def exported(path: Path) -> bytes:
    with Run.read(stages.STEPS, path) as run:
        export_lines(run, path / "out.jsonl")
    return (path / "out.jsonl").read_bytes()


def records(path: Path) -> dict[str, Any]:
    with Run.read(stages.STEPS, path) as run:
        return {entry.task: entry.result for entry in run.entries()}


def positions(path: Path) -> list[tuple[int, str]]:
    with Run.read(stages.STEPS, path) as run:
        return [(entry.position, entry.task) for entry in run.entries()]


def model(number: int, body: dict[str, Any]) -> Fault:
    """Writes instructions, and examples from them."""
    said = str(body["messages"][-1]["content"])
    if said.startswith(("Give me", "Rank")):
        shown = [f"Input: Boat {n} came home.\nOutput: Boat {n} home" for n in range(1, 6)]
        return chat("\n\n".join(shown[:2] if said.startswith("Rank") else shown))
    return strong_model(number, body)


class Steps:
    """A server, and the command that asks it."""

    def __init__(self, folder: Path, server: ScriptedServer) -> None:
        self.folder = folder
        self.server = server
        self.seen = 0

    def flags(self, out: str = "run") -> tuple[object, ...]:
        served = ("--model", "openai:scripted", "--base-url", self.server.url)
        return (
            "steps",
            "--tasks",
            self.folder / "tasks.jsonl",
            *served,
            "--out",
            self.folder / out,
        )

    def write(self, *flags: object, out: str = "run") -> str:
        """Run the command, and return all that it printed on one line."""
        done = seedstep(*self.flags(out), *flags)
        assert done.code == 0, done.err
        return done.words

    def new(self) -> list[str]:
        """The texts of the requests that came since this was asked last."""
        found = self.server.bodies[self.seen :]
        self.seen = len(self.server.bodies)
        return [text_of(body) for body in found]

    def alone(self) -> bytes:
        """What a run exports that was started with the list as it is."""
        shutil.rmtree(self.folder / "alone", ignore_errors=True)
        self.write(out="alone")
        self.seen = len(self.server.bodies)
        return exported(self.folder / "alone")


def boats(texts: list[str]) -> set[int]:
    """The numbers of the tasks that requests are about."""
    return {int(text.partition("boat ")[2].partition(".")[0]) for text in texts}


@contextmanager
def begun(folder: Path) -> Iterator[Steps]:
    """Yield a server and a finished run of few tasks, of which nothing is new."""
    with ScriptedServer(model) as server:
        tasks(folder)
        made = Steps(folder, server)
        made.write()
        made.new()
        yield made
