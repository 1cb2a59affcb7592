"""Scores with their intervals: what a table of systems is made of.

Example::

    scores = score(predictions, references)
    measured(scores.results).rouge_l  # Value(value=41.2, low=39.0, high=43.5, reason="")
    measured_by(scores.results, "category")["Word Analogy"].exact_match
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from seedstep.evaluate.intervals import Value, mean_over_tasks
from seedstep.evaluate.metrics import Metric
from seedstep.evaluate.scores import Result, Scores

__all__ = ["METRICS", "Evaluated", "Grouping", "Measured", "evaluated", "measured", "measured_by"]

METRICS: tuple[Metric, ...] = ("rouge_l", "rouge_1", "exact_match")

Grouping = Literal["category", "task"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Mean scores from 0 to 100 over some instances, with 95% intervals over their tasks.

    Missing and failed predictions count as empty ones.
    """

    instances: int
    tasks: int
    missing: int
    failed: int
    rouge_l: Value
    rouge_1: Value
    exact_match: Value

    def of(self, metric: Metric) -> Value:
        """The score by a metric."""
        value: Value = getattr(self, metric)
        return value


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A system with all it scored.

    `groups` are by category or task, and empty where neither was asked for. `left_out` says, with
    file and line, which predictions do not count.
    """

    name: str
    scores: Scores
    overall: Measured
    grouping: Grouping | None
    groups: Mapping[str, Measured]
    left_out: tuple[str, ...]


def evaluated(
    name: str,
    scores: Scores,
    grouping: Grouping | None = None,
    left_out: Sequence[str] = (),
    seed: int = 0,
) -> Evaluated:
    """A system's scores with their intervals, over all instances and by group."""
    groups = measured_by(scores.results, grouping, seed) if grouping else {}
    overall = measured(scores.results, seed)
    return Evaluated(name, scores, overall, grouping, groups, tuple(left_out))


def measured(results: Sequence[Result], seed: int = 0) -> Measured:
    """The mean scores of some results, of which there is at least one."""
    tasks = [one.task for one in results]

    def mean(metric: Metric) -> Value:
        points = [100 * one.marks.of(metric) for one in results]
        return mean_over_tasks(points, tasks, seed=seed)

    return Measured(
        len(results),
        len(set(tasks)),
        sum(one.status == "missing" for one in results),
        sum(one.status == "failed" for one in results),
        mean("rouge_l"),
        mean("rouge_1"),
        mean("exact_match"),
    )


def measured_by(
    results: Sequence[Result], grouping: Grouping, seed: int = 0
) -> dict[str, Measured]:
    """As `measured`, for each category or task, by its name; nothing where no task has one."""
    groups: dict[str, list[Result]] = {}
    for one in results:
        groups.setdefault(getattr(one, grouping), []).append(one)
    if set(groups) == {""}:
        return {}
    return {name: measured(groups[name], seed) for name in sorted(groups)}
