"""The request engine: what is kept, what is asked again, and how many at a time."""

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from seedstep.llm import Answer, Engine, MemoryLedger, Reply, Request
from seedstep.llm.exchange import REPLY_SECONDS
from seedstep.llm.pacing import Slots
from support.asking import (
    GatedLedger,
    ask_all,
    asked,
    endpoint_of,
    engine_on,
    name_of,
    reply,
    until,
)
from support.scripted_server import Fault, ScriptedServer, completion, error, in_turn

pytestmark = pytest.mark.usefixtures("no_backoff")


# Nothing paid for is lost or paid twice


async def test_an_answer_is_given_only_when_the_ledger_has_it() -> None:
    ledger = GatedLedger()
    with ScriptedServer() as server:
        async with engine_on(server, ledger) as engine:
            asking = asyncio.create_task(engine.ask(asked("a")))
            await ledger.putting.wait()
            for _ in range(20):
                await asyncio.sleep(0)
            assert not asking.done()
            ledger.gate.set()
            answer = reply(await asking)
            assert ledger.answers == {engine.key(asked("a")): answer}


async def test_an_error_of_the_ledger_reaches_who_asked() -> None:
    class FullLedger(MemoryLedger):
        async def put(self, key: str, request: Request, answer: Answer) -> None:
            raise OSError("disk full")

    with ScriptedServer() as server:
        async with engine_on(server, FullLedger()) as engine:
            with pytest.raises(OSError, match="disk full"):
                await engine.ask(asked("a"))


@pytest.mark.parametrize("fault", [None, Fault(400, error("no"))], ids=["reply", "failure"])
async def test_what_is_in_the_ledger_is_never_asked_again(fault: Fault | None) -> None:
    ledger = MemoryLedger()
    with ScriptedServer(in_turn(fault)) as server:
        async with engine_on(server, ledger) as engine:
            first = await engine.ask(asked("a"))
            assert await engine.ask(asked("a")) == first
        async with engine_on(server, ledger) as engine:
            assert await engine.ask(asked("a")) == first
            assert (engine.stats.sent, engine.stats.reused) == (0, 1)
        assert server.requests == 1


async def test_equal_requests_at_the_same_time_are_sent_once() -> None:
    with ScriptedServer() as server:
        async with engine_on(server) as engine:
            first, second, other = await ask_all(engine, "a", "a", "b")
        assert first == second != other
        assert server.requests == 2


async def test_two_engines_of_a_ledger_send_an_equal_request_once() -> None:
    ledger = MemoryLedger()
    with ScriptedServer() as server:
        async with engine_on(server, ledger) as engine, engine_on(server, ledger) as neighbour:
            asking = engine.ask(asked("a")), neighbour.ask(asked("a")), neighbour.ask(asked("b"))
            first, second, other = await asyncio.gather(*asking)
        assert first == second != other
        assert server.requests == 2
        assert (engine.stats.reused, neighbour.stats.reused) == (0, 1)


async def test_what_another_engine_left_is_asked() -> None:
    ledger = MemoryLedger()
    released = threading.Event()
    with ScriptedServer(in_turn(Fault(until=released.is_set))) as server:
        async with engine_on(server, ledger) as staying:
            async with engine_on(server, ledger) as leaving:
                left = asyncio.create_task(leaving.ask(asked("a")))
                await until(lambda: server.in_flight == 1)
                asking = asyncio.create_task(staying.ask(asked("a")))
            left.cancel()
            released.set()
            assert reply(await asking)


async def test_a_request_whose_asker_left_is_still_kept() -> None:
    ledger = MemoryLedger()
    released = threading.Event()
    with ScriptedServer(in_turn(Fault(until=released.is_set))) as server:
        async with engine_on(server, ledger) as engine:
            asking = asyncio.create_task(engine.ask(asked("a")))
            await until(lambda: server.in_flight == 1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            released.set()
            await until(lambda: bool(ledger.answers))
            reply(await engine.ask(asked("a")))
        assert server.requests == 1


async def test_stats_count_new_replies_and_their_tokens() -> None:
    body = completion("text", usage={"prompt_tokens": 11, "completion_tokens": 3})
    script = in_turn(Fault(body=body), Fault(500), Fault(body=body), Fault(400))
    with ScriptedServer(script) as server:
        async with engine_on(server, in_flight=1) as engine:
            for name in "abca":
                await engine.ask(asked(name))
            stats = engine.stats
    assert (stats.sent, stats.retried, stats.failed, stats.reused) == (4, 1, 1, 1)
    assert stats.replied == {"test": 2}
    assert (stats.prompt_tokens, stats.completion_tokens) == (22, 6)


async def test_another_draw_is_asked_anew_with_its_number_as_seed() -> None:
    with ScriptedServer() as server:
        async with engine_on(server, in_flight=1) as engine:
            for draw in (0, 1, 0):
                await engine.ask(asked("a", draw=draw))
        assert [body["seed"] for body in server.bodies] == [0, 1]


# How many at a time, and which first


async def test_as_many_are_in_flight_as_allowed_and_never_more() -> None:
    with ScriptedServer() as server:
        # Nobody is answered before four are there, or all; the pause gives a fifth time to come.
        server.script = lambda number, body: Fault(
            until=lambda: server.in_flight >= 4 or server.requests == 12, delay=0.02
        )
        async with engine_on(server, in_flight=4) as engine:
            await ask_all(engine, *map(str, range(12)))
            assert engine.stats.in_flight == 0
        assert server.most_in_flight == 4
        assert server.requests == 12


async def test_urgent_requests_go_first_and_equals_in_the_order_asked() -> None:
    priorities = {"first": (9,), "c": (2, 1), "a": (1,), "b": (2, 0), "d": (2, 1), "z": (7, 0)}
    with ScriptedServer() as server:
        async with engine_on(server, in_flight=1) as engine:
            await asyncio.gather(
                *(engine.ask(asked(name), urgency) for name, urgency in priorities.items())
            )
        assert [name_of(body) for body in server.bodies] == ["first", "a", "b", "c", "d", "z"]


@pytest.mark.parametrize("turn_came", [False, True])
async def test_one_who_stops_waiting_for_a_turn_takes_no_place(turn_came: bool) -> None:
    slots = Slots(1)

    async def hold() -> None:
        async with slots.take((0,)):
            await asyncio.sleep(0)

    async with slots.take((0,)):
        waiter = asyncio.create_task(hold())
        await asyncio.sleep(0)
        if not turn_came:
            waiter.cancel()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert slots.taken == 0
    async with asyncio.timeout(5):
        await hold()


async def test_overload_halves_the_requests_in_flight_and_successes_bring_them_back() -> None:
    total = 8 + 40
    refused = Fault(429, headers={"Retry-After": "0.5"})

    def script(number: int, body: dict[str, Any]) -> Fault:
        if number < 8:
            return replace(refused, until=lambda: server.requests >= 8)
        if number < 12:
            return Fault(until=lambda: server.requests >= 12, delay=0.05)
        if number < 8 + 4 + 5 + 6 + 7:
            return Fault()
        return Fault(until=lambda: server.in_flight >= 8 or server.requests == total)

    with ScriptedServer(script) as server:
        async with engine_on(server, in_flight=8) as engine:
            answers = await ask_all(engine, *map(str, range(40)))
        assert all(isinstance(answer, Reply) for answer in answers)
        assert max(server.crowd[8:12]) == 4
        assert max(server.crowd[12:30]) < 8
        assert max(server.crowd[30:]) == 8
        assert server.requests == total


async def test_late_replies_lower_the_requests_in_flight_and_prompt_ones_bring_them_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seedstep.llm.pacing.SLOW_SECONDS", -1.0)

    def script(number: int, body: dict[str, Any]) -> Fault:
        """Answer when as many are there as may be in flight, or no more will come."""
        last = 60 if number < 60 else 120
        return Fault(
            until=lambda: server.in_flight >= engine._slots.limit or server.requests == last
        )

    with ScriptedServer(script) as server:
        async with Engine(endpoint_of(server), MemoryLedger(), 6) as engine:
            await ask_all(engine, *(f"late {number}" for number in range(60)))
            assert server.crowd[0] <= 6 == max(server.crowd)
            assert server.crowd[-10:] == [1] * 10
            monkeypatch.setattr("seedstep.llm.pacing.SLOW_SECONDS", 60.0)
            await ask_all(engine, *(f"prompt {number}" for number in range(60)))
        assert max(server.crowd[-10:]) == 6


async def test_time_outs_lower_the_requests_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    timed_out = threading.Event()

    def script(number: int, body: dict[str, Any]) -> Fault:
        """Answer the first ones too late, and each later one when these have gone."""
        return Fault(until=timed_out.is_set, delay=0.0 if number < 8 else 0.1)

    loop = asyncio.get_running_loop()
    clock = loop.time
    with ScriptedServer(script) as server:
        async with Engine(endpoint_of(server), MemoryLedger(), 8) as engine:
            asking = asyncio.create_task(ask_all(engine, *map(str, range(8))))
            await until(lambda: server.requests == 8)
            monkeypatch.setattr(loop, "time", lambda: clock() + REPLY_SECONDS + 1)
            await until(lambda: engine.stats.retried == 8)
            timed_out.set()
            for answer in await asking:
                assert reply(answer).attempts == 2
        assert max(server.crowd[:8]) == 8
        assert server.requests == 16
        assert max(server.crowd[-4:]) <= 4


async def test_one_place_is_left_under_any_overload() -> None:
    with ScriptedServer(in_turn(*[Fault(429)] * 9)) as server:
        async with engine_on(server, in_flight=2) as engine:
            for answer in await ask_all(engine, "a", "b"):
                reply(answer)


async def test_faults_that_are_no_overload_do_not_lower_anything() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault:
        if number < 4:
            return Fault(500, until=lambda: server.requests >= 4)
        return Fault(until=lambda: server.requests >= 8)

    with ScriptedServer(script) as server:
        async with engine_on(server, in_flight=4) as engine:
            for answer in await ask_all(engine, *"abcd"):
                reply(answer)
        assert server.most_in_flight == 4
