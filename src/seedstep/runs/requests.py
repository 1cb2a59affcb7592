"""What a run has asked: its requests, notes on the replies, and the tokens and time they took.

Example::

    for found in list_requests(database, purpose="", failed=True, limit=50)[0]:
        print(found.key, found.failure)

Example::

    >>> elapsed([100.0, 160.0, 5100.0], starts=[90.0, 5000.0])
    (10.0, 70.0, 170.0)
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from seedstep.errors import InputError
from seedstep.llm import Spent, TokenUsage
from seedstep.llm.ledgers import RecordedRequest
from seedstep.llm.records import ending_of
from seedstep.runs.blocks import Line, Rule, Words, line
from seedstep.runs.database import Database, convert_value, decode_value
from seedstep.runs.ledger import COLUMNS, read_details, whole_requests
from seedstep.text import counted

__all__ = [
    "NOTE_SENT",
    "PAUSE_SECONDS",
    "ReplyUsage",
    "RequestLine",
    "elapsed",
    "find_request",
    "list_requests",
    "read_answers",
    "read_left_out",
    "read_spent",
    "read_spent_by_model",
    "read_starts",
    "read_unknown_finish_reasons",
    "reply_notes",
    "request_blocks",
    "request_in",
    "work_seconds",
]

START_CHARACTERS = 200
"""How many characters of a reply are read for a list."""

_WHERE = "WHERE (?1 = '' OR purpose = ?1) AND (NOT ?2 OR failure IS NOT NULL)"
_LIST = f"""
SELECT key, purpose, failure, prompt_tokens, completion_tokens, estimated, seconds, attempts,
       substr(coalesce(reply, detail), 1, {START_CHARACTERS}) AS start
FROM requests {_WHERE} ORDER BY rowid LIMIT ?3
"""  # noqa: S608 - constants
_COUNT = f"SELECT count(*) FROM requests {_WHERE}"  # noqa: S608 - constants
_FIND = "SELECT {} FROM {} WHERE substr(key, 1, ?1) = ?2 LIMIT 2"


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


def _require_purpose(database: Database, purpose: str) -> None:
    known = [row[0] for row in database.rows("SELECT DISTINCT purpose FROM requests")]
    if purpose not in known:
        remedy = f"known are {', '.join(known)}" if known else "the run has asked nothing yet"
        raise InputError(f"no request is for '{purpose}'", remedy)


def request_in(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request in a row of the database, as it was stored.

    Raises:
        StoreError: it is damaged.
    """
    where = f"the request {row['key']}"
    decode_value(row["request"], RecordedRequest, where)
    return decode_value(row["request"], dict[str, Any], where)


def request_blocks(row: dict[str, Any], *, whole: bool = False) -> Iterator[Line | Rule]:
    """Yield blocks that show the prompt and the reply of a request, a row of the database.

    With `whole`, the parameters of the request are shown, too.
    """
    yield Rule(f"request for {row['purpose']}")
    request = request_in(row)
    prompt = request["prompt"]
    yield line(prompt if isinstance(prompt, str) else "\n".join(map(_turn, prompt)), "dim")
    figures = f"attempts: {row['attempts']}, key {row['key']}"
    if row["reply"] is None:
        status = f"status {row['status']}, " if row["status"] else ""
        yield Line((Words(f"failed: {row['failure']}: ", "error"), Words(row["detail"])))
        yield line(status + figures, "dim")
    else:
        yield Rule("reply", light=True)
        yield line(row["reply"])
        head = f"{_tokens(row)} tokens, {row['seconds']:.1f} s, ended by: {row['finish_reason']}, "
        yield line(head + figures, "dim")
    if thoughts := row.get("thoughts"):
        yield Rule("thoughts", light=True)
        yield line(thoughts, "dim")
    if left_out := row.get("left_out"):
        yield line(f"not sent, as the server does not take it: {', '.join(left_out)}", "warning")
    lost = [row.get(f"lost_{side}_tokens", 0) for side in ("prompt", "completion")]
    if any(lost):
        yield line(f"paid for replies that can't be used: {lost[0]} + {lost[1]} tokens", "dim")
    for name in ("sampling", "schema", "draw", "reasoning") if whole else ():
        if request.get(name) is not None:
            yield line(f"{name}: {msgspec.json.encode(request[name]).decode()}", "dim")


def _turn(message: dict[str, Any]) -> str:
    speaker = "" if message["role"] == "user" else f"{message['role']}: "
    return speaker + str(message["content"])


def _tokens(row: dict[str, Any]) -> str:
    mark = " estimated" if row["estimated"] else ""
    return f"{row['prompt_tokens']} + {row['completion_tokens']}{mark}"


def read_left_out(database: Database) -> dict[str, int]:
    """Return the parameters that a server did not accept, with the number of requests."""
    if not database.has_rows("reply_details"):
        return {}
    query = (
        "SELECT value, count(*) FROM reply_details, json_each(record, '$.left_out')"
        " GROUP BY value ORDER BY count(*) DESC, value"
    )
    return {row[0]: row[1] for row in database.rows(query)}


def read_unknown_finish_reasons(database: Database) -> dict[str, int]:
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
        for word, count in read_unknown_finish_reasons(database).items()
    ]
    return tuple(notes)


_SPENT = """
SELECT purpose, sum(attempts), sum(prompt_tokens), sum(completion_tokens)
FROM requests GROUP BY purpose
"""
_LOST = """
SELECT purpose, total(lost_prompt), total(lost_completion),
       total(by_batch * (prompt_tokens + lost_prompt)),
       total(by_batch * (completion_tokens + lost_completion))
FROM (
    SELECT purpose, prompt_tokens, completion_tokens,
           coalesce(json_extract(record, '$.lost_prompt_tokens'), 0) AS lost_prompt,
           coalesce(json_extract(record, '$.lost_completion_tokens'), 0) AS lost_completion,
           coalesce(json_extract(record, '$.by_batch'), 0) AS by_batch
    FROM reply_details JOIN requests USING (key)
) GROUP BY purpose
"""
_LOST_BY_BATCH = """
SELECT purpose, total(lost_prompt), total(lost_completion) FROM batched_requests GROUP BY purpose
"""


@dataclass(frozen=True, slots=True)
class ReplyUsage:
    """An answered request: the time (Unix time), its tokens, and its purpose."""

    at: float
    prompt_tokens: int
    completion_tokens: int
    purpose: str = ""


def read_answers(database: Database) -> tuple[ReplyUsage, ...]:
    """Return all answered requests, in the order of time."""
    query = "SELECT at, prompt_tokens, completion_tokens, purpose FROM requests ORDER BY at"
    return tuple(ReplyUsage(*row) for row in database.rows(query))


NOTE_SENT = """
INSERT INTO sent VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET requests = excluded.requests
"""
"""Stores how many requests may have been sent."""


def read_spent(database: Database) -> Spent:
    """Return the numbers of requests, with repetitions, and of tokens, of all processes so far.

    Tokens are those of stored answers. Requests are all that may have been sent, answered or not.
    What is counted from now on is noted in the database, if it is open for writing.
    """

    has_room = False

    async def note(requests: int) -> None:
        nonlocal has_room
        if not has_room:  # or answers would be paid for that can't be stored, at each start anew
            await database.require_room()
            has_room = True
        await database.write([(NOTE_SENT, (requests,))])

    spent = Spent(note=note)
    for purpose, attempts, prompt, completion in database.rows(_SPENT):
        spent.requests += attempts
        spent.add(purpose, prompt, completion)
    if database.has_rows("reply_details"):
        for purpose, *counts in database.rows(_LOST):
            spent.tokens[purpose] += TokenUsage(*map(int, counts))
    if database.has_rows("batched_requests"):
        for purpose, *counts in database.rows(_LOST_BY_BATCH):
            spent.add(purpose, *map(int, counts), by_batch=True)
    if database.has_rows("sent"):
        spent.noted = database.rows("SELECT requests FROM sent")[0][0]
        spent.requests = max(spent.requests, spent.noted)
    return spent


_SPENT_BY_MODEL = """
SELECT model, sum(prompt_tokens) + total(json_extract(record, '$.lost_prompt_tokens')),
       sum(completion_tokens) + total(json_extract(record, '$.lost_completion_tokens')),
       total(prompt_tokens * coalesce(json_extract(record, '$.by_batch'), 0)),
       total(completion_tokens * coalesce(json_extract(record, '$.by_batch'), 0))
FROM request_models JOIN requests USING (key) LEFT JOIN reply_details USING (key) GROUP BY model
"""


def read_spent_by_model(database: Database) -> dict[str, TokenUsage]:
    """Return the tokens of stored answers by the model that was asked, where that was stored."""
    if not database.has_rows("request_models"):
        return {}
    rows = database.rows(_SPENT_BY_MODEL)
    return {model: TokenUsage(*map(int, counts)) for model, *counts in rows}


PAUSE_SECONDS = 900.0
"""The longest gap between two events that counts as work, as no reply may take longer."""

_EVENTS = "SELECT at FROM requests UNION ALL SELECT at FROM generations ORDER BY at"


def elapsed(times: Sequence[float], starts: Sequence[float] = ()) -> tuple[float, ...]:
    """Return the seconds of work up to each of some times, which are in order.

    A process works from one of the `starts`, which are in order, too, to the last time before the
    next start. Gaps longer than `PAUSE_SECONDS` are not counted, nor is the work of a killed
    process after the last time that it recorded.
    """
    total, before = 0.0, None
    later = list(starts)
    seconds = []
    for time in times:
        while later and later[0] <= time:
            before = later.pop(0)
        gap = 0.0 if before is None else time - before
        total += gap if 0 < gap <= PAUSE_SECONDS else 0.0
        before = time
        seconds.append(total)
    return tuple(seconds)


def read_starts(database: Database) -> tuple[float, ...]:
    """Return when work on a run was begun or gone on with (Unix time), in order.

    A run of 0.1.0 kept none: there, work begins when the first answer was asked for.
    """
    rows = database.rows("SELECT at FROM starts ORDER BY at") if database.has_rows("starts") else []
    known = [row[0] for row in rows]
    first = database.rows("SELECT min(at - seconds) FROM requests")[0][0]
    if first is not None and (not known or first < known[0]):
        known.insert(0, first)
    return tuple(known)


def work_seconds(database: Database, now: float | None = None) -> float:
    """Return the seconds of work on a bootstrap; up to `now` where a process works on it."""
    times = [row[0] for row in database.rows(_EVENTS)]
    starts = read_starts(database)
    if now is not None:
        times.append(max([now, *times[-1:]]))
    return elapsed(times, starts)[-1] if times else 0.0
