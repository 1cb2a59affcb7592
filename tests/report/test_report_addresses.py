"""A report is shared, and tells nobody the address of a server."""

import json
from pathlib import Path
from typing import Any

import pytest

from seedstep import open_run, self_instruct
from seedstep.bootstrap.gate_kinds import VALID
from seedstep.llm.addresses import OPENAI_URL
from seedstep.recipes import write_instructions
from seedstep.report import write_report
from seedstep.report.page import addresses_in, hidden
from seedstep.stages import BOOTSTRAP
from support.answer_files import write_lines
from support.command_line import chat_reply
from support.scripted_server import Fault, ScriptedServer, error
from support.step_server import boat_task, chat

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    "address, text, shown",
    [
        ("http://10.1.2.3:8000/v1", "no http://10.1.2.3:8000/v1/x", "no [server]/x"),
        ("http://10.1.2.3:8000/v1", "10.1.2.3: refused", "[server]: refused"),
        ("http://10.1.2.3:8000/v1", "110.1.2.3 10.1.2.34", "110.1.2.3 10.1.2.34"),
        ("https://llm.corp.example/v1", "of llm.corp.example.", "of [server]."),
        ("https://llm.corp.example/v1", "of my-llm.corp.example", "of my-llm.corp.example"),
        ("http://gpu:8000/v1", "the gpu of gpu:8000 at http://gpu/", "the gpu of [server] at "),
        ("http://[2001:db8::7]:80/v1", "[2001:db8::7] or 2001:db8::7", "[[server]] or [server]"),
        ("http://127.0.0.1:8000/v1", "127.0.0.1 is 127.0.0.1:8000", "127.0.0.1 is [server]"),
        (OPENAI_URL, "see https://api.openai.com/v1", "see https://api.openai.com/v1"),
        ("http://", "http:// is no address", "http:// is no address"),
        ("http://[::1", "http://[::1 is none", "http://[::1 is none"),
        ("http://a.example:99999/", "http://a.example:99999/ is none", "http://a.example:99999/"),
        ("http://MyServer.lan:8000/v1", "lookup MyServer.lan failed", "lookup [server] failed"),
        ("http://a.example/v1?x=1&y=2", "at http://a.example/v1?x=1&amp;y=2.", "at [server]."),
    ],
)
def test_hosts_are_hidden(address: str, text: str, shown: str) -> None:
    assert hidden(text.encode(), [address]).decode().startswith(shown)


def test_no_server_of_a_bootstrap_is_in_the_report(tmp_path: Path) -> None:
    """Neither that of a gate's model, in whatever it says, nor that of the encoder."""

    def refuse(number: int, body: dict[str, Any]) -> Fault:
        told = error(f"no route POST {judge.url}/chat/completions")
        valid = chat_reply(json.dumps(dict.fromkeys((*VALID, "correct_output"), True)))
        return valid if number % 2 else Fault(400, told)

    with ScriptedServer() as server, ScriptedServer(refuse) as judge, ScriptedServer() as encoder:
        asked: dict[str, Any] = {"model": "openai:scripted", "base_url": server.url}
        gate = {"judge": {"model": "openai:better", "base_url": judge.url}}
        asked |= {"semantic": "openai:encoder", "semantic_base_url": encoder.url}
        out = tmp_path / "run"
        self_instruct(out, tasks=2, gates={"judged": gate}, **asked).close()
        urls = [each.url for each in (server, judge, encoder)]
    written = write_report([out], tmp_path / "report")
    with open_run(out, BOOTSTRAP) as run:
        assert addresses_in(run) >= set(urls)
    page = written.page.read_text()
    assert "semantic_base_url" not in page
    assert not [url for url in urls if url.split("/")[2] in page]


def test_what_a_server_says_of_itself_is_not_in_the_report(tmp_path: Path) -> None:
    def script(number: int, body: dict[str, Any]) -> Fault:
        told = f"no route POST {server.url}/chat/completions on {server.url[7:]}"
        return Fault(400, error(told)) if number % 2 else chat("1. Read it.\n2. Write a title.")

    tasks = [boat_task(number) for number in range(4)]
    records = [{"id": task.id, "definition": task.definition, "bare": True} for task in tasks]
    path = write_lines(tmp_path / "tasks.jsonl", records)
    with ScriptedServer(script) as server:
        asked: dict[str, Any] = {"model": "openai:scripted", "base_url": server.url, "in_flight": 1}
        write_instructions(tmp_path / "steps", tasks=str(path), **asked).close()
        told = server.url[7:-3]
    written = write_report([tmp_path / "steps"], tmp_path / "report")
    page = written.page.read_text()
    assert "no route POST [server]/chat/completions on [server]" in page
    assert told not in page
