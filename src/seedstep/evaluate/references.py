"""The wanted outputs of tasks' instances, by an id that is unique among all of them.

Example::

    references = references_of(tasks)
    references["task190-3f2a"].outputs
"""

from collections.abc import Iterable

from seedstep.data import Task, instances_of
from seedstep.errors import InputError
from seedstep.evaluate.scores import Reference

__all__ = ["references_of"]


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
