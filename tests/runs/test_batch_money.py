"""What batches cost: no more than may be spent, nothing twice, and what is paid is counted."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedstep.errors import InputError, ModelError, StoreError
from seedstep.llm import Budget, Engine, Price, Pricing, Reply, Request, Sampling, SendOptions
from seedstep.llm.records import LIVE, Failure
from seedstep.runs.batches import read_batches
from support.asking import until
from support.asking_batches import FINE, Asking, answers, asking_by_batch, chat, number_in, said
from support.batch_server import BatchFault, BatchServer, run_batch
from support.scripted_server import Fault, error

pytestmark = pytest.mark.usefixtures("quick_batches", "no_backoff")


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Callable[..., Asking]]:
    with asking_by_batch(tmp_path / "run.db") as opened:
        yield opened


def most_tokens(server: BatchServer) -> list[int]:
    """The most tokens of replies in each batch."""
    bodies = [[line["body"] for line in batch.lines] for batch in server.batches]
    return [
        sum(body.get("max_completion_tokens") or body["max_tokens"] for body in each)
        for each in bodies
    ]


async def test_room_for_thoughts_is_reserved_before_a_batch_is_sent(
    asking: Callable[..., Asking],
) -> None:
    run = asking(budget=Budget(max_tokens=20_000))
    async with run.engine("o3-mini") as engine:
        found = await answers(engine, *(chat(number, 100) for number in range(20)))
    assert all(isinstance(each, Reply) for each in found)
    assert max(most_tokens(run.server)) <= 20_000
    assert run.stored().total_tokens == 20 * 8


@pytest.mark.parametrize("budget", [Budget(max_requests=20), Budget(max_tokens=3000)])
async def test_engines_that_share_a_budget_reserve_in_one_place(
    budget: Budget, asking: Callable[..., Asking]
) -> None:
    run = asking(budget=budget)
    run.server.batch_fault = lambda number: BatchFault(statuses=["in_progress"] * 50)
    under_way: list[int] = []

    def note(name: str) -> None:
        counts = zip(most_tokens(run.server), run.server.batches, strict=True)
        left = [count for count, batch in counts if "request_counts" not in batch.record]
        under_way.append(sum(left))

    run.server.seen = note
    async with run.engine("a") as first, run.engine("b") as second:
        await answers(first, chat(0, 100))
        await answers(second, chat(0, 100))
        wave = [chat(number, 100) for number in range(1, 30)]
        found = await asyncio.gather(answers(first, *wave), answers(second, *wave))
    if budget.max_requests:
        assert (run.spent.requests, run.stored().requests) == (20, 20)
        assert sum(len(batch.lines) for batch in run.server.batches) == 18
        assert sum(isinstance(each, Reply) for answers in found for each in answers) == 18
    else:
        assert max(under_way) <= 3000
        assert all(isinstance(each, Reply) for both in found for each in both), "all fit at last"


async def test_replies_by_batch_that_were_paid_in_vain_are_counted(
    asking: Callable[..., Asking],
) -> None:
    vain = said("", 1000, "length")

    def script(_: int, body: dict[str, Any]) -> Fault:
        return FINE if number_in(body) == 0 or body["max_tokens"] > 2000 else vain

    run = asking(script)
    wave = [chat(number, 1000) for number in range(3)]
    run.server.batch_fault = lambda number: BatchFault(
        statuses=["paused"] if number else ["in_progress"]
    )
    async with run.engine() as engine:
        with pytest.raises(ModelError, match="paused"):
            await asyncio.gather(*map(engine.ask, wave))
    assert run.spent.batch_tokens == 2 * 1007
    assert run.stored().batch_tokens == 2 * 1007
    run.server.batches[-1].statuses.clear()
    again = asking()
    async with again.engine() as engine:
        found = await answers(engine, *wave)
    assert [each.lost_completion_tokens for each in found if isinstance(each, Reply)] == [
        0,
        *[1000] * 2,
    ]
    assert again.spent.total_tokens == again.stored().total_tokens == 8 + 2 * (1007 + 8)


async def test_two_engines_of_one_model_work_on_an_open_batch_once(
    asking: Callable[..., Asking],
) -> None:
    run = asking()
    run.server.fail("POST files", Fault(500))
    wave = [chat(number) for number in range(4)]
    async with run.engine() as engine:
        await answers(engine, *wave)
    again = asking()
    async with again.engine() as first, again.engine() as second:
        found = await asyncio.gather(answers(first, *wave), answers(second, *wave))
    assert all(isinstance(each, Reply) for both in found for each in both)
    assert (len(run.server.batches), set(run.server.charged.values())) == (1, {1})
    assert again.spent.total_tokens == again.stored().total_tokens == 4 * 8


async def test_a_stop_keeps_the_reply_to_the_live_request(asking: Callable[..., Asking]) -> None:
    run = asking(lambda number, body: Fault(body=FINE.body, delay=0.5))

    async def work() -> None:
        async with run.engine() as engine:
            await answers(engine, *map(chat, range(3)))

    task = asyncio.create_task(work())
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert run.server.requests == 1
    assert run.stored().total_tokens == 8


async def test_a_line_without_likelihoods_loses_no_other_reply(
    asking: Callable[..., Asking],
) -> None:
    def script(_: int, body: dict[str, Any]) -> Fault:
        text = body["prompt"]
        places = list(range(len(text)))
        scores = {"tokens": list(text), "token_logprobs": [-1.0] * len(text), "text_offset": places}
        choice = {"index": 0, "text": text, "finish_reason": "length"}
        choice["logprobs"] = None if "bad" in text else scores
        usage = {"prompt_tokens": len(text), "completion_tokens": 1}
        return Fault(body=json.dumps({"choices": [choice], "usage": usage}).encode())

    run = asking(script)
    texts = [f"text {number} {'bad' if number == 3 else 'good'}" for number in range(6)]
    wave = [Request("score", text, Sampling(1), scored_from=2) for text in texts]
    async with run.engine() as engine:
        found = await answers(engine, *wave)
    assert [type(each) for each in found] == [*[Reply] * 3, InputError, Reply, Reply]
    assert [(batch.status, batch.answered) for batch in read_batches(run.database)] == [
        ("completed", 4)
    ]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_model_that_is_denied_by_batch_leaves_no_failures(
    status: int, asking: Callable[..., Asking]
) -> None:
    run = asking(
        lambda _, body: FINE if number_in(body) == 0 else Fault(status, error("not for you"))
    )
    async with run.engine() as engine:
        found = await answers(engine, *map(chat, range(4)))
    assert [type(each) for each in found[1:]] != [Failure] * 3
    assert "not for you" in str(found[1])
    run.server.script = lambda number, body: FINE
    again = asking()
    async with again.engine() as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *map(chat, range(4))))


async def test_errors_in_results_are_shown_short_and_without_the_key(
    asking: Callable[..., Asking],
) -> None:
    key = "sk-batch-0123456789abcdef"

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        wrong = {"code": "x", "message": f"bad {key} \x1b[31m {'y' * 100_000}"}
        return [{**row, "response": None, "error": wrong} for row in rows]

    run = asking()
    run.server.batch_fault = lambda number: BatchFault(change=change)
    async with run.engine(key=key) as engine:
        shown = str((await answers(engine, *map(chat, range(3))))[1])
    assert "bad [key]" in shown
    assert key not in shown
    assert "\x1b" not in shown
    assert len(shown) < 3000


@pytest.mark.parametrize("whole_later", [True, False])
async def test_results_that_are_too_few_are_taken_by_the_next_process_only(
    whole_later: bool, asking: Callable[..., Asking]
) -> None:
    run = asking()
    run.server.batch_fault = lambda number: BatchFault(change=lambda rows: [*rows[:1]])
    wave = [chat(number) for number in range(6)]
    async with run.engine() as engine:
        found = await answers(engine, *wave)
    assert "has 1 lines of results, and the server counts 5 requests" in str(found[1])
    assert [batch.status for batch in read_batches(run.database)] == [None]
    whole = [run.server.result(line) for line in run.server.lines]
    if whole_later:
        content = b"".join(json.dumps(each).encode() + b"\n" for each in whole)
        run.server.contents[run.server.batches[0].record["output_file_id"]] = content
    run.server.batch_fault = lambda number: BatchFault()
    again = asking()
    async with again.engine() as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *wave))
    assert [len(batch.lines) for batch in run.server.batches] == ([5] if whole_later else [5, 3])
    assert not list(run.ledger.folder.iterdir())


async def test_a_file_with_errors_only_is_taken_and_the_rest_is_another_file(
    asking: Callable[..., Asking],
) -> None:
    run = asking()
    wave = [chat(number) for number in range(3)]
    folder = run.ledger.folder
    async with run.engine(sending=SendOptions("file")) as engine:
        task = asyncio.create_task(answers(engine, *wave))
        await asyncio.sleep(0.3)
        (lines,) = folder.glob("*.jsonl")
        rows = [json.loads(line) for line in lines.read_text().splitlines()]
        wrong = [
            {"custom_id": row["custom_id"], "response": None, "error": "out of memory"}
            for row in rows
        ]
        results = lines.with_name(f"{lines.stem}.out.jsonl")
        results.write_text("".join(json.dumps(row) + "\n" for row in wrong))
        with run_batch(run.server, folder):
            found = await task
    assert all(isinstance(each, Reply) for each in found)
    states = read_batches(run.database)
    assert [(batch.requests, batch.answered) for batch in states] == [(3, 0), (3, 3)]


async def test_a_batch_that_is_found_with_a_strange_id_is_not_used(
    asking: Callable[..., Asking],
) -> None:
    run = asking()
    run.server.fail("POST batches", Fault(500), after=True)

    def spoil(name: str) -> None:
        if name == "POST batches done":
            run.server.batches[0].record["id"] = "\x1b[2J../../x y"

    run.server.seen = spoil
    async with run.engine() as engine:
        found = await answers(engine, *map(chat, range(3)))
    assert "an id that can't be used" in str(found[1])
    assert [batch.batch_id for batch in read_batches(run.database)] == [""]
    assert len(run.server.batches) == 1


async def test_a_batch_that_never_ends_is_told_and_left_at_last(
    asking: Callable[..., Asking], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = asking()
    run.server.batch_fault = lambda number: BatchFault(statuses=["in_progress"] * 10_000)
    now = time.time()
    monkeypatch.setattr("seedstep.llm.batch_work.time.time", lambda: now)
    loop, looked = asyncio.get_running_loop(), asyncio.Event()

    def see(name: str) -> None:
        if name == "GET batches":
            loop.call_soon_threadsafe(looked.set)

    run.server.seen = see
    async with run.engine() as engine:
        task = asyncio.create_task(answers(engine, *map(chat, range(3)), seconds=60))
        await looked.wait()
        now += 25 * 3600
        for _ in range(2):  # of two looks from now on, one has ended
            looked.clear()
            await looked.wait()
        assert any("for more than 24 hours" in note for note in engine.stats.notes)
        now += 6 * 3600
        found = await task
    assert "has the status in_progress, and was sent 31 hours ago" in str(found[1])
    run.server.batches[0].statuses.clear()
    again = asking()
    async with again.engine() as engine:
        assert all(isinstance(each, Reply) for each in await answers(engine, *map(chat, range(3))))


async def test_the_command_for_another_program_is_quoted(asking: Callable[..., Asking]) -> None:
    run = asking()
    async with run.engine("my model", SendOptions("file")) as engine:
        task = asyncio.create_task(answers(engine, chat(0)))
        await until(lambda: any("--model 'my model'" in note for note in engine.stats.notes))
        task.cancel()


async def test_results_that_can_not_be_written_are_no_fault_of_the_server(
    asking: Callable[..., Asking], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = asking()
    full = Path("/dev/full")
    monkeypatch.setattr("seedstep.llm.jobs._new_file", lambda path: full.open("wb"))
    async with run.engine() as engine:
        found = await answers(engine, *map(chat, range(3)))
    assert isinstance(found[1], StoreError)
    assert "No space left on device" in str(found[1])
    assert [batch.status for batch in read_batches(run.database)] == [None]


async def test_a_list_that_is_too_long_does_not_say_that_a_batch_is_not_there(
    asking: Callable[..., Asking], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.jobs.PAGES", 1)
    run = asking()
    run.server.fail("POST batches", Fault(500), after=True)

    def crowd(name: str) -> None:
        if name == "POST batches done":
            first = run.server.batches[0]
            others = [replace(first, record={"id": f"batch_x{k}"}) for k in range(3)]
            run.server.batches += others

    run.server.seen = crowd
    async with run.engine() as engine:
        found = await answers(engine, *map(chat, range(3)))
    assert "was created can't be told" in str(found[1])
    assert run.server.calls.count("POST batches") == 1


PRICED = Pricing(Price(0.0, 1_000_000.0))


async def left_open(asking: Callable[..., Asking], status: str) -> None:
    """Leave a batch of nine requests, which may cost 100 tokens of replies each."""
    run = asking()
    run.server.batch_fault = lambda number: BatchFault(statuses=["paused"])
    async with run.engine() as engine:
        await answers(engine, *(chat(number, 100) for number in range(10)))
    run.server.batches[0].statuses.extend([status] * 40)


@pytest.mark.parametrize("budget", [Budget(max_tokens=900), Budget(max_usd=400.0)])
async def test_live_requests_wait_where_a_batch_may_cost_what_is_left(
    budget: Budget, asking: Callable[..., Asking]
) -> None:
    await left_open(asking, "in_progress")
    run = asking(budget=budget)
    live: list[int] = []
    run.server.seen = lambda name: live.append(run.server.requests) if name == "GET files" else None
    async with run.engine(sending=LIVE, pricing=PRICED) as engine:
        found = await answers(engine, *(chat(number, 100) for number in range(15)))
    assert all(isinstance(each, Reply) for each in found)
    assert (live, run.server.requests) == ([1], 1 + 5)


async def test_live_requests_wait_for_no_batch_that_stays_open(
    asking: Callable[..., Asking],
) -> None:
    await left_open(asking, "paused")
    run = asking(budget=Budget(max_tokens=900))
    async with run.engine(sending=LIVE) as engine:
        found = await answers(engine, *(chat(number, 100) for number in range(10, 15)))
    assert all("has the status paused" in str(each) for each in found)
    assert run.server.requests == 1


async def test_live_requests_of_another_model_wait_for_no_batch_that_nobody_follows(
    asking: Callable[..., Asking],
) -> None:
    await left_open(asking, "in_progress")
    run = asking(budget=Budget(max_tokens=900))
    waiting: list[asyncio.Task[Any]] = []

    async def fail_beside(other: Engine) -> None:
        async with run.engine() as engine:
            waiting.append(asyncio.create_task(answers(other, chat(20))))
            await until(lambda: bool(engine.stats.batched))
            await asyncio.sleep(0.1)
            assert not waiting[0].done()
            raise ModelError("the stage has failed", "run it again")

    async with run.engine("other", sending=LIVE) as other:
        with pytest.raises(ModelError, match="the stage has failed"):
            await fail_beside(other)
        (refused,) = await waiting[0]
        assert "stay open" in str(refused)
        (refused,) = await asyncio.wait_for(answers(other, chat(21)), 20)
        assert "stay open" in str(refused)
    assert run.spent.reserved, "the batch at the server may still cost as much"
    assert run.server.requests == 1
