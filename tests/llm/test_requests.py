"""`seedstep requests`: the list, one request whole, and recordings as files."""

import json
from pathlib import Path
from typing import Any

import pytest

from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.command_line import UNSAFE, chat_reply, error_reply, seedstep
from support.growing import files_of, purpose_of
from support.scripted_server import Fault, ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory", "no_backoff")

BOOTSTRAP_FLAGS = ("bootstrap", "--out", "run", "--model", "openai:scripted", "--tasks", 4)
REFUSED_DRAW = 1
SECRET = "sk-recognisable-0123456789"


def refuse(number: int, body: dict[str, Any]) -> Fault | None:
    """Refuses one generation request, and answers the others."""
    if purpose_of(body) == "generation" and body["seed"] == REFUSED_DRAW:
        return error_reply(400, "against our content policy")
    return None


@pytest.fixture
def requests(server: ScriptedServer) -> list[dict[str, Any]]:
    """The requests of a finished run in the directory `run`, by column name, one of them failed."""
    server.script = refuse
    assert seedstep(*BOOTSTRAP_FLAGS).code == 0
    with Run.read(BOOTSTRAP, Path("run")) as run:
        lines, count = run.requests(limit=1000)
        rows = [run.request(line.key) for line in lines]
    assert count == len(rows) <= server.requests
    return rows


def failed_one(requests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [row for row in requests if row["reply"] is None]
    return found


# The list


def test_each_request_is_a_line(requests: list[dict[str, Any]]) -> None:
    done = seedstep("requests", "run", "--limit", 1000)
    assert (done.code, done.err) == (0, "")
    for row, line in zip(requests, done.lines, strict=True):
        key, purpose, state, *_ = line.split()
        assert row["key"].startswith(key)
        assert purpose == row["purpose"]
        assert state == (row["failure"] or "ok")
        assert f"{row['prompt_tokens']}+{row['completion_tokens']} tokens" in line
        text = " ".join((row["reply"] or row["detail"]).split())
        assert line.endswith(text) if len(text) <= 60 else line.endswith(f"  {text[:60].strip()}…")


def test_a_long_list_says_how_many_more_there_are(requests: list[dict[str, Any]]) -> None:
    done = seedstep("requests", "run", "--limit", 3)
    assert len(done.lines) == 4
    assert done.lines[-1].startswith(f"{len(requests) - 3} more; ")
    assert len(seedstep("requests", "run", "--limit", len(requests)).lines) == len(requests)


def test_the_list_is_of_one_purpose(requests: list[dict[str, Any]]) -> None:
    done = seedstep("requests", "run", "--purpose", "classification")
    assert len(done.lines) == sum(row["purpose"] == "classification" for row in requests)
    assert all(" classification " in line for line in done.lines)


def test_an_unknown_purpose_is_refused_with_those_that_are_known(
    requests: list[dict[str, Any]],
) -> None:
    error = seedstep("requests", "run", "--purpose", "poetry").error
    assert "'poetry'" in error
    assert "generation, classification, instances" in error


def test_the_list_is_of_failed_requests(requests: list[dict[str, Any]]) -> None:
    (line,) = seedstep("requests", "run", "--failed").lines
    assert failed_one(requests)["key"].startswith(line.split()[0])
    assert " refused " in line
    assert line.endswith("HTTP 400: against our content policy")
    none = seedstep("requests", "run", "--failed", "--purpose", "instances")
    assert (none.code, none.out) == (0, "no requests\n")


def test_a_repeated_request_counts_its_attempts(server: ScriptedServer) -> None:
    server.script = lambda number, body: Fault(status=500) if number == 0 else None
    assert seedstep(*BOOTSTRAP_FLAGS, "--in-flight", 1).code == 0
    done = seedstep("requests", "run")
    assert [" 2 attempts " in line for line in done.lines].count(True) == 1


def test_tokens_that_the_server_did_not_count_are_marked(server: ScriptedServer) -> None:
    server.script = lambda number, body: chat_reply('{"tasks": []}')
    Path("c.yaml").write_text("patience: 1\n")
    assert seedstep(*BOOTSTRAP_FLAGS, "--config", "c.yaml", "--window", 1).code == 1
    (line,) = seedstep("requests", "run").lines
    assert "~ tokens " in line
    assert " estimated tokens, " in seedstep("requests", "run", line.split()[0]).out


# One request


def test_a_request_is_shown_whole(requests: list[dict[str, Any]]) -> None:
    for row in (next(row for row in requests if row["reply"]), failed_one(requests)):
        done = seedstep("requests", "run", row["key"][:12])
        assert (done.code, done.err) == (0, "")
        asked = json.loads(row["request"])
        assert done.out.startswith(f"request for {row['purpose']} ")
        assert asked["prompt"][0]["content"] in done.out
        assert f"draw: {asked['draw']}\n" in done.out
        assert f'sampling: {{"max_tokens":{asked["sampling"]["max_tokens"]},' in done.out
        assert f'schema: {{"name":"{asked["schema"]["name"]}",' in done.out
        assert f"attempts: {row['attempts']}, key {row['key']}" in done.out


def test_a_reply_is_shown_with_its_figures(requests: list[dict[str, Any]]) -> None:
    row = next(row for row in requests if row["reply"])
    done = seedstep("requests", "run", row["key"])
    figures = f"{row['prompt_tokens']} + {row['completion_tokens']} tokens, "
    assert f"{row['reply']}\n{figures}" in done.out
    assert ", ended by: stop, " in done.out


def test_a_failure_is_shown_with_its_reason(requests: list[dict[str, Any]]) -> None:
    done = seedstep("requests", "run", failed_one(requests)["key"])
    assert "failed: refused: HTTP 400: against our content policy\nstatus 400, " in done.out


@pytest.mark.parametrize(
    ("key", "what"), [("", "more than one"), ("%", "no request"), ("zz", "no request")]
)
def test_a_key_names_one_request(key: str, what: str, requests: list[dict[str, Any]]) -> None:
    with Run.read(BOOTSTRAP, Path("run")) as run, pytest.raises(Exception, match=what):
        run.request(key)


def test_the_turns_of_a_conversation_have_their_speakers(server: ScriptedServer) -> None:
    assert seedstep(*BOOTSTRAP_FLAGS, "--prompt-style", "turns").code == 0
    (line, *_) = seedstep("requests", "run", "--purpose", "classification").lines
    assert "\nassistant: " in seedstep("requests", "run", line.split()[0]).out


def test_a_request_has_a_key_or_filters(requests: list[dict[str, Any]]) -> None:
    for flags in (("abc", "--failed"), ("abc", "--export", "f"), ("--export", "f", "--failed")):
        assert "leave the other flags out" in seedstep("requests", "run", *flags).error.lower()
    assert not Path("f").exists()


def test_what_a_model_wrote_does_not_drive_the_terminal(server: ScriptedServer) -> None:
    hostile = "\x1b[31m[red]\x07\u202e\r\x9b2J\n\n[/]"
    server.script = lambda number, body: (
        error_reply(400, hostile) if number else chat_reply(hostile, finish_reason=hostile)
    )
    Path("c.yaml").write_text("patience: 2\n")
    seedstep(*BOOTSTRAP_FLAGS, "--config", "c.yaml", "--window", 1)
    lists = [seedstep("requests", "run"), seedstep("requests", "run", "--failed")]
    assert [len(done.lines) for done in lists] == [2, 1]
    shown = [seedstep("requests", "run", line.split()[0]) for line in lists[0].lines]
    for done in (*lists, *shown):
        assert (done.code, done.err) == (0, "")
        assert not UNSAFE.search(done.out)
        assert "[red]" in done.out


# Recordings


def test_a_recording_has_all_requests(requests: list[dict[str, Any]], server: Any) -> None:
    done = seedstep("requests", "run", "--export", "first.jsonl")
    assert (done.code, done.out) == (0, f"{len(requests)} requests in first.jsonl\n")
    header, *lines = map(json.loads, Path("first.jsonl").read_text().splitlines())
    assert header == {
        "format": "seedstep-recording",
        "version": 1,
        "model": "openai:scripted",
        "base_url": server.url,
        "prompt_style": "chat",
    }
    for row, line in zip(requests, lines, strict=True):
        assert (line["key"], line["purpose"]) == (row["key"], row["purpose"])
        assert line["request"] == json.loads(row["request"])
        answer = line["reply"] or line["failure"]
        assert answer["attempts"] == row["attempts"]
        assert answer.get("text") == row["reply"]
        assert answer.get("reason") == row["failure"]
    assert sorted(path.name for path in Path().iterdir()) == ["first.jsonl", "run"]


def test_a_recording_may_be_made_again_in_place_of_another(requests: Any) -> None:
    for _ in range(2):
        assert seedstep("requests", "run", "--export", "first.jsonl").code == 0
    assert len(Path("first.jsonl").read_bytes().splitlines()) == len(requests) + 1


@pytest.mark.parametrize("content", [b"", b"mine\n", b'{"format": "x"}\n', b'{"key": "x"}\n'])
def test_what_is_no_recording_is_not_overwritten(content: bytes, requests: Any) -> None:
    Path("mine").write_bytes(content)
    assert "mine is there already" in seedstep("requests", "run", "--export", "mine").error
    assert Path("mine").read_bytes() == content


@pytest.mark.parametrize("path", ["run", "run/run.yaml", "run/run.db"])
def test_the_run_itself_is_not_overwritten(path: str, requests: Any) -> None:
    assert "is there already" in seedstep("requests", "run", "--export", path).error
    assert seedstep("status", "run").code == 0


def test_a_recording_in_no_directory_is_refused(requests: Any) -> None:
    assert "make it first" in seedstep("requests", "run", "--export", "no/f").error.lower()


def test_a_key_that_the_server_echoes_is_in_no_file_and_no_output(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    echo = f"Bearer {SECRET} may not ask this"
    server.script = lambda number, body: error_reply(400, echo) if number % 5 == 2 else None
    outputs = [seedstep(*BOOTSTRAP_FLAGS)]
    assert outputs[0].code == 0
    assert all(SECRET in headers["Authorization"] for headers in server.headers)
    outputs += [seedstep("requests", "run", "--export", "run/all.jsonl")]
    outputs += [seedstep("requests", "run"), seedstep("status", "run")]
    failed = seedstep("requests", "run", "--failed")
    assert "[key] may not ask this" in failed.out
    outputs += [failed, *(seedstep("requests", "run", line.split()[0]) for line in failed.lines)]
    assert {"run.db", "run.yaml", "all.jsonl"} <= files_of(Path("run")).keys()
    assert all(SECRET.encode() not in data for data in files_of(Path("run")).values())
    assert all(SECRET not in done.out + done.err for done in outputs)
