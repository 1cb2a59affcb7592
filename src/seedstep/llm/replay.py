"""Recordings: files with the requests and answers of a run, which can be used as a model.

A recording has JSON lines: a `Header`, then a `Recorded` for each request. `seedstep requests RUN
--export FILE` writes one; the model `replay:FILE` answers from it. A request is found by prompt,
sampling parameters, schema and draw, whichever model and address the answer came from.

Example::

    recording = read_recording(Path("first.jsonl"))
    answer = await recording.send(request)
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import msgspec

from seedstep.data import BadLine, read_jsonl
from seedstep.errors import InputError, NotRecordedError
from seedstep.llm.records import (
    Answer,
    Failure,
    Message,
    Reasoning,
    Reply,
    Request,
    Sampling,
    Schema,
)
from seedstep.text import shortened

__all__ = [
    "Header",
    "Recorded",
    "RecordedRequest",
    "Recording",
    "as_kept",
    "read_header",
    "read_recording",
    "recorded_style",
]

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
class Header:
    """The first line: the model that was asked, and the prompt style."""

    format: str
    version: int
    model: str
    base_url: str | None
    prompt_style: Annotated[str, msgspec.Meta(pattern="^(completion|turns|dialogue|chat)$")]

    @classmethod
    def of(cls, model: str, base_url: str | None, prompt_style: str) -> "Header":
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
class Recorded:
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
            NotRecordedError: there is none.
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


def read_header(path: Path) -> Header:
    """Return the first line of a recording.

    Raises:
        InputError: the file is not there, is no recording, or is of a newer version of seedstep.
    """
    with closing(read_jsonl(path, Header, LONGEST_LINE)) as lines:
        _, header = next(lines, (1, None))
    if not isinstance(header, Header) or header.format != FORMAT:
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


def _lines(path: Path) -> Iterator[tuple[int, Recorded]]:
    """Yield all lines but the header, with their numbers."""
    lines = read_jsonl(path, Recorded, LONGEST_LINE)
    next(lines)
    for number, line in lines:
        if isinstance(line, BadLine):
            place = f", field '{line.field}'" if line.field else ""
            raise InputError(f"{path}, line {number}{place}: {line.message}", MAKE_ANEW)
        yield number, line


def _answer(path: Path, number: int, line: Recorded) -> Answer:
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
