"""Which tasks a stage works on: where they lie, and how many of them and of their instances.

Example::

    tasks = TaskChoice("natural-instructions", "test", limit_instances=100).load().tasks
"""

from dataclasses import dataclass, replace
from pathlib import Path

from seedstep.data.sources import load_tasks
from seedstep.data.superni import TaskFiles
from seedstep.errors import InputError
from seedstep.settings import Count, setting

__all__ = ["TaskChoice"]


@dataclass(frozen=True, slots=True)
class TaskChoice:
    """The tasks, and what is used of them."""

    path: str | None = setting(
        None,
        "The tasks: a SUPER-NATURALINSTRUCTIONS directory or task file, or JSON lines with "
        "a definition (or instruction) and instances.",
        name="tasks",
    )
    split: str | None = setting(None, "Split of a directory, such as test. Default: all tasks.")
    track: str = setting("default", "Directory of the split: default, xlingual.")
    limit_tasks: Count | None = setting(None, "Number of tasks, the first ones. Default: all.")
    limit_instances: Count | None = setting(
        None, "Instances of each task, the first ones. Default: all."
    )
    skip_bad: bool = setting(False, "Go on without tasks that can't be read.")

    def load(self) -> TaskFiles:
        """The tasks up to `limit_tasks`, each with its first `limit_instances`.

        With `skip_bad` the problems of others are returned.

        Raises:
            InputError: no tasks are named, or one can't be read.
        """
        if self.path is None:
            raise InputError("no tasks", "add --tasks PATH")
        found = load_tasks(
            Path(self.path),
            self.split,
            self.track,
            limit=self.limit_instances,
            skip_bad=self.skip_bad,
        )
        return replace(found, tasks=found.tasks[: self.limit_tasks])
