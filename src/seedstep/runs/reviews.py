"""The run directory of a review: its items, its raters, and their labels.

Items, raters, and the order of each rater's items are written once. Labels are only added, and are
on the disk when `save` returns.

Example::

    with Review.open(Path("reviews/steps"), write=True) as review:
        await review.save(LabelRow("c7", "r1", item, "label", {"correct": "yes"}))
"""

import hmac
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, TypeVar

import filelock
import msgspec

from seedstep.data import read_yaml, write_yaml
from seedstep.data.reviews import Form, LabelRow, ReviewItem, in_order_for, order_of_answers
from seedstep.errors import InputError, RunBusyError, RunError, unknown_name
from seedstep.runs.database import Database, Statement, decode_value
from seedstep.runs.directory import (
    DATABASE,
    OpenDirectory,
    digest,
    refuse_differences,
    require_free,
    require_name,
    stage_of,
    take_lock,
)
from seedstep.runs.places import CONFIG

__all__ = ["LONGEST_NAME", "OWNER", "STAGE", "Assigned", "Review", "kept_seed", "key_of"]

STAGE = "review"

OWNER = "(owner)"
"""The name of the owner, who adjudicates. No rater can have this name."""

LONGEST_NAME = 60
TOKEN_BYTES = 24

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Assigned:
    """An item of a rater: its place, from 0, and the places of its answers in the order shown."""

    place: int
    item: str
    shown: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Record:
    """The record of a whole review in the database."""

    id: str
    form: Form
    seed: int


class Review(OpenDirectory):
    """A review, opened for reading or to add labels. Several processes may add labels at once."""

    def __init__(
        self, path: Path, database: Database, lock: filelock.BaseFileLock | None = None
    ) -> None:
        """Use `create` or `open`."""
        super().__init__(path, database, lock)
        self._made: dict[Callable[[Any], Any], tuple[int, Any]] = {}
        rows = database.rows("SELECT record FROM review")
        if not rows:
            raise RunError(f"{path} has not begun", "run `seedstep review new` again")
        self._record = decode_value(rows[0][0], _Record, "the review")

    @classmethod
    def create(
        cls,
        path: Path,
        settings: Mapping[str, Any],
        form: Form,
        items: Sequence[ReviewItem],
        assigned: Mapping[str, Sequence[str]],
        seed: int,
    ) -> None:
        """Write a review: its items, and the ids of each rater's items (`assigned`).

        If the same review is there already, nothing changes.

        Raises:
            InputError: a rater can't have that name.
            RunMismatchError: there is a review with other settings.
            RunBusyError: a server works on it.
            RunError: the directory has other files, or can't be written.
        """
        _require_names(tuple(assigned))
        _require_free(path)
        review_id = digest([asdict(form), [asdict(item) for item in items], dict(assigned), seed])
        plain = msgspec.json.decode(msgspec.json.encode(dict(settings)))
        config = {"stage": STAGE, **plain}
        lock = take_lock(path)
        try:
            if made := _made(path):
                refuse_differences(path, read_yaml(path / CONFIG), config, (), another="directory")
                if made != review_id:
                    what = f"what {path} shows has changed since it was made"
                    raise RunError(what, "name another directory for a new review")
                return
            write_yaml(path / CONFIG, config)
            database = Database.open(path / DATABASE)
            try:
                _write(database, _Record(review_id, form, seed), items, assigned)
            finally:
                database.close()
        finally:
            lock.release()

    @classmethod
    def open(cls, path: Path, *, write: bool = False, alone: bool = False) -> Self:
        """Open a review; with `write`, to add labels, and with `alone`, as its only server.

        Raises:
            RunError: there is no review.
            RunBusyError: another server works on it.
        """
        if (stage := stage_of(path)) != STAGE:
            what = f"{path} is a run of `seedstep {stage}`" if stage else f"{path} is not a review"
            raise RunError(what, "name a directory that `seedstep review new` made")
        if not (path / DATABASE).exists():
            raise RunError(f"{path} has not begun", "run `seedstep review new` again")
        lock = _lock(path) if alone else None
        try:
            return cls(path, Database.open(path / DATABASE, read_only=not write), lock)
        except BaseException:
            if lock:
                lock.release()
            raise

    @property
    def id(self) -> str:
        """The id of the review: a fingerprint of form, items, raters and seed."""
        return self._record.id

    @property
    def key(self) -> str:
        """The key of the review, which differs from that of another review of the same items."""
        return key_of(self.tokens[OWNER])

    @property
    def form(self) -> Form:
        """The form: the questions to raters."""
        return self._record.form

    @property
    def seed(self) -> int:
        """The seed of orders and draws. A rater who knows it can infer which system answered."""
        return self._record.seed

    @cached_property
    def items(self) -> Mapping[str, ReviewItem]:
        """All items by id, in order."""
        rows = self.database.rows("SELECT record FROM review_items ORDER BY position")
        found = (decode_value(row[0], ReviewItem, "an item of the review") for row in rows)
        return {item.id: item for item in found}

    @cached_property
    def tokens(self) -> Mapping[str, str]:
        """The secrets of raters by name; that of OWNER is the last."""
        return dict(map(tuple, self.database.rows("SELECT name, token FROM raters ORDER BY rowid")))

    @property
    def raters(self) -> tuple[str, ...]:
        """The names of the raters."""
        return tuple(name for name in self.tokens if name != OWNER)

    def who(self, token: str) -> str | None:
        """Return the rater, or OWNER, to whom a secret belongs, in constant time; else None."""
        found = None
        given = token.encode(errors="surrogatepass")
        for name, secret in self.tokens.items():
            if hmac.compare_digest(secret.encode(), given):
                found = name
        return found

    @cached_property
    def _assigned(self) -> Mapping[str, tuple[Assigned, ...]]:
        found: dict[str, list[Assigned]] = {name: [] for name in self.raters}
        query = "SELECT rater, place, item, shown FROM assignments ORDER BY rater, place"
        for row in self.database.rows(query):
            shown = decode_value(row["shown"], tuple[int, ...], f"assignments of {row['rater']}")
            found[row["rater"]].append(Assigned(row["place"], row["item"], shown))
        return {name: tuple(rows) for name, rows in found.items()}

    def assigned(self, rater: str) -> tuple[Assigned, ...]:
        """Return the items of a rater, in the order in which the rater sees them.

        Raises:
            InputError: there is no such rater.
        """
        if rater not in self._assigned:
            raise unknown_name("rater", rater, self.raters, str(self.path))
        return self._assigned[rater]

    def rows(self, *, rater: str = "", item: str = "") -> tuple[LabelRow, ...]:
        """Return rows of labels in the order in which they were stored, of a rater or an item."""
        query = (
            "SELECT * FROM labels WHERE (?1 = '' OR rater = ?1) AND (?2 = '' OR item = ?2)"
            " ORDER BY number"
        )
        return tuple(map(_row, self.database.rows(query, (rater, item))))

    def done(self, rater: str) -> int:
        """Return how many items of a rater have a label that counts, fast enough for each save."""
        query = "SELECT id, item, action, undoes FROM labels WHERE rater = ? ORDER BY number"
        kept: dict[str, dict[str, str]] = {}  # as `standing` decides, without a record for each row
        for label, item, action, undoes in self.database.rows(query, (rater,)):
            actions = kept.setdefault(item, {})
            if action != "undo":
                actions[label] = action
            elif undoes:
                actions.pop(undoes, None)
            elif actions:
                actions.popitem()
        return sum([*own.values()][-1:] == ["label"] for own in kept.values())

    def of_labels(self, make: Callable[[Self], T]) -> T:
        """Return what `make` makes of the review, which it is asked again after another label."""
        last = int(self.database.rows("SELECT coalesce(max(number), 0) FROM labels")[0][0])
        if make not in self._made or self._made[make][0] != last:
            self._made[make] = last, make(self)
        found: T = self._made[make][1]
        return found

    def find(self, label: str) -> LabelRow | None:
        """Return the row with this id, or None."""
        rows = self.database.rows("SELECT * FROM labels WHERE id = ?", (label,))
        return _row(rows[0]) if rows else None

    async def save(self, row: LabelRow) -> LabelRow:
        """Store a row; it is on the disk when this returns. Storing it again changes nothing.

        Raises:
            InputError: another row has its id.
            StoreError: the disk is full, or the database can't be written.
        """
        await self.database.write([_statement(row)])
        kept = self.find(row.id)
        if kept is None or not _is_same(kept, row):
            raise InputError(f"another label has the id {row.id!r}", "load the page again")
        return kept

    def take(self, rows: Sequence[LabelRow]) -> int:
        """Store rows from a file, all or none, and return how many were new.

        Raises:
            InputError: another row has the id of one.
            StoreError: the disk is full, or the database can't be written.
        """
        known: dict[str, LabelRow] = {}
        for row in rows:
            kept = known.setdefault(row.id, self.find(row.id) or row)
            if not _is_same(kept, row):
                what = f"another label has the id {row.id!r}"
                raise InputError(what, "take the file as the page saved it")
        before = self._count()
        if rows:
            self.database.write_together([*map(_statement, rows)])
        return self._count() - before

    def _count(self) -> int:
        return int(self.database.rows("SELECT count(*) FROM labels")[0][0])


def key_of(token: str) -> str:
    """Return a key for a person's labels in a browser or a file, which opens no pages."""
    return sha256(f"key {token}".encode()).hexdigest()[:16]


def kept_seed(path: Path) -> int | None:
    """Return the seed of the review in a directory, or None if there is none."""
    seed = read_yaml(path / CONFIG).get("seed") if stage_of(path) == STAGE else None
    return seed if isinstance(seed, int) else None


def _require_names(raters: Sequence[str]) -> None:
    if not raters:
        raise InputError("there is no rater", "name some after --raters, as in --raters ann,bob")
    for name in raters:
        remedy = f"use 1 to {LONGEST_NAME} printable characters"
        require_name("a rater", name, LONGEST_NAME, remedy, spaced=False)
        if name == OWNER:
            raise InputError(f"a rater can't be named {OWNER}", "take another name")


def _require_free(path: Path) -> None:
    stage = stage_of(path)
    if stage and stage != STAGE:
        raise RunError(f"{path} is a run of `seedstep {stage}`", "name another directory")
    if not stage:
        require_free(path, CONFIG, ())


def _made(path: Path) -> str:
    """Return the fingerprint of the review in a directory, or "" if there is none yet."""
    if not (path / DATABASE).exists() or not (path / CONFIG).exists():
        return ""
    database = Database.open(path / DATABASE)
    try:
        rows = database.rows("SELECT record FROM review")
        return decode_value(rows[0][0], _Record, "the review").id if rows else ""
    finally:
        database.close()


def _lock(path: Path) -> filelock.BaseFileLock:
    try:
        return take_lock(path)
    except RunBusyError:
        raise RunBusyError(
            f"another server works on {path}", "use that one, or stop it first"
        ) from None


def _write(
    database: Database,
    record: _Record,
    items: Sequence[ReviewItem],
    assigned: Mapping[str, Sequence[str]],
) -> None:
    """Write everything; the review's record is the last, and shows that the review is complete."""
    answers = {item.id: len(item.answers) for item in items}
    for table in ("review_items", "raters", "assignments", "labels"):
        database.write_now(f"DELETE FROM {table}", [()])  # noqa: S608 - of an attempt that was killed
    database.write_now(
        "INSERT INTO review_items VALUES (?, ?, ?)",
        [(place, item.id, msgspec.json.encode(item).decode()) for place, item in enumerate(items)],
    )
    names = (*assigned, OWNER)
    tokens = [(name, secrets.token_urlsafe(TOKEN_BYTES)) for name in names]
    database.write_now("INSERT INTO raters VALUES (?, ?)", tokens)
    places = [
        (rater, place, item, str(list(order_of_answers(rater, item, answers[item], record.seed))))
        for rater, own in assigned.items()
        for place, item in enumerate(in_order_for(rater, own, record.seed))
    ]
    database.write_now("INSERT INTO assignments VALUES (?, ?, ?, ?)", places)
    database.write_now("INSERT INTO review VALUES (?)", [(msgspec.json.encode(record).decode(),)])


_ADD = "INSERT OR IGNORE INTO labels VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def _is_same(kept: LabelRow, row: LabelRow) -> bool:
    """Return whether two rows with one id say the same, whenever they were stored."""
    return all(
        getattr(kept, name) == getattr(row, name)
        for name in ("rater", "item", "action", "answers", "note", "flagged", "undoes", "person")
    )


def _statement(row: LabelRow) -> Statement:
    """Return the statement that stores a row, unless one with its id is stored."""
    values = (
        row.id,
        row.rater,
        row.item,
        row.action,
        msgspec.json.encode(row.answers).decode(),
        row.note,
        int(row.flagged),
        msgspec.json.encode(row.shown).decode(),
        row.seconds,
        row.made,
        row.at or time.time(),
        row.undoes,
        row.person,
    )
    return _ADD, values


def _row(row: sqlite3.Row) -> LabelRow:
    """Return the record of a row of the database; raise StoreError if it is damaged."""
    values = dict(row)
    where = f"label {values['number']}" if "number" in values else "a label"
    for name, kind in (("answers", dict[str, str]), ("shown", tuple[int, ...])):
        values[name] = decode_value(values[name], kind, where)
    return LabelRow(**{**values, "flagged": bool(values["flagged"])})
