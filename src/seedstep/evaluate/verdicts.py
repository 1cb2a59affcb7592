"""What comes of a judge's verdicts: levels by system, and wins, losses and ties.

Missing verdicts are counted, and left out of every share; shares have 95% intervals over tasks.

Example::

    (one,) = ratings(judged)
    one.levels["A"], one.acceptable  # 12, Value(value=55.0, low=..., high=...)
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seedstep.evaluate.agreement import ACCEPTABLE, LEVELS, OUTCOMES
from seedstep.evaluate.intervals import Value, mean_over_tasks
from seedstep.evaluate.judge import FIRST, SAME, SECOND, Judged, JudgeVerdict

__all__ = ["Preference", "Ratings", "labels_of", "missing_verdicts", "preferences", "ratings"]

WIN, LOSE, TIE = OUTCOMES


def missing_verdicts(judged: Iterable[Judged]) -> Counter[str]:
    """Return how many verdicts are missing, by the reason."""
    return Counter(
        verdict.failure for item in judged for verdict in item.verdicts if not verdict.label
    )


@dataclass(frozen=True, slots=True)
class Ratings:
    """How many of a system's answers are on each level, from the best to the worst.

    `acceptable` is the share of those on A or B among those with a verdict, in percent.
    """

    system: str
    levels: Mapping[str, int]
    missing: int
    acceptable: Value


@dataclass(frozen=True, slots=True)
class Preference:
    """How often the first of two systems was found better than the second.

    A tie is where the judge called both the same, where it said something else in the other order
    (`disagreed`), and where the texts are equal (`equal`). `missing` are instances without a
    verdict in both orders.
    `lead` is the share of wins less that of losses, in points, among the other ones.
    """

    first: str
    second: str
    wins: int
    losses: int
    ties: int
    disagreed: int
    equal: int
    missing: int
    lead: Value


def ratings(judged: Sequence[Judged], seed: int = 0) -> tuple[Ratings, ...]:
    """The levels of each system, in the order in which they were judged."""
    found: dict[str, list[tuple[str, str]]] = {}
    for item in judged:
        for verdict in item.verdicts:
            found.setdefault(verdict.shown[0], []).append((item.task, verdict.label))
    return tuple(_ratings(system, labels, seed) for system, labels in found.items())


def _ratings(system: str, labels: Sequence[tuple[str, str]], seed: int) -> Ratings:
    given = [(task, label) for task, label in labels if label]
    points = [100.0 * (label in ACCEPTABLE) for _, label in given]
    return Ratings(
        system,
        {level: sum(label == level for _, label in given) for level in LEVELS},
        len(labels) - len(given),
        _mean(points, [task for task, _ in given], seed),
    )


def preferences(judged: Sequence[Judged], seed: int = 0) -> tuple[Preference, ...]:
    """The first system against each of the others."""
    pairs: dict[tuple[str, str], list[tuple[str, JudgeVerdict, JudgeVerdict]]] = {}
    for item in judged:
        for there, back in zip(item.verdicts[::2], item.verdicts[1::2], strict=True):
            first, second = there.shown
            pairs.setdefault((first, second), []).append((item.task, there, back))
    return tuple(_preference(*names, both, seed) for names, both in pairs.items())


def _preference(
    first: str, second: str, both: Sequence[tuple[str, JudgeVerdict, JudgeVerdict]], seed: int
) -> Preference:
    outcomes = [(task, _outcome(there, back)) for task, there, back in both]
    given = [(task, outcome) for task, outcome in outcomes if outcome]
    names = [outcome for _, outcome in given]
    points = [100.0 * ((name == WIN) - (name == LOSE)) for name in names]
    return Preference(
        first,
        second,
        names.count(WIN),
        names.count(LOSE),
        names.count(TIE),
        sum(_outcome(there, back) == TIE and not _is_same(there, back) for _, there, back in both),
        sum(there.label == SAME and not there.requests for _, there, _ in both),
        len(outcomes) - len(given),
        _mean(points, [task for task, _ in given], seed),
    )


def _outcome(there: JudgeVerdict, back: JudgeVerdict) -> str:
    """What two verdicts on the same texts, in both orders, say of the first system."""
    if not (there.label and back.label):
        return ""
    if (there.label, back.label) == (FIRST, SECOND):
        return WIN
    if (there.label, back.label) == (SECOND, FIRST):
        return LOSE
    return TIE


def _is_same(there: JudgeVerdict, back: JudgeVerdict) -> bool:
    return there.label == back.label == SAME


def labels_of(judged: Iterable[Judged]) -> dict[tuple[str, str], str]:
    """The label of each instance and system; of two systems, `win`, `lose` or `tie` of the first.

    These are under their names in the order of the comparison, as `one / other`. A missing verdict
    has an empty label.
    """
    labels: dict[tuple[str, str], str] = {}
    for item in judged:
        if len(item.verdicts[0].shown) == 1:
            labels |= {(item.instance, each.shown[0]): each.label for each in item.verdicts}
        else:
            for there, back in zip(item.verdicts[::2], item.verdicts[1::2], strict=True):
                labels[item.instance, " / ".join(there.shown)] = _outcome(there, back)
    return labels


def _mean(points: Sequence[float], tasks: Sequence[str], seed: int) -> Value:
    if not points:
        return Value(None, None, None, "no verdicts")
    return mean_over_tasks(points, tasks, seed=seed)
