"""The retired generations of a bootstrap, which are stored so that a run can go on from them.

Each is stored in one transaction with a hash of its rows and of the hash before it. A run that
goes on takes generations as they are stored, as far as their rows fit the hashes and the replies
to their requests are in the ledger. From the first that does not fit, all replies are read again:
the ledger decides, and the hashes only save time.

Example::

    stored = RetiredGenerations(database)
    async for generation in bootstrap(settings, seeds, engine, retired=stored.read(print)):
        await stored.record(generation)
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from seedstep.bootstrap import Candidate, Generation, RejectedInstance
from seedstep.bootstrap.axes import Cell
from seedstep.data import Instance
from seedstep.errors import StoreError
from seedstep.novelty import Neighbor
from seedstep.runs.database import Database, Statement

__all__ = ["RetiredGenerations", "candidate_of"]

ITEMS_AT_ONCE = 1000
"""How many generations are in memory while all are read."""

HASH_BYTES = 16

_HEAD = ("item", "request", "demonstrations", "failure", "cell")
_CANDIDATE = (
    "id",
    "item",
    "position",
    "instruction",
    "reason",
    "detail",
    "neighbor",
    "score",
    "is_classification",
    "classification_request",
    "instances_request",
    "meaning",
    "cosine",
)
_INSTANCE = ("task", "position", "input", "output", "reason", "detail")
"""The columns that are stored, and hashed, in their order."""


def _answered(column: str) -> str:
    """Return an expression of SQL: whether a request was answered, if there was any."""
    return f"({column} = '' OR EXISTS (SELECT 1 FROM requests WHERE key = {column}))"  # noqa: S608


_READ_HEADS = f"""
SELECT {", ".join(_HEAD)}, chain, {_answered("generations.request")} AS answered
FROM generations WHERE item >= ?1 AND item < ?2 ORDER BY item
"""  # noqa: S608 - constants
_READ_CANDIDATES = f"""
SELECT {", ".join(_CANDIDATE)},
       {_answered("candidates.classification_request")}
       AND {_answered("candidates.instances_request")} AS answered
FROM candidates WHERE item >= ?1 AND item < ?2 ORDER BY item, position
"""  # noqa: S608 - constants
_READ_INSTANCES = f"""
SELECT {", ".join(f"i.{name}" for name in _INSTANCE)}, c.item
FROM candidates c JOIN instances i ON i.task = c.id
WHERE c.item >= ?1 AND c.item < ?2 ORDER BY c.item, c.position, i.position
"""  # noqa: S608 - constants
_PUT_HEAD = """
INSERT INTO generations (item, request, demonstrations, failure, cell, at, chain)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (item) DO UPDATE SET request = excluded.request,
    demonstrations = excluded.demonstrations, failure = excluded.failure, cell = excluded.cell,
    chain = excluded.chain
"""
_REMOVE = (
    "DELETE FROM instances WHERE task IN (SELECT id FROM candidates WHERE item = ?)",
    "DELETE FROM candidates WHERE item = ?",
)
_PUT_CHAIN = "UPDATE generations SET chain = ? WHERE item = ?"
_PUT_CANDIDATE = """
INSERT OR IGNORE INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PUT_INSTANCE = "INSERT OR IGNORE INTO instances VALUES (?, ?, ?, ?, ?, ?)"

Rows = tuple[tuple[Any, ...], list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""The rows of a generation: its own, those of its candidates, and those of their instances."""


class RetiredGenerations:
    """The generations that a run has retired, in their order."""

    def __init__(self, database: Database) -> None:
        """Read and write in the run's database."""
        self._database = database
        self._chain = blake2b(_version().encode(), digest_size=HASH_BYTES).digest()
        self._next = 0
        self._late: list[tuple[bytes, int]] = []

    @cached_property
    def _last(self) -> int:
        """The last item that an earlier process recorded. It may lack what `tasks` cut off."""
        return int(self._database.rows("SELECT max(item) FROM generations")[0][0] or 0)

    def read(self, say: Callable[[str], None]) -> Iterator[Generation]:
        """Yield the generations before the last one, up to the first that does not fit its hash.

        `say` is called with the reason if there is such a one.
        """
        try:
            for start in range(0, self._last, ITEMS_AT_ONCE):
                for rows, chain, answered in self._stored(start, start + ITEMS_AT_ONCE):
                    if chain is None or rows[0][0] == self._last:
                        return  # an earlier version stored it, or it is the last one
                    if rows[0][0] != self._next or not answered or chain != self._chained(rows):
                        say(_unfit(self._next))
                        return
                    self._advance(rows)
                    yield _generation(rows)
        except StoreError as error:
            say(f"{_unfit(self._next)} ({error.what})")

    def _stored(self, start: int, end: int) -> Iterator[tuple[Rows, bytes | None, bool]]:
        """Yield rows and hash of each item in a range, and whether all its replies are there."""
        heads, candidates, instances = (
            self._database.rows(query, (start, end))
            for query in (_READ_HEADS, _READ_CANDIDATES, _READ_INSTANCES)
        )
        its_candidates = {item: list(found) for item, found in groupby(candidates, itemgetter(1))}
        its_instances = {
            item: [tuple(row)[: len(_INSTANCE)] for row in found]
            for item, found in groupby(instances, itemgetter(len(_INSTANCE)))
        }
        for head in heads:
            found = its_candidates.get(head["item"], [])
            rows = (
                tuple(head)[: len(_HEAD)],
                [tuple(row)[: len(_CANDIDATE)] for row in found],
                its_instances.get(head["item"], []),
            )
            yield rows, head["chain"], all(row["answered"] for row in (head, *found))

    def _chained(self, rows: Rows) -> bytes:
        return blake2b(self._chain + msgspec.json.encode(rows), digest_size=HASH_BYTES).digest()

    def _advance(self, rows: Rows) -> None:
        self._chain, self._next = self._chained(rows), rows[0][0] + 1

    async def record(self, generation: Generation) -> None:
        """Store a retired generation, or compare it with what an earlier process stored.

        Rows that are not those of its hash are replaced. Those of another version stay.
        """
        if generation.index < self._next:
            return  # it was just read
        rows = _rows(generation)
        self._advance(rows)
        if generation.index < self._last:
            self._late.append((self._chain, generation.index))
            await self._repair(rows)
            return
        late, self._late = self._late, []
        again: list[Statement] = [(_PUT_CHAIN, values) for values in late]
        await self._database.write([*again, *_statements(rows, self._chain)])

    async def _repair(self, rows: Rows) -> None:
        item = rows[0][0]
        try:
            stored, chain, _ = next(self._stored(item, item + 1), (None, self._chain, True))
        except StoreError:  # a text that can't be read
            stored, chain = None, self._chain
        if chain == self._chain and stored != rows:
            gone: list[Statement] = [(statement, (item,)) for statement in _REMOVE]
            await self._database.write([*gone, *_statements(rows, self._chain)])


def _statements(rows: Rows, chain: bytes) -> Iterator[Statement]:
    """Yield the statements that store a generation."""
    head, candidates, instances = rows
    yield _PUT_HEAD, (*head, time.time(), chain)
    yield from ((_PUT_CANDIDATE, row) for row in candidates)
    yield from ((_PUT_INSTANCE, row) for row in instances)


def _version() -> str:
    """Return the version of seedstep, as another one may read replies otherwise."""
    try:
        return version("seedstep")
    except PackageNotFoundError:  # it was not installed, but put on the path
        return ""


def _unfit(item: int) -> str:
    return (
        f"the records of item {item} are not as this version of seedstep left them: from there on "
        "all replies are read again"
    )


def _rows(generation: Generation) -> Rows:
    """Return the rows that store a generation."""
    shown = msgspec.json.encode(generation.demonstrations).decode()
    cell = msgspec.json.encode(generation.cell).decode() if generation.cell else ""
    head = (generation.index, generation.request, shown, generation.failure, cell)
    candidates: list[tuple[Any, ...]] = []
    instances: list[tuple[Any, ...]] = []
    for position, candidate in enumerate(generation.candidates):
        neighbor, meaning = candidate.neighbor, candidate.meaning
        candidates.append(
            (
                candidate.id,
                generation.index,
                position,
                candidate.instruction,
                candidate.reason,
                candidate.detail,
                neighbor.id if neighbor else None,
                neighbor.score if neighbor else None,
                int(candidate.is_classification),
                candidate.classification_request,
                candidate.instances_request,
                meaning.id if meaning else None,
                meaning.score if meaning else None,
            )
        )
        notes = candidate.notes or ("",) * len(candidate.instances)
        texts = [
            (good.input, good.output, "", note)
            for good, note in zip(candidate.instances, notes, strict=True)
        ]
        texts += [
            (bad.input, bad.output, bad.reason, bad.detail) for bad in candidate.rejected_instances
        ]
        instances += [(candidate.id, number, *text) for number, text in enumerate(texts)]
    return head, candidates, instances


def _generation(rows: Rows) -> Generation:
    """Return the generation that rows store."""
    (item, request, shown, failure, cell), candidates, instances = rows
    of = {task: list(found) for task, found in groupby(instances, itemgetter(0))}
    made = tuple(candidate_of(row, of.get(row[0], ())) for row in candidates)
    asked = msgspec.json.decode(cell, type=Cell) if cell else ()
    return Generation(item, request, tuple(msgspec.json.decode(shown)), failure, made, asked)


def candidate_of(row: Sequence[Any], instances: Sequence[Sequence[Any]]) -> Candidate:
    """Return a candidate from its row, and the rows of its instances in their order.

    The row of an earlier version that is only read has no neighbour by meaning.
    """
    key, _, _, instruction, reason, detail, neighbor, score, labels, asked, asked_more, *more = row
    meaning, cosine = more or (None, 0.0)
    notes = tuple(note for _, _, _, _, bad, note in instances if not bad)
    return Candidate(
        key,
        instruction,
        reason,
        detail,
        Neighbor(neighbor, score) if neighbor else None,
        bool(labels),
        asked,
        asked_more,
        tuple(
            Instance(text, (output,)) for _, _, text, output, reason, _ in instances if not reason
        ),
        tuple(
            RejectedInstance(text, output, reason, detail)
            for _, _, text, output, reason, detail in instances
            if reason
        ),
        notes=notes if any(notes) else (),
        meaning=Neighbor(meaning, cosine) if meaning else None,
    )
