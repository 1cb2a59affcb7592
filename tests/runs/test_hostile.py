"""Whole runs on servers that misbehave, one kind of fault at a time: what is made, what is kept."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from seedstep.llm.exchange import exchange
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.command_line import UNSAFE, seedstep
from support.growing import times_asked
from support.misbehaving import (
    STYLES,
    TASKS,
    asked_bodies,
    bootstrap,
    calm,
    data_of,
    every_fifth,
    failures,
    five_times_each,
    for_some,
    picked,
    rewritten,
    rows,
)
from support.scripted_server import Fault, Script, ScriptedServer, completion, error

pytestmark = pytest.mark.usefixtures("no_backoff", "empty_directory", "short_time_outs")

# Faults that pass


def after(wait: str) -> Fault:
    return Fault(429, headers={"Retry-After": wait})


def at_once() -> str:
    """The present as a date, which lies in the past when it is read."""
    return format_datetime(datetime.now(UTC), usegmt=True)


HTML = b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
HALF = b'Content-Length: 500\r\n\r\n{"choices": [{"text": " half a'
CHUNK = b'Transfer-Encoding: chunked\r\n\r\n1f4\r\n{"choices": [{"text": " half a'
NO_CHOICE = json.dumps({"object": "completion", "choices": [], "usage": {}}).encode()
NULL_MESSAGE = {"message": {"role": "assistant", "content": None}, "text": None}

PASSING: dict[str, Fault] = {
    "429": Fault(429),
    "429-after": after("0.005"),
    "429-date": after(at_once()),
    "429-nonsense": after("when the cows come home"),
    "500": Fault(500),
    "502-html": Fault(502, HTML, {"Content-Type": "text/html"}),
    "reset": Fault(reset=True),
    "reset-mid-body": Fault(reset=True, raw=OK + HALF),
    "half-a-body": Fault(raw=OK + HALF),
    "half-a-chunk": Fault(raw=OK + CHUNK),
    "invalid-json": Fault(body=b'{"choices": [{"text": "x",}]}'),
    "wrong-shape": Fault(body=b'{"result": {"output": "Write a poem."}}'),
    "empty-choices": Fault(body=NO_CHOICE),
    "null-content": Fault(body=completion("", choices=[NULL_MESSAGE])),
    "wrong-types": Fault(body=completion("", choices=[{"text": 7, "message": ["x"]}])),
    "html-with-200": Fault(body=HTML, headers={"Content-Type": "text/html"}),
    "nothing": Fault(body=b" "),
}
MANNERS = {"every-fifth": every_fifth, "five-times-each": five_times_each}
MIXED = [
    pytest.param(fault, manner, style, id=f"{name}-{how}-{style}")
    for place, (name, fault) in enumerate(PASSING.items())
    for turn, (how, manner) in enumerate(MANNERS.items())
    for style in [STYLES[(place + turn) % len(STYLES)]]
]
"""Each fault with each manner and in each style, and each manner in each style."""


@pytest.mark.parametrize(("fault", "manner", "style"), MIXED)
def test_a_passing_fault_costs_repetitions_and_nothing_else(
    fault: Fault, manner: Callable[[Fault], Script], style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []  # some of them don't arrive: what breaks off may break off before

    def counted(session: Any, endpoint: Any, method: str, *rest: Any) -> Any:
        sent.append(method)
        return exchange(session, endpoint, method, *rest)

    monkeypatch.setattr("seedstep.llm.wire.exchange", counted)
    with ScriptedServer(manner(fault)) as server:
        done = bootstrap(server, style)
        assert (done.code, done.err) == (0, "")
        assert set(server.answered.values()) == {1}
    assert data_of() == calm(style)
    assert failures() == set()
    tries = [row["attempts"] for row in rows()]
    assert max(tries) >= (6 if manner is five_times_each else 2)
    assert len(tries) < sum(tries) <= sent.count("POST")
    assert seedstep("export", "run", "--format", "alpaca").code == 0


def test_a_date_to_wait_for_is_waited_for() -> None:
    """A date counts whole seconds: two from now are more than one."""
    until = datetime.now(UTC) + timedelta(seconds=2.0)
    fault = after(format_datetime(until, usegmt=True))
    with ScriptedServer(lambda number, body: fault if number == 9 else None) as server:
        assert bootstrap(server, "completion").code == 0
    pauses = [b - a for a, b in zip(server.arrived, server.arrived[1:], strict=False)]
    assert max(pauses) > 0.5
    assert data_of() == calm("completion")


WRONG_TYPES = ("text/html", "text/event-stream", "image/png", "nonsense", "")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", WRONG_TYPES)
def test_a_good_body_of_a_wrong_content_type_is_a_reply(kind: str, style: str) -> None:
    def script(number: int, body: dict[str, Any]) -> Fault:
        return Fault(body=rewritten(body, lambda text: text), headers={"Content-Type": kind})

    with ScriptedServer(script) as server:
        assert bootstrap(server, style).code == 0
    assert set(times_asked(server.bodies).values()) == {1}
    assert data_of() == calm(style)


# Faults that stay with some requests

ENDLESS = {
    "drips": Fault(body=completion("x" * 10_000), drip=0.02),
    "drips-an-error": Fault(500, error("x" * 10_000), drip=0.02),
    "silent": Fault(delay=60.0),
}
TOO_LONG = "This model's maximum context length is 4097 tokens, however you requested 4203."
POLICY = "Your request was rejected as a result of our safety system."
FILTERED = {"message": {"content": None}, "text": None, "finish_reason": "content_filter"}

STAYING: dict[str, tuple[Fault, str, int]] = {
    "context": (Fault(400, error(TOO_LONG, code="context_length_exceeded")), "refused", 400),
    "policy": (Fault(400, error(POLICY, code="content_policy_violation")), "refused", 400),
    "filtered": (Fault(body=completion("", choices=[FILTERED])), "content_filter", 200),
    "too-large": (Fault(body=completion("x" * 300_000)), "too_large", 0),
    "too-large-error": (Fault(500, error("x" * 300_000)), "too_large", 0),
    "500": (Fault(500), "server_error", 500),
    "502-html": (Fault(502, HTML), "server_error", 502),
    "reset-mid-body": (Fault(reset=True, raw=OK + HALF), "connection", 0),
    "half-a-body": (Fault(raw=OK + HALF), "connection", 0),
    "invalid-json": (Fault(body=b"{"), "malformed_reply", 200),
    "empty-choices": (Fault(body=NO_CHOICE), "malformed_reply", 200),
    "null-content": (PASSING["null-content"], "malformed_reply", 200),
    "wrong-types": (PASSING["wrong-types"], "malformed_reply", 200),
}
ONCE = ("refused", "content_filter", "too_large")
"""Reasons for which a request is not asked again."""


@pytest.mark.parametrize(("fault", "reason", "status"), STAYING.values(), ids=STAYING)
def test_a_fault_that_stays_is_that_requests_failure_and_the_run_has_its_tasks(
    fault: Fault, reason: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.exchange.MAX_REPLY_BYTES", 200_000)
    monkeypatch.setattr("seedstep.llm.faults.OUTAGE_SECONDS", 0.3)
    monkeypatch.setattr("seedstep.llm.faults.ATTEMPTS", 3)
    with ScriptedServer(for_some(fault)) as server:
        assert bootstrap(server, "completion").code == 0
        assert all(picked(body, 6) or n == 1 for body, n in asked_bodies(server))
        assert bootstrap(server, "completion", "again", "--in-flight", 2).code == 0
        requests = server.requests
        assert bootstrap(server, "completion").code == 0
        assert server.requests == requests
    assert len(data_of().tasks) == TASKS
    assert data_of("again") == data_of()
    assert failures() == {(reason, status)}
    bad = [row for row in rows() if row["failure"]]
    assert all(row["detail"] and row["reply"] is None for row in bad)
    assert all((row["attempts"] == 1) == (reason in ONCE) for row in bad)
    with Run.read(BOOTSTRAP, Path("run")) as run:
        assert sum(usage.failed for usage in run.status().usage.values()) == len(bad)


@pytest.mark.parametrize("fault", ENDLESS.values(), ids=ENDLESS)
def test_a_reply_that_never_ends_is_cut_off_and_the_run_has_its_tasks(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.exchange.REPLY_SECONDS", 0.3)
    monkeypatch.setattr("seedstep.llm.faults.OUTAGE_SECONDS", 1.2)
    monkeypatch.setattr("seedstep.llm.faults.ATTEMPTS", 2)
    with ScriptedServer(for_some(fault, one_in=12)) as server:
        assert bootstrap(server, "completion").code == 0
        requests = server.requests
        assert bootstrap(server, "completion").code == 0
        assert server.requests == requests
    assert len(data_of().tasks) == TASKS
    assert failures() == {("timeout", 0)}


@pytest.mark.parametrize("fault", ENDLESS.values(), ids=ENDLESS)
def test_a_reply_that_once_never_ends_leaves_no_trace(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm("chat")
    monkeypatch.setattr("seedstep.llm.exchange.REPLY_SECONDS", 0.3)
    script: Script = lambda number, body: fault if number in (0, 17, 18) else None  # noqa: E731
    with ScriptedServer(script) as server:
        assert bootstrap(server, "chat").code == 0
    assert data_of() == calm("chat")
    assert failures() == set()


def test_a_request_that_failed_rejects_its_candidate_with_the_servers_words() -> None:
    refusal = Fault(400, error(POLICY))
    with ScriptedServer(for_some(refusal, one_in=3)) as server:
        assert bootstrap(server, "completion").code == 0
    with Run.read(BOOTSTRAP, Path("run")) as run:
        rejected = [run.records.show(row[0]).candidate for row in run.records.rejected()]
    details = [candidate.detail for candidate in rejected if candidate.reason == "request_failed"]
    assert details
    assert all(POLICY in detail for detail in details)


# Texts

HARMFUL = {
    "control": "\x00\x07\x1b[2J\x1b]0;title\x07\x9b31m\r",
    "surrogates": "\ud800 \udfff\udbff",
    "direction": "\u202e\u2066\u200f",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "markup": "[red]<script>alert(1)</script>[/]",
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("mark", HARMFUL.values(), ids=HARMFUL)
def test_harmful_characters_in_replies_are_data(mark: str, style: str) -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        inside = json.dumps(mark)[1:-1] if style == "chat" else mark
        text = rewritten(body, lambda text: text.replace("for ", f"{inside} for "))
        return Fault(body=text) if picked(body, 2) else None

    with ScriptedServer(script) as server:
        done = bootstrap(server, style)
        assert (done.code, done.err) == (0, "")
        assert set(times_asked(server.bodies).values()) == {1}
    assert len(data_of().tasks) == TASKS
    told = [done, seedstep("show", "run"), seedstep("show", "run", "--rejected")]
    assert all(outcome.code == 0 and not UNSAFE.search(outcome.out) for outcome in told)
    assert seedstep("export", "run", "--format", "messages", "--out", "out").code == 0
    lines = Path("out/train.jsonl").read_text("utf-8").split("\n")
    assert len([json.loads(line) for line in lines if line]) >= TASKS
