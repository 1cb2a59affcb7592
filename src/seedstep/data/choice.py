"""Choose the tasks that a stage works on, and make random choices that depend on names alone.

`TaskChoice` says where the tasks are, and how many tasks and instances are used. `draw` and
`order_key` make choices from hashes, which are the same on every machine.

Example::

    tasks = TaskChoice("natural-instructions", "test", limit_instances=100).load().tasks
"""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from itertools import islice
from pathlib import Path

from seedstep.data.records import Task, TaskList
from seedstep.data.sources import load_tasks
from seedstep.errors import InputError
from seedstep.settings import Count, setting

__all__ = [
    "OFFICIAL_INSTANCES",
    "TaskChoice",
    "draw",
    "draw_from",
    "drawn_instances",
    "generator",
    "key",
    "order_key",
]


def key(*parts: str | int) -> str:
    """Return the parts as one text. Different parts make different texts."""
    return json.dumps(parts)


def draw(choices: int, *parts: str | int) -> int:
    """Return a number from 0 to `choices` - 1 that depends on the parts alone."""
    return draw_from(key(*parts), choices)


def draw_from(text: str | bytes, choices: int) -> int:
    """Return a number from 0 to `choices` - 1, each equally likely, by the hash of a text."""
    return int.from_bytes(sha256(_bytes(text)).digest()) % choices


def order_key(*parts: str | int) -> bytes:
    """Return a sort key for a random order that depends on the parts alone."""
    return blake2b(_bytes("\0".join(map(str, parts))), digest_size=8).digest()


def generator(seed: str | bytes | int) -> random.Random:
    """Return a generator of random numbers. It is predictable: use it for no secret."""
    return random.Random(seed)  # noqa: S311


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def drawn_instances(task: Task, number: int | None, seed: int) -> Task:
    """Return a task with so many of its instances, drawn by seed and ids, in their order."""
    ranked = sorted(
        range(len(task.instances)),
        key=lambda place: order_key("instance", seed, task.id, task.instances[place].id or place),
    )
    return replace(task, instances=tuple(task.instances[at] for at in sorted(ranked[:number])))


OFFICIAL_INSTANCES = 100
"""How many instances of a task SUPER-NATURALINSTRUCTIONS evaluates: the first ones."""


@dataclass(frozen=True, slots=True)
class TaskChoice:
    """The choice of tasks, and of the instances that are used."""

    path: str | None = setting(
        None,
        "The tasks: a SUPER-NATURALINSTRUCTIONS directory or task file, JSON lines or a "
        "table with a definition (or instruction) and instances, or a bootstrap's run.",
        name="tasks",
    )
    split: str | None = setting(None, "Split of a directory, such as test. Default: all tasks.")
    track: str = setting("default", "Directory of the split: default, xlingual.")
    limit_tasks: Count | None = setting(None, "Number of tasks, the first ones. Default: all.")
    limit_instances: Count | None = setting(
        None, "Instances of each task, the first ones. Default: all."
    )
    instances_seed: int | None = setting(
        None,
        "Draw the instances of each task by this seed, in place of the first ones; with --split, "
        f"of the first {OFFICIAL_INSTANCES}, which are the official ones.",
        later=True,
    )
    skip_bad: bool = setting(False, "Go on without tasks that can't be read.")

    def load(self) -> TaskList:
        """Return the tasks up to `limit_tasks`, each with `limit_instances`, the first or drawn.

        With `skip_bad`, bad tasks are left out, and their problems are returned.

        Raises:
            InputError: no tasks are named, or one can't be read.
            RunError: a run can't be read.
        """
        if self.path is None:
            raise InputError("no tasks", "add --tasks PATH")
        limit, seed = self.limit_instances, self.instances_seed
        if seed is not None:
            limit = OFFICIAL_INSTANCES if self.split else None
        path = Path(self.path)
        found = load_tasks(path, self.split, self.track, limit=limit, skip_bad=self.skip_bad)
        return replace(found, tasks=self.choose(found.tasks))

    def choose(self, tasks: Iterable[Task]) -> tuple[Task, ...]:
        """Return the first `limit_tasks` of some tasks, each with `limit_instances`."""
        number, seed = self.limit_instances, self.instances_seed
        return tuple(
            replace(task, instances=task.instances[:number])
            if seed is None
            else drawn_instances(task, number, seed)
            for task in islice(tasks, self.limit_tasks)
        )
