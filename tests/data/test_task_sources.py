"""Users' own tasks as JSON lines, and how the kind of a source is told."""

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from seedstep import seed_tasks
from seedstep.data import Example, Instance, Problem, Task, load_tasks, scan_tasks
from seedstep.errors import InputError
from support.task_files import NO_JSON, shortened, write_split, write_task

NOT_OBJECT = "write one JSON object on each line"
WRONG_TYPE = "correct the field's type"


def write(folder: Path, *lines: Any, name: str = "tasks.jsonl") -> Path:
    """Write lines, as JSON unless they are bytes."""
    path = folder / name
    path.write_bytes(
        b"".join(
            (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
            for line in lines
        )
    )
    return path


def test_a_definition_is_enough(tmp_path: Path) -> None:
    path = write(tmp_path, {"definition": " Sort. "}, b"", {"instruction": "Count."})
    assert load_tasks(path).tasks == (Task("task_1", " Sort. ", ()), Task("task_3", "Count.", ()))


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_of_a_spreadsheet_is_read(tmp_path: Path, sign: str, encoding: str) -> None:
    rows = [["instruction", "input", "output"], ["Ordne zu.", "Möhre", "野菜"]]
    rows += [["Ordne zu.", "", 'Obst, "süß"; Gemüse'], ["Nenne\neine Rose.", "", "Rosa"]]
    text = StringIO(newline="")
    csv.writer(text, delimiter=sign).writerows(rows)
    path = tmp_path / "tasks.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    instances = (
        Instance("Möhre", ("野菜",), "line_2"),
        Instance("", ('Obst, "süß"; Gemüse',), "line_3"),
    )
    assert load_tasks(path).tasks == (
        Task("line_2", "Ordne zu.", instances),
        Task("line_4", "Nenne\neine Rose.", (Instance("", ("Rosa",), "line_4"),)),
    )


def test_a_table_of_definitions_has_tasks_without_instances(tmp_path: Path) -> None:
    path = tmp_path / "tasks.tsv"
    path.write_text("id\tdefinition\tcategory\nmine\tSort, or count.\tSorting\n")
    assert load_tasks(path).tasks == (Task("mine", "Sort, or count.", (), category="Sorting"),)


def test_a_table_without_a_text_of_tasks_is_told_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"
    path.write_text("Anweisung;Eingabe\nOrdne zu.;Möhre\n")
    with pytest.raises(InputError, match=r"the columns Anweisung, Eingabe, .*Name the columns"):
        load_tasks(path)


def test_all_parts_of_a_line_are_read_as_written(tmp_path: Path) -> None:
    line = {
        "id": "mine",
        "definition": "Sort.",
        "instruction": "Not used.",
        "category": "Sorting",
        "positive_examples": [{"input": "b a", "output": "a b", "explanation": "So."}],
        "negative_examples": [{"input": "b a", "output": " b a"}],
        "instances": [
            {"input": "", "output": "x"},
            {"input": "y ", "output": ["z", ""], "id": "q"},
        ],
        "other": [None, 1],
    }
    assert load_tasks(write(tmp_path, line)).tasks == (
        Task(
            "mine",
            "Sort.",
            (Instance("", ("x",), "mine-1"), Instance("y ", ("z", ""), "q")),
            category="Sorting",
            positive_examples=(Example("b a", "a b", "So."),),
            negative_examples=(Example("b a", " b a"),),
        ),
    )


def test_a_limit_keeps_the_first_instances(tmp_path: Path) -> None:
    many = [{"input": "", "output": f"{n}"} for n in range(5)]
    path = write(tmp_path, {"definition": "Count.", "instances": many})
    assert [instance.output for instance in load_tasks(path, limit=2).tasks[0].instances] == [
        "0",
        "1",
    ]


def test_a_long_line_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path, {"definition": "Read.", "instances": [{"input": "x" * 3_000_000, "output": ""}]}
    )
    assert len(load_tasks(path).tasks[0].instances[0].input) == 3_000_000


GOOD = {"id": "good", "definition": "Sort."}

BAD = {
    "cut": (b'{"definition": "Sor', "", NO_JSON, NOT_OBJECT),
    "list": ([], "", "expected `object`, got `array`", NOT_OBJECT),
    "no-definition": ({"id": "a"}, "definition", "empty", "write what the task is"),
    "blank-instruction": ({"instruction": " "}, "definition", "empty", "write what the task is"),
    "definition-number": (
        {"definition": 1},
        "definition",
        "expected `str | array`, got `int`",
        WRONG_TYPE,
    ),
    "id-number": ({**GOOD, "id": 1}, "id", "expected `str`, got `int`", WRONG_TYPE),
    "output-of-another-form": (
        {"instruction": "Sort.", "completion": "a b"},
        "completion",
        "an output without instances",
        "call it output, or name the columns: FILE[instruction,input,completion]",
    ),
    "same-id": (GOOD, "id", "the same as in line 1", "change or remove one"),
    "instance-without-output": (
        {"definition": "Sort.", "instances": [{"input": "a"}]},
        "instances[0].output",
        "missing",
        "add the field",
    ),
    "instance-without-outputs": (
        {"definition": "Sort.", "instances": [{"input": "a", "output": []}]},
        "instances[0].output",
        "empty",
        "write an output",
    ),
    "example-without-outputs": (
        {"definition": "Sort.", "positive_examples": [{"input": "a", "output": []}]},
        "positive_examples[0].output",
        "empty",
        "write an output",
    ),
    "same-instance-ids": (
        {"definition": "Sort.", "instances": [{"input": "a", "output": "b", "id": "i"}] * 2},
        "instances[1].id",
        "the same as in instances[0]",
        "change or remove one",
    ),
    "deep": (
        b'{"other": ' + b"[" * 100_000,
        "",
        "nested too deeply",
        "write one flat JSON object on each line",
    ),
    "half-a-character": (
        b'{"definition": "a \\ud83d b c d e f g"}',
        "",
        NO_JSON,
        NOT_OBJECT,
    ),
}


@pytest.mark.parametrize(("line", "field", "message", "remedy"), BAD.values(), ids=BAD)
def test_a_bad_line_is_told_with_its_place_and_remedy(
    tmp_path: Path, line: Any, field: str, message: str, remedy: str
) -> None:
    path = write(tmp_path, GOOD, line, {"definition": "Count."})
    found = load_tasks(path, skip_bad=True)
    assert [task.id for task in found.tasks] == ["good", "task_3"]
    assert shortened(found.problems) == [Problem(path, 2, field, message, remedy)]
    with pytest.raises(InputError, match=r", line 2.*or add --skip-bad to go on without them\."):
        load_tasks(path)


def test_an_id_may_not_be_that_of_a_line_without_one(tmp_path: Path) -> None:
    path = write(tmp_path, {**GOOD, "id": "task_2"}, {"definition": "Count."})
    (problem,) = load_tasks(path, skip_bad=True).problems
    assert (problem.line, problem.field, problem.message) == (2, "id", "the same as in line 1")


def test_an_answer_beside_instances_is_no_problem(tmp_path: Path) -> None:
    instances = [{"input": "b a", "output": "a b"}]
    both = {"instruction": "Sort.", "answer": "a b", "instances": instances}
    none = {"instruction": "Count.", "response": None}
    assert len(load_tasks(write(tmp_path, both, none)).tasks) == 2


def test_all_that_is_wrong_with_a_line_is_told(tmp_path: Path) -> None:
    bad = {"id": "good", "definition": "", "instances": [{"input": "a", "output": []}]}
    problems = load_tasks(write(tmp_path, GOOD, bad), skip_bad=True).problems
    assert [(problem.line, problem.field) for problem in problems] == [
        (2, "id"),
        (2, "definition"),
        (2, "instances[0].output"),
    ]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"], ids=["0", "blank", "bom"])
def test_a_file_without_tasks_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_tasks(path, skip_bad=True)
    assert str(caught.value) == f"{path}: no tasks. Write one JSON object on each line."


def test_a_seed_file_holds_tasks(tmp_path: Path) -> None:
    lines = [
        {
            "id": task.id,
            "instruction": task.definition,
            "instances": [
                {"input": instance.input, "output": instance.output} for instance in task.instances
            ],
            "is_classification": task.is_classification,
        }
        for task in seed_tasks()
    ]
    tasks = load_tasks(write(tmp_path, *lines, name="seeds.txt")).tasks
    assert [task.definition for task in tasks] == [task.definition for task in seed_tasks()]


def test_the_kind_is_told_by_what_is_there(tmp_path: Path) -> None:
    write_task(tmp_path / "tasks" / "task1_a.json")
    write_split(tmp_path, "test", "task1_a\n")
    lines = write(tmp_path, GOOD)
    expected = {tmp_path: "task1_a", tmp_path / "tasks" / "task1_a.json": "task1_a", lines: "good"}
    for path, name in expected.items():
        (task,) = scan_tasks(path)
        assert isinstance(task, Task)
        assert task.id == name
    assert load_tasks(tmp_path, "test").tasks == load_tasks(tmp_path).tasks


def test_lines_have_no_splits(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    with pytest.raises(InputError, match=r"only a directory has splits\. Leave the split out\."):
        load_tasks(path, "test")


@pytest.mark.parametrize("name", ["nowhere", "nowhere.jsonl", "nowhere.json"])
def test_a_path_where_nothing_is(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: [nN]o such file.*Check the path"):
        load_tasks(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name}: [nN]o such file.*Check the path"):
        load_tasks(tmp_path / name, "test")
