"""Files and jobs at a server with OpenAI's API: a client, and what the states of jobs mean.

Example::

    async with BatchApi.opened(endpoint) as api:
        batch = await api.batch("batch_abc123")
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, ClassVar, Literal, Self, TypeVar

import aiohttp
import msgspec

from seedstep.errors import DeniedError, ModelError, StoreError, UnreachableError
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.exchange import exchange, open_session
from seedstep.llm.faults import (
    OVERLOADED,
    Refused,
    Retryable,
    ServerError,
    retry_after,
    storable,
    without_key,
)
from seedstep.llm.records import meaning_of
from seedstep.text import single_spaced

__all__ = [
    "ApiError",
    "JobApi",
    "JobState",
    "StoredFile",
    "checked_id",
    "error_message",
    "number_of",
    "shown",
    "state_of",
]

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


JobState = Literal["under way", "succeeded", "ended", "paused", "unknown"]
"""The meanings of the status of a job. A paused job continues only when it is resumed."""

_STATES: Mapping[JobState, str] = MappingProxyType(
    {
        "under way": "validating_files validating validated files_validated created creating "
        "not_running not_started inprogress queued pending submitted accepted scheduled waiting "
        "preparing initializing starting started running in_progress processing training "
        "evaluating "
        "compressing uploading saving deploying resuming re_queueing writing_results "
        "not_ready wait new open working resumed planning merging evaluation checkpointing "
        "updating quantizing syncing download downloading "
        "cancelling canceling cancel_requested cancellation_requested pausing stopping",
        "succeeded": "succeeded success successful completed complete finished done",
        "ended": "failed failure error errored user_error failed_validation validation_failed "
        "cancelled canceled expired aborted terminated stopped interrupted deleted deleting "
        "rejected timeout timed_out time_out timedout unsuccessful killed crashed halted "
        "cancelled_by_user canceled_by_user moderation_blocked partially_succeeded "
        "completed_with_errors closed discontinued withdrawn void voided",
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
        r"|unsucc|not_(?:complet|succe|finish)|fault|exception|evict|preempt|lost|remov|\boom\b"
        r"|skip|purg|denied|refus|exceed",
    ),
    (
        "paused",
        r"paus|suspend|on_hold|held|frozen|hibernat|block|approv|await|requires|action_|review|needs_",
    ),
    (
        "succeeded",
        r"^(?!.*(?:valid|upload|preproc|prepar|import|token|file))(?:.*_)?"
        r"(?:succeeded|success|completed?|finished)(?:_successfully)?$"
        r"|(?:^|(?<!not)_)ready$|^ready|^trained|^(?:fine_?)?tuned$|^deployed|^done|^ok$",
    ),
    (
        "under way",
        r"queu|pend|validat|train|tuning|running|process|progress|start|prepar|provision|import"
        r"|finali[sz]|retry|loading|initiali[sz]|deploying|saving|waiting|completing|finishing"
        r"|succeeding|^upload_|^files?_|^token|boot|allocat|schedul|warm|epoch|dispatch|ongoing"
        r"|^active$|^init|^build|^pull|assign",
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
    return meaning_of(status or "", _MEANINGS, _PREFIX, _PARTS, "[^a-z]+") or "unknown"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file at a server, as the server describes it."""

    id: str
    filename: str = ""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _List:
    data: list[Any]
    has_more: bool = False


PAGES = 50
"""How many pages of a list are read, of 100 entries each."""


@dataclass(frozen=True, slots=True)
class JobApi:
    """A client of one endpoint.

    After a fault a request that only reads is sent again. A request that creates something is not:
    the caller first looks for what an earlier attempt may have created.
    """

    NAME: ClassVar[str]
    """The name of the part of the API, for messages."""

    RIGHT: ClassVar[str]
    """What a key must be allowed to do, for messages."""

    PURPOSE: ClassVar[str]
    """What an uploaded file is for, by the API's word."""

    session: aiohttp.ClientSession
    endpoint: Endpoint

    @classmethod
    @asynccontextmanager
    async def opened(cls, endpoint: Endpoint) -> AsyncIterator[Self]:
        """Open a client for an endpoint of `open_model`."""
        async with open_session(endpoint, sends_files=True) as session:
            yield cls(session, endpoint)

    async def upload(self, path: Path, name: str) -> str:
        """Upload a file under a name, and return its id.

        Raises:
            ModelError: the server can't be reached, or does not take it.
        """
        try:
            opened = path.open("rb")
        except FileNotFoundError:
            raise ModelError(f"{path} is to be sent and is not there", "put it back") from None
        with opened as file:
            form = aiohttp.FormData()
            form.add_field("purpose", self.PURPOSE)
            form.add_field("file", file, filename=name, content_type="application/jsonl")
            return checked_id((await self._make("files", form, StoredFile)).id)

    async def uploaded(self, name: str, size: int) -> str | None:
        """Return the id of an uploaded file of this name and size, or None."""
        try:
            async for row in self._pages(f"files?purpose={self.PURPOSE}&"):
                if row.get("filename") == name and row.get("bytes") == size:
                    return checked_id(str(row.get("id")))
        except (ApiError, DeniedError):  # not every server has lists; a file costs nothing
            return None
        return None

    async def download(self, file_id: str, path: Path) -> None:
        """Write the content of a file at the server to `path`.

        Raises:
            ModelError: the server can't be reached, or has no such file.
            StoreError: the file can't be written.
        """
        address = f"files/{checked_id(file_id)}/content"
        for attempt in range(ATTEMPTS):
            try:
                with _new_file(path) as file:
                    await self._once("GET", address, into=file)
                return
            except OSError as error:
                remedy = "free some space, or correct the permissions, and run the command again"
                raise StoreError(f"{path} can't be written: {error.strerror}", remedy) from None
            except Retryable as fault:
                if attempt == ATTEMPTS - 1:
                    raise self._lost(fault) from None
                await asyncio.sleep(fault.after or _backoff(attempt))
            except Refused as fault:
                raise self._lost(fault) from None

    def shown(self, text: str) -> str:
        """Return a text of the server on one line, without the key, and not too long."""
        return shown(text, self.endpoint.key)

    async def _listed(self, path: str, record: type[T]) -> list[T]:
        try:
            found = self._read(await self._get(path), _List).data
        except (ApiError, DeniedError):  # not every server has lists
            return []
        return [*filter(None, (_converted(item, record) for item in found))]

    async def _pages(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the entries of a list, page by page.

        Raises:
            ApiError: it has no such list, or one that is too long.
            ModelError: the server can't be reached.
        """
        path = path if path.endswith("&") else f"{path}?"
        after = ""
        for _ in range(PAGES):
            found = self._read(await self._get(f"{path}limit=100{after}"), _List)
            rows = [row for row in found.data if isinstance(row, dict)]
            for row in rows:
                yield row
            last = str(rows[-1].get("id", "")) if rows else ""
            if not found.has_more or not _ID.fullmatch(last) or after == f"&after={last}":
                return
            after = f"&after={last}"
        what = (
            f"{self.endpoint.url} lists more than {100 * PAGES:,} of its {path.partition('?')[0]}"
        )
        raise ApiError(what, "remove old ones there", ServerError(404, what, "", ""))

    async def _make(
        self, path: str, data: bytes | aiohttp.FormData, record: type[T], name: str = ""
    ) -> T:
        return self._read(await self._last_time("POST", path, data, name), record)

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
        self, method: str, path: str, data: bytes | aiohttp.FormData | None = None, name: str = ""
    ) -> bytes:
        try:
            return await self._once(method, path, data, name=name)
        except (Retryable, Refused) as fault:
            raise self._lost(fault) from None

    def _lost(self, fault: Retryable | Refused) -> UnreachableError:
        return UnreachableError(
            f"{self.endpoint.url}: {fault.detail}",
            "run the command again: it goes on where it stopped, and sends nothing twice",
        )

    async def _once(
        self,
        method: str,
        path: str,
        data: bytes | aiohttp.FormData | None = None,
        into: BinaryIO | None = None,
        name: str = "",
    ) -> bytes:
        status, headers, answer = await exchange(
            self.session, self.endpoint, method, path, data, into=into, name=name
        )
        if status in (200, 201):
            return answer
        error = ServerError.read(status, answer, self.endpoint.key)
        detail = f"HTTP {status}: {error.detail}"
        passing = status in (408, 409, 425, 429) or status >= 500
        if passing and error.code != "insufficient_quota":
            raise Retryable(OVERLOADED, detail, status, after=retry_after(headers))
        what = f"{self.endpoint.url}/{path.partition('?')[0]}: {detail}"
        if status in (401, 403):
            remedy = self.endpoint.key_remedy(f"a key that may {self.RIGHT} there")
            raise DeniedError(what, remedy)
        raise ApiError(what, "correct what the server names, and run the command again", error)

    def _read(self, data: bytes, record: type[T]) -> T:
        try:
            return msgspec.convert(json.loads(data), record)
        except (ValueError, RecursionError):  # UnicodeDecodeError and ValidationError too
            error = ServerError.read(200, data, self.endpoint.key)
            raise ApiError(
                f"{self.endpoint.url}: not an answer of the {self.NAME} API ({error.detail})",
                "check the --base-url, which usually ends in /v1",
                error,
            ) from None


def _converted(item: Any, record: type[T]) -> T | None:
    try:
        return msgspec.convert(item, record)
    except msgspec.ValidationError:  # an entry that can't be read hides no other
        return None


def error_message(errors: object) -> str:
    """Return the first message in what a server says of errors; empty if there is none."""
    first = errors[0] if isinstance(errors, list) and errors else errors
    said = first.get("message", first) if isinstance(first, dict) else first
    return str(said) if said else ""


def number_of(count: object) -> int:
    """Return a count, which some servers write as a text, or 0."""
    try:
        return max(0, int(count))  # type: ignore[call-overload, no-any-return]
    except (ValueError, TypeError, OverflowError):
        return 0


def _new_file(path: Path) -> BinaryIO:
    """Open a file in place of an earlier one; a link that was planted there is not followed."""
    path.unlink(missing_ok=True)
    return path.open("xb")


def shown(text: str, key: str) -> str:
    """Return a text of a server on one line, without the key, and not too long."""
    text = storable(without_key(text, key))[: 4 * LONGEST]
    printable = "".join(each if each.isprintable() else " " for each in text)
    return single_spaced(printable)[:LONGEST]


def checked_id(text: str) -> str:
    """Return the id if it may be part of an address, else raise ModelError."""
    if not _ID.fullmatch(text):
        raise ModelError("the server sent an id that can't be used", "check the --base-url")
    return text


def _backoff(attempt: int) -> float:
    """Seconds to wait before the next attempt."""
    return float(min(60, 2**attempt))
