"""The notebook in `examples` runs against a server, cell by cell, inside a running event loop."""

import ast
import asyncio
import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from seedstep import open_run
from support.growing import SIGNS, text_of
from support.pages import ROOT
from support.predicting import answered
from support.scripted_server import Fault, ScriptedServer

NOTEBOOK = ROOT / "examples" / "walkthrough.ipynb"


BOOTSTRAP_PROMPTS = tuple(sign for signs in SIGNS.values() for sign in signs)


def reply(number: int, body: dict[str, Any]) -> Fault | None:
    """The server's own reply to a bootstrap, and an answer to all else."""
    return None if text_of(body).startswith(BOOTSTRAP_PROMPTS) else answered(body, "An answer.")


async def _run(cells: list[str]) -> dict[str, Any]:
    """Execute the cells as a notebook does; return the names that they leave."""
    names: dict[str, Any] = {}
    for number, source in enumerate(cells, start=1):
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(source, f"cell {number}", "exec", flags=flags)
        if code.co_flags & inspect.CO_COROUTINE:
            await eval(code, names)
        else:
            exec(code, names)
    return names


def test_the_walkthrough_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL", "openai:scripted")
    with ScriptedServer(reply) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        names = asyncio.run(_run(["".join(cell["source"]) for cell in code]))
    with open_run("runs/walkthrough/grown") as run:
        assert len(list(run.tasks())) == 5
    systems = [system.name for system in names["evaluation"].systems]
    assert systems == ["openai:scripted", "baseline:copy-input"]
    said = capsys.readouterr().out
    assert "seed: 42 there, 7 asked" in said
    assert list(Path("runs/walkthrough/messages").iterdir())
