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
from seedstep.runs.directory import (
    DATABASE,
    LOCK,
    NO_ENTRIES,
    resolve_settings,
    stored_config,
    take_lock,
)
from seedstep.runs.lists import Failed, Removed, ask_again, reconcile
from seedstep.runs.run import Run
from seedstep.runs.stage import Stage

FORESEEN = "run that is only foreseen"
"""Stands for the directory of a run that is not there."""

__all__ = [
    "ForeseenWork",
    "config_before",
    "foresee",
    "replies_ahead",
    "tasks_left",
    "yields_of",
]

S = TypeVar("S", bound=Any)
Inputs = TypeVar("Inputs")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ForeseenWork:
    """What a stage would do to go on: its settings, what it would tell, and what it would ask.

    `left` counts what there is to do. `assumed` says what the estimate goes by, where that depends
    on the run. `seeds` are those of a bootstrap, and `per_minute` the tasks that it finished in a
    minute so far, if that is known.
    """

    settings: Any
    told: tuple[str, ...]
    view: Preview
    left: int = 0
    assumed: str = ""
    seeds: tuple[Task, ...] = ()
    per_minute: float | None = None


def foresee(
    stage: Stage[S, Inputs, R],
    path: Path | None,
    asked: Mapping[str, Any],
    *,
    removed: Removed = "keep",
    failed: Failed = "keep",
    same_model: bool = False,
    entries: Mapping[str, Any] = NO_ENTRIES,
) -> Run[S, Inputs, R]:
    """Open a run for reading, with the settings with which it would go on, and its `changes`.

    The arguments are those of `Run.start`. If there is no run, or no path, it is one without
    records.

    Raises:
        RunBusyError: another process works on the run.
        RunMismatchError: the run was started with other settings.
        InputError: an input file or a setting can't be used.
        RunError: the directory is something else.
    """
    path = path or Path(FORESEEN)
    settings, inputs, config = resolve_settings(
        stage, path, asked, same_model=same_model, entries=entries
    )
    if (path / LOCK).exists():
        take_lock(path).release()  # which it can't while another process works on the run
    file = path / DATABASE
    is_begun = (path / stage.config).exists() and file.exists()
    database = Database.as_now(file) if is_begun else Database.in_memory()
    run = Run(stage, path, settings, database, config, inputs)
    try:
        if is_begun:
            stage.check(run)
            if stage.asks_model:  # of predictions, it depends on the system what is to be done
                before = config_before(run)
                run.changes = (
                    reconcile(run, before, removed, write=False)
                    if stage.contents is not None
                    else stage.reconcile(run, before, removed)
                )
                if failed == "again":
                    run.changes = ask_again(run, run.changes, write=False)
    except BaseException:
        run.close()
        raise
    return run


def config_before(run: Run[Any, Any, Any]) -> dict[str, Any]:
    """Return the configuration with which a run was worked on last; empty if it is new."""
    path, stage = run.path, run.stage
    is_there = (path / stage.config).exists()
    return stored_config(stage.name, path, stage.config) if is_there else {}


def tasks_left(run: Run[Any, Any, Any]) -> tuple[Task, ...]:
    """Return the tasks of a run that was foreseen for which there would be no record."""
    changes = run.changes
    again = {*changes.changed, *changes.touched, *changes.failed}
    done = run.records.done() - again | {*changes.restored}
    return tuple(task for task in run.tasks().tasks if task.id not in done)


_AHEAD = """
SELECT purpose, count(*) FROM requests WHERE reply IS NOT NULL AND key NOT IN (
    SELECT request FROM generations
    UNION SELECT classification_request FROM candidates
    UNION SELECT instances_request FROM candidates
) GROUP BY purpose
"""
_YIELDS = """
SELECT (SELECT count(*) FROM generations), total(classification_request != ''),
    total(reason = '') FROM candidates
"""


def replies_ahead(database: Database) -> dict[str, int]:
    """Return how many replies of a bootstrap no retired generation has used, by purpose."""
    return dict(map(tuple, database.rows(_AHEAD)))


def yields_of(database: Database) -> tuple[float, float] | None:
    """Return the accepted instructions a request, and the tasks an accepted instruction, so far.

    Returns None as long as there is no finished task.
    """
    requests, accepted, finished = database.rows(_YIELDS)[0]
    return (accepted / requests, finished / accepted) if finished else None
