"""What requests cost, and what a run may spend: prices, tokens, counts, and budgets.

Example::

    >>> spent = Spent(requests=3)
    >>> spent.add("generation", prompt=1000, completion=200)
    >>> Pricing(Price(input=1.0, output=2.0)).usd(spent.tokens)
    0.0014
    >>> Budget(max_requests=3).check(spent)
    Traceback (most recent call last):
        ...
    seedstep.errors.BudgetReached: the budget of 3 requests is spent. Raise max_requests to go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Annotated

import msgspec

from seedstep.errors import BudgetReached
from seedstep.llm.records import Request
from seedstep.settings import Count as AtLeastOne
from seedstep.settings import setting

__all__ = [
    "NO_LIMITS",
    "UNPRICED",
    "Account",
    "Budget",
    "Preview",
    "Price",
    "Pricing",
    "Spent",
    "TokenUsage",
]

DollarPrice = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, of prompts (`input`) and of replies (`output`)."""

    input: DollarPrice
    output: DollarPrice

    def usd(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return the cost of so many tokens in US dollars."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


BATCH_SHARE = 0.5
"""What a request by batch costs of the price of a live one."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Numbers of tokens of prompts and of replies; and how many of each were by batch."""

    prompt: int = 0
    completion: int = 0
    batch_prompt: int = 0
    batch_completion: int = 0

    @classmethod
    def by_batch(cls, prompt: int, completion: int) -> "TokenUsage":
        """Return tokens of which all were by batch."""
        return cls(prompt, completion, prompt, completion)

    def part(self, count: int, of: int) -> "TokenUsage":
        """Return the tokens of so many of the requests, each of which takes as many."""
        return TokenUsage(*(round(tokens * count / of) for tokens in astuple(self)))

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        return TokenUsage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.batch_prompt + other.batch_prompt,
            self.batch_completion + other.batch_completion,
        )

    def __neg__(self) -> "TokenUsage":
        return TokenUsage(
            -self.prompt, -self.completion, -self.batch_prompt, -self.batch_completion
        )

    def __sub__(self, other: "TokenUsage") -> "TokenUsage":
        return self + -other


@dataclass(frozen=True, slots=True)
class Preview:
    """Some requests of a stage, and estimates by purpose: the number of requests, and tokens.

    The kinds of requests follow one another, and are gone through `rounds` times.
    """

    requests: tuple[Request, ...]
    counts: dict[str, int]
    tokens: dict[str, TokenUsage]
    rounds: int = 1

    def with_counts(self, counts: Mapping[str, int]) -> "Preview":
        """Return the preview with other numbers of requests, and with tokens in proportion."""
        tokens = {
            purpose: each.part(counts.get(purpose, 0), self.counts[purpose])
            for purpose, each in self.tokens.items()
            if counts.get(purpose) and self.counts.get(purpose)
        }
        return replace(self, counts=dict(counts), tokens=tokens)

    @property
    def waves(self) -> int:
        """The number of batches that follow one another, if requests are sent by batch."""
        return self.rounds * len(self.counts)

    @property
    def tokens_by_batch(self) -> dict[str, TokenUsage]:
        """The tokens, as those of requests by batch."""
        used = self.tokens.items()
        return {name: TokenUsage.by_batch(each.prompt, each.completion) for name, each in used}

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of all prompts."""
        return sum(count.prompt for count in self.tokens.values())

    @property
    def completion_tokens(self) -> int:
        """The number of tokens of all replies."""
        return sum(count.completion for count in self.tokens.values())


@dataclass(slots=True)
class Spent:
    """The requests and tokens of a run, in all processes that worked on it; tokens by purpose.

    Requests are counted before they are sent, repetitions too. `note` keeps durably how many
    may have been sent, and `noted` is what it kept last. Some are noted ahead, and the next ones
    while half of these are left, so that few requests wait for the disk: of a process that is
    killed, they count as sent. Tokens of replies that never came are not known, and not counted.
    `planned` of the requests are in no batch yet that was stored, and are not noted.

    `reserved` are the most tokens, by purpose, that batches under way may cost, whichever engine
    sent them. When fewer are, each of `when_released` is called; with an error if they stay so,
    which is `stuck` from then on.
    """

    requests: int = 0
    tokens: dict[str, TokenUsage] = field(default_factory=dict)
    noted: int = 0
    planned: int = field(default=0, repr=False, compare=False)
    reserved: dict[str, TokenUsage] = field(default_factory=dict, repr=False, compare=False)
    when_released: list[Callable[[Exception | None], None]] = field(
        default_factory=list, repr=False, compare=False
    )
    stuck: Exception | None = field(default=None, repr=False, compare=False)
    note: Callable[[int], Awaitable[None]] | None = field(default=None, repr=False, compare=False)
    _noting: asyncio.Task[None] | None = field(default=None, repr=False, compare=False)

    async def count_request(self, ahead: int, most: int | None) -> None:
        """Count a request that is about to be sent; return when it is noted.

        Up to `ahead` further ones are noted with it, fewer where they come near the limit `most`.

        Raises:
            StoreError: it can't be noted, and must not be sent.
        """
        self.requests += 1
        more = ahead if most is None else max(0, min(ahead, (most - self.requests) // 8))
        try:
            count = self.sent
            while self.note and self.noted < count + more // 2:
                if self._noting is None or self._noting.done():  # else all wait for the same
                    noted = max(count, self.sent) + more
                    noted = noted if most is None else max(count, min(noted, most))
                    self._noting = asyncio.create_task(self._note(noted))
                    self._noting.add_done_callback(  # which asyncio does not report then
                        lambda noting: noting.cancelled() or noting.exception()
                    )
                if self.noted >= count:
                    break  # the next ones are noted meanwhile
                await asyncio.shield(self._noting)
        except BaseException:
            self.requests -= 1
            raise

    @property
    def sent(self) -> int:
        """The requests that may have been sent: all but the planned ones."""
        return self.requests - self.planned

    async def settle(self) -> None:
        """Note exactly what was sent. Nothing is being noted when this returns."""
        await self._until_noted()
        if self.note and self.noted != self.sent:
            await self._note(self.sent)
            await self._until_noted()  # what is sent meanwhile

    async def _until_noted(self) -> None:
        while self._noting and not self._noting.done():
            await asyncio.gather(self._noting, return_exceptions=True)

    async def _note(self, requests: int) -> None:
        assert self.note
        self.noted = min(self.noted, requests)  # so that what is sent meanwhile is noted, too
        await self.note(requests)
        self.noted = requests

    def add(self, purpose: str, prompt: int, completion: int, *, by_batch: bool = False) -> None:
        """Count the tokens of a reply."""
        made = TokenUsage.by_batch if by_batch else TokenUsage
        self.tokens[purpose] = self.tokens.get(purpose, TokenUsage()) + made(prompt, completion)

    def reserve(self, purpose: str, tokens: TokenUsage) -> None:
        """Set aside the most tokens that a request may cost."""
        total = self.reserved.pop(purpose, TokenUsage()) + tokens
        if total != TokenUsage():
            self.reserved[purpose] = total

    def release(self, reserved: Mapping[str, TokenUsage], error: Exception | None = None) -> None:
        """Set tokens aside no longer, or say by which error they stay so."""
        for purpose, tokens in reserved.items():
            self.reserve(purpose, -tokens)
        self.stuck = error or self.stuck
        for call in list(self.when_released):
            call(error)

    async def until_released(self) -> None:
        """Return when fewer tokens are set aside; raise the error by which they stay so."""
        if self.stuck:
            raise self.stuck
        released = asyncio.get_running_loop().create_future()

        def call(error: Exception | None) -> None:
            if not released.done():
                released.set_exception(error) if error else released.set_result(None)

        self.when_released.append(call)
        try:
            await released
        finally:
            self.when_released.remove(call)

    @property
    def total(self) -> TokenUsage:
        """The tokens of all purposes."""
        return sum(self.tokens.values(), TokenUsage())

    @property
    def total_tokens(self) -> int:
        """Tokens of prompts and replies, of all purposes."""
        return self.total.prompt + self.total.completion

    @property
    def batch_tokens(self) -> int:
        """Those of them that were by batch, at half the price."""
        return self.total.batch_prompt + self.total.batch_completion


@dataclass(frozen=True, slots=True)
class Pricing:
    """The prices of a run's models: that of its model, None if it is not known, and others.

    `others` has the prices of other models, by the purpose of the requests that are sent to them.
    """

    model: Price | None = None
    others: Mapping[str, Price | None] = field(default_factory=dict)

    def of(self, purpose: str) -> Price | None:
        """Return the price of the model for requests of a purpose, or None if it is not known."""
        return self.others.get(purpose, self.model)

    def usd(self, tokens: Mapping[str, TokenUsage]) -> float | None:
        """Return the cost in US dollars of tokens, which are given by purpose.

        Returns None if the price of one of the models is not known.
        """
        if self.model is None or None in self.others.values():
            return None
        usd = 0.0
        for purpose, count in tokens.items():
            price = self.of(purpose) or self.model
            usd += price.usd(count.prompt, count.completion)
            usd -= (1 - BATCH_SHARE) * price.usd(count.batch_prompt, count.batch_completion)
        return usd


UNPRICED = Pricing()
"""The pricing of models without known prices."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a run; None means no limit. `max_usd` requires the price of the model."""

    max_requests: AtLeastOne | None = setting(
        None,
        "Requests the run may send in all, repetitions included; never exceeded. "
        "Default: no limit.",
    )
    max_tokens: AtLeastOne | None = setting(
        None,
        "Tokens of prompts and replies the run may use in all, as the server counts them. "
        "Requests in flight may exceed it. Default: no limit.",
    )
    max_usd: Annotated[float, msgspec.Meta(gt=0)] | None = setting(
        None,
        "US dollars the run may spend in all, by `prices`. Requests in flight may exceed it. "
        "Default: no limit.",
    )
    prices: dict[str, Price] = setting(
        dict,
        "US dollars per million tokens by model: {my-model: {input: 0.15, output: 0.6}}.",
    )

    def price_of(self, model: str) -> Price | None:
        """Return the price of a model, which `prices` may name without its provider, or None."""
        names = (model.partition(":")[2], model)
        return next((self.prices[name] for name in names if name in self.prices), None)

    def check(self, spent: Spent, pricing: Pricing = UNPRICED) -> None:
        """Raise an error if no further request may be sent. `pricing` has the prices of tokens.

        Raises:
            BudgetReached: the budget is spent; the message names the setting to raise.
        """
        if self.max_requests is not None and spent.requests >= self.max_requests:
            raise BudgetReached("max_requests", f"{self.max_requests:,} requests")
        if self.max_tokens is not None and spent.total_tokens >= self.max_tokens:
            raise BudgetReached("max_tokens", f"{self.max_tokens:,} tokens")
        if self.max_usd is not None:
            usd = pricing.usd(spent.tokens)
            if usd is not None and usd >= self.max_usd:
                raise BudgetReached("max_usd", f"{self.max_usd:,.2f} US dollars")


NO_LIMITS = Budget()


@dataclass(frozen=True, slots=True)
class Account:
    """What a run may spend, what it has spent, and its prices."""

    budget: Budget
    spent: Spent
    pricing: Pricing

    def reserve(self, purpose: str, tokens: TokenUsage) -> BudgetReached | None:
        """Count a request, and set aside its tokens; if it can't be afforded, return why.

        Nothing else runs between the check and the count, so that engines may share an account.
        """
        self.spent.requests += 1
        self.spent.reserve(purpose, tokens)
        if refusal := self._refusal():
            self.spent.requests -= 1
            self.spent.reserve(purpose, -tokens)
        return refusal

    async def require(self) -> None:
        """Return when a live request may be sent: it leaves what batches under way may cost.

        Raises:
            BudgetReached: the budget is spent.
            ModelError: batches stay open for which tokens are set aside.
        """
        while True:
            self.budget.check(self.spent, self.pricing)
            by_batch = {
                purpose: TokenUsage.by_batch(each.batch_prompt, each.batch_completion)
                for purpose, each in self.spent.reserved.items()
                if each.batch_prompt or each.batch_completion
            }
            if not by_batch or not self._too_much(by_batch):
                return
            await self.spent.until_released()

    def _refusal(self) -> BudgetReached | None:
        """Return why what was sent and is set aside can't be afforded, or None."""
        most = self.budget.max_requests
        if most is not None and self.spent.requests > most:
            return BudgetReached("max_requests", f"{most:,} requests")
        return self._too_much(self.spent.reserved)

    def _too_much(self, reserved: Mapping[str, TokenUsage]) -> BudgetReached | None:
        """Return why these tokens can't be afforded beside those that were spent, or None."""
        budget, spent = self.budget, self.spent
        tokens = sum(reserved.values(), TokenUsage())
        total = spent.total_tokens + tokens.prompt + tokens.completion
        if budget.max_tokens is not None and total > budget.max_tokens:
            return BudgetReached("max_tokens", f"{budget.max_tokens:,} tokens")
        if budget.max_usd is not None:
            usd, more = self.pricing.usd(spent.tokens), self.pricing.usd(reserved)
            if usd is not None and more is not None and usd + more > budget.max_usd:
                return BudgetReached("max_usd", f"{budget.max_usd:,.2f} US dollars")
        return None
