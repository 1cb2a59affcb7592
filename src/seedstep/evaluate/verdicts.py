"""Count a judge's verdicts: levels by system, and wins, losses and ties by pair.

Missing verdicts are counted, and left out of all shares. Shares have 95% intervals over tasks.

Example::

    for rating in ratings(judged):
        print(rating.system, rating.levels["A"], rating.acceptable)
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

    `acceptable` is the share of levels A and B among all answers with a verdict, in percent.
    """

    system: str
    levels: Mapping[str, int]
    missing: int
    acceptable: Value


@dataclass(frozen=True, slots=True)
class Preference:
    """How often the judge preferred the first of two systems.

    A tie is an instance for which the judge called both the same, contradicted itself in the other
    order (`disagreed`), or was not asked because the texts are equal (`equal`). `missing` counts
    the instances without a verdict in both orders; they are not in any other count. `lead` is the
    share of wins minus the share of losses, in points.
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
    """Return the ratings of each system, in the order in which systems were judged."""
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
    """Return the preferences between the first system and each of the others."""
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
    """Return whether the first system wins, loses or ties by two verdicts, one in each order."""
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
    """Return the label of each instance and system, or of each instance and pair of systems.

    The label of a pair is `win`, `lose` or `tie`, for the first; its name is `first / second`. The
    label of a missing verdict is empty.
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
