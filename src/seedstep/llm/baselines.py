"""Two baselines that read no definition (Wang et al. 2022): what copying alone would score.

Published for the English test set: copying the input of the instance 14.20 ROUGE-L, copying the
output of a demonstration 28.54. The released script copies the first positive example's output,
the paper says that of a random one.

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
"""Copies the answer to an instance of a task out of the task. The number is a seed for what is
chosen by chance. It returns None where the task has nothing to copy.
"""


def copy_input(task: Task, instance: Instance, seed: int | None) -> str:
    """The input of the instance."""
    return instance.input


def copy_demonstration(task: Task, instance: Instance, seed: int | None) -> str | None:
    """The output of the task's first positive example; None where it has none.

    With a `seed` it is a random example's, which depends on the seed and the instance's id alone.
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
