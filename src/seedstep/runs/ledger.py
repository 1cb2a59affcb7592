"""The ledger of a run: answers by key, and the texts of requests without what they share.

A frame is a beginning and an end that texts of one purpose have in common. It is found by comparing
a text with the one before it, and stored once; a request keeps what stands between.
`whole_requests` puts texts together again, in SQL alone.

Example::

    Engine(endpoint, RequestLedger(database), in_flight=8)

Example::

    >>> _shared("Is it? Task: sing. Answer:", "Is it? Task: dance. Answer:")
    Frame(head='Is it? Task: ', tail='. Answer:')
"""

import sqlite3
import time
from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data import write_in_parts
from seedstep.errors import InputError
from seedstep.llm import Answer, Failure, RecordingHeader, Reply, Request, read_header
from seedstep.llm.ledgers import as_kept, kept_since
from seedstep.runs.database import Database, Statement, convert_value, decode_value

__all__ = [
    "COLUMNS",
    "Frame",
    "Frames",
    "RequestLedger",
    "answer_of",
    "read_details",
    "request_text",
    "searched_requests",
    "whole_requests",
    "write_recording",
]

LONGEST_REST = 200
"""The most characters of a text that its frame may leave before a better frame is sought."""

LEAST_SAVED = 100
"""How many characters a new frame saves at least, for each text, over those that are known."""

MOST_FRAMES = 500

COLUMNS = (
    "key, purpose, request, reply, finish_reason, prompt_tokens, completion_tokens, estimated,"
    " failure, detail, status, attempts, seconds, at"
)
"""The columns of a request, with its whole text."""

_TEXT = "coalesce(head, '') || request || coalesce(tail, '') AS request"
_WHOLE = f"""
(SELECT r.rowid AS rowid, {COLUMNS.replace("request", _TEXT, 1)}
FROM requests r LEFT JOIN frames ON frames.id = r.frame)
"""  # noqa: S608 - constants


_PUT_FRAME = "INSERT OR IGNORE INTO frames VALUES (?, ?, ?)"


def request_text(request: Request) -> str:
    """Return a request without its purpose, as JSON."""
    asked: dict[str, Any] = {
        "prompt": request.prompt,
        "sampling": request.sampling,
        "schema": request.schema,
        "draw": request.draw,
    }
    if request.reasoning:
        asked["reasoning"] = request.reasoning
    if request.scored_from is not None:
        asked["scored_from"] = request.scored_from
    return msgspec.json.encode(asked).decode()


def whole_requests(database: Database) -> str:
    """Return what stands for the table `requests` in a query, with the whole text of each."""
    return _WHOLE if database.has_rows("frames") else "requests"


_HAS_TEXT = """
(frame IN (
    SELECT id FROM frames WHERE instr(lower(head), lower({0})) OR instr(lower(tail), lower({0})))
OR instr(lower(substr(coalesce(head, ''), -length({0})) || request
   || substr(coalesce(tail, ''), 1, length({0}))), lower({0})))
"""


def searched_requests(database: Database, text: str) -> tuple[str, str]:
    """Return what stands for the table `requests`, and a condition: that its text has `text`.

    `text` is SQL. The condition looks at each frame once, not at the whole text of each
    request.
    """
    if not database.has_rows("frames"):
        return "requests", f"instr(lower(request), lower({text}))"
    return "requests LEFT JOIN frames ON frames.id = requests.frame", _HAS_TEXT.format(text)


@dataclass(frozen=True)
class Frame:
    """What texts begin and end with."""

    head: str
    tail: str

    @cached_property
    def id(self) -> int:
        """A number that follows from the texts, so that two processes give it the same."""
        found = sha256(f"{len(self.head)} {self.head}{self.tail}".encode()).digest()
        return int.from_bytes(found[:8]) >> 1  # as SQLite has signed numbers

    def __len__(self) -> int:
        return len(self.head) + len(self.tail)

    def fits(self, text: str) -> bool:
        """Return whether a text begins and ends so."""
        long = len(text) >= len(self)
        return long and text.startswith(self.head) and text.endswith(self.tail)

    def cut_from(self, text: str) -> str:
        """Return what stands between in a text that fits."""
        return text[len(self.head) : len(text) - len(self.tail)]


class Frames:
    """The frames of a run's requests."""

    def __init__(self, database: Database) -> None:
        """Use the frames that the database has, and add new ones."""
        self._database = database
        self._last: dict[str, str] = {}
        self._new: set[Frame] = set()

    @cached_property
    def _known(self) -> list[Frame]:
        """The frames, the longest first."""
        rows = self._database.rows("SELECT head, tail FROM frames")
        return sorted((Frame(*row) for row in rows), key=len, reverse=True)

    def shorten(self, purpose: str, text: str) -> tuple[str, int | None, list[Statement]]:
        """Return what is to be stored of a text, and the number of its frame, if it has one.

        The statements store the frame, where it is not known to be on the disk.
        """
        frame = self._find(purpose, text)
        if not frame:
            return text, None, []
        values = (frame.id, frame.head, frame.tail)
        stores: list[Statement] = [(_PUT_FRAME, values)] if frame in self._new else []
        return frame.cut_from(text), frame.id, stores

    def _find(self, purpose: str, text: str) -> Frame:
        """Return the frame that saves most, which may be a new one, or is empty."""
        last, self._last[purpose] = self._last.get(purpose, ""), text
        best = next((frame for frame in self._known if frame.fits(text)), NO_FRAME)
        if len(text) - len(best) > LONGEST_REST and len(self._known) < MOST_FRAMES:
            found = _shared(last, text)
            if len(found) >= len(best) + LEAST_SAVED:
                insort(self._known, found, key=lambda frame: -len(frame))
                self._new.add(found)
                return found
        return best

    def are_stored(self, statements: Sequence[Statement]) -> None:
        """Note that statements were committed: frames that they store need no more to be."""
        for statement, values in statements:
            if statement == _PUT_FRAME:
                self._new.discard(Frame(*values[1:]))


NO_FRAME = Frame("", "")
"""The frame of texts that share nothing."""


def _shared(first: str, second: str) -> Frame:
    """Return what two texts begin and end with."""
    shorter = min(len(first), len(second))
    head = _longest(shorter, lambda size: first[:size] == second[:size])
    tail = _longest(
        shorter - head, lambda size: first[len(first) - size :] == second[len(second) - size :]
    )
    return Frame(first[:head], first[len(first) - tail :])


def _longest(most: int, agree: Callable[[int], bool]) -> int:
    """Return the largest size up to `most` at which texts agree, as they do at smaller ones."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if agree(middle) else (least, middle - 1)
    return least


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


PAGE = 200
"""How many requests are in memory at a time while a recording is written."""

_PAGE = "SELECT rowid, * FROM {} WHERE rowid > ? ORDER BY rowid LIMIT ?"


def write_recording(database: Database, header: RecordingHeader, path: Path) -> int:
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


def _require_recording(path: Path) -> None:
    """Raise InputError if the file exists and is not a recording, so that it is not overwritten."""
    try:
        read_header(path)
    except InputError:
        raise InputError(
            f"{path} is there already, and no recording", "name another file"
        ) from None


def _recorded(database: Database, header: RecordingHeader) -> Iterator[bytes]:
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
