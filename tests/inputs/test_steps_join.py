"""Step-by-step instructions in task files, and joined to tasks from runs and exports."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep import stages
from seedstep.data import STEPS_FIELD, Task, load_tasks
from seedstep.data.written_tasks import steps_of
from seedstep.errors import InputError, RunError
from seedstep.exports import export_lines, export_task_files
from seedstep.inputs import with_steps
from seedstep.recipes import import_instructions
from seedstep.runs import Run
from seedstep.steps import canonical, render
from support.task_files import changed, write_task

STEPS = ("Read the words.", "Sort them:\n1. by letter\n- then by length", "Output them.")


def lines(path: Path, records: Iterable[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory of two task files."""
    for name in ("task1_a", "task2_b"):
        write_task(tmp_path / "tasks" / f"{name}.json")
    return tmp_path / "tasks"


@pytest.fixture
def run(tmp_path: Path, folder: Path) -> Path:
    """A run with an instruction for one of them."""
    theirs = lines(tmp_path / "theirs.jsonl", [{"task": "task1_a", "steps": STEPS}])
    import_instructions(theirs, tmp_path / "run", {"tasks": str(folder)})
    return tmp_path / "run"


def test_an_import_returns_its_run_with_the_problems_of_what_was_skipped(
    tmp_path: Path, folder: Path
) -> None:
    written = [{"task": "task1_a", "steps": STEPS}, {"task": "task9_z", "steps": STEPS}]
    theirs = lines(tmp_path / "theirs.jsonl", written)
    with import_instructions(theirs, tmp_path / "run", tasks=folder, skip_bad=True) as run:
        assert [entry.result.steps for entry in run.entries()] == [STEPS]
        assert [task.id for _, task in run.records.left()] == ["task2_b"]
        assert [problem.line for problem in run.problems] == [2]


def test_instructions_for_tasks_in_memory_are_imported(tmp_path: Path, folder: Path) -> None:
    theirs = lines(tmp_path / "theirs.jsonl", [{"task": "task1_a", "steps": STEPS}])
    import_instructions(str(theirs), tmp_path / "new", tasks=load_tasks(folder).tasks)
    (joined, other) = with_steps(load_tasks(folder).tasks, tmp_path / "new")
    assert (joined.steps, other.steps) == (tuple(STEPS), ())
    theirs = lines(tmp_path / "theirs.jsonl", [{"task": "task9_z", "steps": STEPS}])
    with pytest.raises(InputError, match="there is no task 'task9_z'"):
        import_instructions(theirs, tmp_path / "no", tasks=load_tasks(folder).tasks)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ({"text": "1. Read.\n2. Say it.", "steps": ["Other."]}, ("Read.", "Say it.")),
        ({"text": " ", "steps": ["Read.", "Say it."]}, ("Read.", "Say it.")),
    ],
)
def test_a_text_comes_before_steps_wherever_lines_are_read(
    written: dict[str, Any], wanted: tuple[str, ...], tmp_path: Path, folder: Path
) -> None:
    theirs = lines(tmp_path / "theirs.jsonl", [{"task": "task1_a", **written}])
    import_instructions(theirs, tmp_path / "run", tasks=folder)
    for path in (theirs, tmp_path / "run"):
        assert with_steps(load_tasks(folder).tasks, path)[0].steps == wanted


def test_an_export_that_is_imported_has_both_versions(tmp_path: Path, folder: Path) -> None:
    both = {"steps": "1. Read.\n2. Say it.", "unrefined": ["Read.", "Say."]}
    theirs = lines(tmp_path / "theirs.jsonl", [{"task": "task1_a", **both}])
    import_instructions(theirs, tmp_path / "first", tasks=str(folder))
    with stages.open_run(tmp_path / "first", stages.STEPS) as first:
        export_lines(first, tmp_path / "export.jsonl")
    import_instructions(tmp_path / "export.jsonl", tmp_path / "second", tasks=str(folder))
    (joined, other) = with_steps(load_tasks(folder).tasks, tmp_path / "second")
    assert (joined.steps, joined.unrefined_steps) == (("Read.", "Say it."), ("Read.", "Say."))
    assert not other.unrefined_steps


@given(st.lists(st.text()))
def test_a_rendered_instruction_is_read_as_its_steps(steps: list[str]) -> None:
    assert steps_of(render(steps)) == canonical(steps)


WRITTEN: dict[str, tuple[str | tuple[str, ...], tuple[str, ...]]] = {
    "numbered": ("1. Read.\r\n2.  Say.\n\n10. End.", ("Read.", "Say.", "End.")),
    "details": ("1. Read.\n   a) slowly\n2. Say.", ("Read.\na) slowly", "Say.")),
    "one-line": ("1. Read. 2. Say.", ("Read. 2. Say.",)),
    "prose": ("Read it,\nthen say it.", ("Read it,\nthen say it.",)),
    "list": (("Read.", " ", "Say."), ("Read.", "Say.")),
    "numbered-list": (("1. Read.", "2. Say."), ("Read.", "Say.")),
    "years": (("1984. A year.", "2. Say."), ("1984. A year.", "2. Say.")),
    "nothing": (" \n ", ()),
}


@pytest.mark.parametrize(("written", "steps"), WRITTEN.values(), ids=WRITTEN)
def test_steps_that_people_wrote_are_read(
    written: str | tuple[str, ...], steps: tuple[str, ...]
) -> None:
    assert steps_of(written) == steps


def test_a_task_file_has_its_steps(tmp_path: Path) -> None:
    path = write_task(tmp_path / "task1_a.json", {**changed(), STEPS_FIELD: render(STEPS)})
    (task,) = load_tasks(path).tasks
    assert task.steps == STEPS
    assert task.unrefined_steps == ()


def test_a_line_has_its_steps_and_those_before_refining(tmp_path: Path) -> None:
    record = {"definition": "Sort.", "steps": STEPS, "unrefined": ["Sort it."]}
    (task,) = load_tasks(lines(tmp_path / "a.jsonl", [record])).tasks
    assert (task.steps, task.unrefined_steps) == (STEPS, ("Sort it.",))


def test_steps_of_another_type_are_told(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", [{"definition": "Sort.", "steps": [1]}])
    with pytest.raises(InputError, match=r"field 'steps\[0\]': expected `str`, got `int`"):
        load_tasks(path)


def test_exported_task_files_bring_their_steps_back(tmp_path: Path, run: Path) -> None:
    with Run.read(stages.STEPS, run) as opened:
        assert export_task_files(opened, tmp_path / "out") == (1, 0)
    (task,) = load_tasks(tmp_path / "out").tasks
    assert task.steps == STEPS


def test_tasks_without_a_name_for_a_file_replace_no_other(tmp_path: Path) -> None:
    ids = ("task00002", "a/b", "task00003", "c/d")
    instances = [{"input": "b a", "output": "a b"}]
    records = [{"id": name, "definition": f"Do {name}.", "instances": instances} for name in ids]
    tasks = lines(tmp_path / "tasks.jsonl", records)
    theirs = lines(tmp_path / "theirs.jsonl", [{"task": name, "steps": STEPS} for name in ids])
    import_instructions(theirs, tmp_path / "run", {"tasks": str(tasks)})
    with Run.read(stages.STEPS, tmp_path / "run") as opened:
        assert export_task_files(opened, tmp_path / "out") == (4, 0)
    written = {task.definition for task in load_tasks(tmp_path / "out").tasks}
    assert written == {f"Do {name}." for name in ids}


def test_a_run_and_its_export_join_the_same_steps(tmp_path: Path, folder: Path, run: Path) -> None:
    tasks = load_tasks(folder).tasks
    first, second = with_steps(tasks, run)
    assert first == Task(**{**_fields(tasks[0]), "steps": STEPS})
    assert second == tasks[1]
    with Run.read(stages.STEPS, run) as opened:
        export_lines(opened, tmp_path / "steps.jsonl")
    assert with_steps(tasks, tmp_path / "steps.jsonl") == (first, second)


def test_a_task_without_steps_there_keeps_its_own(tmp_path: Path) -> None:
    tasks = (Task("a", "Sort.", (), steps=("Old.",)), Task("b", "Count.", (), steps=("Own.",)))
    path = lines(
        tmp_path / "s.jsonl",
        [
            {"task": "a", "text": "1. New.\n2. Newer.", "unrefined": ["Raw."]},
            {"task": "b", "steps": [], "failure": "prose"},
            {"task": "elsewhere", "steps": ["x"]},
        ],
    )
    first, second = with_steps(tasks, path)
    assert (first.steps, first.unrefined_steps) == (("New.", "Newer."), ("Raw.",))
    assert second == tasks[1]


BAD: dict[str, tuple[list[Any], str]] = {
    "others": ([{"task": "x", "steps": ["a"]}], "no step-by-step instructions of these tasks"),
    "failed": ([{"task": "a", "steps": []}], "no step-by-step instructions of these tasks"),
    "twice": ([{"task": "a", "steps": ["x"]}] * 2, "line 2, field 'task': the same as in line 1"),
    "no-task": ([{"steps": ["x"]}], "line 1, field 'task': missing"),
    "empty": ([], "no step-by-step instructions of these tasks"),
}


@pytest.mark.parametrize(("records", "message"), BAD.values(), ids=BAD)
def test_a_file_that_does_not_fit_is_told(tmp_path: Path, records: list[Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        with_steps([Task("a", "Sort.", ())], lines(tmp_path / "s.jsonl", records))
    assert message in str(caught.value)


def test_a_directory_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run"):
        with_steps([Task("a", "Sort.", ())], tmp_path)


def _fields(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in Task.__dataclass_fields__}
