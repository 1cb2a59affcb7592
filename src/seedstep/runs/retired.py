"""The retired generations of a bootstrap, which are stored so that a run can go on from them.

Each is stored in one transaction with a hash of its rows and of the hash before it. A run that
goes on takes generations as they are stored, as far as their rows fit the hashes and the replies
to their requests are in the ledger, even if another version of seedstep stored them and this one
would read the replies otherwise. From the first that does not fit, all replies are read again: what
the ledger has replaces what is stored.

Example::

    stored = RetiredGenerations(database)
    async for generation in bootstrap(settings, seeds, engine, retired=stored.read(print)):
        await stored.record(generation)
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from seedstep.bootstrap import Candidate, Generation, RejectedInstance
from seedstep.bootstrap.axes import Cell
from seedstep.data import Instance, Task
from seedstep.data.records import with_instance_ids
from seedstep.errors import StoreError
from seedstep.novelty import Neighbor
from seedstep.runs.database import Database, Statement, decode_value
from seedstep.runs.schema import CANDIDATE_COLUMNS, INSTANCE_COLUMNS

__all__ = ["RetiredGenerations", "candidate_of"]

ITEMS_AT_ONCE = 1000
"""How many generations are in memory while all are read."""

HASH_BYTES = 16

_HEAD = ("item", "request", "demonstrations", "failure", "cell")
"""The columns that are stored, and hashed, in their order."""


def _answered(column: str) -> str:
    """Return an expression of SQL: whether a request was answered, if there was any."""
    return f"({column} = '' OR EXISTS (SELECT 1 FROM requests WHERE key = {column}))"  # noqa: S608


_READ_HEADS = f"""
SELECT {", ".join(_HEAD)}, chain, {_answered("generations.request")} AS answered
FROM generations WHERE item >= ?1 AND item < ?2 ORDER BY item
"""  # noqa: S608 - constants
_READ_CANDIDATES = f"""
SELECT {", ".join(CANDIDATE_COLUMNS)},
       {_answered("candidates.classification_request")}
       AND {_answered("candidates.instances_request")} AS answered
FROM candidates WHERE item >= ?1 AND item < ?2 ORDER BY item, position
"""  # noqa: S608 - constants
_READ_INSTANCES = f"""
SELECT {", ".join(f"i.{name}" for name in INSTANCE_COLUMNS)}, c.item
FROM candidates c JOIN instances i ON i.task = c.id
WHERE c.item >= ?1 AND c.item < ?2 ORDER BY c.item, c.position, i.position
"""  # noqa: S608 - constants
_PUT_HEAD = """
INSERT INTO generations (item, request, demonstrations, failure, cell, at)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (item) DO UPDATE SET request = excluded.request,
    demonstrations = excluded.demonstrations, failure = excluded.failure, cell = excluded.cell
"""
_PUT_CANDIDATE = "INSERT OR REPLACE INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_INSTANCE = "INSERT OR REPLACE INTO instances VALUES (?, ?, ?, ?, ?, ?)"
_PUT_CHAIN = "UPDATE generations SET chain = ? WHERE item = ?"

GenerationRows = tuple[tuple[Any, ...], list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""The rows of a generation: its own, those of its candidates, and those of their instances."""


class RetiredGenerations:
    """The generations that a run has retired, in their order."""

    def __init__(self, database: Database) -> None:
        """Read and write in the run's database."""
        self._database = database
        self._chain = b""
        self._next = 0
        self._late: list[tuple[bytes, int]] = []

    @cached_property
    def _last(self) -> int:
        """The number of the last generation that is stored, or -1."""
        return int(self._database.rows("SELECT coalesce(max(item), -1) FROM generations")[0][0])

    @cached_property
    def _has_hashes(self) -> bool:
        """Whether there are hashes. Version 0.1.0 stored none, and its rows are taken as they are.

        To read its replies again might make other tasks of them.
        """
        return bool(self._database.rows("SELECT count(chain) FROM generations")[0][0])

    def read(self, say: Callable[[str], None]) -> Iterator[Generation]:
        """Yield the stored generations, up to the first that does not fit its hash.

        `say` is called with the reason if there is such a generation. The last generation is left
        out if its last candidate is a finished task: candidates after it may have been left out, as
        the run had all the tasks that were asked for then.
        """
        try:
            for start in range(0, self._last + 1, ITEMS_AT_ONCE):
                for rows, chain, answered in self._stored(start, start + ITEMS_AT_ONCE):
                    if rows[0][0] == self._last and _may_be_cut(rows):
                        return
                    fits = chain == self._chained(rows) if self._has_hashes else chain is None
                    if rows[0][0] != self._next or not answered or not fits:
                        say(_unfit(self._next))
                        return
                    generation = _generation(rows)
                    self._advance(rows)
                    if not self._has_hashes:
                        self._late.append((self._chain, generation.index))
                    yield generation
        except StoreError as error:
            say(f"{_unfit(self._next)} ({error.what})")

    def _stored(self, start: int, end: int) -> Iterator[tuple[GenerationRows, bytes | None, bool]]:
        """Yield rows and hash of each item in a range, and whether all its replies are there."""
        heads, candidates, instances = (
            self._database.rows(query, (start, end))
            for query in (_READ_HEADS, _READ_CANDIDATES, _READ_INSTANCES)
        )
        its_candidates = {item: list(found) for item, found in groupby(candidates, itemgetter(1))}
        its_instances = {
            item: [tuple(row)[: len(INSTANCE_COLUMNS)] for row in found]
            for item, found in groupby(instances, itemgetter(len(INSTANCE_COLUMNS)))
        }
        for head in heads:
            found = its_candidates.get(head["item"], [])
            rows = (
                tuple(head)[: len(_HEAD)],
                [tuple(row)[: len(CANDIDATE_COLUMNS)] for row in found],
                its_instances.get(head["item"], []),
            )
            yield rows, head["chain"], all(row["answered"] for row in (head, *found))

    def _chained(self, rows: GenerationRows) -> bytes:
        return blake2b(self._chain + msgspec.json.encode(rows), digest_size=HASH_BYTES).digest()

    def _advance(self, rows: GenerationRows) -> None:
        self._chain, self._next = self._chained(rows), rows[0][0] + 1

    async def record(self, generation: Generation) -> None:
        """Store a generation that was retired now, or whose replies were read again.

        If an earlier process stored it otherwise, what it stored from there on is removed in the
        same transaction: it was made from what has changed. The replies to it stay in the ledger.
        """
        item = generation.index
        if item < self._next:
            return  # it was just read
        rows = _rows(generation)
        self._advance(rows)
        self._late.append((self._chain, item))
        if item > self._last:
            await self._write(_statements(rows))
        elif not self._is_stored(rows):
            await self._remove_from(item, _statements(rows))
        elif item == self._last:
            await self._write(())

    async def end(self) -> None:
        """Remove what is stored after the last generation, as the run has ended with it.

        There is something if an earlier process had more `patience`.
        """
        if self._next <= self._last:
            head = ("DELETE FROM generations WHERE item = ?", (self._next,))
            await self._remove_from(self._next, [head])
            self._last = self._next - 1

    def _is_stored(self, rows: GenerationRows) -> bool:
        item = rows[0][0]
        try:
            return any(stored == rows for stored, _, _ in self._stored(item, item + 1))
        except StoreError:  # a text that can't be read
            return False

    async def _remove_from(self, item: int, statements: Iterable[Statement]) -> None:
        """Remove what is stored from an item on, but for when it was retired, and then write."""
        gone: tuple[Statement, ...] = (
            ("DELETE FROM candidates WHERE item >= ?", (item,)),
            ("DELETE FROM instances WHERE task NOT IN (SELECT id FROM candidates)", ()),
            ("DELETE FROM generations WHERE item > ?", (item,)),
        )
        await self._write((*gone, *statements))
        self._last = item

    async def _write(self, statements: Iterable[Statement]) -> None:
        """Write statements, and then all hashes that are not stored yet."""
        late, self._late = self._late, []
        await self._database.write([*statements, *((_PUT_CHAIN, values) for values in late)])


def _statements(rows: GenerationRows) -> Iterator[Statement]:
    """Yield the statements that store a generation."""
    head, candidates, instances = rows
    yield _PUT_HEAD, (*head, time.time())
    yield from ((_PUT_CANDIDATE, row) for row in candidates)
    yield from ((_PUT_INSTANCE, row) for row in instances)


def _may_be_cut(rows: GenerationRows) -> bool:
    """Return whether the last candidate is a finished task."""
    _, candidates, _ = rows
    return bool(candidates) and not candidates[-1][CANDIDATE_COLUMNS.index("reason")]


def _unfit(item: int) -> str:
    return (
        f"the records of item {item} are not as they were left: from there on all replies are read "
        "again"
    )


def _rows(generation: Generation) -> GenerationRows:
    """Return the rows that store a generation."""
    shown = msgspec.json.encode(generation.demonstrations).decode()
    cell = msgspec.json.encode(generation.cell).decode() if generation.cell else ""
    head = (generation.index, generation.request, shown, generation.failure, cell)
    candidates: list[tuple[Any, ...]] = []
    instances: list[tuple[Any, ...]] = []
    for position, candidate in enumerate(generation.candidates):
        task, neighbor, meaning = candidate.task, candidate.neighbor, candidate.meaning
        candidates.append(
            (
                task.id,
                generation.index,
                position,
                task.definition,
                candidate.reason,
                candidate.detail,
                neighbor.id if neighbor else None,
                neighbor.score if neighbor else None,
                int(task.is_classification),
                candidate.classification_request,
                candidate.instances_request,
                meaning.id if meaning else None,
                meaning.score if meaning else None,
            )
        )
        notes = candidate.notes or ("",) * len(task.instances)
        texts = [
            (good.input, good.output, "", note)
            for good, note in zip(task.instances, notes, strict=True)
        ]
        texts += [
            (bad.instance.input, bad.instance.output, bad.reason, bad.detail)
            for bad in candidate.rejected_instances
        ]
        instances += [(task.id, number, *text) for number, text in enumerate(texts)]
    return head, candidates, instances


def _generation(rows: GenerationRows) -> Generation:
    """Return the generation that rows store.

    Raises:
        StoreError: they are damaged.
    """
    (item, request, shown, failure, cell), candidates, instances = rows
    of = {task: list(found) for task, found in groupby(instances, itemgetter(0))}
    made = tuple(candidate_of(row, of.get(row[0], ())) for row in candidates)
    asked = decode_value(cell, Cell, f"the cell of item {item}") if cell else ()
    ids = decode_value(shown, tuple[str, ...], f"generation {item}")
    return Generation(item, request, ids, failure, made, asked)


def candidate_of(row: Sequence[Any], instances: Sequence[Sequence[Any]]) -> Candidate:
    """Return a candidate from its row, and the rows of its instances in their order.

    The row of an earlier version that is only read has no neighbour by meaning.
    """
    key, _, _, instruction, reason, detail, neighbor, score, labels, asked, asked_more, *more = row
    meaning, cosine = more or (None, 0.0)
    found = [(Instance(text, (output,)), bad, note) for _, _, text, output, bad, note in instances]
    good = tuple(instance for instance, bad, _ in found if not bad)
    notes = tuple(note for _, bad, note in found if not bad)
    return Candidate(
        with_instance_ids(Task(key, instruction, good, bool(labels))),
        reason,
        detail,
        Neighbor(neighbor, score) if neighbor else None,
        asked,
        asked_more,
        tuple(RejectedInstance(*each) for each in found if each[1]),
        notes=notes if any(notes) else (),
        meaning=Neighbor(meaning, cosine) if meaning else None,
    )
