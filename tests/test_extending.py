"""One of each added from outside the package: what comes of it is found wherever results are."""

import asyncio
import csv
import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from seedstep import export, open_run, predict, self_instruct, write_instructions
from seedstep.bootstrap import (
    FILTERS,
    CandidateReply,
    Filter,
    InstanceFilter,
    InstructionFilter,
)
from seedstep.bootstrap.added_filters import check_filters
from seedstep.cli import app
from seedstep.data import Instance, Task
from seedstep.errors import InputError, RunMismatchError, StoreError
from seedstep.evaluate import METRICS, Metric, Prediction, Reference, ScoredPair, score
from seedstep.evaluate.compare import compare_with_first, evaluated
from seedstep.evaluate.metrics import compared_metrics
from seedstep.evaluate.systems import comparison_table, group_table, overall_table
from seedstep.evaluate.tables import comparisons_json, scores_csv, scores_json
from seedstep.exports import ExportFormat, ExportSource, write_lines
from seedstep.inputs.tasks import load_source
from seedstep.llm import Failure, Request
from seedstep.recipes import evaluate_systems
from seedstep.report import (
    SECTIONS,
    Paragraph,
    ReportContext,
    ReportSection,
    Section,
    write_report,
)
from seedstep.report.data_files import is_data
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP, STAGES
from seedstep.steps import CHECKS, Check, ParsedSteps
from seedstep.tune.settings import make_source
from support.command_line import seedstep
from support.growing import asked_of
from support.pages import ROOT, blocks_of
from support.predicting import asked_of as predict_asked_of
from support.predicting import word_model, write_word_tasks
from support.scripted_server import ScriptedServer
from support.sifting import sifted
from support.step_server import STEPS, chat, numbered
from test_starting import loaded_by

EVEN = InstructionFilter(
    "even", "an even number of letters", lambda text: len(text) % 2 == 0 and f"{len(text)} letters"
)
SECOND = InstanceFilter(
    "second", "a second answer", lambda reply, place: output_of(reply, place) == "answer 1"
)


def output_of(reply: CandidateReply, place: int) -> str:
    return reply.instances[place].output


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bootstrap with two filters of our own."""
    path = tmp_path_factory.mktemp("extending") / "run"
    with ScriptedServer() as server:
        asked = asked_of(server, tasks=4, window=2)
        self_instruct(path, filters=[*FILTERS, EVEN, SECOND], **asked).close()
    return path


class TestAFilter:
    def test_what_it_rejects_is_told_with_its_meaning(self, grown: Path) -> None:
        with open_run(grown, BOOTSTRAP) as run:
            counts = {**run.status().rejected, **run.status().bad_instances}
            assert all(len(task.definition) % 2 for task in run.tasks())
            outputs = {instance.output for task in run.tasks() for instance in task.instances}
        assert "answer 0" in outputs
        assert "answer 1" not in outputs
        status = seedstep("status", grown).lines
        for mine in (EVEN, SECOND):
            (row,) = (line for line in status if f" {mine.name} " in line)
            assert row.split()[2] == str(counts[mine.name])
            assert row.endswith(mine.meaning)
        rejected = seedstep("show", grown, "--rejected").lines
        name = next(line.split()[0] for line in rejected if " even: " in line)
        assert re.search(r"rejected: even \(\d+ letters\)", seedstep("show", grown, name).out)

    def test_the_run_goes_on_with_it_only(self, grown: Path) -> None:
        with ScriptedServer() as server, pytest.raises(RunMismatchError) as told:
            self_instruct(grown, **asked_of(server, tasks=4))
        assert told.value.remedy.startswith("pass the same `filters=` from Python, and leave the")

    def test_it_comes_in_its_place(self) -> None:
        found = (Instance("b a", ("a b",)), Instance("b", ("",)))
        mine = InstanceFilter("mine", "anything", lambda reply, place: True)
        for filters, reasons in (
            ([mine, *FILTERS], ["mine", "mine"]),
            ([*FILTERS, mine], ["mine", "empty_output"]),
        ):
            kept = sifted("Sort them.", *found, filters=filters)
            assert [instance.reason for instance in kept.rejected_instances] == reasons

    @pytest.mark.parametrize("name", ["too_short", "not_novel"])
    def test_a_name_stands_for_one_reason(self, name: str) -> None:
        twice: list[Filter] = [*FILTERS, InstructionFilter(name, "", lambda text: None)]
        with pytest.raises(InputError, match=f"'{name}' stands for two reasons"):
            check_filters(twice)


def same_start(pair: ScoredPair) -> float:
    return float(pair.prediction.text[:1] == pair.reference.text[:1])


START = Metric("start", "same start", "1 where both begin alike", same_start, ("Naming",))


REFERENCES = {
    f"{task}-{n}": Reference(task, category, ("Ant", "bee"))
    for task, category in (("t1", "Naming"), ("t2", "Sorting"))
    for n in range(2)
}


class TestAMetric:
    def systems(self, metrics: Sequence[Metric]) -> list[Any]:
        return [
            evaluated(
                name,
                score(
                    [Prediction("", key, text) for key in REFERENCES],
                    REFERENCES,
                    metrics=metrics,
                ),
                "category",
            )
            for name, text in (("ours", "Apple"), ("theirs", "cat"))
        ]

    def test_tables_figures_and_files_have_it(self) -> None:
        systems = self.systems([*METRICS, START])
        head, rows = overall_table(systems)
        assert [row[head.index("same start")] for row in rows] == ["100.0", "0.0"]
        groups = group_table(systems)
        assert groups
        assert [row[1] for row in groups.rows] == ["same start", "ROUGE-L"]
        assert json.loads(scores_json(systems))[0]["overall"]["start"]["value"] == 100.0
        assert ",start,100.0," in scores_csv(systems)
        pairings = compare_with_first(systems)
        titles = [metric.title for metric in (*compared_metrics(METRICS), START)]
        assert titles[:2] == ["ROUGE-L", "exact match"]
        assert [row[1] for row in comparison_table(pairings[0]).rows][: len(titles)] == titles
        comparison = json.loads(comparisons_json(pairings))[0]["comparison"]
        assert comparison["start"]["difference"]["value"] == 100.0
        assert comparison["start"]["metric"] == "start"

    def test_it_may_stand_alone(self) -> None:
        (pairing,) = compare_with_first(self.systems([START]))
        assert pairing.comparison.mcnemar is None
        assert pairing.comparison.overall.metric is START
        assert pairing.comparison.categories["Sorting"].metric is START

    def test_of_tokens_it_says_how_many_references_have_none(self) -> None:
        references = {"t-1": Reference("t", "", ("+",)), "t-2": Reference("t", "", ("Ant",))}
        answers = [Prediction("t", key, "Ant") for key in references]
        reasons = {}
        for of_tokens in (True, False):
            mine = replace(START, of_tokens=of_tokens)
            scored = score(answers, references, metrics=[mine])
            systems = [evaluated(name, scored, "task") for name in ("ours", "theirs")]
            found = (systems[0].overall.of("start"), systems[0].groups["t"].of("start"))
            (pairing,) = compare_with_first(systems)
            values = (*found, pairing.comparison.overall.difference)
            reasons[of_tokens] = ["1 of 2 references have no tokens" in v.reason for v in values]
        assert reasons == {True: [True] * 3, False: [False] * 3}

    def test_names_are_different(self) -> None:
        with pytest.raises(InputError, match="two metrics are called 'start'"):
            self.systems([START, START])
        with pytest.raises(InputError, match="no metric"):
            self.systems([])

    def test_a_run_keeps_it_and_status_tells_it(self, tmp_path: Path) -> None:
        tasks = write_word_tasks(tmp_path / "tasks")
        with ScriptedServer(word_model()) as server:
            predict(tmp_path / "run", **predict_asked_of(server, tasks)).close()
        evaluate_systems([tmp_path / "run"], metrics=[*METRICS, START])
        with closing(sqlite3.connect(tmp_path / "run" / "run.db")) as database:
            kept = database.execute("SELECT value FROM scores WHERE metric = 'start'").fetchall()
        assert kept == [(100.0,)]
        status = seedstep("status", tmp_path / "run").out
        assert "start" in status.split()
        done = write_report(tmp_path / "run", tmp_path / "report", metrics=[*METRICS, START])
        assert START.title in done.page.read_text()
        without = write_report(tmp_path / "run", tmp_path / "other").page.read_text()
        assert START.title not in without


def test_an_export_format(grown: Path, tmp_path: Path) -> None:
    def write(source: ExportSource, folder: Path) -> int:
        lines = ({"text": row.request, "end": source.end_of_text} for row in source.rows())
        return write_lines(lines, folder / "train.jsonl")

    mine = ExportFormat("texts", "the request alone", write)
    with open_run(grown, BOOTSTRAP) as run:
        count = export(run, mine, tmp_path / "out", end_of_text="</s>")
        wanted = sum(len(task.instances) for task in run.tasks())
        with pytest.raises(InputError, match="'texts'"):
            export(run, "texts", tmp_path / "other")
    lines = list(map(json.loads, (tmp_path / "out" / "train.jsonl").read_text().splitlines()))
    assert 0 < count == len(lines) <= wanted
    assert {line["end"] for line in lines} == {"</s>"}


def test_an_export_format_is_read_again(grown: Path, tmp_path: Path) -> None:
    """By the name of its file alone; and one that has no such file is refused."""

    def write(name: str) -> Callable[[ExportSource, Path], int]:
        def as_csv(source: ExportSource, folder: Path) -> int:
            with (folder / name).open("w", newline="") as file:
                lines = csv.writer(file)
                lines.writerow(["instruction", "context", "response"])
                rows = [(row.instruction, row.input, row.output) for row in source.rows()]
                lines.writerows(rows)
            return len(rows)

        return as_csv

    count = export(grown, ExportFormat("csv", "a row", write("train.csv")), tmp_path / "again")
    read = load_source(make_source(str(tmp_path / "again"))).tasks
    assert count == sum(len(task.instances) for task in read) > 0
    assert is_data(tmp_path / "again")
    export(grown, ExportFormat("csv", "a row", write("rows.txt")), tmp_path / "other")
    with pytest.raises(InputError, match=r"'csv', which can't be read.* train.jsonl, train.csv, "):
        load_source(make_source(str(tmp_path / "other")))


def test_a_section_of_the_report(grown: Path, tmp_path: Path) -> None:
    def questions(runs: Sequence[Run[Any, Any, Any]], context: ReportContext) -> list[Section]:
        return [Section("Questions", (Paragraph(f"{len(runs[0].tasks())} were read."),))]

    mine = ReportSection("questions", "what is asked", questions, stages=("bootstrap",))
    done = write_report([grown], tmp_path / "report", sections=[*SECTIONS, mine])
    page = done.page.read_text()
    assert "4 were read." in page
    assert "Cost and speed" in page
    others = write_report([grown], tmp_path / "alone", sections=[mine]).page.read_text()
    assert "4 were read." in others
    assert "Cost and speed" not in others
    assert EVEN.meaning in page


def test_a_check_of_instructions(tmp_path: Path) -> None:
    def polite(parsed: ParsedSteps, task: Task) -> str:
        return next((step for step in parsed.steps if "Please" in step), "")

    tasks = write_word_tasks(tmp_path / "tasks", tasks=1)
    asked: list[str] = []

    def begging(number: int, body: dict[str, Any]) -> Any:
        asked.append(body["messages"][-1]["content"])
        begs = not any("A step begs" in text for text in asked)
        return chat(numbered("Please read the word.", "Write it.") if begs else numbered(*STEPS))

    with ScriptedServer(begging) as server:
        run = write_instructions(
            tmp_path / "run",
            checks={**CHECKS, "polite": Check(polite, "A step begs: {}")},
            **predict_asked_of(server, tasks, refine="none", repairs=1),
        )
    with run:
        (entry,) = run.entries()
    assert any("A step begs: Please read the word." in text for text in asked)
    assert entry.result.repairs == 1
    assert "Please" not in "".join(entry.result.steps)


def test_a_command(grown: Path) -> None:
    def longest(run: Annotated[Path, typer.Argument(help="The run's directory.")]) -> None:
        """Print the longest instruction."""
        with open_run(run, BOOTSTRAP) as opened:
            typer.echo(max((task.definition for task in opened.tasks()), key=len))

    before = list(app.registered_commands)
    app.command("longest")(longest)
    try:
        done = seedstep("longest", grown)
        helped = seedstep("--help").out
    finally:
        app.registered_commands[:] = before
    with open_run(grown, BOOTSTRAP) as run:
        assert done.out.strip() in {task.definition for task in run.tasks()}
    assert "Print the longest instruction." in helped


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of stages for one test."""
    monkeypatch.setattr(STAGES, "entries", dict(STAGES.entries))


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory, as the current one."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("stages")
class TestTheStageOfThePage:
    """The stage in docs/extending.md, as somebody who copies it has it."""

    @pytest.fixture
    def program(self) -> str:
        blocks = blocks_of(ROOT / "docs" / "extending.md")
        (text,) = (block.text for block in blocks if "add_stage(" in block.text)
        return text

    @pytest.mark.usefixtures("in_a_folder")
    def test_it_runs_twice(self, program: str) -> None:
        for _ in range(2):
            exec(program, {"__name__": "__main__"})
        with open_run("runs/count") as run:
            assert [entry.task for entry in run.entries()] == ["sort", "name"]
            assert run.records.left() == []

    @pytest.mark.usefixtures("in_a_folder")
    def test_a_record_that_is_there_is_told(self, program: str) -> None:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(program, names)
        with Run.start(STAGES["count"], Path("runs/count"), {}) as run:
            (task, _) = run.inputs().tasks
            with pytest.raises(StoreError, match=r"written already.*left") as told:
                run.records.write_now([(0, task, names["CountedWords"](2))])
        assert "disk" not in str(told.value)


def test_the_page_says_which_requests_are_asked_again() -> None:
    """By the keys of the engine; and what it imports does not load the engine."""
    blocks = [block.text for block in blocks_of(ROOT / "docs" / "extending.md")]
    (text,) = (text for text in blocks if "def unanswered(" in text)
    loaded = loaded_by(text)
    assert "seedstep.llm.records" in loaded
    assert "aiohttp" not in loaded
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(text, names)

    class Asked:
        def key(self, request: Request) -> str:
            return request.prompt[0].content  # type: ignore[union-attr]

        async def ask(self, request: Request) -> Any:
            return Failure("refused", "")

    failed = asyncio.run(names["answered"](Task("a", "Sort it.", ()), Asked()))
    assert (failed.failure, names["unanswered"](failed)) == ("refused", ("Sort it.",))
    assert names["unanswered"](names["AnsweredTask"]("b", key="Sort it.")) == ()
