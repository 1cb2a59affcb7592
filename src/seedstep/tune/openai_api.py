"""A client for the fine-tuning part of the OpenAI API: files, jobs and their events.

Example::

    async with open_api(endpoint) as api:
        job = await api.job("ftjob-abc123")
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import aiohttp
import msgspec

from seedstep.errors import DeniedError, ModelError, UnreachableError
from seedstep.llm import Endpoint
from seedstep.llm.exchange import (
    OVERLOADED,
    Refused,
    Retryable,
    ServerError,
    exchange,
    open_session,
    retry_after,
    storable,
    without_key,
)

__all__ = ["ApiError", "Event", "FineTuningApi", "Job", "JobState", "open_api", "state_of"]

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 600.0
"""The longest pause between two parts of an answer. A whole upload has no time limit."""

ATTEMPTS = 8
"""How often a request that only reads is sent."""

LONGEST = 2000
"""The most characters of a server's text that are shown."""

_ID = re.compile(r"[A-Za-z0-9][\w.:-]{0,199}", re.ASCII)

T = TypeVar("T")


class ApiError(ModelError):
    """A server refused a request; the message is the server's."""

    def __init__(self, what: str, remedy: str, error: ServerError) -> None:
        super().__init__(what, remedy)
        self.error = error


@dataclass(frozen=True, slots=True)
class _JobError:
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A fine-tuning job, as the server describes it."""

    id: str
    status: str | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    error: _JobError | None = None
    training_file: str | None = None
    hyperparameters: Any = None
    method: Any = None


JobState = Literal["under way", "succeeded", "ended", "paused", "unknown"]
"""The meanings of the status of a job. A paused job continues only when it is resumed."""

_STATES: Mapping[JobState, str] = MappingProxyType(
    {
        "under way": "validating_files validating validated files_validated created creating "
        "not_running not_started inprogress queued pending submitted accepted scheduled waiting "
        "preparing initializing starting started running in_progress processing training "
        "evaluating "
        "compressing uploading saving deploying resuming re_queueing writing_results "
        "cancelling canceling cancel_requested cancellation_requested pausing stopping",
        "succeeded": "succeeded success successful completed complete finished done",
        "ended": "failed failure error errored user_error failed_validation validation_failed "
        "cancelled canceled expired aborted terminated stopped interrupted deleted deleting "
        "rejected timeout timed_out time_out timedout unsuccessful killed crashed halted "
        "cancelled_by_user canceled_by_user moderation_blocked partially_succeeded "
        "completed_with_errors",
        "paused": "paused suspended on_hold",
    }
)
"""The words of OpenAI's API and of servers like it, without case and the prefixes of enumerations.
"""

_MEANINGS: Mapping[str, JobState] = MappingProxyType(
    {word: state for state, words in _STATES.items() for word in words.split()}
)
_PREFIX = re.compile(r"^(?:(?:fine|tune|tuning|finetun\w*|job|run|state|status)_)+")

_PARTS: tuple[tuple[JobState, str], ...] = (
    (
        "ended",
        r"fail|error|cancel|expir|abort|terminat|reject|declin|tim(?:ed|e)_?out|crash|kill|dead"
        r"|abandon|quota|insufficient|out_of_|invalid|archiv|partial|incomplete|revoke"
        r"|unsucc|not_(?:complet|succe|finish)|fault|exception",
    ),
    ("paused", r"paus|suspend|on_hold|held|block|approv|await|requires|action_|review|needs_"),
    (
        "succeeded",
        r"^(?!.*(?:valid|upload|preproc|prepar|import|token|file))(?:.*_)?"
        r"(?:succeeded|success|completed?|finished)(?:_successfully)?$"
        r"|^ready|^trained|^deployed|^done|^ok$",
    ),
    (
        "under way",
        r"queu|pend|validat|train|tuning|running|process|progress|start|prepar|provision|import"
        r"|finali[sz]|retry|loading|initiali[sz]|deploying|saving|waiting|completing|finishing"
        r"|succeeding|^upload_|^files?_|^token",
    ),
)
"""Parts of words that are not in the table, by which they are known. The first one found counts."""


def state_of(status: str | None) -> JobState:
    """Return what the word for a job's status means, however it is written.

    Example::

        >>> state_of("validating_files"), state_of("Canceled"), state_of("JOB_STATE_PAUSED")
        ('under way', 'ended', 'paused')
        >>> state_of("inProgress"), state_of("reticulating splines")
        ('under way', 'unknown')
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", status or "")
    word = re.sub(r"[^a-z]+", "_", parted.lower()).strip("_")
    for form in (word, _PREFIX.sub("", word)):
        if meaning := _MEANINGS.get(form):
            return meaning
    return next((state for state, part in _PARTS if re.search(part, word)), "unknown")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a job, with the server's message."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class _File:
    id: str
    filename: str = ""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _List:
    data: list[Any]


@dataclass(frozen=True, slots=True)
class FineTuningApi:
    """A client of one endpoint.

    After a fault a request that only reads is sent again. A request that creates something is not:
    the caller first looks for what an earlier attempt may have created.
    """

    session: aiohttp.ClientSession
    endpoint: Endpoint

    async def upload(self, path: Path, name: str) -> str:
        """Upload a training file under a name, and return its id.

        Raises:
            ModelError: the server can't be reached, or does not take it.
        """
        with path.open("rb") as file:
            form = aiohttp.FormData()
            form.add_field("purpose", "fine-tune")
            form.add_field("file", file, filename=name, content_type="application/jsonl")
            return _checked_id((await self._make("files", form, _File)).id)

    async def uploaded(self, name: str, size: int) -> str | None:
        """Return the id of an uploaded file of this name and size, or None."""
        files = await self._listed("files?purpose=fine-tune&limit=100", _File)
        found = (file.id for file in files if file.filename == name and file.bytes == size)
        return next(map(_checked_id, found), None)

    async def create(self, body: Mapping[str, Any]) -> Job:
        """Start a job.

        Raises:
            ApiError: the server does not take it.
            ModelError: the server can't be reached, or the key is refused.
        """
        job = await self._make("fine_tuning/jobs", msgspec.json.encode(body), Job)
        _checked_id(job.id)
        return job

    async def created(self, file_id: str) -> Job | None:
        """Return a job that was started with this training file, or None."""
        jobs = await self._listed("fine_tuning/jobs?limit=100", Job)
        return next((job for job in jobs if job.training_file == file_id), None)

    async def job(self, job_id: str) -> Job:
        """Return the present state of a job.

        Raises:
            ModelError: the server can't be reached, or has no such job.
        """
        return self._read(await self._get(f"fine_tuning/jobs/{_checked_id(job_id)}"), Job)

    async def events(self, job_id: str) -> list[Event]:
        """Return the last events of a job, the oldest first; none if the server has no list."""
        path = f"fine_tuning/jobs/{_checked_id(job_id)}/events?limit=100"
        events = await self._listed(path, Event)
        return [Event(event.id, self.shown(event.message)) for event in reversed(events)]

    def shown(self, text: str) -> str:
        """Return a text of the server on one line, without the key, and not too long."""
        return " ".join(storable(without_key(text, self.endpoint.key)).split())[:LONGEST]

    async def _listed(self, path: str, record: type[T]) -> list[T]:
        try:
            found = self._read(await self._get(path), _List).data
            return [msgspec.convert(item, record) for item in found]
        except (ApiError, DeniedError, msgspec.ValidationError):  # not every server has lists
            return []

    async def _make(self, path: str, data: bytes | aiohttp.FormData, record: type[T]) -> T:
        return self._read(await self._last_time("POST", path, data), record)

    async def _get(self, path: str) -> bytes:
        for attempt in range(ATTEMPTS - 1):
            try:
                return await self._once("GET", path)
            except Retryable as fault:
                await asyncio.sleep(fault.after or _backoff(attempt))
            except Refused:
                break
        return await self._last_time("GET", path)

    async def _last_time(
        self, method: str, path: str, data: bytes | aiohttp.FormData | None = None
    ) -> bytes:
        try:
            return await self._once(method, path, data)
        except (Retryable, Refused) as fault:
            raise UnreachableError(
                f"{self.endpoint.url}: {fault.detail}",
                "run the command again: it goes on where it stopped, and sends nothing twice",
            ) from None

    async def _once(
        self, method: str, path: str, data: bytes | aiohttp.FormData | None = None
    ) -> bytes:
        status, headers, answer = await exchange(self.session, self.endpoint, method, path, data)
        if status in (200, 201):
            return answer
        error = ServerError.read(status, answer, self.endpoint.key)
        detail = f"HTTP {status}: {error.detail}"
        passing = status in (408, 409, 425, 429) or status >= 500
        if passing and error.code != "insufficient_quota":
            raise Retryable(OVERLOADED, detail, status, retry_after(headers))
        what = f"{self.endpoint.url}/{path.partition('?')[0]}: {detail}"
        if status in (401, 403):
            raise DeniedError(what, "set OPENAI_API_KEY to a key that may fine-tune there")
        raise ApiError(what, "correct what the server names, and run the command again", error)

    def _read(self, data: bytes, record: type[T]) -> T:
        try:
            return msgspec.convert(json.loads(data), record)
        except (ValueError, RecursionError):  # UnicodeDecodeError and ValidationError too
            error = ServerError.read(200, data, self.endpoint.key)
            raise ApiError(
                f"{self.endpoint.url}: not an answer of the fine-tuning API ({error.detail})",
                "check the --base-url, which usually ends in /v1",
                error,
            ) from None


@asynccontextmanager
async def open_api(endpoint: Endpoint) -> AsyncIterator[FineTuningApi]:
    """Open a client for an endpoint of `open_model`."""
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
    )
    async with open_session(endpoint, timeout) as session:
        yield FineTuningApi(session, endpoint)


def _checked_id(text: str) -> str:
    """Return the id if it may be part of an address, else raise ModelError."""
    if not _ID.fullmatch(text):
        raise ModelError("the server sent an id that can't be used", "check the --base-url")
    return text


def _backoff(attempt: int) -> float:
    """Seconds to wait before the next attempt."""
    return float(min(60, 2**attempt))
