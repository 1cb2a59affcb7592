"""The records of requests: requests, replies and how they end, failures, and how all are sent.

Servers have many words for the same end of a reply. Known words stand in a table. A word that is
not in it is known by its parts, such as `filter` or `length`; one without such a part is `unknown`.

Example::

    >>> request = Request("generation", "Come up with a series of tasks:\\n1. ...", Sampling(64))
    >>> key = request.key("openai:http://127.0.0.1:8000/v1", "my-model")
    >>> another = Request("generation", request.prompt, Sampling(64), draw=1)
    >>> another.key("openai:http://127.0.0.1:8000/v1", "my-model") == key
    False
"""

import hashlib
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, Protocol, TypeVar

import msgspec

__all__ = [
    "ENDINGS",
    "LIVE",
    "UNCHANGED",
    "Answer",
    "Ending",
    "Failure",
    "Likelihood",
    "Message",
    "Reasoning",
    "Reply",
    "Request",
    "RequestChanges",
    "Sampling",
    "Schema",
    "SendMode",
    "SendOptions",
    "Sender",
    "ending_of",
    "estimated_tokens",
    "meaning_of",
    "tokens_of",
    "with_cost",
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


THINKING_ROOM = 4096
"""The tokens added to the limit of a request if a model is seen to reason before it answers."""

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


Ending = Literal["finished", "cut", "broken_off", "withheld", "unknown"]
"""How a reply ended. A reply that broke off is requested again; one withheld is a failure."""

_WORDS: Mapping[Ending, str] = MappingProxyType(
    {
        "finished": "stop stopped stop_sequence stop_str stop_word stop_token eos eos_token "
        "eos_found eot eog im_end end end_turn end_of_text endoftext completed complete done "
        "finish finished natural succeeded success",
        "cut": "length limit length_limit max_length max_tokens max_new_tokens max_output "
        "max_output_tokens max_completion_tokens token_limit tokens truncated model_length "
        "model_context_window_exceeded context_length_exceeded error_limit",
        "broken_off": "abort aborted cancel canceled cancelled user_cancel disconnect error failed "
        "incomplete insufficient_system_resource internal internal_error interrupted load unload "
        "killed malformed_function_call malformed_response model_error network_error overloaded "
        "preempted rate_limit server_error shutdown terminated timeout time_limit",
        "withheld": "blacklist blocked blocklist censored content_filter content_filtered "
        "error_toxic flagged guardrail_intervened image_safety language moderation "
        "prohibited_content recitation refusal safety sensitive spii",
    }
)

ENDINGS: Mapping[str, Ending] = MappingProxyType(
    {word: ending for ending, words in _WORDS.items() for word in words.split()}
)
"""The finish reasons of servers, in lower case, and what they mean."""

_PARTS: tuple[tuple[Ending, str], ...] = (
    (
        "withheld",
        r"filter|safety|unsafe|policy|moderat|flagged|guardrail|block|refus|toxic|censor|prohibit"
        r"|jailbreak|harm|hate|violence|copyright|sexual|denied|redact|nsfw|\bpii|abus|inapprop"
        r"|responsible_ai|risk_?control|inspect|complian|security|illegal|offensive",
    ),
    (
        "broken_off",
        r"error|abort|cancel|disconnect|interrupt|preempt|overload|rate_?limit|time_?(?:d_?)?out"
        r"|time_?limit|deadline|exception|crash|killed|shut_?down|out_of_mem|malformed|unavailable"
        r"|incomplete|died|\boom\b|reset|throttl|quota|unexpected_e|capacity|in_progress|queued"
        r"|by_user|fail|lost|\bdead|_dead|evict|panic|retry|^finished_ignored$|^5(?:xx|\d\d)$|disrupt",
    ),
    (
        "cut",
        r"length|truncat|max(?:imum)?_.*(?:token|len|output|seq)|token.*(?:limit|max|budget)"
        r"|context_(?:window|size|limit|exceed|full)|out_of_(?:tokens|context|budget)|exceeded"
        r"|cut_?off|^cut$|trimm|limit_reach|(?:stop|hit)_(?:limit|max)|^max$|budget|exhaust"
        r"|limit|overflow|too_long|num_predict|_cap(?:ped)?$|(?:ran|run)_out|no_more_tokens|^partial|max_time|repetition|loop_detect|degenerat|cache_full",
    ),
    (
        "finished",
        r"\bstop_(?:str|word|token|seq)|end_of_(?:turn|text|seq|message)|^(?:eos|eot)_|turn_end"
        r"|(?:^|_)(?:eos|eot)$|^(?:natural|normal|finished|stopped|hit|reached)_(?:stop|end|word|eos)"
        r"|^(?:completed|finished|ended|stopped)_(?:normal|natural|success)",
    ),
)
"""Parts of words that are not in the table, by which they are known. The first one found counts."""

_SQUEEZED = {word.replace("_", ""): ending for word, ending in ENDINGS.items()}
_PREFIX = re.compile(r"^(?:finish|stop|done|end)?_?(?:reason|status)_|^incomplete_")


def ending_of(finish_reason: str) -> Ending:
    """Return how a reply ended by its finish reason; `unknown` for an unknown one.

    Case, spaces, hyphens and the prefixes of enumerations are ignored. A reply without a finish
    reason counts as `finished`.

    Example::

        >>> ending_of("FINISH_REASON_MAX_TOKENS"), ending_of("maxtokens")
        ('cut', 'cut')
    """
    return _ending_of(finish_reason.strip()[:200])


@lru_cache(maxsize=256)  # it is asked for several times for each reply
def _ending_of(reason: str) -> Ending:
    if not reason:
        return "finished"
    return meaning_of(reason, _SQUEEZED, _PREFIX, _PARTS) or "unknown"


M = TypeVar("M", bound=str)


def meaning_of(
    text: str,
    words: Mapping[str, M],
    prefix: re.Pattern[str],
    parts: Sequence[tuple[M, str]],
    others: str = "[^a-z0-9]+",
) -> M | None:
    """Return what a word of a server means, however it is written; None if that is not known.

    It is one of `words`, also behind a `prefix` or with parts written apart, or has one of some
    `parts`, of which the first one found counts. What fits `others` stands between words.
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)
    word = re.sub(others, "_", parted.lower()).strip("_")
    for form in (word, prefix.sub("", word)):
        if meaning := words.get(form) or words.get(form.replace("_", "")):
            return meaning
    return next((meaning for meaning, part in parts if re.search(part, word)), None)


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


def with_cost(
    answer: Answer, attempts: int, lost_prompt: int, lost_completion: int, *, by_batch: bool = False
) -> Answer:
    """Return an answer with the number of attempts, and the tokens of those without a reply."""
    return replace(
        answer,
        attempts=attempts,
        lost_prompt_tokens=lost_prompt,
        lost_completion_tokens=lost_completion,
        by_batch=by_batch or answer.by_batch,
    )


class Sender(Protocol):
    """An object that sends requests: to a server, a recording, or a model in this process."""

    async def send(self, request: Request) -> Answer:
        """Return the answer to a request."""

    async def check(self) -> int:
        """Return the HTTP status of a server that answers, or 200."""

    async def close(self) -> None:
        """Release what was opened."""


@dataclass(frozen=True, slots=True)
class RequestChanges:
    """How a request was sent: the tokens added for thoughts, and parameters that were left out."""

    room: int = 0
    left_out: tuple[str, ...] = ()


UNCHANGED = RequestChanges()

SendMode = Literal["live", "batch", "file"]
"""How requests are sent: one by one, by batches of the server, or as files for `vllm run-batch`."""


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How requests are sent. With `finish_live`, what a batch did not answer is asked live."""

    mode: SendMode = "live"
    finish_live: bool = False


LIVE = SendOptions()
"""One by one."""


CHARACTERS_PER_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """Return an estimate of the number of tokens of a text."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def tokens_of(request: Request) -> int:
    """Return an estimate of the number of tokens of a request's prompt."""
    text = request.prompt
    length = len(text) if isinstance(text, str) else sum(len(message.content) for message in text)
    return length // CHARACTERS_PER_TOKEN
