"""Two baselines that ignore the definition and copy an answer (Wang et al. 2022).

Published ROUGE-L on the English test set: 14.20 for copying the input of the instance, 28.54 for
copying the output of a demonstration. The released script copies the output of the first positive
example; according to the paper it is a random one.

Example::

    >>> from seedstep.data import Instance
    >>> task = Task("t", "Repeat it.", (Instance("Hello.", ("Hello.",)),))
    >>> BASELINES["copy-input"](task, task.instances[0], None)
    'Hello.'
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from seedstep.data import Instance, Task
from seedstep.data.choice import draw_from

__all__ = ["BASELINES", "Copy", "copy_demonstration", "copy_input"]

Copy = Callable[[Task, Instance, int | None], str | None]
"""A function of a task, an instance, and a seed for random choices, that returns an answer.

It returns None if the task has nothing to copy.
"""


def copy_input(task: Task, instance: Instance, seed: int | None) -> str:
    """Return the input of the instance."""
    return instance.input


def copy_demonstration(task: Task, instance: Instance, seed: int | None) -> str | None:
    """Return the output of the task's first positive example, or None if it has none.

    With a `seed`, the example is random; it depends on the seed and the instance's id alone.
    """
    examples = task.positive_examples
    if not examples:
        return None
    drawn = 0 if seed is None else draw_from(f"{seed} {instance.id}", len(examples))
    return examples[drawn].output


BASELINES: Mapping[str, Copy] = MappingProxyType(
    {"copy-input": copy_input, "copy-demonstration": copy_demonstration}
)
"""The baselines by name."""
