"""The batches of OpenAI's API: the lines of their files, a client, and the lines of their results.

Results are matched by `custom_id`, which is the key of a request, never by their order.

Example::

    async with BatchApi.opened(endpoint) as api:
        batch = await api.batch("batch_abc123")
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec

from seedstep.data.reading import read_lines
from seedstep.errors import ModelError
from seedstep.llm.jobs import ApiError, JobApi, checked_id, error_message, number_of, state_of

__all__ = [
    "BATCH_HOURS",
    "MOST_BYTES",
    "MOST_REQUESTS",
    "BatchApi",
    "ResultLine",
    "ServerBatch",
    "line_of",
    "read_results",
    "split",
]

T = TypeVar("T")

MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
"""The most requests and bytes of a batch file that OpenAI accepts."""

BATCH_HOURS = 24
"""After so many hours a batch expires; what was answered by then is kept and charged."""

LONGEST_RESULT = 64 << 20
"""The longest line of results in bytes."""

NAME_KEY = "seedstep"
"""The entry of a batch's metadata that has its name in the run."""


def line_of(key: str, path: str, body: dict[str, Any]) -> bytes:
    """Return the line of a request in a batch file.

    Example::

        >>> line_of("ab12", "completions", {"model": "m"})[:47]
        b'{"custom_id":"ab12","method":"POST","url":"/v1/'
    """
    line = {"custom_id": key, "method": "POST", "url": f"/v1/{path}", "body": body}
    return msgspec.json.encode(line) + b"\n"


def split(sizes: Sequence[int]) -> Iterator[slice]:
    """Yield the parts of a list of lines, each within the limits of a batch file."""
    start = total = 0
    for place, size in enumerate(sizes):
        if place > start and (place - start >= MOST_REQUESTS or total + size > MOST_BYTES):
            yield slice(start, place)
            start, total = place, 0
        total += size
    if start < len(sizes):
        yield slice(start, len(sizes))


@dataclass(frozen=True, slots=True)
class ServerBatch:
    """A batch as the server describes it. Whatever is not an id or a text may be of any type."""

    id: str
    status: str | None = None
    output_file_id: Any = None
    error_file_id: Any = None
    metadata: Any = None
    request_counts: Any = None
    errors: Any = None

    @property
    def files(self) -> tuple[str, ...]:
        """The files with results, replies before errors."""
        found = (self.output_file_id, self.error_file_id)
        return tuple(each for each in found if isinstance(each, str) and each)

    @property
    def counted(self) -> int:
        """The number of requests that have an answer, as the server counts them, or 0."""
        counts = self.request_counts if isinstance(self.request_counts, dict) else {}
        return sum(number_of(counts.get(name)) for name in ("completed", "failed"))

    @property
    def message(self) -> str:
        """The first error that the server names, or an empty text."""
        held = self.errors
        return error_message(held.get("data", held) if isinstance(held, dict) else held)


@dataclass(frozen=True, slots=True)
class BatchApi(JobApi):
    """A client of one endpoint, for files and batches."""

    NAME: ClassVar[str] = "batch"
    RIGHT: ClassVar[str] = "send batches"
    PURPOSE: ClassVar[str] = "batch"

    async def create(self, file_id: str, path: str, name: str) -> ServerBatch:
        """Create a batch of an uploaded file, with `name` in its metadata and `Idempotency-Key`.

        Raises:
            ApiError: the server does not take it.
            ModelError: the server can't be reached, or the key is refused.
        """
        body = {
            "input_file_id": file_id,
            "endpoint": f"/v1/{path}",
            "completion_window": f"{BATCH_HOURS}h",
            "metadata": {NAME_KEY: name},
        }
        made = await self._make("batches", msgspec.json.encode(body), ServerBatch, name)
        checked_id(made.id)
        return made

    async def batch(self, batch_id: str) -> ServerBatch:
        """Return the present state of a batch.

        Raises:
            ApiError: the server has no such batch, also when it is asked again.
            ModelError: the server can't be reached.
        """
        path = f"batches/{checked_id(batch_id)}"
        return self._read(await _found_late(lambda: self._get(path)), ServerBatch)

    async def cancel(self, batch_id: str) -> None:
        """Ask the server to end a batch, which takes minutes; what was answered is kept there.

        Raises:
            ApiError: the server does not take it.
            ModelError: the server can't be reached, or the key is refused.
        """
        await self._make(f"batches/{checked_id(batch_id)}/cancel", b"{}", ServerBatch)

    async def named(self, name: str, file_id: str) -> ServerBatch | None:
        """Return the batch that was created with this name or file, or None.

        Raises:
            ApiError: the server has no list of batches.
            ModelError: the server can't be reached, or the batch has an id that can't be used.
        """
        async for row in self._pages("batches"):
            metadata = row.get("metadata")
            named = isinstance(metadata, dict) and metadata.get(NAME_KEY) == name
            if named or (file_id and row.get("input_file_id") == file_id):
                found = self._read(msgspec.json.encode(row), ServerBatch)
                checked_id(found.id)
                return found
        return None

    async def results(self, batch: ServerBatch, folder: Path, name: str) -> list[Path]:
        """Write the files with the results of a batch to a folder, and return their paths.

        A file that the server does not have is left out, if it has the other one.

        Raises:
            ApiError: the server has none of the files.
            ModelError: the server can't be reached.
        """
        paths = []
        for number, file_id in enumerate(batch.files):
            path = folder / f"{name}.results-{number}.jsonl"
            try:
                await _found_late(partial(self.download, file_id, path))
                paths.append(path)
            except ApiError as error:
                path.unlink(missing_ok=True)
                is_last = number == len(batch.files) - 1
                if error.error.status != 404 or (is_last and not paths):
                    raise
        return paths

    async def whole_results(
        self, batch: ServerBatch, folder: Path, name: str, keys: Collection[str]
    ) -> tuple[ServerBatch, list[Path]]:
        """Return the results of a batch of requests, and the batch as it was seen last.

        Files that have fewer results than the server counts, that broke off, or that are not there
        are read again. They are taken as they are if an earlier process, which noted it, has seen
        as many results.

        Raises:
            ModelError: they are too short, and were not seen so before.
        """
        seen = folder / f"{name}.seen"
        before = await asyncio.to_thread(_count_seen, seen)
        for attempt in range(RESULT_LOOKS):
            paths = await self.results(batch, folder, name)
            results, broken = await asyncio.to_thread(count_results, paths, keys)
            is_there = bool(paths) or state_of(batch.status) != "succeeded"
            is_lost = len(paths) < len(batch.files)
            is_whole = is_there and not is_lost and results >= min(batch.counted, len(keys))
            if is_whole and not broken:
                break
            if attempt < RESULT_LOOKS - 1:
                await asyncio.sleep(RESULT_PAUSE)
                batch = await self.batch(batch.id)
        if not is_whole and results != before:
            await asyncio.to_thread(seen.write_text, str(results))
            what = f"the batch {batch.id} has {results:,} lines of results"
            counted = f"and the server counts {batch.counted:,} requests that have ended in it"
            if is_lost:
                counted = "and the server no longer has one of its files of results"
            remedy = "wait, and run the same command again, which takes the results that are there"
            raise ModelError(f"{what}, {counted}", remedy)
        await asyncio.to_thread(seen.unlink, missing_ok=True)
        return batch, paths


RESULT_LOOKS = 3
RESULT_PAUSE = 2.0
"""How often results are read that are fewer than the server counts, and the seconds
between two looks."""

LATE_LOOKS = 5
"""How often a batch or a file is asked for that the server does not find; the pause is the same."""


async def _found_late(ask: Callable[[], Awaitable[T]]) -> T:
    """Return what the server has, also if it does not find it at once after its creation.

    Raises:
        ApiError: the server does not find it in the last attempt.
    """
    for _ in range(LATE_LOOKS - 1):
        try:
            return await ask()
        except ApiError as error:
            if error.error.status != 404:
                raise
        await asyncio.sleep(RESULT_PAUSE)
    return await ask()


def count_results(paths: Iterable[Path], keys: Collection[str]) -> tuple[int, int]:
    """Return of how many requests, by key, there are results, and how many lines can't be read."""
    found, broken = set(), 0
    for line in read_results(paths):
        if line is None:
            broken += 1
        elif line.key in keys:
            found.add(line.key)
    return len(found), broken


def _count_seen(path: Path) -> int | None:
    """Return the number of results that an earlier process has seen, or None."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class ResultLine:
    """A line of results: the key of the request, the HTTP status, and the body as JSON.

    Without a status, `error` is the server's word for why there is no answer.
    """

    key: str
    status: int
    body: bytes
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    custom_id: str
    response: Any = None
    error: Any = None


def read_results(paths: Iterable[Path]) -> Iterator[ResultLine | None]:
    """Yield the lines of files with results; None for each that can't be read.

    Raises:
        InputError: a file is missing or can't be read.
    """
    for path in paths:
        for _, line in read_lines(path, LONGEST_RESULT):
            yield _result(line) if isinstance(line, bytes) else None


def _result(line: bytes) -> ResultLine | None:
    try:
        read = msgspec.json.decode(line, type=_Line)
    except (ValueError, RecursionError):
        return None
    response = read.response if isinstance(read.response, dict) else {}
    status = number_of(response.get("status_code")) or (200 if "body" in response else 0)
    error = read.error if isinstance(read.error, dict) else {"message": read.error or ""}
    said = " ".join(str(error.get(name) or "") for name in ("code", "message")).strip()
    body = response.get("body")
    if status and not (status == 200 and said):
        data = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
        return ResultLine(read.custom_id, 200 if 200 <= status < 300 else status, data)
    return ResultLine(read.custom_id, 0, b"", said or "no answer")
