"""Tasks with the step-by-step instructions that a run wrote for them, or a file holds.

Example::

    tasks = with_steps(load_tasks(Path("my_tasks.jsonl")).tasks, Path("runs/steps"))
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from seedstep.data import BadLine, Problem, Task, read_jsonl
from seedstep.data.forms import TextOrTexts, steps_of
from seedstep.data.records import placed, raise_first
from seedstep.data.sources import LONGEST_LINE
from seedstep.errors import InputError
from seedstep.runs import open_database, read_entries
from seedstep.steps import SUPERNI, WrittenSteps, superni_instructions

__all__ = [
    "with_steps",
]

Both = tuple[tuple[str, ...], tuple[str, ...]]
"""The steps of a task, and those before their refining."""


class _Line(msgspec.Struct, frozen=True):
    """A line of an export of instructions, or one with `text` in place of `steps`."""

    task: str
    steps: TextOrTexts = ()
    unrefined: TextOrTexts = ()
    text: str = ""


def with_steps(tasks: Iterable[Task], path: Path) -> tuple[Task, ...]:
    """The tasks with the steps of `path`: a run of `seedstep steps`, or JSON lines as it exports.

    `superni` stands for the instructions that come with seedstep, unless there is a file of that
    name. A task that has none there stays as it is.

    Raises:
        InputError: a line is wrong, or there are steps of none of the tasks.
        RunError: a directory is no such run.
    """
    if str(path) == SUPERNI and not path.exists():
        lines = _of_package()
    else:
        lines = _of_run(path) if path.is_dir() else _of_file(path)
    found = {task: both for task, both in lines if any(both)}
    joined = tuple(_joined(task, found.get(task.id, ((), ()))) for task in tasks)
    if not any(task.id in found for task in joined):
        what = f"{path}: no step-by-step instructions of these tasks"
        raise InputError(what, "check that it was made for them: `task` is a task's id")
    return joined


def _joined(task: Task, both: Both) -> Task:
    steps, unrefined = both
    return replace(
        task, steps=steps or task.steps, unrefined_steps=unrefined or task.unrefined_steps
    )


def _of_package() -> Iterator[tuple[str, Both]]:
    for name, written in superni_instructions().items():
        yield name, (written.steps, written.unrefined)


def _of_run(path: Path) -> Iterator[tuple[str, Both]]:
    with open_database(path, "steps") as database:
        for entry in read_entries(database, WrittenSteps):
            yield entry.task, (entry.result.steps, entry.result.unrefined)


def _of_file(path: Path) -> Iterator[tuple[str, Both]]:
    seen: dict[str, int] = {}
    problems: list[Problem] = []
    for number, line in read_jsonl(path, _Line, LONGEST_LINE):
        if isinstance(line, BadLine):
            problems += placed(path, number, [line])
        elif (first := seen.setdefault(line.task, number)) != number:
            problems.append(
                Problem(path, number, "task", f"the same as in line {first}", "remove one")
            )
        else:
            yield line.task, (steps_of(line.steps or line.text), steps_of(line.unrefined))
    raise_first(problems)
