"""A table of a paper, as an experiment made it, beside the printed values."""

import json
import re
import sqlite3
from contextlib import chdir
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from seedstep.errors import InputError, RunError
from seedstep.evaluate import METRICS, Metric, add_metric
from seedstep.evaluate.intervals import Value
from seedstep.recipes import predict, shipped_experiments
from seedstep.recipes.experiment import read_experiment
from seedstep.report.paper_layout import differences_cells, verdict
from seedstep.report.paper_tables import (
    PaperDifference,
    PrintedRow,
    agreement_of,
    paper_table,
    paper_tables,
    printed_table,
    printed_tables,
)
from seedstep.stages.directories import KeptExperiment, TableRequest, keep_experiment
from support.command_line import environment, run_process, seedstep
from support.predicting import write_word_tasks
from support.refusing import broken

GOLDEN = Path(__file__).parents[1] / "golden" / "paper_table.txt"

BASELINES = {
    "copy-input": "copy-input",
    "copy-demonstration": "copy-demonstration",
    "tk-instruct": "copy-demonstration",
    "longer": "copy-demonstration",
    "tuned-steps": "copy-input",
}
"""Systems of the table, and the baselines that stand for them."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment, with baselines in place of its models."""
    directory = tmp_path_factory.mktemp("table")
    write_word_tasks(directory, tasks=8)
    for name, baseline in BASELINES.items():
        model = f"baseline:{baseline}"
        predict(directory / "predictions", name=name, model=model, tasks=directory / "tasks")
    keep(directory)
    return directory


def keep(directory: Path, name: str = "ss-table-2", *unfinished: str) -> None:
    """Write that the experiment ran, and which of its stages are not finished."""
    stages = dict.fromkeys(unfinished, "stamp")
    request = TableRequest(printed=name, predictions="predictions")
    kept = KeptExperiment("smoke", {"model": "hf:tiny"}, stages, request, tuple(BASELINES))
    keep_experiment(directory, name, kept)


def test_it_fits_a_terminal_of_80_columns(made: Path) -> None:
    shown = run_process("table", made, env=environment(COLUMNS="80"))
    assert shown.code == 0, shown.err
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "\n".join(shown.lines) + "\n" == GOLDEN.read_text("utf-8")


def test_values_are_those_of_evaluate_and_compare(made: Path) -> None:
    (table,) = paper_tables(made)
    scores = json.loads(seedstep("evaluate", made / "predictions", "--format", "json").out)
    rows = {row.printed.system: row.value for row in table.rows if row.value}
    assert set(rows) == set(BASELINES)
    for score in scores:
        assert rows[score["system"]] == Value(**score["overall"]["rouge_l"])
    compared = seedstep(
        "compare", made / "predictions", "--name", "tuned-steps", "--name", "tk-instruct",
        "--format", "json",
    )  # fmt: skip
    (pair,) = json.loads(compared.out)
    ours = {(found.row.system, found.other.system): found.ours for found in table.differences}
    wanted = Value(**pair["comparison"]["overall"]["difference"])
    assert ours["tuned-steps", "tk-instruct"] == wanted
    assert wanted.value
    assert wanted.value > 50


def test_an_added_metric_does_not_change_it(made: Path) -> None:
    before = paper_tables(made)
    add_metric(Metric("mine", "mine", "raises an error", broken, of_tokens=True))
    try:
        assert paper_tables(made) == before
    finally:
        METRICS.pop()


def test_json_and_markdown_hold_the_same(made: Path, tmp_path: Path) -> None:
    (record,) = json.loads(seedstep("table", made, "--format", "json").out)
    assert record["source"] == "Step-by-Step Instruction Tuning, Table 2 (section 4.4)"
    (found,) = (each for each in record["differences"] if each["printed"])
    assert found["printed"] == {"Base": 1.0, "Large": 1.7, "3B": 1.9, "11B": 0.9}
    assert found["agreement"] == "agrees"
    assert seedstep("table", made, "--out", tmp_path / "table.md").code == 0
    text = (tmp_path / "table.md").read_text("utf-8")
    assert "| + Step-by-Step Instruction Tuning less Tk-Instruct |" in text
    assert "the same sign" in text


def test_what_is_half_done_is_shown_and_the_rest_is_said(tmp_path: Path) -> None:
    write_word_tasks(tmp_path, tasks=8)
    tasks = tmp_path / "tasks"
    predict(tmp_path / "predictions", name="tk-instruct", model="baseline:copy-input", tasks=tasks)
    unpredict(tmp_path / "predictions", 5)
    predict(tmp_path / "predictions", name="copy-input", model="baseline:copy-input")
    keep(tmp_path, "ss-table-2", "tune on longer", "report")
    shown = seedstep("table", "ss-table-2", "--in", tmp_path)
    assert "Tk-Instruct: 27 of 32 instances" in shown.words
    assert "2 stages are not finished: tune on longer, report" in shown.words
    table = paper_table(tmp_path, "ss-table-2")
    values = {row.printed.system: row.value for row in table.rows}
    assert values["copy-input"] is not None
    assert values["tk-instruct"] is values["tuned-steps"] is None
    assert {found.agreement for found in table.differences} == {"missing"}
    assert all(cells[1] == "-" for cells in differences_cells(table).rows)


def unpredict(run: Path, count: int) -> None:
    """Take some predictions out of a run, as if they had not been made yet."""
    with sqlite3.connect(run / "run.db") as database:
        database.execute(
            "DELETE FROM predictions WHERE rowid IN (SELECT rowid FROM predictions LIMIT ?)",
            (count,),
        )


def test_a_row_for_each_size_is_compared_with_the_one_before(tmp_path: Path) -> None:
    write_word_tasks(tmp_path, tasks=8)
    names = {
        "grown-100": "copy-input",
        "grown-9": "copy-demonstration",
        "untuned": "copy-input",
        "seeds": "copy-input",
        "distilled": "copy-demonstration",
    }
    for name, baseline in names.items():
        model = f"baseline:{baseline}"
        predict(tmp_path / "predictions", name=name, model=model, tasks=tmp_path / "tasks")
    keep(tmp_path, "si-figure-7")
    table = paper_table(tmp_path, "si-figure-7")
    assert [row.printed.method for row in table.rows][2:4] == [
        "9 generated instructions",
        "100 generated instructions",
    ]
    found = {(each.row.system, each.other.system): each.agreement for each in table.differences}
    assert found == {
        ("seeds", "untuned"): "not printed",
        ("grown-9", "seeds"): "disagrees",
        ("grown-100", "grown-9"): "agrees",
        ("distilled", "grown-100"): "disagrees",
    }


@pytest.mark.usefixtures("quick_figures")
def test_a_report_opens_on_the_differences_and_draws_the_sizes(tmp_path: Path) -> None:
    write_word_tasks(tmp_path, tasks=8)
    names = {"seeds": "copy-input", "grown-9": "copy-demonstration", "grown-100": "copy-input"}
    for name, baseline in names.items():
        model = f"baseline:{baseline}"
        predict(tmp_path / "predictions", name=name, model=model, tasks=tmp_path / "tasks")
    keep(tmp_path, "si-figure-7")
    predictions, out = tmp_path / "predictions", tmp_path / "report"
    assert seedstep("report", predictions, "--table", tmp_path, "--out", out).code == 0
    page = (out / "index.html").read_text("utf-8")
    first = page.partition("Self-Instruct, Figure 7 (section 4.5)")[0]
    assert "Does grown-9 do better than seeds?" in first
    assert (
        "prints +, for “9 generated instructions” against “the 175 seed tasks”: the other sign."
        in " ".join(page.split())
    )
    assert (out / "figures" / "1-sizes.svg").exists()
    assert (out / "figures" / "first-paper.svg").exists()


@pytest.mark.usefixtures("quick_figures")
def test_the_report_asks_each_comparison_once(made: Path, tmp_path: Path) -> None:
    def asked(against: str, *more: Path) -> list[tuple[str, str]]:
        out, runs = tmp_path / "report", (made / "predictions", *more)
        told = seedstep("report", *runs, "--table", made, "--against", against, "--out", out)
        assert told.code == 0, told.error
        page = (out / "index.html").read_text("utf-8")
        return re.findall("Does (.*) do better than (.*)[?]<", page)

    shown = asked("tk-instruct")
    assert shown.count(("tuned-steps", "tk-instruct")) == 1
    assert shown.count(("copy-input", "tk-instruct")) == 1
    for name in ("tk-instruct", "tuned-steps"):  # other systems of the same names
        model = "baseline:copy-input"
        predict(tmp_path / "other", name=name, model=model, tasks=made / "tasks")
    shown = asked("tk-instruct (other)", tmp_path / "other")
    assert ("tuned-steps (other)", "tk-instruct (other)") in shown


def test_an_experiment_that_has_predicted_nothing_yet(tmp_path: Path) -> None:
    keep(tmp_path, "ss-table-2", "suite")
    shown = seedstep("table", tmp_path)
    assert shown.code == 0
    assert "43.6 · 49.7 · 56.3 · 60.9" in shown.words
    assert "1 stage is not finished: suite" in shown.words


def test_bad_input_is_one_clear_error(tmp_path: Path) -> None:
    assert "no experiment with a table of a paper ran here" in seedstep("table", tmp_path).error
    with chdir(tmp_path):
        assert "there is no experiment 'ss-table-9'" in seedstep("table", "ss-table-9").error
        assert "seedstep run ss-table-3" in seedstep("table", "ss-table-3").error
    told = seedstep("table", "ss-table-2", "--in", tmp_path).error
    assert "Run it first: seedstep run ss-table-2" in told
    keep(tmp_path)
    told = seedstep("table", "ss-table-9", "--in", tmp_path).error
    assert "there is no experiment 'ss-table-9'" in told
    assert "ss-table-2" in told
    keep(tmp_path, "ss-table-0")
    with pytest.raises(InputError, match="no printed table 'ss-table-0'"):
        paper_tables(tmp_path)
    (tmp_path / "experiments.json").write_text("[")
    with pytest.raises(RunError, match=r"experiments\.json: can't be read"):
        paper_tables(tmp_path)


@pytest.mark.parametrize(
    "ours, printed, agreement, told",
    [
        ((1.0, 0.5, 1.5), {"3B": 1.9}, "agrees", "the same sign"),
        ((1.0, -0.5, 2.5), {"3B": 1.9}, "unsure", "the same sign, unsure"),
        ((1.0, None, None), {"3B": 1.9}, "unsure", "the same sign, unsure"),
        ((-1.0, -2.5, 0.5), {"3B": 1.9}, "other unsure", "the other sign, unsure"),
        ((-1.0, -2.5, -0.5), {"3B": 1.9}, "disagrees", "the other sign"),
        ((-1.0, -2.5, -0.5), {"Base": 0.6, "3B": -1.0}, "agrees", "3B's sign"),
        ((0.01, -2.5, 0.5), {"3B": 1.9}, "no difference", "no difference"),
        ((-1.0, -2.5, -0.5), {"GPT3": "+"}, "disagrees", "the other sign"),
        ((-1.0, -2.5, -0.5), {}, "not printed", ""),
        (None, {"3B": 1.9}, "missing", ""),
    ],
)
def test_the_sign_of_a_difference(
    ours: tuple[float | None, ...] | None, printed: dict[str, Any], agreement: Any, told: str
) -> None:
    value = Value(ours[0], ours[1], ours[2]) if ours else None
    assert agreement_of(value, list(printed.values())) == agreement
    row = PrintedRow("a", "A")
    assert verdict(PaperDifference(row, row, value, printed, agreement)) == told


def test_each_printed_table_is_whole() -> None:
    for name, table in printed_tables().items():
        systems = [row.system for row in table.rows]
        assert len(set(systems)) == len(systems), name
        for row in table.rows:
            assert set(row.against) <= set(systems) - {row.system}, name
            assert not row.differences or row.against, name


def test_printed_differences_are_those_of_the_paper() -> None:
    table = printed_table("ss-table-4")
    appended = table.row("appended")
    assert table.differences(appended, "tk-instruct") == {"Base": 1.0, "Large": 2.3, "3B": 0.9}
    shuffled = printed_table("ss-table-6").row("tuned-shuffled")
    assert printed_table("ss-table-6").differences(shuffled, "tuned-steps") == {"3B": -1.9}
    ratings = printed_table("si-figure-6")
    grown = ratings.row("self-instruct")
    assert ratings.differences(grown, "superni") == {"GPT3": "+"}
    assert ratings.differences(grown, "t0-training") == {"GPT3": "+"}
    sizes = printed_table("si-figure-7")
    assert sizes.differences(sizes.row("seeds"), "untuned") == {}


def test_each_shipped_experiment_names_a_printed_table_and_its_systems() -> None:
    for name, path in shipped_experiments().items():
        found = read_experiment(path)
        if found.table and found.table.predictions:
            rows = [row.system for row in printed_table(found.table.printed).rows]
            for system in found.systems:
                assert any(fnmatch(system, row) for row in rows), (name, system)
            assert len(found.systems) >= 3, name


def test_empty_answers_are_told_with_the_table(tmp_path: Path) -> None:
    write_word_tasks(tmp_path, tasks=8)
    for name in ("tk-instruct", "copy-input"):
        model = "baseline:copy-input"
        predict(tmp_path / "predictions", name=name, model=model, tasks=tmp_path / "tasks")
    with sqlite3.connect(tmp_path / "predictions" / "run.db") as database:
        change = "UPDATE predictions SET text = '' WHERE place < 5 AND system = 'tk-instruct'"
        database.execute(change)
    keep(tmp_path)
    said = "tk-instruct: of 32 answers 5 are empty"
    shown = seedstep("table", "ss-table-2", "--in", tmp_path)
    assert said in shown.words
    (record,) = json.loads(seedstep("table", tmp_path, "--format", "json").out)
    assert said in record["remarks"]
    seedstep("table", tmp_path, "--out", tmp_path / "table.md")
    assert "answers 5 are empty" in (tmp_path / "table.md").read_text("utf-8")
