"""Batches at servers that lose something, or find it late: what was paid for is kept."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seedstep.errors import ModelError
from seedstep.llm import Reply, SendOptions
from seedstep.llm.ledgers import GIVEN_UP, GONE
from seedstep.llm.records import LIVE, Failure
from seedstep.runs.batches import batch_notes, read_batches
from support.asking import until
from support.asking_batches import BY_BATCH, FINE, Asking, answers, asking_by_batch, chat, number_in
from support.batch_server import BatchFault, BatchServer
from support.scripted_server import Fault, error

pytestmark = pytest.mark.usefixtures("quick_batches", "no_backoff")

FINISH_LIVE = SendOptions("batch", finish_live=True)


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Callable[..., Asking]]:
    with asking_by_batch(tmp_path / "run.db") as opened:
        yield opened


def one_refused(_: int, body: dict[str, Any]) -> Fault:
    """Replies to all requests but the last of five, so that a batch has a file of errors, too."""
    return Fault(400, error("too long")) if number_in(body) == 4 else FINE


FIVE = [chat(number) for number in range(5)]


@pytest.mark.parametrize("lost", ["output.jsonl", "error.jsonl"])
async def test_what_one_file_of_results_has_is_kept_when_the_other_is_lost(
    lost: str, asking: Callable[..., Asking]
) -> None:
    run = asking(one_refused)
    run.server.lost = {lost}
    async with run.engine(sending=FINISH_LIVE) as engine:
        found = await answers(engine, *FIVE)
    assert "the server no longer has one of its files of results" in str(found[1])
    assert [batch.status for batch in read_batches(run.database)] == [None]
    again = asking()
    async with again.engine(sending=FINISH_LIVE) as engine:
        found = await answers(engine, *FIVE)
    assert [type(each) for each in found] == [*[Reply] * 4, Failure]
    (batch,) = read_batches(run.database)
    assert (batch.status, batch.answered) == ("completed", 1 if lost == "output.jsonl" else 3)
    assert run.server.requests == 1 + 4 - batch.answered


async def test_a_file_of_results_that_is_found_late_is_taken(asking: Callable[..., Asking]) -> None:
    run = asking(one_refused)
    run.server.fail("GET files", *[Fault(404)] * 3)
    async with run.engine(sending=FINISH_LIVE) as engine:
        found = await answers(engine, *FIVE)
    assert [type(each) for each in found] == [*[Reply] * 4, Failure]
    assert (run.server.requests, set(run.server.charged.values())) == (1, {1})


async def test_a_batch_that_is_found_late_is_waited_for(asking: Callable[..., Asking]) -> None:
    run = asking()
    run.server.fail("GET batches", *[Fault(404)] * 3)
    async with run.engine(sending=FINISH_LIVE) as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *FIVE))
    assert (run.server.requests, set(run.server.charged.values())) == (1, {1})


async def test_results_that_are_all_lost_are_asked_live_if_that_is_wanted(
    asking: Callable[..., Asking],
) -> None:
    run = asking(one_refused)
    run.server.lost = {"output.jsonl", "error.jsonl"}
    async with run.engine() as engine:
        found = await answers(engine, *FIVE)
    assert isinstance(found[1], ModelError)
    assert "--finish-live asks its requests live" in str(found[1])
    again = asking()
    async with again.engine(sending=FINISH_LIVE) as engine:
        found = await answers(engine, *FIVE)
    assert [type(each) for each in found] == [*[Reply] * 4, Failure]
    assert [batch.status for batch in read_batches(run.database)] == [GONE]


async def test_a_batch_is_late_from_its_creation_on(
    asking: Callable[..., Asking], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = asking()
    run.server.fail("POST files", Fault(500))
    now = time.time()
    monkeypatch.setattr("seedstep.llm.ledgers.time.time", lambda: now)
    async with run.engine() as engine:
        await answers(engine, *FIVE)
    (before,) = read_batches(run.database)
    now += 40 * 3600
    run.server.batch_fault = lambda number: BatchFault(statuses=["in_progress"] * 3)
    again = asking()
    async with again.engine() as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *FIVE))
    (batch,) = read_batches(run.database)
    assert batch.at - before.at == pytest.approx(40 * 3600, abs=60)


@pytest.mark.parametrize("has_lists", [False, True])
async def test_what_may_be_at_the_server_is_not_asked_live_before_the_user_knows(
    asking: Callable[..., Asking], monkeypatch: pytest.MonkeyPatch, *, has_lists: bool
) -> None:
    run = asking()
    run.server.fail("POST batches", Fault(500), after=True)
    run.server.lists = has_lists
    if has_lists:
        monkeypatch.setattr("seedstep.llm.jobs.PAGES", 0)  # any list is too long
    async with run.engine(sending=FINISH_LIVE) as engine:
        found = await answers(engine, *FIVE)
    assert "was created can't be told" in str(found[1])
    assert run.server.requests == 1
    again = asking()
    async with again.engine(sending=FINISH_LIVE) as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *FIVE))
    assert (run.server.requests, len(run.server.batches)) == (5, 1)
    (batch,) = read_batches(run.database)
    (note,) = batch_notes(run.database)
    assert f"4 requests may be in the batch {batch.name} at {run.server.url}" in note


async def test_a_creation_that_is_refused_is_asked_live_at_once(
    asking: Callable[..., Asking],
) -> None:
    run = asking()
    run.server.fail("POST batches", Fault(404, error("no batches here")))
    async with run.engine(sending=FINISH_LIVE) as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *FIVE))
    assert [batch.status for batch in read_batches(run.database)] == ["rejected"]
    assert batch_notes(run.database) == []


async def test_a_kill_before_a_batch_is_stored_counts_none_of_its_requests(
    asking: Callable[..., Asking], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.batch_api.MOST_REQUESTS", 2)
    run = asking()
    intend, stored = run.ledger.intend, []

    async def see(*about: Any) -> None:
        stored.append(run.stored().requests)
        await intend(*about)
        stored.append(run.stored().requests)

    monkeypatch.setattr(run.ledger, "intend", see)
    async with run.engine() as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *map(chat, range(6))))
    assert stored == [1, 3, 3, 5, 5, 6]
    assert (run.spent.requests, run.stored().requests) == (6, 6)


def with_strangers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first result and others in place of the rest: twice the same one, and unknown ids."""
    return [rows[0], rows[0], *({**row, "custom_id": "f" * 32} for row in rows[2:])]


async def test_results_that_do_not_fit_make_no_file_whole(asking: Callable[..., Asking]) -> None:
    run = asking()
    run.server.batch_fault = lambda number: BatchFault(
        change=lambda rows: with_strangers(rows) if rows else []
    )
    async with run.engine() as engine:
        found = await answers(engine, *FIVE)
    assert "has 1 lines of results, and the server counts 4 requests" in str(found[1])
    assert [batch.status for batch in read_batches(run.database)] == [None]
    whole = [json.dumps(run.server.result(line)).encode() for line in run.server.lines]
    run.server.contents[run.server.batches[0].record["output_file_id"]] = b"\n".join(whole)
    again = asking()
    async with again.engine() as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *FIVE))
    assert len(run.server.batches) == 1


async def test_results_of_another_batch_are_not_taken(asking: Callable[..., Asking]) -> None:
    run = asking()
    run.server.batch_fault = lambda number: BatchFault(
        change=lambda rows: [{**row, "custom_id": "f" * 32} for row in rows], counts={}
    )
    async with run.engine() as engine:
        found = await answers(engine, *FIVE)
    assert "has no result of its requests: 4 ids that are of no request in it" in str(found[1])
    assert [batch.status for batch in read_batches(run.database)] == [None]
    again = asking()
    async with again.engine(sending=FINISH_LIVE) as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *FIVE))
    assert (run.server.requests, len(run.server.batches)) == (5, 1)
    assert [batch.status for batch in read_batches(run.database)] == [GIVEN_UP]
    assert len(batch_notes(run.database)) == 1


@pytest.mark.parametrize("sending", [BY_BATCH, LIVE])
async def test_a_batch_is_asked_for_at_the_one_of_several_servers_it_was_sent_to(
    sending: SendOptions, asking: Callable[..., Asking]
) -> None:
    run = asking()
    run.server.batch_fault = lambda number: BatchFault(statuses=["paused"])
    async with run.engine() as engine:
        await answers(engine, *FIVE)
    run.server.batches[0].statuses.clear()
    with BatchServer(lambda number, body: FINE) as other:
        again = asking(first=other)
        async with again.engine(sending=sending) as engine:
            assert all(isinstance(each, Reply) for each in await answers(engine, *FIVE))
        assert (other.requests, other.batches) == (0, [])


async def leave_waiting(run: Asking, sending: SendOptions, note: str) -> None:
    """Ask until there is a note, then stop with an error, after which batches stay open."""
    async with run.engine(sending=sending) as engine:
        asked = asyncio.create_task(answers(engine, *FIVE))
        await until(lambda: any(note in each for each in engine.stats.notes))
        asked.cancel()
        raise ModelError("the stage has failed", "run it again")


@pytest.mark.parametrize("there", [0, 2])
async def test_a_file_that_nobody_answers_is_asked_live_if_that_is_wanted(
    there: int, asking: Callable[..., Asking]
) -> None:
    run = asking()
    for sending, note in ((SendOptions("file"), "write it with"), (LIVE, "--finish-live")):
        with pytest.raises(ModelError, match="the stage has failed"):
            await leave_waiting(asking(), sending, note)
    (lines,) = run.ledger.folder.glob("*.jsonl")
    if there:
        rows = [run.server.result(json.loads(line)) for line in lines.read_text().splitlines()]
        results = lines.with_name(f"{lines.stem}.out.jsonl")
        results.write_text("".join(json.dumps(row) + "\n" for row in rows[:there]))
    again = asking()
    async with again.engine(sending=SendOptions("live", finish_live=True)) as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *FIVE))
    assert run.server.requests == 5 - there
    (batch,) = read_batches(run.database)
    assert (batch.answered, batch_notes(run.database)) == (there, [])


async def test_a_creation_bears_the_name_of_the_batch(asking: Callable[..., Asking]) -> None:
    run = asking()
    run.server.fail("POST batches", Fault(500))
    async with run.engine() as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *FIVE))
    (batch,) = read_batches(run.database)
    assert run.server.idempotency == [batch.name] * 2
