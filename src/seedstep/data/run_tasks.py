"""The tasks that a run made, for everything that reads tasks from a path.

What a run has is known in the room `runs`, which is above this one. Its module is imported by name,
as those of stages are, when a directory is first found to be a run.

Example::

    made_tasks(Path("runs/first"))  # a tuple of tasks, or None where there is no run
"""

from importlib import import_module
from pathlib import Path

from seedstep.data.records import Task

__all__ = ["RUN_CONFIG", "made_tasks"]

RUN_CONFIG = "run.yaml"
"""The name of the configuration of a run, which tells its directory from others."""

READER = "seedstep.runs.made_tasks"
"""The module whose `read_run_tasks` reads the tasks of a run."""


def made_tasks(path: Path) -> tuple[Task, ...] | None:
    """Return the finished tasks of a run with their instances; None if `path` is no run.

    Raises:
        InputError: the run's stage makes no tasks, or it has none yet.
        RunError: the run can't be read.
    """
    try:
        is_run = (path / RUN_CONFIG).is_file()
    except OSError:  # a name that is too long
        return None
    if not is_run:
        return None
    found: tuple[Task, ...] | None = import_module(READER).read_run_tasks(path)
    return found
