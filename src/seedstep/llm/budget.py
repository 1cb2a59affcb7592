"""How many requests, tokens and dollars a run may spend.

Requests are counted before they are sent, so that their number is never exceeded. Tokens, and the
money they cost, are known once a reply is there: what is in flight then comes on top.

Example::

    Budget(max_usd=5.0, price=Price(input=0.15, output=0.6)).check(spent)
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from seedstep.errors import BudgetReached

__all__ = ["NO_LIMITS", "Budget", "Price", "Spent"]

Dollars = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, of prompts (`input`) and of replies (`output`)."""

    input: Dollars
    output: Dollars

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost, in US dollars."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


@dataclass(slots=True)
class Spent:
    """What a run has spent, in all processes that worked on it.

    Requests are counted with their repetitions. Those that a killed process had in flight are
    not known, and not counted.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of prompts and replies."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend in all; None is without limit. `max_usd` needs the model's price."""

    max_requests: int | None = None
    max_tokens: int | None = None
    max_usd: float | None = None
    price: Price | None = None

    def check(self, spent: Spent) -> None:
        """Raise if no further request may be sent.

        Raises:
            BudgetReached: with what was spent, and the setting to raise.
        """
        if self.max_requests is not None and spent.requests >= self.max_requests:
            raise BudgetReached("max_requests", f"{self.max_requests:,} requests")
        if self.max_tokens is not None and spent.tokens >= self.max_tokens:
            raise BudgetReached("max_tokens", f"{self.max_tokens:,} tokens")
        if self.max_usd is not None and self.price:
            usd = self.price.usd(spent.prompt_tokens, spent.completion_tokens)
            if usd >= self.max_usd:
                raise BudgetReached("max_usd", f"{self.max_usd:,.2f} US dollars")


NO_LIMITS = Budget()
