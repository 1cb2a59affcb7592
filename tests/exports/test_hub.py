"""A data set to publish: what its card says, and what is sent where."""

import asyncio
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.command_line import environment, program, run_process, seedstep
from support.forking import forked
from support.growing import grow
from support.scripted_server import ScriptedServer

LICENCE = ("--license", "cc-by-4.0")


@pytest.fixture(scope="module", name="grown")
def _grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a model whose name is hostile."""
    path = tmp_path_factory.mktemp("hub") / "run"
    with ScriptedServer() as server:
        model = "openai:evil|model<script>\n# Title"
        grow(path, server, model=model, tasks=12)
    return path


def card_of(folder: Path) -> tuple[dict[str, Any], str]:
    """The header of a card and what stands below."""
    _, header, body = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(header), body


def test_the_card_counts_what_is_there(grown: Path, tmp_path: Path) -> None:
    out = tmp_path / "my-tasks"
    assert seedstep("export", grown, "--format", "hub", "--out", out, *LICENCE).code == 0
    header, body = card_of(out)
    assert header["license"] == "cc-by-4.0"
    assert header["pretty_name"].startswith("Tasks written by openai:evil|model")
    assert header["size_categories"] == ["n<1K"]
    with Run.read(BOOTSTRAP, grown) as run:
        status = run.status()
    assert f"| tasks (instructions) | {status.finished} |" in body
    for reason, count in (status.rejected | status.bad_instances).items():
        assert f"| {reason.replace('_', '&#95;')} | {count} |" in body
    assert "Nothing was compared with evaluation sets" in body


def test_names_are_no_markup_in_the_card(grown: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert seedstep("export", grown, "--format", "hub", "--out", out, *LICENCE).code == 0
    body = card_of(out)[1]
    assert "<script>" not in body
    assert not re.search(r"^# Title", body, re.MULTILINE)


def test_a_card_names_no_address_and_no_path(grown: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert seedstep("export", grown, "--format", "hub", "--out", out, *LICENCE).code == 0
    text = (out / "README.md").read_text()
    assert "127.0.0.1" not in text
    assert str(grown) not in text


@pytest.mark.parametrize("licence", ["", "two words", "a: b", "x\ny"])
def test_a_licence_must_be_chosen(grown: Path, tmp_path: Path, licence: str) -> None:
    out = tmp_path / "out"
    refused = seedstep("export", grown, "--format", "hub", "--out", out, "--license", licence)
    assert "--license" in refused.words
    assert refused.code == 1
    assert not out.exists()


class Hub:
    """What of the hub's interface an upload needs. Runs in a thread of its own."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.created: list[dict[str, Any]] = []
        self.files: list[str] = []
        self._loop = asyncio.new_event_loop()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.status != 200:
            return web.json_response({"error": "not yours"}, status=self.status)
        if request.path == "/api/repos/create":
            self.created.append(json.loads(body))
            return web.json_response({"url": f"{self.url}/datasets/me/mine", "id": "me/mine"})
        if "/preupload/" in request.path:
            asked = json.loads(body)["files"]
            files = [{"path": file["path"], "uploadMode": "regular"} for file in asked]
            return web.json_response({"files": [file | {"shouldIgnore": False} for file in files]})
        if "/commit/" in request.path:
            lines = [json.loads(line) for line in body.splitlines()]
            self.files += [line["value"]["path"] for line in lines if line["key"] == "file"]
            commit = {
                "commitUrl": f"{self.url}/datasets/me/mine/commit/{0:040}",
                "commitOid": "0" * 40,
                "hookOutput": "",
            }
            return web.json_response({"success": True, **commit})
        return web.json_response({"sha": "0" * 40, "errors": [], "warnings": []})

    def __enter__(self) -> "Hub":
        ready = threading.Event()
        threading.Thread(target=self._serve, args=(ready,), daemon=True).start()
        ready.wait(10)
        return self

    def _serve(self, ready: threading.Event) -> None:
        self._loop.run_until_complete(self._start())
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        assert site._server
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)


@pytest.fixture(name="exported")
def _exported(grown: Path, tmp_path: Path) -> Path:
    out = tmp_path / "exported"
    assert seedstep("export", grown, "--format", "hub", "--out", out, *LICENCE).code == 0
    return out


def pushed(exported: Path, url: str, *more: str, line: Callable[..., list[str]] = forked) -> Any:
    env = environment(HF_ENDPOINT=url, HF_TOKEN="hf_secret", HF_HOME=str(exported.parent))
    return run_process("push", exported, "me/mine", *more, env=env, line=line)


def test_a_push_says_what_it_sends_and_sends_just_that(exported: Path) -> None:
    (exported / "notes.txt").write_text("not for others")
    with Hub() as hub:
        done = pushed(exported, hub.url, "--yes", line=program)
    assert done.code == 0, done.err
    assert sorted(hub.files) == ["README.md", "data/train-00000-of-00001.parquet"]
    assert hub.created[0]["visibility"] == "private"
    for name in hub.files:
        assert name in done.out
    assert "notes.txt" not in done.out


def test_a_push_asks_first(exported: Path) -> None:
    with Hub() as hub:
        refused = pushed(exported, hub.url)
    assert refused.code == 1
    assert not hub.created


def test_a_refusal_is_one_line_without_the_token(exported: Path) -> None:
    with Hub(status=403) as hub:
        refused = pushed(exported, hub.url, "--yes")
    assert refused.code == 1
    assert "the hub did not take me/mine" in refused.err
    assert "Traceback" not in refused.err
    assert "hf_secret" not in refused.out + refused.err


def test_only_an_export_for_the_hub_is_pushed(grown: Path, tmp_path: Path) -> None:
    out = tmp_path / "alpaca"
    assert seedstep("export", grown, "--format", "alpaca", "--out", out).code == 0
    for folder in (out, tmp_path, tmp_path / "nowhere"):
        refused = seedstep("push", folder, "me/mine", "--yes")
        assert "was not written by `seedstep export --format hub`" in refused.error
