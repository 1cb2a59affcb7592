"""The request engine's ledger, in the run's database.

Example::

    Engine(endpoint, RequestLedger(database), in_flight=8)
"""

import sqlite3
import time

import msgspec

from seedstep.llm import Answer, Failure, Reply, Request
from seedstep.store.database import Database

__all__ = ["RequestLedger", "answer_of"]

_GET = """
SELECT reply, finish_reason, prompt_tokens, completion_tokens, estimated, seconds, attempts,
       failure, detail, status
FROM requests WHERE key = ?
"""
_PUT = """
INSERT OR IGNORE INTO requests
    (key, purpose, request, reply, finish_reason, prompt_tokens, completion_tokens, estimated,
     seconds, attempts, failure, detail, status, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class RequestLedger:
    """Answers by key; `put` returns once the answer is on the disk."""

    def __init__(self, database: Database) -> None:
        """Keep answers in `database`."""
        self._database = database

    def get(self, key: str) -> Answer | None:
        """The answer kept under a key."""
        rows = self._database.rows(_GET, (key,))
        return answer_of(rows[0]) if rows else None

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        """Keep an answer, durably.

        Raises:
            StoreError: the disk is full, or the database can't be written.
        """
        body = msgspec.json.encode(
            {
                "prompt": request.prompt,
                "sampling": request.sampling,
                "schema": request.schema,
                "draw": request.draw,
            }
        ).decode()
        values = (key, request.purpose, body, *_columns(answer), time.time())
        await self._database.write([(_PUT, values)])


def answer_of(row: sqlite3.Row) -> Answer:
    """The answer in a row of the table `requests`."""
    if row["failure"] is not None:
        return Failure(row["failure"], row["detail"], row["status"], row["attempts"])
    return Reply(
        row["reply"],
        row["finish_reason"],
        row["prompt_tokens"],
        row["completion_tokens"],
        bool(row["estimated"]),
        row["seconds"],
        row["attempts"],
    )


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
