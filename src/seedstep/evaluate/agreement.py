"""Agreement of raters: raw agreement, kappa and rank correlation; and counts of a judge's verdicts.

Self-Instruct reports Cohen's kappa of its two raters on the four levels A to D and on acceptable
(A, B) or not (C, D), and Spearman's correlation (appendix B.2); Step-by-Step Instruction Tuning
reports Fleiss's kappa (section 3.3). Each value has a 95% interval over the rated items
(`seedstep.evaluate.intervals`). An undefined value is None, with a reason.

Example::

    >>> value = cohen_kappa(["A", "B", "A", "C", "D", "D"], ["A", "B", "B", "C", "D", "C"])
    >>> round(value.value, 3)
    0.571

Missing verdicts are counted, and left out of all shares. Shares have 95% intervals over tasks.

Example::

    for rating in ratings(judged):
        print(rating.system, rating.levels["A"], rating.acceptable)
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from seedstep.errors import InputError
from seedstep.evaluate.intervals import Value, mean_over_tasks, resample
from seedstep.evaluate.judge import FIRST, SAME, SECOND, Judged, JudgeVerdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    FloatArray = NDArray[np.float64]

__all__ = [
    "ACCEPTABLE",
    "LEVELS",
    "NO_LEVELS",
    "OUTCOMES",
    "Preference",
    "RatingAgreement",
    "Ratings",
    "cohen_kappa",
    "fleiss_kappa",
    "label_agreement",
    "labels_of",
    "missing_verdicts",
    "preferences",
    "ratings",
    "raw_agreement",
    "spearman",
]


LEVELS = "ABCD"
"""Self-Instruct's levels of an answer, from the best to the worst (section 4.4)."""

ACCEPTABLE = "AB"
"""The levels that count as valid answers."""

OUTCOMES = ("win", "lose", "tie")
"""Labels of a comparison of two systems: whether the first wins, loses or ties."""

Pattern = TypeVar("Pattern")

ONE_LEVEL = "every rating is the same, so chance alone explains all agreement"
NO_LEVELS = "these labels are no levels"
NO_ORDER = "a rater gave every item the same rank"


@dataclass(frozen=True, slots=True)
class RatingAgreement:
    """The agreement of two raters on a number of `items`.

    Agreement on acceptable or not, and Spearman's correlation, are defined for levels only, not for
    comparisons of two systems.
    """

    items: int
    raw: Value
    raw_acceptable: Value
    kappa: Value
    kappa_acceptable: Value
    spearman: Value


def label_agreement(
    first: Sequence[str],
    second: Sequence[str],
    levels: Sequence[str] = (),
    acceptable: Sequence[str] = (),
    seed: int = 0,
) -> RatingAgreement:
    """Return the agreement of two raters who gave each item a label.

    `levels` are all labels in their order, or empty if they have no order. `acceptable` are the
    labels that count as good, or empty if labels can't be divided so.

    Raises:
        InputError: there are levels, and a label is none of them.
        ValueError: the raters did not rate equally many items.
    """
    undefined = Value(None, None, None, NO_LEVELS)
    raw_acceptable = kappa_acceptable = correlation = undefined
    if levels:
        ranks, other_ranks = _ranks(first, levels), _ranks(second, levels)
        correlation = spearman(ranks, other_ranks, seed)
    if acceptable:
        good, other_good = _acceptable(first, acceptable), _acceptable(second, acceptable)
        raw_acceptable = raw_agreement(good, other_good, seed)
        kappa_acceptable = cohen_kappa(good, other_good, seed)
    return RatingAgreement(
        len(first),
        raw_agreement(first, second, seed),
        raw_acceptable,
        cohen_kappa(first, second, seed),
        kappa_acceptable,
        correlation,
    )


def _ranks(labels: Sequence[str], levels: Sequence[str]) -> list[int]:
    for place, label in enumerate(labels):
        if label not in levels:
            remedy = f"rate with {', '.join(levels[:-1])} or {levels[-1]}"
            raise InputError(f"item {place + 1}: {label!r} is no level", remedy)
    return [levels.index(label) for label in labels]


def _acceptable(labels: Sequence[str], acceptable: Sequence[str]) -> list[str]:
    return ["yes" if label in acceptable else "no" for label in labels]


def raw_agreement(first: Sequence[str], second: Sequence[str], seed: int = 0) -> Value:
    """Return the share of items, from 0 to 1, to which two raters gave the same label.

    Raises:
        ValueError: the raters did not rate equally many items.
    """
    patterns = Counter(zip(first, second, strict=True))
    same = np.array([first == second for first, second in patterns], int)

    def share(drawn: "Counts") -> "FloatArray":
        shares: FloatArray = (drawn @ same) / drawn.sum(axis=1)
        return shares

    return resample(_counts(patterns), share, "item", seed=seed)


def cohen_kappa(first: Sequence[str], second: Sequence[str], seed: int = 0) -> Value:
    """Return Cohen's kappa: agreement of two raters beyond chance, at most 1. Labels have no order.

    Raises:
        ValueError: the raters did not rate equally many items.
    """
    patterns = Counter(zip(first, second, strict=True))
    levels = sorted({level for pattern in patterns for level in pattern})
    firsts, seconds = (_has_level([pair[rater] for pair in patterns], levels) for rater in (0, 1))
    same = (firsts * seconds).sum(axis=1)

    def kappa(drawn: "Counts") -> "FloatArray":
        items = drawn.sum(axis=1)
        by_chance = ((drawn @ firsts) * (drawn @ seconds)).sum(axis=1)
        kappas: FloatArray = (items * (drawn @ same) - by_chance) / (items**2 - by_chance)
        return kappas

    return resample(_counts(patterns), kappa, "item", seed=seed, undefined=ONE_LEVEL)


def fleiss_kappa(items: Sequence[Sequence[str]], seed: int = 0) -> Value:
    """Return Fleiss's kappa. An item has its ratings in any order, all items equally many."""
    raters = {len(ratings) for ratings in items}
    if len(raters) > 1 or raters & {0, 1}:
        numbers = " or ".join(map(str, sorted(raters)))
        reason = f"items have {numbers} ratings: equally many are needed, and 2 or more"
        return Value(None, None, None, reason)
    patterns = Counter(tuple(sorted(ratings)) for ratings in items)
    levels = sorted({level for pattern in patterns for level in pattern})
    given = np.array([[pattern.count(level) for level in levels] for pattern in patterns], int)
    given = given.reshape(len(patterns), len(levels))
    agreeing = (given * (given - 1)).sum(axis=1)

    def kappa(drawn: "Counts") -> "FloatArray":
        ratings = (drawn @ given).sum(axis=1)
        by_chance = ((drawn @ given) ** 2).sum(axis=1)
        agreed = (drawn @ agreeing) * ratings / (max(raters) - 1)
        kappas: FloatArray = (agreed - by_chance) / (ratings**2 - by_chance)
        return kappas

    return resample(_counts(patterns), kappa, "item", seed=seed, undefined=ONE_LEVEL)


def spearman(first: Sequence[float], second: Sequence[float], seed: int = 0) -> Value:
    """Return Spearman's rank correlation of two raters; tied items share their mean rank.

    Raises:
        ValueError: the raters did not rate equally many items.
    """
    if any(map(math.isnan, (*first, *second))):
        return Value(None, None, None, "a rating is not a number")
    patterns = Counter(zip(first, second, strict=True))
    firsts, seconds = (_places([pair[rater] for pair in patterns]) for rater in (0, 1))

    def correlation(drawn: "Counts") -> "FloatArray":
        x, y = _centred_ranks(drawn, firsts), _centred_ranks(drawn, seconds)
        spread_x, spread_y = ((drawn * ranks * ranks).sum(axis=1).astype(float) for ranks in (x, y))
        rhos: FloatArray = (drawn * x * y).sum(axis=1) / np.sqrt(spread_x * spread_y)
        return rhos

    return resample(_counts(patterns), correlation, "item", seed=seed, undefined=NO_ORDER)


def _counts(patterns: Counter[Pattern]) -> "Counts":
    return np.array(list(patterns.values()), int)


def _has_level(labels: Sequence[str], levels: Sequence[str]) -> "Counts":
    """Return an array (labels x levels) that is 1 where the label is the level."""
    return np.array([label == level for label in labels for level in levels], int).reshape(
        len(labels), len(levels)
    )


def _places(ratings: Sequence[float]) -> "Counts":
    """Return the place of each rating in the order of distinct ratings, from 0."""
    place_of = {rating: place for place, rating in enumerate(sorted(set(ratings)))}
    return np.array([place_of[rating] for rating in ratings], int)


def _centred_ranks(drawn: "Counts", places: "Counts") -> "Counts":
    """Return twice the mean rank of each pattern in each sample, centred so that the mean is 0.

    Doubling makes these whole numbers. `drawn` (samples x patterns) counts each pattern in each
    sample.
    """
    in_order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[in_order], np.arange(places.max() + 1))
    at_place = np.add.reduceat(drawn[:, in_order], starts, axis=1)
    below = np.cumsum(at_place, axis=1) - at_place
    above = drawn.sum(axis=1, keepdims=True) - below - at_place
    ranks: Counts = (below - above)[:, places]
    return ranks


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
