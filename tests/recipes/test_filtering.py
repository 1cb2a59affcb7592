"""`filter_file` in Python: tasks in memory, runs, and all decisions as rows, without a file."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedstep import (
    InputError,
    Instance,
    RunError,
    Task,
    filter_file,
    load_tasks,
    self_instruct,
)
from seedstep.data.records import task_record
from seedstep.recipes import COLUMNS, SEMANTIC_COLUMNS
from support.scripted_server import ScriptedServer

TASKS = (
    Task("a", "Write the word in capitals.", (Instance("sun", ("SUN",), "i"),), category="Case"),
    Task("b", "Write the word in capitals, please.", (Instance("sea", ("SEA",), "i"),)),
    Task("c", "Sing.", (), steps=("Breathe.", "Sing.")),
)


def records(tasks: Any) -> list[dict[str, Any]]:
    return [task_record(task) for task in tasks]


class TestTasksInMemory:
    @pytest.mark.parametrize("given", [tuple, list, iter, records, lambda t: iter(records(t))])
    def test_their_definitions_are_compared(
        self, given: Callable[[Any], Any], tmp_path: Path
    ) -> None:
        report = filter_file(given(TASKS), tmp_path / "novel.jsonl")
        assert (report.rows, report.kept, report.rejected) == (3, 2, {"not_novel": 1})
        kept = load_tasks(tmp_path / "novel.jsonl").tasks
        assert [(task.id, task.definition, task.instances, task.steps) for task in kept] == [
            (task.id, task.definition, task.instances, task.steps) for task in (TASKS[0], TASKS[2])
        ]

    def test_what_is_kept_is_chosen_by_the_rows(self) -> None:
        rows = filter_file(TASKS).to_records()
        novel = [t for t, row in zip(TASKS, rows, strict=True) if row["novelty_kept"]]
        assert novel == [TASKS[0], TASKS[2]]

    @pytest.mark.parametrize("watch", [None, lambda stage, done, total: None])
    def test_a_report_can_be_pickled(self, watch: Any) -> None:
        report = filter_file(TASKS, watch=watch)
        again = pickle.loads(pickle.dumps(report))
        assert again == report
        assert again.to_records() == report.to_records()

    def test_records_keep_their_fields_and_may_have_others(self, tmp_path: Path) -> None:
        rows = [{"question": "Who?", "n": 1}, {"question": "Who?", "n": 2}]
        out = tmp_path / "out.jsonl"
        assert filter_file(rows, out, field="question").kept == 1
        assert out.read_text() == '{"question":"Who?","n":1}\n'
        named = [{"definition": "Sing."}, {"definition": "Sing."}]
        filter_file(named, out, field="definition")
        assert out.read_text() == '{"definition":"Sing."}\n'

    def test_a_data_set_is_read_where_it_is(self, tmp_path: Path) -> None:
        datasets = pytest.importorskip("datasets")
        rows = datasets.Dataset.from_list([{"instruction": "Sing."}, {"instruction": "Sing."}])
        report = filter_file(rows, tmp_path / "out.jsonl", annotate=True)
        assert (report.rows, report.kept) == (2, 1)
        lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert [line["novelty_kept"] for line in lines] == [True, False]

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ([3], "the given tasks, number 1: is of type int"),
            ([{"text": "a"}], "the given tasks, --field: there is no column 'instruction'"),
        ],
    )
    def test_what_is_none_is_told(self, given: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            filter_file(given)

    def test_they_are_written_as_json_lines(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="the output is jsonl"):
            filter_file(TASKS, tmp_path / "out.csv")


class TestRuns:
    def test_a_bootstraps_tasks(self, tmp_path: Path) -> None:
        with ScriptedServer() as server:
            asked: dict[str, Any] = {"model": "openai:scripted", "base_url": server.url}
            run = self_instruct(tmp_path / "run", tasks=3, **asked)
        with run:
            tasks = run.tasks()
            for given in (run, run.path, str(run.path)):
                report = filter_file(given, tmp_path / "out.jsonl", threshold=1.0)
                assert report.rows == len(tasks) == 3
                assert [row["text"] for row in report.to_records()] == [
                    task.definition for task in tasks
                ]
        assert {task.id for task in load_tasks(tmp_path / "out.jsonl")} <= {t.id for t in tasks}

    def test_a_damaged_one_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "run.yaml").write_text("stage: bootstrap\n")
        with pytest.raises(RunError):
            filter_file(tmp_path)


class TestDecisions:
    def test_there_is_a_row_for_each_row_with_what_annotating_writes(self, tmp_path: Path) -> None:
        path, out = tmp_path / "data.jsonl", tmp_path / "out.jsonl"
        texts = [f"Name {n} rivers that flow north." for n in range(9)]
        lines = [json.dumps({"instruction": text}) for text in ["Sing.", *texts]]
        path.write_text("\n".join([*lines[:5], "no JSON", '{"other": 1}', *lines[5:]]) + "\n")
        report = filter_file(path, out, annotate=True)
        rows = report.to_records()
        assert [row["row"] for row in rows] == list(range(1, 13))
        assert [row["novelty_reason"] for row in rows][5:7] == ["unreadable", "missing_field"]
        assert (len(report.rejections), sum(not row["novelty_kept"] for row in rows)) == (5, 10)
        written = [json.loads(line) for line in out.read_text().splitlines()]
        readable = [row for row in rows if row["novelty_reason"] != "unreadable"]
        assert [{name: row[name] for name in COLUMNS} for row in readable] == [
            {name: row[name] for name in COLUMNS} for row in written
        ]
        assert rows == report.to_records()
        assert set(rows[0]) == {"row", "text", *COLUMNS, *SEMANTIC_COLUMNS}
        assert filter_file(path).to_records() == rows

    def test_without_a_file_nothing_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "data.jsonl"
        path.write_text('{"instruction": "Sing."}\n{"instruction": "Sing a song."}\n')
        report = filter_file(path, nearest=True)
        assert [each.name for each in tmp_path.iterdir()] == ["data.jsonl"]
        assert report.to_records()[1]["novelty_nearest"] == "row 1"
        assert report == filter_file(path, tmp_path / "out.jsonl")
        with pytest.raises(InputError, match="annotate: there is no file to write"):
            filter_file(path, annotate=True)
