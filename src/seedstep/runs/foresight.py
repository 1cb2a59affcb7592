"""See how a run would go on with some settings, without changing it.

Example::

    with foresee(STEPS, Path("runs/steps"), {"tasks": "more_tasks.jsonl"}) as run:
        print(run.changes.told, len(tasks_left(run)))
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from seedstep.data import Task
from seedstep.llm import Preview
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE, begun_database, stored_config
from seedstep.runs.lists import Removed, reconcile
from seedstep.runs.run import Run, resolve_settings
from seedstep.runs.stage import Stage

FORESEEN = "run that is only foreseen"
"""Stands for the directory of a run that is not there."""

__all__ = ["FORESEEN", "ForeseenWork", "foresee", "tasks_left"]

S = TypeVar("S", bound=Any)
Inputs = TypeVar("Inputs")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ForeseenWork:
    """What a stage would do to go on: its settings, what it would tell, and what it would ask.

    `left` counts what there is to do.
    """

    settings: Any
    told: tuple[str, ...]
    view: Preview
    left: int = 0


def foresee(
    stage: Stage[S, Inputs, R],
    path: Path | None,
    asked: Mapping[str, Any],
    removed: Removed = "keep",
) -> Run[S, Inputs, R]:
    """Open a run for reading, with the settings with which it would go on, and its `changes`.

    If there is no run, or no path, it is one without records.

    Raises:
        RunMismatchError: the run was started with other settings.
        InputError: an input file or a setting can't be used.
        RunError: the directory is something else.
    """
    path = path or Path(FORESEEN)
    settings, inputs, config = resolve_settings(stage, path, asked, stage.changeable, None, {})
    is_begun = (path / stage.config).exists() and (path / DATABASE).exists()
    database = begun_database(stage.name, path) if is_begun else Database.in_memory()
    run = Run(stage, path, settings, database, config, inputs)
    before = stored_config(stage.name, path, stage.config) if is_begun else {}
    run.changes = reconcile(run, before, removed, write=False)
    return run


def tasks_left(run: Run[Any, Any, Any]) -> tuple[Task, ...]:
    """Return the tasks of a run that was foreseen for which there would be no record."""
    changes = run.changes
    done = run.records.done() - {*changes.changed, *changes.touched} | {*changes.restored}
    return tuple(task for task in run.tasks().tasks if task.id not in done)
