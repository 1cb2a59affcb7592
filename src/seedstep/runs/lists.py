"""What becomes of a run's records when its tasks change, or what failed is asked again.

A record has a fingerprint of all that it follows from. If its task, the prompts or the sampling
change, it is set aside, and its task is done anew; if they change back, it comes back. Replies are
stored apart from records, so that no request is sent twice.

Where the user wants what failed to be asked again, records without a result are removed, and the
requests that are to blame are noted as passed over: the request engine asks each of them with
another draw, as it would be answered alike otherwise. All replies stay.

Example::

    changes = ask_again(run, reconcile(run, before, "keep"))
    print("\\n".join(changes.messages))
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from seedstep.errors import RunMismatchError, short_line
from seedstep.runs.database import Statement
from seedstep.settings import make_settings, table
from seedstep.text import counted

if TYPE_CHECKING:
    from seedstep.runs.database import Database
    from seedstep.runs.predictions import ChosenSystem
    from seedstep.runs.run import Run

__all__ = [
    "ASIDE",
    "GONE",
    "NO_CHANGES",
    "UNSURE",
    "Failed",
    "FailedPredictions",
    "Fingerprint",
    "ListChanges",
    "Removed",
    "aside_notes",
    "ask_again",
    "failed_predictions",
    "reconcile",
    "require_same_place",
]

Removed = Literal["keep", "drop"]
"""What becomes of the records of tasks that are no longer in the list: `drop` sets them aside."""

PROMPTS = "prompts_fingerprint"
"""The fingerprint in a configuration that is not one of the list."""

SHOWN_NAMES = 5
"""How many tasks a message names."""


@dataclass(frozen=True, slots=True)
class ListChanges:
    """The tasks whose records don't fit any more, or fit again, by id.

    `changed` have another content, `touched` were asked in another way, `removed` are not in the
    list and `restored` are as they were earlier. `unsure` have a record of version 0.1.0, of which
    it is not known whether it fits. `list_changed` says that the list is another one. With
    `dropped`, the records of the removed ones are set aside. `failed` had no result and are asked
    again, and `passed_over` has the keys of their requests. `noun` says what they are. `notes` are
    among the messages.
    """

    changed: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    list_changed: bool = False
    dropped: bool = False
    failed: tuple[str, ...] = ()
    passed_over: frozenset[str] = frozenset()
    noun: str = "task"
    notes: tuple[str, ...] = ()

    @property
    def messages(self) -> list[str]:
        """What the user is to know, by line."""
        anew = "done again, and the earlier results are kept aside"
        kept = "kept; --removed drop sets them aside"
        gone = f"results are {'set aside' if self.dropped else kept}"
        lines = (
            (self.changed, f"changed: {anew}"),
            (self.touched, f"asked in another way before: {anew}"),
            (self.restored, "back as before: the results of then are used again"),
            (self.removed, f"no longer in the list: {gone}"),
            (self.failed, "without a result: asked again"),
        )
        told = [f"{_many(tasks, self.noun)} {what}" for tasks, what in lines if tasks]
        return [*told, *self.notes]

    @property
    def has_work(self) -> bool:
        """Whether there may be something to do that was not to be done before."""
        left = (self.changed, self.touched, self.unsure, self.list_changed, self.failed)
        return any(map(bool, left))


NO_CHANGES = ListChanges()


def _many(tasks: Sequence[str], noun: str) -> str:
    names = ", ".join(map(short_line, tasks[:SHOWN_NAMES]))
    more = ", ..." if len(tasks) > SHOWN_NAMES else ""
    return f"{counted(len(tasks), noun)} ({names}{more})"


def aside_notes(database: "Database") -> tuple[str, ...]:
    """Return notes on how many records of a run are set aside."""
    notes = []
    for name, noun in (("results_aside", "result"), ("predictions_aside", "prediction")):
        if database.has_rows(name):
            count = database.rows(f"SELECT count(*) FROM {name}")[0][0]  # noqa: S608 - of ours
            what = counted(count, f"earlier {noun}")
            notes.append(f"set aside: {what}, used again where tasks and settings are as they were")
    return tuple(notes)


class Fingerprint(NamedTuple):
    """What a record follows from: the task, and how it was asked.

    `asking` is empty for a record that no model made, such as an imported one.
    """

    task: str
    asking: str

    @classmethod
    def parse(cls, text: str) -> "Fingerprint":
        """Return the fingerprint of a text that `str` made; both parts are empty in 0.1.0's."""
        task, _, asking = text.partition(".")
        return cls(task, asking)

    def __str__(self) -> str:
        return f"{self.task}.{self.asking}"


UNSURE = Fingerprint("?", "")
"""Stands for the fingerprint of a record that may or may not fit, until it is compared."""


@dataclass(frozen=True, slots=True)
class _Record:
    """A row of the results. `of` is its fingerprint, as far as it is known."""

    position: int
    task: str
    stored: str
    of: Fingerprint


ASIDE = """
INSERT INTO results_aside SELECT task, ?, category, definition, result, at FROM results
WHERE task = ?
"""
GONE = "DELETE FROM results WHERE task = ?"
_BACK = """
INSERT INTO results (position, task, category, definition, result, at, fingerprint)
SELECT ?, task, category, definition, result, at, fingerprint FROM results_aside
WHERE task = ? AND fingerprint = ?
"""
_USED = "DELETE FROM results_aside WHERE task = ? AND fingerprint = ?"
_PLACE = "UPDATE results SET position = ?, fingerprint = ? WHERE task = ?"


def reconcile(
    run: "Run[Any, Any, Any]", before: Mapping[str, Any], removed: Removed, *, write: bool = True
) -> ListChanges:
    """Set aside the records that don't fit the list and the settings, and take back those that do.

    `before` is the configuration with which the run was last worked on. Without `write`, return
    only what would be done.

    Raises:
        RunMismatchError: the list is at another place, and has none of the run's tasks.
    """
    if run.stage.contents is None or not before or not _has_records(run):
        return NO_CHANGES
    contents = run.stage.contents(run.inputs())
    asking = run.stage.asking(run.settings, run.config)
    list_changed = any(
        name.endswith("_fingerprint") and name != PROMPTS and before.get(name) != value
        for name, value in run.config.items()
    )
    found: dict[str, list[_Record]] = {kind: [] for kind in _KINDS}
    for row in _rows(run, contents, _asking_of(run, before), is_known=not list_changed):
        found[_kind(row, contents, asking)].append(row)
    if not (found["fits"] or found["touched"] or found["unsure"]):
        require_same_place(run, before)
    stay = {row.task for row in (*found["fits"], *found["unsure"])}
    back = _restored(run, contents, asking, stay)
    if write:
        _move(run, found, list(contents), back, removed)
    names = {kind: tuple(row.task for row in rows) for kind, rows in found.items()}
    return ListChanges(
        changed=tuple(task for task in names["changed"] if task not in back),
        touched=tuple(task for task in names["touched"] if task not in back),
        removed=names["removed"],
        restored=tuple(back),
        unsure=names["unsure"],
        list_changed=list_changed,
        dropped=removed == "drop",
        noun=run.stage.noun,
    )


_KINDS = ("fits", "unsure", "touched", "changed", "removed")


def _kind(row: _Record, contents: Mapping[str, str], asking: str) -> str:
    """Return which of `_KINDS` a record is."""
    if row.task not in contents:
        return "removed"
    if row.of == UNSURE:
        return "unsure"
    if row.of.task != contents[row.task]:
        return "changed"
    return "fits" if row.of.asking in ("", asking) else "touched"


def _has_records(run: "Run[Any, Any, Any]") -> bool:
    return any(map(run.database.has_rows, ("results", "results_aside")))


def _asking_of(run: "Run[Any, Any, Any]", before: Mapping[str, Any]) -> str:
    names = table(run.stage.settings)
    values = {name: value for name, value in before.items() if name in names}
    return run.stage.asking(make_settings(run.stage.settings, values, str(run.path)), before)


def _rows(
    run: "Run[Any, Any, Any]", contents: Mapping[str, str], asking: str, *, is_known: bool
) -> Iterator[_Record]:
    """Yield the records in their order.

    Those of 0.1.0 have no fingerprint. If it `is_known` that the list did not change, they have
    that of now, unless it is stored that they are unsure. Otherwise they are of another task if its
    category or definition is another.
    """
    asked = run.database.has_rows("requests")
    tasks = {task.id: task for task in run.inputs().tasks}
    for row in run.database.rows("SELECT * FROM results ORDER BY position"):
        name, stored = row["task"], dict(row).get("fingerprint", "")
        of = Fingerprint.parse(stored)
        if (not stored or of == UNSURE) and name in contents:
            here = tasks[name]
            if is_known and not stored:
                of = Fingerprint(contents[name], asking if asked else "")
            elif (here.category, here.definition) == (row["category"], row["definition"]):
                of = UNSURE if asked else Fingerprint(contents[name], "")
            else:
                of = Fingerprint("", "")
        yield _Record(row["position"], name, stored, of)


def require_same_place(run: "Run[Any, Any, Any]", before: Mapping[str, Any]) -> None:
    """Raise RunMismatchError if a list without any task of the run is at another place."""
    differences = [
        (name, before.get(name), run.config.get(name))
        for name in run.stage.places
        if before.get(name) != run.config.get(name)
    ]
    if differences:
        raise RunMismatchError(str(run.path), differences)


def _restored(
    run: "Run[Any, Any, Any]", contents: Mapping[str, str], asking: str, done: set[str]
) -> dict[str, str]:
    """Return the tasks without a record that have one aside that fits, with its fingerprint."""
    if not run.database.has_rows("results_aside"):
        return {}
    rows = run.database.rows("SELECT task, fingerprint FROM results_aside ORDER BY at")
    return {
        row["task"]: row["fingerprint"]
        for row in rows
        if row["task"] not in done
        and row["task"] in contents
        and row["fingerprint"] in (f"{contents[row['task']]}.{asking}", f"{contents[row['task']]}.")
    }


def _move(
    run: "Run[Any, Any, Any]",
    found: Mapping[str, Sequence[_Record]],
    tasks: Sequence[str],
    back: Mapping[str, str],
    removed: Removed,
) -> None:
    """Write at once where each record belongs, if it is not there."""
    places = {task: place for place, task in enumerate(tasks)}
    gone = found["removed"]
    aside = [*found["touched"], *found["changed"], *(gone if removed == "drop" else [])]
    placed = {row: (places[row.task], str(row.of)) for row in found["fits"]}
    placed |= {row: (places[row.task], str(UNSURE)) for row in found["unsure"]}
    if removed == "keep":
        placed |= {row: (len(tasks) + at, row.stored) for at, row in enumerate(gone)}
    stay = all((row.position, row.stored) == place for row, place in placed.items())
    if stay and not aside and not back:
        return
    statements: list[Statement] = [("UPDATE results SET position = -1 - position", ())]
    for row in aside:
        mark = str(row.of) if row.of.task and row.of != UNSURE else ""
        statements += [(ASIDE, (mark, row.task)), (GONE, (row.task,))]
    statements += [(_PLACE, (*place, row.task)) for row, place in placed.items()]
    for task, mark in back.items():
        statements += [(_BACK, (places[task], task, mark)), (_USED, (task, mark))]
    run.database.write_together(statements)


Failed = Literal["keep", "again"]
"""What becomes of tasks without a result when a run goes on: `again` asks for them once more."""

NOTE = "INSERT OR IGNORE INTO passed_over VALUES (?)"


def ask_again(
    run: "Run[Any, Any, Any]", changes: ListChanges, *, write: bool = True
) -> ListChanges:
    """Remove the records of tasks without a result, so that they are done again.

    `changes` are those of the list, which is returned with what is asked again. Without `write`,
    return only what would be done.
    """
    contents, unanswered = run.stage.contents, run.stage.unanswered
    if contents is None or unanswered is None or not run.database.has_rows("results"):
        return changes
    here = contents(run.inputs()).keys() - {*changes.changed, *changes.touched, *changes.unsure}
    missing: dict[str, tuple[str, ...]] = {
        entry.task: keys
        for entry in run.entries()
        if entry.task in here and (keys := unanswered(entry.result))
    }
    passed = frozenset(key for found in missing.values() for key in found)
    if write and missing:
        statements: list[Statement] = [(NOTE, (key,)) for key in sorted(passed)]
        statements += [(GONE, (task,)) for task in missing]
        run.database.write_together(statements)
    return replace(changes, failed=tuple(missing), passed_over=passed)


@dataclass(frozen=True, slots=True)
class FailedPredictions:
    """The places of a system's failed predictions, and the requests that are asked again.

    `statements` remove the predictions and note the requests.
    """

    places: frozenset[int] = frozenset()
    passed_over: frozenset[str] = frozenset()
    statements: tuple[Statement, ...] = ()

    @property
    def messages(self) -> tuple[str, ...]:
        """What the user is to know, by line."""
        what = f"{counted(len(self.places), 'failed prediction')}: asked again"
        return (what,) if self.places else ()


_FAILED = "SELECT place FROM predictions WHERE system = ? AND failed != ''"
_REFUSED = """
SELECT key FROM requests WHERE failure IS NOT NULL AND (
    key IN (SELECT key FROM request_models WHERE model = ?)
    OR key NOT IN (SELECT key FROM request_models)
)
"""


def failed_predictions(
    database: "Database", system: "ChosenSystem", failed: Failed
) -> FailedPredictions:
    """Return the failed predictions of a system, and what asks for them again; none with `keep`."""
    here = (system.name,)
    places = frozenset(row[0] for row in database.rows(_FAILED, here) if failed == "again")
    if not places:
        return FailedPredictions()
    model = system.settings.model.name
    keys = frozenset(row[0] for row in database.rows(_REFUSED, (model,)))
    statements: list[Statement] = [
        ("DELETE FROM scores WHERE name = ?", here),
        *(("DELETE FROM thoughts WHERE system = ? AND place = ?", (*here, at)) for at in places),
        ("DELETE FROM predictions WHERE system = ? AND failed != ''", here),
        *((NOTE, (key,)) for key in sorted(keys)),
    ]
    return FailedPredictions(places, keys, tuple(statements))
