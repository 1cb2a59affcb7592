"""Read the tasks that a run made, from its directory.

Whatever reads tasks from a path takes a run by this: `seedstep.data.run_tasks` names it.

Example::

    tasks = read_run_tasks(Path("runs/first"))  # a tuple of tasks with instances
"""

from collections.abc import Iterator
from pathlib import Path

from seedstep.data import Task
from seedstep.errors import InputError
from seedstep.infer.distill import DistilledTask
from seedstep.runs.database import Database
from seedstep.runs.directory import open_database, stage_of
from seedstep.runs.places import CONFIG, stored_values
from seedstep.runs.stage import STAGES
from seedstep.runs.tasks import read_entries

__all__ = ["read_distilled_tasks", "read_run_tasks"]


def read_distilled_tasks(database: Database) -> Iterator[Task]:
    """Yield the tasks whose outputs were written anew, with their new outputs, in their order."""
    for entry in read_entries(database, DistilledTask):
        made = entry.result
        if made.instances:
            yield Task(
                entry.task,
                entry.definition,
                made.instances,
                made.is_classification,
                category=entry.category,
                positive_examples=made.positive_examples,
                negative_examples=made.negative_examples,
            )


def read_run_tasks(path: Path) -> tuple[Task, ...] | None:
    """Return the finished tasks of a run with their instances; None if `path` is no run.

    Raises:
        InputError: the run's stage makes no tasks, or it has none yet.
        RunError: the run can't be read.
    """
    name = stage_of(path)
    if not name:
        return None
    stage = STAGES.get(name)
    if stage is None or stage.tasks is None:
        made = stage.makes if stage else "other records"
        what = f"{path} is a run of `seedstep {name}`: it has {made}, and no tasks with instances"
        of = stored_values(path, CONFIG).get("tasks")
        its = f", such as its own: {of}" if isinstance(of, str) else ""
        raise InputError(what, f"name a bootstrap's run, one of `distill`, or task files{its}")
    with open_database(path, name) as database:
        tasks = tuple(stage.tasks(database))
    if not tasks:
        raise InputError(f"{path} has no finished tasks yet", f"let `seedstep {name}` make some")
    return tasks
