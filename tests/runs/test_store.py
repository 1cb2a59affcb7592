"""What a run's database takes, what it tells, and what happens when it can't be written."""

import asyncio
import itertools
import json
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seedstep import Instance, Task, seed_tasks
from seedstep.bootstrap import Candidate, Generation
from seedstep.errors import InputError, RunError, StoreError
from seedstep.runs import BootstrapRun, Run
from seedstep.runs.database import Database
from seedstep.stages import BOOTSTRAP
from support.disk import no_space
from support.forking import forked
from support.growing import asked_of, exported, grow, purpose_of, text_of, where
from support.scripted_server import Fault, ScriptedServer, completion, error, prompt_tokens

TEXT_TABLE = "SELECT definition FROM seeds ORDER BY id"
INSERT = "INSERT INTO seeds VALUES (?, ?)"


@pytest.fixture(name="database")
def _database(tmp_path: Path) -> Any:
    database = Database.open(tmp_path / "run.db")
    yield database
    database.close()


def definitions(database: Database) -> list[str]:
    return [row[0] for row in database.rows(TEXT_TABLE)]


async def test_writes_are_on_disk_when_they_return(database: Database) -> None:
    await asyncio.gather(
        *(database.write([(INSERT, (f"{n:03}", f"text {n}"))]) for n in range(200))
    )
    other = Database.open(database.path, read_only=True)
    assert definitions(other) == [f"text {n}" for n in range(200)]
    other.close()


async def test_statements_of_one_write_are_kept_together_or_not_at_all(database: Database) -> None:
    with pytest.raises(StoreError):
        await database.write([(INSERT, ("1", "one")), (INSERT, ("1", "the key again"))])
    assert definitions(database) == []
    await database.write([(INSERT, ("1", "one"))])
    assert definitions(database) == ["one"]


UNSTORABLE = {"surrogate": "a \ud800", "number": 1 << 70, "object": object()}
REFUSALS = (StoreError, UnicodeError, OverflowError)


@pytest.mark.parametrize("value", UNSTORABLE.values(), ids=UNSTORABLE)
async def test_a_value_that_can_not_be_stored_is_an_error_and_no_standstill(
    value: object, database: Database
) -> None:
    async with asyncio.timeout(2):
        with pytest.raises(REFUSALS):
            await database.write([(INSERT, ("1", value))])
        await database.write([(INSERT, ("2", "two"))])
    assert definitions(database) == ["two"]


HOSTILE: dict[str, Fault] = {
    "finish-reason": Fault(
        body=completion("", choices=[{"text": " No", "finish_reason": "\ud800"}])
    ),
    "tokens": Fault(body=completion(" No", usage={"prompt_tokens": 10**30})),
    "error-message": Fault(400, error("no \ud800")),
    "lone-surrogate": Fault(body=completion(" \ud800 No")),
    "nul": Fault(body=completion("\0 No")),
}


@pytest.mark.parametrize("fault", HOSTILE.values(), ids=HOSTILE)
def test_no_reply_brings_a_run_to_a_standstill(fault: Fault, tmp_path: Path) -> None:
    first = iter([fault])

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return next(first, None) if purpose_of(body) == "classification" else None

    with ScriptedServer(script) as server:
        flags = ("--model", "openai:scripted", "--base-url", server.url, "--tasks", 4)
        style = ("--prompt-style", "completion")
        command = forked("bootstrap", "--out", tmp_path / "run", *flags, *style)
        done = subprocess.run(command, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Run.read(BOOTSTRAP, tmp_path / "run") as run:
        assert run.status().finished == 4


def test_a_full_disk_stops_the_run_and_space_lets_it_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def tight(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.execute("PRAGMA max_page_count = 30")
        return connection

    with ScriptedServer() as server:
        calm = grow(tmp_path / "calm", server, tasks=20)
        with monkeypatch.context() as patch:
            patch.setattr("sqlite3.connect", tight)
            with pytest.raises(StoreError, match=r"run\.db: .*full.*Free some space"):
                grow(tmp_path / "run", server, tasks=20)
        made = grow(tmp_path / "run", server, tasks=20)
    assert made.generations == calm.generations
    assert exported(made.path) == exported(calm.path)


def test_on_a_full_disk_no_answer_is_bought_again_at_each_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in flight when it fills is lost once. No later start asks while it is full."""
    connect = sqlite3.connect
    pages = 2000

    def tight(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    long = Fault(body=completion("x" * 100_000))
    with ScriptedServer(lambda *_: long) as server, monkeypatch.context() as patch:
        patch.setattr("sqlite3.connect", tight)
        with pytest.raises(StoreError, match="full"):
            grow(tmp_path / "run", server, tasks=2000, patience=10_000)
        asked_at_first = server.requests
        assert asked_at_first > 20
        for _ in range(4):
            with pytest.raises(StoreError, match="full"):
                grow(tmp_path / "run", server, tasks=2000, patience=10_000)
        assert server.requests == asked_at_first


@pytest.mark.parametrize("size", [64 << 10, 2 << 20])
def test_nothing_is_asked_where_answers_have_no_room(size: int, tmp_path: Path) -> None:
    with ScriptedServer() as server:
        with no_space(size), pytest.raises((StoreError, RunError), match=r"full|disk|large"):
            grow(tmp_path / "run", server, tasks=3)
        assert server.requests == 0
        assert len(grow(tmp_path / "run", server, tasks=3).tasks) == 3


def test_status_counts_what_the_run_yielded(tmp_path: Path) -> None:
    refused = where(lambda body: "loud songs" in text_of(body).splitlines()[-2], Fault(400))
    with ScriptedServer(refused) as server:
        made = grow(tmp_path / "run", server, prompt_style="completion", tasks=50)
    candidates = [
        candidate for generation in made.generations for candidate in generation.candidates
    ]
    status = made.status
    assert (status.wanted, status.finished, status.running) == (50, 50, False)
    assert status.generations == len(made.generations)
    assert status.rejected == Counter(
        candidate.reason for candidate in candidates if candidate.reason
    )
    assert status.classification == sum(task.is_classification for task in made.tasks) > 0
    assert status.instances == sum(len(task.instances) for task in made.tasks)
    assert status.bad_instances == Counter(
        bad.reason for candidate in candidates for bad in candidate.rejected_instances
    )
    asked = Counter(purpose_of(body) for body in server.bodies)
    assert {purpose: usage.requests for purpose, usage in status.usage.items()} == asked
    paid: Counter[str] = Counter()
    for body in server.bodies:
        if status.usage[purpose_of(body)].failed == 0:
            paid[purpose_of(body)] += prompt_tokens(body)
    for purpose, usage in status.usage.items():
        assert purpose not in paid or usage.prompt_tokens == paid[purpose] > 0
        assert usage.completion_tokens > 0
        assert not usage.estimated
    assert status.usage["classification"].failed == status.rejected["request_failed"] > 0


def test_tokens_that_the_server_does_not_count_are_marked_as_estimated(tmp_path: Path) -> None:
    script = where(lambda body: purpose_of(body) == "classification", Fault(body=completion(" No")))
    with ScriptedServer(script) as server:
        usage = grow(tmp_path / "run", server, prompt_style="completion", tasks=3).status.usage
    assert usage["classification"].estimated
    assert usage["classification"].prompt_tokens > 100
    assert not usage["generation"].estimated


def test_status_tells_the_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tasks in one minute, one each half minute: 2 or 3 a minute, as one counts the first."""
    clock = itertools.count(1_000_000, 30)
    for module in ("grown", "retired"):
        patched = SimpleNamespace(time=lambda: next(clock))
        monkeypatch.setattr(f"seedstep.runs.{module}.time", patched)

    async def record(run: BootstrapRun) -> None:
        for number in range(3):
            found = Candidate(Task(f"g{number}.1", "Say it.", (Instance("", ("It",)),)))
            await run.records.retired.record(Generation(number, "", (), "", (found,)))

    with Run.start(BOOTSTRAP, tmp_path, {}) as run:
        asyncio.run(record(run))
        speed = run.status().per_minute
    assert speed is not None
    assert 2 <= speed <= 3


def test_status_of_a_run_that_has_not_begun(tmp_path: Path) -> None:
    Run.start(BOOTSTRAP, tmp_path, {"tasks": 9}).close()
    with Run.read(BOOTSTRAP, tmp_path) as run:
        status = run.status()
        assert len(run.tasks()) == 0
    assert (status.wanted, status.finished, status.generations) == (9, 0, 0)
    assert (status.rejected, status.usage, status.per_minute) == ({}, {}, None)


def test_a_run_can_be_looked_at_while_it_is_made(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        grow(tmp_path, server, tasks=4)
        with (
            Run.start(BOOTSTRAP, tmp_path, asked_of(server)),
            Run.read(BOOTSTRAP, tmp_path) as reader,
        ):
            assert reader.status().running
            assert len(reader.tasks()) == 4


@pytest.mark.parametrize("style", ["completion", "chat"])
def test_show_tells_where_a_candidate_came_from(style: str, tmp_path: Path) -> None:
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, prompt_style=style, tasks=50)
    texts = {task.id: task.definition for task in seed_tasks()}
    texts |= {
        candidate.task.id: candidate.task.definition
        for g in made.generations
        for candidate in g.candidates
    }
    seen = set()
    with Run.read(BOOTSTRAP, made.path) as run:
        for generation in made.generations:
            for candidate in generation.candidates:
                seen.add(candidate.reason)
                details = run.records.show(candidate.task.id)
                assert details.candidate == candidate
                assert details.neighbor == (
                    texts[candidate.neighbor.id] if candidate.neighbor else ""
                )
                assert details.demonstrations == tuple(
                    (task, texts[task]) for task in generation.demonstrations
                )
                check_requests(details.requests, candidate, generation.request)
    assert {"", "not_novel", "keyword", "too_short", "no_instance"} <= seen


def check_requests(rows: tuple[dict[str, Any], ...], candidate: Candidate, generation: str) -> None:
    keys = [generation, candidate.classification_request, candidate.instances_request]
    purposes = ["generation", "classification", "instances"]
    assert [row["key"] for row in rows] == [key for key in keys if key]
    assert [row["purpose"] for row in rows] == purposes[: len(rows)]
    for row in rows:
        request = json.loads(row["request"])
        prompt = request["prompt"]
        text = prompt if isinstance(prompt, str) else prompt[-1]["content"]
        assert row["reply"] is not None
        if row["purpose"] != "generation":
            assert f"Task: {candidate.task.definition}" in text


@pytest.mark.parametrize("name", ["g99.1", "", "seed_001", "g0.1' OR 1=1 --"])
def test_show_of_what_there_is_not(name: str, tmp_path: Path) -> None:
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, tasks=2)
    with Run.read(BOOTSTRAP, made.path) as run, pytest.raises(InputError, match="has no task"):
        run.records.show(name)
