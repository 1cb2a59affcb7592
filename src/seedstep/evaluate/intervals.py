"""95% confidence intervals by resampling, values that may be undefined, and McNemar's test.

Independent units are resampled: tasks, as the instances of a task are not independent, or rated
items. A percentile interval is too narrow if there are few units. It is therefore widened in the
proportion in which Student's t distribution is wider than the normal one: T. Hesterberg's expanded
percentile interval ("What teachers should know about the bootstrap", 2015). In simulations over 8
tasks a percentile interval contained 89% of true differences, this one 94%.

Example::

    >>> differences = np.arange(60) / 30
    >>> def mean(drawn):
    ...     return drawn @ differences / drawn.sum(axis=1)
    >>> found = resample(np.ones(60, int), mean, "task", seed=1)
    >>> f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
    '0.98 [0.83, 1.13]'

Example::

    >>> mcnemar(6, 0)
    McNemar(first_only=6, second_only=0, p_value=0.03125, method='exact')
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np

from seedstep.text import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "MIN_UNITS",
    "NOTHING",
    "RESAMPLES",
    "McNemar",
    "Statistic",
    "Value",
    "about_intervals",
    "interval_note",
    "mcnemar",
    "mean_of_tasks",
    "mean_over_tasks",
    "resample",
    "shown",
]


RESAMPLES = 10_000

MIN_UNITS = 6
"""The fewest units for which an interval is given.

No resample leaves the range of the n units, and this range contains the centre of a symmetric
distribution with a probability of 1 - 2^(1-n): 94% for 5 units, 97% for 6.
"""

MAX_UNDEFINED = 0.05
"""The largest share of resamples, left out of the interval, whose statistic may be undefined."""

CELLS = 2_000_000
"""How many counts are drawn at a time, which limits memory."""

Statistic = Callable[["NDArray[np.int64]"], "NDArray[np.float64]"]
"""A function of counts (samples x patterns) that returns a number for each sample, or nan."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number with its 95% interval. Each may be undefined, that is None; `reason` says why.

    The `reason` of a score by tokens also says how many references have no tokens.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str = ""


NOTHING = "-"
"""The text of a value that is not defined."""


def shown(value: Value, digits: int = 1, sign: Literal["-", "+"] = "-") -> str:
    """Return a value with its interval, as far as they are defined: `41.2 [39.0, 43.5]`.

    With "+" as `sign`, numbers above zero have a plus sign.
    """
    if value.value is None:
        return NOTHING
    form = f"{sign}.{digits}f"
    if value.low is None or value.high is None:
        return f"{value.value:{form}}"
    return f"{value.value:{form}} [{value.low:{form}}, {value.high:{form}}]"


def about_intervals(values: Iterable[Value]) -> str:
    """Return "with 95% intervals over tasks", or that values have none as there are few tasks."""
    return interval_note(any(value.low is not None for value in values))


def interval_note(there: bool) -> str:
    """Return "with 95% intervals over tasks", or why there are none."""
    if there:
        return "with 95% intervals over tasks"
    return f"without intervals, which need {MIN_UNITS} tasks at least"


def resample(
    counts: "NDArray[np.int64]",
    statistic: Statistic,
    unit: str,
    *,
    seed: int,
    undefined: str = "",
) -> Value:
    """Return a statistic of some units, and its interval over RESAMPLES samples of as many units.

    `counts` has the number of units with each pattern that the statistic distinguishes. `undefined`
    is the reason to give if the statistic is nan. If all units have the same pattern, the interval
    has no width: it says nothing about units of another kind.
    """
    units = int(counts.sum())
    if not units:
        return Value(None, None, None, f"no {unit}s")
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(statistic(counts[np.newaxis])[0])
        if math.isnan(value):
            return Value(None, None, None, undefined)
        if units < MIN_UNITS:
            few = counted(units, unit)
            return Value(value, None, None, f"{few}: an interval needs {MIN_UNITS} or more")
        drawn = _resampled(counts, statistic, seed)
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < (1 - MAX_UNDEFINED) * RESAMPLES:
        share = 100 - 100 * len(defined) / RESAMPLES
        return Value(value, None, None, f"undefined in {share:.0f}% of the resamples")
    tail = _tail(units)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Value(value, float(low), float(high))


def mean_over_tasks(
    values: "Sequence[float] | NDArray[np.float64]", tasks: Sequence[str], *, seed: int
) -> Value:
    """Return the mean of values, one for each instance, and its interval by resampling tasks.

    `tasks` has the task of each value. A task counts in proportion to its number of instances.
    """
    numbers: dict[str, int] = {}
    task_of = [numbers.setdefault(task, len(numbers)) for task in tasks]
    sizes = np.bincount(task_of)
    sums = np.bincount(task_of, values)
    return resample(
        np.ones_like(sizes), lambda drawn: (drawn @ sums) / (drawn @ sizes), "task", seed=seed
    )


def mean_of_tasks(values: Sequence[float], *, seed: int) -> Value:
    """Return the mean of a value of each task, rounded to 4 places, and its interval.

    However many tasks there are, only different values are counted, so that it takes a second.
    """
    different, counts = np.unique(np.round(values, 4), return_counts=True)
    return resample(
        counts, lambda drawn: (drawn @ different) / drawn.sum(axis=1), "task", seed=seed
    )


def _resampled(
    counts: "NDArray[np.int64]", statistic: Statistic, seed: int
) -> "NDArray[np.float64]":
    """Return the statistic of each sample. How many are drawn at a time does not change them."""
    if RESAMPLES * len(counts) <= CELLS:
        return statistic(_samples(tuple(counts.tolist()), seed))
    generator = np.random.default_rng(seed)
    units = int(counts.sum())
    at_a_time = max(1, CELLS // len(counts))
    sizes = [min(at_a_time, RESAMPLES - start) for start in range(0, RESAMPLES, at_a_time)]
    return np.concatenate(
        [statistic(generator.multinomial(units, counts / units, size)) for size in sizes]
    )


@lru_cache(maxsize=2)  # the metrics and pairs of a comparison have the same tasks
def _samples(counts: tuple[int, ...], seed: int) -> "NDArray[np.int64]":
    """Return all samples, which can't be written to."""
    units = sum(counts)
    drawn = np.random.default_rng(seed).multinomial(units, np.array(counts) / units, RESAMPLES)
    drawn.setflags(write=False)
    return drawn


def _tail(units: int) -> float:
    """Return the share of samples to leave out at each end: 0.025 for many units, less for few."""
    normal = NormalDist()
    t = _student_t(normal.inv_cdf(0.975), units - 1)
    return normal.cdf(-t * math.sqrt(units / (units - 1)))


def _student_t(z: float, freedom: int) -> float:
    """Return the quantile of Student's t distribution that belongs to the normal quantile `z`.

    Abramowitz and Stegun, 26.7.5; the error is below 0.01 for 5 or more degrees of freedom.
    """
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


EXACT_BELOW = 25
"""McNemar's test is exact below so many discordant pairs, else a chi-squared approximation."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of whether two systems have exact matches equally often (two-sided).

    `first_only` and `second_only` count the instances that only one of them matched. The test
    assumes that instances are independent. Within a task they are not, so that a small p-value
    overstates the evidence.
    """

    first_only: int
    second_only: int
    p_value: float
    method: Literal["exact", "chi-squared"]


def mcnemar(first_only: int, second_only: int) -> McNemar:
    """Make McNemar's test: exact for few discordant pairs, else with continuity correction.

    The corrected distance is at least zero, so that equal counts have a p-value of 1.
    """
    discordant = first_only + second_only
    if discordant < EXACT_BELOW:
        fewer = range(min(first_only, second_only) + 1)
        chance = sum(math.comb(discordant, count) for count in fewer) / 2**discordant
        return McNemar(first_only, second_only, min(1.0, 2 * chance), "exact")
    distance = max(0, abs(first_only - second_only) - 1)
    p_value = math.erfc(distance / math.sqrt(2 * discordant))
    return McNemar(first_only, second_only, p_value, "chi-squared")
