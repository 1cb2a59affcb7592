"""Batches that end without all answers, results that do not fit, and servers that fail or lie."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seedstep.errors import ModelError, SeedstepError, UnreachableError
from seedstep.recipes import predict
from seedstep.runs import Run
from seedstep.runs.batches import read_batches
from seedstep.stages import PREDICT
from support.batch_server import BatchFault, BatchServer
from support.predicting import answered, asked_of, texts, word_model, words, write_word_tasks
from support.scripted_server import Fault, error

pytestmark = pytest.mark.usefixtures("quick_batches", "no_backoff")

NAME = "openai:scripted"
WANTED = [word.upper() for task in range(3) for word in words(task, 4)]
Rows = list[dict[str, Any]]


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer(word_model()) as started:
        yield started


@pytest.fixture
def tasks(tmp_path: Path) -> str:
    return write_word_tasks(tmp_path / "ni")


def first_only(fault: BatchFault) -> Callable[[int], BatchFault]:
    """The first batch has a fault."""
    return lambda number: fault if number == 0 else BatchFault(statuses=["In_Progress"])


@pytest.fixture
def told(server: BatchServer, tasks: str, tmp_path: Path) -> Callable[..., list[str]]:
    """Predicts by batch, and returns the notes; what was made is asserted."""

    def work(**settings: Any) -> list[str]:
        notes: list[str] = []

        class Watch:
            def began(self, progress: Any) -> None: ...
            def retired(self, progress: Any, record: Any) -> None:
                notes[:] = progress.notes

            tick = began

        asked = asked_of(server, tasks, **{"send": "batch", **settings})
        predict(tmp_path / "run", watch=Watch(), **asked).close()
        assert texts(tmp_path / "run") == WANTED
        return notes

    return work


def requests_in(server: BatchServer) -> list[int]:
    return [len(batch.lines) for batch in server.batches]


@pytest.mark.parametrize("end", ["expired", "EXPIRED", "JOB_STATE_EXPIRED", "batchExpired"])
def test_of_an_expired_batch_only_what_is_missing_is_asked_again(
    end: str, server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.batch_fault = first_only(BatchFault(end=end, answered=4))
    notes = told()
    assert requests_in(server) == [11, 7]
    assert set(server.charged.values()) == {1}
    assert any(f"({end}) without 7 of 11 answers" in note for note in notes)


@pytest.mark.parametrize(
    "end", ["cancelled", "canceled", "Cancelled", "BATCH_STATUS_CANCELED", "failed", "Failure"]
)
def test_a_batch_that_ended_is_said_and_the_same_command_asks_for_the_rest(
    end: str, server: BatchServer, told: Callable[..., list[str]], tmp_path: Path
) -> None:
    errors = {"data": [{"code": "x", "message": "The quota is spent."}]}
    server.batch_fault = first_only(BatchFault(end=end, answered=4, errors=errors))
    with pytest.raises(ModelError, match=rf"\({end}\) without 7 of 11 answers: The quota is spen"):
        told()
    assert requests_in(server) == [11]
    told()
    assert (requests_in(server), server.requests) == ([11, 6], 2)
    assert set(server.charged.values()) == {1}
    with Run.read(PREDICT, tmp_path / "run") as run:
        assert [(batch.status, batch.answered) for batch in read_batches(run.database)] == [
            (end, 4),
            ("completed", 6),
        ]


@pytest.mark.parametrize("end", ["cancelled", "expired", "failed"])
def test_what_a_batch_ended_without_is_asked_live_if_that_is_wanted(
    end: str, server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.batch_fault = first_only(BatchFault(end=end, answered=4))
    assert any("they are asked live" in note for note in told(finish_live=True))
    assert (requests_in(server), server.requests) == ([11], 1 + 7)


def test_what_no_batch_answers_ends_the_run_at_last(
    server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.batch_fault = lambda number: BatchFault(end="expired", answered=0)
    with pytest.raises(ModelError, match="--finish-live"):
        told()
    assert requests_in(server) == [11, 11, 11]
    told(finish_live=True)
    assert server.requests == 12


@pytest.mark.parametrize("status", ["paused", "PAUSED", "on_hold", "reticulating"])
def test_a_batch_that_may_never_end_is_not_waited_for(
    status: str, server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.batch_fault = first_only(BatchFault(statuses=[status] * 60))
    with pytest.raises(ModelError, match=f"has the status {status}"):
        told()
    server.batches[0].statuses.clear()
    told()
    assert requests_in(server) == [11]


def doubled(rows: Rows) -> Rows:
    wrong = json.loads(json.dumps(rows[0]))
    wrong["response"]["body"]["choices"][0]["message"]["content"] = "OTHER"
    return [*rows, wrong, rows[1]]


def unknown(rows: Rows) -> Rows:
    return [{**rows[0], "custom_id": "f" * 32}, *rows, {**rows[1], "custom_id": ""}]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (doubled, "2 second results of a request"),
        (unknown, "2 ids that are of no request in it"),
        (lambda rows: [*rows, b"{", b"[1]", b'{"custom_id": 7}'], "3 lines that can't be read"),
    ],
    ids=["doubled", "unknown", "unreadable"],
)
def test_results_that_do_not_fit_are_said_and_change_nothing(
    change: Callable[[Rows], Rows], said: str, server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.batch_fault = lambda number: BatchFault(change=lambda rows: change(rows) if rows else [])
    assert any(said in note for note in told())
    assert requests_in(server) == [11]


def odd(rows: Rows) -> Rows:
    """Results in shapes of their own; the first one's error says that its reply is not whole."""
    broken, text, turns, cut, *others = json.loads(json.dumps(rows))
    broken["error"] = {"code": "internal", "message": "the worker died"}
    text["response"]["body"] = json.dumps(text["response"]["body"])
    prompt = {"message": {"role": "user", "content": "the prompt"}, "finish_reason": "stop"}
    turns["response"]["body"]["choices"].insert(0, prompt)
    cut["response"]["body"]["choices"][0]["finish_reason"] = "GENERATION_FAILED"
    return [broken, text, turns, cut, *others]


def test_results_of_odd_shapes_are_read_or_asked_again(
    server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.batch_fault = first_only(BatchFault(change=lambda rows: odd(rows) if rows else []))
    assert any("without 2 of 11 answers" in note for note in told())
    assert requests_in(server) == [11, 2]


def test_missing_results_are_asked_again_and_no_others(
    server: BatchServer, told: Callable[..., list[str]]
) -> None:
    counts = {"total": 11, "completed": 8, "failed": 0}
    server.batch_fault = first_only(BatchFault(change=lambda rows: rows[3:], counts=counts))
    assert any("without 3 of 11 answers" in note for note in told())
    assert requests_in(server) == [11, 3]


@pytest.mark.parametrize(
    "counts",
    [
        {"total": "11", "completed": "11", "failed": "0"},
        {"total": 0, "completed": 0, "failed": 0},
        {"completed": 10**30, "failed": -1},
        {"completed": "many"},
        "none",
        [],
    ],
)
def test_counts_of_the_server_decide_nothing(
    counts: Any, server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.batch_fault = lambda number: BatchFault(counts=counts)
    told()
    assert requests_in(server) == [11]


def test_each_result_has_its_own_outcome(server: BatchServer, tasks: str, tmp_path: Path) -> None:
    refused = Fault(400, error("too long"))
    server.script = word_model(
        {
            "word0x1": refused,
            "word0x2": Fault(body=b'{"choices": []}'),
            "word1x0": Fault(500),
            "word2x1": answered({"messages": []}, "", "content_filter"),
        }
    )
    asked = asked_of(server, tasks, send="batch")
    with pytest.raises(ModelError, match="without 2 of 2 answers"):
        predict(tmp_path / "run", **asked).close()
    assert requests_in(server) == [11, 2, 2]
    server.script = word_model({"word0x1": refused})
    with predict(tmp_path / "run", **asked) as run:
        failed = run.records.failures(NAME)
    assert sorted(reason.partition(":")[0] for reason in failed) == ["content_filter", "refused"]
    assert requests_in(server) == [11, 2, 2, 1]


def test_a_server_that_refuses_all_ends_the_run_and_leaves_no_failures(
    server: BatchServer, told: Callable[..., list[str]]
) -> None:
    good, asked = word_model(), threading.Event()

    def script(number: int, body: dict[str, Any]) -> Fault:
        if asked.is_set():
            return Fault(400, error("the model is off duty"))
        asked.set()
        return good(number, body)

    server.script = script
    with pytest.raises(ModelError, match=r"all 11 requests .* were refused.*off duty"):
        told()
    server.script = good
    told()


def test_parameters_that_the_server_does_not_take_are_known_before_the_batch(
    server: BatchServer, told: Callable[..., list[str]]
) -> None:
    good = word_model()
    server.script = lambda number, body: (
        Fault(400, error("Unsupported parameter: 'temperature'", param="temperature"))
        if "temperature" in body
        else good(number, body)
    )
    told()
    assert requests_in(server) == [11]
    assert not any("temperature" in line["body"] for line in server.lines)


@pytest.mark.parametrize("request_", ["POST files", "POST batches", "GET files", "GET batches"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("status", [500, 429])
def test_a_server_that_fails_once_costs_nothing_twice(
    request_: str, status: int, after: bool, server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.fail(request_, Fault(status), after=after)
    try:
        told()
    except UnreachableError:
        assert request_ == "POST files"  # whether it arrived is looked at by the next command
        told()
    assert requests_in(server) == [11]
    assert set(server.charged.values()) == {1}


@pytest.mark.parametrize("request_", ["POST files", "POST batches"])
def test_a_batch_that_the_server_does_not_take_is_asked_otherwise(
    request_: str, server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.fail(request_, *[Fault(400, error("this model has no batches"))] * 2)
    with pytest.raises(ModelError, match=r"\(rejected\) without 11 .* this model has no batches"):
        told()
    told(send="live")
    assert (server.requests, len(server.batches)) == (12, 0)


def test_a_file_that_is_lost_before_it_was_sent_is_said(
    server: BatchServer, told: Callable[..., list[str]], tmp_path: Path
) -> None:
    server.fail("POST files", Fault(500))
    with pytest.raises(UnreachableError):
        told()
    (file,) = (tmp_path / "run" / "batches").iterdir()
    kept = file.read_bytes()
    file.unlink()
    with pytest.raises(ModelError, match=re.escape(f"{file} is to be sent and is not there")):
        told()
    file.write_bytes(kept)
    told()
    assert requests_in(server) == [11]


def test_a_batch_that_a_server_lists_late_is_not_created_twice(
    server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.fail("POST batches", *[Fault(500)], after=True)
    server.late = 2
    told()
    assert requests_in(server) == [11]


def test_a_server_without_lists_is_not_sent_a_batch_that_it_may_have(
    server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.lists = False
    server.fail("POST batches", Fault(500), after=True)
    with pytest.raises(ModelError, match=r"whether the batch .* was created can't be told"):
        told()
    with pytest.raises(ModelError, match="Look at the server for a batch with the metadata"):
        told()
    assert requests_in(server) == [11]
    told(finish_live=True)
    assert server.requests == 12


def test_a_batch_that_the_server_has_lost_is_asked_live(
    server: BatchServer, told: Callable[..., list[str]]
) -> None:
    server.batch_fault = lambda number: BatchFault(statuses=["paused"])
    with pytest.raises(ModelError, match="paused"):
        told()
    server.batches.clear()
    with pytest.raises(SeedstepError, match=r"no such batch.*--finish-live asks its requests live"):
        told()
    assert any("they are asked live" in note for note in told(finish_live=True))
    assert server.requests == 12


def test_a_batch_at_another_address_is_taken_from_there_first(
    server: BatchServer, told: Callable[..., list[str]], tasks: str, tmp_path: Path
) -> None:
    server.batch_fault = lambda number: BatchFault(statuses=["paused"])
    with pytest.raises(ModelError, match="paused"):
        told()
    with BatchServer(word_model()) as other:
        asked = asked_of(other, tasks, send="batch")
        with pytest.raises(ModelError, match=re.escape(f"--base-url {server.url}")):
            predict(tmp_path / "run", same_model=True, **asked)
        assert not other.batches
    server.batches[0].statuses.clear()
    predict(tmp_path / "run", same_model=True, **asked_of(server, tasks)).close()
    assert texts(tmp_path / "run") == WANTED
    assert requests_in(server) == [11]
