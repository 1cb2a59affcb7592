"""Folders of task files in the form of SUPER-NATURALINSTRUCTIONS."""

import json
import os
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from seedstep.data import Problem, Task, load_tasks, scan_tasks
from seedstep.errors import InputError
from support.task_files import A_LIST, TASK, changed, with_instances, write_task


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
    with pytest.raises(InputError, match=r"no task files\. Name a directory of task files"):
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
    assert [problem.path.name for problem in found.problems] == ["task1_a.json"]


def test_when_no_task_is_good_skipping_does_not_help(tmp_path: Path) -> None:
    write_task(tmp_path / "task1_a.json", [{}])
    with pytest.raises(InputError, match=r"task1_a\.json: a list of objects") as caught:
        load_tasks(tmp_path, skip_bad=True)
    assert caught.value.remedy == A_LIST


def test_a_file_name_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/task\xff.json"
    with open(name, "wb") as file:  # noqa: PTH123 - a name in bytes
        file.write(json.dumps(TASK).encode())
    (problem,) = scan_tasks(tmp_path)
    assert isinstance(problem, Problem)
    assert problem.message == "a file name that is not UTF-8"
    assert problem.what.isascii()


def test_many_files_are_not_held_together(tmp_path: Path) -> None:
    many = [{"id": f"{n}", "input": "x" * 1000, "output": ["y"]} for n in range(1000)]
    for number in range(20):
        write_task(tmp_path / f"task{number}_a.json", with_instances(*many))
    tracemalloc.start()
    count = sum(isinstance(entry, Task) for entry in scan_tasks(tmp_path))
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
    assert len({instance.id for task in tasks for instance in task.instances}) == 74_701
    written = json.loads((folder / "tasks" / f"{tasks[0].id}.json").read_bytes())
    assert tasks[0].definition == written["Definition"][0]
    assert [instance.input for instance in tasks[0].instances] == [
        instance["input"] for instance in written["Instances"]
    ]


def test_the_released_splits_load(shared_data: Path) -> None:
    test = load_tasks(shared_data / "superni", "test").tasks
    train = load_tasks(shared_data / "superni", "train", limit=1).tasks
    assert (len(test), len(train)) == (63, 687)
    assert len(Counter(task.category for task in test)) == 12
    assert not {task.category for task in test} & {task.category for task in train}
    names = (shared_data / "superni/splits/default/test_tasks.txt").read_text().split()
    assert [task.id for task in test] == names
