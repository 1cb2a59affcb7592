"""The records of requests: requests, replies, failures, ledgers, prices, and budgets.

Example::

    >>> request = Request("generation", "Come up with a series of tasks:\\n1. ...", Sampling(64))
    >>> key = request.key("openai:http://127.0.0.1:8000/v1", "my-model")
    >>> another = Request("generation", request.prompt, Sampling(64), draw=1)
    >>> another.key("openai:http://127.0.0.1:8000/v1", "my-model") == key
    False
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

import msgspec

from seedstep.errors import BudgetReached
from seedstep.llm.endings import Ending, ending_of
from seedstep.settings import Count as AtLeastOne
from seedstep.settings import setting

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
    "Pricing",
    "Reasoning",
    "Reply",
    "Request",
    "Sampling",
    "Schema",
    "Spent",
    "Tokens",
    "estimated_tokens",
    "tokens_of",
]

Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
TokenCount = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters, with the names and bounds of the OpenAI API.

    `max_tokens` limits the tokens of the reply. A parameter that is None is not sent, so that the
    server uses its default.
    """

    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = 0.0
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = 1.0
    frequency_penalty: Penalty | None = 0.0
    presence_penalty: Penalty | None = 0.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Schema:
    """The JSON schema of a chat reply, for servers that can enforce one."""

    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Options for a model that reasons before it answers.

    `effort` is sent as `reasoning_effort`. `room` is the number of tokens that are added to each
    limit of new tokens for the model's thoughts; with None, some are added if a model is seen to
    reason. `extra` has further fields of the request's body, by the server's names.
    """

    effort: str | None = None
    room: TokenCount | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a model: a text to continue, or a conversation to answer.

    `purpose` is the stage's word for the kind of request; it is not part of the key. `draw`
    distinguishes requests that are equal otherwise but need different answers; it is sent as the
    sampling seed.
    """

    purpose: str
    prompt: str | tuple[Message, ...]
    sampling: Sampling
    schema: Schema | None = None
    draw: int = 0
    reasoning: Reasoning | None = None

    def key(self, endpoint: str, model: str) -> str:
        """Return the key: 32 hexadecimal digits, made from everything that can change the reply."""
        whole: list[Any] = [endpoint, model, self.prompt, self.sampling, self.schema, self.draw]
        if self.reasoning:
            whole.append(self.reasoning)
        text = msgspec.json.encode(whole, order="deterministic")
        return hashlib.sha256(text).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's reply.

    `finish_reason` is the server's word for the end of the reply. Tokens are the server's count, or
    estimated from the length of the text. `seconds` is the duration of the attempt that succeeded.
    `thoughts` were removed from the text, or sent separately; `reasoning_tokens` counts them among
    the completion tokens, if the server says so. `left_out` names the parameters that were not
    sent, as the server does not accept them. The `lost` tokens are those of earlier attempts whose
    replies could not be used.
    """

    text: str
    finish_reason: str
    prompt_tokens: TokenCount
    completion_tokens: TokenCount
    estimated: bool = False
    seconds: float = 0.0
    attempts: TokenCount = 1
    thoughts: str = ""
    reasoning_tokens: TokenCount = 0
    left_out: tuple[str, ...] = ()
    lost_prompt_tokens: TokenCount = 0
    lost_completion_tokens: TokenCount = 0

    @property
    def ending(self) -> Ending:
        """How the reply ended: `finished`, `cut`, or `unknown` for an unknown finish reason."""
        return ending_of(self.finish_reason)

    @property
    def cut(self) -> bool:
        """Whether the reply was cut at its length limit."""
        return self.ending == "cut"


@dataclass(frozen=True, slots=True)
class Failure:
    """A final failure of a request. `status` is the HTTP status, 0 if there was none.

    Tokens are the server's counts for attempts whose replies could not be used.
    """

    reason: str
    detail: str
    status: TokenCount = 0
    attempts: TokenCount = 1
    lost_prompt_tokens: TokenCount = 0
    lost_completion_tokens: TokenCount = 0


Answer = Reply | Failure


class Ledger(Protocol):
    """A store of answers by key. An answer is used only after `put` has returned."""

    def get(self, key: str) -> Answer | None:
        """Return the answer stored under a key, or None."""

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        """Store an answer durably."""


@dataclass
class MemoryLedger:
    """A ledger that lasts as long as the process."""

    answers: dict[str, Answer] = field(default_factory=dict)

    def get(self, key: str) -> Answer | None:
        """The answer kept under a key."""
        return self.answers.get(key)

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        """Store an answer."""
        self.answers[key] = answer


DollarPrice = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, of prompts (`input`) and of replies (`output`)."""

    input: DollarPrice
    output: DollarPrice

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the cost of so many tokens in US dollars."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


@dataclass(frozen=True, slots=True)
class Tokens:
    """Numbers of tokens of prompts and of replies."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.prompt + other.prompt, self.completion + other.completion)


@dataclass(slots=True)
class Spent:
    """The requests and tokens of a run, in all processes that worked on it; tokens by purpose.

    Requests are counted before they are sent, repetitions too. `note` keeps durably how many
    may have been sent, and `noted` is what it kept last. Some are noted ahead, and the next ones
    while half of these are left, so that few requests wait for the disk: of a process that is
    killed, they count as sent. Tokens of replies that never came are not known, and not counted.
    """

    requests: int = 0
    tokens: dict[str, Tokens] = field(default_factory=dict)
    noted: int = 0
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
            count = self.requests
            while self.note and self.noted < count + more // 2:
                if self._noting is None or self._noting.done():  # else all wait for the same
                    self._noting = asyncio.create_task(self._note(max(count, self.requests) + more))
                    self._noting.add_done_callback(_read_outcome)
                if self.noted >= count:
                    break  # the next ones are noted meanwhile
                await asyncio.shield(self._noting)
        except BaseException:
            self.requests -= 1
            raise

    async def settle(self) -> None:
        """Note exactly what was sent."""
        if self._noting:
            await asyncio.gather(self._noting, return_exceptions=True)
        if self.note and self.noted != self.requests:
            await self._note(self.requests)

    async def _note(self, requests: int) -> None:
        assert self.note
        await self.note(requests)
        self.noted = requests

    def add(self, purpose: str, prompt: int, completion: int) -> None:
        """Count the tokens of a reply."""
        before = self.tokens.get(purpose, Tokens())
        self.tokens[purpose] = before + Tokens(prompt, completion)

    @property
    def total(self) -> Tokens:
        """The tokens of all purposes."""
        return sum(self.tokens.values(), Tokens())

    @property
    def total_tokens(self) -> int:
        """Tokens of prompts and replies, of all purposes."""
        return self.total.prompt + self.total.completion


def _read_outcome(task: asyncio.Task[None]) -> None:
    """Read how a task ended, so that asyncio does not report an error that nobody waits for."""
    if not task.cancelled():
        task.exception()


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

    def usd(self, tokens: Mapping[str, Tokens]) -> float | None:
        """Return the cost in US dollars of tokens, which are given by purpose.

        Returns None if the price of one of the models is not known.
        """
        if self.model is None or None in self.others.values():
            return None
        usd = 0.0
        for purpose, count in tokens.items():
            price = self.of(purpose) or self.model
            usd += price.usd(count.prompt, count.completion)
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
        "Tokens of prompts and replies the run may use in all, as the server counts them; what is "
        "in flight then comes on top. Default: no limit.",
    )
    max_usd: Annotated[float, msgspec.Meta(gt=0)] | None = setting(
        None,
        "US dollars the run may spend in all, by `prices`, as with max_tokens. Default: no limit.",
    )
    prices: dict[str, Price] = setting(
        dict,
        "US dollars per million tokens by model: {my-model: {input: 0.15, output: 0.6}}.",
    )

    def price_of(self, *names: str) -> Price | None:
        """Return the price of a model by the first of its names in `prices`, or None."""
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


CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Preview:
    """Some requests of a stage, and estimates by purpose: the number of requests, and tokens."""

    requests: tuple[Request, ...]
    counts: dict[str, int]
    tokens: dict[str, Tokens]

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of all prompts."""
        return sum(count.prompt for count in self.tokens.values())

    @property
    def completion_tokens(self) -> int:
        """The number of tokens of all replies."""
        return sum(count.completion for count in self.tokens.values())


def estimated_tokens(text: str) -> int:
    """Return an estimate of the number of tokens of a text."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def tokens_of(request: Request) -> int:
    """Return an estimate of the number of tokens of a request's prompt."""
    text = request.prompt
    length = len(text) if isinstance(text, str) else sum(len(message.content) for message in text)
    return length // CHARACTERS_PER_TOKEN
