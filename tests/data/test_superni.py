"""A task file in the form of SUPER-NATURALINSTRUCTIONS: good, bad and huge ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from seedstep.data import Example, Instance, Problem, Task, load_tasks, scan_tasks
from seedstep.errors import InputError
from support.task_files import (
    A_LIST,
    NO_JSON,
    TASK,
    changed,
    read_task,
    shortened,
    with_instances,
    write_task,
)

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
    nameless = {"input": "a", "output": "b"}
    record = with_instances(nameless, {**nameless, "id": "mine"}, {**nameless, "id": ""})
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
    problems = [entry for entry in scan_tasks(path) if isinstance(entry, Problem)]
    assert [problem.field for problem in problems] == [
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
    assert [instance.id for instance in read_task(path, limit=1).instances] == ["task7-one"]
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
