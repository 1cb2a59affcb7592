"""How a run asks models: engines on its ledger, which stores batches before they are sent.

Example::

    async with opened_engine(run, ("openai:m", None, None), run.spent()) as engine: ...
    for batch in read_batches(database):
        print(batch.name, batch.requests, batch.status)
"""

import asyncio
import re
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from seedstep.errors import StoreError
from seedstep.llm import Answer, Request
from seedstep.llm.addresses import addresses_of, server_address
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.ledgers import LOST, BatchedRequest, BatchMisses, RecordedRequest, SentBatch
from seedstep.llm.records import RequestChanges
from seedstep.runs.database import Database, Statement, decode_value
from seedstep.runs.database_errors import RECOVER
from seedstep.runs.directory import DATABASE
from seedstep.runs.ledger import RequestLedger, request_text
from seedstep.runs.requests import NOTE_SENT

if TYPE_CHECKING:
    from seedstep.llm import Engine, Spent
    from seedstep.runs.run import Run

__all__ = [
    "BATCHES",
    "BatchState",
    "RunLedger",
    "batch_notes",
    "closed_engine",
    "has_open_batches",
    "open_batches",
    "opened_engine",
    "read_batches",
    "same_server",
]

BATCHES = "batches"
"""The folder of a run that has the files of its batches."""

_OPEN = """
SELECT number, name, url, path, size, to_file, file_id, batch_id, at FROM batches
WHERE {} AND status IS NULL ORDER BY number
"""
_OPEN_OF_MODEL = _OPEN.format("identity = ? AND model = ?")
_OPEN_OF_NUMBER = _OPEN.format("number = ?")
_NAME = re.compile(r"seedstep-[0-9a-f]+-[0-9]+-[0-9a-f]+")
_INTEND = """
INSERT INTO batches (number, name, identity, model, url, path, size, requests, to_file, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_BATCHED = "INSERT OR REPLACE INTO batched_requests VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_NOTE = "UPDATE batches SET file_id = ?, batch_id = ?, at = ? WHERE number = ?"
_TAKE = "UPDATE batches SET status = ?, answered = ? WHERE number = ?"
_DONE = "DELETE FROM batched_requests WHERE key = ?"
_LOSE = """
UPDATE batched_requests SET lost_prompt = lost_prompt + ?, lost_completion = lost_completion + ?
WHERE key = ?
"""
_MISS = "UPDATE batched_requests SET batch = NULL, tries = tries + ? WHERE batch = ?"


class RunLedger(RequestLedger):
    """A ledger of answers that also stores the batches by which requests are sent."""

    def __init__(
        self, database: Database, model: str = "", passed_over: Set[str] = frozenset()
    ) -> None:
        """Store answers in `database`; the arguments are those of `RequestLedger`."""
        super().__init__(database, model, passed_over)
        self._named = 0  # the number of the last batch: engines of several models share a ledger
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def folder(self) -> Path:
        """The folder for the files of batches."""
        return self._database.path.parent / BATCHES

    def name_of(self, digest: str) -> tuple[int, str]:
        """Return the number and the name of the next batch, whose file has this hash.

        The name has a random part, so that no two runs have batches of one name.
        """
        stored = self._database.rows("SELECT count(*) FROM batches")[0][0]
        self._named = number = max(stored, self._named) + 1
        return number, f"seedstep-{secrets.token_hex(4)}-{number}-{digest[:16]}"

    def open_batches(self, identity: str, model: str) -> list[SentBatch]:
        """Return the batches of a model whose results were not stored yet."""
        return self._opened(_OPEN_OF_MODEL, identity, model)

    def open_batch(self, number: int) -> SentBatch | None:
        """Return a batch as it is now, or None if its results were stored."""
        return next(iter(self._opened(_OPEN_OF_NUMBER, number)), None)

    def _opened(self, query: str, *values: object) -> list[SentBatch]:
        rows = self._database.rows(query, values)
        for row in rows:
            if not _NAME.fullmatch(str(row["name"])):  # it is the name of a file
                what = f"{self._database.path} is damaged: batch {row['number']} has no proper name"
                raise StoreError(what, RECOVER)
        return [SentBatch(**{**dict(row), "to_file": bool(row["to_file"])}) for row in rows]

    def turn(self, number: int) -> AbstractAsyncContextManager[None]:
        """Return what is entered to work on a batch, by one engine at a time."""
        return self._turns[number]

    def batched(self, number: int) -> dict[str, BatchedRequest]:
        """Return the requests of a batch that is open, by key."""
        found = {}
        rows = self._database.rows("SELECT * FROM batched_requests WHERE batch = ?", (number,))
        for row in rows:
            where = f"the batched request {row['key']}"
            asked = decode_value(row["request"], RecordedRequest, where)
            changes = decode_value(row["manner"], RequestChanges, where)
            request = asked.whole(row["purpose"])
            found[row["key"]] = BatchedRequest(row["key"], request, changes, _missed(row))
        return found

    def missed(self) -> dict[str, BatchMisses]:
        """Return the requests that a batch did not answer."""
        query = "SELECT * FROM batched_requests WHERE batch IS NULL"
        return {row["key"]: _missed(row) for row in self._database.rows(query)}

    async def intend(
        self,
        batch: SentBatch,
        model: tuple[str, str],
        requests: Iterable[BatchedRequest],
        sent: int,
    ) -> None:
        """Store a batch of a model before it is sent, and the number of requests sent with it.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        rows: list[Statement] = [
            (
                _BATCHED,
                (
                    each.key,
                    batch.number,
                    each.request.purpose,
                    request_text(each.request),
                    msgspec.json.encode(each.changes).decode(),
                    each.missed.tries,
                    each.missed.lost_prompt,
                    each.missed.lost_completion,
                ),
            )
            for each in requests
        ]
        about = (batch.number, batch.name, *model, batch.url, batch.path, batch.size)
        intent = (_INTEND, (*about, len(rows), int(batch.to_file), batch.at))
        await self._database.write([intent, *rows, (NOTE_SENT, (sent,))])

    async def note(self, batch: SentBatch) -> None:
        """Store the server's ids of a batch, and when these were known.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        await self._database.write(
            [(_NOTE, (batch.file_id, batch.batch_id, batch.at, batch.number))]
        )

    async def take(
        self,
        batch: SentBatch,
        answers: Mapping[str, tuple[Request, Answer]],
        status: str,
        lost: Mapping[str, tuple[int, int]],
        *,
        is_try: bool = True,
    ) -> None:
        """Store the answers of a batch, all at once; its other requests become missed ones.

        `lost` are the tokens that were paid in vain. `is_try` says whether the batch counts as a
        try of what it did not answer.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        statements: list[Statement] = [(_TAKE, (status, len(answers), batch.number))]
        for key, (request, answer) in answers.items():
            statements += [*self.statements(key, request, answer), (_DONE, (key,))]
        statements += [(_LOSE, (*tokens, key)) for key, tokens in lost.items()]
        await self._database.write([*statements, (_MISS, (int(is_try), batch.number))])
        self._frames.are_stored(statements)


def _missed(row: sqlite3.Row) -> BatchMisses:
    return BatchMisses(row["tries"], row["lost_prompt"], row["lost_completion"])


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch of a run. `status` is the last one, or None if its results are not stored yet.

    `batch_id` is the server's id, or an empty text if it is not known. `answered` is the number
    of requests with an answer.
    """

    name: str
    url: str
    requests: int
    to_file: bool
    batch_id: str
    status: str | None
    answered: int
    at: float

    @property
    def is_lost(self) -> bool:
        """Whether what it answered could not be had, so that its requests were asked live."""
        return self.status in LOST

    @property
    def description(self) -> str:
        """Where the requests of the batch are, in words."""
        what = f"{self.requests:,} requests"
        if self.is_lost and not self.batch_id:
            where = f"the batch {self.name} at {self.url}"
            return f"{what} may be in {where}: what it answered then is paid for, and not counted"
        if self.is_lost:
            where = f"the batch {self.batch_id} at {self.url}"
            return f"{what} were in {where}: what it answered is paid for, and not counted"
        if self.to_file:
            where = f"of the file {BATCHES}/{self.name}.jsonl"
            return f"{what} {where} wait for the results of `vllm run-batch`"
        if not self.batch_id:
            return f"{what} are about to be sent as the batch {self.name}"
        return f"{what} are in the batch {self.batch_id}, which goes on at the server"


def has_open_batches(database: Database, sent_to: Endpoint | None = None) -> bool:
    """Return whether a run has batches whose results are not stored yet, at one endpoint or any."""
    if sent_to:
        return bool(RunLedger(database).open_batches(sent_to.identity, sent_to.model))
    return any(batch.status is None for batch in read_batches(database))


def batch_notes(database: Database) -> list[str]:
    """Return notes on the batches of a run that are under way, or whose answers were lost."""
    batches = read_batches(database)
    return [batch.description for batch in batches if batch.status is None or batch.is_lost]


def open_batches(path: Path) -> list[str]:
    """Return the `batch_notes` of the run in a directory; none if it can't be read."""
    with suppress(StoreError):
        if (path / DATABASE).is_file():
            with closing(Database.open(path / DATABASE, read_only=True)) as database:
                return batch_notes(database)
    return []


def read_batches(database: Database) -> list[BatchState]:
    """Return the batches of a run, in the order in which they were sent."""
    if not database.has_rows("batches"):
        return []
    query = """
    SELECT name, url, requests, to_file, batch_id, status, answered, at FROM batches
    ORDER BY number
    """
    return [
        BatchState(
            **{**dict(row), "to_file": bool(row["to_file"]), "answered": row["answered"] or 0}
        )
        for row in database.rows(query)
    ]


def same_server(
    model: tuple[str, str | Sequence[str] | None, str | None],
) -> tuple[str, tuple[str, ...], str]:
    """Return what is equal for models at one server, however its address is written.

    The arguments are those of `opened_engine`.
    """
    name, base_url, identity_url = model
    urls = tuple(server_address(url).rstrip("/") for url in addresses_of(base_url))
    return name, urls, (identity_url or urls[0]).rstrip("/")


def closed_engine(
    run: "Run[Any, Any, Any]", model: tuple[str, str | Sequence[str] | None, str | None]
) -> "Engine":
    """Return an engine that knows which answers of a model are kept, and can't send anything.

    The arguments are those of `opened_engine`.
    """
    from seedstep.llm import Engine, known_model

    name, base_url, identity_url = model
    settings = run.settings.model
    reasoning = settings.reasoning_options if name == settings.name else None
    return Engine(known_model(name, base_url, identity_url), run.ledger, 1, reasoning=reasoning)


@asynccontextmanager
async def opened_engine(
    run: "Run[Any, Any, Any]",
    model: tuple[str, str | Sequence[str] | None, str | None],
    spent: "Spent",
) -> AsyncIterator["Engine"]:
    """Open an engine for a model of a run. All engines of a run share its budget.

    `model` is its name, its address or addresses, and the one under which replies are stored.
    """
    from seedstep.infer.asking import open_asked
    from seedstep.llm import Engine

    settings = run.settings
    name, base_url, identity_url = model
    in_flight = settings.model.in_flight
    reasoning = settings.model.reasoning_options if name == settings.model.name else None
    limits = (settings.budget, spent, settings.pricing)
    how = {"workers": settings.model.workers, "bf16": settings.model.bf16}
    async with (
        open_asked(name, base_url, in_flight, identity_url, **how) as endpoint,
        Engine(
            endpoint, run.ledger, in_flight, *limits, reasoning, settings.model.sending
        ) as engine,
    ):
        await engine.check()
        yield engine
