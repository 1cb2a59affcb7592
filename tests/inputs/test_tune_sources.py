"""Where a tuning's examples come from: how a source is written, and what is read of it."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep import export
from seedstep.data import load_rows, load_tasks
from seedstep.errors import InputError
from seedstep.inputs import load_source
from seedstep.runs import Run
from seedstep.settings import make_settings
from seedstep.stages import BOOTSTRAP
from seedstep.tune import TuneSettings, TuneSource, make_source
from support.growing import grow
from support.scripted_server import ScriptedServer
from support.task_files import changed, write_split, write_task
from support.tuning_things import write_lines


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("runs/first", TuneSource("runs/first")),
        ("ni:train", TuneSource("ni", split="train")),
        ("a:b:train", TuneSource("a:b", split="train")),
        ("runs/first@self-instruct", TuneSource("runs/first", encoding="self-instruct")),
        ("ni:train=500", TuneSource("ni", split="train", count=500)),
        ("x.jsonl=x0.5", TuneSource("x.jsonl", weight=0.5)),
        ("ni:train@steps=x2", TuneSource("ni", split="train", encoding="steps", weight=2.0)),
    ],
)
def test_a_source_is_one_word_and_reads_back(text: str, source: TuneSource) -> None:
    assert make_source(text) == source
    assert str(source) == text


def test_what_exists_is_a_path_whatever_it_looks_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd:name@x=3").touch()
    assert make_source("odd:name@x=3") == TuneSource("odd:name@x=3")


@pytest.mark.parametrize("text", ["", "x=0", "x=x0", "a\nb", "x=x5000"])
def test_an_amount_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="PATH"):
        make_source(text)


@given(st.text(max_size=200))
def test_any_text_is_a_source_or_refused(text: str) -> None:
    with suppress(InputError):
        assert make_source(text).path


def test_in_yaml_a_source_is_its_parts() -> None:
    parts = {"path": "ni", "split": "train", "weight": 2}
    settings = make_settings(TuneSettings, {"data": [parts, "runs/first=10"]}, "tune.yaml")
    assert settings.data == [
        TuneSource("ni", "train", weight=2.0),
        TuneSource("runs/first", count=10),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("runs/first", "not a list"),
        ([{"path": "x", "wieght": 2}], "wieght"),
        ([{"split": "train"}], "path"),
        ([{"path": "x", "count": 2, "weight": 2}], "a count and a weight"),
        ([3], "setting 'data'"),
    ],
)
def test_a_source_in_yaml_that_is_wrong_is_named(data: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_settings(TuneSettings, {"data": data}, "tune.yaml")


ROWS = [
    {"instruction": "Sort.", "input": "b a", "output": "a b"},
    {"instruction": "Name a fruit.", "input": "", "output": "Fig"},
    {"instruction": "Sort.", "input": "d c", "output": "c d"},
]


def test_rows_with_one_instruction_are_one_task(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", ROWS)
    found = load_source(TuneSource(str(path))).tasks
    assert [(task.id, task.definition) for task in found] == [
        ("line_1", "Sort."),
        ("line_2", "Name a fruit."),
    ]
    assert [(one.id, one.input, one.output) for one in found[0].instances] == [
        ("line_1", "b a", "a b"),
        ("line_3", "d c", "c d"),
    ]
    assert load_source(TuneSource(str(path)), limit=1).tasks[0].instances == found[0].instances[:1]


def test_a_bad_row_is_told_with_its_line(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [*ROWS, {"output": 3}, {"instruction": "Go."}])
    with pytest.raises(InputError, match=r"line 4, field 'output'.*and 1 more"):
        load_rows(path)
    assert load_rows(path, skip_bad=True).problems[1].what.endswith("field 'output': missing")


def test_lines_with_instances_are_tasks(tmp_path: Path) -> None:
    lines = [{"definition": "Sort.", "instances": [{"input": "b a", "output": "a b"}]}]
    path = write_lines(tmp_path / "tasks.jsonl", lines)
    assert load_source(TuneSource(str(path))).tasks == load_tasks(path).tasks


def test_a_split_of_a_directory(tmp_path: Path) -> None:
    for name in ("task001_a", "task002_b"):
        write_task(tmp_path / "tasks" / f"{name}.json", changed())
    write_split(tmp_path, "train", "task002_b\n")
    assert [task.id for task in load_source(TuneSource(str(tmp_path), "train")).tasks] == [
        "task002_b"
    ]
    assert len(load_source(TuneSource(str(tmp_path))).tasks) == 2


def test_a_bootstrap_and_its_exports_are_the_same_instances(
    server: ScriptedServer, tmp_path: Path
) -> None:
    run = grow(tmp_path / "run", server, tasks=6)
    found = load_source(TuneSource(str(run.path))).tasks
    assert [task.definition for task in found] == [task.definition for task in run.tasks]
    ids = [(task.id, one.id) for task in found for one in task.instances]
    assert len(set(ids)) == len(ids)
    assert all(one.id for task in found for one in task.instances)
    with Run.read(BOOTSTRAP, run.path) as opened:
        for name in ("alpaca", "superni", "messages"):
            export(opened, name, tmp_path / name)

    def contents(path: Path) -> set[tuple[str, str, str]]:
        return {
            (task.definition, one.input, one.output)
            for task in load_source(TuneSource(str(path))).tasks
            for one in task.instances
        }

    assert contents(tmp_path / "alpaca") == contents(run.path)
    assert contents(tmp_path / "superni") <= contents(run.path)
    with pytest.raises(InputError, match=r"format 'messages'.*Export as alpaca or superni"):
        contents(tmp_path / "messages")
    with pytest.raises(InputError, match="only a directory has splits"):
        load_source(TuneSource(str(run.path), "train"))


def test_a_run_without_tasks_says_so(server: ScriptedServer, tmp_path: Path) -> None:
    grow(tmp_path / "run", server, tasks=1)
    config = (tmp_path / "run" / "run.yaml").read_text()
    (tmp_path / "run" / "run.yaml").write_text(config.replace("bootstrap", "steps"))
    with pytest.raises(InputError, match="a run of `seedstep steps`, which has no examples"):
        load_source(TuneSource(str(tmp_path / "run")))
