"""The errors of SQLite, told as those of seedstep with what to do next.

Example::

    with explained(Path("runs/first/run.db")):
        connection.execute("SELECT count(*) FROM requests")
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seedstep.errors import RunError, StoreError

__all__ = ["RECOVER", "explained"]

RECOVER = (
    "the other rows can be read: `sqlite3 run.db .recover` writes them, or put a copy of it back"
)
"""What to do about a database of which a part is damaged."""


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an error of SQLite into a RunError, mostly a StoreError, that says what to do."""
    try:
        yield
    except UnicodeDecodeError:  # in what SQLite says of a damaged schema
        raise StoreError(f"{path} is damaged: its tables have no names", RECOVER) from None
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
            raise RunError(f"{path.parent} is closed", _OPEN_AGAIN) from None
        if columns := str(error).partition(_NOT_UNIQUE)[2]:
            what = f"{path}: a record was written already ({columns} stands for one only)"
            raise StoreError(what, _WRITE_ONCE) from None
        remedy = next(
            (remedy for sign, remedy in _REMEDIES if sign in str(error)),
            "check the disk, which may be full; what was committed is still in the database",
        )
        raise StoreError(f"{path}: {error}", remedy) from None


_NOT_UNIQUE = "UNIQUE constraint failed: "
"""What SQLite says before the columns of which a row has the values already."""

_OPEN_AGAIN = "read it inside its `with` block, or open it again: `open_run(run)`"

_WRITE_ONCE = (
    "write each record once: `run.records.left()` has the tasks without one, with their places"
)

_REMEDIES = (
    ("decode to UTF-8", RECOVER),
    ("malformed JSON", RECOVER),
    ("integer overflow", RECOVER),
    ("full", "free some space, then run the same command again to go on"),
    ("locked", "end the process that uses it, then run the same command again"),
    ("readonly", "make the directory writable"),
    ("unable to open", "check the path and its rights"),
    ("malformed", "it is damaged: recover it with `sqlite3 run.db .recover`, or use a new --out"),
    ("not a database", "it is damaged or another kind of file: use a new --out"),
)
