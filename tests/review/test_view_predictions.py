"""`seedstep view` of predictions: side by side, who wins, and what takes long to count."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

import pytest

from seedstep.review.answers import ANSWERS, ComparedAnswers
from seedstep.review.browse import BrowsedRun
from seedstep.runs import Run
from seedstep.stages import PREDICT
from support.answer_files import run_with_predictions, write_tasks
from support.viewing import cards, viewing

_PREDICTION = """
INSERT INTO predictions (system, place, text, failed, cut, shortened, at)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    run_with_predictions(tmp_path / "test", write_tasks(tmp_path / "tasks.jsonl"))
    return tmp_path / "test"


def test_predictions_side_by_side(predicted: Path) -> None:
    with viewing(predicted) as client:
        everything = client.get("0/predictions").text
        assert everything.count('class="card"') == 16
        won = client.get("0/predictions?state=tuned").text
        assert re.findall(r'class="card" aria-label="([^"]*)"', won) == ["t7-0", "t7-1"]
        assert won.count("best</span>") == 2
        assert client.get("0/predictions?state=base").text.count('class="card"') == 0
        ties = client.get(f"0/predictions?state={quote('(tie)')}").text
        assert ties.count('class="card"') == 14
        chosen = client.get("0/predictions?group=Title+Generation&q=blue1").text
        assert re.findall(r'aria-label="(t\d-\d)"', chosen) == ["t0-1", "t2-1", "t4-1", "t6-1"]
        assert "refused" in client.get("0/predictions?q=t7-0").text


def test_a_search_knows_letters_with_accents(predicted: Path) -> None:
    with closing(sqlite3.connect(predicted / "run.db")) as database, database:
        database.execute("UPDATE predictions SET text = 'Élan ÉTÉ' WHERE place = 3")
    with viewing(predicted) as client:
        for text in ("Élan", "ÉTÉ"):
            assert cards(client.get(f"0/predictions?q={quote(text)}").text) == ["t1-1"], text


def test_a_filter_that_is_no_choice_is_shown(predicted: Path) -> None:
    with viewing(predicted) as client:
        page = client.get("0/predictions?group=Gone&state=nobody").text
    assert "<option selected>Gone</option>" in page
    assert "<option selected>nobody</option>" in page
    assert cards(page) == []


def test_who_wins_is_told_as_far_as_it_is_known(
    predicted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = Event()
    find = ComparedAnswers._winner

    def slowly(compared: ComparedAnswers, place: int, *given: Any) -> str:
        assert place < 4 or go_on.wait(60)
        return find(compared, place, *given)

    monkeypatch.setattr(ComparedAnswers, "_winner", slowly)
    monkeypatch.setattr("seedstep.review.answers.STRETCH", 2)
    ties = f"0/predictions?state={quote('(tie)')}"
    with viewing(predicted) as client:
        while not cards(client.get(ties).text):
            pass
        page = client.get(ties).text
        assert "12 instances are still to be compared" in page
        assert cards(page) == ["t0-0", "t0-1", "t1-0", "t1-1"]
        assert "still to be compared" not in client.get("0/predictions").text, (
            "which needs no winner"
        )
        go_on.set()
        while "still to be compared" in (page := client.get(ties).text):
            pass
        assert len(cards(page)) == 14


def test_who_wins_is_counted_again_when_another_process_writes(predicted: Path) -> None:
    won = "0/predictions?state=tuned"
    with viewing(predicted) as client:
        assert cards(client.get(won).text) == ["t7-0", "t7-1"]
        with closing(sqlite3.connect(predicted / "run.db")) as database, database:
            database.execute(
                "UPDATE predictions SET text = 'nothing' WHERE place = 3 AND system = 'base'"
            )
        assert cards(client.get(won).text) == ["t1-1", "t7-0", "t7-1"]
        with closing(sqlite3.connect(predicted / "run.db")) as database, database:
            database.execute("UPDATE systems SET name = 'other' WHERE name = 'base'")
        assert "other" in client.get(won).text


def test_what_takes_long_to_count_keeps_no_page_waiting(
    predicted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = Event()

    def slowly(run: BrowsedRun) -> Any:
        assert go_on.wait(60)
        return tell(run)

    tell = BrowsedRun._tell
    monkeypatch.setattr(BrowsedRun, "_tell", slowly)
    with viewing(predicted) as client:
        assert "are being counted" in client.get("0/").text
        assert "Settings" in client.get("0/").text
        go_on.set()
        while "are being counted" in (page := client.get("0/").text):
            pass
        assert "16 of 16 instances predicted" in page
        with closing(sqlite3.connect(predicted / "run.db")) as database, database:
            database.execute("DELETE FROM predictions WHERE place = 0")
        assert "15 of 16 instances predicted" in client.get("0/").text


def test_tasks_that_are_put_back_are_shown_again(predicted: Path) -> None:
    tasks = predicted.parent / "tasks.jsonl"
    tasks.rename(tasks.with_suffix(".away"))
    with viewing(predicted) as client:
        assert "no such file" in client.get("0/").text
        assert client.get("0/predictions").status_code == 400
        tasks.with_suffix(".away").rename(tasks)
        assert "16 of 16 instances predicted" in client.get("0/").text
        assert len(cards(client.get("0/predictions").text)) == 16


@pytest.fixture
def predicted_52_000(tmp_path: Path) -> Path:
    """A run of two systems over 5,200 tasks of ten instances each."""
    tasks = write_tasks(tmp_path / "tasks.jsonl", 5200, 10)
    path = tmp_path / "predicted"
    Run.start(PREDICT, path, {"tasks": str(tasks)}).close()
    with closing(sqlite3.connect(path / "run.db")) as database, database:
        for system in ("base", "tuned"):
            database.execute("INSERT INTO systems VALUES (?, '{}', 0)", (system,))
            rows = ((system, place, f"R{place} B", "", 0, 0, 0) for place in range(52_000))
            database.executemany(_PREDICTION, rows)
    return path


def test_52_000_predictions_come_a_page_at_a_time(predicted_52_000: Path) -> None:
    with viewing(predicted_52_000) as client:
        page = client.get("0/predictions").text
        assert page.count('class="card"') == 50
        assert "of 52,000</span>" in page
        last = client.get("0/predictions?page=1040").text
        assert 'aria-label="t5199-9"' in last


def test_answers_to_an_instance_are_found_without_reading_all(predicted: Path) -> None:
    """The filter by winner asks for each of 52,000 instances: reading all took minutes."""
    with closing(sqlite3.connect(predicted / "run.db")) as database:
        plan = database.execute(f"EXPLAIN QUERY PLAN {ANSWERS}", (3, 4)).fetchall()
    (step,) = (row[-1] for row in plan if re.search(r"\bpredictions\b", row[-1]))
    assert re.match(r"SEARCH predictions USING .*\(system=\? AND place>\? AND place<\?\)", step)
