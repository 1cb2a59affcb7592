"""Budgets: what is counted, where a run stops, and how it goes on."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep import self_instruct
from seedstep.errors import BudgetReached, InputError, ModelError, RunMismatchError
from seedstep.llm import Budget, Engine, MemoryLedger, Price, Pricing, Spent, TokenUsage
from seedstep.llm.budget import UNPRICED, Account
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.asking import asked, endpoint_of, reply
from support.command_line import seedstep
from support.growing import asked_of, exported, grow
from support.scripted_server import Fault, Script, ScriptedServer, in_turn, random_delays

PRICES = {"scripted": {"input": 100.0, "output": 500.0}}

pytestmark = pytest.mark.usefixtures("no_backoff", "empty_directory")


async def ask_many(
    server: ScriptedServer,
    budget: Budget,
    *,
    in_flight: int,
    spent: Spent,
    pricing: Pricing = UNPRICED,
) -> int:
    """Ask 40 requests; how many were answered before the budget was spent."""
    async with Engine(
        endpoint_of(server), MemoryLedger(), in_flight, budget, spent, pricing
    ) as engine:
        asking = [engine.ask(asked(str(number))) for number in range(40)]
        answers = await asyncio.gather(*asking, return_exceptions=True)
    assert all(
        isinstance(answer, BudgetReached) for answer in answers if isinstance(answer, Exception)
    )
    return sum(not isinstance(answer, Exception) for answer in answers)


@pytest.mark.parametrize("in_flight", [1, 8, 64])
@pytest.mark.parametrize("limit", [1, 5, 39])
async def test_requests_never_exceed_their_budget(limit: int, in_flight: int) -> None:
    spent = Spent()
    with ScriptedServer(random_delays(0.01)) as server:
        budget = Budget(max_requests=limit)
        assert await ask_many(server, budget, in_flight=in_flight, spent=spent) == limit
        assert server.requests == spent.requests == limit


async def test_repetitions_count_as_requests() -> None:
    with ScriptedServer(in_turn(*[Fault(500)] * 3)) as server:
        budget = Budget(max_requests=5)
        assert await ask_many(server, budget, in_flight=1, spent=Spent()) <= 2
        assert server.requests == 5


async def test_what_was_spent_before_counts() -> None:
    with ScriptedServer() as server:
        budget = Budget(max_requests=10)
        assert await ask_many(server, budget, in_flight=4, spent=Spent(requests=7)) == 3


@pytest.mark.parametrize("in_flight", [1, 8])
async def test_tokens_exceed_their_budget_by_what_is_in_flight_at_the_most(in_flight: int) -> None:
    spent = Spent()
    limit = 120
    with ScriptedServer(random_delays(0.005)) as server:
        await ask_many(server, Budget(max_tokens=limit), in_flight=in_flight, spent=spent)
        each = spent.total_tokens / server.requests
    assert limit <= spent.total_tokens <= limit + in_flight * 2 * each


async def test_money_is_counted_by_the_models_price() -> None:
    spent = Spent()
    price = Price(100.0, 500.0)
    with ScriptedServer() as server:
        await ask_many(
            server, Budget(max_usd=0.01), in_flight=1, spent=spent, pricing=Pricing(price)
        )
    assert price.usd(spent.total.prompt, spent.total.completion) >= 0.01
    newest = price.usd(7, 60)
    assert price.usd(spent.total.prompt, spent.total.completion) < 0.01 + newest


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_price_is_per_million_tokens(prompt: int, completion: int) -> None:
    usd = Price(0.15, 0.6).usd(prompt, completion)
    assert usd == pytest.approx(0.15 * prompt / 1e6 + 0.6 * completion / 1e6)


async def test_what_is_kept_costs_nothing() -> None:
    ledger = MemoryLedger()
    with ScriptedServer() as server:
        async with Engine(endpoint_of(server), ledger, 1) as engine:
            first = reply(await engine.ask(asked("a")))
        async with Engine(endpoint_of(server), ledger, 1, Budget(1), Spent(1)) as engine:
            assert await engine.ask(asked("a")) == first
            with pytest.raises(BudgetReached):
                await engine.ask(asked("b"))


async def test_what_is_in_flight_is_waited_for_and_kept() -> None:
    ledger = MemoryLedger()
    with ScriptedServer(in_turn(Fault(delay=0.3))) as server, contextlib.suppress(BudgetReached):
        async with Engine(endpoint_of(server), ledger, 2, Budget(1)) as engine:
            await asyncio.gather(engine.ask(asked("a")), engine.ask(asked("b")))
    assert len(ledger.answers) == 1


# Whole runs


@pytest.mark.parametrize("style", ["completion", "chat"])
@pytest.mark.parametrize("in_flight", [1, 8])
def test_a_run_stopped_by_budgets_ends_in_the_same_data(style: str, in_flight: int) -> None:
    settings = {"tasks": 20, "prompt_style": style, "in_flight": in_flight}
    with ScriptedServer(random_delays(0.003)) as server:
        calm = grow(Path("calm"), server, **settings)
        asked_in_calm = server.requests
        server.requests = 0
        finished = []
        for limit in (1, 7, 25, 40, 10_000):
            part = grow(Path("run"), server, max_requests=limit, **settings)
            assert server.requests <= limit
            finished.append(len(part.tasks))
    assert finished == sorted(finished)
    assert finished[0] == 0
    assert 0 < finished[3] < 20 == finished[4]
    assert exported(Path("run")) == exported(calm.path)
    assert server.requests <= asked_in_calm + 2 * in_flight


def test_tasks_whose_replies_are_there_are_finished_before_the_stop() -> None:
    """The money for them is spent: they shall not wait for a larger budget."""
    counts = []
    with ScriptedServer(random_delays(0.005)) as server:
        for limit in range(20, 60, 5):
            path = Path(str(limit))
            counts.append(len(grow(path, server, tasks=20, max_requests=limit).tasks))
            asked_before = server.requests
            assert len(grow(path, server, tasks=20).tasks) == counts[-1]
            assert server.requests == asked_before
    assert any(0 < count < 20 for count in counts)


def test_the_command_says_how_to_go_on_and_status_shows_money(server: ScriptedServer) -> None:
    Path("c.yaml").write_text("prices: {scripted: {input: 100, output: 500}}\n")
    args = ("bootstrap", "--out", "run", "--model", "openai:scripted", "--tasks", 15)
    done = seedstep(*args, "--max-requests", 12, "--config", "c.yaml")
    assert done.code == 1
    assert "Stopped: the budget of 12 requests is spent." in done.words
    assert "seedstep bootstrap --out run --max-requests" in done.words
    assert server.requests == 12
    done = seedstep("bootstrap", "--out", "run", "--max-requests", 999, "--max-usd", 0.1)
    assert "Stopped: the budget of 0.10 US dollars is spent." in done.words
    status = seedstep("status", "run").words
    assert " of 999 tokens" in status
    assert " of $0.10" in status
    assert seedstep("bootstrap", "--out", "run", "--max-usd", 50).code == 0


def test_a_dry_run_shows_money(server: ScriptedServer) -> None:
    Path("c.yaml").write_text("model: openai:m\nprices: {m: {input: 1.0, output: 2.0}}\n")
    words = seedstep("bootstrap", "--dry-run", "--config", "c.yaml").words
    assert "at the prices in the configuration" in words
    assert server.requests == 0


def test_a_budget_in_money_needs_a_price(server: ScriptedServer) -> None:
    with pytest.raises(InputError, match="the price of 'scripted' is not known"):
        Run.start(BOOTSTRAP, Path("run"), asked_of(server, max_usd=1.0))
    assert not Path("run").exists()
    Run.start(BOOTSTRAP, Path("run"), asked_of(server, max_usd=1.0, prices=PRICES)).close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_requests", 0),
        ("max_tokens", -1),
        ("max_usd", 0),
        ("max_usd", float("nan")),
        ("prices", {"m": {"input": -1, "output": 1}}),
        ("prices", {"m": {"input": 1}}),
        ("prices", {"m": 3}),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"setting '{name}"):
        Run.start(BOOTSTRAP, Path("run"), {name: value})


# Another address of the same model


def test_another_address_goes_on_with_the_same_model() -> None:
    with ScriptedServer() as first:
        calm = grow(Path("calm"), first, tasks=15)
        grow(Path("run"), first, tasks=5)
        known = {str(body) for body in first.bodies}
    with ScriptedServer() as second:
        settings = asked_of(second, tasks=15)
        with pytest.raises(RunMismatchError, match="--same-model"):
            self_instruct("run", **settings)
        assert second.requests == 0
        self_instruct("run", same_model=True, **settings).close()
        assert exported(Path("run")) == exported(calm.path)
        assert second.requests <= len(known)
        moved = second.requests
        self_instruct("run", tasks=60).close()
        assert second.requests > moved, "the new address is the run's own now"


def test_nothing_but_the_address_may_differ_for_the_same_model() -> None:
    with ScriptedServer() as server:
        grow(Path("run"), server, tasks=2)
        others: list[dict[str, Any]] = [{"model": "openai:other"}, {"seed": 7}]
        for other in others:
            with pytest.raises(RunMismatchError, match=next(iter(other))):
                self_instruct("run", same_model=True, **other)


def test_a_budget_is_no_fault_of_the_server() -> None:
    """It stops the run at once, and not after a time without replies."""
    script: Script = lambda number, body: Fault(500) if number < 3 else None  # noqa: E731
    with ScriptedServer(script) as server:
        assert grow(Path("run"), server, tasks=3, max_requests=2).tasks == ()
        assert server.requests == 2


def test_each_model_is_priced_by_its_own_name() -> None:
    spent = Spent()
    spent.add("conversation", 1_000_000, 0)
    spent.add("judge", 2_000_000, 1_000_000)
    pricing = Pricing(Price(1.0, 2.0), {"judge": Price(10.0, 100.0)})
    assert pricing.usd(spent.tokens) == pytest.approx(1.0 + 20.0 + 100.0)
    assert Pricing(Price(1.0, 2.0)).usd(spent.tokens) == pytest.approx(5.0)
    assert spent.total_tokens == 4_000_000


@pytest.mark.parametrize(
    "pricing", [Pricing(), Pricing(Price(1.0, 2.0), {"judge": None}), Pricing(None, {})]
)
def test_an_unknown_price_makes_no_cost(pricing: Pricing) -> None:
    assert pricing.usd({"conversation": TokenUsage(1, 1)}) is None
    Budget(max_usd=0.01).check(Spent(), pricing)


async def test_engines_of_one_budget_spend_from_it_at_their_models_prices() -> None:
    spent = Spent()
    pricing = Pricing(Price(0.0, 0.0), {"judge": Price(1e6, 1e6)})
    with ScriptedServer() as server:
        for purpose, answered in (("conversation", 5), ("judge", 1)):
            async with Engine(
                endpoint_of(server), MemoryLedger(), 1, Budget(max_usd=1.0), spent, pricing
            ) as engine:
                found = 0
                with contextlib.suppress(BudgetReached):
                    for number in range(5):
                        await engine.ask(replace(asked(str(number)), purpose=purpose))
                        found += 1
                assert found == answered


async def test_who_asks_after_a_batch_has_failed_does_not_wait_for_what_it_set_aside() -> None:
    spent = Spent()
    account = Account(Budget(max_tokens=150), spent, UNPRICED)
    assert account.reserve("steps", TokenUsage.by_batch(100, 40)) is None
    spent.add("steps", 20, 10)
    waiting = asyncio.create_task(account.require())
    await asyncio.sleep(0)
    spent.release({}, ModelError("the batch was paused", "resume it"))
    with pytest.raises(ModelError, match="paused"):
        await waiting
    with pytest.raises(ModelError, match="paused"):
        await asyncio.wait_for(account.require(), 5)
    spent.release({"steps": TokenUsage.by_batch(100, 40)})
    await asyncio.wait_for(account.require(), 5)


async def test_what_is_sent_while_less_is_noted_is_noted_as_well() -> None:
    kept: list[int] = []

    async def note(count: int) -> None:
        await asyncio.sleep(0.01 if count < 3 else 0)
        kept.append(count)

    spent = Spent(requests=2, noted=10, note=note)
    settling = asyncio.create_task(spent.settle())
    await asyncio.sleep(0)
    await spent.count_request(4, None)
    assert max(kept) >= spent.requests == 3
    await settling
