"""What becomes of predictions when the run's list of tasks, or how a system is asked, has changed.

As in `seedstep.runs.lists`, what does not fit any more is set aside, and comes back when it fits.
The list is that of all systems; how one is asked is compared when it goes on.

Example::

    changes = reconcile_predictions(run, before, "keep")
    plan = plan_system(run.database, system, before={})
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from seedstep.data import Task, TaskChoice, instances_of
from seedstep.errors import InputError, RunMismatchError
from seedstep.runs.directory import digest
from seedstep.runs.lists import NO_CHANGES, Fingerprint, ListChanges, Removed, require_same_place
from seedstep.settings import make_settings, table

if TYPE_CHECKING:
    from seedstep.runs.database import Database, Statement
    from seedstep.runs.predictions import ChosenSystem
    from seedstep.runs.run import Run

__all__ = [
    "NO_PLAN",
    "InstanceMark",
    "ListPlan",
    "SystemPlan",
    "has_answers",
    "marks_of",
    "places_of",
    "plan_predictions",
    "plan_system",
    "reconcile_predictions",
]

STAMP = "tasks_fingerprint"

UNKNOWN = "?"
"""Stands for how a prediction of 0.1.0 was asked, where that is not known any more."""


@dataclass(frozen=True, slots=True)
class InstanceMark:
    """What is known of an instance of a list: its id, that of its task, and a fingerprint.

    The id is the same whatever else is in the list; `name` is that of `instances_of`.
    """

    id: str
    name: str
    task: str
    content: str


def marks_of(tasks: Sequence[Task]) -> tuple[InstanceMark, ...]:
    """Return the marks of all instances, in their order."""
    without = {task.id: digest([replace(task, instances=())]) for task in tasks}
    return tuple(
        InstanceMark(
            f"{_escaped(task.id)}/{instance.id}",
            name,
            task.id,
            digest([without[task.id], instance]),
        )
        for name, task, instance in instances_of(tasks)
    )


_ESCAPED = re.compile(r"(?:[^/\\]|\\.)*", re.DOTALL)
"""The id of a task at the start of that of an instance: up to a / without a backslash."""


def _escaped(task: str) -> str:
    return task.replace("\\", "\\\\").replace("/", "\\/")


def _task_in(instance: str) -> str:
    """Return the escaped id of the task at the start of an instance's id."""
    found = _ESCAPED.match(instance)
    return found[0] if found else ""


@dataclass(frozen=True, slots=True)
class _Row:
    """A prediction. `of` is what it follows from, as far as it is known."""

    system: str
    place: int
    instance: str
    stored: tuple[str, str]
    of: Fingerprint


_ASIDE = """
INSERT INTO predictions_aside
SELECT p.system, ?, ?, p.text, p.failed, p.cut, p.shortened, t.text, p.at FROM predictions p
LEFT JOIN thoughts t ON t.system = p.system AND t.place = p.place
WHERE p.system = ? AND p.place = ?
"""
_BACK = """
INSERT INTO predictions
    (system, place, text, failed, cut, shortened, at, instance, fingerprint)
SELECT system, ?, text, failed, cut, shortened, at, instance, fingerprint FROM predictions_aside
WHERE system = ? AND instance = ? AND fingerprint = ?
"""
_THOUGHTS_BACK = """
INSERT INTO thoughts SELECT system, ?, thoughts FROM predictions_aside
WHERE system = ? AND instance = ? AND fingerprint = ? AND thoughts IS NOT NULL
"""
_MARK = """
UPDATE OR REPLACE predictions_aside SET fingerprint = ?
WHERE system = ? AND instance = ? AND fingerprint = ?
"""
_USED = "DELETE FROM predictions_aside WHERE system = ? AND instance = ? AND fingerprint = ?"
_PLACE = """
UPDATE predictions SET place = ?, instance = ?, fingerprint = ? WHERE system = ? AND place = ?
"""
_THOUGHTS_PLACE = "UPDATE thoughts SET place = ? WHERE system = ? AND place = ?"


_LIST = """
INSERT INTO predictions_list VALUES (1, ?)
ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint
"""


def places_of(database: "Database") -> str:
    """Return the fingerprint of the list in which places are counted; empty for the first list."""
    if not database.has_rows("predictions_list"):
        return ""
    return str(database.rows("SELECT fingerprint FROM predictions_list")[0][0])


@dataclass(frozen=True, slots=True)
class ListPlan:
    """What becomes of the predictions of all systems where the list has changed.

    `placed` are the new places of those that fit, None if all stay as they are. `aside` are those
    that don't fit, and `statements` bring all of them where they belong.
    """

    changes: ListChanges = NO_CHANGES
    placed: "Mapping[_Row, int] | None" = None
    aside: Sequence[_Row] = ()
    statements: "tuple[Statement, ...]" = ()


NO_PLAN = ListPlan()


def reconcile_predictions(
    run: "Run[Any, Any, Any]", before: Mapping[str, Any], removed: Removed
) -> ListChanges:
    """Let the predictions of all systems follow the list; set aside those that it lacks.

    Predictions of tasks that left the list are always set aside.

    Raises:
        RunMismatchError: the list is at another place, and has none of the instances, or the
            predictions are of 0.1.0 and their list is not known any more.
    """
    plan = plan_predictions(run, before)
    if plan.statements:
        run.database.write_together(plan.statements)
    return plan.changes


def plan_predictions(run: "Run[Any, Any, Any]", before: Mapping[str, Any]) -> ListPlan:
    """Return what `reconcile_predictions` would do.

    Raises:
        RunMismatchError: `reconcile_predictions` would raise it.
    """
    now = run.config.get(STAMP)
    list_changed = before.get(STAMP) != now or places_of(run.database) not in ("", now)
    unmarked = "SELECT 1 FROM predictions WHERE instance = '' LIMIT 1"
    if not before or not (list_changed or run.database.rows(unmarked)):
        return NO_PLAN
    marks = marks_of(run.inputs().tasks)
    places = {mark.id: place for place, mark in enumerate(marks)}
    fits, changed, gone = [], [], []
    for row in _rows(run, before, marks if not list_changed else None):
        if row.instance not in places:
            gone.append(row)
        elif marks[places[row.instance]].content == row.of.task:
            fits.append(row)
        else:
            changed.append(row)
    if not fits and (changed or gone):
        require_same_place(run, before)
    placed = {row: places[row.instance] for row in fits}
    statements = list(_moves(placed, [*changed, *gone]))
    if list_changed:
        statements += [(_LIST, (now,)), ("DELETE FROM scores", ())]  # which were of another list
    changes = ListChanges(
        changed=_names((row.instance for row in changed), marks),
        removed=_names((row.instance for row in gone), marks),
        list_changed=list_changed,
        dropped=True,
        noun="instance",
    )
    return ListPlan(changes, placed, (*changed, *gone), tuple(statements))


def _names(instances: Iterable[str], marks: Iterable[InstanceMark]) -> tuple[str, ...]:
    """Return the names of instances, each once; of those that left the list, their ids."""
    names = {mark.id: mark.name for mark in marks}
    return tuple(names.get(each, each) for each in dict.fromkeys(instances))


def _rows(
    run: "Run[Any, Any, Any]", before: Mapping[str, Any], known: Sequence[InstanceMark] | None
) -> list[_Row]:
    """Return all predictions. Those of 0.1.0 have only a place, in the list of then."""
    rows = run.database.rows("SELECT * FROM predictions ORDER BY system, place")
    if known is None and any(not row["instance"] for row in rows):
        known = _earlier_marks(run, before)
    found = []
    for row in rows:
        name, of = row["instance"], Fingerprint.parse(row["fingerprint"])
        if not name:
            assert known is not None
            mark = known[row["place"]]
            name, of = mark.id, Fingerprint(mark.content, "")
        stored = (row["instance"], row["fingerprint"])
        found.append(_Row(row["system"], row["place"], name, stored, of))
    return found


def _earlier_marks(
    run: "Run[Any, Any, Any]", before: Mapping[str, Any]
) -> tuple[InstanceMark, ...]:
    """Return the marks of the list of the settings of before, if it is still the same."""
    names = table(TaskChoice)
    values = {name: value for name, value in before.items() if name in names}
    with suppress(InputError):
        tasks = make_settings(TaskChoice, values, str(run.path)).load().tasks
        if digest(tasks) == before.get(STAMP):
            return marks_of(tasks)
    raise RunMismatchError(str(run.path), [(STAMP, before.get(STAMP), run.config.get(STAMP))])


def _moves(placed: Mapping[_Row, int], aside: Sequence[_Row]) -> "Iterator[Statement]":
    """Yield the statements that bring predictions to their places, if any has to move."""
    marks = {row: (row.instance, str(row.of)) for row in placed}
    moved = {row: place for row, place in placed.items() if row.place != place}
    if moved or aside:
        yield "UPDATE predictions SET place = -1 - place", ()
        yield "UPDATE thoughts SET place = -1 - place", ()
    for row in aside:
        here = (row.system, -1 - row.place)
        yield _ASIDE, (row.instance, str(row.of), *here)
        yield "DELETE FROM predictions WHERE system = ? AND place = ?", here
        yield "DELETE FROM thoughts WHERE system = ? AND place = ?", here
    for row, place in placed.items():
        is_away = bool(moved or aside)
        here = (row.system, -1 - row.place if is_away else row.place)
        if is_away or marks[row] != row.stored:
            yield _PLACE, (place, *marks[row], *here)
        if is_away:
            yield _THOUGHTS_PLACE, (place, *here)


def has_answers(database: "Database", system: str) -> bool:
    """Return whether a system has predictions, also if all of them are set aside."""
    query = "SELECT 1 FROM {} WHERE system = ? LIMIT 1"
    names = ("predictions", "predictions_aside")
    return any(database.rows(query.format(name), (system,)) for name in names)


@dataclass(frozen=True, slots=True)
class SystemPlan:
    """What becomes of a system's predictions: changes, the places of those that fit, statements."""

    changes: ListChanges
    done: frozenset[int]
    statements: "tuple[Statement, ...]"


def plan_system(
    database: "Database",
    system: "ChosenSystem",
    before: Mapping[str, str],
    plan: ListPlan = NO_PLAN,
) -> SystemPlan:
    """Return how a system's predictions that were made otherwise are set aside, and others taken
    back that fit.

    `before` has fingerprints of how the instances of each task were asked when the system was
    worked on last: predictions of 0.1.0 have none of their own. Where it lacks a task, they don't
    fit. `plan` is what becomes of the list if that is not written yet.
    """
    marks = marks_of(system.listed)
    places = {mark.id: place for place, mark in enumerate(marks)}
    now = {mark.id: Fingerprint(mark.content, system.asking[mark.task]) for mark in marks}
    asked = {_escaped(task.id): before.get(task.id, UNKNOWN) for task in system.listed}
    stale, statements, done = [], list["Statement"](), set[str]()
    for place, instance, fingerprint in _placed(database, system.name, plan):
        name = marks[place].id
        of = _completed(fingerprint, asked[_task_in(name)])
        here = (system.name, place)
        if of == now[name]:
            done.add(name)
            if (instance, fingerprint) != (name, str(of)):
                statements.append((_PLACE, (place, name, str(of), *here)))
        else:
            stale.append(name)
            statements += [
                (_ASIDE, (name, str(of), *here)),
                ("DELETE FROM predictions WHERE system = ? AND place = ?", here),
                ("DELETE FROM thoughts WHERE system = ? AND place = ?", here),
            ]
    back = []
    elsewhere = "" if before == system.asking else UNKNOWN
    for name, fingerprint in _set_aside(database, system.name, plan):
        mark = str(_completed(fingerprint, asked.get(_task_in(name), elsewhere)))
        if mark != fingerprint:
            statements.append((_MARK, (mark, system.name, name, fingerprint)))
        if name in now and name not in done and mark == str(now[name]):
            key = (system.name, name, mark)
            statements += [
                (_BACK, (places[name], *key)),
                (_THOUGHTS_BACK, (places[name], *key)),
                (_USED, key),
            ]
            back.append(name)
    if stale or back:
        statements.append(("DELETE FROM scores WHERE name = ?", (system.name,)))
    again = set(back)
    touched = _names((name for name in stale if name not in again), marks)
    changes = ListChanges(touched=touched, restored=_names(back, marks), noun="instance")
    return SystemPlan(changes, frozenset(places[name] for name in done | again), tuple(statements))


def _placed(database: "Database", system: str, plan: ListPlan) -> Iterator[tuple[int, str, str]]:
    """Yield the place of each prediction of a system, with its instance and fingerprint."""
    if plan.placed is None:
        query = "SELECT place, instance, fingerprint FROM predictions WHERE system = ?"
        yield from map(tuple, database.rows(query, (system,)))
        return
    for row, place in plan.placed.items():
        if row.system == system:
            yield place, row.instance, str(row.of)


def _set_aside(database: "Database", system: str, plan: ListPlan) -> Iterator[tuple[str, str]]:
    """Yield the instance and the fingerprint of each prediction of a system that is set aside."""
    query = "SELECT instance, fingerprint FROM predictions_aside WHERE system = ?"
    yield from map(tuple, database.rows(query, (system,)))
    yield from ((row.instance, str(row.of)) for row in plan.aside if row.system == system)


def _completed(stored: str, asked: str) -> Fingerprint:
    """Return a stored fingerprint, with how it was `asked` where it has none."""
    of = Fingerprint.parse(stored)
    return of if of.asking else Fingerprint(of.task, asked)
