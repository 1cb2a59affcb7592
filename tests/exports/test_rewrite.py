"""Task files written, and written once more with a field added."""

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.data import Example, Instance, Task, load_tasks, task_file
from seedstep.errors import InputError, RunError
from seedstep.exports.steps import write_task_with
from support.task_files import TASK, changed, read_task, write_task

STEPS = "Step-by-Step Instruction"


def rewritten(folder: Path, content: str, value: str | list[str], field: str = STEPS) -> str:
    """What becomes of a file with this content."""
    source = folder / "task001_toy.json"
    source.write_bytes(content.encode())
    return write_task_with(source, folder / "out", field, value).read_bytes().decode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            '{\n "Definition": ["a"],\n "URL": [\n  NaN\n ]\n}',
            '{\n "Definition": ["a"],\n "URL": [\n  NaN\n ],\n'
            ' "Step-by-Step Instruction": [\n  "Sört.",\n  "Say."\n ]\n}',
            id="one-space",
        ),
        pytest.param(
            '{\r\n\t"Definition": "a", "N": 1.50 \r\n}\r\n',
            '{\r\n\t"Definition": "a", "N": 1.50,\r\n'
            '\t"Step-by-Step Instruction": [\r\n\t\t"Sört.",\r\n\t\t"Say."\r\n\t] \r\n}\r\n',
            id="tab-and-crlf",
        ),
        pytest.param(
            '{"Definition": "a", "N": 1e999}',
            '{"Definition": "a", "N": 1e999, "Step-by-Step Instruction": ["Sört.", "Say."]}',
            id="one-line",
        ),
        pytest.param(
            '{\n  "Step-by-Step Instruction": [ "old" ],\n  "Definition": "\\u0061"\n}\n',
            '{\n  "Step-by-Step Instruction": [\n    "Sört.",\n    "Say."\n  ],\n'
            '  "Definition": "\\u0061"\n}\n',
            id="replaced",
        ),
        pytest.param(
            '{"Definition": "a", "More": {"Step-by-Step Instruction": "}\\"{,:"}}',
            '{"Definition": "a", "More": {"Step-by-Step Instruction": "}\\"{,:"}, '
            '"Step-by-Step Instruction": ["Sört.", "Say."]}',
            id="the-same-name-further-in",
        ),
        pytest.param(
            '{"Definition": "a", "N": ' + "7" * 5000 + "}",
            '{"Definition": "a", "N": '
            + "7" * 5000
            + ', "Step-by-Step Instruction": ["Sört.", "Say."]}',
            id="a-long-number",
        ),
    ],
)
def test_all_but_the_field_stays_byte_for_byte(tmp_path: Path, content: str, expected: str) -> None:
    assert rewritten(tmp_path, content, ["Sört.", "Say."]) == expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    others=st.dictionaries(st.sampled_from(["URL", "Source", STEPS, "{", '"', "é"]), VALUES),
    value=st.text() | st.lists(st.text()),
    indent=st.sampled_from([None, 0, 1, 4, "\t"]),
    ascii_only=st.booleans(),
)
def test_the_file_reads_as_before_with_the_field(
    tmp_path_factory: pytest.TempPathFactory,
    others: dict[str, Any],
    value: str | list[str],
    indent: int | str | None,
    ascii_only: bool,
) -> None:
    before = {**others, "Definition": "Say it.", "Instances": []}
    content = json.dumps(before, indent=indent, ensure_ascii=ascii_only)
    written = rewritten(tmp_path_factory.mktemp("rewrite"), content, value)
    after = json.loads(written)
    assert list(after) == list({**before, STEPS: value})
    assert json.dumps(after) == json.dumps({**before, STEPS: value})
    if not ascii_only:
        assert written == json.dumps(after, indent=indent, ensure_ascii=False)


def test_the_result_loads_as_the_same_task_with_steps(tmp_path: Path) -> None:
    source = write_task(tmp_path / "in" / "task001_toy.json")
    path = write_task_with(source, tmp_path / "new" / "out", STEPS, ["1. Sort."])
    assert path == tmp_path / "new" / "out" / "task001_toy.json"
    assert read_task(path) == replace(read_task(source), steps=("Sort.",))
    assert json.loads(path.read_bytes()) == {**TASK, STEPS: ["1. Sort."]}


def test_a_byte_order_mark_goes(tmp_path: Path) -> None:
    content = rewritten(tmp_path, '\ufeff{"Definition": "a"}', "x", "f")
    assert content == '{"Definition": "a", "f": "x"}'


def test_half_a_character_is_written_as_a_question_mark(tmp_path: Path) -> None:
    assert json.loads(rewritten(tmp_path, '{"Definition": "a"}', "b\ud800c", "f"))["f"] == "b?c"


def test_an_earlier_result_is_replaced(tmp_path: Path) -> None:
    rewritten(tmp_path, '{"Definition": "a"}', "old", "f")
    assert rewritten(tmp_path, '{"Definition": "a"}', "new", "f").endswith('"new"}')
    assert os.listdir(tmp_path / "out") == ["task001_toy.json"]  # noqa: PTH208


def test_the_original_is_never_replaced(tmp_path: Path) -> None:
    source = write_task(tmp_path / "task001_toy.json")
    before = source.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path)
    for folder in (tmp_path, tmp_path / "link"):
        with pytest.raises(InputError, match="would replace the original"):
            write_task_with(source, folder, STEPS, "x")
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    "record", [[], changed(Definition=...), changed(Instances=3)], ids=["list", "none", "wrong"]
)
def test_what_is_no_task_file_is_not_written(tmp_path: Path, record: Any) -> None:
    source = write_task(tmp_path / "bad.json", record)
    with pytest.raises(InputError, match=r"bad\.json.*: "):
        write_task_with(source, tmp_path / "out", STEPS, "x")
    assert not (tmp_path / "out").exists()


def nested(depth: int) -> str:
    return '{"Definition": "a", "URL": ' + "[" * depth + "]" * depth + "}"


def test_what_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nested too deeply"):
        rewritten(tmp_path, nested(100_000), "x", "f")
    assert not (tmp_path / "out").exists()


def test_what_is_just_not_nested_too_deeply_is_written(tmp_path: Path) -> None:
    """The limits of reading and of writing need not be the same."""
    written = []
    for depth in range(500, 1010):
        with suppress(InputError):
            written.append((depth, rewritten(tmp_path, nested(depth), "x", "f")))
    assert written[0][0] == 500
    assert written == [(depth, nested(depth)[:-1] + ', "f": "x"}') for depth, _ in written]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    source = write_task(tmp_path / "task001_toy.json")
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(RunError, match="taken"):
        write_task_with(source, tmp_path / "taken", STEPS, "x")


def test_a_place_that_cannot_be_written_is_told_and_left_as_it_was(tmp_path: Path) -> None:
    source = write_task(tmp_path / "task001_toy.json")
    (tmp_path / "out" / "task001_toy.json").mkdir(parents=True)
    with pytest.raises(RunError, match=r"out/task001_toy\.json: Is a directory"):
        write_task_with(source, tmp_path / "out", STEPS, "x")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["task001_toy.json"]


def test_the_released_tasks_are_the_same_with_a_field_more(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "superni"
    tasks = load_tasks(folder, "test").tasks
    for task in tasks:
        source = folder / "tasks" / f"{task.id}.json"
        path = write_task_with(source, tmp_path / "tasks", STEPS, ["1. Read.", "2. Say."])
        added = f',\n "{STEPS}": [\n  "1. Read.",\n  "2. Say."\n ]\n}}'.encode()
        assert path.read_bytes() == source.read_bytes().removesuffix(b"\n}") + added
        assert read_task(path) == replace(task, steps=("Read.", "Say."))
    assert len(list((tmp_path / "tasks").iterdir())) == 63


TEXT = st.text(st.characters(codec="utf-8"))
EXAMPLES = st.lists(st.builds(Example, TEXT, TEXT, TEXT), max_size=2).map(tuple)


@given(
    definition=TEXT.filter(str.strip),
    instances=st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=1).map(tuple)), min_size=1),
    positive=EXAMPLES,
    negative=EXAMPLES,
    steps=st.lists(st.from_regex("[A-Z][a-z ]*[a-z]", fullmatch=True)).map(tuple),
)
def test_what_is_written_is_read(
    definition: str,
    instances: list[tuple[str, tuple[str, ...]]],
    positive: tuple[Example, ...],
    negative: tuple[Example, ...],
    steps: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("task") / "t.json"
    task = Task(
        "t",
        definition,
        tuple(Instance(*fields, f"t-{n}") for n, fields in enumerate(instances)),
        category="Sorting",
        positive_examples=positive,
        negative_examples=negative,
        steps=steps,
    )
    path.write_bytes(task_file(task, "Somebody", "MIT"))
    assert read_task(path) == task
