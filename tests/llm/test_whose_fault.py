"""A refusal is the fault of its request, of all requests, or of the server."""

from typing import Any

import pytest

from seedstep.llm import Engine, MemoryLedger
from support.asking import asked, endpoint_of, engine_on, failure, for_named, reply
from support.scripted_server import Fault, ScriptedServer, completion, error, in_turn


@pytest.mark.parametrize("status", [403, 404])
async def test_a_denial_of_one_prompt_among_good_ones_is_its_own(status: int) -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault(status, error("blocked by policy")) if "bad" in body["prompt"] else None

    ledger = MemoryLedger()
    with ScriptedServer(script) as server:
        async with Engine(endpoint_of(server), ledger, 1) as engine:
            reply(await engine.ask(asked("good")))
            assert failure(await engine.ask(asked("bad 1"))).status == status
            reply(await engine.ask(asked("good too")))
        async with Engine(endpoint_of(server), ledger, 1) as again:
            reply(await again.ask(asked("good")))
            assert failure(await again.ask(asked("bad 2"))).status == status


async def test_many_refusals_in_a_row_after_a_success_end_nothing() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault(400, error("too long")) if "bad" in body["prompt"] else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            reply(await engine.ask(asked("good")))
            for number in range(12):
                assert failure(await engine.ask(asked(f"bad {number}"))).reason == "refused"
            reply(await engine.ask(asked("good too")))


@pytest.mark.parametrize("status", [403, 404])
async def test_a_denial_of_the_first_prompt_ends_nothing_where_a_harmless_one_is_answered(
    status: int,
) -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        if "seed" in body and "Hi" in body["prompt"]:
            return Fault(400, error("Unsupported parameter: 'seed'", param="seed"))
        if "Hi" in body["prompt"]:
            return Fault(body=completion("Hello"))
        return Fault(status, error("blocked by policy")) if "bad" in body["prompt"] else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            first = failure(await engine.ask(asked("bad")))
            assert (first.reason, first.status) == ("refused", status)
            reply(await engine.ask(asked("good")))
            assert failure(await engine.ask(asked("bad 2"))).status == status


async def test_refusals_from_the_first_on_end_nothing_where_a_harmless_one_is_answered() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        if "Hi" in body["prompt"]:
            return Fault(body=completion("Hello"))
        return Fault(400, error("too long")) if "bad" in body["prompt"] else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            for number in range(12):
                assert failure(await engine.ask(asked(f"bad {number}"))).reason == "refused"
            reply(await engine.ask(asked("good")))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "Request too large for m on tokens per min (TPM): Limit 10, Requested 20."),
        (429, "The input or output tokens must be reduced in order to run successfully."),
        (500, "the request exceeds the available context size, try increasing it"),
        (503, "Prompt is too long: 30000 tokens"),
    ],
)
async def test_a_request_that_is_too_large_is_refused_whatever_the_status(
    status: int, message: str
) -> None:
    with ScriptedServer(for_named("large", Fault(status, error(message)))) as server:
        async with engine_on(server) as engine:
            found = failure(await engine.ask(asked("large")))
            assert (found.reason, found.status) == ("refused", status)
        assert server.requests == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (429, "Too many tokens, please wait before trying again."),
        (429, "Please slow down: too many tokens were asked for"),
        (503, "Too many input tokens per minute"),
    ],
)
@pytest.mark.usefixtures("no_backoff")
async def test_too_many_tokens_of_all_requests_are_waited_for(status: int, message: str) -> None:
    with ScriptedServer(in_turn(Fault(status, error(message)))) as server:
        async with engine_on(server) as engine:
            reply(await engine.ask(asked("short")))
        assert server.requests == 2
