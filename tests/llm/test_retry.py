"""What the request engine asks again, for how long, and when it gives up."""

import asyncio
import itertools
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate
from unittest.mock import patch

import aiohttp
import pytest

from seedstep.errors import ModelError, UnreachableError
from seedstep.llm import Endpoint, Engine, MemoryLedger, Reply
from seedstep.llm.budget import Spent
from seedstep.llm.exchange import REPLY_SECONDS
from seedstep.llm.faults import ATTEMPTS, REFUSALS_IN_A_ROW, FaultAction, Patience, Retryable
from seedstep.llm.wire import Wire
from support.asking import (
    ask_all,
    asked,
    endpoint_of,
    engine_on,
    failure,
    for_named,
    name_of,
    reply,
)
from support.scripted_server import Fault, Script, ScriptedServer, completion, error, in_turn

OVERLOAD = Fault(429)
BROKEN = Fault(500)

pytestmark = pytest.mark.usefixtures("no_backoff")


PASSING = {
    "429": OVERLOAD,
    "429-now": Fault(429, headers={"Retry-After": "0"}),
    "500": BROKEN,
    "502-html": Fault(502, b"<html>Bad gateway</html>"),
    "503": Fault(503),
    "504": Fault(504, b"\xff\xfe"),
    "408": Fault(408),
    "201": Fault(201, completion("no")),
    "reset": Fault(reset=True),
    "half-a-body": Fault(raw=b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"choices"'),
    "no-http": Fault(raw=b"SSH-2.0-OpenSSH_9.9\r\n"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
async def test_a_passing_fault_is_asked_again(fault: Fault) -> None:
    with ScriptedServer(in_turn(fault, fault)) as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(asked("a"))).attempts == 3
            assert (engine.stats.sent, engine.stats.retried) == (3, 2)
        assert server.requests == 3


@pytest.mark.parametrize("slow", [Fault(delay=30.0), Fault(body=completion("x"), drip=0.05)])
async def test_a_reply_that_is_not_whole_in_time_is_asked_again(
    slow: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.exchange.REPLY_SECONDS", 0.5)
    with ScriptedServer(in_turn(slow)) as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(asked("a"))).attempts == 2


def as_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


async def test_the_server_says_how_long_to_wait_and_all_wait() -> None:
    script = in_turn(Fault(429, headers={"Retry-After": "0.4"}))
    with ScriptedServer(script) as server:
        async with engine_on(server, in_flight=1) as engine:
            await ask_all(engine, "a", "b")
        assert server.requests == 3
        assert min(server.arrived[1:]) - server.arrived[0] >= 0.39


async def test_the_wait_may_be_given_as_a_date() -> None:
    script: Script = lambda number, body: (  # noqa: E731
        Fault(503, headers={"Retry-After": as_date(2)}) if number == 0 else None
    )
    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            reply(await engine.ask(asked("a")))
        assert server.arrived[1] - server.arrived[0] >= 0.9


@pytest.mark.parametrize(
    "wait",
    ["", "soon", "nan", "-5", formatdate(0), "Mon, 01 Jan 2024 00:00:00 +99999999999999999"],
)
async def test_a_wait_that_makes_no_sense_is_no_wait(wait: str) -> None:
    with ScriptedServer(in_turn(Fault(429, headers={"Retry-After": wait}))) as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(asked("a"))).attempts == 2


@pytest.mark.parametrize("wait", ["3600", "inf", as_date(9999)], ids=["number", "inf", "date"])
async def test_no_wait_is_longer_than_five_minutes(wait: str) -> None:
    with ScriptedServer(in_turn(Fault(429, headers={"Retry-After": wait}))) as server:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Retryable) as caught:
                await Wire(session, endpoint_of(server)).send(asked("a"))
    assert caught.value.after == 300.0


# Given up


@pytest.mark.parametrize("in_flight", [2, 8])
async def test_a_prompt_that_is_never_answered_is_given_up_while_others_are(
    in_flight: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real times: after two time-outs, not after eight."""
    monkeypatch.setattr("seedstep.llm.exchange.REPLY_SECONDS", 0.4)
    monkeypatch.setattr("seedstep.llm.faults.LOST_SECONDS", 0.3)
    never = Fault(delay=60)
    with ScriptedServer(for_named("never", never)) as server:
        async with engine_on(server, in_flight=in_flight) as engine:
            waiting = asyncio.create_task(engine.ask(asked("never")))
            others = itertools.count()
            while not waiting.done():
                reply(await engine.ask(asked(str(next(others)))))
                await asyncio.sleep(0.02)
            given_up = failure(await waiting)
        assert (given_up.reason, given_up.attempts) == ("timeout", 2)


def test_what_is_never_answered_takes_less_than_an_hour() -> None:
    patience = Patience()
    now = 0.0
    with patch("seedstep.llm.faults.time.monotonic", lambda: now):
        for _attempt in range(ATTEMPTS):
            now += REPLY_SECONDS
            verdict = patience.judge(Retryable("timeout", "no reply"), last_success=now - 1)
            if verdict is not FaultAction.ASK_AGAIN:
                break
    assert verdict is FaultAction.GIVE_UP
    assert now <= 1800


LASTING = {
    "500": (BROKEN, "server_error", 500),
    "502": (Fault(502), "server_error", 502),
    "not-json": (Fault(body=b"<html>"), "malformed_reply", 200),
    "reset": (Fault(reset=True), "connection", 0),
}


@pytest.mark.parametrize(("fault", "reason", "status"), LASTING.values(), ids=LASTING)
async def test_a_request_that_always_fails_becomes_a_failure_and_no_other_does(
    fault: Fault, reason: str, status: int
) -> None:
    ledger = MemoryLedger()
    with ScriptedServer(for_named("bad", fault)) as server:
        async with engine_on(server, ledger) as engine:
            asking = asyncio.create_task(engine.ask(asked("bad")))
            for number in itertools.count():
                if asking.done():
                    break
                reply(await engine.ask(asked(f"good {number}")))
            failed = failure(await asking)
            assert ledger.answers[engine.key(asked("bad"))] == failed
        assert sum(name_of(body) == "bad" for body in server.bodies) == ATTEMPTS
    assert (failed.reason, failed.status, failed.attempts) == (reason, status, ATTEMPTS)


async def test_a_last_request_that_always_fails_becomes_a_failure_if_the_server_is_up() -> None:
    with ScriptedServer(for_named("bad", BROKEN)) as server:
        async with engine_on(server) as engine:
            reply(await engine.ask(asked("a")))
            assert failure(await engine.ask(asked("bad"))).reason == "server_error"
            reply(await engine.ask(asked("b")))


async def test_a_last_request_is_not_asked_for_longer_where_only_pages_answer_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seedstep.llm.faults.OUTAGE_SECONDS", 120.0)
    with ScriptedServer(for_named("bad", Fault(body=b"<html>"))) as server:
        async with engine_on(server) as engine:
            reply(await engine.ask(asked("a")))
            failed = failure(await engine.ask(asked("bad")))
    assert (failed.reason, failed.attempts) == ("malformed_reply", ATTEMPTS)


async def test_a_request_that_always_times_out_becomes_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seedstep.llm.exchange.REPLY_SECONDS", 0.2)
    with ScriptedServer(for_named("bad", Fault(delay=30.0))) as server:
        async with engine_on(server) as engine:
            failed = failure(await engine.ask(asked("bad")))
    assert failed.reason == "timeout"
    assert failed.attempts > 1


@pytest.mark.parametrize("fault", [BROKEN, Fault(reset=True), Fault(body=b"<html>")])
async def test_an_outage_ends_the_run_and_leaves_no_trace(fault: Fault) -> None:
    """What is asked again after it gets its reply: the data does not know of the outage."""
    ledger = MemoryLedger()
    names = [str(number) for number in range(REFUSALS_IN_A_ROW)]
    with ScriptedServer() as server:
        async with engine_on(server, ledger) as engine:
            reply(await engine.ask(asked("before")))
            server.script = lambda number, body: fault
            with pytest.raises(ModelError, match="answered nothing for a long time"):
                await ask_all(engine, *names)
        assert len(ledger.answers) == 1
        server.script = None
        async with engine_on(server, ledger) as engine:
            for answer in await ask_all(engine, *names):
                reply(answer)


async def test_a_short_outage_is_survived() -> None:
    with ScriptedServer(in_turn(*[BROKEN] * (2 * ATTEMPTS))) as server:
        async with engine_on(server, in_flight=1) as engine:
            for answer in await ask_all(engine, "a", "b"):
                reply(answer)


@pytest.mark.parametrize("status", [429, 503])
async def test_overload_is_waited_out_for_longer_than_faults(status: int) -> None:
    with ScriptedServer(in_turn(*[Fault(status)] * (2 * ATTEMPTS))) as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(asked("a"))).attempts == 2 * ATTEMPTS + 1


async def test_overload_without_end_ends_the_run_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seedstep.llm.faults.OVERLOAD_SECONDS", 0.1)
    ledger = MemoryLedger()
    with ScriptedServer(lambda number, body: OVERLOAD) as server:
        async with engine_on(server, ledger) as engine:
            with pytest.raises(ModelError, match="the last fault: HTTP 429"):
                await engine.ask(asked("a"))
    assert ledger.answers == {}


async def test_overload_is_waited_out_while_others_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seedstep.llm.faults.OVERLOAD_SECONDS", 0.1)
    ends = time.monotonic() + 0.5
    unlucky = for_named("unlucky", OVERLOAD)
    script: Script = lambda number, body: (  # noqa: E731
        unlucky(number, body) if time.monotonic() < ends else None
    )
    with ScriptedServer(script) as server:
        async with engine_on(server, in_flight=2) as engine:
            asking = asyncio.create_task(engine.ask(asked("unlucky")))
            for number in itertools.count():
                if asking.done():
                    break
                reply(await engine.ask(asked(f"lucky {number}")))
            reply(await asking)


async def test_the_time_for_overload_does_not_limit_other_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seedstep.llm.faults.OVERLOAD_SECONDS", -1.0)
    with ScriptedServer(in_turn(BROKEN)) as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(asked("a"))).attempts == 2


async def test_the_time_for_overload_starts_with_the_overload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request may have waited for its turn for longer than that."""
    monkeypatch.setattr("seedstep.llm.faults.OVERLOAD_SECONDS", 0.1)
    with ScriptedServer(in_turn(Fault(delay=0.2), OVERLOAD)) as server:
        async with engine_on(server, in_flight=1) as engine:
            for answer in await ask_all(engine, "a", "b"):
                reply(answer)


async def test_a_server_that_refuses_everything_ends_the_run() -> None:
    ledger = MemoryLedger()
    with ScriptedServer(lambda number, body: Fault(400, error("bad template"))) as server:
        async with engine_on(server, ledger, in_flight=1) as engine:
            for number in range(REFUSALS_IN_A_ROW - 1):
                failure(await engine.ask(asked(str(number))))
            with pytest.raises(ModelError, match="bad template") as caught:
                await engine.ask(asked("last"))
    assert caught.value.remedy
    assert len(ledger.answers) == REFUSALS_IN_A_ROW - 1


async def test_failures_with_successes_between_them_do_not_end_the_run() -> None:
    script: Script = lambda number, body: Fault(400) if number % 2 else None  # noqa: E731
    with ScriptedServer(script) as server:
        async with engine_on(server, in_flight=1) as engine:
            answers = await ask_all(engine, *map(str, range(4 * REFUSALS_IN_A_ROW)))
    assert sum(isinstance(answer, Reply) for answer in answers) == 2 * REFUSALS_IN_A_ROW


async def test_nothing_at_the_address_ends_the_run_and_keeps_nothing() -> None:
    ledger = MemoryLedger()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        async with Engine(Endpoint("e", "m", url), ledger, 4) as engine:
            for asking in (engine.check(), engine.ask(asked("a"))):
                with pytest.raises(UnreachableError) as caught:
                    await asking
                assert url in caught.value.what
                assert "--base-url" in caught.value.remedy
    assert ledger.answers == {}


async def test_what_is_stored_needs_no_server() -> None:
    ledger = MemoryLedger()
    with ScriptedServer() as server:
        endpoint = Endpoint("e", "m", server.url)
        async with Engine(endpoint, ledger, 1) as engine:
            before = await engine.ask(asked("a"))
    async with Engine(endpoint, ledger, 1, spent=Spent(requests=1)) as engine:
        await engine.check()
        assert await engine.ask(asked("a")) == before
        with pytest.raises(UnreachableError):
            await engine.ask(asked("b"))


async def test_check_is_content_with_any_answer() -> None:
    with ScriptedServer() as server:
        for url in (server.url, server.url + "/nothing/here"):
            async with Engine(Endpoint("e", "m", url), MemoryLedger(), 1) as engine:
                await engine.check()
        assert server.requests == 0
