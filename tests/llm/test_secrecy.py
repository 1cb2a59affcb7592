"""The API key goes into one header of our requests, and nowhere else."""

import json
import traceback
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from seedstep.bootstrap.gate_kinds import VALID
from seedstep.errors import ModelError
from seedstep.llm import Engine, MemoryLedger
from seedstep.llm.faults import without_key
from seedstep.settings import table
from seedstep.stages import STAGES
from support.asking import asked, endpoint_of, engine_on, reply
from support.command_line import chat_reply
from support.growing import grow
from support.scripted_server import Fault, ScriptedServer, completion, error

pytestmark = pytest.mark.usefixtures("no_backoff")

SECRET = "sk-secret/0123456789+abcdef"


async def test_the_key_is_in_one_header_and_nowhere_else() -> None:
    with ScriptedServer() as server:
        async with engine_on(server, key=SECRET) as engine:
            await engine.ask(asked("a"))
        (headers,) = server.headers
        assert headers.pop("Authorization") == f"Bearer {SECRET}"
        assert SECRET not in repr((headers, server.bodies, server.paths))


def test_the_key_is_sent_to_every_server_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    says_yes = chat_reply(json.dumps(dict.fromkeys(VALID, True)))
    with (
        ScriptedServer() as server,
        ScriptedServer(lambda number, body: says_yes) as judge,
        ScriptedServer() as encoder,
    ):
        gates = {"judged": {"judge": {"model": "openai:better", "base_url": judge.url}}}
        meaning = {"semantic": "openai:e", "semantic_base_url": encoder.url}
        grow(tmp_path / "run", server, tasks=1, gates=gates, **meaning)
        for each in (server, judge, encoder):
            assert {sent.get("Authorization") for sent in each.headers} == {f"Bearer {SECRET}"}


def test_each_further_address_says_that_it_gets_the_key() -> None:
    helps = {
        (stage.name, name): found.help
        for stage in STAGES.values()
        for name, found in table(stage.settings).items()
        if "_base_url" in name
    }
    assert {name for _, name in helps} >= {"gate_base_urls", "semantic_base_url"}
    assert [name for name, text in helps.items() if "OPENAI_API_KEY" not in text] == []


async def test_the_text_of_a_reply_is_stored_as_it_was_sent() -> None:
    said = f"  Authorization: Bearer {SECRET}\n"
    with ScriptedServer(lambda number, body: chat_reply(said)) as server:
        async with engine_on(server, key=SECRET) as engine:
            assert reply(await engine.ask(asked("a"))).text == said


async def test_no_key_no_header() -> None:
    with ScriptedServer() as server:
        async with engine_on(server) as engine:
            await engine.ask(asked("a"))
        assert "Authorization" not in server.headers[0]


HTTP = b"HTTP/1.1 200 OK\r\n"
ECHOES = {
    **{
        str(status): Fault(status, error(f"Bearer {SECRET} is no key"))
        for status in (302, 400, 401, 402, 403, 404, 422, 429, 500, 503)
    },
    "parameter": Fault(400, error(f"{SECRET} not supported", param=SECRET, code=SECRET)),
    "html": Fault(400, f"<b>{SECRET}</b>".encode()),
    "at-the-cut": Fault(400, error("x" * 290 + SECRET)),
    "escaped": Fault(400, error(SECRET).replace(b"sk-", b"\\u0073k-")),
    "object": Fault(400, error({"headers": [{"authorization": SECRET}]})),
    "no-message": Fault(400, b'{"detail": "%s"}' % SECRET.encode()),
    "redirect": Fault(307, headers={"Location": f"http://127.0.0.1:9/{SECRET}"}),
    "utf-16": Fault(400, error(SECRET).decode().encode("utf-16")),
    "utf-16-be": Fault(500, error(SECRET).decode().encode("utf-16-be")),
    "utf-32": Fault(body=error(SECRET).decode().encode("utf-32-le")),
    "quoted": Fault(400, error(SECRET.replace("/", "%2F").replace("+", "%2B"))),
    "repr": Fault(400, error(repr({"key": SECRET}))),
    "not-json": Fault(body=SECRET.encode()),
    "finish-reason": Fault(body=completion("x").replace(b"stop", SECRET.encode())),
    "wrong-type": Fault(body=b'{"choices": "%s"}' % SECRET.encode()),
    "wrong-name": Fault(body=b'{"choices": [{"text": {"%s": 1}}]}' % SECRET.encode()),
    "status-line": Fault(raw=b"HTTP/1.1 " + SECRET.encode() + b"\r\n\r\n"),
    "broken-header": Fault(raw=HTTP + SECRET.encode() + b"\r\n\r\n"),
    "broken-length": Fault(raw=HTTP + b"Content-Length: " + SECRET.encode() + b"\r\n\r\n"),
    "broken-chunk": Fault(raw=HTTP + b"Transfer-Encoding: chunked\r\n\r\n" + SECRET.encode()),
}


@pytest.mark.parametrize("fault", ECHOES.values(), ids=ECHOES)
async def test_a_key_that_the_server_echoes_is_shown_to_nobody(
    fault: Fault, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("seedstep.llm.faults.OVERLOAD_SECONDS", 0.05)
    caplog.set_level("DEBUG")
    ledger = MemoryLedger()
    told: list[object] = []
    with ScriptedServer(lambda number, body: fault) as server:
        endpoint = endpoint_of(server, SECRET)
        try:
            async with Engine(endpoint, ledger, 1) as engine:
                await engine.ask(asked("a"))
        except ModelError as raised:
            told += [raised, raised.remedy, *traceback.format_exception(raised)]
    assert told or ledger.answers
    shown = [*told, endpoint, engine, vars(engine), engine._wire, ledger, caplog.text]
    assert SECRET not in "\n".join(f"{value} {value!r}" for value in shown)


@pytest.mark.parametrize("key", ["it's-a-\\key\\", 'with-"quotes"', "with/and+and%41"])
def test_a_key_is_found_however_it_is_written(key: str) -> None:
    for form in (key, repr(key), repr({"a": [key]}), json.dumps(key), quote(key), quote_plus(key)):
        shown = without_key(f"the key {form} is none", key)
        assert "[key]" in shown
        assert key.encode("utf-16-le").decode("latin-1") not in shown
    wide = key.encode("utf-16-le").decode("latin-1")
    assert without_key(f"x{wide}x", key) == "x[key]x"
