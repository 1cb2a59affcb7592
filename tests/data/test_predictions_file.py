"""Predictions made elsewhere: every released form, and lines that are none."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedstep.data import load_tasks, read_predictions
from seedstep.errors import InputError
from support.answer_files import write_lines, write_predictions, write_tasks

INSTANCE = {"id": "t1-0", "input": "red", "output": ["R"]}

FORMS: dict[str, dict[str, Any]] = {
    "plain": {"id": "t1-0", "prediction": "R1"},
    "instance": {"instance": "t1-0", "text": "R1"},
    "tk-instruct": {"id": "t1-0", "Task": "t1", "Instance": INSTANCE, "Prediction": "R1"},
    "tk-instruct-heuristics": {"Task": "t1", "Instance": INSTANCE, "prediction": "R1"},
    "leaderboard": {"id": "t1-0", "prediction": "R1", "track": "default"},
    "user-oriented": {
        "prompt": "whatever",
        "instruction": "Write word 1 of the alphabet in capitals.\n",
        "input": " red1 blue0",
        "response": "R1",
        "target": "R1 B0",
    },
    "definition": {
        "definition": "Write word 1 of the alphabet in capitals.",
        "input": "red1 blue0",
        "prediction": "R1",
    },
}

BAD: dict[str, tuple[Any, str, str]] = {
    "broken": (b'{"id": "t1-0", "pred', "", "not valid JSON"),
    "not-utf-8": (b'{"id": "\xff"}', "", "not UTF-8"),
    "list": (["t1-0", "R1"], "", "expected `object`"),
    "no-text": ({"id": "t1-0"}, "prediction", "missing"),
    "null-text": ({"id": "t1-0", "prediction": None}, "prediction", "missing"),
    "number": ({"id": "t1-0", "prediction": 3}, "prediction", "expected `str`, got `int`"),
    "several": ({"id": "t1-0", "prediction": ["R1"]}, "prediction", "got `list`"),
    "no-id": ({"prediction": "R1"}, "id", "missing"),
    "empty-id": ({"id": "", "prediction": "R1"}, "id", "empty"),
    "number-id": ({"id": 3, "prediction": "R1"}, "id", "expected `str`, got `int`"),
    "nested-number-id": ({"Instance": {"id": 3}, "prediction": "x"}, "Instance.id", "got `int`"),
    "other-input": (
        {"instruction": "Write word 1 of the alphabet in capitals.", "input": "x", "response": "y"},
        "",
        "no instance has this instruction and input",
    ),
    "input-list": ({"instruction": "x", "input": [], "response": "y"}, "input", "got `list`"),
}


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return write_tasks(tmp_path / "tasks.jsonl", tasks=3)


@pytest.mark.parametrize("record", FORMS.values(), ids=FORMS)
def test_every_form_is_read(record: dict[str, Any], tasks: Path, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "p.jsonl", [record])
    found = read_predictions(path, load_tasks(tasks).tasks)
    assert found.problems == ()
    (prediction,) = found.predictions
    assert (prediction.line, prediction.instance, prediction.text) == (1, "t1-0", "R1")
    assert prediction.task == record.get("Task", "")


@pytest.mark.parametrize(("line", "field", "message"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_and_the_others_are_read(
    line: object, field: str, message: str, tasks: Path, tmp_path: Path
) -> None:
    good = FORMS["plain"]
    path = write_lines(tmp_path / "p.jsonl", [good, b"", line, {**good, "id": "t0-1"}])
    found = read_predictions(path, load_tasks(tasks).tasks)
    assert [(prediction.line, prediction.instance) for prediction in found.predictions] == [
        (1, "t1-0"),
        (4, "t0-1"),
    ]
    (problem,) = found.problems
    assert (problem.path, problem.line, problem.field) == (path, 3, field)
    assert message in problem.message
    assert f"{path}, line 3" in problem.what


def test_an_input_that_two_instances_share_needs_an_id(tmp_path: Path) -> None:
    both = {"definition": "Shout.", "instances": [{"input": "a", "output": "A"}] * 2}
    tasks = load_tasks(write_lines(tmp_path / "tasks.jsonl", [both])).tasks
    line = {"instruction": "Shout.", "input": "a", "response": "A"}
    found = read_predictions(write_lines(tmp_path / "p.jsonl", [line]), tasks)
    assert found.predictions == ()
    assert found.problems[0].message == "2 instances have this input"
    assert "id" in found.problems[0].remedy


@given(st.text(st.characters(codec="utf-8")))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_text_comes_as_it_was_written(tmp_path: Path, text: str) -> None:
    path = write_predictions(tmp_path / "p.jsonl", {"t1-0": text})
    assert [prediction.text for prediction in read_predictions(path, ()).predictions] == [text]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_predictions(tmp_path / "p.jsonl", ())


def test_a_huge_text_is_read_whole(tasks: Path, tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "p.jsonl", {"t1-0": "a\x00b\u202e" * 1_000_000})
    (prediction,) = read_predictions(path, load_tasks(tasks).tasks).predictions
    assert len(prediction.text) == 4_000_000


def test_the_published_answers_join_all_252_tasks(shared_data: Path) -> None:
    folder = shared_data / "self_instruct"
    tasks = load_tasks(folder / "user_oriented_instructions.jsonl").tasks
    files = sorted((folder / "human_eval_predictions").glob("*.jsonl"))
    assert len(files) == 8
    for path in files:
        found = read_predictions(path, tasks)
        assert found.problems == ()
        ids = {prediction.instance for prediction in found.predictions}
        assert ids == {task.instances[0].id for task in tasks}
