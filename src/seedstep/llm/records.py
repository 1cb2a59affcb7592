"""Requests, what comes back, and where it is kept.

Example::

    request = Request("generation", "Come up with a series of tasks:\n1. ...", Sampling(64))
    key = request.key("openai:http://127.0.0.1:8000/v1", "my-model")
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

import msgspec

from seedstep.errors import BudgetReached

__all__ = [
    "NO_LIMITS",
    "Answer",
    "Budget",
    "Failure",
    "Ledger",
    "MemoryLedger",
    "Message",
    "Preview",
    "Price",
    "Reply",
    "Request",
    "Sampling",
    "Schema",
    "Spent",
    "tokens_of",
]

Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
TokenCount = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters, named and bounded as by the OpenAI API. `max_tokens` are new ones."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.0
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    frequency_penalty: Penalty = 0.0
    presence_penalty: Penalty = 0.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Schema:
    """The JSON schema that a chat reply should follow, where the server can hold it to one."""

    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One call to a model: a text to continue, or a conversation to answer.

    `purpose` says what it is for, in the words of the stage; it is not part of the key.
    `draw` tells apart requests that are equal otherwise and shall be answered anew; it is the
    sampling seed on the wire.
    """

    purpose: str
    prompt: str | tuple[Message, ...]
    sampling: Sampling
    schema: Schema | None = None
    draw: int = 0

    def key(self, endpoint: str, model: str) -> str:
        """32 hexadecimal digits that stand for everything that can change the reply."""
        whole = [endpoint, model, self.prompt, self.sampling, self.schema, self.draw]
        text = msgspec.json.encode(whole, order="deterministic")
        return hashlib.sha256(text).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    `finish_reason` is `length` where `max_tokens` cut it off. Tokens are the server's count, or
    estimated from the length of the text. `seconds` is the time of the attempt that succeeded.
    """

    text: str
    finish_reason: str
    prompt_tokens: TokenCount
    completion_tokens: TokenCount
    estimated: bool = False
    seconds: float = 0.0
    attempts: TokenCount = 1

    @property
    def cut(self) -> bool:
        """True where the reply ended because it reached its length limit."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request has no reply, for good. `status` is HTTP's, 0 where there was none."""

    reason: str
    detail: str
    status: TokenCount = 0
    attempts: TokenCount = 1


Answer = Reply | Failure


class Ledger(Protocol):
    """Keeps answers by key. An answer counts as given once `put` has returned."""

    def get(self, key: str) -> Answer | None:
        """The answer kept under a key."""

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        """Keep an answer, durably."""


@dataclass
class MemoryLedger:
    """A ledger that lasts as long as the process."""

    answers: dict[str, Answer] = field(default_factory=dict)

    def get(self, key: str) -> Answer | None:
        """The answer kept under a key."""
        return self.answers.get(key)

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        """Keep an answer."""
        self.answers[key] = answer


DollarPrice = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, of prompts (`input`) and of replies (`output`)."""

    input: DollarPrice
    output: DollarPrice

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


CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Preview:
    """Requests to look at, and estimates: how many by purpose, and their tokens in all."""

    requests: tuple[Request, ...]
    counts: dict[str, int]
    prompt_tokens: int
    completion_tokens: int


def tokens_of(request: Request) -> int:
    """About how many tokens a request's prompt has."""
    text = request.prompt
    length = len(text) if isinstance(text, str) else sum(len(one.content) for one in text)
    return length // CHARACTERS_PER_TOKEN
