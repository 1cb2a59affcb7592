"""The budget of requests holds over kills, restarts, and servers that answer nothing."""

import asyncio
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from seedstep.errors import StoreError, UnreachableError
from seedstep.llm import Budget, Endpoint, Engine, MemoryLedger, Spent
from seedstep.runs.database import Database
from seedstep.runs.ledger import RequestLedger
from seedstep.runs.requests import read_spent
from support.asking import asked, endpoint_of
from support.command_line import environment, seedstep
from support.forking import ForkedProcess, forked
from support.scripted_server import Fault, ScriptedServer, random_delays

pytestmark = pytest.mark.usefixtures("no_backoff", "empty_directory")

BOOTSTRAP = ("bootstrap", "--out", "run", "--model", "openai:scripted", "--tasks", 500)


@pytest.mark.parametrize("in_flight", [1, 8])
def test_killed_again_and_again_a_run_asks_no_more_than_it_may(in_flight: int) -> None:
    limit = 40
    with ScriptedServer(random_delays(0.02)) as server:
        flags = ("--base-url", server.url, "--in-flight", in_flight, "--max-requests", limit)
        command = (*BOOTSTRAP, *flags)
        for kill in range(1, 5):
            with ForkedProcess(forked(*command), env=environment()) as process:
                while process.poll() is None and server.requests < 7 * kill:
                    time.sleep(0.001)
                process.kill()
        done = seedstep(*command)
        assert "the budget of 40 requests is spent" in done.words
        assert 28 <= server.requests <= limit
        assert seedstep(*command).code == 1
        assert server.requests <= limit


async def _ask_many(server: ScriptedServer, budget: Budget, path: Path) -> None:
    with closing(Database.open(path)) as database:
        spent = read_spent(database)
        ledger = RequestLedger(database)
        with suppress(UnreachableError):
            async with Engine(endpoint_of(server), ledger, 4, budget, spent) as engine:
                asking = [engine.ask(asked(str(number))) for number in range(20)]
                await asyncio.gather(*asking, return_exceptions=True)
        await database.settle()


@pytest.mark.parametrize("fault", [Fault(500), Fault(429), Fault(400)], ids=["500", "429", "400"])
async def test_requests_without_answers_count_in_all_processes(fault: Fault) -> None:
    with ScriptedServer(lambda *_: fault) as server:
        for _ in range(4):
            async with asyncio.timeout(10):
                await _ask_many(server, Budget(max_requests=10), Path("run.db"))
        assert server.requests <= 10
        sent = server.requests
    with closing(Database.open(Path("run.db"))) as database:
        assert read_spent(database).requests == sent


async def test_what_an_orderly_end_leaves_is_exact() -> None:
    with ScriptedServer() as server:
        await _ask_many(server, Budget(), Path("run.db"))
        with closing(Database.open(Path("run.db"))) as database:
            assert read_spent(database).requests == server.requests == 20


async def test_nothing_is_sent_that_can_not_be_counted() -> None:
    async def note(_: int) -> None:
        raise StoreError("the disk is full", "free some space")

    with ScriptedServer() as server:
        async with Engine(endpoint_of(server), MemoryLedger(), 4, spent=Spent(note=note)) as engine:
            with pytest.raises(StoreError):
                await engine.ask(asked("a"))
        assert server.requests == 0


async def test_counting_waits_for_the_disk_once_for_many_requests() -> None:
    noted: list[int] = []

    async def note(requests: int) -> None:
        await asyncio.sleep(0)
        noted.append(requests)

    spent = Spent(note=note)
    with ScriptedServer() as server:
        endpoint = Endpoint("openai:test", "m", server.url)
        async with Engine(endpoint, MemoryLedger(), 32, spent=spent) as engine:
            await asyncio.gather(*(engine.ask(asked(str(number))) for number in range(320)))
    assert noted == [*sorted(noted[:-1]), 320]
    assert len(noted) <= 320 / 8
    assert spent.noted == spent.requests == 320


async def test_noting_ahead_leaves_most_of_a_small_budget() -> None:
    """A process that is killed loses at most an eighth of what it might still have sent."""
    spent = Spent(note=lambda _: asyncio.sleep(0))
    for limit in range(1, 100):
        spent.requests, spent.noted = 0, 0
        while spent.requests < limit:
            await spent.count_request(64, limit)
            assert spent.requests <= spent.noted <= limit
            assert spent.noted - spent.requests <= (limit - spent.requests + 1) // 8


async def test_no_more_is_noted_than_the_limit_allows() -> None:
    noted: list[int] = []

    async def note(requests: int) -> None:
        await asyncio.sleep(0)
        noted.append(requests)

    spent = Spent(note=note)
    await asyncio.gather(*(spent.count_request(64, 100) for _ in range(100)))
    assert max(noted) <= 100


async def test_the_next_requests_are_noted_while_half_of_the_noted_are_left() -> None:
    free = asyncio.Event()
    begun: list[int] = []

    async def note(requests: int) -> None:
        begun.append(requests)
        if len(begun) > 1:
            await free.wait()

    spent = Spent(note=note)
    for _ in range(9):  # the first and the eight noted with it do not wait for the second note
        await asyncio.wait_for(spent.count_request(8, None), 10)
        await asyncio.sleep(0)
    assert begun == [9, 14]
    tenth = asyncio.create_task(spent.count_request(8, None))
    await asyncio.sleep(0.05)
    assert not tenth.done()  # not noted yet, so it must not be sent
    free.set()
    await tenth
    assert spent.requests <= spent.noted == 14


async def test_a_request_that_is_cancelled_while_it_is_noted_holds_up_no_other() -> None:
    spent = Spent(note=lambda _: asyncio.sleep(0.01))
    counting = [asyncio.create_task(spent.count_request(0, None)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in counting[1:3]:
        task.cancel()
    await asyncio.wait_for(asyncio.gather(*counting, return_exceptions=True), 10)
    assert spent.requests == 3
    assert not counting[4].cancelled()
