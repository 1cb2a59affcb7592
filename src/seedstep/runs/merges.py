"""The records of a merged run: what it keeps of each of its runs, and their rows as its own.

The entry `merged` of a merged run's configuration is a `Merge`.

Example::

    >>> merge_of({"stage": "bootstrap"}) is None
    True
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from seedstep.bootstrap.records import Fault
from seedstep.errors import StoreError
from seedstep.llm import Spent
from seedstep.llm.budget import TokenUsage
from seedstep.novelty import NamedText, Neighbor
from seedstep.runs.database import Database, decode_value
from seedstep.runs.schema import CANDIDATE_COLUMNS, INSTANCE_COLUMNS

__all__ = [
    "MERGED",
    "Merge",
    "MergedShard",
    "Rejection",
    "Renaming",
    "copy_generations",
    "finished_inputs",
    "finished_instructions",
    "merge_of",
]

MERGED = "merged"
"""The entry of the configuration of a merged run."""

_HEAD = ("item", "request", "demonstrations", "failure", "cell", "at")
_LATER = {"cell": "''", "meaning": "NULL", "cosine": "NULL"}
"""What stands for columns that runs of earlier versions do not have, where they are only read."""


def _shown(database: Database, table: str, columns: Sequence[str]) -> str:
    """Return the columns of a table to select."""
    found = {row[0] for row in database.rows("SELECT name FROM pragma_table_info(?)", (table,))}
    return ", ".join(name if name in found else f"{_LATER[name]} AS {name}" for name in columns)


def _put(table: str, columns: Sequence[str]) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - our names


ITEMS = 500
"""How many generations are copied at a time."""


@dataclass(frozen=True, slots=True)
class MergedShard:
    """A run that was merged.

    `prefix` begins the ids of its tasks. `finished` counts its tasks, and `kept` those of them that
    are in the merged run. `complete` is False if it was merged before its end. `tokens` are those
    of prompts and replies, by purpose, and `by_batch` those of them that cost half the price.
    """

    run: str
    prefix: str
    shard: str | None
    round: int
    seed: int
    model: str
    finished: int
    kept: int
    complete: bool
    requests: int
    tokens: dict[str, tuple[int, int]] = field(default_factory=dict)
    by_batch: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merge:
    """What a merged run was made of: shards in their order, and the numbers of missing ones.

    `differences` are the settings in which the shards differ besides their numbers.
    """

    shards: tuple[MergedShard, ...]
    missing: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()

    @property
    def last_round(self) -> int:
        """The last round of which there are shards."""
        return max(shard.round for shard in self.shards)

    def add_to(self, spent: Spent) -> None:
        """Add what the shards have spent."""
        for shard in self.shards:
            spent.requests += shard.requests
            for purpose, counts in shard.tokens.items():
                found = TokenUsage(*counts, *shard.by_batch.get(purpose, (0, 0)))
                spent.tokens[purpose] = spent.tokens.get(purpose, TokenUsage()) + found


def merge_of(config: Mapping[str, Any]) -> Merge | None:
    """Return what a run was merged from, by its configuration; None if it was not.

    Raises:
        StoreError: the entry is damaged.
    """
    if MERGED not in config:
        return None
    try:
        return msgspec.convert(config[MERGED], Merge)
    except msgspec.ValidationError as error:
        raise StoreError(f"run.yaml, '{MERGED}': {error}", "merge the shards again") from None


@dataclass(frozen=True, slots=True)
class Renaming:
    """The names that ids in a run get: `ids` have `prefix` before them.

    Other ids are those of the runs it was grown from, which have the names of `pool`.
    """

    prefix: str = ""
    ids: Collection[str] = frozenset()
    pool: tuple["Renaming", ...] = ()

    def of(self, name: str) -> str:
        """Return the name of an id."""
        if name in self.ids:
            return f"{self.prefix}{name}"
        return next((new for each in self.pool if (new := each.of(name)) != name), name)

    @property
    def changes(self) -> bool:
        """Whether any id gets another name."""
        return bool(self.ids) or any(each.changes for each in self.pool)


Rejection = tuple[Fault, Neighbor | None]
"""Why a finished task is not kept, and the task that decided, by ROUGE-L or by the cosine."""


def finished_instructions(database: Database) -> Iterator[NamedText]:
    """Yield the ids and the instructions of the finished tasks, in their order."""
    query = "SELECT id, instruction FROM candidates WHERE reason = '' ORDER BY item, position"
    yield from map(tuple, database.rows(query))


def finished_inputs(database: Database) -> Iterator[tuple[str, int, str]]:
    """Yield the task, the position and the input of each instance of the finished tasks."""
    query = (
        "SELECT i.task, i.position, i.input FROM candidates c JOIN instances i ON i.task = c.id"
        " WHERE c.reason = '' AND i.reason = '' ORDER BY c.item, c.position, i.position"
    )
    yield from map(tuple, database.rows(query))


def copy_generations(
    source: Database,
    target: Database,
    first: int,
    names: Renaming,
    rejected: Mapping[str, Rejection],
    bad: Mapping[tuple[str, int], Fault],
) -> int:
    """Copy the generations of a run with their candidates and instances; return the next number.

    They are numbered from `first`. `rejected` are the finished tasks that are not kept, by their
    new ids, and `bad` the instances, by task and position.
    """
    last = int(source.rows("SELECT coalesce(max(item), -1) FROM generations")[0][0])
    faults = {name: fault for name, (fault, _) in rejected.items()}
    within = "WHERE item BETWEEN ? AND ? ORDER BY item"
    instance = ", ".join(f"i.{name}" for name in INSTANCE_COLUMNS)
    queries = (  # of names of ours
        f"SELECT {_shown(source, 'generations', _HEAD)} FROM generations {within}",  # noqa: S608
        f"SELECT {_shown(source, 'candidates', CANDIDATE_COLUMNS)} FROM candidates"  # noqa: S608
        f" {within}, position",
        f"SELECT {instance} FROM candidates c JOIN instances i ON i.task = c.id"  # noqa: S608
        f" {within}, c.position, i.reason, i.position",
    )
    for start in range(0, last + 1, ITEMS):
        span = (start, start + ITEMS - 1)
        generations, candidates, instances = (source.rows(query, span) for query in queries)
        target.write_now(
            _put("generations", _HEAD),
            [(first + row[0], row[1], _renamed(row[2], names), *row[3:]) for row in generations],
        )
        changed = [_candidate(row, first, names, rejected) for row in candidates]
        target.write_now(_put("candidates", CANDIDATE_COLUMNS), changed)
        target.write_now(
            _put("instances", INSTANCE_COLUMNS),
            [_instance(row, names, faults, bad) for row in instances],
        )
    return first + last + 1


def _renamed(demonstrations: str, names: Renaming) -> str:
    if not names.changes:
        return demonstrations
    shown = decode_value(demonstrations, list[str], "demonstrations")
    return msgspec.json.encode(list(map(names.of, shown))).decode()


def _candidate(
    row: Sequence[Any], first: int, names: Renaming, rejected: Mapping[str, Rejection]
) -> tuple[object, ...]:
    name, item, position, instruction, reason, detail, neighbor, score, *others = row
    *others, meaning, cosine = others
    name, neighbor = names.of(name), names.of(neighbor) if neighbor else None
    others += [names.of(meaning) if meaning else None, cosine]
    if not reason and name in rejected:
        (reason, detail), near = rejected[name]
        if near and reason == "same_meaning":
            others[-2:] = near.id, near.score
        elif near:
            neighbor, score = near.id, near.score
    return name, first + item, position, instruction, reason, detail, neighbor, score, *others


def _instance(
    row: Sequence[Any],
    names: Renaming,
    faults: Mapping[str, Fault],
    bad: Mapping[tuple[str, int], Fault],
) -> tuple[object, ...]:
    task, position, text, output, reason, detail = row
    task = names.of(task)
    fault = bad.get((task, position)) or faults.get(task)
    if fault and not reason:
        reason, detail = fault
    return task, position, text, output, reason, detail
