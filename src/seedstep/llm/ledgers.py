"""Ledgers and recordings: store answers by the keys of requests, and find them again.

A run's database is a ledger: each answer is stored there before it is used. A recording is a file
with the requests and answers of a run, which answers in place of a model, `replay:FILE`. It has
JSON lines: a `RecordingHeader`, then a `RecordedAnswer` for each request, as
`seedstep requests RUN --export FILE` writes them. A request is found there by prompt, sampling
parameters, schema and draw, whichever model and address the answer came from.

Example::

    recording = read_recording(Path("first.jsonl"))
    answer = await recording.send(request)
"""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import msgspec

from seedstep.data import BadLine, read_jsonl
from seedstep.errors import InputError, NotRecordedError
from seedstep.llm.records import (
    UNCHANGED,
    Answer,
    Failure,
    Message,
    Reasoning,
    Reply,
    Request,
    RequestChanges,
    Sampling,
    Schema,
)
from seedstep.text import shortened

__all__ = [
    "GIVEN_UP",
    "GONE",
    "LOST",
    "NOT_MISSED",
    "BatchLedger",
    "BatchMisses",
    "BatchedRequest",
    "Ledger",
    "MemoryLedger",
    "RecordedAnswer",
    "RecordedRequest",
    "Recording",
    "RecordingHeader",
    "SentBatch",
    "as_kept",
    "read_header",
    "read_recording",
    "recorded_style",
]


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
        """Return the answer kept under a key."""
        return self.answers.get(key)

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        """Store an answer."""
        self.answers[key] = answer


GONE, GIVEN_UP = "gone", "given up"
LOST = (GONE, GIVEN_UP)
"""The last statuses of batches whose answers could not be had: the server has them no longer, or is
not asked any more.
"""


@dataclass(frozen=True, slots=True)
class SentBatch:
    """A batch that was sent, or that is about to be. `size` is the length of its file in bytes.

    `file_id` and `batch_id` are the server's, and empty until they are known. `to_file` says that
    it is a file for another program, which no server is asked for. `at` is when it was stored, and
    then when its `batch_id` was known.
    """

    number: int
    name: str
    url: str
    path: str
    size: int
    to_file: bool = False
    file_id: str = ""
    batch_id: str = ""
    at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class BatchMisses:
    """The number of batches that had no answer to a request, and the tokens that those cost."""

    tries: int = 0
    lost_prompt: int = 0
    lost_completion: int = 0

    def again(self, lost: tuple[int, int], *, is_try: bool = True) -> "BatchMisses":
        """Return this with one more batch, which cost so many tokens."""
        tries = self.tries + is_try
        return BatchMisses(tries, self.lost_prompt + lost[0], self.lost_completion + lost[1])


NOT_MISSED = BatchMisses()


@dataclass(frozen=True, slots=True)
class BatchedRequest:
    """A request in a batch. `missed` are the batches before that had no answer to it."""

    key: str
    request: Request
    changes: RequestChanges = UNCHANGED
    missed: BatchMisses = NOT_MISSED


@runtime_checkable
class BatchLedger(Ledger, Protocol):
    """A ledger that also stores batches. What its methods write is on the disk when they return."""

    @property
    def folder(self) -> Path:
        """The folder for the files of batches."""

    def name_of(self, digest: str) -> tuple[int, str]:
        """Return the number and the name of the next batch, whose file has this hash."""

    def open_batches(self, identity: str, model: str) -> list[SentBatch]:
        """Return the batches of a model whose results were not stored yet."""

    def open_batch(self, number: int) -> SentBatch | None:
        """Return a batch as it is now, or None if its results were stored."""

    def turn(self, number: int) -> AbstractAsyncContextManager[None]:
        """Return what is entered to work on a batch, by one engine at a time."""

    def batched(self, number: int) -> dict[str, BatchedRequest]:
        """Return the requests of a batch that is open, by key."""

    def missed(self) -> dict[str, BatchMisses]:
        """Return the requests that a batch did not answer."""

    async def intend(
        self,
        batch: SentBatch,
        model: tuple[str, str],
        requests: Iterable[BatchedRequest],
        sent: int,
    ) -> None:
        """Store a batch of a model before it is sent, and the number of requests sent with it."""

    async def note(self, batch: SentBatch) -> None:
        """Store the server's ids of a batch, and when these were known."""

    async def take(
        self,
        batch: SentBatch,
        answers: Mapping[str, tuple[Request, Answer]],
        status: str,
        lost: Mapping[str, tuple[int, int]],
        *,
        is_try: bool = True,
    ) -> None:
        """Store the answers of a batch; its other requests become missed ones.

        `lost` are the tokens of prompts and replies that were paid in vain. `is_try` says whether
        it counts as a try of what it did not answer.
        """


FORMAT = "seedstep-recording"
VERSION = 1

LONGEST_LINE = 256 << 20
"""The longest line in bytes: the largest reply that is read, escaped, with its prompt."""

MAKE_ANEW = "make the recording anew with `seedstep requests RUN --export FILE`"

LATER = (
    "thoughts",
    "reasoning_tokens",
    "left_out",
    "lost_prompt_tokens",
    "lost_completion_tokens",
    "by_batch",
)
"""Fields of answers that version 0.1.0 did not have."""

SHOWN_CHARACTERS = 60
"""How many characters of a prompt an error message shows."""


@dataclass(frozen=True, slots=True)
class RecordingHeader:
    """The first line: the model that was asked, and the prompt style."""

    format: str
    version: int
    model: str
    base_url: str | None
    prompt_style: Annotated[str, msgspec.Meta(pattern="^(completion|turns|dialogue|chat)$")]

    @classmethod
    def of(cls, model: str, base_url: str | None, prompt_style: str) -> "RecordingHeader":
        """Return the header of a new recording."""
        return cls(FORMAT, VERSION, model, base_url, prompt_style)


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request without its purpose, as in the run's database."""

    prompt: str | tuple[Message, ...]
    sampling: Sampling
    schema: Schema | None = None
    draw: int = 0
    reasoning: Reasoning | None = None
    scored_from: int | None = None

    def whole(self, purpose: str) -> Request:
        """Return the request with its purpose."""
        return Request(purpose, **{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """A further line: a request with its reply or failure. `key` is its key in the run."""

    key: str
    purpose: str
    request: RecordedRequest
    reply: Reply | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """Answers from a file. `identity` stands for the file's content in the keys of requests."""

    path: Path
    identity: str
    answers: Mapping[str, Answer] = field(repr=False)

    async def send(self, request: Request) -> Answer:
        """Return the recorded answer to a request.

        Raises:
            NotRecordedError: the recording has no answer to it.
        """
        answer = self.answers.get(_place(request))
        if answer is None:
            raise NotRecordedError(
                f'{self.path} does not hold this {request.purpose} request: "{_start(request)}"',
                "repeat the settings that made the recording, or use another model",
            )
        return answer

    async def check(self) -> int:
        """Return 200, the status of a server that answers."""
        return 200

    async def close(self) -> None:
        """Do nothing, as no file is open."""


def read_recording(path: Path) -> Recording:
    """Read a whole recording.

    Raises:
        InputError: the file is not there, or a line is wrong; the message names the line.
    """
    read_header(path)
    answers: dict[str, Answer] = {}
    digest = hashlib.sha256()
    for number, line in _lines(path):
        place = _place(line.request.whole(line.purpose))
        if place in answers:
            raise InputError(f"{path}, line {number}: a request that it has already", MAKE_ANEW)
        answers[place] = _answer(path, number, line)
        digest.update(place.encode() + msgspec.json.encode(as_kept(answers[place])))
    return Recording(path, f"replay:{digest.hexdigest()[:16]}", answers)


def read_header(path: Path) -> RecordingHeader:
    """Return the first line of a recording.

    Raises:
        InputError: the file is not there, is no recording, or is of a newer version of seedstep.
    """
    with closing(read_jsonl(path, RecordingHeader, LONGEST_LINE)) as lines:
        _, header = next(lines, (1, None))
    if not isinstance(header, RecordingHeader) or header.format != FORMAT:
        raise InputError(f"{path}, line 1: not the header of a recording", MAKE_ANEW)
    if header.version != VERSION:
        raise InputError(
            f"{path}, line 1: a recording of version {header.version}, known is {VERSION}",
            "update seedstep",
        )
    return header


def recorded_style(path: Path) -> str | None:
    """Return the prompt style of a recording, or None if it can't be read."""
    try:
        return read_header(path).prompt_style
    except InputError:
        return None


def _lines(path: Path) -> Iterator[tuple[int, RecordedAnswer]]:
    """Yield all lines but the header, with their numbers."""
    lines = read_jsonl(path, RecordedAnswer, LONGEST_LINE)
    next(lines)
    for number, line in lines:
        if isinstance(line, BadLine):
            place = f", field '{line.field}'" if line.field else ""
            raise InputError(f"{path}, line {number}{place}: {line.message}", MAKE_ANEW)
        yield number, line


def _answer(path: Path, number: int, line: RecordedAnswer) -> Answer:
    answer = line.reply or line.failure
    if answer is None or (line.reply and line.failure):
        raise InputError(
            f"{path}, line {number}: neither or both of a reply and a failure", MAKE_ANEW
        )
    return answer


_FIRST = {
    kind: [field.name for field in fields(kind) if field.name not in LATER]
    for kind in (Reply, Failure)
}
_SINCE = {
    kind: [(field.name, field.default) for field in fields(kind) if field.name in LATER]
    for kind in (Reply, Failure)
}
"""The fields of answers, and those that came after version 0.1.0 with their defaults."""


def as_kept(answer: Answer) -> dict[str, Any]:
    """Return an answer as recordings and runs store it.

    Fields that version 0.1.0 did not have are included only if they differ from their defaults, so
    that the same answer is always written in the same form.
    """
    kept = {name: getattr(answer, name) for name in _FIRST[type(answer)]}
    return {**kept, **kept_since(answer)}


def kept_since(answer: Answer) -> dict[str, Any]:
    """Return the fields of an answer that version 0.1.0 did not have, without defaults."""
    values = ((name, getattr(answer, name), default) for name, default in _SINCE[type(answer)])
    return {name: value for name, value, default in values if value != default}


def _place(request: Request) -> str:
    """Return a key of a request that does not depend on endpoint and model."""
    return request.key("", "")


def _start(request: Request) -> str:
    """Return the first words of a prompt."""
    prompt = request.prompt
    text = prompt if isinstance(prompt, str) else " ".join(message.content for message in prompt)
    return shortened(text, SHOWN_CHARACTERS)
