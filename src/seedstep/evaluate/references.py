"""The wanted outputs of tasks' instances, by an id that is unique among all of them.

Example::

    references = references_of(tasks)
    references["task190-3f2a"].outputs
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from seedstep.data import Instance, Task
from seedstep.errors import InputError
from seedstep.evaluate.scores import Reference

__all__ = ["instances_of", "references_of"]


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


def references_of(tasks: Iterable[Task]) -> dict[str, Reference]:
    """The references of all instances, in their order.

    Raises:
        InputError: as `instances_of`, or there are no instances.
    """
    references = {
        name: Reference(task.id, task.category, one.outputs)
        for name, task, one in instances_of(tuple(tasks))
    }
    if not references:
        raise InputError("the tasks have no instances", "name tasks with instances")
    return references
