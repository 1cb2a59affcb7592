"""`seedstep view` in a browser: hostile texts, accessibility, and a phone."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.answer_files import run_with_predictions, write_tasks
from support.browsing import accessibility_faults, serving, watched
from support.growing import grow
from support.judging import Answered, by_length
from support.payloads import PAYLOADS
from support.scripted_server import ScriptedServer


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each kind that has pages of its own."""
    folder = tmp_path_factory.mktemp("runs")
    run_with_predictions(folder / "predicted", write_tasks(folder / "tasks.jsonl"))
    hostile_bootstrap(folder / "hostile", PAYLOADS)
    hostile_bootstrap(folder / "short", PAYLOADS[::12])
    with ScriptedServer() as server:
        grow(folder / "grown", server, tasks=2)
    with ScriptedServer(by_length) as server:
        Answered(folder, server, t3_0="prose", t4_0="no").judged("paired", mode="pairwise")
    return folder


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    """Where those runs are shown, in this order."""
    names = ("predicted", "hostile", "paired", "grown", "short")
    with serving(runs, "view", *(str(runs / name) for name in names)) as server:
        yield server.addresses["view"]


def hostile_bootstrap(path: Path, payloads: Sequence[str]) -> Path:
    """A run in which every text is a payload. axe takes long for many rows of a table."""
    Run.start(BOOTSTRAP, path, {"model": "replay:nothing", "tasks": 99}).close()
    with closing(sqlite3.connect(path / "run.db")) as database, database:
        database.execute(
            "INSERT INTO generations (item, request, demonstrations, failure, at)"
            " VALUES (0, 'k', '[]', '', 0)"
        )
        for n, text in enumerate(payloads):
            row = (text, 0, n, text, text if n % 3 else "", text)
            database.execute(
                "INSERT INTO candidates (id, item, position, instruction, reason, detail, neighbor,"
                " score, is_classification, classification_request, instances_request)"
                " VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, 0, '', '')",
                row,
            )
            database.execute(
                "INSERT INTO instances VALUES (?, 0, ?, ?, '', '')", (text, text, text)
            )
            sampling = '{"max_tokens": 9, "temperature": 0, "top_p": 1, "stop": []}'
            asked = f'{{"prompt": "<script>window.ran=1</script>", "sampling": {sampling}}}'
            asked_row = (f"{n:064x}", text, asked, text, text)
            database.execute(
                "INSERT INTO requests (key, purpose, request, reply, finish_reason, attempts, at)"
                " VALUES (?, ?, ?, ?, ?, 1, 0)",
                asked_row,
            )
    return path


def test_no_payload_runs_in_a_view(address: str, browser: Any) -> None:
    with watched(browser) as seen:
        page = seen.page

        def look(where: str) -> None:
            page.goto(f"{address}{where}")
            found = page.evaluate(
                "[window.ran, document.querySelectorAll('main script, main img, main svg,"
                "main iframe, main object, main style, main meta, base').length]"
            )
            assert found == [None, 0], where
            assert seen.said == [], where

        for where in ("", "1/", "1/tasks", "1/rejected", "1/rejected?page=2", "1/requests?page=2"):
            look(where)
        for text in PAYLOADS[::7]:
            look(f"1/one?name={quote(text)}")
            look(f"1/rejected?q={quote(text)}&group={quote(text)}")
        look(f"1/request?key={3:064x}")


def test_views_have_no_fault_of_accessibility(address: str, browser: Any) -> None:
    with watched(browser, bypass_csp=True) as seen:
        pages = (
            "",
            "0/",
            "0/predictions",
            "0/one?name=t0-0",
            "4/",
            "4/tasks",
            "4/rejected",
            "4/requests",
            "1/rejected?page=2",  # the way to other pages
            f"4/request?key={3:064x}",
            f"4/one?name={quote(PAYLOADS[0])}",
            "2/verdicts",
        )
        for where in pages:
            seen.page.goto(f"{address}{where}")
            assert accessibility_faults(seen.page) == {}, where


BROKEN = """() => {
    const found = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
        const node = walker.currentNode
        for (const word of node.data.matchAll(/(?<![^\\s(])[\\p{L}_]+(?=[.,:;)]*(\\s|$))/gu)) {
            const range = document.createRange()
            range.setStart(node, word.index)
            range.setEnd(node, word.index + word[0].length)
            const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)))
            if (word[0].length <= 16 && lines.size > 1) found.push(word[0])
        }
    }
    return found
}"""
"""Finds the words of usual length, but those of paths, of which a part is on another line."""


def test_on_a_phone_no_word_is_broken(address: str, browser: Any) -> None:
    with watched(browser, viewport={"width": 390, "height": 844}) as seen:
        for where in (
            "",
            "0/",
            "0/predictions",
            "0/results",
            "3/tasks",
            "3/rejected",
            "3/requests",
        ):
            seen.page.goto(f"{address}{where}")
            assert seen.page.evaluate(BROKEN) == [], where
