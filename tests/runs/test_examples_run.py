"""Runs of generated examples, from the instructions of another run."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seedstep import make_examples, write_instructions
from seedstep.errors import InputError
from support.command_line import seedstep
from support.growing import times_asked
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat

EXAMPLES = [(f"The boat number {n} came home late.", f"Boat {n} late") for n in range(1, 6)]


def reply(number: int, body: dict[str, Any]) -> Fault:
    """Instructions, examples from them, and a ranking of those."""
    said = body["messages"][-1]["content"]
    if said.startswith("Give me"):
        texts = [
            f"Input: {text}\nOutput: {out}\nExplanation: It says so." for text, out in EXAMPLES
        ]
        return chat("\n\n".join(texts))
    if said.startswith("Rank"):
        best = [EXAMPLES[3], EXAMPLES[0]]
        return chat("\n\n".join(f"Input: {text}\nOutput: {out}" for text, out in best))
    found = re.search(r"report \d", body["messages"][0]["content"])
    assert found
    return chat(f"1. Read {found[0]}.\n2. Write a title.")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(reply) as started:
        yield started


@pytest.fixture
def steps(server: ScriptedServer, tmp_path: Path) -> Path:
    """A run of instructions for three tasks."""
    tasks = [{"id": f"t{n}", "definition": f"Write a title for report {n}."} for n in range(3)]
    path = tmp_path / "tasks.jsonl"
    path.write_text("\n".join(map(json.dumps, tasks)))
    asked: dict[str, Any] = {"model": "openai:scripted", "base_url": server.url}
    write_instructions(tmp_path / "steps", tasks=str(path), **asked).close()
    return tmp_path / "steps"


def test_two_are_drawn_and_two_are_ranked(
    server: ScriptedServer, steps: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"model": "openai:scripted", "base_url": server.url}
    asked["steps"] = str(steps)
    with make_examples(tmp_path / "run", **asked) as run:
        entries = list(run.entries())
    assert [entry.task for entry in entries] == ["t0", "t1", "t2"]
    for entry in entries:
        found = [(candidate.input, candidate.output) for candidate in entry.result.candidates]
        assert found == EXAMPLES
        assert entry.result.ranked == (3, 0)
        assert len(set(entry.result.drawn)) == 2
        assert not entry.result.failure
    assert len({entry.result.drawn for entry in entries}) > 1
    make_examples(tmp_path / "run", **asked).close()
    assert max(times_asked(server.bodies).values()) == 1


def test_the_commands(server: ScriptedServer, steps: Path, tmp_path: Path) -> None:
    flags = ("--steps", steps, "--model", "openai:scripted", "--base-url", server.url)
    done = seedstep("examples", *flags, "--out", tmp_path / "run")
    assert done.code == 0
    assert "3 tasks with examples, 0 of them not ranked" in done.out
    assert "t2  5 examples" in seedstep("examples", "show", tmp_path / "run").out
    shown = seedstep("examples", "show", tmp_path / "run", "t0").out
    assert "example 4, " in shown
    assert "ranked best" in shown
    assert "explanation: It says so." in shown
    assert "3 tasks with examples" in seedstep("status", tmp_path / "run").out
    assert "6 requests" in seedstep("status", tmp_path / "run").out
    assert len(seedstep("requests", tmp_path / "run").lines) == 6


def test_why_examples_are_not_ranked(steps: Path, tmp_path: Path) -> None:
    def unsure(number: int, body: dict[str, Any]) -> Fault:
        is_ranking = body["messages"][-1]["content"].startswith("Rank")
        return chat("All of them.") if is_ranking else reply(number, body)

    with ScriptedServer(unsure) as other:
        asked: dict[str, Any] = {"model": "openai:scripted", "base_url": other.url}
        make_examples(tmp_path / "run", steps=str(steps), **asked).close()
    shown = seedstep("examples", "show", tmp_path / "run", "t0").words
    assert "unmatched the reply does not name two of the examples" in shown


def test_without_instructions_there_are_no_examples(server: ScriptedServer, tmp_path: Path) -> None:
    flags = ("--model", "openai:scripted", "--base-url", server.url, "--out", tmp_path / "run")
    assert "no step-by-step instructions. Add --steps RUN" in seedstep("examples", *flags).error
    assert "is not a run" in seedstep("examples", *flags, "--steps", tmp_path).error
    with pytest.raises(InputError):
        make_examples(tmp_path / "run", model="openai:scripted", base_url=server.url)
