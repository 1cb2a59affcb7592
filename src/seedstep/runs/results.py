"""What a report tells of a run's past: when answers came, and examples of what was rejected.

Example::

    for one in read_answers(database):
        print(one.at, one.completion_tokens)
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from seedstep.bootstrap import Generation
from seedstep.data import Instance, Task
from seedstep.llm import Spent
from seedstep.runs.database import Database, Statement

__all__ = [
    "RejectedInstruction",
    "RejectedPair",
    "ReplyUsage",
    "RunStatus",
    "TaskDetails",
    "Usage",
    "generation_statements",
    "read_answers",
    "read_details",
    "read_rejected",
    "read_rejected_instructions",
    "read_rejected_pairs",
    "read_spent",
    "read_status",
    "read_tasks",
]


@dataclass(frozen=True, slots=True)
class ReplyUsage:
    """A request's answer: when it came (Unix time), and the tokens that it took."""

    at: float
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class RejectedInstruction:
    """A candidate that was refused. `neighbor` is the text of the nearest known instruction.

    `score` is the ROUGE-L F1 with that, None where the novelty filter was not reached.
    """

    id: str
    reason: str
    detail: str
    instruction: str
    neighbor: str
    score: float | None


@dataclass(frozen=True, slots=True)
class RejectedPair:
    """An instance that was refused, with its task's instruction."""

    task: str
    reason: str
    detail: str
    instruction: str
    input: str
    output: str


def read_answers(database: Database) -> tuple[ReplyUsage, ...]:
    """All answers, in the order of time."""
    query = "SELECT at, prompt_tokens, completion_tokens FROM requests ORDER BY at"
    return tuple(ReplyUsage(*row) for row in database.rows(query))


def read_rejected_instructions(database: Database, each: int) -> tuple[RejectedInstruction, ...]:
    """The first `each` rejected candidates of each reason."""
    rows = database.rows(
        "SELECT c.id, c.reason, c.detail, c.instruction,"
        " coalesce(s.definition, n.instruction, ''), c.score"
        " FROM (SELECT *, row_number() OVER (PARTITION BY reason ORDER BY item, position) AS place"
        " FROM candidates WHERE reason != '') c"
        " LEFT JOIN seeds s ON s.id = c.neighbor LEFT JOIN candidates n ON n.id = c.neighbor"
        " WHERE c.place <= ? ORDER BY c.reason, c.place",
        (each,),
    )
    return tuple(RejectedInstruction(*row) for row in rows)


def read_rejected_pairs(database: Database, each: int) -> tuple[RejectedPair, ...]:
    """The first `each` rejected instances of each reason."""
    rows = database.rows(
        "SELECT i.task, i.reason, i.detail, c.instruction, i.input, i.output"
        " FROM (SELECT *, row_number() OVER (PARTITION BY reason ORDER BY rowid) AS place"
        " FROM instances WHERE reason != '') i"
        " JOIN candidates c ON c.id = i.task WHERE i.place <= ? ORDER BY i.reason, i.place",
        (each,),
    )
    return tuple(RejectedPair(*row) for row in rows)


RECENT_SECONDS = 600.0
"""Speed is that of the last ten minutes in which something was retired."""

SHORTEST_SECONDS = 10.0
"""No speed is told from less than this."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests of one purpose. Tokens are counted by the server, or some of them `estimated`."""

    requests: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    estimated: bool


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands. `rejected` counts instructions and `bad_instances` instances, by reason.

    `per_minute` is finished tasks a minute, None while there are too few to tell.
    """

    wanted: int
    finished: int
    classification: int
    instances: int
    generations: int
    running: bool
    rejected: dict[str, int]
    bad_instances: dict[str, int]
    usage: dict[str, Usage]
    per_minute: float | None


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """A candidate with its provenance.

    `columns`, `instances` and `requests` are rows of the database by column name;
    `demonstrations` are (id, definition), in the order of the prompt.
    """

    columns: dict[str, Any]
    instances: tuple[dict[str, Any], ...]
    demonstrations: tuple[tuple[str, str], ...]
    neighbor: str
    requests: tuple[dict[str, Any], ...]


def generation_statements(generation: Generation) -> Iterator[Statement]:
    """Statements that keep a retired generation. Executed again they change nothing."""
    shown = msgspec.json.encode(generation.demonstrations).decode()
    head = (generation.index, generation.request, shown, generation.failure, time.time())
    yield "INSERT OR IGNORE INTO generations VALUES (?, ?, ?, ?, ?)", head
    for position, one in enumerate(generation.candidates):
        yield (
            "INSERT OR IGNORE INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                one.id,
                generation.index,
                position,
                one.instruction,
                one.reason,
                one.detail,
                one.neighbor.id if one.neighbor else None,
                one.neighbor.score if one.neighbor else None,
                int(one.is_classification),
                one.classification_request,
                one.instances_request,
            ),
        )
        texts = [(good.input, good.output, "", "") for good in one.instances]
        texts += [(bad.input, bad.output, bad.reason, bad.detail) for bad in one.rejected_instances]
        for number, text in enumerate(texts):
            row = (one.id, number, *text)
            yield "INSERT OR IGNORE INTO instances VALUES (?, ?, ?, ?, ?, ?)", row


def read_tasks(database: Database) -> tuple[Task, ...]:
    """The finished tasks, in the order in which they were retired."""
    instances: dict[str, list[Instance]] = {}
    query = "SELECT task, input, output FROM instances WHERE reason = '' ORDER BY position"
    for row in database.rows(query):
        good = instances.setdefault(row["task"], [])
        good.append(Instance(row["input"], (row["output"],)))
    finished = database.rows(
        "SELECT id, instruction, is_classification FROM candidates"
        " WHERE reason = '' ORDER BY item, position"
    )
    return tuple(
        Task(key, text, tuple(instances[key]), bool(labels)) for key, text, labels in finished
    )


def read_rejected(database: Database) -> tuple[tuple[str, str, str], ...]:
    """(id, reason, instruction) of the rejected candidates, in the order they were retired."""
    query = (
        "SELECT id, reason, instruction FROM candidates WHERE reason != '' ORDER BY item, position"
    )
    return tuple((row[0], row[1], row[2]) for row in database.rows(query))


def read_spent(database: Database) -> Spent:
    """Requests with their repetitions, and tokens, of all answers that were kept."""
    sums = "sum(attempts), sum(prompt_tokens), sum(completion_tokens)"
    (row,) = database.rows(f"SELECT {sums} FROM requests")  # noqa: S608 - a constant
    return Spent(*(value or 0 for value in row))


def read_status(database: Database, *, wanted: int, running: bool) -> RunStatus:
    """Counts, tokens and speed."""
    rejected = _counts(database, "SELECT reason, count(*) FROM candidates GROUP BY reason")
    instances = _counts(database, "SELECT reason, count(*) FROM instances GROUP BY reason")
    usage = database.rows(
        "SELECT purpose, count(*), count(failure), sum(prompt_tokens), sum(completion_tokens),"
        " max(estimated) FROM requests GROUP BY purpose ORDER BY min(at)"
    )
    labels = "SELECT count(*) FROM candidates WHERE reason = '' AND is_classification"
    return RunStatus(
        wanted=wanted,
        finished=rejected.pop("", 0),
        classification=_number(database, labels),
        instances=instances.pop("", 0),
        generations=_number(database, "SELECT count(*) FROM generations"),
        running=running,
        rejected=rejected,
        bad_instances=instances,
        usage={row[0]: Usage(row[1], row[2], row[3], row[4], bool(row[5])) for row in usage},
        per_minute=_per_minute(database),
    )


def read_details(database: Database, task_id: str) -> TaskDetails | None:
    """A finished task or rejected candidate with all that led to it; None if there is none."""
    rows = database.rows("SELECT * FROM candidates WHERE id = ?", (task_id,))
    if not rows:
        return None
    columns = dict(rows[0])
    (generation,) = database.rows("SELECT * FROM generations WHERE item = ?", (columns["item"],))
    instances = database.rows(
        "SELECT * FROM instances WHERE task = ? ORDER BY reason, position", (task_id,)
    )
    keys = (
        generation["request"],
        columns["classification_request"],
        columns["instances_request"],
    )
    requests = [database.rows("SELECT * FROM requests WHERE key = ?", (key,)) for key in keys]
    shown = msgspec.json.decode(generation["demonstrations"], type=list[str])
    return TaskDetails(
        columns=columns,
        instances=tuple(map(dict, instances)),
        demonstrations=tuple((one, _definition(database, one)) for one in shown),
        neighbor=_definition(database, columns["neighbor"]),
        requests=tuple(dict(found[0]) for found in requests if found),
    )


def _definition(database: Database, task_id: str | None) -> str:
    rows = database.rows(
        "SELECT definition FROM seeds WHERE id = ?1"
        " UNION ALL SELECT instruction FROM candidates WHERE id = ?1",
        (task_id,),
    )
    return str(rows[0][0]) if rows else ""


def _counts(database: Database, query: str) -> dict[str, int]:
    return {row[0]: row[1] for row in database.rows(query)}


def _number(database: Database, query: str) -> int:
    return int(database.rows(query)[0][0] or 0)


def _per_minute(database: Database) -> float | None:
    items, tasks, seconds = database.rows(
        "SELECT count(DISTINCT g.item), count(c.id), max(g.at) - min(g.at)"
        " FROM generations g LEFT JOIN candidates c ON c.item = g.item AND c.reason = ''"
        " WHERE g.at > (SELECT max(at) FROM generations) - ?",
        (RECENT_SECONDS,),
    )[0]
    return 60 * tasks / seconds if items > 1 and seconds >= SHORTEST_SECONDS else None
