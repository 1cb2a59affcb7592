"""Task files in the form of SUPER-NATURALINSTRUCTIONS: good, bad, many and huge ones."""

import json
import os
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from seedstep.data import Example, Instance, Problem, Task, load_tasks, read_task, scan_tasks
from seedstep.errors import InputError
from support.task_files import NO_JSON, TASK, changed, shortened, with_instances, write_task

IN_THE_FILE = "write one JSON object in the file"
WRONG_TYPE = "correct the field's type"


def test_all_parts_of_a_file_are_read_as_written(tmp_path: Path) -> None:
    assert read_task(write_task(tmp_path / "task007_toy.json")) == Task(
        "task007_toy",
        " Sort the words. ",
        (
            Instance("z y x", ("x y z", "x, y, z"), "task7-one"),
            Instance(" é ö ", ("",), "task7-two"),
        ),
        category="Sorting",
        positive_examples=(Example("b a", "a b", "a is first."), Example("d c\n", "c d")),
        negative_examples=(Example("b a", "b a", "Not sorted."),),
    )


def test_a_file_needs_a_definition_and_instances_only(tmp_path: Path) -> None:
    record = {"Definition": "Say it.", "Instances": [{"input": "", "output": "It."}]}
    expected = Task("one", "Say it.", (Instance("", ("It.",), "one-1"),))
    assert read_task(write_task(tmp_path / "one.json", record)) == expected


def test_forms_that_are_accepted(tmp_path: Path) -> None:
    examples = [{"input": "a", "output": ["b", "c"]}]
    record = changed(Categories="Plain", Positive_Examples=examples, Negative_Examples=[])
    task = read_task(write_task(tmp_path / "one.json", record))
    assert task.category == "Plain"
    assert task.positive_examples == (Example("a", "b"),)
    assert task.negative_examples == ()
    assert read_task(write_task(tmp_path / "two.json", changed(Categories=[]))).category == ""


def test_instances_without_an_id_are_named_after_file_and_place(tmp_path: Path) -> None:
    one = {"input": "a", "output": "b"}
    record = with_instances(one, {**one, "id": "mine"}, {**one, "id": ""})
    task = read_task(write_task(tmp_path / "task9_x.json", record))
    assert [instance.id for instance in task.instances] == ["task9_x-1", "mine", "task9_x-3"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + json.dumps(TASK).encode(), id="bom"),
        pytest.param(json.dumps(TASK, indent=1).replace("\n", "\r\n").encode(), id="crlf"),
        pytest.param(json.dumps({**TASK, "URL": [float("nan")]}).encode(), id="nan"),
        pytest.param(json.dumps({**TASK, "URL": [float("-inf")]}).encode(), id="infinity"),
        pytest.param(
            json.dumps({**TASK, "URL": "@"}).encode().replace(b'"@"', b"7" * 5000), id="long"
        ),
        pytest.param(json.dumps({**TASK, "URL": {"a": [1, {}]}}).encode(), id="other-types"),
    ],
)
def test_what_stands_in_other_fields_does_not_matter(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "task007_toy.json"
    path.write_bytes(content)
    assert read_task(path) == read_task(write_task(tmp_path / "plain" / "task007_toy.json"))


def test_a_text_may_speak_of_nan(tmp_path: Path) -> None:
    text = 'NaN, "NaN" and -Infinity \\'
    record = changed(Definition=text, URL=[float("nan")])
    assert read_task(write_task(tmp_path / "a.json", record)).definition == text


def encoded(record: Any) -> bytes:
    return json.dumps(record).encode()


A_LIST = "write one object, a task; or a list of objects, in a file that is named by itself"
ONE = {"id": "a", "input": "x", "output": ["y"]}

BAD = {
    "empty": (b"", "", NO_JSON, IN_THE_FILE),
    "cut": (
        b'{"Definition": ["Sort',
        "",
        NO_JSON,
        IN_THE_FILE,
    ),
    "two-objects": (
        b"{} {}",
        "Definition",
        "missing",
        "add the field",
    ),
    "empty-list": (b"[]", "", "an empty list", A_LIST),
    "list-of-numbers": (b"[1, 2.5]", "", "a list of numbers", A_LIST),
    "list-of-texts-and-lists": (b' ["a", [1]]', "", "a list of lists and texts", A_LIST),
    "cut-list": (b"[1, 2", "", NO_JSON, IN_THE_FILE),
    "no-definition": (encoded(changed(Definition=...)), "Definition", "missing", "add the field"),
    "definition-number": (
        encoded(changed(Definition=3)),
        "Definition",
        "expected `str | array`, got `int`",
        WRONG_TYPE,
    ),
    "definition-of-numbers": (
        encoded(changed(Definition=["a", 3])),
        "Definition[1]",
        "expected `str`, got `int`",
        WRONG_TYPE,
    ),
    "definition-nan": (
        encoded(changed(Definition=float("nan"))),
        "Definition",
        "expected `str | array`, got `null`",
        WRONG_TYPE,
    ),
    "no-definitions": (
        encoded(changed(Definition=[])),
        "Definition",
        "empty",
        "write what the task is",
    ),
    "blank-definition": (
        encoded(changed(Definition=[" \n", "second"])),
        "Definition",
        "empty",
        "write what the task is",
    ),
    "category-number": (
        encoded(changed(Categories=[1])),
        "Categories[0]",
        "expected `str`, got `int`",
        WRONG_TYPE,
    ),
    "example-string": (
        encoded(changed(Positive_Examples=["b a"])),
        "Positive Examples[0]",
        "expected `object`, got `str`",
        WRONG_TYPE,
    ),
    "example-without-input": (
        encoded(changed(Negative_Examples=[{"output": "x"}])),
        "Negative Examples[0].input",
        "missing",
        "add the field",
    ),
    "example-without-outputs": (
        encoded(changed(Negative_Examples=[{"input": "x", "output": []}])),
        "Negative Examples[0].output",
        "empty",
        "write an output",
    ),
    "no-instances": (
        encoded(changed(Instances=...)),
        "Instances",
        "empty",
        "add one input and output",
    ),
    "empty-instances": (
        encoded(with_instances()),
        "Instances",
        "empty",
        "add one input and output",
    ),
    "input-number": (
        encoded(with_instances(ONE, {**ONE, "input": 2})),
        "Instances[1].input",
        "expected `str`, got `int`",
        WRONG_TYPE,
    ),
    "id-number": (
        encoded(with_instances({**ONE, "id": 2})),
        "Instances[0].id",
        "expected `str`, got `int`",
        WRONG_TYPE,
    ),
    "output-object": (
        encoded(with_instances({**ONE, "output": {}})),
        "Instances[0].output",
        "expected `str | array`, got `object`",
        WRONG_TYPE,
    ),
    "output-null-in-list": (
        encoded(with_instances({**ONE, "output": ["a", None]})),
        "Instances[0].output[1]",
        "expected `str`, got `null`",
        WRONG_TYPE,
    ),
    "no-outputs": (
        encoded(with_instances({**ONE, "output": []})),
        "Instances[0].output",
        "empty",
        "write an output",
    ),
    "same-ids": (
        encoded(with_instances(ONE, {**ONE, "id": "b"}, ONE)),
        "Instances[2].id",
        "the same as in Instances[0]",
        "change or remove one",
    ),
    "id-of-another-place": (
        encoded(with_instances({**ONE, "id": "bad-2"}, {"input": "", "output": ""})),
        "Instances[1].id",
        "the same as in Instances[0]",
        "change or remove one",
    ),
    "deep": (
        b'{"Definition": ' + b"[" * 100_000,
        "Definition[0]",
        "expected `str`, got `array`",
        WRONG_TYPE,
    ),
    "deep-elsewhere": (
        b'{"URL": ' + b"[" * 100_000,
        "",
        "nested too deeply",
        "write one flat JSON object in the file",
    ),
    "quotes-without-end": (
        b'{"URL": NaN, "Definition": "' + b'\\"' * 500_000,
        "",
        NO_JSON,
        IN_THE_FILE,
    ),
}


@pytest.mark.parametrize(("content", "field", "message", "remedy"), BAD.values(), ids=BAD)
def test_a_bad_file_is_told_with_its_field_and_remedy(
    tmp_path: Path, content: bytes, field: str, message: str, remedy: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    assert shortened(scan_tasks(path)) == [Problem(path, 0, field, message, remedy)]
    with pytest.raises(InputError) as caught:
        read_task(path)
    place = f"{path}, field '{field}'" if field else str(path)
    assert caught.value.what.startswith(f"{place}: {message}")
    assert caught.value.remedy == remedy


def test_all_that_is_wrong_with_a_file_is_told(tmp_path: Path) -> None:
    record = {
        "Definition": "",
        "Positive Examples": [{"input": "", "output": []}],
        "Instances": [ONE, {**ONE, "output": []}],
    }
    path = write_task(tmp_path / "bad.json", record)
    problems = [one for one in scan_tasks(path) if isinstance(one, Problem)]
    assert [one.field for one in problems] == [
        "Definition",
        "Positive Examples[0].output",
        "Instances[1].output",
        "Instances[1].id",
    ]
    with pytest.raises(InputError, match=r"field 'Definition': empty \(and 3 more\)"):
        read_task(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(InputError, match="larger than 256 MiB"):
        read_task(path)


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000])
def test_a_path_that_is_too_long_is_one_error(name: str) -> None:
    with pytest.raises(InputError, match="File name too long"):
        load_tasks(name)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json: No such file or directory"):
        read_task(tmp_path / "nowhere.json")


def test_a_limit_keeps_the_first_instances(tmp_path: Path) -> None:
    path = write_task(tmp_path / "a.json")
    assert [one.id for one in read_task(path, limit=1).instances] == ["task7-one"]
    assert len(read_task(path, limit=5).instances) == 2
    bad = write_task(tmp_path / "b.json", with_instances(ONE, {**ONE, "output": []}))
    with pytest.raises(InputError, match=r"Instances\[1\]"):
        read_task(bad, limit=1)


def test_without_need_of_instances_there_need_not_be_any(tmp_path: Path) -> None:
    path = write_task(tmp_path / "a.json", with_instances())
    assert read_task(path, limit=0).instances == ()
    assert read_task(write_task(tmp_path / "b.json"), limit=0).instances == ()
    with pytest.raises(InputError, match="'Instances': empty"):
        read_task(path, limit=1)


def ids(path: Path, **options: Any) -> list[str]:
    return [task.id for task in load_tasks(path, **options).tasks]


@pytest.mark.parametrize("inner", ["", "tasks"])
def test_a_directory_is_read_in_the_natural_order_of_names(tmp_path: Path, inner: str) -> None:
    names = ["task10_b", "task9_z", "task010_b", "alone", "task9_a", "Task1_a"]
    for name in names:
        write_task(tmp_path / inner / f"{name}.json")
    (tmp_path / inner / "README.md").write_text("no task")
    (tmp_path / inner / ".hidden.json").write_text("no task")
    (tmp_path / inner / "folder.json").mkdir()
    expected = ["Task1_a", "alone", "task9_a", "task9_z", "task010_b", "task10_b"]
    assert ids(tmp_path) == expected


def test_a_directory_without_tasks_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no task")
    with pytest.raises(InputError, match=r"no task files\. Name a directory of task files") as told:
        load_tasks(tmp_path)
    assert "export" not in str(told.value)
    (tmp_path / "run.db").touch()
    with pytest.raises(InputError, match="seedstep export RUN --format superni"):
        load_tasks(tmp_path)


def test_the_first_of_several_problems_is_raised(tmp_path: Path) -> None:
    write_task(tmp_path / "task1_a.json")
    bad = write_task(tmp_path / "task2_b.json", changed(Definition=...))
    write_task(tmp_path / "task3_c.json", [])
    with pytest.raises(InputError) as caught:
        load_tasks(tmp_path)
    assert str(caught.value) == (
        f"{bad}, field 'Definition': missing (and 1 more). "
        "Add the field; or add --skip-bad to go on without them."
    )


def test_bad_files_can_be_skipped_and_are_told(tmp_path: Path) -> None:
    write_task(tmp_path / "task1_a.json", [])
    write_task(tmp_path / "task2_b.json")
    found = load_tasks(tmp_path, skip_bad=True)
    assert [task.id for task in found.tasks] == ["task2_b"]
    assert [one.path.name for one in found.problems] == ["task1_a.json"]


def test_when_no_task_is_good_skipping_does_not_help(tmp_path: Path) -> None:
    write_task(tmp_path / "task1_a.json", [{}])
    with pytest.raises(InputError, match=r"task1_a\.json: a list of objects") as caught:
        load_tasks(tmp_path, skip_bad=True)
    assert caught.value.remedy == A_LIST


def test_a_file_name_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/task\xff.json"
    with open(name, "wb") as file:  # noqa: PTH123 - a name in bytes
        file.write(encoded(TASK))
    (problem,) = scan_tasks(tmp_path)
    assert isinstance(problem, Problem)
    assert problem.message == "a file name that is not UTF-8"
    assert problem.what.isascii()


def test_many_files_are_not_held_together(tmp_path: Path) -> None:
    many = [{"id": f"{n}", "input": "x" * 1000, "output": ["y"]} for n in range(1000)]
    for number in range(20):
        write_task(tmp_path / f"task{number}_a.json", with_instances(*many))
    tracemalloc.start()
    count = sum(isinstance(one, Task) for one in scan_tasks(tmp_path))
    _, lazy = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    kept = load_tasks(tmp_path, limit=2).tasks
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == len(kept) == 20
    assert lazy < 8_000_000
    assert held < 1_000_000


def test_the_released_tasks_load(shared_data: Path) -> None:
    folder = shared_data / "superni"
    tasks = load_tasks(folder).tasks
    assert len(tasks) == 750
    assert sum(len(task.instances) for task in tasks) == 74_701
    assert len({one.id for task in tasks for one in task.instances}) == 74_701
    written = json.loads((folder / "tasks" / f"{tasks[0].id}.json").read_bytes())
    assert tasks[0].definition == written["Definition"][0]
    assert [one.input for one in tasks[0].instances] == [
        one["input"] for one in written["Instances"]
    ]


def test_the_released_splits_load(shared_data: Path) -> None:
    test = load_tasks(shared_data / "superni", "test").tasks
    train = load_tasks(shared_data / "superni", "train", limit=1).tasks
    assert (len(test), len(train)) == (63, 687)
    assert len(Counter(task.category for task in test)) == 12
    assert not {task.category for task in test} & {task.category for task in train}
    names = (shared_data / "superni/splits/default/test_tasks.txt").read_text().split()
    assert [task.id for task in test] == names
