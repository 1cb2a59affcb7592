"""Every stage that asks a model, on the scripted server: how it is run, and what it made."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from seedstep import open_run
from seedstep.recipes import import_instructions
from support.answer_files import right, write_predictions, write_tasks
from support.predicting import answered, word_model, write_word_tasks
from support.scripted_server import Fault, ScriptedServer
from support.step_server import boat_task, chat, numbered, strong_model

__all__ = ["STAGES", "AskingStage", "command_of", "made", "prepare"]


@dataclass(frozen=True)
class AskingStage:
    """A stage: its command without model and directory, in which `{folder}` has its inputs."""

    command: tuple[str, ...]
    reply: Callable[[int, dict[str, Any]], Fault | None]


def _said(body: Mapping[str, Any]) -> str:
    turns = body.get("messages")
    return str(turns[-1]["content"] if turns else body["prompt"])


def _examples(number: int, body: dict[str, Any]) -> Fault:
    """Five examples for a task, and two of them as the best."""
    pairs = [f"Input: The boat {n} came home.\nOutput: Boat {n} home" for n in range(1, 6)]
    said = _said(body)
    place = sha256(said.encode()).digest()[0] % 4
    shown = pairs[place : place + 2] if said.startswith("Rank") else pairs
    return chat("\n\n".join(f"{pair}\nExplanation: It says so." for pair in shown))


def _verdict(number: int, body: dict[str, Any]) -> Fault:
    """A verdict that depends on the question alone."""
    said = _said(body)
    place = sha256(said.encode()).digest()[0]
    pair = {"better": ("Model A", "Model B", "Same")[place % 3]}
    return chat(
        json.dumps(pair if "Prediction of Model A" in said else {"rating": "ABCD"[place % 4]})
    )


def _output(number: int, body: dict[str, Any]) -> Fault:
    """An output that depends on the instance alone."""
    return answered(body, f"Answer {sha256(_said(body).encode()).hexdigest()[:8]}.")


def _no_fault(number: int, body: dict[str, Any]) -> None:
    """The scripted server's own replies suit a bootstrap."""


SYSTEMS = ("{folder}/good.jsonl", "{folder}/poor.jsonl", "--tasks", "{folder}/tasks.jsonl")
BOOTSTRAP = ("bootstrap", "--tasks", "20", "--window", "8")
STAGES: Mapping[str, AskingStage] = {
    "bootstrap, completion": AskingStage((*BOOTSTRAP, "--prompt-style", "completion"), _no_fault),
    "bootstrap, chat": AskingStage((*BOOTSTRAP, "--prompt-style", "chat"), _no_fault),
    "steps": AskingStage(("steps", "--tasks", "{folder}/boats.jsonl"), strong_model),
    "examples": AskingStage(("examples", "--steps", "{folder}/steps"), _examples),
    "predict": AskingStage(("predict", "--tasks", "{folder}/words"), word_model()),
    "judge, rating": AskingStage(("judge", *SYSTEMS), _verdict),
    "judge, pairwise": AskingStage(("judge", *SYSTEMS, "--mode", "pairwise"), _verdict),
    "distill": AskingStage(("distill", "{folder}/tasks.jsonl"), _output),
}
"""All of them by name."""


def prepare(folder: Path) -> None:
    """Write the inputs of all stages."""
    write_tasks(folder / "tasks.jsonl", 12)
    write_predictions(folder / "good.jsonl", right(12))
    write_predictions(folder / "poor.jsonl", dict.fromkeys(right(12), "no"))
    write_word_tasks(folder / "words", 4, 8)
    boats = [boat_task(number) for number in range(14)]
    tasks = [{"id": task.id, "definition": task.definition} for task in boats]
    steps = [
        {**task, "task": task["id"], "text": numbered(f"Read {task['id']}.", "Answer.")}
        for task in tasks
    ]
    for name, rows in (("boats", tasks), ("steps", steps)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    chosen = {"tasks": str(folder / "boats.jsonl")}
    import_instructions(folder / "steps.jsonl", folder / "steps", chosen)


def command_of(name: str, server: ScriptedServer, folder: Path, out: Path) -> list[str]:
    """The arguments of the command that makes a stage's run, or goes on with it."""
    command = [part.format(folder=folder) for part in STAGES[name].command]
    served = ["--model", "openai:scripted", "--base-url", server.url]
    return [*command, *served, "--out", str(out), "--in-flight", "4"]


def made(out: Path) -> bytes:
    """All that a run made, without times."""
    with open_run(out) as run:
        return json.dumps(run.to_records(), sort_keys=True).encode()
