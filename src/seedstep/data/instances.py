"""The instances of several tasks, each under an id of its own.

Example::

    for name, task, instance in instances_of(tasks): ...
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from seedstep.data.records import Instance, Task
from seedstep.errors import InputError

__all__ = ["instances_of"]


def instances_of(tasks: Sequence[Task]) -> Iterator[tuple[str, Task, Instance]]:
    """Each instance with its task and its id, which has the task's before it where two tasks have
    the same.

    Raises:
        InputError: even so two are the same.
    """
    counts = Counter(one.id for task in tasks for one in task.instances)
    seen: set[str] = set()
    for task in tasks:
        for one in task.instances:
            name = one.id if counts[one.id] == 1 else f"{task.id}/{one.id}"
            if name in seen:
                raise InputError(f"two instances have the id {name!r}", "change one of them")
            seen.add(name)
            yield name, task, one
