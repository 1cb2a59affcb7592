"""The life of a batch: its file is written and sent, and it is waited for until it ends.

Example::

    work = BatchWork(endpoint, ledger, wire, sending, print)
    ended = await work.results(batch, requests, again=False)
"""

import asyncio
import hashlib
import shlex
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from seedstep.data.files import write_in_parts
from seedstep.errors import ModelError, UnreachableError
from seedstep.llm.batch_api import (
    BATCH_HOURS,
    NAME_KEY,
    BatchApi,
    ServerBatch,
    count_results,
)
from seedstep.llm.batch_requests import Findings
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.jobs import ApiError, state_of
from seedstep.llm.ledgers import GIVEN_UP, GONE, BatchLedger, SentBatch
from seedstep.llm.records import SendOptions
from seedstep.llm.wire import Wire
from seedstep.text import counted

__all__ = ["BatchWork", "EndedBatch"]

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 60.0
"""The first and the longest pause between two looks at a batch; each is half as long again."""

STILL_SECONDS = 60.0
"""A file with too few results is taken as it is if nothing was added to it for so long."""

LONGEST_FILE_PAUSE = 5.0
"""The longest pause between two looks for a file with results."""

OUTAGES = 10
"""How often in a row a server may not answer while a batch is waited for."""

LATEST_HOURS = BATCH_HOURS + 6
"""So many hours after it was sent a batch is waited for no longer."""

UNKNOWN_LOOKS = 60
"""How often in a row a batch may have a status that is not known."""

LOOKS = 3
LOOK_PAUSE = 5.0
"""How often a batch is looked for that may have been created, and the seconds after each look: a
server may be at it still.
"""

CREATIONS = 3
"""How often a batch is created, if the server does not answer and has none of this name."""

CANCEL_SECONDS = 900.0
"""So long after it was cancelled a batch is waited for; OpenAI says that it takes ten minutes."""


@dataclass(frozen=True, slots=True)
class EndedBatch:
    """A batch that has ended: its last status, files with results, and what the server says.

    It is no try of its requests if it was not sent, or ended early because nothing needs it.
    """

    status: str
    paths: list[Path]
    said: str = ""
    is_try: bool = True


@dataclass(frozen=True, slots=True)
class BatchWork:
    """Works on the batches of an endpoint, each at the server it was sent to, the first at first.

    `tell` is called with notes for the user.

    When `unwanted` is set, nothing needs the batches any more: what was not sent is not sent, and
    what is under way is cancelled.
    """

    endpoint: Endpoint
    ledger: BatchLedger
    wire: Wire
    sending: SendOptions
    tell: Callable[[str], None]
    unwanted: asyncio.Event = field(default_factory=asyncio.Event)

    async def written(self, path: str, lines: list[bytes]) -> SentBatch:
        """Return a batch of some lines that is about to be sent, with its file written."""
        digest = hashlib.sha256(b"".join(lines)).hexdigest()
        number, name = self.ledger.name_of(digest)
        to_file = self.sending.mode == "file"
        url, size = self.endpoint.url, sum(map(len, lines))
        batch = SentBatch(number, name, url, path, size, to_file=to_file)
        self.ledger.folder.mkdir(exist_ok=True)
        await asyncio.to_thread(write_in_parts, self._file(batch), lines)
        return batch

    def fitting(self, batch: SentBatch, found: Findings, ended: EndedBatch) -> EndedBatch:
        """Return how a batch ended: it is given up if its results are of no request in it.

        Raises:
            ModelError: no result is of its requests, and these are not to be asked live.
        """
        if found.known or not (found.strangers or (batch.to_file and ended.paths)):
            return ended
        told = found.unused_lines or "it is empty"
        if batch.to_file:
            raise ModelError(
                f"{ended.paths[0]} has no result of this batch: {told}",
                f"remove it, and put the results of {batch.name}.jsonl there",
            )
        what = f"the batch {batch.batch_id} has no result of its requests: {told}"
        if not self.sending.finish_live:
            raise ModelError(
                what,
                "see to it at the server, and run the same command again, which takes its "
                "results; --finish-live asks its requests live, at the full price",
            )
        return replace(ended, status=GIVEN_UP, said=what)

    def remove(self, batch: SentBatch, results: Iterable[Path]) -> None:
        """Remove the files of a batch; those of another program stay."""
        for path in () if batch.to_file else (self._file(batch), *results):
            path.unlink(missing_ok=True)

    async def _file_of_results(
        self, batch: SentBatch, keys: Collection[str], *, again: bool
    ) -> list[Path]:
        """Wait until another program has written all results to a file, or no more come.

        None are waited for if requests are not sent by files any more, and `finish_live` is wanted.
        """
        lines, results = self._file(batch), self._file(batch, ".out")
        command = ["vllm", "run-batch", "-i", str(lines), "-o", str(results)]
        command += ["--model", self.endpoint.model]
        is_left = self.sending.mode != "file"
        if is_left and self.sending.finish_live and not _size_of(results):
            return []
        remedy = "; --finish-live asks its requests live" if is_left else ""
        self.tell(
            f"{'still ' * again}waiting for {results}; write it with: {shlex.join(command)}{remedy}"
        )
        size, pause, since = 0, FIRST_PAUSE, 0.0
        while True:
            before, size = size, _size_of(results)
            if size != before:
                since = time.monotonic()
            elif size:
                found, _ = await asyncio.to_thread(count_results, [results], keys)
                if found >= len(keys) or time.monotonic() - since >= STILL_SECONDS:
                    return [results]
            if self.unwanted.is_set():
                return [results] if size else []
            await self._pause(pause)
            pause = min(LONGEST_FILE_PAUSE, 1.5 * pause)

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until the batches are given up."""
        given_up = asyncio.sleep(seconds) if self.unwanted.is_set() else self.unwanted.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(given_up, seconds)

    def _file(self, batch: SentBatch, kind: str = "") -> Path:
        return self.ledger.folder / f"{batch.name}{kind}.jsonl"

    async def results(self, batch: SentBatch, keys: Collection[str], *, again: bool) -> EndedBatch:
        """Send a batch of requests, unless it was sent, wait for its end, and return that.

        `keys` are those of its requests.

        Raises:
            ModelError: the server can't be asked, or the batch can't be waited for.
        """
        if batch.to_file:
            paths = await self._file_of_results(batch, keys, again=again)
            return EndedBatch("file", paths, is_try=bool(paths) and not self.unwanted.is_set())
        servers = (self.endpoint, *self.endpoint.others)
        endpoint = next((each for each in servers if each.url == batch.url), None)
        if endpoint is None:
            what = f"the batch {batch.name} was sent to {batch.url}"
            if self.sending.finish_live:
                return EndedBatch(GIVEN_UP, [], f"{what}, and is given up")
            raise ModelError(
                what,
                f"take its results with --base-url {batch.url} first; if there is no server any "
                "more, --finish-live asks its requests live at the other address, at the full "
                "price, and leaves what the batch has answered",
            )
        async with BatchApi.opened(endpoint) as api:
            try:
                batch = await self._created(api, batch, again=again)
            except _GivenUpError as error:
                return EndedBatch(GIVEN_UP, [], str(error))
            except ApiError as error:
                if error.error.status >= 400:  # so that it was not created
                    return EndedBatch("rejected", [], error.what)
                raise
            if not batch.batch_id:
                return EndedBatch("not sent", [], is_try=False)
            what = f"{counted(len(keys), 'request')} {'found' if again else 'sent'}"
            self.tell(
                f"{what} in the batch {batch.batch_id}, "
                "which goes on at the server if this command is stopped"
            )
            return await self._taken(api, batch, keys)

    async def _taken(self, api: BatchApi, batch: SentBatch, keys: Collection[str]) -> EndedBatch:
        """Wait for the end of a batch that is at the server, and return it with its results."""
        try:
            ended = await self._ended(api, batch)
            folder = self.ledger.folder
            ended, paths = await api.whole_results(ended, folder, batch.name, keys)
        except ApiError as error:
            if error.error.status != 404:
                raise
            if self.sending.finish_live:
                return EndedBatch(GONE, [], error.what)
            raise ModelError(
                f"the server has the batch {batch.batch_id}, or its results, no longer: "
                f"{error.what}",
                "--finish-live asks its requests live, at the full price",
            ) from None
        is_try = not self.unwanted.is_set() or state_of(ended.status) != "ended"
        status, said = api.shown(ended.status or ""), api.shown(ended.message)
        return EndedBatch(status, paths, said, is_try)

    async def _created(self, api: BatchApi, batch: SentBatch, *, again: bool) -> SentBatch:
        """Return a batch that is at the server: found there, or created.

        It has no id if it is unwanted and not there.

        Raises:
            ApiError: the server does not take it.
            ModelError: the server can't be asked, or whether an earlier process created the batch
                can't be told.
            _GivenUpError: it can't be told, and its requests are to be asked live then.
        """
        if batch.batch_id:
            return batch
        found = None
        if again and batch.file_id:
            found = await self._found(api, batch, may_give_up=self.sending.finish_live)
        if self.unwanted.is_set() and not found:
            return batch
        if not batch.file_id:  # so that no batch was created of it
            file = self._file(batch)
            file_id = await api.uploaded(file.name, batch.size) if again else None
            batch = replace(batch, file_id=file_id or await api.upload(file, file.name))
            await self.ledger.note(batch)
        for attempt in range(CREATIONS):
            if found:
                break
            if self.unwanted.is_set():
                return batch
            try:
                found = await api.create(batch.file_id, batch.path, batch.name)
            except UnreachableError:  # it may have been created nevertheless
                if attempt == CREATIONS - 1:
                    raise
                found = await self._found(api, batch)
        assert found
        batch = replace(batch, batch_id=found.id, at=time.time())
        await self.ledger.note(batch)
        return batch

    async def _found(
        self, api: BatchApi, batch: SentBatch, *, may_give_up: bool = False
    ) -> ServerBatch | None:
        """Return the batch that an earlier request created, or None."""
        try:
            for _ in range(LOOKS):
                if found := await api.named(batch.name, batch.file_id):
                    return found
                await asyncio.sleep(LOOK_PAUSE)
        except ApiError as error:
            told = _no_list(error, batch.name)
            raise (_GivenUpError(told.what) if may_give_up else told) from None
        return None

    async def _ended(self, api: BatchApi, batch: SentBatch) -> ServerBatch:
        """Wait until a batch ends, and return it.

        Raises:
            ModelError: it is paused, has a status that is not known, or goes on for too long, also
                after it was cancelled as nothing needs it any more.
        """
        pause, outages, unknown = FIRST_PAUSE, 0, 0
        is_late, given_up, refusal = False, 0.0, ""
        while True:
            try:
                found = await api.batch(batch.batch_id)
                outages = 0
            except UnreachableError:
                outages += 1
                if outages == OUTAGES:
                    raise
                await self._pause(pause)
                continue
            status, state = api.shown(found.status or "no status"), state_of(found.status)
            unknown = unknown + 1 if state == "unknown" else 0
            if state in ("succeeded", "ended"):
                return found
            if not self.unwanted.is_set():
                is_stuck = state == "paused" or unknown == UNKNOWN_LOOKS
                is_late = self._is_late(batch, status, is_stuck=is_stuck, is_told=is_late)
            elif not given_up:
                given_up, pause = time.monotonic(), FIRST_PAUSE
                refusal = await self._refusal_to_cancel(api, batch, status)
            elif time.monotonic() - given_up > CANCEL_SECONDS or (
                refusal and "cancel" not in status.lower()
            ):
                raise ModelError(
                    f"the batch {batch.batch_id} is not needed any more, and still has the status "
                    f"{status}{refusal}",
                    "the same command takes what it has answered by then",
                )
            await self._pause(pause)
            pause = min(LONGEST_PAUSE, 1.5 * pause)

    def _is_late(self, batch: SentBatch, status: str, *, is_stuck: bool, is_told: bool) -> bool:
        """Return whether a batch takes longer than it should, which is told once.

        Raises:
            ModelError: it is stuck, or takes much longer.
        """
        hours = (time.time() - batch.at) / 3600
        if hours > LATEST_HOURS:
            raise ModelError(
                f"the batch {batch.batch_id} has the status {status}, and was sent "
                f"{hours:,.0f} hours ago",
                "cancel it at the server, and run the same command again, which takes its results",
            )
        if is_stuck:
            raise ModelError(
                f"the batch {batch.batch_id} has the status {status}",
                "see to it at the server, and run the same command again, which takes its results",
            )
        if hours > BATCH_HOURS and not is_told:
            self.tell(
                f"the batch {batch.batch_id} has the status {status} for more than "
                f"{BATCH_HOURS} hours; it is waited for until {LATEST_HOURS} are over"
            )
        return hours > BATCH_HOURS

    async def _refusal_to_cancel(self, api: BatchApi, batch: SentBatch, status: str) -> str:
        """Cancel a batch, unless it is being cancelled; return why that can't be, or ""."""
        if "cancel" in status.lower():
            return ""
        self.tell(f"the batch {batch.batch_id} is not needed any more, and is cancelled")
        try:
            await api.cancel(batch.batch_id)
        except ModelError as error:  # it may have ended meanwhile
            return f", as it can't be cancelled: {error.what}"
        return ""


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


class _GivenUpError(Exception):
    """Whether a batch was created can't be told, and its requests are to be asked live."""


def _no_list(error: ApiError, name: str) -> ModelError:
    """Return the error for a batch of which can't be told whether it was created."""
    return ModelError(
        f"whether the batch {name} was created can't be told: {error.what}",
        f"look at the server for a batch with the metadata {NAME_KEY} = {name}; if there is none, "
        "--finish-live asks its requests live",
    )
