"""Reports on data that is no run, and its novelty: files, exports, data sets of the hub."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seedstep import Task, export
from seedstep.errors import InputError, RunError
from seedstep.recipes import NoveltyFilter, filter_file
from seedstep.report import write_report
from seedstep.report.data_files import EVERY
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.command_line import seedstep
from support.growing import grow
from support.scripted_server import ScriptedServer

ROWS = [
    {"instruction": "Name a river.", "input": "in France", "output": "The Loire"},
    {"instruction": "Name a river.", "input": "", "output": "The Rhine"},
    {"instruction": "Write a short poem about the sea.", "input": "", "output": "Blue and wide."},
    {"instruction": "Name a river in France.", "input": "", "output": "The Seine"},
]


pytestmark = pytest.mark.usefixtures("quick_figures")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def page_of(source: Path | str, out: Path, *flags: object) -> str:
    done = seedstep("report", source, "--out", out, *flags)
    assert done.code == 0, done.err
    return (out / "index.html").read_text("utf-8")


def _kinds(lines: Path, tmp_path: Path) -> Iterator[str]:
    yield str(lines)
    yield f"hub:{lines.parent}"
    listed = tmp_path / "listed.json"
    listed.write_text(json.dumps(ROWS))
    yield str(listed)


def test_any_data_has_its_tables_and_figures(lines: Path, tmp_path: Path) -> None:
    for number, source in enumerate(_kinds(lines, tmp_path)):
        page = page_of(source, tmp_path / f"page{number}", "--test-set", lines)
        assert "3 tasks, with 4 instances" in page
        assert "of them classification" not in page
        assert "GPT-3, in the paper" in page
        for title in ("Lengths", "What the instructions ask for", "How new the instructions are"):
            assert f"{title}</h" in page
        assert "To the nearest seed" not in page
        assert "Similarity to the nearest instruction of train.jsonl" in page
        assert "The Loire" in page


def test_exports_and_runs_stand_beside_each_other(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        path = grow(tmp_path / "run", server, tasks=3).path
    for name in ("alpaca", "parquet", "messages"):
        with Run.read(BOOTSTRAP, path) as run:
            export(run, name, tmp_path / name)
    page = page_of(path, tmp_path / "page", tmp_path / "alpaca", tmp_path / "parquet")
    for title in ("bootstrap: run", "data: alpaca", "data: parquet"):
        assert title in page
    assert "of them classification" in page_of(tmp_path / "parquet", tmp_path / "page2")


def test_rows_that_can_not_be_read_are_counted(lines: Path, tmp_path: Path) -> None:
    with lines.open("a") as file:
        file.write('{"instruction": 3, "output": "x"}\n')
    page = page_of(lines, tmp_path / "page")
    assert "1 rows or tasks can" in page
    assert "line 5" in page


def test_a_report_goes_beside_a_file(lines: Path) -> None:
    assert seedstep("report", lines).code == 0
    assert (lines.parent / "train-report" / "index.html").is_file()
    done = seedstep("report", f"hub:{lines.parent}")
    assert "no place for its report. Add --out DIR" in done.error


def test_what_is_neither_run_nor_data_is_refused(tmp_path: Path) -> None:
    for missing in (tmp_path / "nothing", tmp_path):
        with pytest.raises(RunError, match="is not a run"):
            write_report([missing], tmp_path / "page")
    with pytest.raises(InputError, match=r"rows\.jsonl: no such file"):
        write_report([tmp_path / "rows.jsonl"], tmp_path / "page")


def test_progress_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = ({"instruction": f"Name river {n}.", "output": "x"} for n in range(EVERY))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told: list[str] = []
    write_report([path], tmp_path / "page", tell=told.append)
    assert f"reading {path}" in told
    assert f"parsing instruction {EVERY} of {EVERY}" in told
    assert f"comparing instruction {EVERY} of {EVERY}" in told


def test_novelty_of_any_data(lines: Path, tmp_path: Path) -> None:
    for number, source in enumerate(_kinds(lines, tmp_path)):
        out = tmp_path / f"novel{number}.jsonl"
        report = filter_file(source, out, NoveltyFilter())
        assert (report.rows, report.kept) == (4, 2)
        kept = [json.loads(line)["output"] for line in out.read_text().splitlines()]
        assert kept == ["The Loire", "Blue and wide."]
        filter_file(source, out, NoveltyFilter(), annotate=True)
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [row["novelty_kept"] for row in rows] == [True, False, True, False]
        told = report.to_records()
        named = [name for name in rows[1] if name.startswith("novelty_")]
        assert [{name: row[name] for name in named} for row in told] == [
            {name: row[name] for name in named} for row in rows
        ]
        assert [*report.to_dataset()] == told
        with pytest.raises(InputError, match=r"question"):
            filter_file(source, tmp_path / "none.jsonl", NoveltyFilter("question"))
    with pytest.raises(InputError, match="the output is jsonl"):
        filter_file(f"hub:{lines.parent}", tmp_path / "novel.parquet", NoveltyFilter())


def test_novelty_of_an_export(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        path = grow(tmp_path / "run", server, tasks=3).path
    with Run.read(BOOTSTRAP, path) as run:
        export(run, "alpaca", tmp_path / "alpaca")
    done = seedstep("novelty", tmp_path / "alpaca", "--out", tmp_path / "novel.jsonl")
    assert done.code == 0, done.err
    assert " kept, in " in done.out


def test_one_test_set_may_be_given_or_several(lines: Path, tmp_path: Path) -> None:
    tests = tmp_path / "tests.jsonl"
    tests.write_text('{"instruction": "Name a river."}\n{"instruction": "Sing."}\n')
    tasks = [Task("river", "Name a river.", ()), Task("song", "Sing.", ())]
    given: list[Any] = [str(tests), tests, [tests], iter([tests]), tasks, [tasks], iter(tasks)]
    for number, sets in enumerate(given):
        written = write_report(lines, tmp_path / str(number), test_sets=sets)
        page = written.page.read_text("utf-8")
        name = "the given tasks" if number > 3 else "tests.jsonl"
        assert f"{name} (1)" in page
        assert f"{name} (2)" not in page
