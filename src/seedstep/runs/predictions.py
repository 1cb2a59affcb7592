"""The records of a run of predictions: its systems, their predictions, and their scores.

Example::

    with Run.read(PREDICT, Path("runs/test")) as run:
        for name in run.records.names():
            print(name, len(list(run.predictions(name))))
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data import Prediction, Task, TaskChoice, TaskList, instances_of
from seedstep.encode import ChatFrame
from seedstep.errors import InputError, RunError, unknown_name
from seedstep.evaluate.scores import Reference, TrainingOverlap, references_of
from seedstep.evaluate.systems import EvaluatedSystem
from seedstep.infer.predict import InstanceAnswer, TaskWork
from seedstep.infer.settings import PredictSettings
from seedstep.runs.database import Database, Statement, decode_value
from seedstep.runs.directory import DATABASE, digest, in_order_of, open_database, take_lock
from seedstep.runs.lists import NO_CHANGES, Fingerprint, ListChanges
from seedstep.runs.places import CONFIG, paths_as_kept, paths_from_here, stored_values
from seedstep.runs.prediction_lists import STAMP, InstanceMark, marks_of, places_of
from seedstep.runs.run import Run
from seedstep.settings import flatten, make_settings, table

__all__ = [
    "ChosenSystem",
    "KeptSystem",
    "PredictionCounts",
    "PredictionRecords",
    "PredictionsRun",
    "keep_scores",
    "kept_scores",
    "load_chosen_tasks",
    "open_predictions",
    "stamp_chosen_tasks",
    "unchanged_tasks",
    "work_without",
]

_KEEP_SYSTEM = """
INSERT INTO systems (name, record, at) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET record = excluded.record
"""
_KEEP_PREDICTION = """
INSERT INTO predictions
    (system, place, text, failed, cut, shortened, at, instance, fingerprint)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_KEEP_THOUGHTS = "INSERT INTO thoughts VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class KeptSystem:
    """A system as the run's database stores it. `stamps` are fingerprints by name.

    `training` has the tasks of the run on which the model was tuned, if that is known. `frames` has
    what chat templates wrote around the prompts, by template.
    """

    settings: dict[str, Any]
    stamps: dict[str, Any]
    identity_url: str | None
    training: TrainingOverlap | None = None
    frames: dict[str, ChatFrame] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChosenSystem:
    """A system to predict with, and its tasks, with the steps that prompts show.

    `identity_url` is the address under which its replies are stored. `listed` are the tasks as the
    run has them, and `asking` the fingerprints of how the instances of each task are asked;
    `changes` says what is different from when the system was worked on last.
    """

    name: str
    settings: PredictSettings
    tasks: tuple[Task, ...]
    stamps: dict[str, Any]
    identity_url: str | None
    training: TrainingOverlap | None = None
    listed: tuple[Task, ...] = ()
    asking: Mapping[str, str] = field(default_factory=dict)
    changes: ListChanges = NO_CHANGES

    @property
    def kept(self) -> KeptSystem:
        """The system as the database stores it."""
        return KeptSystem(flatten(self.settings), self.stamps, self.identity_url, self.training)


@dataclass(frozen=True, slots=True)
class PredictionCounts:
    """Predictions of a system: all; those that failed, without text, and cut short; and those to
    prompts of which something had to be left out.
    """

    predictions: int
    failed: int
    empty: int
    cut: int
    shortened: int


class PredictionRecords:
    """The systems of a run, and the predictions of each for the instances of the run's tasks."""

    def __init__(self, path: Path, database: Database, load: Callable[[], TaskList]) -> None:
        """Use the database of a run. `load` reads the tasks."""
        self._path = path
        self._database = database
        self._load = load

    def tasks(self) -> TaskList:
        """Return the tasks of the run, and the problems of those left out.

        Raises:
            InputError: the tasks can't be read any more.
            RunError: the tasks have changed.
        """
        return self._tasks

    @cached_property
    def _tasks(self) -> TaskList:
        return self._load()

    def references(self) -> dict[str, Reference]:
        """Return the reference outputs by instance id.

        If two tasks have an instance of the same id, the id of the task is put before it.
        """
        return references_of(self.tasks().tasks)

    def names(self) -> tuple[str, ...]:
        """Return the names of the systems, in the order in which they were begun."""
        rows = self._database.rows("SELECT name FROM systems ORDER BY rowid")
        if not all(isinstance(row["name"], str) for row in rows):
            self._database.require_whole()
        return tuple(row["name"] for row in rows)

    def settings_of(self, name: str) -> PredictSettings:
        """Return the settings of a system, which may name a layout that is not there any more.

        Raises:
            InputError: there is no such system.
        """
        kept = self.kept(name)
        if not kept:
            raise unknown_name("system", name, self.names(), str(self._path))
        return make_settings(PredictSettings, kept.settings, str(self._path), check=False)

    def kept(self, name: str) -> KeptSystem | None:
        """Return a system as the database stores it, or None if there is no such system."""
        kept = self._stored(name)
        return kept and replace(kept, settings=paths_from_here(self._path, kept.settings))

    def _stored(self, name: str) -> KeptSystem | None:
        """Return a system with its paths as the database has them."""
        rows = self._database.rows("SELECT record FROM systems WHERE name = ?", (name,))
        if not rows:
            return None
        return decode_value(rows[0]["record"], KeptSystem, f"the system '{name}'")

    def predictions(self, name: str) -> Iterator[Prediction]:
        """Yield the predictions of a system, in the order of the instances.

        Raises:
            InputError: there is no such system, or the tasks can't be read any more.
            RunError: the tasks have changed.
        """
        self.settings_of(name)
        instances = [(key, task.id) for key, task, _ in instances_of(self.tasks().tasks)]
        query = "SELECT * FROM predictions WHERE system = ? ORDER BY place"
        for row in self._database.rows(query, (name,)):
            if not isinstance(row["text"], str):
                self._database.require_whole()
            instance, task = instances[row["place"]]
            yield Prediction(task, instance, row["text"], row["failed"], cut=bool(row["cut"]))

    def thoughts(self, name: str) -> dict[str, str]:
        """Return what a system thought before its answers, by instance, where a checkpoint did.

        The thoughts of a served model are kept with its replies.
        """
        if not self._database.has_rows("thoughts"):
            return {}
        instances = [key for key, _, _ in instances_of(self.tasks().tasks)]
        query = "SELECT place, text FROM thoughts WHERE system = ? ORDER BY place"
        rows = self._database.rows(query, (name,))
        return {instances[row["place"]]: row["text"] for row in rows}

    def counts(self, name: str) -> PredictionCounts:
        """Count the predictions of a system."""
        query = (
            "SELECT count(*), count(nullif(failed, '')), total(failed = '' AND text = ''),"
            " total(cut), total(shortened) FROM predictions WHERE system = ?"
        )
        return PredictionCounts(*map(int, self._database.rows(query, (name,))[0]))

    def failures(self, name: str) -> dict[str, int]:
        """Return the number of failed predictions by reason, the most frequent reason first."""
        query = (
            "SELECT failed, count(*) FROM predictions WHERE system = ? AND failed != ''"
            " GROUP BY failed ORDER BY count(*) DESC, failed"
        )
        return {row[0]: row[1] for row in self._database.rows(query, (name,))}

    def work(self, system: ChosenSystem) -> tuple[TaskWork, ...]:
        """Return the instances without a prediction of a system, by task."""
        query = "SELECT place FROM predictions WHERE system = ?"
        return work_without(system, {row[0] for row in self._database.rows(query, (system.name,))})

    def keep(self, system: ChosenSystem) -> None:
        """Store a system's settings, replacing earlier ones."""
        now, before = system.kept, self.kept(system.name)
        if before:
            settings = in_order_of(before.settings, now.settings)
            now = replace(now, settings=settings, frames=before.frames)
            if self.counts(system.name).predictions and not (now.training and before.training):
                now = replace(now, training=before.training)
        self._keep(system.name, now)

    def keep_frames(self, name: str, frames: Mapping[str, ChatFrame]) -> None:
        """Store what chat templates wrote around a system's prompts, for its later ones."""
        kept = self.kept(name)
        if kept and kept.frames != frames:
            self._keep(name, replace(kept, frames=dict(frames)))

    def _keep(self, name: str, kept: KeptSystem) -> None:
        before = self._stored(name)
        settings = paths_as_kept(self._path, kept.settings, before.settings if before else {})
        values = msgspec.to_builtins(replace(kept, settings=settings))
        for later in ("training", "frames"):  # 0.1.0 kept none of them
            if not values[later]:
                del values[later]
        record = msgspec.json.encode(values).decode()
        self._database.write_now(_KEEP_SYSTEM, [(name, record, time.time())])

    @cached_property
    def _marks(self) -> tuple[InstanceMark, ...]:
        return marks_of(self.tasks().tasks)

    async def record(self, system: ChosenSystem, answers: Sequence[InstanceAnswer]) -> None:
        """Store answers; they are on the disk when this returns.

        Raises:
            StoreError: an instance has one, or they can't be written.
        """
        now = time.time()
        rows = []
        for given in answers:
            mark = self._marks[given.place]
            of = Fingerprint(mark.content, system.asking.get(mark.task, ""))
            flags = (given.failed, given.cut, given.shortened)
            rows.append((system.name, given.place, given.text, *flags, now, mark.id, str(of)))
        statements: list[Statement] = [("DELETE FROM scores WHERE name = ?", (system.name,))]
        statements += [(_KEEP_PREDICTION, row) for row in rows]
        statements += [
            (_KEEP_THOUGHTS, (system.name, given.place, given.thoughts))
            for given in answers
            if given.thoughts
        ]
        await self._database.write(statements)


def work_without(system: ChosenSystem, done: Set[int]) -> tuple[TaskWork, ...]:
    """Return a system's instances but those at some places, by task."""
    place = 0
    found: list[TaskWork] = []
    for task in system.tasks:
        numbered = enumerate(task.instances, start=place)
        place += len(task.instances)
        if left := tuple((at, instance) for at, instance in numbered if at not in done):
            found.append(TaskWork(task, left))
    return tuple(found)


PredictionsRun = Run[TaskChoice, TaskList, PredictionRecords]
"""A run of predictions."""


@contextmanager
def open_predictions(path: Path) -> Iterator[PredictionRecords]:
    """Open the records of a run of predictions, as they are at this moment.

    Raises:
        RunError: `path` has no such run.
    """
    with open_database(path, "predict") as database:
        config = stored_values(path, CONFIG)
        names = table(TaskChoice)
        values = {name: value for name, value in config.items() if name in names}
        settings = make_settings(TaskChoice, values, str(path / CONFIG))

        def load() -> TaskList:
            return unchanged_tasks(path, settings, load_chosen_tasks(settings), config, database)

        yield PredictionRecords(path, database, load)


def load_chosen_tasks(settings: TaskChoice) -> TaskList:
    """Return the chosen tasks, with the chosen instances of each.

    Raises:
        InputError: no tasks are named, one can't be read, or none has an instance.
    """
    chosen = settings.load()
    if not sum(1 for _ in instances_of(chosen.tasks)):
        raise InputError("the tasks have no instances", "name tasks with instances")
    return chosen


def stamp_chosen_tasks(settings: TaskChoice, inputs: TaskList) -> dict[str, str]:
    """Return the fingerprint of the tasks."""
    return {STAMP: digest(inputs.tasks)}


def unchanged_tasks(
    path: Path,
    settings: TaskChoice,
    found: TaskList,
    config: Mapping[str, Any],
    database: Database,
) -> TaskList:
    """Return the tasks that a run predicted.

    Raises:
        RunError: the tasks don't have the fingerprint in the run's configuration, or predictions
            are not at their places in it.
    """
    if stamp_chosen_tasks(settings, found)[STAMP] != config.get(STAMP):
        what = f"{settings.path} has changed since {path} was made"
        remedy = f"go on with `seedstep predict --out {path}`, or put it back as it was"
        raise RunError(what, remedy)
    if places_of(database) not in ("", config.get(STAMP)):  # killed, and the list changed back
        what = f"{path} was stopped while it took over another list of tasks"
        raise RunError(what, f"run `seedstep predict --out {path}` to go on")
    return found


_LATEST = "SELECT coalesce(max(at), 0) FROM predictions WHERE system = scores.name"


def keep_scores(path: Path, name: str, evaluated: EvaluatedSystem, tokens: str) -> None:
    """Store the scores of a system in its run, replacing earlier ones with the same tokenizer.

    `name` is the name of the system in the run. `tokens` is the name of the tokenizer, or empty for
    the stemmed words of rouge-score.

    Raises:
        RunBusyError: another process works on the run.
        RunError: it can't be written.
    """
    lock = take_lock(path)
    try:
        with closing(Database.open(path / DATABASE)) as database:
            database.write_now(
                "DELETE FROM scores WHERE name = ? AND tokens = ? AND grouping IN ('', ?)",
                [(name, tokens, evaluated.grouping or "")],
            )
            latest = f"SELECT max(?, ({_LATEST})) FROM (SELECT ? AS name) AS scores"  # noqa: S608
            now = database.rows(latest, (time.time(), name))[0][0]  # a clock may be set back
            database.write_now(
                "INSERT INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                list(_rows(name, evaluated, tokens, now)),
            )
    finally:
        lock.release()


def kept_scores(path: Path) -> tuple[dict[str, Any], ...]:
    """Return the scores stored in a run: rows of the database, by column name.

    Scores of a system that has made more predictions since are left out: those of runs that 0.1.0
    wrote by their time, as it kept them.
    """
    query = f"SELECT * FROM scores WHERE at >= ({_LATEST}) ORDER BY rowid"  # noqa: S608
    with closing(Database.open(path / DATABASE, read_only=True)) as database:
        return tuple(map(dict, database.rows(query)))


def _rows(
    name: str, evaluated: EvaluatedSystem, tokens: str, now: float
) -> Iterator[tuple[object, ...]]:
    groups = [("", evaluated.overall), *evaluated.groups.items()]
    for place, (group, scores) in enumerate(groups):
        head = (name, tokens, evaluated.grouping if place else "", group)
        counts = (scores.instances, scores.tasks, scores.missing, scores.failed)
        for metric, value in scores.values.items():
            yield (*head, metric, value.value, value.low, value.high, value.reason, *counts, now)
