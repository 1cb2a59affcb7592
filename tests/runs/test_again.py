"""What failed is asked again where the user says so, in every stage with a record for each task."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from seedstep import open_run
from support.asking_stages import STAGES, command_of, prepare
from support.command_line import seedstep
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat

REFUSED, TALK = Fault(400), chat("Both have their merits.")
TROUBLES = [(name, REFUSED) for name in sorted(STAGES) if not name.startswith("bootstrap")]
TROUBLES += [(name, TALK) for name in ("judge, rating", "judge, pairwise")]


class Moody:
    """A script that refuses some prompts while it is `ill`, or does not answer their question."""

    def __init__(self, stage: str, trouble: Fault) -> None:
        self._reply = STAGES[stage].reply
        self._trouble = trouble
        self.ill = True

    def __call__(self, number: int, body: dict[str, Any]) -> Fault | None:
        return self._trouble if self.ill and is_hit(body) else self._reply(number, body)


def is_hit(body: dict[str, Any]) -> bool:
    said = body.get("messages") or body["prompt"]
    return sha256(json.dumps(said).encode()).digest()[1] % 3 == 0


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as started:
        yield started


def made(out: Path) -> list[dict[str, Any]]:
    """What a run made, without the keys of requests."""
    with open_run(out) as run:
        return [_without_keys(row) for row in run.to_records()]


def _without_keys(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_keys(each) for each in value]
    if isinstance(value, dict):
        keys = ("request", "requests", "replies")
        return {name: _without_keys(each) for name, each in value.items() if name not in keys}
    return value


@pytest.mark.parametrize(("stage", "trouble"), TROUBLES)
def test_what_failed_is_asked_again_and_nothing_else(
    stage: str, trouble: Fault, server: ScriptedServer, tmp_path: Path
) -> None:
    prepare(tmp_path)
    server.script = moody = Moody(stage, trouble)
    out, whole = tmp_path / "run", tmp_path / "whole"
    first = seedstep(*command_of(stage, server, tmp_path, out))
    assert "--failed again" in first.words
    assert any(map(is_hit, server.bodies))
    moody.ill = False
    before = server.requests
    seedstep(*command_of(stage, server, tmp_path, out))
    assert server.requests == before  # what failed stays so, unless it is asked for
    dry = seedstep(*command_of(stage, server, tmp_path, out), "--failed", "again", "--dry-run")
    assert "asked again" in dry.words, dry.err
    done = seedstep(*command_of(stage, server, tmp_path, out), "--failed", "again")
    assert done.code == 0, done.err
    assert "asked again" in done.words
    new = server.bodies[before:]
    asked = {json.dumps(body, sort_keys=True) for body in server.bodies[:before]}
    assert new
    assert not any(json.dumps(body, sort_keys=True) in asked for body in new)  # other draws
    healthy = seedstep(*command_of(stage, server, tmp_path, whole))
    assert made(out) == made(whole)
    if "--failed again" in healthy.words:
        return  # this model has no answer to some tasks
    count = server.requests
    nothing = seedstep(*command_of(stage, server, tmp_path, out), "--failed", "again")
    assert "asked again" not in nothing.words
    assert server.requests == count


def test_stopped_in_between_it_goes_on_without_the_flag(
    server: ScriptedServer, tmp_path: Path
) -> None:
    prepare(tmp_path)
    server.script = moody = Moody("judge, rating", REFUSED)
    out = tmp_path / "run"
    seedstep(*command_of("judge, rating", server, tmp_path, out))
    failed = {json.dumps(body["messages"]) for body in server.bodies if is_hit(body)}
    moody.ill = False
    before = server.requests
    budget = ("--max-requests", before + 1)
    stopped = seedstep("judge", "--out", out, "--failed", "again", *budget)
    assert "Stopped" in stopped.words
    seedstep("judge", "--out", out, "--max-requests", 1000)
    assert server.requests - before == len(failed)
    assert all(row["verdicts"][0]["label"] for row in made(out))


def test_verdicts_that_are_there_are_not_asked_again(
    server: ScriptedServer, tmp_path: Path
) -> None:
    prepare(tmp_path)
    server.script = moody = Moody("judge, pairwise", TALK)
    out = tmp_path / "run"
    seedstep(*command_of("judge, pairwise", server, tmp_path, out))
    missing = sum(not verdict["label"] for row in made(out) for verdict in row["verdicts"])
    assert 0 < missing < sum(len(row["verdicts"]) for row in made(out))
    moody.ill = False
    before = server.requests
    seedstep("judge", "--out", out, "--failed", "again")
    assert server.requests - before == missing
    assert all(verdict["label"] for row in made(out) for verdict in row["verdicts"])
