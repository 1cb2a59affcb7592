"""Rows in the forms of others: in files, in exports and in data sets loaded through `datasets`."""

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.data import row_forms, rows
from seedstep.data.row_forms import RowSource, load_row_forms
from seedstep.errors import InputError
from seedstep.inputs import load_source
from seedstep.tune import TuneSource


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def chat(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in turns]


def sharegpt(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": role, "value": text} for role, text in turns]


FORMS: dict[str, tuple[dict[str, Any], tuple[str, str, str], bool]] = {
    "dolly": (
        {"instruction": "Add.", "context": "1 2", "response": "3", "category": "math"},
        ("Add.", "1 2", "3"),
        False,
    ),
    "dolly, no context": (
        {"instruction": "Say hi.", "context": None, "response": "hi"},
        ("Say hi.", "", "hi"),
        False,
    ),
    "t0": (
        {"inputs": [3, 4], "inputs_pretokenized": "Is it? ", "targets_pretokenized": "\nYes"},
        ("Is it? ", "", "\nYes"),
        True,
    ),
    "flan": ({"inputs": "Is it?", "targets": "Yes"}, ("Is it?", "", "Yes"), True),
    "pairs": ({"prompt": "Q: 1+1\nA:", "completion": " 2"}, ("Q: 1+1\nA:", "", " 2"), True),
    "messages": (
        {"messages": chat(("system", "Be brief."), ("user", "Hi!"), ("assistant", "Hello."))},
        ("Be brief.\n\nHi!", "", "Hello."),
        True,
    ),
    "sharegpt": (
        {"conversations": sharegpt(("human", "Hi!"), ("gpt", "Hello."))},
        ("Hi!", "", "Hello."),
        True,
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_known_by_its_columns(name: str, tmp_path: Path) -> None:
    row, texts, whole = FORMS[name]
    found = load_row_forms(str(lines(tmp_path / "rows.jsonl", [row])))
    (task,) = found.tasks
    assert (task.definition, task.instances[0].input, task.instances[0].output) == texts
    assert found.whole_prompts is whole


@pytest.mark.parametrize("name", FORMS)
def test_a_list_in_a_file_is_known_by_its_columns(name: str, tmp_path: Path) -> None:
    row, texts, whole = FORMS[name]
    path = tmp_path / "rows.json"
    path.write_text("\ufeff" + json.dumps([row, row], indent=2))
    found = load_source(TuneSource(str(path)))
    (task,) = found.tasks
    assert [each.id for each in task.instances] == ["line_1", "line_2"]
    assert (task.definition, task.instances[0].input, task.instances[0].output) == texts
    assert found.whole_prompts is whole


@pytest.mark.parametrize("name", FORMS)
def test_a_data_set_is_loaded_through_datasets(name: str, tmp_path: Path) -> None:
    row, texts, whole = FORMS[name]
    lines(tmp_path / "set" / "train.jsonl", [row, row])
    lines(tmp_path / "set" / "test.jsonl", [row])
    found = load_row_forms(f"hub:{tmp_path / 'set'}")
    (task,) = found.tasks
    assert len(task.instances) == 2
    assert (task.definition, task.instances[0].input, task.instances[0].output) == texts
    assert found.whole_prompts is whole
    (task,) = load_row_forms(f"hub:{tmp_path / 'set'}", "test").tasks
    assert len(task.instances) == 1


def test_columns_are_named_in_brackets(tmp_path: Path) -> None:
    rows = [{"q": "Add.", "with": str(n), "a": f"{n}", "instruction": "no"} for n in range(3)]
    path = lines(tmp_path / "set" / "rows.jsonl", rows)
    for source in (str(path), f"hub:{tmp_path / 'set'}"):
        found = load_row_forms(f"{source}[q, with, a]", limit=2)
        (task,) = found.tasks
        assert [(each.input, each.output) for each in task.instances] == [("0", "0"), ("1", "1")]
        pairs = load_row_forms(f"{source}[with,a]")
        assert [task.definition for task in pairs.tasks] == ["0", "1", "2"]
        assert pairs.whole_prompts
        assert not found.whole_prompts


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"question": "1+1?", "answer": "2"}, "[question,answer]"),
        ({"prompt": "1+1?", "completion": "2"}, ""),
        ({"instruction": "1+1?", "output": "2"}, ""),
    ],
)
def test_columns_are_those_of_the_first_readable_row(
    row: dict[str, str], columns: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{bad\n[]\n" + json.dumps(row) + "\n")
    source = TuneSource(f"{path}{columns}")
    with pytest.raises(InputError, match=r"line 1: not valid JSON.*and 1 more"):
        load_source(source)
    found = load_source(source, skip_bad=True)
    assert [(task.definition, task.instances[0].output) for task in found.tasks] == [("1+1?", "2")]
    assert [problem.line for problem in found.problems] == [1, 2]


@pytest.mark.parametrize("columns", ["", "[question,answer]"])
def test_rows_of_which_none_is_readable_say_so(columns: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{bad\n{worse\n")
    with pytest.raises(InputError, match=r"line 1: not valid JSON.*and 1 more"):
        load_source(TuneSource(f"{path}{columns}"), skip_bad=True)


def test_named_columns_of_lists(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"q": "x", "a": "y"}]))
    (task,) = load_row_forms(f"{path}[q,a]").tasks
    assert (task.definition, task.instances[0].output) == ("x", "y")


def test_parquet_is_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [
        {"instruction": "Say hi.", "input": "", "output": "hi", "is_classification": True},
        {
            "instruction": "Say hi.",
            "input": "to Ann",
            "output": "hi Ann",
            "is_classification": True,
        },
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    (task,) = load_row_forms(str(tmp_path / "rows.parquet")).tasks
    assert task.is_classification
    assert [each.output for each in task.instances] == ["hi", "hi Ann"]


def test_csv_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('instruction,input,output\n"Say hi, twice.",,"hi\nhi"\nAdd.,1 2,3\n')
    first, second = load_row_forms(str(path)).tasks
    assert (first.definition, first.instances[0].output) == ("Say hi, twice.", "hi\nhi")
    assert second.instances[0].input == "1 2"
    path.write_text(f"instruction,output\nAdd.,{'3' * 200_000}\n")
    (task,) = load_row_forms(str(path)).tasks
    assert len(task.instances[0].output) == 200_000, "longer than Python's csv takes by itself"
    path.write_text("instruction,output\nAdd.\n")
    with pytest.raises(InputError, match="field 'output': missing"):
        load_row_forms(str(path))


def test_lines_that_others_read_are_left_to_them(tmp_path: Path) -> None:
    for row in (
        {"instruction": "Say hi.", "input": "", "output": "hi"},
        {"definition": "Say hi.", "instances": []},
        {"prompt": "x", "completion": "y", "instances": []},
        {"something": "else"},
    ):
        assert RowSource.parse(str(lines(tmp_path / "rows.jsonl", [row]))) is None


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"prompt": "x", "completion": None}, "line 2, field 'completion': missing"),
    "type": ({"prompt": 3, "completion": "y"}, "field 'prompt': is of type int"),
    "empty": ({"prompt": " ", "completion": "y"}, "field 'prompt': empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_named_or_left_out(name: str, tmp_path: Path) -> None:
    row, said = BAD[name]
    path = str(lines(tmp_path / "rows.jsonl", [{"prompt": "a", "completion": "b"}, row]))
    with pytest.raises(InputError, match=said):
        load_row_forms(path)
    found = load_row_forms(path, skip_bad=True)
    assert len(found.tasks) == len(found.problems) == 1


CONVERSATIONS: dict[str, Any] = {
    "4 turns": chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")),
    "1 turns": chat(("user", "a")),
    "without role and content": [{"role": "user"}],
    "no list of messages": "user: hi",
}


@pytest.mark.parametrize("said", CONVERSATIONS)
def test_a_conversation_of_other_turns_is_a_problem(said: str, tmp_path: Path) -> None:
    good = {"messages": chat(("user", "a"), ("assistant", "b"))}
    rows = [good, {"messages": CONVERSATIONS[said]}]
    with pytest.raises(InputError, match=said):
        load_row_forms(str(lines(tmp_path / "rows.jsonl", rows)))


def test_what_can_not_be_a_source_says_so(tmp_path: Path) -> None:
    path = lines(tmp_path / "set" / "rows.jsonl", [{"q": "x", "a": "y"}])
    cases = {
        f"{path}[q,b]": "column 'b'",
        f"{path}[q,a,b,c]": "names no columns",
        f"hub:{tmp_path / 'set'}": "has the columns q, a, which are of no known form",
        f"hub:{tmp_path / 'none'}/x": "neither a directory nor the name of a data set",
        "hub:../x": "neither a directory nor the name of a data set",
    }
    for source, said in cases.items():
        with pytest.raises(InputError) as caught:
            load_row_forms(source)
        assert said in str(caught.value)
    with pytest.raises(InputError, match="only a directory has splits"):
        load_row_forms(f"{path}[q,a]", "train")
    with pytest.raises(InputError, match=r"can't be loaded through `datasets`.*nosuch"):
        load_row_forms(f"hub:{tmp_path / 'set'}[q,a]", "nosuch")


def test_without_a_network_a_hub_name_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    from datasets import config

    before = config.HF_HUB_OFFLINE

    def no_address(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    began = time.monotonic()
    with pytest.raises(InputError, match="the hub can't be reached") as caught:
        load_row_forms("hub:databricks/databricks-dolly-15k")
    assert len(str(caught.value).splitlines()) == 1
    assert time.monotonic() - began < 60
    assert before == config.HF_HUB_OFFLINE


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("hub:imdb", ("imdb", None)),
        ("hub:a/b", ("a/b", None)),
        ("hub:a/b/c", ("a/b", "c")),
        ("hub:a/b/c/d", ("a/b", "c/d")),
    ],
)
def test_names_of_the_hub(place: str, name: tuple[str, str | None]) -> None:
    assert rows._hub_name(place) == name


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value"]), inner, max_size=4)
    ),
    max_leaves=6,
)
COLUMNS = st.sampled_from([name for form in row_forms.FORMS for name in form.columns])


@given(st.lists(st.dictionaries(COLUMNS, VALUES, max_size=4), min_size=1, max_size=4))
def test_any_rows_are_tasks_or_named_problems(rows: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        path = lines(Path(folder) / "rows.jsonl", rows)
        if RowSource.parse(str(path)) is None:
            return
        said = []
        try:
            found = load_row_forms(str(path), skip_bad=True)
        except InputError as error:
            said = str(error).splitlines()
    if said:
        assert len(said) == 1
        return
    assert sum(len(task.instances) for task in found.tasks) + len(found.problems) == len(rows)
    for task in found.tasks:
        assert task.definition.strip()
        assert all(isinstance(each.output, str) for each in task.instances)


@given(st.text(max_size=60))
def test_any_text_is_a_row_source_or_none(text: str) -> None:
    with suppress(InputError):
        found = RowSource.parse(text)
        assert found is None or found.text == text
