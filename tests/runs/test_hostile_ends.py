"""Whole runs whose server turns them away, or goes away: how they end, and how they go on."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.command_line import seedstep
from support.misbehaving import STYLES, TASKS, bootstrap, calm, data_of, failures, rows
from support.scripted_server import Fault, Script, ScriptedServer, error, random_delays

pytestmark = pytest.mark.usefixtures("no_backoff", "empty_directory", "short_time_outs")

SECRET = "sk-secret/0123456789+abcdef"
POLICY = "Your request was rejected as a result of our safety system."


@pytest.fixture(autouse=True)
def _key(empty_directory: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


# Faults that end the run

FATAL: dict[str, tuple[Fault, str]] = {
    "401": (Fault(401, error(f"Incorrect API key provided: {SECRET}.")), "OPENAI_API_KEY"),
    "403": (Fault(403, b"<html>Forbidden</html>"), "OPENAI_API_KEY"),
    "404-model": (Fault(404, error("The model `scripted` does not exist")), "openai:"),
    "402": (Fault(402, error("Insufficient credits")), "Top up"),
    "refuses-all": (Fault(400, error(POLICY)), POLICY),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("fault", "word"), FATAL.values(), ids=FATAL)
def test_a_denial_in_the_middle_is_one_error_and_the_same_command_goes_on(
    fault: Fault, word: str, style: str
) -> None:
    delays = random_delays(0.005)
    if refuses_all := fault.status == 400:  # until then, those refused are failures
        delays = lambda number, body: None  # noqa: E731
    script: Script = lambda number, body: fault if number >= 14 else delays(number, body)  # noqa: E731
    with ScriptedServer(script) as server:
        done = bootstrap(server, style)
        assert word in done.error
        assert SECRET not in done.error + Path("run/run.yaml").read_text()
        assert SECRET.encode() not in Path("run/run.db").read_bytes()
        assert server.requests < 14 + 9 + 8
        assert sum(row["reply"] is not None for row in rows()) == 14
        assert {reason for reason, _ in failures()} == ({"refused"} if refuses_all else set())
        assert seedstep("status", "run").code == 0
        server.script = None
        assert bootstrap(server, style).code == 0
        assert set(server.answered.values()) == {1}
    assert len(data_of().tasks) == TASKS
    assert refuses_all or data_of() == calm(style)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_gets_neither_requests_nor_the_key(status: int) -> None:
    with ScriptedServer() as elsewhere, ScriptedServer() as server:
        place = elsewhere.url.replace("127.0.0.1", "localhost")
        moved = Fault(status, headers={"Location": f"{place}/completions"})
        server.script = lambda number, body: moved if number == 20 else None
        assert "--base-url" in bootstrap(server, "completion").error
        assert (elsewhere.requests, elsewhere.headers) == (0, [])
        assert all(SECRET in header["Authorization"] for header in server.headers)
        assert bootstrap(server, "completion").code == 0
        assert elsewhere.requests == 0
    assert data_of() == calm("completion")


# A server that is not there


def stopping(server: ExitStack, at: int, then: Callable[[], None] = lambda: None) -> Script:
    """The server goes away with this request; soon after, something else happens."""

    def stop() -> None:
        server.close()
        then()

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        if number < at:
            return None
        if number == at:
            threading.Thread(target=stop).start()
        return Fault(reset=True)

    return script


def test_no_server_at_the_start_and_then_there_is_one() -> None:
    with ScriptedServer() as gone:
        pass
    assert gone.url in bootstrap(gone, "completion").error
    assert rows() == []
    with ScriptedServer(port=gone.port) as server:
        assert bootstrap(server, "completion").code == 0
    assert data_of() == calm("completion")


@pytest.mark.parametrize("style", STYLES)
def test_a_server_that_goes_away_ends_the_run_and_the_same_command_goes_on(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.faults.OUTAGE_SECONDS", 0.5)
    with ExitStack() as up:
        first = up.enter_context(ScriptedServer())
        first.script = stopping(up, at=15)
        error = bootstrap(first, style).error
    assert f"no server answers at {first.url}" in error
    assert (len(rows()), failures()) == (15, set())
    with ScriptedServer(port=first.port) as server:
        assert bootstrap(server, style).code == 0
        assert set((first.answered + server.answered).values()) == {1}
    assert data_of() == calm(style)


@pytest.mark.parametrize("style", STYLES)
def test_a_server_that_is_started_again_is_waited_for(style: str) -> None:
    with ExitStack() as up, ExitStack() as later:

        def start() -> None:
            time.sleep(0.3)
            servers.append(later.enter_context(ScriptedServer(port=servers[0].port)))

        servers = [up.enter_context(ScriptedServer())]
        servers[0].script = stopping(up, at=15, then=start)
        done = bootstrap(servers[0], style)
        assert (done.code, done.err) == (0, "")
        assert set((servers[0].answered + servers[1].answered).values()) == {1}
    assert data_of() == calm(style)
    assert failures() == set()
