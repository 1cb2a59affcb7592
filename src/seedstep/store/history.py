"""What a report tells of a run's past: when answers came, and examples of what was rejected.

Example::

    for one in read_answers(database):
        print(one.at, one.completion_tokens)
"""

from dataclasses import dataclass

from seedstep.store.database import Database

__all__ = [
    "Answered",
    "RejectedInstruction",
    "RejectedPair",
    "read_answers",
    "read_rejected_instructions",
    "read_rejected_pairs",
]


@dataclass(frozen=True, slots=True)
class Answered:
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


def read_answers(database: Database) -> tuple[Answered, ...]:
    """All answers, in the order of time."""
    query = "SELECT at, prompt_tokens, completion_tokens FROM requests ORDER BY at"
    return tuple(Answered(*row) for row in database.rows(query))


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
