"""How the request engine stops: what it keeps, what it waits for, and for how long."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from seedstep.llm import Engine, MemoryLedger
from seedstep.llm.wire import Wire
from support.asking import (
    GatedLedger,
    ask_all,
    asked,
    endpoint_of,
    engine_on,
    for_named,
    name_of,
    until,
)
from support.scripted_server import Fault, ScriptedServer, in_turn

pytestmark = pytest.mark.usefixtures("no_backoff")


async def interrupted(
    engine: Engine, names: str, ready: Callable[[], bool], then: threading.Event | None = None
) -> None:
    """Ask in an engine that is cancelled once ready, as an interrupt from the keyboard does it.

    `then` is set right after.
    """

    async def run() -> None:
        async with engine:
            await ask_all(engine, *names)

    running = asyncio.create_task(run())
    await until(ready)
    running.cancel()
    if then:
        asyncio.get_running_loop().call_later(0.05, then.set)
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_an_interruption_keeps_what_is_in_flight_and_sends_nothing_more() -> None:
    ledger = MemoryLedger()
    with ScriptedServer() as server:
        engine = Engine(endpoint_of(server), ledger, 2)
        stopping = threading.Event()
        server.script = lambda number, body: Fault(until=stopping.is_set)
        await interrupted(engine, "abcd", lambda: server.in_flight == 2, stopping)
        assert server.requests == len(ledger.answers) == 2
        server.script = None
        async with engine_on(server, ledger) as again:
            await ask_all(again, *"abcd")
        assert server.requests == 4
        assert len({name_of(body) for body in server.bodies}) == 4


async def test_an_interruption_during_the_writing_of_an_answer_waits_for_it() -> None:
    ledger = GatedLedger()
    with ScriptedServer() as server:
        engine = Engine(endpoint_of(server), ledger, 2)
        asyncio.get_running_loop().call_later(0.2, ledger.gate.set)
        await interrupted(engine, "a", ledger.putting.is_set)
        assert len(ledger.answers) == 1


async def test_a_request_that_fails_while_stopping_is_left_for_the_next_run() -> None:
    ledger = MemoryLedger()
    stopping = threading.Event()
    with ScriptedServer(in_turn(Fault(503, until=stopping.is_set))) as server:
        engine = Engine(endpoint_of(server), ledger, 2)
        await interrupted(engine, "a", lambda: server.in_flight == 1, stopping)
        assert server.requests == 1
        assert ledger.answers == {}


async def test_an_interruption_does_not_wait_for_pauses() -> None:
    ledger = MemoryLedger()
    refused = Fault(503, headers={"Retry-After": "0.3"})
    with ScriptedServer(in_turn(refused)) as server:
        engine = Engine(endpoint_of(server), ledger, 2)
        await interrupted(engine, "a", lambda: engine.stats.retried == 1)
        assert server.requests == 1
        assert ledger.answers == {}


async def test_a_second_interruption_does_not_wait() -> None:
    with ScriptedServer(for_named("a", Fault(delay=30.0))) as server:
        engine = Engine(endpoint_of(server), MemoryLedger(), 1)

        async def run() -> None:
            async with engine:
                await engine.ask(asked("a"))

        running = asyncio.create_task(run())
        await until(lambda: server.in_flight == 1)
        async with asyncio.timeout(5):
            running.cancel()
            await asyncio.sleep(0.05)
            assert not running.done()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running


@pytest.mark.parametrize("is_there", [True, False])
async def test_an_interruption_waits_for_a_reply_as_long_as_the_server_is_there(
    monkeypatch: pytest.MonkeyPatch, *, is_there: bool
) -> None:
    async def check(wire: Wire) -> int:
        looks.append(wire)
        await asyncio.sleep(0 if is_there else 30)
        return 200

    looks: list[Wire] = []
    monkeypatch.setattr("seedstep.llm.faults.LOOK_SECONDS", 0.05)
    monkeypatch.setattr(Wire, "check", check)
    ledger = MemoryLedger()
    delay = Fault(until=lambda: len(looks) >= 5, delay=0.0 if is_there else 30.0)
    with ScriptedServer(for_named("a", delay)) as server:
        engine = Engine(endpoint_of(server), ledger, 1)
        await interrupted(engine, "a", lambda: server.in_flight == 1)
    assert len(ledger.answers) == is_there
    assert (len(looks) == 2) != is_there, "and no longer than for two looks"


async def test_an_error_does_not_wait_for_what_is_in_flight() -> None:
    ledger = MemoryLedger()
    with ScriptedServer(for_named("a", Fault(delay=30.0))) as server:

        async def run() -> None:
            async with engine_on(server, ledger) as engine, asyncio.TaskGroup() as group:
                group.create_task(engine.ask(asked("a")))
                await until(lambda: server.in_flight == 1)
                raise ZeroDivisionError

        with pytest.raises(ExceptionGroup):
            await asyncio.wait_for(run(), 5)
    assert ledger.answers == {}
