"""Which tasks one system does better than another, and on which instances that shows.

Example::

    changes = task_changes(tuned.scores, base.scores)
    changes[0].task, changes[0].difference  # the most improved task
"""

from dataclasses import dataclass
from statistics import fmean

from seedstep.evaluate import Metric, Result, Scores, category_metric

__all__ = ["InstanceChange", "TaskChange", "task_changes"]


@dataclass(frozen=True, slots=True)
class InstanceChange:
    """An instance, and by how many points, from 0 to 100, the first system scores more."""

    instance: str
    difference: float


@dataclass(frozen=True, slots=True)
class TaskChange:
    """A task's mean scores, by the metric of its category. The instances that changed most lead."""

    task: str
    category: str
    metric: Metric
    first: float
    second: float
    instances: tuple[InstanceChange, ...]

    @property
    def difference(self) -> float:
        """By how many points the first system scores more."""
        return self.first - self.second


def task_changes(first: Scores, second: Scores) -> list[TaskChange]:
    """The tasks with an instance that both were scored on, the most improved first."""
    others = {one.instance: one for one in second.results}
    by_task: dict[str, list[tuple[Result, Result]]] = {}
    for one in first.results:
        if other := others.get(one.instance):
            by_task.setdefault(one.task, []).append((one, other))
    changes = [_change(task, pairs) for task, pairs in by_task.items()]
    return sorted(changes, key=lambda one: (-one.difference, one.task))


def _change(task: str, pairs: list[tuple[Result, Result]]) -> TaskChange:
    category = pairs[0][0].category
    metric = category_metric(category)
    marks = [(one.marks.of(metric), other.marks.of(metric)) for one, other in pairs]
    first, second = (100 * fmean(side) for side in zip(*marks, strict=True))
    instances = [
        InstanceChange(one.instance, 100 * (better - worse))
        for (one, _), (better, worse) in zip(pairs, marks, strict=True)
    ]
    sign = 1 if first >= second else -1
    instances.sort(key=lambda one: -sign * one.difference)
    return TaskChange(task, category, metric, first, second, tuple(instances))
