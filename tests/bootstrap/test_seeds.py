"""Seed files: our own, the users', and broken ones."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import seedstep.data
from seedstep import Instance, Task, seed_tasks
from seedstep.bootstrap import check_seeds
from seedstep.data import read_seeds, require_seeds
from seedstep.errors import InputError
from support.seed_files import line, other_line, with_instance, write

OUR_SEEDS = Path(seedstep.data.__file__).parent / "seed_tasks.jsonl"

NOT_OBJECT = "write one JSON object on each line"
WRONG_TYPE = "correct the field's type"

Expected = tuple[int, str, str, str]
"""Line, field, the beginning of the message, and the remedy of a problem."""


def test_our_seeds_are_175_with_25_classification_and_50_empty_inputs() -> None:
    tasks = seed_tasks()
    assert len(tasks) == 175
    assert sum(task.is_classification for task in tasks) == 25
    assert {len(task.instances) for task in tasks} == {1}
    assert sum(not task.instances[0].input for task in tasks) == 50


def test_our_seeds_have_an_id_a_name_and_an_output_each() -> None:
    tasks = seed_tasks()
    assert len({task.id for task in tasks}) == 175
    assert all(task.name and task.definition and task.instances[0].output for task in tasks)


def test_our_seeds_have_no_problem() -> None:
    assert check_seeds(OUR_SEEDS).problems == ()


def test_a_seed_becomes_a_task(tmp_path: Path) -> None:
    record = line(
        id="s1",
        name="capital",
        instruction=" Name it. ",
        instances=[{"input": " Peru\n", "output": " Lima "}, {"input": " ", "output": "Oslo"}],
        is_classification=True,
        extra={"ignored": [1]},
    )
    instances = (Instance("Peru", ("Lima",)), Instance("", ("Oslo",)))
    assert require_seeds(write(tmp_path, record)) == (
        Task("s1", "Name it.", instances, True, "capital"),
    )


def test_a_seed_without_an_id_is_named_after_its_line(tmp_path: Path) -> None:
    tasks = require_seeds(write(tmp_path, b"\n\n" + line() + b"\n" + other_line(id="mine")))
    assert [task.id for task in tasks] == ["seed_3", "mine"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(line(id="seed_2") + other_line(), id="id-written-first"),
        pytest.param(line() + other_line(id="seed_1"), id="id-written-later"),
    ],
)
def test_ids_are_unique_though_some_are_given_by_line(tmp_path: Path, content: bytes) -> None:
    seeds = read_seeds(write(tmp_path, content))
    assert seeds.problems or len({task.id for task in seeds.tasks}) == 2


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(line() + other_line(), id="plain"),
        pytest.param((line() + other_line()).rstrip(), id="no-newline-at-the-end"),
        pytest.param(b"\n" + line() + b" \t\n\n" + other_line() + b"\n", id="blank-lines"),
        pytest.param((line() + other_line()).replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(b"\xef\xbb\xbf" + line() + other_line(), id="bom"),
        pytest.param(line(id="a") + other_line(id="b"), id="ids"),
        pytest.param(line() + other_line(extra=None), id="other-fields"),
        pytest.param(line() + other_line(name="naïve 漢字"), id="other-scripts"),
        pytest.param(line() + with_instance("x" * 900_000), id="long-line"),
        pytest.param(line() + other_line(is_classification=...), id="no-is-classification"),
        pytest.param(
            line() + other_line(instruction=..., definition=["Sort the words."]), id="definition"
        ),
        pytest.param(line() + with_instance(output=["a", "b"]), id="several-outputs"),
        pytest.param(line() + other_line(instances=..., output="a b"), id="a-row"),
    ],
)
def test_good_files_have_no_problem(tmp_path: Path, content: bytes) -> None:
    seeds = read_seeds(write(tmp_path, content))
    assert seeds.problems == ()
    assert len(seeds.tasks) == len(seeds.lines) == 2


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b'{"instruction": "Na\n', ("", "not valid JSON: ", NOT_OBJECT), id="cut-json"),
        pytest.param(b"instruction: x\n", ("", "not valid JSON: ", NOT_OBJECT), id="not-json"),
        pytest.param(
            line().strip() + other_line(), ("", "not valid JSON: ", NOT_OBJECT), id="two-on-a-line"
        ),
        pytest.param(b"\x00\n", ("", "not valid JSON: ", NOT_OBJECT), id="nul-byte"),
        pytest.param(
            other_line(name="@").replace(b"@", b"\\ud800"),
            ("", "not valid JSON: ", NOT_OBJECT),
            id="lone-surrogate",
        ),
        pytest.param(b"null\n", ("", "expected `object`, got `null`", NOT_OBJECT), id="null"),
        pytest.param(b"[1]\n", ("", "expected `object`, got `array`", NOT_OBJECT), id="list"),
        pytest.param(b"3\n", ("", "expected `object`, got `int`", NOT_OBJECT), id="number"),
        pytest.param(b'"x"\n', ("", "expected `object`, got `str`", NOT_OBJECT), id="string"),
        pytest.param(b"{}\n", ("instruction", "missing", "add the field"), id="empty-object"),
        pytest.param(
            line(instruction=...), ("instruction", "missing", "add the field"), id="no-instruction"
        ),
        pytest.param(
            other_line(instances=...), ("instances", "missing", "add the field"), id="no-instances"
        ),
        pytest.param(
            with_instance(input_text=...),
            ("instances[0].input", "missing", "add the field"),
            id="no-input",
        ),
        pytest.param(
            with_instance(output=...),
            ("instances[0].output", "missing", "add the field"),
            id="no-output",
        ),
        pytest.param(
            line(instruction=3),
            ("instruction", "expected `str`, got `int`", WRONG_TYPE),
            id="instruction-number",
        ),
        pytest.param(
            line(instruction=None),
            ("instruction", "expected `str`, got `null`", WRONG_TYPE),
            id="instruction-null",
        ),
        pytest.param(
            other_line(instances={"input": "", "output": "x"}),
            ("instances", "expected `array`, got `object`", WRONG_TYPE),
            id="instances-object",
        ),
        pytest.param(
            other_line(instances=["x"]),
            ("instances[0]", "expected `object`, got `str`", WRONG_TYPE),
            id="instance-string",
        ),
        pytest.param(
            with_instance(input_text=7),
            ("instances[0].input", "expected `str`, got `int`", WRONG_TYPE),
            id="input-number",
        ),
        pytest.param(
            other_line(instances=[{"input": "", "output": "x"}, {"input": "", "output": [3]}]),
            ("instances[1].output[0]", "expected `str`, got `int`", WRONG_TYPE),
            id="second-output-list",
        ),
        pytest.param(
            other_line(is_classification="false"),
            ("is_classification", "expected `bool`, got `str`", WRONG_TYPE),
            id="is-classification-text",
        ),
        pytest.param(
            other_line(id=2), ("id", "expected `str`, got `int`", WRONG_TYPE), id="id-number"
        ),
        pytest.param(
            line(instruction=" \n"),
            ("instruction", "empty", "write the task's text"),
            id="empty-instruction",
        ),
        pytest.param(
            other_line(instances=[]),
            ("instances", "empty", "add one input and output"),
            id="empty-instances",
        ),
        pytest.param(
            with_instance(output=""),
            ("instances[0].output", "empty", "write the output"),
            id="empty-output",
        ),
        pytest.param(
            with_instance(output=" \n"),
            ("instances[0].output", "empty", "write the output"),
            id="blank-output",
        ),
        pytest.param(
            line(), ("instruction", "the same as in line 2", "change or remove one"), id="twice"
        ),
        pytest.param(
            line(instruction="  NAME the\ncapital of the country. "),
            ("instruction", "the same as in line 2", "change or remove one"),
            id="twice-but-for-case-and-space",
        ),
        pytest.param(
            other_line(id="first"),
            ("id", "the same as in line 2", "change or remove one"),
            id="same-id",
        ),
        pytest.param(
            b'{"a":' * 100_000 + b"\n",
            ("", "nested too deeply", "write one flat JSON object on each line"),
            id="nested-objects",
        ),
        pytest.param(
            other_line(extra="@").replace(b'"@"', b"[" * 100_000 + b"]" * 100_000),
            ("", "nested too deeply", "write one flat JSON object on each line"),
            id="nested-lists-in-an-unknown-field",
        ),
        pytest.param(
            b" " * (1 << 20) + other_line(),
            ("", "longer than 1 MiB", "shorten or remove the line"),
            id="too-long",
        ),
    ],
)
def test_a_bad_line_is_reported_with_its_place_and_remedy(
    tmp_path: Path, content: bytes, expected: tuple[str, str, str]
) -> None:
    third = line(instruction="Give the chemical symbol of the element.")
    path = write(tmp_path, b"\n" + line(id="first") + content + third)
    seeds = read_seeds(path)
    assert [task.id for task in seeds.tasks] == ["first", "seed_4"]
    assert seeds.lines == (2, 4)
    (problem,) = seeds.problems
    field, message, remedy = expected
    assert (problem.path, problem.line, problem.field) == (path, 3, field)
    assert problem.message.startswith(message)
    assert problem.remedy == remedy
    place = f"{path}, line 3, field '{field}': " if field else f"{path}, line 3: "
    assert problem.what == place + problem.message


@pytest.mark.parametrize("content", [b"", b"\n \n\t\n", b"\xef\xbb\xbf"], ids=["0", "blank", "bom"])
def test_a_file_without_seeds_has_that_problem(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    (problem,) = read_seeds(path).problems
    assert problem.what == f"{path}: no seed tasks"
    assert problem.remedy == "write one JSON object a line"


def test_what_is_not_utf_8_is_named_by_its_byte_in_the_line(tmp_path: Path) -> None:
    bad = line(instruction="Décris la scène.").decode().encode("latin-1")
    (problem,) = read_seeds(write(tmp_path, bad)).problems
    expected = f"not UTF-8 (byte {bad.index(0xE9) + 1})"
    assert (problem.line, problem.message) == (1, expected)
    assert problem.remedy.startswith("save the file as UTF-8, as `iconv -f CP1252 -t UTF-8 ")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            line().decode().encode("utf-16"),
            "UTF-16, .*Save the file as UTF-8, as `iconv -f UTF-16 -t UTF-8",
        ),
        (b"PK\x03\x04 a workbook", "a workbook or an archive, .*Save it as CSV in UTF-8"),
        (b"\x1f\x8b\x08", "compressed, .*Unpack it"),
    ],
)
def test_a_file_that_is_no_text_is_one_error(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_seeds(write(tmp_path, content))


def test_rows_with_the_same_instruction_are_one_seed(tmp_path: Path) -> None:
    rows = [{"instruction": "Sort.", "input": text, "output": f"<{text}>"} for text in ("b", "c")]
    bad = {"instruction": "Sort.", "input": "d", "output": " "}
    content = b"".join(json.dumps(row).encode() + b"\n" for row in [*rows, bad])
    seeds = read_seeds(write(tmp_path, line() + content))
    assert [problem.what for problem in seeds.problems] == [
        f"{tmp_path / 'seeds.jsonl'}, line 4, field 'output': empty"
    ]
    instances = (Instance("b", ("<b>",)), Instance("c", ("<c>",)))
    assert seeds.tasks[1:] == (Task("seed_2", "Sort.", instances),)


def test_a_list_and_a_table_are_read_as_lines_are(tmp_path: Path) -> None:
    listed, table = tmp_path / "seeds.json", tmp_path / "seeds.csv"
    listed.write_bytes(b"[" + line().strip() + b",\n" + other_line() + b"]")
    assert [task.id for task in require_seeds(listed)] == ["seed_1", "seed_2"]
    text = "instruction;input;output;is_classification\nWähle aus.;Kürbis;Gemüse;TRUE\n"
    table.write_text(text, "utf-8-sig")
    instances = (Instance("Kürbis", ("Gemüse",)),)
    assert require_seeds(table) == (Task("seed_2", "Wähle aus.", instances, True),)


def test_all_faults_of_a_line_are_reported(tmp_path: Path) -> None:
    bad = line(id="one", instruction="", instances=[{"input": "", "output": ""}] * 2)
    problems = read_seeds(write(tmp_path, line(id="one") + bad)).problems
    fields = ["instruction", "instances[0].output", "instances[1].output", "id"]
    assert [(problem.line, problem.field) for problem in problems] == [
        (2, field) for field in fields
    ]


def test_a_huge_line_is_skipped_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    with path.open("wb") as file:
        file.write(line() + b'{"instruction": "')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + other_line())
    tracemalloc.start()
    seeds = read_seeds(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (problem,) = seeds.problems
    assert (problem.line, problem.message) == (2, "longer than 1 MiB")
    assert seeds.lines == (1, 3)
    assert peak < 8_000_000


def test_require_seeds_names_file_line_and_the_number_of_other_problems(tmp_path: Path) -> None:
    path = write(tmp_path, line() + b"null\n" + other_line(instances=[]) + b"{")
    with pytest.raises(InputError) as caught:
        require_seeds(path)
    assert caught.value.what == f"{path}, line 2: expected `object`, got `null` (and 2 more)"
    assert "`seedstep seeds check` shows all" in str(caught.value)


def test_require_seeds_says_what_to_do_about_a_single_problem(tmp_path: Path) -> None:
    path = write(tmp_path, line(instruction=...))
    with pytest.raises(InputError) as caught:
        require_seeds(path)
    assert str(caught.value) == (
        f"{path}, line 1, field 'instruction': missing. "
        "Add the field; `seedstep seeds check` shows all."
    )


@pytest.mark.parametrize("read", [read_seeds, require_seeds, check_seeds])
def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path, read: Any) -> None:
    with pytest.raises(InputError, match=r"nowhere\.jsonl: no such file\. Check the path\."):
        read(tmp_path / "nowhere.jsonl")


def test_a_directory_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        read_seeds(tmp_path)


def test_seeds_in_the_released_format_load(tmp_path: Path) -> None:
    released = [
        {
            "id": f"seed_task_{n}",
            "name": f"made_up_{n}",
            "instruction": f"Made-up instruction {word}: do as it says.",
            "instances": [{"input": "", "output": "Done.\n"}],
            "is_classification": n == 1,
        }
        for n, word in enumerate(("apple", "pear", "plum"))
    ]
    content = "\n".join(map(json.dumps, released))
    tasks = require_seeds(write(tmp_path, content.encode()))
    assert [task.id for task in tasks] == ["seed_task_0", "seed_task_1", "seed_task_2"]
    assert [task.is_classification for task in tasks] == [False, True, False]
    assert tasks[2].instances == (Instance("", ("Done.",)),)
