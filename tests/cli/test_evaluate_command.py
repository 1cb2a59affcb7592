"""`seedstep evaluate` from files to tables: nothing changes a denominator in silence."""

import asyncio
import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from rouge_score.rouge_scorer import RougeScorer

from seedstep.errors import InputError
from seedstep.evaluate import METRICS
from seedstep.infer.settings import PredictSettings
from seedstep.inputs import read_systems
from seedstep.runs import Run, kept_scores
from seedstep.runs.predictions import ChosenSystem
from seedstep.stages import PREDICT, STEPS
from support.answer_files import (
    CATEGORIES,
    right,
    run_with_predictions,
    write_lines,
    write_predictions,
    write_tasks,
)
from support.command_line import UNSAFE, json_of, seedstep
from support.task_files import write_split, write_task

WRONG = dict.fromkeys(right(), "something else")


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return write_tasks(tmp_path / "tasks.jsonl")


class TestScores:
    def test_a_row_for_each_system(self, tasks: Path, tmp_path: Path) -> None:
        good = write_predictions(tmp_path / "good.jsonl", right())
        half = write_predictions(tmp_path / "half.jsonl", {**WRONG, "t0-0": "R0 B0"})
        done = seedstep("evaluate", good, half, "--tasks", tasks)
        assert done.code == 0
        rows = [line.split() for line in done.lines]
        assert rows[0][:3] == ["system", "ROUGE-L", "ROUGE-1"]
        assert rows[1][:4] == ["good", *["100.0"] * 3]
        assert rows[2][:6] == ["[100.0,", "100.0]"] * 3
        assert done.out.split().count("16") == done.out.split().count("8") == 2
        assert rows[3][:2] == ["half", "6.2"]
        assert "Scores from 0 to 100 with 95% intervals over tasks." in done.out
        assert "missing" not in done.out

    def test_few_tasks_are_said_to_have_no_intervals(self, tasks: Path, tmp_path: Path) -> None:
        good = write_predictions(tmp_path / "good.jsonl", right())
        other = write_predictions(tmp_path / "other.jsonl", right())
        first = tmp_path / "first.jsonl"
        first.write_text("".join(tasks.read_text().splitlines(keepends=True)[:5]))
        few = (good, other, "--tasks", first)
        said = "without intervals, which need 6 tasks at least."
        assert f"Scores from 0 to 100 {said}" in seedstep("evaluate", *few).out
        assert f"Differences {said}" in seedstep("compare", *few).out

    def test_scores_are_those_of_rouge_score(self, tasks: Path, tmp_path: Path) -> None:
        texts = {name: text.lower().replace("b1", "c d") for name, text in right().items()}
        path = write_predictions(tmp_path / "p.jsonl", texts)
        (found,) = json_of("evaluate", path, "--tasks", tasks, "--by", "task")
        scorer = RougeScorer(["rouge1", "rougeL"], use_stemmer=True)
        for metric, name in (("rouge_l", "rougeL"), ("rouge_1", "rouge1")):
            scores = [
                scorer.score(right()[instance], texts[instance])[name].fmeasure
                for instance in right()
            ]
            expected = 100 * sum(scores) / len(scores)
            assert found["overall"][metric]["value"] == pytest.approx(expected, abs=1e-9)
        assert list(found["task"]) == [f"t{n}" for n in range(8)]
        assert found["task"]["t0"]["rouge_l"]["reason"].startswith("1 task:")

    def test_categories_are_shown_by_their_published_metric(
        self, tasks: Path, tmp_path: Path
    ) -> None:
        path = write_predictions(tmp_path / "p.jsonl", right())
        lines = seedstep("evaluate", path, "--tasks", tasks).lines
        shown = [line.split("  ") for line in lines if line.startswith(CATEGORIES)]
        assert [[cell.strip() for cell in row if cell][:2] for row in shown] == [
            ["Textual Entailment", "exact match"],
            ["Title Generation", "ROUGE-L"],
        ]
        overall = seedstep("evaluate", path, "--tasks", tasks, "--by", "overall").out
        assert "Title Generation" not in overall

    def test_a_split_and_the_first_instances(self, tmp_path: Path) -> None:
        for name in ("task1_a", "task2_b"):
            instances = [{"id": f"{name}-{n}", "input": "x", "output": ["y"]} for n in range(5)]
            record = {"Definition": ["Sort."], "Categories": ["Sorting"], "Instances": instances}
            write_task(tmp_path / "ni" / "tasks" / f"{name}.json", record)
        write_split(tmp_path / "ni", "test", "task2_b\n")
        path = write_predictions(tmp_path / "p.jsonl", {"task2_b-0": "y", "task2_b-4": "y"})
        flags = ("--tasks", tmp_path / "ni", "--split", "test")
        (whole,) = json_of("evaluate", path, *flags)
        assert (whole["overall"]["instances"], whole["overall"]["missing"]) == (5, 3)
        (part,) = json_of("evaluate", path, *flags, "--limit-instances", 2)
        assert part["overall"]["exact_match"]["value"] == 50.0
        assert part["left_out"] == [f"{path}, line 2: there is no instance 'task2_b-4'"]

    def test_the_published_answers_of_eight_models(self, shared_data: Path) -> None:
        folder = shared_data / "self_instruct"
        answers = sorted((folder / "human_eval_predictions").glob("*.jsonl"))
        found = json_of(
            "evaluate", *answers, "--tasks", folder / "user_oriented_instructions.jsonl"
        )
        scores = {scores["system"]: scores["overall"]["rouge_l"]["value"] for scores in found}
        assert {scores["overall"]["tasks"] for scores in found} == {252}
        assert not any(scores["missing"] or scores["left_out"] for scores in found)
        assert scores["davinci_predictions"] < 5 < scores["davinci-t0-ft_predictions"]
        assert scores["davinci-t0-ft_predictions"] < scores["davinci-self-instruct_predictions"]
        assert scores["davinci-self-instruct_predictions"] < scores["text-davinci-003_predictions"]


class TestWhatDoesNotCount:
    def test_it_is_counted_and_named(self, tasks: Path, tmp_path: Path) -> None:
        lines: list[Any] = [
            {"id": instance, "prediction": text} for instance, text in right().items()
        ]
        lines[3] = b"{broken"
        lines += [{"id": "t0-0", "prediction": "other"}, {"id": "nowhere", "prediction": "x"}]
        lines += [{"id": "t0-0", "prediction": "another"}, {"id": "t1-0", "prediction": 3}]
        path = write_lines(tmp_path / "p.jsonl", lines)
        (found,) = json_of("evaluate", path, "--tasks", tasks)
        assert found["overall"]["instances"] == 16
        assert found["overall"]["exact_match"]["value"] == 100 * 15 / 16
        assert found["missing"] == ["t1-1"]
        again = "'t0-0' again; the first prediction counts"
        assert [line.removeprefix(str(path)).partition(": ") for line in found["left_out"]] == [
            (", line 4", ": ", found["left_out"][0].partition(": ")[2]),
            (", line 20, field 'prediction'", ": ", "expected `str`, got `int`"),
            (", line 18", ": ", "there is no instance 'nowhere'"),
            (", line 17", ": ", again),
            (", line 19", ": ", again),
        ]
        shown = seedstep("evaluate", path, "--tasks", tasks).words
        assert "p: 1 missing, counted as empty: t1-1" in shown
        assert "p: 5 left out:" in shown
        assert "and 2 more (--format json)" in shown

    def test_the_order_of_lines_does_not_count(self, tasks: Path, tmp_path: Path) -> None:
        texts = {**right(), "t2-0": "R2", "t5-1": "no"}
        path = write_predictions(tmp_path / "p.jsonl", texts)
        first = json_of("evaluate", path, "--tasks", tasks)
        write_predictions(path, dict(reversed(texts.items())))
        assert json_of("evaluate", path, "--tasks", tasks) == first

    @pytest.mark.parametrize("lines", [[], [{"id": "x", "prediction": "y"}], [b"{"]])
    def test_a_file_for_other_tasks_is_refused(
        self, lines: list[Any], tasks: Path, tmp_path: Path
    ) -> None:
        path = write_lines(tmp_path / "p.jsonl", lines)
        error = seedstep("evaluate", path, "--tasks", tasks).error
        assert str(path) in error
        assert f"none of its {len(lines)} lines counts" in error

    def test_references_that_are_no_list_of_texts(self, tmp_path: Path) -> None:
        task = {"definition": "Sort.", "instances": [{"id": "a", "input": "b", "output": {}}]}
        tasks = write_lines(tmp_path / "tasks.jsonl", [task])
        path = write_predictions(tmp_path / "p.jsonl", {"a": "b"})
        error = seedstep("evaluate", path, "--tasks", tasks).error
        assert f"{tasks}, line 1, field 'instances[0].output'" in error
        assert "--skip-bad" not in error

    def test_two_instances_with_one_id(self, tmp_path: Path) -> None:
        task = {"definition": "Sort.", "instances": [{"id": "a", "input": "b", "output": "b"}]}
        tasks = write_lines(tmp_path / "tasks.jsonl", [task, task])
        path = write_predictions(tmp_path / "p.jsonl", {"a": "b", "task_1/a": "b", "task_2/a": "c"})
        done = seedstep("evaluate", path, "--tasks", tasks, "--format", "json")
        (system,) = json.loads(done.out)
        assert system["overall"]["exact_match"]["value"] == 50.0
        assert "there is no instance 'a'" in done.words

    @pytest.mark.parametrize("split", ["", "\n\n"])
    def test_an_empty_split(self, split: str, tmp_path: Path) -> None:
        write_task(tmp_path / "ni" / "tasks" / "task7_a.json")
        write_split(tmp_path / "ni", "test", split)
        path = write_predictions(tmp_path / "p.jsonl", {"a": "b"})
        done = seedstep("evaluate", path, "--tasks", tmp_path / "ni", "--split", "test")
        assert "test_tasks.txt" in done.error

    def test_tasks_without_instances(self, tmp_path: Path) -> None:
        tasks = write_lines(tmp_path / "tasks.jsonl", [{"definition": "Sort."}])
        path = write_predictions(tmp_path / "p.jsonl", {"a": "b"})
        assert "have no instances" in seedstep("evaluate", path, "--tasks", tasks).error

    def test_flags_that_do_not_fit(self, tasks: Path, tmp_path: Path) -> None:
        path = write_predictions(tmp_path / "p.jsonl", right())
        assert "Add --tasks" in seedstep("evaluate", path).error
        assert "Add --tasks" in seedstep("evaluate", path, "--split", "test").error
        named = seedstep("evaluate", path, "--tasks", tasks, "--name", "q").error
        assert "there is no system 'q'. Known are p" in named
        twice = seedstep("evaluate", path, path, "--tasks", tasks).error
        assert f"p ({path}) is there 2 times" in twice
        assert "no such file" in seedstep("evaluate", tmp_path / "x", "--tasks", tasks).error
        assert "no such file or run. Check the path" in seedstep("evaluate", tmp_path / "x").error


class TestFormats:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write_predictions(tmp_path / "p.jsonl", right())

    def test_csv_has_a_score_a_row(self, path: Path, tasks: Path) -> None:
        out = seedstep("evaluate", path, "--tasks", tasks, "--format", "csv").out
        rows = list(csv.DictReader(io.StringIO(out)))
        assert len(rows) == 3 * len(METRICS)
        assert rows[0]["system"] == "p"
        assert (rows[0]["metric"], rows[0]["value"], rows[0]["low"]) == (
            "rouge_l",
            "100.0",
            "100.0",
        )
        last = rows[-1]
        assert (last["grouping"], last["group"]) == ("category", "Title Generation")
        assert (last["low"], last["tasks"]) == ("", "4")
        assert last["reason"].startswith("4 tasks:")

    def test_markdown_is_a_table(self, path: Path, tasks: Path) -> None:
        out = seedstep("evaluate", path, "--tasks", tasks, "--format", "markdown").out
        lines = out.splitlines()
        assert lines[0].startswith("| system | ROUGE-L | ROUGE-1 | exact match |")
        assert lines[2].startswith("| p | 100.0 [100.0, 100.0] |")
        assert {line.count("|") for line in lines[:3]} == {4 + len(METRICS)}

    @pytest.mark.parametrize("form", ["json", "csv", "markdown", "table"])
    def test_a_file_gets_what_is_shown(
        self, form: str, path: Path, tasks: Path, tmp_path: Path
    ) -> None:
        flags = ("evaluate", path, "--tasks", tasks, "--format", form)
        done = seedstep(*flags, "--out", tmp_path / "out")
        assert (done.code, done.out) == (0, "")
        written = (tmp_path / "out").read_text()
        assert "100.0" in written
        if form != "table":
            assert written == seedstep(*flags).out

    def test_a_file_that_can_not_be_written(self, path: Path, tasks: Path, tmp_path: Path) -> None:
        flags = ("evaluate", path, "--tasks", tasks, "--out", tmp_path / "no" / "out")
        assert str(tmp_path / "no" / "out") in seedstep(*flags).error

    def test_hostile_names_drive_no_terminal_and_are_no_markup(self, tmp_path: Path) -> None:
        name = "\x1b[31m|<b>x</b>|\u202e[a](b) $\\frac$"
        task = {
            "definition": "Sort.",
            "category": name,
            "instances": [{"id": "a", "input": "b", "output": "b"}],
        }
        tasks = write_lines(tmp_path / "tasks.jsonl", [task])
        path = write_lines(
            tmp_path / "p.jsonl",
            [{"id": "a", "prediction": "b"}, {"id": name, "prediction": "b"}],
        )
        for form in ("table", "markdown", "csv"):
            out = seedstep("evaluate", path, "--tasks", tasks, "--format", form).out
            assert "x" in out
            assert not UNSAFE.search(out)
        shown = seedstep("evaluate", path, "--tasks", tasks, "--format", "markdown").out
        assert "\\|\\<b\\>x\\</b\\>\\|" in shown
        assert "](b)" not in shown


class TestRuns:
    @pytest.fixture
    def run(self, tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        return run_with_predictions(tmp_path / "run", tasks)

    def test_a_run_has_its_own_tasks_and_several_systems(self, run: Path) -> None:
        base, tuned = json_of("evaluate", run)
        assert (base["system"], tuned["system"]) == ("base", "tuned")
        assert tuned["overall"]["exact_match"]["value"] == 100.0
        assert base["overall"]["exact_match"]["value"] == 87.5
        assert base["failed"] == {"t7-0": "refused", "t7-1": "refused"}
        (scores,) = json_of("evaluate", run, "--name", "tuned")
        assert scores == tuned

    def test_scores_are_kept_in_the_run_once(self, run: Path) -> None:
        assert kept_scores(run) == ()
        seedstep("evaluate", run, "--by", "overall")
        seedstep("evaluate", run)
        rows = kept_scores(run)
        assert len(rows) == 2 * 3 * len(METRICS)
        first = rows[0]
        assert (first["name"], first["grouping"], first["metric"]) == ("base", "", "rouge_l")
        assert (first["value"], first["instances"], first["failed"]) == (87.5, 16, 2)
        assert {row["group_name"] for row in rows} == {"", *CATEGORIES}

    def test_scores_are_kept_though_the_clock_was_set_back(
        self, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now - 86_400)
        seedstep("evaluate", run, "--by", "overall")
        assert {row["name"] for row in kept_scores(run)} == {"base", "tuned"}
        with Run.start(PREDICT, run, {}) as opened:
            chosen = ChosenSystem("base", PredictSettings(), (), {}, None)
            asyncio.run(opened.records.record(chosen, ()))
        assert {row["name"] for row in kept_scores(run)} == {"tuned"}

    def test_scores_on_other_tasks_take_their_place(self, run: Path, tmp_path: Path) -> None:
        seedstep("evaluate", run)
        other = write_tasks(tmp_path / "other.jsonl", tasks=1)
        seedstep("evaluate", run, "--tasks", other)
        rows = kept_scores(run)
        assert {row["group_name"] for row in rows} == {"", CATEGORIES[0]}
        assert {row["instances"] for row in rows} == {2}

    def test_a_run_that_is_at_work_is_evaluated_and_says_so(self, run: Path) -> None:
        with Run.start(PREDICT, run, {}):
            done = seedstep("evaluate", run)
        assert done.code == 0
        assert "the scores of base are not kept: another process works on" in done.words
        assert kept_scores(run) == ()

    def test_a_run_beside_a_file(self, run: Path, tasks: Path, tmp_path: Path) -> None:
        path = write_predictions(tmp_path / "theirs.jsonl", right())
        found = json_of("evaluate", run, path, "--tasks", tasks)
        assert [scores["system"] for scores in found] == ["base", "tuned", "theirs"]
        same = write_predictions(tmp_path / "base.jsonl", right())
        found = json_of("evaluate", run, same, "--tasks", tasks)
        assert [scores["system"] for scores in found] == [
            f"base ({run})",
            "tuned",
            f"base ({same})",
        ]
        assert {row["name"] for row in kept_scores(run)} == {"base", "tuned"}

    def test_a_run_of_another_stage(self, run: Path, tasks: Path, tmp_path: Path) -> None:
        settings = {"tasks": str(tasks), "model": "openai:x", "base_url": "http://127.0.0.1:1/v1"}
        Run.start(STEPS, tmp_path / "steps", settings).close()
        error = seedstep("evaluate", tmp_path / "steps").error
        assert "is a run of `seedstep steps`, which keeps no predictions" in error
        assert "is not a run" in seedstep("evaluate", run.parent).error


def test_nothing_is_no_system() -> None:
    with pytest.raises(InputError, match="there are no predictions"):
        read_systems([])


def test_figures_are_whole_however_narrow_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    tasks = write_tasks(tmp_path / "tasks.jsonl", tasks=16)
    path = write_predictions(tmp_path / f"{'long-name-' * 9}.jsonl", right(16))
    lines = seedstep("evaluate", path, "--tasks", tasks).lines
    tables = [line for line in lines if "Scores from" not in line and "is not known" not in line]
    assert all(len(line) <= 40 for line in tables)
    assert "".join(tables).count("[100.0, 100.0]") == len(METRICS) + 2
    assert "".join(line[:20].strip() for line in tables).count("long-name-") >= 9
