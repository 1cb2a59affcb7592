"""The database's schema, as a list of named changes that is only ever added to.

A database remembers how many it has had. Opening one applies the rest.
"""

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from seedstep.data.files import whole_file
from seedstep.errors import StoreError

__all__ = [
    "MIGRATIONS",
    "Database",
    "Statement",
]

MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "requests",
        """
        CREATE TABLE requests (
            key TEXT PRIMARY KEY,
            purpose TEXT NOT NULL,
            request TEXT NOT NULL,            -- JSON: prompt, sampling, schema, draw
            reply TEXT,                       -- NULL where the request failed
            finish_reason TEXT,
            prompt_tokens INTEGER NOT NULL DEFAULT 0,
            completion_tokens INTEGER NOT NULL DEFAULT 0,
            estimated INTEGER NOT NULL DEFAULT 0,
            failure TEXT,                     -- the reason's name; NULL where there is a reply
            detail TEXT,
            status INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL,
            seconds REAL NOT NULL DEFAULT 0,
            at REAL NOT NULL                  -- Unix time
        )
        """,
    ),
    (
        "seeds",
        "CREATE TABLE seeds (id TEXT PRIMARY KEY, definition TEXT NOT NULL)",
    ),
    (
        "generations",
        """
        CREATE TABLE generations (
            item INTEGER PRIMARY KEY,
            request TEXT NOT NULL,            -- key in requests
            demonstrations TEXT NOT NULL,     -- JSON: ids of seeds and tasks, in prompt order
            failure TEXT NOT NULL,
            at REAL NOT NULL
        )
        """,
    ),
    (
        "candidates",
        """
        CREATE TABLE candidates (
            id TEXT PRIMARY KEY,
            item INTEGER NOT NULL,
            position INTEGER NOT NULL,
            instruction TEXT NOT NULL,
            reason TEXT NOT NULL,             -- empty for a finished task
            detail TEXT NOT NULL,
            neighbor TEXT,
            score REAL,
            is_classification INTEGER NOT NULL,
            classification_request TEXT NOT NULL,
            instances_request TEXT NOT NULL,
            UNIQUE (item, position)
        )
        """,
    ),
    (
        "instances",
        """
        CREATE TABLE instances (
            task TEXT NOT NULL,
            position INTEGER NOT NULL,
            input TEXT NOT NULL,
            output TEXT NOT NULL,
            reason TEXT NOT NULL,             -- empty for a good one
            PRIMARY KEY (task, reason, position)
        )
        """,
    ),
    (
        "details of rejected instances",
        "ALTER TABLE instances ADD COLUMN detail TEXT NOT NULL DEFAULT ''",
    ),
    (
        "results of tasks",
        """
        CREATE TABLE results (
            position INTEGER PRIMARY KEY,     -- of the task, from 0
            task TEXT NOT NULL UNIQUE,
            category TEXT NOT NULL,
            definition TEXT NOT NULL,
            result TEXT NOT NULL,             -- JSON: the record of the stage
            at REAL NOT NULL                  -- Unix time
        )
        """,
    ),
    (
        "scores of predictions",
        """
        CREATE TABLE scores (
            name TEXT NOT NULL,               -- of the system
            tokens TEXT NOT NULL,             -- the tokenizer; empty for rouge-score's own
            grouping TEXT NOT NULL,           -- category or task; empty for all instances
            group_name TEXT NOT NULL,
            metric TEXT NOT NULL,
            value REAL,                       -- 0 to 100
            low REAL,                         -- of the 95% interval; NULL where there is none
            high REAL,
            reason TEXT NOT NULL,             -- why something is NULL
            instances INTEGER NOT NULL,
            tasks INTEGER NOT NULL,
            missing INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            at REAL NOT NULL,                 -- Unix time
            PRIMARY KEY (name, tokens, grouping, group_name, metric)
        )
        """,
    ),
    (
        "systems",
        """
        CREATE TABLE systems (
            name TEXT PRIMARY KEY,
            record TEXT NOT NULL,             -- JSON: settings, fingerprints, address
            at REAL NOT NULL                  -- Unix time
        )
        """,
    ),
    (
        "predictions",
        """
        CREATE TABLE predictions (
            system TEXT NOT NULL,
            place INTEGER NOT NULL,           -- of the instance among all of the run, from 0
            text TEXT NOT NULL,
            failed TEXT NOT NULL,             -- why there is no text; empty where there is one
            cut INTEGER NOT NULL,             -- whether the text reached its length limit
            shortened INTEGER NOT NULL,       -- whether the prompt had to be
            at REAL NOT NULL,                 -- Unix time
            PRIMARY KEY (system, place)
        )
        """,
    ),
    (
        "review",
        "CREATE TABLE review (record TEXT NOT NULL)",  # JSON: form, seed, fingerprint of the items
    ),
    (
        "review items",
        """
        CREATE TABLE review_items (
            position INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            record TEXT NOT NULL              -- JSON: all that is shown, and where it is from
        )
        """,
    ),
    (
        "raters",
        """
        CREATE TABLE raters (
            name TEXT PRIMARY KEY,
            token TEXT NOT NULL UNIQUE        -- what opens the pages of the rater
        )
        """,
    ),
    (
        "assignments",
        """
        CREATE TABLE assignments (
            rater TEXT NOT NULL,
            place INTEGER NOT NULL,           -- among the items of the rater, from 0
            item TEXT NOT NULL,
            shown TEXT NOT NULL,              -- JSON: places of the answers in the order shown
            PRIMARY KEY (rater, place)
        )
        """,
    ),
    (
        "labels",
        """
        CREATE TABLE labels (                 -- rows are only ever added
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,          -- made by the page
            rater TEXT NOT NULL,
            item TEXT NOT NULL,
            action TEXT NOT NULL,             -- label, skip, undo
            answers TEXT NOT NULL,            -- JSON: by question
            note TEXT NOT NULL,
            flagged INTEGER NOT NULL,
            shown TEXT NOT NULL,              -- JSON, as in assignments
            seconds REAL NOT NULL,
            made REAL NOT NULL,               -- Unix time by the clock of the page
            at REAL NOT NULL                  -- Unix time
        )
        """,
    ),
    (
        "labels of raters",
        "CREATE INDEX labels_of_rater ON labels (rater, item)",
    ),
    (
        "reply_details",
        """
        CREATE TABLE reply_details (          -- of the answers that have any
            key TEXT PRIMARY KEY,
            record TEXT NOT NULL              -- JSON: thoughts, left_out, tokens that were lost
        )
        """,
    ),
    (
        "thoughts",
        """
        CREATE TABLE thoughts (               -- taken out of what a checkpoint wrote
            system TEXT NOT NULL,
            place INTEGER NOT NULL,           -- as in predictions
            text TEXT NOT NULL,
            PRIMARY KEY (system, place)
        )
        """,
    ),
    (
        "starts",
        "CREATE TABLE starts (at REAL NOT NULL)",  # Unix time, of each start of work on the run
    ),
)


Statement = tuple[str, Sequence[Any]]

LOCK_SECONDS = 10.0
"""How long to wait for another process's lock."""

HEADER_BYTES = 100
"""Every SQLite file is longer than its header."""


class Database:
    """Reads see what is committed. Writes are committed in the order they were given."""

    def __init__(self, path: Path, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        """Use `Database.open`."""
        self.path = path
        self._reader = reader
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seedstep-database")
        self._queue: list[tuple[Sequence[Statement], asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> "Database":
        """Open a database, and bring its schema up to date unless `read_only`.

        A new one appears with its tables, so that an empty file is one that somebody emptied.

        Raises:
            StoreError: it is damaged, newer than this seedstep, locked, or can't be written.
        """
        with _explained(path):
            if not read_only and not path.exists():
                _create(path)
            _require_content(path)
            if read_only:
                mode = "ro&immutable=1" if _is_at_rest(path) else "ro"
                reader = _connect(path, mode)
                _applied(reader, path)
                return cls(path, reader, _connect(path, mode))
            writer = _connect(path, "rwc")
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("PRAGMA synchronous = FULL")
            _migrate(writer, path)
            return cls(path, _connect(path, "ro"), writer)

    @property
    def has_schema(self) -> bool:
        """False where the process that made the file was killed before it made the tables."""
        return bool(self.rows("PRAGMA user_version")[0][0])

    @classmethod
    def in_memory(cls) -> "Database":
        """Open an empty database that is gone when it is closed."""
        connection = _connect(Path(), "memory")
        _migrate(connection, Path())
        return cls(Path(), connection, connection)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Show all reads inside the database as it is at one moment, whoever writes meanwhile.

        A snapshot inside another is of the same moment.
        """
        if self._reader.in_transaction:
            yield
            return
        with _explained(self.path):
            self._reader.execute("BEGIN")
        try:
            yield
        finally:
            self._reader.rollback()

    def has_rows(self, table: str) -> bool:
        """Return whether a table is there and has a row."""
        if not self.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)):
            return False
        return bool(self.rows(f"SELECT 1 FROM {table} LIMIT 1"))  # noqa: S608 - a name of ours

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with _explained(self.path):
            return self._reader.execute(query, values).fetchall()

    async def write(self, statements: Sequence[Statement]) -> None:
        """Commit statements together, on disk when this returns.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        done = asyncio.get_running_loop().create_future()
        self._queue.append((statements, done))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_queue())
        await done

    def write_now(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Commit one statement for many rows, before anything asynchronous begins.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        with _explained(self.path), self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.executemany(statement, rows)

    async def settle(self) -> None:
        """Wait until all writes are committed, or have failed."""
        if self._committing:
            await asyncio.wait([self._committing])

    def close(self) -> None:
        """Close a database that nothing is being written to."""
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()

    async def _commit_queue(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            batch, self._queue = self._queue, []
            error: BaseException | None = None
            try:
                await loop.run_in_executor(self._thread, self._commit, batch)
            except Exception as failure:  # raised where the write is waited for
                error = failure
            for _, done in batch:
                _resolve(done, error)

    def _commit(self, batch: Sequence[tuple[Sequence[Statement], Any]]) -> None:
        with _explained(self.path), self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            for statements, _ in batch:
                for statement, values in statements:
                    self._writer.execute(statement, values)


def _resolve(done: "asyncio.Future[None]", error: BaseException | None) -> None:
    if done.done():
        return  # cancelled: nobody waits any more
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
        done.exception()  # read, so that asyncio does not report it where nobody waits any more


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=LOCK_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    return connection


def _create(path: Path) -> None:
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink()
    with whole_file(path) as file, closing(_connect(Path(file.name), "rw")) as connection:
        _migrate(connection, path)


def _require_content(path: Path) -> None:
    """SQLite would take what is left of a file for a new database."""
    if path.exists() and path.stat().st_size < HEADER_BYTES:
        raise StoreError(
            f"{path} is damaged: it was cut off, and what was in it is gone",
            "put a copy of it back, or use a new --out",
        )


def _is_at_rest(path: Path) -> bool:
    """True where nobody writes, and SQLite could not make the files that it shares with writers."""
    return not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()


def _applied(connection: sqlite3.Connection, path: Path) -> int:
    """The number of migrations that made the schema."""
    applied = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if applied > len(MIGRATIONS):
        raise StoreError(f"{path} was written by a newer seedstep", "update seedstep")
    return applied


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    applied = _applied(connection, path)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for _, statement in MIGRATIONS[applied:]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into one that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        remedy = next(
            (remedy for sign, remedy in _REMEDIES if sign in str(error)),
            "check the disk; what was committed is still in the database",
        )
        raise StoreError(f"{path}: {error}", remedy) from None


_REMEDIES = (
    ("full", "free some space, then run the same command again to go on"),
    ("locked", "end the process that uses it, then run the same command again"),
    ("readonly", "make the directory writable"),
    ("unable to open", "check the path and its rights"),
    ("malformed", "it is damaged: recover it with `sqlite3 run.db .recover`, or use a new --out"),
    ("not a database", "it is damaged or another kind of file: use a new --out"),
)
