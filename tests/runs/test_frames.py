"""Requests are stored without what their texts share, and read as they were asked."""

import asyncio
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from seedstep import open_run, self_instruct
from seedstep.llm import Reply, Request, Sampling
from seedstep.review.answers import Search
from seedstep.review.browse import BrowsedRun
from seedstep.runs.database import Database
from seedstep.runs.ledger import COLUMNS, RequestLedger, whole_requests
from support.command_line import seedstep
from support.growing import STYLES, asked_of, grow, requests_in
from support.scripted_server import ScriptedServer

FIXTURES = Path(__file__).parents[1] / "fixtures/v0.1.0"
FRAME = "Say whether a text is a question. " * 20


def kept(path: Path, prompts: Sequence[str], *, at_a_time: int = 1) -> list[str]:
    """Put prompts into a ledger, some at the same time, and return them as they are read."""
    database = Database.open(path)
    ledger = RequestLedger(database)

    async def put() -> None:
        for start in range(0, len(prompts), at_a_time):
            some = [Request("asked", text, Sampling(9)) for text in prompts[start:][:at_a_time]]
            await asyncio.gather(
                *(ledger.put(each.key("", ""), each, Reply("yes", "stop", 1, 1)) for each in some)
            )

    asyncio.run(put())
    table = whole_requests(database)
    rows = database.rows(f"SELECT {COLUMNS} FROM {table} ORDER BY rowid")
    assert all(row["reply"] == "yes" for row in rows)
    database.close()
    return [json.loads(row["request"])["prompt"] for row in rows]


def size(path: Path) -> int:
    database = Database.open(path)
    frames = database.rows("SELECT coalesce(sum(length(head) + length(tail)), 0) FROM frames")
    size = database.rows("SELECT sum(length(request)) FROM requests")[0][0] + frames[0][0]
    database.close()
    return int(size)


@pytest.mark.parametrize("at_a_time", [1, 7])
def test_what_prompts_share_is_stored_once(at_a_time: int, tmp_path: Path) -> None:
    prompts = [f"{FRAME}\n\nText: {number} ducks?\nAnswer:" for number in range(100)]
    assert kept(tmp_path / "run.db", prompts, at_a_time=at_a_time) == prompts
    assert size(tmp_path / "run.db") < 10 * len(FRAME) + 100 * 30


def test_the_next_process_uses_the_frames_that_are_there(tmp_path: Path) -> None:
    prompts = [f"{FRAME}\n\nText: {number} ducks?\nAnswer:" for number in range(30)]
    kept(tmp_path / "run.db", prompts[:10])
    before = size(tmp_path / "run.db")
    assert kept(tmp_path / "run.db", prompts[10:]) == prompts
    assert size(tmp_path / "run.db") - before < 20 * 30


@pytest.mark.parametrize("seed", range(20))
def test_any_prompts_are_read_as_they_were(seed: int, tmp_path: Path) -> None:
    """Pieces of few kinds in any order, in which much is shared by chance."""
    chance = random.Random(seed)
    pieces = [
        FRAME,
        "",
        "a",
        'a"\\',
        "\n\x00\u2028",
        "ж" * 150,
        "𝄞",
        "aa" * 90,
        FRAME[:-3],
        "\\" * 99,
    ]
    drawn = ["".join(chance.choices(pieces, k=chance.randint(1, 9))) for _ in range(60)]
    prompts = list(dict.fromkeys(drawn))
    assert kept(tmp_path / "run.db", prompts, at_a_time=chance.choice([1, 5])) == prompts


@pytest.mark.parametrize("style", STYLES)
def test_a_run_is_read_as_it_was_asked(
    style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By recordings, lists, `show` and searches; with and without frames."""
    settings: dict[str, Any] = {"prompt_style": style, "tasks": 30, "seed": 3, "window": 2}
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, **settings)
        monkeypatch.setattr("seedstep.runs.ledger.MOST_FRAMES", 0)
        plain = grow(tmp_path / "plain", server, **settings)
    lines = []
    for path in (made.path, plain.path):
        seedstep("requests", path, "--export", path / "all.jsonl")
        whole = [json.loads(line) for line in (path / "all.jsonl").read_text().splitlines()]
        answers = {line["key"]: line for line in whole[1:]}
        for line in answers.values():
            line["reply"].pop("seconds")
        lines.append(answers)
    shared = lines[0].keys() & lines[1].keys()
    assert len(shared) >= min(map(len, lines)) - 16  # but for those under way at the end
    assert all(lines[0][key] == lines[1][key] for key in shared)
    first = made.tasks[-1].id
    key = next(iter(shared))
    assert json.loads(made_request(made.path, key)) == lines[0][key]["request"]
    shown = [seedstep("show", path, first).lines for path in (made.path, plain.path)]
    assert [text for text in shown[0] if " s" not in text] == [
        text for text in shown[1] if " s" not in text
    ]
    with BrowsedRun.open(made.path) as run:
        assert run.requests(Search(text="Can the following task")).total > 10
        assert run.request(key)["request"] == lines[0][key]["request"]
    assert 3 * size(made.path / "run.db") < size(plain.path / "run.db")


def made_request(path: Path, key: str) -> str:
    with open_run(path) as run:
        return str(run.request(key)["request"])


def test_a_run_of_0_1_0_goes_on_and_is_read_whole(tmp_path: Path) -> None:
    """It has requests of both kinds then."""
    shutil.copytree(FIXTURES / "bootstrap", tmp_path / "run")
    Database.open(tmp_path / "run/run.db").close()
    before = requests_in(tmp_path / "run")
    with ScriptedServer() as server:
        self_instruct(
            tmp_path / "run", same_model=True, **asked_of(server, model="openai:scripted", tasks=9)
        ).close()
    after = requests_in(tmp_path / "run")
    assert after[: len(before)] == before
    assert len(after) > len(before) + 10
    assert all(request["prompt"] and request["sampling"] for request in after)
