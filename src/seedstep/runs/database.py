"""The SQLite database of a run: one writer, whose writes are committed in order, and any readers.

Example::

    database = Database.open(Path("runs/first/run.db"))
    await database.write([("INSERT INTO labels VALUES (?, ?)", ("a", "b"))])
"""

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar, cast

import msgspec

from seedstep.data.files import whole_file
from seedstep.errors import StoreError, first_line
from seedstep.runs.database_errors import RECOVER, explained
from seedstep.runs.schema import MIGRATIONS, damage_in

__all__ = [
    "MAY_BE_DAMAGE",
    "Database",
    "Statement",
    "convert_value",
    "decode_value",
]

Statement = tuple[str, Sequence[Any]]
"""A statement of SQL and its values."""

LOCK_SECONDS = 10.0
"""How many seconds to wait for another process's lock."""

ROOM_BYTES = 4 << 20
"""Room for answers: more than SQLite holds in memory before it writes."""

HEADER_BYTES = 100
"""The length of the header of an SQLite file; every such file is longer."""

MAY_BE_DAMAGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""The errors of functions that are given values of another kind than their column has."""


class Database:
    """A database. Reads return committed data; writes are committed in the order of the calls."""

    def __init__(self, path: Path, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        """Use `Database.open`."""
        self.path = path
        self._reader = reader
        self._reading = RLock()
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seedstep-database")
        self._queue: list[tuple[Sequence[Statement], asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._no_damage: BaseException | None = None

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> "Database":
        """Open a database, and apply missing migrations unless `read_only`.

        A new database is created together with its tables. An empty file is therefore a damaged
        database, not a new one.

        Raises:
            StoreError: the database is damaged, of a newer version of seedstep, locked, or can't be
                written.
        """
        with explained(path):
            if not read_only and not path.exists():
                _create(path)
            _require_content(path)
            if read_only:
                _roll_back(path)
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
        """Whether the tables are there; False if the creating process was killed before."""
        return bool(self.rows("PRAGMA user_version")[0][0])

    @property
    def version(self) -> int:
        """A number that changes when another connection writes."""
        version: int = self.rows("PRAGMA data_version")[0][0]
        return version

    @classmethod
    def in_memory(cls, path: Path = Path()) -> "Database":
        """Open an empty database in memory; `path` is where its run has others, for messages."""
        connection = _connect(Path(), "memory")
        _migrate(connection, path)
        return cls(path, connection, connection)

    @classmethod
    def as_now(cls, path: Path) -> "Database":
        """Open a database for reading, with all tables and columns of this version.

        If an earlier version wrote it, that is a copy in memory. The file stays as it is.
        """
        database = cls.open(path, read_only=True)
        applied = database.rows("PRAGMA user_version")[0][0]
        if applied == len(MIGRATIONS):
            return database
        with closing(database), explained(path):
            connection = _connect(Path(), "memory")
            database._reader.backup(connection)
            _migrate(connection, Path())
        return cls(Path(), connection, connection)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads in the context see the database at the same moment, despite writers.

        A snapshot inside another is of the moment of the outer one. Those of several threads follow
        one another.

        Raises:
            StoreError: what was read could not be used, as the database is damaged.
            RunError: the database is closed.
        """
        with self._reading:
            with explained(self.path):
                is_inner = self._reader.in_transaction
                if not is_inner:
                    self._reader.execute("BEGIN")
            if is_inner:
                yield
                return
            try:
                yield
            except MAY_BE_DAMAGE as error:
                self.require_no_damage(error)
                raise
            finally:
                self._reader.rollback()

    def require_no_damage(self, error: BaseException | None) -> None:
        """Raise StoreError if the database is damaged, and that may be why `error` was raised.

        An error that passes several contexts causes one check.
        """
        if isinstance(error, MAY_BE_DAMAGE) and error is not self._no_damage:
            self.require_whole()
            self._no_damage = error

    def require_whole(self) -> None:
        """Raise StoreError if columns, rows or values are missing or wrong."""
        for found in damage_in(self.rows):
            raise StoreError(f"{self.path} is damaged: {first_line(Exception(found))}", RECOVER)

    def has_rows(self, table: str) -> bool:
        """Return whether a table exists and has a row."""
        if not self.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)):
            return False
        return bool(self.rows(f"SELECT 1 FROM {table} LIMIT 1"))  # noqa: S608 - a name of ours

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with explained(self.path):
            return self._reader.execute(query, values).fetchall()

    async def write(self, statements: Sequence[Statement]) -> None:
        """Commit statements together; they are on the disk when this returns.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        done = asyncio.get_running_loop().create_future()
        self._queue.append((statements, done))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_queue())
        await done

    async def require_room(self) -> None:
        """Make sure that `ROOM_BYTES` can be added, without adding them.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._try_to_grow)

    def _try_to_grow(self) -> None:
        with explained(self.path):
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                self._writer.execute("CREATE TABLE room (bytes BLOB)")
                self._writer.execute("INSERT INTO room VALUES (zeroblob(?))", (ROOM_BYTES,))
            finally:
                self._writer.rollback()

    def write_now(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Commit a statement for many rows, outside any event loop.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        with explained(self.path), self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.executemany(statement, rows)

    def write_together(self, statements: Sequence[Statement]) -> None:
        """Commit several statements together, outside any event loop.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        with explained(self.path), self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                self._writer.execute(statement, values)

    async def settle(self) -> None:
        """Wait until all writes are committed, or have failed."""
        if self._committing:
            await asyncio.wait([self._committing])

    def close(self) -> None:
        """Close the database; no write may be pending."""
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
            except Exception as failure:  # raised in `write`
                error = failure
            for _, done in batch:
                _resolve(done, error)

    def _commit(self, batch: Sequence[tuple[Sequence[Statement], Any]]) -> None:
        self.write_together([statement for statements, _ in batch for statement in statements])


def _resolve(done: "asyncio.Future[None]", error: BaseException | None) -> None:
    if done.done():
        return  # the write was cancelled
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
        done.exception()  # mark it as retrieved, or asyncio reports it if the caller was cancelled


T = TypeVar("T")


def decode_value(value: object, kind: type[T], where: str) -> T:
    """Return what a JSON text in a row of a run's database stands for.

    Raises:
        StoreError: it is damaged; `where` names the table and the row.
    """
    try:
        return msgspec.json.decode(cast(str, value), type=kind)  # other types are a TypeError
    except (ValueError, TypeError, RecursionError) as error:  # msgspec's are ValueErrors
        raise StoreError(f"run.db is damaged: {where}: {first_line(error)}", RECOVER) from None


def convert_value(value: Mapping[str, object], kind: type[T], where: str) -> T:
    """Return the record that the columns of a row stand for.

    Raises:
        StoreError: a value is damaged; `where` names the table and the row.
    """
    try:
        return msgspec.convert(value, kind)
    except (ValueError, TypeError) as error:
        raise StoreError(f"run.db is damaged: {where}: {first_line(error)}", RECOVER) from None


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
        _empty()._writer.backup(connection)
        connection.execute("PRAGMA journal_mode = WAL")  # so that it is in no other from the start


@cache
def _empty() -> Database:
    """Return an empty database in memory: to copy it takes an eighth of the time to make it."""
    return Database.in_memory()


def _roll_back(path: Path) -> None:
    """Undo what a process that was killed had begun, which a reader can't do, where there is any.

    What a process is about to commit stays: it holds a lock.
    """
    if path.with_name(f"{path.name}-journal").exists() and os.access(path.parent, os.W_OK):
        with closing(_connect(path, "rw")) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")


def _require_content(path: Path) -> None:
    """Raise StoreError for a file that was cut off, which SQLite would take for a new database."""
    if path.exists() and path.stat().st_size < HEADER_BYTES:
        raise StoreError(
            f"{path} is damaged: it was cut off, and its content is lost",
            "put a copy of it back, or use a new --out",
        )


def _is_at_rest(path: Path) -> bool:
    """Return whether the directory is read-only and no process writes.

    SQLite can't create the files there that readers share with a writer.
    """
    return not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists()


def _applied(connection: sqlite3.Connection, path: Path) -> int:
    """Return the number of migrations that were applied."""
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
