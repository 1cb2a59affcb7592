"""Join generated examples to tasks, in place of the examples that the tasks have.

Section 3.2 of the second paper, and its Table 8, which compares prompts without examples, with
generated ones, with ranked ones, and with those that people wrote.

Example::

    tasks = with_examples(tasks, Path("runs/examples"), "ranked")
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from seedstep.data import Example, Task
from seedstep.errors import InputError
from seedstep.runs import open_database, read_entries, stage_of
from seedstep.steps import ExampleSet

__all__ = ["Choose", "about_examples", "chosen_examples", "with_examples"]

Choose = Literal["ranked", "drawn"]
"""Which two of a task's generated examples are used."""


def with_examples(tasks: Iterable[Task], run: Path, choose: Choose) -> tuple[Task, ...]:
    """Return the tasks with the chosen examples of a run of `seedstep examples`.

    A task for which the run has none gets none: examples of two origins would not be told apart.

    Raises:
        InputError: the run is one of another stage, or has no chosen examples of these tasks.
        RunError: `run` is no run.
    """
    tasks = tuple(tasks)
    if (stage := stage_of(run)) not in (None, "examples"):
        what = f"{run} is a run of `seedstep {stage}`, which has no generated examples"
        raise InputError(what, "name a run of `seedstep examples`")
    with open_database(run, "examples") as database:
        made = {entry.task: entry.result for entry in read_entries(database, ExampleSet)}
    found = {task.id: chosen_examples(made[task.id], choose) for task in tasks if task.id in made}
    if not any(found.values()):
        if found:
            what = f"{run}: none of these tasks has {choose} examples there"
            raise InputError(what, f"`seedstep show {run} --rejected` says why")
        what = f"{run}: its examples are of other tasks"
        raise InputError(what, "name the run that was made for these: `task` is a task's id")
    return tuple(replace(task, positive_examples=found.get(task.id, ())) for task in tasks)


def chosen_examples(made: ExampleSet, choose: Choose) -> tuple[Example, ...]:
    """Return the examples of a task that were drawn or ranked best, in that order."""
    places = made.drawn if choose == "drawn" else made.ranked
    return tuple(made.candidates[place] for place in places)


def about_examples(tasks: Sequence[Task], choose: Choose) -> str:
    """Return how many tasks with generated examples have none, or "" if all have some."""
    bare = sum(not task.positive_examples for task in tasks)
    return f"{bare:,} of {len(tasks):,} tasks have no {choose} examples to show" if bare else ""
