"""The requests and replies in a run's database: the engine's ledger, lists, and recordings.

Example::

    Engine(endpoint, RequestLedger(database), in_flight=8)
"""

import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from seedstep.data import write_in_parts
from seedstep.errors import InputError
from seedstep.llm import Answer, Failure, Header, Reply, Request, read_header
from seedstep.llm.ledgers import as_kept, kept_since
from seedstep.llm.records import ending_of
from seedstep.runs.database import Database, Statement, convert_value, decode_value
from seedstep.runs.frames import COLUMNS, Frames, request_text, whole_requests
from seedstep.text import counted

__all__ = [
    "RequestLedger",
    "RequestLine",
    "answer_of",
    "find_request",
    "list_requests",
    "read_details",
    "read_left_out",
    "read_unknown_ends",
    "reply_notes",
    "write_recording",
]

_GET = """
SELECT reply, finish_reason, prompt_tokens, completion_tokens, estimated, seconds, attempts,
       failure, detail, status
FROM requests WHERE key = ?
"""
_PUT = """
INSERT OR IGNORE INTO requests
    (key, purpose, request, reply, finish_reason, prompt_tokens, completion_tokens, estimated,
     seconds, attempts, failure, detail, status, at, frame)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


_DETAILS = "SELECT record FROM reply_details WHERE key = ?"
_PUT_DETAILS = "INSERT OR IGNORE INTO reply_details VALUES (?, ?)"
_PUT_MODEL = "INSERT OR IGNORE INTO request_models VALUES (?, ?)"


class RequestLedger:
    """A ledger of answers by key. An answer is on the disk when `put` returns."""

    def __init__(
        self, database: Database, model: str = "", passed_over: Set[str] = frozenset()
    ) -> None:
        """Store answers in `database`; of a run that asks several models, with this one's name.

        The answers to the requests with the keys `passed_over`, and to those that are stored as
        such, are not used.
        """
        self._database = database
        self._model = model
        self._passed_over = passed_over
        self._frames = Frames(database)

    @cached_property
    def passed_over(self) -> Set[str]:
        """The keys of the requests that are asked again, with another draw."""
        if not self._database.has_rows("passed_over"):
            return self._passed_over
        stored = self._database.rows("SELECT key FROM passed_over")
        return self._passed_over | {row[0] for row in stored}

    def get(self, key: str) -> Answer | None:
        """Return the answer stored under a key, or None."""
        rows = self._database.rows(_GET, (key,))
        return answer_of(rows[0], read_details(self._database, key)) if rows else None

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        """Store an answer; it is on the disk when this returns.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        statements = self.statements(key, request, answer)
        await self._database.write(statements)
        self._frames.are_stored(statements)

    def statements(self, key: str, request: Request, answer: Answer) -> list[Statement]:
        """Return the statements that store an answer."""
        rest, frame, statements = self._frames.shorten(request.purpose, request_text(request))
        values = (key, request.purpose, rest, *_columns(answer), time.time(), frame)
        statements.append((_PUT, values))
        if details := kept_since(answer):
            record = msgspec.json.encode(details).decode()
            statements.append((_PUT_DETAILS, (key, record)))
        if self._model:
            statements.append((_PUT_MODEL, (key, self._model)))
        return statements


def read_details(database: Database, key: str) -> dict[str, Any]:
    """Return the details of an answer: thoughts, parameters left out, tokens of lost replies."""
    if not database.has_rows("reply_details"):
        return {}
    rows = database.rows(_DETAILS, (key,))
    where = f"details of the request {key}"
    return decode_value(rows[0]["record"], dict[str, Any], where) if rows else {}


def read_left_out(database: Database) -> dict[str, int]:
    """Return the parameters that a server did not accept, with the number of requests."""
    if not database.has_rows("reply_details"):
        return {}
    query = (
        "SELECT value, count(*) FROM reply_details, json_each(record, '$.left_out')"
        " GROUP BY value ORDER BY count(*) DESC, value"
    )
    return {row[0]: row[1] for row in database.rows(query)}


def read_unknown_ends(database: Database) -> dict[str, int]:
    """Return the unknown words for the end of a reply, with the number of replies."""
    query = (
        "SELECT finish_reason, count(*) FROM requests WHERE finish_reason IS NOT NULL"
        " GROUP BY finish_reason ORDER BY count(*) DESC, finish_reason"
    )
    return {row[0]: row[1] for row in database.rows(query) if ending_of(row[0]) == "unknown"}


_CHANGED = MappingProxyType({"max_tokens": "lowered in"})


def reply_notes(database: Database) -> tuple[str, ...]:
    """Return notes on a run's replies: parameters that were not sent, unknown finish reasons."""
    notes = [
        f"the server does not take {name}: {_CHANGED.get(name[:10], 'left out of')} "
        f"{counted(count, 'request')}"
        for name, count in read_left_out(database).items()
    ]
    notes += [
        f"{counted(count, 'request')} ended by '{word}', which is not known: taken as finished"
        for word, count in read_unknown_ends(database).items()
    ]
    return tuple(notes)


def answer_of(row: sqlite3.Row, details: Mapping[str, Any]) -> Answer:
    """Return the answer in a row of the table `requests`, with its `details`."""
    where = f"the request {row['key']}" if "key" in row.keys() else "a request"  # noqa: SIM118
    if row["failure"] is not None:
        values = {name: row[column] for name, column in _FAILURE.items()}
        return convert_value({**values, **details}, Failure, where)
    return convert_value(
        {
            "text": row["reply"],
            **{name: row[name] for name in _REPLY},
            "estimated": bool(row["estimated"]),
            **details,
        },
        Reply,
        where,
    )


_FAILURE = {"reason": "failure", "detail": "detail", "status": "status", "attempts": "attempts"}
_REPLY = ("finish_reason", "prompt_tokens", "completion_tokens", "seconds", "attempts")


def _columns(answer: Answer) -> tuple[object, ...]:
    if isinstance(answer, Failure):
        empty = (None, None, 0, 0, 0, 0.0)
        return (*empty, answer.attempts, answer.reason, answer.detail, answer.status)
    return (
        answer.text,
        answer.finish_reason,
        answer.prompt_tokens,
        answer.completion_tokens,
        int(answer.estimated),
        answer.seconds,
        answer.attempts,
        None,
        None,
        0,
    )


START_CHARACTERS = 200
"""How many characters of a reply are read for a list."""

PAGE = 200
"""How many requests are in memory at a time while a recording is written."""

_WHERE = "WHERE (?1 = '' OR purpose = ?1) AND (NOT ?2 OR failure IS NOT NULL)"
_LIST = f"""
SELECT key, purpose, failure, prompt_tokens, completion_tokens, estimated, seconds, attempts,
       substr(coalesce(reply, detail), 1, {START_CHARACTERS}) AS start
FROM requests {_WHERE} ORDER BY rowid LIMIT ?3
"""  # noqa: S608 - constants
_COUNT = f"SELECT count(*) FROM requests {_WHERE}"  # noqa: S608 - constants
_FIND = "SELECT {} FROM {} WHERE substr(key, 1, ?1) = ?2 LIMIT 2"
_PAGE = "SELECT rowid, * FROM {} WHERE rowid > ? ORDER BY rowid LIMIT ?"


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A request in a list. `failure` is the name of a reason, or empty if there is a reply.

    `start` is the beginning of the reply, or the detail of the failure. Tokens are `estimated` if
    the server counted none.
    """

    key: str
    purpose: str
    failure: str
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    seconds: float
    attempts: int
    start: str


def list_requests(
    database: Database, *, purpose: str, failed: bool, limit: int
) -> tuple[tuple[RequestLine, ...], int]:
    """Return the first `limit` requests in the order of answers, and the number of all.

    An empty `purpose` means all purposes; with `failed`, only failed requests are returned.

    Raises:
        InputError: no request has this purpose.
    """
    if purpose:
        _require_purpose(database, purpose)
    rows = database.rows(_LIST, (purpose, failed, min(limit, sys.maxsize)))
    count = database.rows(_COUNT, (purpose, failed))[0][0]
    return tuple(
        convert_value(
            {
                **dict(row),
                "failure": row["failure"] or "",
                "estimated": bool(row["estimated"]),
            },
            RequestLine,
            f"the request {row['key']}",
        )
        for row in rows
    ), count


def find_request(database: Database, start: str) -> dict[str, Any]:
    """Return the request whose key begins with `start`: its row by column name, and its details.

    Raises:
        InputError: no request, or more than one, has such a key.
    """
    query = _FIND.format(COLUMNS, whole_requests(database))
    rows = database.rows(query, (len(start), start))
    if not rows:
        raise InputError(
            f"no request has a key that begins with '{start}'", "`seedstep requests RUN` lists them"
        )
    if len(rows) > 1:
        raise InputError(
            f"more than one request has a key that begins with '{start}'", "give more of the key"
        )
    return {**dict(rows[0]), **read_details(database, rows[0]["key"])}


def write_recording(database: Database, header: Header, path: Path) -> int:
    """Write all requests to a recording, and return their number.

    Raises:
        InputError: the file is there and is no recording, or its directory is not there.
        RunError: the disk is full or the directory can't be written.
    """
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no directory {path.parent}", "make it first")
    if path.exists():
        _require_recording(path)
    return write_in_parts(path, _recorded(database, header)) - 1


def _require_purpose(database: Database, purpose: str) -> None:
    known = [row[0] for row in database.rows("SELECT DISTINCT purpose FROM requests")]
    if purpose not in known:
        remedy = f"known are {', '.join(known)}" if known else "the run has asked nothing yet"
        raise InputError(f"no request is for '{purpose}'", remedy)


def _require_recording(path: Path) -> None:
    """Raise InputError if the file exists and is not a recording, so that it is not overwritten."""
    try:
        read_header(path)
    except InputError:
        raise InputError(
            f"{path} is there already, and no recording", "name another file"
        ) from None


def _recorded(database: Database, header: Header) -> Iterator[bytes]:
    """Yield the lines of a recording."""
    yield msgspec.json.encode(header) + b"\n"
    last, page = 0, _PAGE.format(whole_requests(database))
    while rows := database.rows(page, (last, PAGE)):
        for row in rows:
            answer = answer_of(row, read_details(database, row["key"]))
            failed = isinstance(answer, Failure)
            line = {
                "key": row["key"],
                "purpose": row["purpose"],
                "request": msgspec.Raw(row["request"].encode()),
                "reply": None if failed else as_kept(answer),
                "failure": as_kept(answer) if failed else None,
            }
            yield msgspec.json.encode(line) + b"\n"
        last = rows[-1]["rowid"]
