"""McNemar's test of whether two systems have exact matches equally often.

Example::

    >>> mcnemar(6, 0)
    McNemar(first_only=6, second_only=0, p_value=0.03125, method='exact')
"""

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["McNemar", "mcnemar"]

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
