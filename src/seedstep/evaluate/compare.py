"""Two systems compared on the same instances: differences, with 95% intervals, and McNemar's test.

Scores are paired by instance id. Instances of a task resemble each other, so that the intervals
come from drawing whole tasks anew, never single instances (`seedstep.evaluate.intervals`).

Example::

    tuned, base = score(tuned_predictions, references), score(base_predictions, references)
    compare(tuned.results, base.results).overall.difference
    # Value(value=2.1, low=0.8, high=3.3, reason="")
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedstep.errors import InputError
from seedstep.evaluate.intervals import Value, mean_over_tasks
from seedstep.evaluate.metrics import Metric
from seedstep.evaluate.scores import InstanceResult, Scores, category_metric, means

__all__ = [
    "METRICS",
    "Comparison",
    "Difference",
    "EvaluatedSystem",
    "Grouping",
    "McNemar",
    "MeanScores",
    "Pairing",
    "compare",
    "compare_with_first",
    "evaluated",
    "mcnemar",
    "measured",
    "measured_by",
]

METRICS: tuple[Metric, ...] = ("rouge_l", "rouge_1", "exact_match")

Grouping = Literal["category", "task"]


@dataclass(frozen=True, slots=True)
class MeanScores:
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
class EvaluatedSystem:
    """A system with all it scored.

    `groups` are by category or task, and empty where neither was asked for. `left_out` says, with
    file and line, which predictions do not count.
    """

    name: str
    scores: Scores
    overall: MeanScores
    grouping: Grouping | None
    groups: Mapping[str, MeanScores]
    left_out: tuple[str, ...]


def evaluated(
    name: str,
    scores: Scores,
    grouping: Grouping | None = None,
    left_out: Sequence[str] = (),
    seed: int = 0,
) -> EvaluatedSystem:
    """A system's scores with their intervals, over all instances and by group."""
    groups = measured_by(scores.results, grouping, seed) if grouping else {}
    overall = measured(scores.results, seed)
    return EvaluatedSystem(name, scores, overall, grouping, groups, tuple(left_out))


def measured(results: Sequence[InstanceResult], seed: int = 0) -> MeanScores:
    """The mean scores of some results, of which there is at least one."""
    tasks = [one.task for one in results]

    def mean(metric: Metric) -> Value:
        points = [100 * one.marks.of(metric) for one in results]
        return mean_over_tasks(points, tasks, seed=seed)

    return MeanScores(
        len(results),
        len(set(tasks)),
        sum(one.status == "missing" for one in results),
        sum(one.status == "failed" for one in results),
        mean("rouge_l"),
        mean("rouge_1"),
        mean("exact_match"),
    )


def measured_by(
    results: Sequence[InstanceResult], grouping: Grouping, seed: int = 0
) -> dict[str, MeanScores]:
    """As `measured`, for each category or task, by its name; nothing where no task has one."""
    groups: dict[str, list[InstanceResult]] = {}
    for one in results:
        groups.setdefault(getattr(one, grouping), []).append(one)
    if set(groups) == {""}:
        return {}
    return {name: measured(groups[name], seed) for name in sorted(groups)}


EXACT_BELOW = 25
"""Discordant pairs from which on McNemar's test takes the chi-squared approximation."""


@dataclass(frozen=True, slots=True)
class Difference:
    """By how many points, from 0 to 100, the first system scores more than the second.

    Wins, losses and ties are those of the first, by instance.
    """

    metric: Metric
    instances: int
    tasks: int
    first: float
    second: float
    difference: Value
    wins: int
    losses: int
    ties: int


@dataclass(frozen=True, slots=True)
class McNemar:
    """Whether two systems match exactly equally often (two-sided).

    `first_only` and `second_only` are the instances that only one of them matched. The test
    takes instances as independent: within a task they are not, so a small p-value overstates.
    """

    first_only: int
    second_only: int
    p_value: float
    method: Literal["exact", "chi-squared"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two systems compared. `categories` are each by the metric published for them.

    `first_absent` and `second_absent` count the pairs in which a prediction was missing or had
    failed, and counts as empty. Instances that only one was scored on are not compared, but
    named in `first_unpaired` and `second_unpaired`.
    """

    overall: Difference
    exact_match: Difference
    categories: Mapping[str, Difference]
    mcnemar: McNemar
    first_absent: int
    second_absent: int
    first_unpaired: tuple[str, ...]
    second_unpaired: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two systems compared, by their names."""

    first: str
    second: str
    comparison: Comparison


_Pair = tuple[InstanceResult, InstanceResult]


def compare(
    first: Sequence[InstanceResult], second: Sequence[InstanceResult], seed: int = 0
) -> Comparison:
    """Compare the results of two systems. Task and category of a pair are those of the first.

    Raises:
        InputError: they have no instance in common.
    """
    others = {one.instance: one for one in second}
    pairs = [(one, others[one.instance]) for one in first if one.instance in others]
    if not pairs:
        raise InputError(
            "the two systems have no instance in common", "score both against the same tasks"
        )
    paired = {one.instance for one, _ in pairs}
    matches = [(one.marks.exact_match, other.marks.exact_match) for one, other in pairs]
    by_category: dict[str, list[_Pair]] = {}
    for pair in pairs:
        by_category.setdefault(pair[0].category, []).append(pair)
    return Comparison(
        _difference(pairs, "rouge_l", seed),
        _difference(pairs, "exact_match", seed),
        {
            name: _difference(by_category[name], category_metric(name), seed)
            for name in sorted(by_category)
        },
        mcnemar(matches.count((1.0, 0.0)), matches.count((0.0, 1.0))),
        sum(one.status != "predicted" for one, _ in pairs),
        sum(other.status != "predicted" for _, other in pairs),
        tuple(one.instance for one in first if one.instance not in paired),
        tuple(one.instance for one in second if one.instance not in paired),
    )


def compare_with_first(systems: Sequence[EvaluatedSystem], seed: int = 0) -> tuple[Pairing, ...]:
    """The first of some systems compared with each of the others.

    Raises:
        InputError: there is only one, or two have no instance in common.
    """
    if len(systems) < 2:
        raise InputError("there is only one system", "name two or more to compare")
    first, *others = systems
    return tuple(
        Pairing(first.name, one.name, compare(first.scores.results, one.scores.results, seed))
        for one in others
    )


def _difference(pairs: Sequence[_Pair], metric: Metric, seed: int) -> Difference:
    differences = np.array([one.marks.of(metric) - other.marks.of(metric) for one, other in pairs])
    tasks = [one.task for one, _ in pairs]
    value = mean_over_tasks(100 * differences, tasks, seed=seed)
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return Difference(
        metric,
        len(pairs),
        len(set(tasks)),
        means(one for one, _ in pairs).of(metric),
        means(other for _, other in pairs).of(metric),
        value,
        wins,
        losses,
        len(pairs) - wins - losses,
    )


def mcnemar(first_only: int, second_only: int) -> McNemar:
    """McNemar's test: exact for few discordant pairs, else with the continuity correction.

    The correction never passes zero, so that equal counts have a p-value of 1.
    """
    discordant = first_only + second_only
    if discordant < EXACT_BELOW:
        fewer = range(min(first_only, second_only) + 1)
        chance = sum(math.comb(discordant, one) for one in fewer) / 2**discordant
        return McNemar(first_only, second_only, min(1.0, 2 * chance), "exact")
    distance = max(0, abs(first_only - second_only) - 1)
    p_value = math.erfc(distance / math.sqrt(2 * discordant))
    return McNemar(first_only, second_only, p_value, "chi-squared")
