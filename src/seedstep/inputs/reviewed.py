"""Tasks without what people rejected in a review.

Example::

    kept = without_rejected(tasks, Path("reviews/data"))
    kept.tasks, kept.left_out_tasks, kept.left_out_instances
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from seedstep.data import Task
from seedstep.errors import InputError
from seedstep.evaluate.people import StandingLabels
from seedstep.runs.reviews import OWNER, Review

__all__ = ["ReviewedTasks", "without_rejected"]

INSTRUCTION = "instruction"
"""The question about a whole task; the others are about one of its instances."""


@dataclass(frozen=True, slots=True)
class ReviewedTasks:
    """The tasks that are left, and how much was left out."""

    tasks: tuple[Task, ...]
    left_out_tasks: int
    left_out_instances: int


def without_rejected(tasks: Iterable[Task], path: Path) -> ReviewedTasks:
    """Leave out what counts as rejected: a task whose instruction is not valid, and else the
    instance that was shown. A task without instances goes too. What nobody labelled, or is not
    settled, stays.

    Raises:
        InputError: the review is of something else than tasks with their instances.
        RunError: there is no review.
    """
    with Review.open(path) as review:
        if review.form.subject != "data":
            what = f"{path} is a review of {review.form.subject}"
            raise InputError(what, "name one of data: it has tasks with their instances")
        labels = StandingLabels.of(review.form, review.items, review.rows(), review.raters, OWNER)
        bad_tasks, bad_instances = _rejected(labels)
    kept = []
    instances = 0
    tasks = tuple(tasks)
    for task in tasks:
        left = tuple(
            instance for instance in task.instances if (task.id, instance.id) not in bad_instances
        )
        if task.id not in bad_tasks:
            instances += len(task.instances) - len(left)
            if left:
                kept.append(replace(task, instances=left))
    return ReviewedTasks(tuple(kept), len(tasks) - len(kept), instances)


def _rejected(labels: StandingLabels) -> tuple[set[str], set[tuple[str, str]]]:
    """The tasks, and the instances of others, that labels speak against."""
    tasks: set[str] = set()
    instances: set[tuple[str, str]] = set()
    for item, accepted in labels.accepted().items():
        if not accepted:
            shown = labels.items[item]
            if labels.settled[item].get(INSTRUCTION) == "no":
                tasks.add(shown.task)
            else:
                instances.add((shown.task, shown.instance))
    return tasks, instances
