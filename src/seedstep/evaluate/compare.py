"""Compare two systems on the same instances: differences with 95% intervals, and McNemar's test.

Scores are paired by instance id. Instances of a task are not independent, so intervals come from
resampling whole tasks, not single instances (`seedstep.evaluate.intervals`). A system's own mean
scores (`evaluated`, `measured`) have such intervals, too.

Example::

    tuned, base = score(tuned_predictions, references), score(base_predictions, references)
    compare(tuned, base).overall.difference
    # Value(value=2.1, low=0.8, high=3.3, reason="")
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seedstep.errors import InputError, unknown_name
from seedstep.evaluate.intervals import McNemar, Value, mcnemar, mean_over_tasks
from seedstep.evaluate.metrics import (
    METRICS,
    Metric,
    category_metric,
    check_metrics,
    compared_metrics,
)
from seedstep.evaluate.scores import (
    InstanceResult,
    Scores,
    TrainingOverlap,
    blank_share,
    means,
    remarks_beside,
    tokenless_share,
)
from seedstep.evaluate.systems import (
    Comparison,
    Difference,
    EvaluatedSystem,
    Grouping,
    MeanScores,
    Pairing,
    Pairings,
)
from seedstep.text import counted

__all__ = [
    "compare",
    "compare_systems",
    "compare_with_first",
    "evaluated",
    "measured",
    "measured_by",
    "names_with",
]


def evaluated(
    name: str,
    scores: Scores,
    grouping: Grouping | None = None,
    left_out: Sequence[str] = (),
    seed: int = 0,
    training: TrainingOverlap | None = None,
) -> EvaluatedSystem:
    """Return a system's mean scores with intervals, over all instances and by group."""
    known = scores.metrics
    groups = measured_by(scores.results, grouping, seed, known) if grouping else {}
    overall = measured(scores.results, seed, known)
    return EvaluatedSystem(name, scores, overall, grouping, groups, tuple(left_out), training)


def measured(
    results: Sequence[InstanceResult], seed: int = 0, metrics: Sequence[Metric] = METRICS
) -> MeanScores:
    """Return the mean scores of some results, with intervals; there must be at least one result.

    `metrics` are those by which they were scored.
    """
    tasks = [result.task for result in results]
    of_tokens = {metric.name for metric in metrics if metric.of_tokens}

    def mean(metric: str) -> Value:
        points = [100 * result.marks[metric] for result in results]
        value = mean_over_tasks(points, tasks, seed=seed)
        return _with_share(value, metric, results, of_tokens=metric in of_tokens)

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


def _with_share(
    value: Value, metric: str, results: Iterable[InstanceResult], *, of_tokens: bool
) -> Value:
    """Return the value with a note on how many references the metric can't score."""
    share = ""
    if of_tokens:
        share = tokenless_share(results)
    elif metric == EXACT_MATCH:
        share = blank_share(results)
    reasons = [reason for reason in (value.reason, share) if reason]
    return replace(value, reason="; ".join(reasons))


def measured_by(
    results: Sequence[InstanceResult],
    grouping: Grouping,
    seed: int = 0,
    metrics: Sequence[Metric] = METRICS,
) -> dict[str, MeanScores]:
    """Return the mean scores of each category or task by name; empty if no task has a category."""
    groups: dict[str, list[InstanceResult]] = {}
    for result in results:
        groups.setdefault(getattr(result, grouping), []).append(result)
    if set(groups) == {""}:
        return {}
    return {name: measured(groups[name], seed, metrics) for name in sorted(groups)}


_Pair = tuple[InstanceResult, InstanceResult]


Scored = Sequence[InstanceResult] | Scores | EvaluatedSystem | Iterable[EvaluatedSystem]
"""The scores of a system: its results, all that scoring it gave, or an evaluation of it alone."""


def compare(
    first: Scored,
    second: Scored,
    seed: int = 0,
    metrics: Sequence[Metric] | Metric | None = None,
) -> Comparison:
    """Compare the scores of two systems. Task and category of a pair are those of the first.

    Each may be its results, `Scores`, or a system of `evaluate_systems`, so that two systems are
    compared by `compare(*evaluate_systems([first, second]))`. `metrics` are those by which both
    were scored, by default those of the first; name them for results alone that have others.

    Raises:
        InputError: the systems have no instance in common, or are not scored, or not by the same
            metrics.
    """
    first, known = _results(first)
    second, _ = _results(second)
    metrics = known if metrics is None else check_metrics(metrics)
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
    _require_scores(
        pairs,
        [*compared_metrics(metrics), *(category_metric(name, metrics) for name in by_category)],
    )
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
    systems: Iterable[EvaluatedSystem], against: str | Iterable[str] = (), seed: int = 0
) -> Pairings:
    """Compare each system with the one named `against`; without a name as `compare_with_first`.

    `systems` are an evaluation, as `evaluate_systems` returns it, or some of its systems.

    With several names each system is compared with each of these, but no two of them twice: with A
    and B in `against`, B and C are compared with A, then C with B. The first of a pairing is the
    one that leads: a difference above zero is in its favour.

    Raises:
        InputError: there is only one, none has that name, two have no instance in common, or
            what is given is not scored.
    """
    systems = _systems(systems)
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
    return Pairings(pairings)


def _pairing(first: EvaluatedSystem, second: EvaluatedSystem, seed: int) -> Pairing:
    compared = compare(first, second, seed)
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


def compare_with_first(systems: Iterable[EvaluatedSystem], seed: int = 0) -> Pairings:
    """Compare the first system of an evaluation, or of some systems, with each of the others.

    Raises:
        InputError: there is only one, two have no instance in common, or what is given is not
            scored.
    """
    systems = _systems(systems)
    if len(systems) < 2:
        raise InputError("there is only one system", "name two or more to compare")
    first, *others = systems
    return Pairings(_pairing(first, other, seed) for other in others)


def _results(given: Scored) -> tuple[Sequence[InstanceResult], Sequence[Metric]]:
    """Return the results of a system, and the metrics by which it was scored."""
    if isinstance(given, Scores):
        return given.results, given.metrics
    if isinstance(given, Sequence):
        results = [each for each in given if isinstance(each, InstanceResult)]
        if len(results) == len(given):
            return results, METRICS
    system, *others = _systems(given)
    if others:
        what = f"{system.name} and {others[0].name} are two systems, where one is meant"
        raise InputError(what, "compare them with `compare_systems`")
    return system.scores.results, system.scores.metrics


def _systems(given: object) -> tuple[EvaluatedSystem, ...]:
    """Return the systems of an evaluation, of which there may be a single one.

    Raises:
        InputError: what is given is not scored.
    """
    found: tuple[Any, ...] = (given,)
    if isinstance(given, Iterable) and not isinstance(given, str | os.PathLike):
        found = tuple(given)
    for each in found:
        if not isinstance(each, EvaluatedSystem):
            name = f"a {type(each).__name__}"
            if isinstance(each, str | os.PathLike):
                name = f"'{os.fspath(each)}'"
            what = f"{name} has no scores to compare"
            raise InputError(what, "score it first: compare_systems(evaluate_systems([A, B]))")
    return found


def _require_scores(pairs: Sequence[_Pair], metrics: Iterable[Metric]) -> None:
    """Check that both systems were scored by the metrics by which they are compared.

    Raises:
        InputError: a system has no score by one of them.
    """
    for metric in metrics:
        for place, results in zip(("first", "second"), zip(*pairs, strict=True), strict=True):
            lacking = [each for each in results if metric.name not in each.marks]
            if lacking:
                known = ", ".join(lacking[0].marks) or "none"
                what = f"the {place} system has no score by '{metric.name}', but by {known}"
                raise InputError(what, "score both by the same metrics, and pass these as metrics=")


def _matches(pairs: Sequence[_Pair]) -> McNemar | None:
    if any(EXACT_MATCH not in each.marks for pair in pairs for each in pair):
        return None
    matches = [(result.marks[EXACT_MATCH], other.marks[EXACT_MATCH]) for result, other in pairs]
    return mcnemar(matches.count((1.0, 0.0)), matches.count((0.0, 1.0)))


def _difference(pairs: Sequence[_Pair], metric: Metric, seed: int) -> Difference:
    name = metric.name
    differences = np.array([result.marks[name] - other.marks[name] for result, other in pairs])
    tasks = [result.task for result, _ in pairs]
    value = mean_over_tasks(100 * differences, tasks, seed=seed)
    firsts = (result for result, _ in pairs)
    value = _with_share(value, name, firsts, of_tokens=metric.of_tokens)
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
