"""A run that is done leaves no batch behind: what nothing needs is cancelled, counted and told."""

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web

from seedstep.llm import Engine, Message, Request, Sampling, SendOptions
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.records import SendMode
from seedstep.runs import Run
from seedstep.runs.batches import RunLedger, read_batches
from seedstep.runs.database import Database
from seedstep.stages import BOOTSTRAP
from support.asking import until
from support.batch_server import BatchFault, BatchServer
from support.command_line import chat_reply, seedstep
from support.predicting import word_model, write_word_tasks
from support.scripted_server import Fault

pytestmark = pytest.mark.usefixtures("quick_batches", "no_backoff")

STUCK = BatchFault(statuses=["in_progress"] * 100_000, answered=1)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedstep.llm.batch_api.MOST_REQUESTS", 2)


class InOrder(BatchServer):
    """Creates batches in the order in which the run numbers them, whichever arrives first."""

    async def _create(self, request: web.Request) -> web.Response:
        (name,) = (await request.json())["metadata"].values()
        number = int(name.split("-")[2])
        for _ in range(2000):
            if len(self.batches) < number - 1:
                await asyncio.sleep(0.001)
        return await super()._create(request)


def stuck(*numbers: int) -> Callable[[int], BatchFault]:
    return lambda number: STUCK if number in numbers else BatchFault(statuses=())


def command(server: BatchServer, out: Path) -> tuple[object, ...]:
    flags = ("--model", "openai:scripted", "--base-url", server.url, "--prompt-style", "completion")
    return ("bootstrap", *flags, "--tasks", 5, "--window", 8, "--send", "batch", "--out", out)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("answer_is_lost", [False, True])
def test_a_bootstrap_with_enough_tasks_cancels_its_batch_and_takes_its_replies(
    tmp_path: Path, *, answer_is_lost: bool
) -> None:
    with InOrder(batch_fault=stuck(1)) as server:
        if answer_is_lost:
            server.fail("POST cancel", Fault(500), after=True)
        done = seedstep(*command(server, tmp_path))
        assert done.code == 0, done.words
        assert "the batch batch_2 is not needed any more, and is cancelled" in done.words
        assert "ended (cancelled): 1 of 2 answers, which are kept and counted" in done.words
        with Run.read(BOOTSTRAP, tmp_path) as run:
            states = read_batches(run.database)
            spent = run.spent()
        ended = [state.status for state in states]  # a batch that was not sent yet is not sent
        assert [each for each in ended if each not in ("completed", "not sent")] == ["cancelled"]
        assert spent.batch_tokens > 0
        assert sum(state.answered for state in states) == len(server.charged)
        asked = server.requests, list(server.calls)
        assert seedstep(*command(server, tmp_path)).code == 0
        assert (server.requests, server.calls) == asked, "nothing is left to do"


@pytest.mark.usefixtures("small_batches")
def test_a_finished_bootstrap_takes_the_batch_that_could_not_be_cancelled(tmp_path: Path) -> None:
    server = InOrder(batch_fault=stuck(1))
    server.cancels = False
    with server:
        done = seedstep(*command(server, tmp_path))
        assert done.code == 0, done.words
        assert "still has the status in_progress, as it can't be cancelled" in done.words
        assert "2 requests are in the batch batch_2" in seedstep("status", tmp_path).words
        server.batches[1].statuses.clear()
        live, created = server.requests, len(server.batches)
        done = seedstep(*command(server, tmp_path))
        assert done.code == 0, done.words
        assert "1 of 2 answers, which are kept and counted" in done.words
        assert (server.requests, len(server.batches)) == (live, created)
        with Run.read(BOOTSTRAP, tmp_path) as run:
            states = read_batches(run.database)
        assert sum(state.answered for state in states) == len(server.charged)


def test_a_batch_of_instances_that_left_the_list_is_settled(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    with BatchServer(word_model()) as server:
        flags = ("--tasks", tasks, "--model", "openai:scripted", "--base-url", server.url)
        ask = ("predict", *flags, "--out", tmp_path / "run")
        server.batch_fault = lambda number: BatchFault(statuses=["paused"] * 99, answered=2)
        assert "paused" in seedstep(*ask, "--send", "batch").error
        done = seedstep(*ask, "--limit-tasks", 1, "--limit-instances", 1)
        assert done.code == 0, done.words
        assert "ended (cancelled): 2 of 11 answers" in done.words


@pytest.mark.parametrize(
    ("send", "status"), [("batch", "not sent"), ("batch", "cancelled"), ("file", "file")]
)
async def test_an_engine_that_ends_well_leaves_no_batch_open(
    send: SendMode, status: str, tmp_path: Path
) -> None:
    with (
        BatchServer(lambda number, body: chat_reply("fine"), batch_fault=stuck(0)) as server,
        closing(Database.open(tmp_path / "run.db")) as database,
    ):
        endpoint = Endpoint(f"openai:{server.url}", "scripted", server.url, "")
        uploads = asyncio.Event()
        loop = asyncio.get_running_loop()
        sign = {"not sent": "POST files", "cancelled": "POST batches"}.get(status)

        def see(name: str) -> None:
            if name == sign:
                loop.call_soon_threadsafe(uploads.set)

        server.seen = see
        async with Engine(endpoint, RunLedger(database), 8, sending=SendOptions(send)) as engine:
            requests = [Request("p", (Message("user", f"say {n}"),), Sampling(8)) for n in range(4)]
            asked = asyncio.gather(*map(engine.ask, requests), return_exceptions=True)
            await (uploads.wait() if sign else until(lambda: bool(read_batches(database))))
        await asked
        assert [batch.status for batch in read_batches(database)] == [status]
        missed = RunLedger(database).missed().values()
        assert {each.tries for each in missed} == {0}, "it is no try that failed"
        assert len(server.batches) == (status == "cancelled")
        assert any("is not needed any more and ended" in note for note in engine.stats.notes)


async def test_who_is_held_up_still_asks_in_the_same_batch(tmp_path: Path) -> None:
    with (
        BatchServer(lambda number, body: chat_reply("fine")) as server,
        closing(Database.open(tmp_path / "run.db")) as database,
    ):
        endpoint = Endpoint(f"openai:{server.url}", "scripted", server.url, "")
        async with Engine(endpoint, RunLedger(database), 8, sending=SendOptions("batch")) as engine:
            asked = []
            for n in range(5):
                request = Request("p", (Message("user", f"say {n}"),), Sampling(8))
                asked.append(asyncio.create_task(engine.ask(request)))
                await asyncio.sleep(0.005)
                time.sleep(0.1)  # noqa: ASYNC251 (as an import or much work holds up the loop)
                await asyncio.sleep(0.005)
            await asyncio.gather(*asked)
        assert len(server.batches) == 1


def test_a_system_that_is_done_does_not_wait_for_the_batches_of_another(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    ask = ("predict", "--tasks", tasks, "--out", tmp_path / "run")
    with BatchServer(word_model()) as server:
        done = (*ask, "--model", "openai:done", "--base-url", server.url)
        assert seedstep(*done).code == 0
        server.batch_fault = lambda number: BatchFault(statuses=["paused"] * 99)
        open_one = (*ask, "--model", "openai:open", "--base-url", server.url, "--send", "batch")
        assert "paused" in seedstep(*open_one).error
        asked = list(server.calls)
        assert seedstep(*done).code == 0
        assert server.calls == asked, "no server was asked"
        assert "paused" in seedstep(*open_one).error


async def test_an_engine_that_ends_well_does_not_wait_for_a_dead_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.faults.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("seedstep.llm.jobs._backoff", lambda attempt: 60.0)
    with closing(Database.open(tmp_path / "run.db")) as database:
        with BatchServer(lambda number, body: chat_reply("fine"), batch_fault=stuck(0)) as server:
            endpoint = Endpoint(f"openai:{server.url}", "scripted", server.url, "")
            engine = Engine(endpoint, RunLedger(database), 8, sending=SendOptions("batch"))
            await engine.__aenter__()
            requests = [Request("p", (Message("user", f"say {n}"),), Sampling(8)) for n in range(4)]
            asked = asyncio.gather(*map(engine.ask, requests), return_exceptions=True)
            await until(lambda: bool(server.batches))
        async with asyncio.timeout(5):
            await engine.__aexit__(None, None, None)
        await asked
        assert [batch.status for batch in read_batches(database)] == [None], "it stays open"
        assert "is not waited for any more" in engine.stats.notes[-1]


def test_a_batch_at_an_address_that_is_gone_is_given_up_when_the_user_says_so(
    tmp_path: Path,
) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    ask = ("predict", "--tasks", tasks, "--model", "openai:scripted", "--out", tmp_path / "run")
    with BatchServer(word_model()) as gone:
        gone.batch_fault = lambda number: BatchFault(statuses=["paused"] * 99)
        assert "paused" in seedstep(*ask, "--base-url", gone.url, "--send", "batch").error
        (batch,) = gone.batches
    assert seedstep(*ask).code == 1
    with BatchServer(word_model()) as server:
        elsewhere = (*ask, "--base-url", server.url, "--same-model")
        refused = seedstep(*elsewhere)
        assert f"was sent to {gone.url}" in refused.error
        assert "--finish-live asks its requests live" in refused.error
        assert refused.code == 1
        done = seedstep(*elsewhere, "--finish-live")
        assert done.code == 0, done.words
        assert "without 11 of 11 answers" in done.words
        assert server.requests == 11
        assert server.batches == []
    lost = f"11 requests were in the batch {batch.record['id']} at {gone.url}"
    assert f"{lost}: what it answered is paid for, and not counted" in (
        seedstep("status", tmp_path / "run").words
    )
