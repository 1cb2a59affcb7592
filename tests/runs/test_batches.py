"""Requests by batch: the same data as live, at whichever moment a process ends."""

import json
import logging
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from campaigns.batches import QUICKLY, STEPS, Moment, disturbed, live, quick
from seedstep.bootstrap.previews import preview
from seedstep.bootstrap.settings import BootstrapSettings
from seedstep.data import seed_tasks
from seedstep.errors import InputError, ModelError
from seedstep.llm import Engine, MemoryLedger, SendOptions
from seedstep.llm.batch_api import split
from seedstep.recipes import predict
from seedstep.runs import Run
from seedstep.runs.batches import RunLedger, read_batches
from seedstep.runs.database import Database
from seedstep.runs.ledger import COLUMNS, whole_requests
from seedstep.stages import BOOTSTRAP, PREDICT
from support.asking import endpoint_of
from support.asking_stages import STAGES, command_of, made, prepare
from support.batch_server import BatchFault, BatchServer, run_batch
from support.command_line import chat_reply, seedstep
from support.forking import COMMANDS_ALONE, ended_by, forked_python
from support.growing import exported, grow, text_of
from support.pages_model import any_model
from support.predicting import asked_of, texts, word_model, words, write_word_tasks
from support.scripted_server import Fault, ScriptedServer

pytestmark = pytest.mark.usefixtures("quick_batches")

NAME = "openai:scripted"
WANTED = [word.upper() for task in range(3) for word in words(task, 4)]


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer(word_model()) as started:
        yield started


def asked_by_batch(server: BatchServer, tasks: str, **settings: Any) -> dict[str, Any]:
    return asked_of(server, tasks, send="batch", **settings)


@pytest.mark.parametrize("send", ["batch", "file"])
@pytest.mark.parametrize("name", list(STAGES))
def test_each_stage_makes_the_same_as_by_live_requests(
    name: str, send: str, tmp_path: Path
) -> None:
    prepare(tmp_path)
    with BatchServer(STAGES[name].reply) as server:
        assert seedstep(*command_of(name, server, tmp_path, tmp_path / "live")).code == 0
        asked = server.requests
        command = (*command_of(name, server, tmp_path, tmp_path / "run"), "--send", send)
        folder = tmp_path / "run" / "batches"
        with run_batch(server, folder) if send == "file" else nullcontext():
            done = seedstep(*command)
        assert done.code == 0, done.words
        assert made(tmp_path / "run") == made(tmp_path / "live")
        assert len(server.charged) + server.requests - asked == asked
        assert set(server.charged.values()) == {1}
        assert server.requests - asked <= 5 * (send == "batch"), "the first of each purpose"
        requests, batches = server.requests, len(server.batches)
        seedstep(*command)
        assert (server.requests, len(server.batches)) == (requests, batches)


def test_the_first_request_is_live_and_the_others_are_one_batch(
    server: BatchServer, tmp_path: Path
) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    with predict(tmp_path / "run", **asked_by_batch(server, tasks)) as run:
        assert run.records.counts(NAME).predictions == 12
        (batch,) = read_batches(run.database)
    assert (server.requests, len(server.lines), batch.requests) == (1, 11, 11)
    assert (batch.answered, batch.status) == (11, "completed")
    assert {line["method"] for line in server.lines} == {"POST"}
    assert server.lines[0]["body"].keys() == server.bodies[0].keys()
    assert server.batches[0].record["metadata"] == {"seedstep": batch.name}
    assert not list((tmp_path / "run" / "batches").iterdir())


def test_killed_at_each_step_of_a_batch_nothing_is_paid_twice(tmp_path: Path) -> None:
    logging.getLogger("aiohttp.server").disabled = True  # it tells of clients that went away
    prepare(tmp_path)
    kills = disturbed("predict", tmp_path, live("predict", tmp_path), list(map(Moment, STEPS)))
    assert kills == len(STEPS)


def test_an_interrupted_command_leaves_its_batch_and_says_so(
    server: BatchServer, tmp_path: Path
) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    server.batch_fault = lambda number: BatchFault(statuses=("in_progress",) * 10_000)
    flags = ("--tasks", tasks, "--model", NAME, "--base-url", server.url, "--send", "batch")
    command = ("predict", *flags, "--out", tmp_path / "run")
    python = forked_python("-c", QUICKLY, *command, loaded=COMMANDS_ALONE)
    code, said = ended_by(
        signal.SIGINT, python, lambda: server.calls.count("GET batches/batch_1"), 3
    )
    assert code == 130
    assert "11 requests are in the batch batch_1, which goes on at the server" in said
    assert f"go on with: seedstep predict --out {tmp_path / 'run'}" in " ".join(said.split())
    assert "11 requests are in the batch batch_1" in seedstep("status", tmp_path / "run").words
    server.batches[0].statuses.clear()
    assert seedstep(*command).code == 0
    assert (len(server.batches), set(server.charged.values())) == (1, {1})


def test_live_requests_wait_for_what_is_in_a_batch(server: BatchServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    server.batch_fault = lambda number: BatchFault(statuses=["paused"])
    flags = ("--tasks", tasks, "--model", NAME, "--base-url", server.url)
    command = ("predict", *flags, "--out", tmp_path / "run")
    assert "paused" in seedstep(*command, "--send", "batch").error
    done = seedstep(*command, "--send", "live")
    assert done.code == 0, done.words
    assert (server.requests, len(server.charged)) == (1, 11)


@pytest.mark.parametrize("name", ["../../private", "/tmp/private", "", "seedstep-ab-1-cd\n"])
def test_a_name_in_the_database_is_no_path(name: str, server: BatchServer, tmp_path: Path) -> None:
    """The file of this name would be sent to the server, and removed."""
    tasks = write_word_tasks(tmp_path / "ni")
    server.batch_fault = lambda number: BatchFault(statuses=["paused"])
    flags = ("--tasks", tasks, "--model", NAME, "--base-url", server.url, "--send", "batch")
    command = ("predict", *flags, "--out", tmp_path / "run")
    assert "paused" in seedstep(*command).error
    with closing(sqlite3.connect(tmp_path / "run/run.db")) as database, database:
        database.execute("UPDATE batches SET name = ?, file_id = '', batch_id = ''", (name,))
    assert "batch 1 has no proper name" in seedstep(*command).error


def test_a_batch_has_no_more_lines_and_bytes_than_it_may(
    server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.batch_api.MOST_REQUESTS", 4)
    assert list(split([1] * 9)) == [slice(0, 4), slice(4, 8), slice(8, 9)]
    tasks = write_word_tasks(tmp_path / "ni")
    predict(tmp_path / "run", **asked_by_batch(server, tasks)).close()
    sizes = [len(batch.lines) for batch in server.batches]  # in the order in which they arrived
    assert sorted(sizes, reverse=True) == [4, 4, 3]
    monkeypatch.setattr("seedstep.llm.batch_api.MOST_BYTES", 10)
    assert list(split([4, 4, 4, 40, 1])) == [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 5)]
    assert texts(tmp_path / "run") == WANTED


def test_half_the_price_is_counted(server: BatchServer, tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    prices = {"scripted": {"input": 1.0, "output": 2.0}}
    predict(tmp_path / "live", **asked_of(server, tasks, prices=prices)).close()
    predict(tmp_path / "run", **asked_by_batch(server, tasks, prices=prices)).close()
    found = []
    for name in ("live", "run"):
        with Run.read(PREDICT, tmp_path / name) as run:
            spent = run.spent()
            pricing = run.records.settings_of(NAME).pricing
            found.append((spent.requests, spent.total_tokens, pricing.usd(spent.tokens)))
    (requests, tokens, usd), by = found
    assert usd
    assert by[:2] == (requests, tokens)
    assert by[2] == pytest.approx(usd * (1 + 11 / 2) / 12)


@pytest.mark.parametrize(
    ("budget", "batches"), [({"max_requests": 8}, [7]), ({"max_tokens": 1300}, [8])]
)
def test_no_more_is_sent_than_the_budget_allows(
    budget: dict[str, int], batches: list[int], server: BatchServer, tmp_path: Path
) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    settings = asked_by_batch(server, tasks, max_new_tokens=8, **budget)
    with predict(tmp_path / "run", **settings) as run:
        assert run.spent().requests <= budget.get("max_requests", 100)
        assert run.spent().total_tokens <= budget.get("max_tokens", 10_000)
        assert run.records.counts(NAME).predictions > 0
    predict(
        tmp_path / "run", **asked_by_batch(server, tasks, max_requests=40, max_tokens=9999)
    ).close()
    assert len(texts(tmp_path / "run")) == 12
    assert set(server.charged.values()) == {1}


def test_a_bootstrap_by_batch_has_a_large_window_and_says_what_it_means(tmp_path: Path) -> None:
    with BatchServer() as server:
        flags = ("--model", NAME, "--base-url", server.url, "--tasks", 6, "--send", "batch")
        done = seedstep("bootstrap", "--out", tmp_path / "run", *flags)
        assert done.code == 0, done.words
        assert "the first 2,000 generation requests show seed tasks only" in done.words
        with Run.read(BOOTSTRAP, tmp_path / "run") as run:
            assert run.settings.window == 2000
        assert len(server.batches) <= 9
    by_batch = "by batch (--send batch): half the price, {} waves of requests, {} hours"
    dry = ("bootstrap", "--dry-run", "--model", NAME, "--tasks", 100)
    told = seedstep(*dry).words
    assert by_batch.format(3, 72) in told
    assert "The window is 8 live, 2,000 by batch." in told
    assert by_batch.format(3, 72) in seedstep(*dry, "--send", "batch").words
    assert by_batch.format(24, 576) in seedstep(*dry, "--window", 8).words


def test_a_dry_run_of_a_begun_run_counts_the_waves_that_are_left(tmp_path: Path) -> None:
    with BatchServer() as server:
        flags = ("--model", NAME, "--base-url", server.url, "--out", tmp_path / "run")
        server.script = lambda number, body: Fault(500, b"{}") if number > 20 else None
        assert seedstep("bootstrap", *flags, "--tasks", 100, "--max-requests", 1).code != 0
    told = seedstep("bootstrap", "--dry-run", *flags).words
    assert "2,000 by batch" not in told, "it keeps the window that it has"
    assert "24 waves of requests" in told
    view = preview(
        BootstrapSettings.of(model=NAME, tasks=100), seed_tasks(), ahead={"generation": 55}
    )
    assert (view.counts["generation"], view.waves) == (8, 3)
    view = preview(
        BootstrapSettings.of(model=NAME, tasks=100), seed_tasks(), ahead={"generation": 63}
    )
    assert (list(view.counts), view.waves) == (["classification", "instances"], 2)


def results_of(lines: Path) -> Path:
    """The file in which the results of a file of requests are expected."""
    return lines.with_name(f"{lines.stem}.out.jsonl")


@contextmanager
def first_file_is_given_to(work: Callable[[Path], object], folder: Path) -> Iterator[None]:
    """Call a function beside the block, with the first file of requests in a folder."""

    def wait() -> None:
        while not (lines := list(folder.glob("*.jsonl"))):
            time.sleep(0.002)
        work(lines[0])

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def test_a_file_of_results_that_grows_is_taken_when_it_is_whole(
    server: BatchServer, tmp_path: Path
) -> None:
    def put(lines: Path) -> None:
        with results_of(lines).open("w") as results:
            for line in lines.read_text().splitlines():
                results.write(json.dumps(server.result(json.loads(line))) + "\n")
                results.flush()
                time.sleep(0.05)

    asked = asked_of(server, write_word_tasks(tmp_path / "ni"), send="file")
    folder = tmp_path / "run" / "batches"
    with first_file_is_given_to(put, folder):
        predict(tmp_path / "run", **asked).close()
    assert texts(tmp_path / "run") == WANTED
    assert len(list(folder.iterdir())) == 2


def test_results_of_another_run_are_no_results(server: BatchServer, tmp_path: Path) -> None:
    other = {"custom_id": "0" * 32, "response": {"status_code": 200, "body": {}}}

    def put(lines: Path) -> None:
        results_of(lines).write_text(json.dumps(other) + "\n")

    asked = asked_of(server, write_word_tasks(tmp_path / "ni"), send="file")
    folder = tmp_path / "run" / "batches"
    with (
        first_file_is_given_to(put, folder),
        pytest.raises(ModelError, match="no result of this batch: 1 ids that are of no request"),
    ):
        predict(tmp_path / "run", **asked)
    (results,) = folder.glob("*.out.jsonl")
    results.unlink()
    with run_batch(server, folder):
        predict(tmp_path / "run", **asked).close()
    assert texts(tmp_path / "run") == WANTED
    assert set(server.charged.values()) == {1}


def test_the_key_is_in_no_file_and_no_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-batch-0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    tasks = write_word_tasks(tmp_path / "ni")
    fault = BatchFault(end="failed", answered=0, errors={"data": [{"message": f"no {key}"}]})
    with BatchServer(word_model(), batch_fault=lambda number: fault) as server:
        flags = ("--tasks", tasks, "--model", NAME, "--base-url", server.url, "--send", "batch")
        done = seedstep("predict", *flags, "--out", tmp_path / "run")
    assert done.code == 1
    assert "no [key]" in done.words
    assert key not in done.out + done.err
    for file in (tmp_path / "run").rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes()


def test_a_model_without_a_server_takes_no_batches(tmp_path: Path) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    with pytest.raises(InputError, match="local takes no batches"):
        predict(tmp_path / "run", model="local", tasks=tasks, send="batch")


async def test_a_ledger_without_batches_is_asked_live() -> None:
    with ScriptedServer() as server:
        engine = Engine(endpoint_of(server), MemoryLedger(), 4, sending=SendOptions("batch"))
        async with engine:
            assert engine.stats.batched == {}


def test_requests_are_stored_as_those_that_were_asked_live(
    server: BatchServer, tmp_path: Path
) -> None:
    tasks = write_word_tasks(tmp_path / "ni")
    for name, send in (("live", "live"), ("run", "batch")):
        predict(tmp_path / name, **asked_of(server, tasks, send=send)).close()
    rows = []
    for name in ("live", "run"):
        database = Database.open(tmp_path / name / "run.db", read_only=True)
        query = f"SELECT {COLUMNS} FROM {whole_requests(database)}"
        rows.append(sorted(tuple(row)[:-2] for row in database.rows(query)))
        assert not RunLedger(database).missed()
        database.close()
    assert rows[0] == rows[1]
    assert json.loads(rows[0][0][2])["prompt"]


def test_a_gate_with_a_model_of_its_own_asks_it_by_batch_too(tmp_path: Path) -> None:
    def script(_: int, body: dict[str, Any]) -> Fault | None:
        text = text_of(body)
        if not text.startswith("You are given an instruction, an input and an output"):
            return None
        right = bool(len(text) % 3)
        answers = {"valid_task": True, "appropriate_input": True, "correct_output": right}
        return chat_reply(json.dumps(answers))

    with BatchServer(script) as server, BatchServer(script) as judge:
        gates = {"judged": {"judge": {"model": "openai:better", "base_url": judge.url}}}
        settings: dict[str, Any] = {"tasks": 6, "window": 2, "gates": gates}
        grow(tmp_path / "live", server, **settings)
        asked = judge.requests
        made = grow(tmp_path / "run", server, **settings, send="batch")
        assert exported(tmp_path / "run") == exported(tmp_path / "live")
        assert made.status.bad_instances["judged"] > 0
        assert judge.requests == asked + 1, "the first is asked live"
        assert judge.batches


def test_a_judge_that_is_the_same_model_shares_its_batches(tmp_path: Path) -> None:
    prepare(tmp_path)
    with BatchServer(any_model, batch_fault=quick) as server:
        flags = ("--tasks", tmp_path / "boats.jsonl", "--model", NAME, "--base-url", server.url)
        command = ("steps", *flags, "--judge", NAME, "--judge-base-url", f"{server.url}/")
        assert seedstep(*command, "--out", tmp_path / "live").code == 0
        asked = server.requests
        by_batch = (*command, "--out", tmp_path / "run", "--send", "batch")
        server.batch_fault = lambda number: BatchFault(statuses=["paused"])
        for _ in range(20):
            if seedstep(*by_batch).code == 0:
                break
            for batch in server.batches:
                batch.statuses.clear()
        assert made(tmp_path / "run") == made(tmp_path / "live")
        assert set(server.charged.values()) == {1}
        assert len(server.charged) + server.requests - asked == asked
        assert "You are given a task definition" in str(server.lines)
