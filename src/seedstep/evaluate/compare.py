"""Compare two systems on the same instances: differences with 95% intervals, and McNemar's test.

Scores are paired by instance id. Instances of a task are not independent, so intervals come from
resampling whole tasks, not single instances (`seedstep.evaluate.intervals`). A system's own mean
scores (`evaluated`, `measured`) have such intervals, too.

Example::

    tuned, base = score(tuned_predictions, references), score(base_predictions, references)
    compare(tuned.results, base.results).overall.difference
    # Value(value=2.1, low=0.8, high=3.3, reason="")
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from seedstep.data.records import as_html, html_table
from seedstep.errors import InputError, unknown_name
from seedstep.evaluate.intervals import McNemar, Value, mcnemar, mean_over_tasks
from seedstep.evaluate.metrics import METRICS, Metric, category_metric, compared_metrics
from seedstep.evaluate.scores import (
    InstanceResult,
    Scores,
    TrainingOverlap,
    blank_share,
    means,
    remarks,
    remarks_beside,
    tokenless_share,
)
from seedstep.text import counted

__all__ = [
    "Comparison",
    "Difference",
    "EvaluatedSystem",
    "Grouping",
    "McNemar",
    "MeanScores",
    "Pairing",
    "compare",
    "compare_scores",
    "compare_systems",
    "compare_with_first",
    "evaluated",
    "mcnemar",
    "measured",
    "measured_by",
    "names_with",
]

Grouping = Literal["category", "task"]


@dataclass(frozen=True, slots=True)
class MeanScores:
    """Mean scores from 0 to 100 over some instances, with 95% intervals over their tasks.

    Missing and failed predictions count as empty ones; `empty` counts those that are there, `cut`
    those that reached their length limit.
    """

    instances: int
    tasks: int
    missing: int
    failed: int
    values: Mapping[str, Value]
    empty: int = 0
    cut: int = 0

    def of(self, metric: str) -> Value:
        """Return the score by the metric of this name."""
        return self.values[metric]


@dataclass(frozen=True, slots=True)
class EvaluatedSystem:
    """A system with its scores.

    `groups` has the scores by category or task, and is empty if there is no `grouping`. `left_out`
    has messages that name, with file and line, the predictions that do not count. `training` has
    the scored tasks on which seedstep tuned the model; it is None if no tuning of it is known.
    """

    name: str
    scores: Scores
    overall: MeanScores
    grouping: Grouping | None
    groups: Mapping[str, MeanScores]
    left_out: tuple[str, ...]
    training: TrainingOverlap | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks to show with the scores, often none."""
        return remarks(self.scores.results, self.training)

    def _repr_html_(self) -> str:
        """Return the scores as HTML, as notebooks show them."""
        from seedstep.evaluate.tables import systems_html

        return systems_html([self])

    def to_records(self) -> list[dict[str, Any]]:
        """Return the scores as plain rows, one for each metric over all, then for each group."""
        named = [("", self.overall), *self.groups.items()]
        return [
            {"system": self.name, "group": group, "metric": metric, **_flat(found, value, "score")}
            for group, found in named
            for metric, value in found.values.items()
        ]


def _flat(found: "MeanScores | Difference", value: Value, name: str) -> dict[str, Any]:
    """Return the counts and scores of a record, and one of its values with its interval."""
    plain = {key: part for key, part in asdict(found).items() if isinstance(part, int | float)}
    return {**plain, name: value.value, "low": value.low, "high": value.high}


def evaluated(
    name: str,
    scores: Scores,
    grouping: Grouping | None = None,
    left_out: Sequence[str] = (),
    seed: int = 0,
    training: TrainingOverlap | None = None,
) -> EvaluatedSystem:
    """Return a system's mean scores with intervals, over all instances and by group."""
    groups = measured_by(scores.results, grouping, seed) if grouping else {}
    overall = measured(scores.results, seed)
    return EvaluatedSystem(name, scores, overall, grouping, groups, tuple(left_out), training)


def measured(results: Sequence[InstanceResult], seed: int = 0) -> MeanScores:
    """Return the mean scores of some results, with intervals; there must be at least one result."""
    tasks = [result.task for result in results]

    def mean(metric: str) -> Value:
        points = [100 * result.marks[metric] for result in results]
        return _with_share(mean_over_tasks(points, tasks, seed=seed), metric, results)

    return MeanScores(
        len(results),
        len(set(tasks)),
        sum(result.status == "missing" for result in results),
        sum(result.status == "failed" for result in results),
        {metric: mean(metric) for metric in results[0].marks},
        sum(result.empty for result in results),
        sum(result.cut for result in results),
    )


EXACT_MATCH = "exact_match"
OF_TOKENS = frozenset(metric.name for metric in METRICS if metric.of_tokens)


def _with_share(value: Value, metric: str, results: Iterable[InstanceResult]) -> Value:
    """Return a value that says of how many references the metric says nothing."""
    share = ""
    if metric in OF_TOKENS:
        share = tokenless_share(results)
    elif metric == EXACT_MATCH:
        share = blank_share(results)
    reasons = [reason for reason in (value.reason, share) if reason]
    return replace(value, reason="; ".join(reasons))


def measured_by(
    results: Sequence[InstanceResult], grouping: Grouping, seed: int = 0
) -> dict[str, MeanScores]:
    """Return the mean scores of each category or task by name; empty if no task has a category."""
    groups: dict[str, list[InstanceResult]] = {}
    for result in results:
        groups.setdefault(getattr(result, grouping), []).append(result)
    if set(groups) == {""}:
        return {}
    return {name: measured(groups[name], seed) for name in sorted(groups)}


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two systems' scores, in points from 0 to 100: the first less the second.

    Wins, losses and ties count the instances on which the first system scores more, less, the same.
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
class Comparison:
    """A comparison of two systems: `differences` over all instances, by each `compared` metric.

    `categories` has a difference for each category, by the metric that was published for it.
    `mcnemar` is None if exact matches were not measured.

    `first_absent` and `second_absent` count the pairs in which a system's prediction is missing or
    failed, and counts as empty. Instances on which only one system was scored are not compared;
    `first_unpaired` and `second_unpaired` name them.
    """

    differences: tuple[Difference, ...]
    categories: Mapping[str, Difference]
    mcnemar: McNemar | None
    first_absent: int
    second_absent: int
    first_unpaired: tuple[str, ...]
    second_unpaired: tuple[str, ...]

    def _repr_html_(self) -> str:
        """Return the comparison as HTML, as notebooks show it."""
        return Pairing("A", "B", self)._repr_html_()

    @property
    def overall(self) -> Difference:
        """The difference over all instances by the first metric."""
        return self.differences[0]

    def by(self, metric: str) -> Difference:
        """Return the difference over all instances by the metric of this name.

        Raises:
            KeyError: the systems were not compared by it.
        """
        return {difference.metric.name: difference for difference in self.differences}[metric]

    def to_records(self) -> list[dict[str, Any]]:
        """Return the differences as plain rows: over all by each metric, then by category."""
        named = [*(("", difference) for difference in self.differences), *self.categories.items()]
        return [
            {"category": category, "metric": found.metric.name}
            | _flat(found, found.difference, "difference")
            for category, found in named
        ]


@dataclass(frozen=True, slots=True)
class Pairing:
    """The names of two systems, their comparison, and `remarks` to show with the figures."""

    first: str
    second: str
    comparison: Comparison
    remarks: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """Return the comparison as HTML, as notebooks show it, with the remarks below."""
        from seedstep.evaluate.tables import comparison_table, comparison_title

        table = html_table(*comparison_table(self), comparison_title(self))
        return table + "".join(f"<div>{as_html(remark)}</div>" for remark in self.remarks)

    def to_records(self) -> list[dict[str, Any]]:
        """Return the differences as plain rows that name both systems."""
        names = {"first_system": self.first, "second_system": self.second}
        return [names | row for row in self.comparison.to_records()]


_Pair = tuple[InstanceResult, InstanceResult]


def compare(
    first: Sequence[InstanceResult],
    second: Sequence[InstanceResult],
    seed: int = 0,
    metrics: Sequence[Metric] = METRICS,
) -> Comparison:
    """Compare the results of two systems. Task and category of a pair are those of the first.

    Raises:
        InputError: they have no instance in common.
    """
    others = {result.instance: result for result in second}
    pairs = [(result, others[result.instance]) for result in first if result.instance in others]
    if not pairs:
        raise InputError(
            "the two systems have no instance in common", "score both against the same tasks"
        )
    paired = {result.instance for result, _ in pairs}
    by_category: dict[str, list[_Pair]] = {}
    for pair in pairs:
        by_category.setdefault(pair[0].category, []).append(pair)
    return Comparison(
        tuple(_difference(pairs, metric, seed) for metric in compared_metrics(metrics)),
        {
            name: _difference(by_category[name], category_metric(name, metrics), seed)
            for name in sorted(by_category)
        },
        _matches(pairs),
        sum(result.status != "predicted" for result, _ in pairs),
        sum(other.status != "predicted" for _, other in pairs),
        tuple(result.instance for result in first if result.instance not in paired),
        tuple(result.instance for result in second if result.instance not in paired),
    )


def compare_systems(
    systems: Sequence[EvaluatedSystem], against: str | Sequence[str] = (), seed: int = 0
) -> tuple[Pairing, ...]:
    """Compare each system with the one named `against`; without a name as `compare_with_first`.

    With several names each system is compared with each of these, but no two of them twice: with A
    and B in `against`, B and C are compared with A, then C with B. The first of a pairing is the
    one that leads: a difference above zero is in its favour.

    Raises:
        InputError: there is only one, none has that name, or two have no instance in common.
    """
    baselines = (against,) * bool(against) if isinstance(against, str) else tuple(against)
    if not baselines:
        return compare_with_first(systems, seed)
    left = {system.name: system for system in systems}
    pairings: list[Pairing] = []
    for name in dict.fromkeys(baselines):
        if name not in left:
            raise unknown_name("system", name, left)
        baseline = left.pop(name)
        pairings += [_pairing(other, baseline, seed) for other in left.values()]
    if not pairings:
        raise InputError(
            f"there is nothing to compare with {baselines[0]}", "name another system, too"
        )
    return tuple(pairings)


def _pairing(first: EvaluatedSystem, second: EvaluatedSystem, seed: int) -> Pairing:
    compared = compare_scores(first.scores, second.scores, seed)
    said = {system.name: system.remarks for system in (first, second)}
    notes = (*remarks_beside(said), *_absent(first.name, second.name, compared))
    return Pairing(first.name, second.name, compared, notes)


def _absent(first: str, second: str, found: Comparison) -> Iterator[str]:
    """Yield remarks on the predictions and the scores that one of two systems lacks."""
    sides = (
        (first, found.first_absent, len(found.first_unpaired)),
        (second, found.second_absent, len(found.second_unpaired)),
    )
    for name, absent, unpaired in sides:
        if absent:
            yield f"{name}: {counted(absent, 'prediction')} missing or failed, counted as empty"
        if unpaired:
            yield f"{name}: {counted(unpaired, 'instance')} that only it was scored on, left out"


def names_with(names: Sequence[str], against: Sequence[str]) -> tuple[str, ...]:
    """Return the names of systems to compare, those in `against` among them, or none if all are.

    A system that shares its name is called after its source, too: `base (runs/first)`.
    """

    def is_there(baseline: str) -> bool:
        return any(baseline == name or baseline.startswith(f"{name} (") for name in names)

    more = [baseline for baseline in against if not is_there(baseline)]
    return (*names, *more) if names else ()


def compare_with_first(systems: Sequence[EvaluatedSystem], seed: int = 0) -> tuple[Pairing, ...]:
    """Compare the first of some systems with each of the others.

    Raises:
        InputError: there is only one, or two have no instance in common.
    """
    if len(systems) < 2:
        raise InputError("there is only one system", "name two or more to compare")
    first, *others = systems
    return tuple(_pairing(first, other, seed) for other in others)


def compare_scores(first: Scores, second: Scores, seed: int = 0) -> Comparison:
    """Compare the scores of two systems by the metrics of the first.

    Raises:
        InputError: they have no instance in common.
    """
    return compare(first.results, second.results, seed, first.metrics)


def _matches(pairs: Sequence[_Pair]) -> McNemar | None:
    if EXACT_MATCH not in pairs[0][0].marks:
        return None
    matches = [(result.marks[EXACT_MATCH], other.marks[EXACT_MATCH]) for result, other in pairs]
    return mcnemar(matches.count((1.0, 0.0)), matches.count((0.0, 1.0)))


def _difference(pairs: Sequence[_Pair], metric: Metric, seed: int) -> Difference:
    name = metric.name
    differences = np.array([result.marks[name] - other.marks[name] for result, other in pairs])
    tasks = [result.task for result, _ in pairs]
    value = mean_over_tasks(100 * differences, tasks, seed=seed)
    value = _with_share(value, name, (result for result, _ in pairs))
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return Difference(
        metric,
        len(pairs),
        len(set(tasks)),
        means(result for result, _ in pairs).of(name),
        means(other for _, other in pairs).of(name),
        value,
        wins,
        losses,
        len(pairs) - wins - losses,
    )
