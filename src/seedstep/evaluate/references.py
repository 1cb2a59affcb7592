"""The references of tasks, by instance id.

Example::

    references_of(load_tasks(Path("natural-instructions"), "test").tasks)
"""

from collections.abc import Iterable

from seedstep.data import Task
from seedstep.errors import InputError
from seedstep.evaluate.scores import Reference

__all__ = ["references_of"]


def references_of(tasks: Iterable[Task]) -> dict[str, Reference]:
    """The references of all instances, in the order of the tasks.

    Raises:
        InputError: two instances have the same id, or no task has an instance.
    """
    references: dict[str, Reference] = {}
    for task in tasks:
        for one in task.instances:
            if one.id in references:
                both = f"'{references[one.id].task}' and '{task.id}'"
                what = f"tasks {both} both have an instance '{one.id}'"
                raise InputError(what, "give instances ids of their own, or leave them out")
            references[one.id] = Reference(task.id, task.category, one.outputs)
    if not references:
        raise InputError("the tasks have no instances", "name tasks with instances")
    return references
