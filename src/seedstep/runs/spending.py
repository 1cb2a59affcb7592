"""What a run has used so far: requests, tokens, and the time in which processes worked on it.

Example::

    >>> elapsed([100.0, 160.0, 5100.0], starts=[90.0, 5000.0])
    (10.0, 70.0, 170.0)
"""

from collections.abc import Sequence
from dataclasses import dataclass

from seedstep.llm import Spent, Tokens
from seedstep.runs.database import Database

__all__ = [
    "NOTE_SENT",
    "PAUSE_SECONDS",
    "ReplyUsage",
    "elapsed",
    "read_answers",
    "read_spent",
    "read_spent_by_model",
    "read_starts",
    "work_seconds",
]

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
            spent.tokens[purpose] += Tokens(*map(int, counts))
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


def read_spent_by_model(database: Database) -> dict[str, Tokens]:
    """Return the tokens of stored answers by the model that was asked, where that was stored."""
    if not database.has_rows("request_models"):
        return {}
    rows = database.rows(_SPENT_BY_MODEL)
    return {model: Tokens(*map(int, counts)) for model, *counts in rows}


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
