"""The records of requests: requests, replies, failures, and ledgers.

Example::

    >>> request = Request("generation", "Come up with a series of tasks:\\n1. ...", Sampling(64))
    >>> key = request.key("openai:http://127.0.0.1:8000/v1", "my-model")
    >>> another = Request("generation", request.prompt, Sampling(64), draw=1)
    >>> another.key("openai:http://127.0.0.1:8000/v1", "my-model") == key
    False
"""

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol

import msgspec

from seedstep.llm.endings import Ending, ending_of

__all__ = [
    "UNCHANGED",
    "Answer",
    "Failure",
    "Ledger",
    "Likelihood",
    "Manner",
    "MemoryLedger",
    "Message",
    "Reasoning",
    "Reply",
    "Request",
    "Sampling",
    "Schema",
    "Sender",
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


ANOTHER_DRAW = 1_000_003
"""What is added to the draw of a request that is asked again, as its answer is passed over."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a model: a text to continue, or a conversation to answer.

    `purpose` is the stage's word for the kind of request; it is not part of the key. `draw`
    distinguishes requests that are equal otherwise but need different answers; it is sent as the
    sampling seed. With `scored_from` nothing is written: the reply is a `Likelihood` of the prompt
    from this character on, as JSON.
    """

    purpose: str
    prompt: str | tuple[Message, ...]
    sampling: Sampling
    schema: Schema | None = None
    draw: int = 0
    reasoning: Reasoning | None = None
    scored_from: int | None = None

    def key(self, endpoint: str, model: str) -> str:
        """Return the key: 32 hexadecimal digits, made from everything that can change the reply."""
        whole: list[Any] = [endpoint, model, self.prompt, self.sampling, self.schema, self.draw]
        if self.reasoning:
            whole.append(self.reasoning)
        if self.scored_from is not None:
            whole.append(self.scored_from)
        text = msgspec.json.encode(whole, order="deterministic")
        return hashlib.sha256(text).hexdigest()[:32]

    def redrawn(self, passed_over: Set[str], endpoint: str, model: str) -> "Request":
        """Return the request with a draw whose key is not among those that are passed over."""
        found = self
        while passed_over and found.key(endpoint, model) in passed_over:
            found = replace(found, draw=found.draw + ANOTHER_DRAW)
        return found


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How unlikely a model finds a text: the mean of its tokens, in nats, and their number."""

    nats: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's reply.

    `finish_reason` is the server's word for the end of the reply. Tokens are the server's count, or
    estimated from the length of the text. `seconds` is the duration of the attempt that succeeded.
    `thoughts` were removed from the text, or sent separately; `reasoning_tokens` counts them among
    the completion tokens, if the server says so. `left_out` names the parameters that were not
    sent, as the server does not accept them. The `lost` tokens are those of earlier attempts whose
    replies could not be used. A reply that came `by_batch` cost the price of a batch.
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
    by_batch: bool = False

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
    by_batch: bool = False


Answer = Reply | Failure


class Sender(Protocol):
    """An object that sends requests: to a server, a recording, or a model in this process."""

    async def send(self, request: Request) -> Answer:
        """Return the answer to a request."""

    async def check(self) -> int:
        """Return the HTTP status of a server that answers, or 200."""

    async def close(self) -> None:
        """Release what was opened."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a request was sent: the tokens added for thoughts, and parameters that were left out."""

    room: int = 0
    left_out: tuple[str, ...] = ()


UNCHANGED = Manner()


class Ledger(Protocol):
    """A store of answers by key. An answer is used only after `put` has returned."""

    @property
    def passed_over(self) -> Set[str]:
        """The keys of requests that are not sent again: one with another draw takes their place.

        It is empty where no answers are asked for once more.
        """

    def get(self, key: str) -> Answer | None:
        """Return the answer stored under a key, or None."""

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        """Store an answer durably."""


@dataclass(eq=False)
class MemoryLedger:
    """A ledger that lasts as long as the process."""

    answers: dict[str, Answer] = field(default_factory=dict)
    passed_over: Set[str] = frozenset()

    def get(self, key: str) -> Answer | None:
        """The answer kept under a key."""
        return self.answers.get(key)

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        """Store an answer."""
        self.answers[key] = answer


CHARACTERS_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """Return an estimate of the number of tokens of a text."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def tokens_of(request: Request) -> int:
    """Return an estimate of the number of tokens of a request's prompt."""
    text = request.prompt
    length = len(text) if isinstance(text, str) else sum(len(message.content) for message in text)
    return length // CHARACTERS_PER_TOKEN
