"""`seedstep report` over real runs: what is in the page and beside it, and what goes wrong."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from seedstep import predict, write_instructions
from seedstep.bootstrap import REASONS
from seedstep.data import seed_tasks
from seedstep.report import write_report
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.answer_files import run_with_predictions, write_lines, write_tasks
from support.command_line import chat_reply, json_of, seedstep
from support.growing import files_of, grow
from support.judging import Answered, by_length
from support.predicting import answered, word_model, write_word_tasks
from support.predicting import asked_of as predictions_asked_of
from support.reports import HTML, WrittenReport, report, rows, titles, words
from support.scripted_server import ScriptedServer
from support.step_server import boat_task, strong_model

PRICES = {"scripted": {"input": 1.0, "output": 2.0}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of several stages."""
    folder = tmp_path_factory.mktemp("runs")
    with ScriptedServer() as server:
        grow(folder / "grown", server, tasks=12, prices=PRICES)
    with ScriptedServer(strong_model) as server:
        tasks = write_lines(folder / "boats.jsonl", [task_record(number) for number in range(12)])
        asked: dict[str, Any] = {
            "model": "openai:scripted",
            "base_url": server.url,
            "tasks": str(tasks),
        }
        write_instructions(folder / "steps", **asked).close()
    (folder / "tuned").mkdir()
    losses = [{"step": n, "loss": 3 / n} for n in range(1, 9)] + [{"step": 8, "held_out_loss": 1.0}]
    write_lines(folder / "tuned" / "metrics.jsonl", losses)
    (folder / "tuned" / "tune.yaml").write_text("model: local\nbase_url: http://secret\n")
    return folder


def task_record(number: int) -> dict[str, Any]:
    task = boat_task(number)
    return {
        "id": task.id,
        "definition": task.definition,
        "category": "Summarization" if number % 2 else task.category,
        "positive_examples": [
            {"input": example.input, "output": example.output} for example in task.positive_examples
        ],
    }


@pytest.fixture(scope="module")
def grown(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    """The report over a bootstrap."""
    folder = tmp_path_factory.mktemp("reports") / "grown"
    return WrittenReport(folder, *report(runs / "grown", folder))


class TestGrown:
    def test_what_is_said_is_what_the_run_has(self, grown: WrittenReport) -> None:
        page = grown.page
        assert grown.done.out.split()[-1] == str(grown.folder / "index.html")
        assert titles(page) == [
            "What was made",
            "Lengths",
            "What the instructions ask for",
            "How diverse the instructions are",
            "How new the instructions are",
            "Accepted and rejected",
            "Labels of the classification tasks",
            "Cost and speed",
            "Some of the tasks",
        ]
        sizes = rows(page, "Sizes and mean lengths (Self-Instruct, Table 1)")
        assert sizes[1] == ["instructions", "12", "52,445"]
        assert sizes[3][0] == "instances"
        what = dict(rows(page, "What it took")[1:])
        assert float(what["US dollars"]) > 0
        assert int(what["requests answered"]) > 12

    def test_rejections_are_counted_and_shown_by_reason(
        self, runs: Path, grown: WrittenReport
    ) -> None:
        with Run.read(BOOTSTRAP, runs / "grown") as run:
            status, rejected = run.status(), run.records.rejected()
        for caption, counts in (
            ("Rejected instructions", status.rejected),
            ("Rejected instances", status.bad_instances),
        ):
            assert counts
            told = dict(rows(grown.page, caption)[1:])
            assert told == {name: str(n) for name, n in counts.items()}
        text = words(grown.page)
        for reason, count in status.rejected.items():
            assert f"{reason}: {REASONS[reason]} ({min(count, 3)} of {count})" in text
            shown = [row[2] for row in rejected if row[1] == reason][:3]
            assert all(instruction in text for instruction in shown)
        assert "nearest known instruction, ROUGE-L" in text

    def test_every_figure_lies_beside_it_twice(self, grown: WrittenReport) -> None:
        drawn = len([*grown.page.iter(f"{HTML}figure")])
        figures = grown.folder / "figures"
        names = {path.stem for path in figures.glob("*.svg")}
        assert names == {path.stem for path in figures.glob("*.png")}
        assert len(names) == drawn == int(grown.done.out.split()[3])
        assert "1-structure" in names
        assert all(re.fullmatch(r"(1|first)-[a-z-]+", name) for name in names)

    @pytest.mark.parametrize("flag", ["--test-set", "--against"])  # the second as in 0.1.0
    @pytest.mark.usefixtures("quick_figures")
    def test_test_sets_are_compared_with(self, flag: str, runs: Path, tmp_path: Path) -> None:
        lines = [
            {"instruction": seed_tasks()[0].definition, "input": "never compared with"},
            {"instruction": "Zzz."},
        ]
        tests = write_lines(tmp_path / "tests.jsonl", lines)
        _, page = report(runs / "grown", flag, tests, tmp_path / "out")
        assert "Overlap with test sets" in titles(page)
        found = rows(page, "Similarity to the nearest instruction of tests.jsonl (1)")
        assert ["Seeds", "0.95 to 1.00", "1"] in found
        assert "never compared with" not in words(page)

    @pytest.mark.usefixtures("quick_figures")
    def test_the_default_place_is_in_the_run_and_a_report_is_replaced(
        self, runs: Path, tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        shutil.copytree(runs / "grown", run)
        for _ in range(2):
            assert seedstep("report", run).code == 0
        names = {path.name for path in (run / "report").iterdir()}
        assert names == {"index.html", "figures", ".seedstep-report.json"}
        assert seedstep("status", run).code == 0

    def test_the_same_runs_give_the_same_bytes(
        self, runs: Path, grown: WrittenReport, tmp_path: Path
    ) -> None:
        write_report([runs / "grown"], tmp_path / "again")
        assert files_of(tmp_path / "again") == files_of(grown.folder)

    @pytest.mark.usefixtures("quick_figures")
    def test_addresses_are_not_told(self, runs: Path, tmp_path: Path) -> None:
        _, page = report(runs / "grown", runs / "tuned", tmp_path / "out")
        assert "127.0.0.1" not in words(page)
        assert "secret" not in words(page)
        assert "openai:scripted" in words(page)


@pytest.mark.usefixtures("quick_figures")
class TestOtherStages:
    def test_steps_with_their_faults_by_category(self, runs: Path, tmp_path: Path) -> None:
        _, page = report(runs / "steps", tmp_path / "out")
        sizes = rows(page, "Step-by-step instructions by category (Table 1 of the paper)")
        assert [row[:2] for row in sizes[1:]] == [
            ["all", "12"],
            ["the paper's training tasks", "756"],
            ["the paper's test tasks", "119"],
            ["Summarization", "6"],
            ["Title Generation", "6"],
        ]
        faults = rows(page, "Tasks with a fault, by category")
        assert faults[0][2:] == ["iterates"]
        assert int(faults[1][2]) == sum(int(row[2]) for row in faults[2:]) > 0
        assert "refusal: the reply is a refusal or an apology" in words(page)

    def test_losses_of_a_tuning(self, runs: Path, tmp_path: Path) -> None:
        _, page = report(runs / "tuned", tmp_path / "out")
        found = rows(page, "Mean loss of a target token")
        assert found[1] == ["training", "1", "3"]
        assert found[-1] == ["held-out tasks", "8", "1"]
        assert "least after step 8: 1.000" in words(page)

    @pytest.mark.parametrize("flags", [(), ("--against", "tuned"), ("--against", "base")])
    def test_comparisons_have_the_sign_that_compare_gives_them(
        self, flags: tuple[str, ...], tmp_path: Path
    ) -> None:
        run = run_with_predictions(tmp_path / "run", write_tasks(tmp_path / "tasks.jsonl"))
        _, page = report(run, *flags, tmp_path / "out")
        (found,) = json_of("compare", run, *flags)
        first, second = found["first"], found["second"]
        assert titles(page) == ["Scores", f"{first} against {second}"]
        value = found["comparison"]["overall"]["difference"]["value"]
        assert abs(value) == 12.5
        assert rows(page, f"{first} and {second}, by category")[1][6] == f"{value:+.1f}"

    def test_a_system_that_is_not_there_is_told_with_those_that_are(self, tmp_path: Path) -> None:
        run = run_with_predictions(tmp_path / "run", write_tasks(tmp_path / "tasks.jsonl"))
        error = seedstep("report", run, "--against", "untuned", "--out", tmp_path / "out").error
        assert "there is no system 'untuned'" in error
        assert "known are base, tuned" in error
        assert "--test-set" in error
        assert not (tmp_path / "out").exists()

    def test_a_system_compared_with_another(self, tmp_path: Path) -> None:
        tasks = write_tasks(tmp_path / "tasks.jsonl")
        run = run_with_predictions(tmp_path / "run", tasks)
        _, page = report(run, "--against", "base", tmp_path / "out")
        assert titles(page) == ["Scores", "tuned against base"]
        assert rows(page, "Scores, with 95% intervals over tasks")[1][0] == "base"
        found = rows(page, "Scores by category, without intervals, which need 6 tasks at least")
        assert found[0] == ["category", "metric", "base", "tuned"]
        assert [row[:2] for row in found[1:]] == [
            ["Textual Entailment", "exact match"],
            ["Title Generation", "ROUGE-L"],
        ]
        found = rows(page, "tuned and base, by category")
        assert [row[0] for row in found[1:]] == [
            "all",
            "all, exact match",
            "Textual Entailment",
            "Title Generation",
        ]
        assert found[1][4:7] == ["100.0", "87.5", "+12.5"]
        text = words(page)
        assert "base: 0 predictions are missing and 2 failed; they count as empty." in text
        absent = "base: 2 predictions missing or failed, counted as empty."
        assert text.count(absent) == 2, "with the answer at the top, and with the comparison"
        assert f"Note: {absent}" in text
        assert "Most improved (1 of 8 tasks)" in text
        assert "Least improved" not in text
        assert "t7: exact match 100.0 and 0.0" in text
        assert "answer of base (none)" in text
        assert "answer of tuned R7 B0" in text

    def test_each_system_is_compared_with_several_baselines_once(self, tmp_path: Path) -> None:
        run = run_with_predictions(tmp_path / "run", write_tasks(tmp_path / "tasks.jsonl"))
        _, page = report(run, "--against", "base", "--against", "tuned", tmp_path / "out")
        assert titles(page) == ["Scores", "tuned against base"]

    def test_real_predictions_of_two_runs_that_call_their_systems_alike(
        self, tmp_path: Path
    ) -> None:
        tasks = write_word_tasks(tmp_path / "ni")
        runs = [tmp_path / name for name in ("before", "after")]
        shout = word_model()
        with ScriptedServer(lambda _, body: answered(body, "no")) as silent:
            predict(runs[0], **predictions_asked_of(silent, tasks)).close()
        with ScriptedServer(shout) as server:
            predict(runs[1], **predictions_asked_of(server, tasks)).close()
        system, other = "openai:scripted (before)", "openai:scripted (after)"
        _, page = report(*runs, "--against", system, tmp_path / "out")
        found = rows(page, "Scores, without intervals, which need 6 tasks at least")
        assert [row[0] for row in found[1:]] == [system, other]
        assert titles(page) == ["Scores", f"{other} against {system}"]
        text = words(page)
        assert "Most improved (3 of 3 tasks)" in text
        assert f"answer of {other} WORD0X0 answer of {system} no" in text

    def test_verdicts_of_a_judge_come_before_how_things_were_made(
        self, runs: Path, tmp_path: Path
    ) -> None:
        with ScriptedServer(by_length) as server:
            made = Answered(tmp_path, server, t0_0="prose")
            made.judged("rated")
            made.judged("compared", mode="pairwise")
        names = (runs / "tuned", tmp_path / "rated", tmp_path / "compared")
        _, page = report(*names, tmp_path / "out")
        heads = [heading.text for heading in page.iter(f"{HTML}h2")]
        assert heads == ["judge: rated", "judge: compared", "tune: tuned"]
        assert titles(page)[0::2] == ["Ratings", "Preferences", "Losses"]
        assert rows(page, "Answers on each level")[3] == ["secret-good", "C", "15", "100.0"]
        found = rows(page, "Wins, losses and ties of the first system")
        assert found[1] == ["secret-good / secret-poor", "win", "15", "100.0"]
        text = words(page)
        assert text.count("the verdict could not be read, twice") == 2
        assert f"sources{made.systems[0][:100]}" in text
        assert "names" not in {term.text for term in page.iter(f"{HTML}dt")}

    def test_all_at_once(self, runs: Path, tmp_path: Path) -> None:
        names = ("grown", "steps", "tuned")
        _, page = report(*(runs / name for name in names), tmp_path / "out")
        heads = [heading.text for heading in page.iter(f"{HTML}h2")]
        assert heads == ["What was found", "bootstrap: grown", "steps: steps", "tune: tuned"]
        assert page.find(f".//{HTML}h1").text == "What was grown from the seeds?"
        told = [element.text for element in page.find(f".//{HTML}main").iter(f"{HTML}strong")]
        assert told[:2] == [
            "How new are the instructions?",
            "Do the tasks have step-by-step instructions?",
        ]


class TestWhatIsMissing:
    @pytest.mark.usefixtures("quick_figures")
    def test_a_parser_costs_one_line(
        self, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "spacy", None)
        done, page = report(runs / "grown", tmp_path / "out")
        assert done.err.count("\n") == 1
        assert "spacy download en_core_web_sm" in done.err
        assert "spacy download en_core_web_sm" in words(page)
        assert not (tmp_path / "out" / "figures" / "1-structure.svg").exists()

    @pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
    def test_without_the_extra_there_is_no_report(
        self, package: str, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, package, None)
        done = seedstep("report", runs / "grown", "--out", tmp_path / "out")
        assert "pip install 'seedstep[report]'" in done.error
        assert not (tmp_path / "out").exists()

    @pytest.mark.usefixtures("quick_figures")
    def test_a_run_that_has_made_nothing_yet(self, tmp_path: Path, server: ScriptedServer) -> None:
        server.script = lambda number, body: chat_reply("nothing")
        grow(tmp_path / "run", server, tasks=3, patience=2)
        _, page = report(tmp_path / "run", tmp_path / "out")
        assert rows(page, "Sizes and mean lengths (Self-Instruct, Table 1)")[1][1] == "0"
        assert "Lengths" not in titles(page)

    def test_wrong_directories(self, runs: Path, tmp_path: Path) -> None:
        assert "is not a run" in seedstep("report", tmp_path, "--out", tmp_path / "out").error
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("years of work")
        done = seedstep("report", runs / "tuned", "--out", tmp_path / "mine")
        assert "holds other files" in done.error
        missing = tmp_path / "missing.jsonl"
        done = seedstep("report", runs / "tuned", "--against", missing, "--out", tmp_path / "out")
        assert "missing.jsonl" in done.error
        assert {path.name for path in tmp_path.iterdir()} == {"mine"}
