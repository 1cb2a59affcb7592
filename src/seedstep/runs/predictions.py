"""A system of a run of predictions: its settings, resolved, kept, and compared with those before.

Example::

    system = begin_system("tuned", tasks, None, {"model": "hf:checkpoints/tuned"}, {})
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data import Prediction, Task, TaskFiles, instances_of, load_tasks
from seedstep.encode import make_encoding
from seedstep.errors import InputError, RunError, unknown_name
from seedstep.evaluate.scores import Reference, references_of
from seedstep.infer.predict import Answer, TaskWork
from seedstep.infer.settings import (
    ChosenTasks,
    SystemSettings,
    make_chosen_tasks,
    make_system_settings,
)
from seedstep.inputs.steps import with_steps
from seedstep.llm import Header, resolve_base_url
from seedstep.llm.checkpoints import fingerprint_of
from seedstep.llm.settings import require_price
from seedstep.runs.directory import RunDirectory, digest, refuse_differences

__all__ = [
    "CHANGEABLE",
    "ChosenSystem",
    "KeptSystem",
    "PredictionCounts",
    "PredictionsRun",
    "begin_system",
    "refuse_changes",
]

CHANGEABLE = ("batch", "in_flight", "max_requests", "max_tokens", "max_usd", "prices")
"""Settings of a system that change nothing of what it answers."""

LONGEST_NAME = 100
"""Characters of a system's name."""


@dataclass(frozen=True, slots=True)
class KeptSystem:
    """What the run's database keeps of a system. `stamps` are fingerprints by name."""

    settings: dict[str, Any]
    stamps: dict[str, Any]
    identity_url: str | None


@dataclass(frozen=True, slots=True)
class ChosenSystem:
    """A system to predict with, and the tasks with the steps that it is shown.

    `identity_url` is the address under which its replies are kept.
    """

    name: str
    settings: SystemSettings
    tasks: tuple[Task, ...]
    stamps: dict[str, Any]
    identity_url: str | None

    @property
    def kept(self) -> KeptSystem:
        """What is kept of it."""
        return KeptSystem(asdict(self.settings), self.stamps, self.identity_url)


def begin_system(
    name: str,
    tasks: tuple[Task, ...],
    kept: KeptSystem | None,
    asked: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> ChosenSystem:
    """A system with the settings that are asked for, else kept, else `defaults`.

    Of `encoding` each may name some knobs only.

    Raises:
        InputError: the name, a setting or the steps can't be used.
    """
    if not (name.strip() and name.isprintable() and len(name) <= LONGEST_NAME):
        what = f"a system can't be named {name[:LONGEST_NAME]!r}"
        raise InputError(what, f"write 1 to {LONGEST_NAME} printable characters after --name")
    known = kept.settings if kept and _same_model(kept, asked) else {}
    values = {**defaults, **known, **asked}
    knobs = [one.get("encoding") or {} for one in (defaults, known, asked)]
    values["encoding"] = {knob: value for one in knobs for knob, value in one.items()}
    settings = _settled(make_system_settings(values, "settings"))
    require_price(settings)
    if settings.steps:
        tasks = with_steps(tasks, Path(settings.steps))
    is_here = settings.kind == "checkpoint"
    stamps = {
        "stop_texts": list(settings.stop_texts),
        "steps_fingerprint": digest([one.steps, one.unrefined_steps] for one in tasks),
        "model_fingerprint": fingerprint_of(settings.model) if is_here else "",
    }
    return ChosenSystem(name, settings, tasks, stamps, settings.base_url)


def _same_model(kept: KeptSystem, asked: Mapping[str, Any]) -> bool:
    return bool(asked.get("model", kept.settings["model"]) == kept.settings["model"])


def _settled(settings: SystemSettings) -> SystemSettings:
    """With the address that is asked, and knobs of an encoding that go together."""
    make_encoding("tk-instruct", asdict(settings.encoding))
    if settings.kind != "server":
        return replace(settings, base_url=None)
    return replace(settings, base_url=resolve_base_url(settings.model, settings.base_url))


def refuse_changes(
    where: str, kept: KeptSystem, begun: ChosenSystem, changeable: Sequence[str]
) -> None:
    """Raise RunMismatchError if a system that has predictions is asked with other settings."""
    before = dict(_flat({**asdict(make_system_settings(kept.settings, where)), **kept.stamps}))
    now = dict(_flat({**begun.kept.settings, **begun.stamps}))
    refuse_differences(where, before, now, changeable, another="--name")


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The knobs of an encoding as settings of their own."""
    for key, value in values.items():
        if key == "encoding":
            yield from ((f"{key}.{knob}", one) for knob, one in value.items())
        else:
            yield key, value


STAMP = "tasks_fingerprint"

_KEEP_SYSTEM = """
INSERT INTO systems (name, record, at) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET record = excluded.record
"""
_KEEP_PREDICTION = "INSERT OR IGNORE INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?)"


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


class PredictionsRun(RunDirectory[ChosenTasks, TaskFiles]):
    """A run directory of predictions."""

    stage = "predict"
    changeable = ()
    made = "predictions"
    make_settings = staticmethod(make_chosen_tasks)

    @staticmethod
    def load(settings: ChosenTasks) -> TaskFiles:
        """The chosen tasks, with the chosen instances of each.

        Raises:
            InputError: none are named, one can't be read, or none has an instance.
        """
        if settings.tasks is None:
            raise InputError("no tasks", "add --tasks PATH")
        found = load_tasks(
            Path(settings.tasks),
            settings.split,
            settings.track,
            limit=settings.limit_instances,
            skip_bad=settings.skip_bad,
        )
        chosen = replace(found, tasks=found.tasks[: settings.limit_tasks])
        references_of(chosen.tasks)
        return chosen

    @staticmethod
    def stamps(settings: ChosenTasks, inputs: TaskFiles) -> dict[str, str]:
        """The fingerprint of the tasks."""
        return {STAMP: digest(inputs.tasks)}

    def tasks(self) -> TaskFiles:
        """The tasks that are predicted, and what is wrong with others.

        Raises:
            InputError: they can't be read any more.
            RunError: they are not what they were.
        """
        if self._inputs is None:
            found = self.inputs()
            if self.stamps(self.settings, found)[STAMP] != self._entries.get(STAMP):
                what = f"{self.settings.tasks} has changed since {self.path} was made"
                raise RunError(what, "put it back as it was, or predict anew with another --out")
            self._inputs = found
        return self._inputs

    def references(self) -> dict[str, Reference]:
        """The wanted outputs by instance id, which has the task's before it where two tasks have
        an instance of the same id.
        """
        return references_of(self.tasks().tasks)

    def names(self) -> tuple[str, ...]:
        """The systems, in the order in which they were begun."""
        rows = self._database.rows("SELECT name FROM systems ORDER BY rowid")
        return tuple(row["name"] for row in rows)

    def settings_of(self, name: str) -> SystemSettings:
        """The settings of a system.

        Raises:
            InputError: there is no such system.
        """
        kept = self._kept(name)
        if not kept:
            raise unknown_name("system", name, self.names(), str(self.path))
        return make_system_settings(kept.settings, str(self.path))

    def predictions(self, name: str) -> Iterator[Prediction]:
        """What a system answered, in the order of the instances.

        Raises:
            InputError: there is no such system.
        """
        self.settings_of(name)
        instances = [(key, task.id) for key, task, _ in instances_of(self.tasks().tasks)]
        query = "SELECT * FROM predictions WHERE system = ? ORDER BY place"
        for row in self._database.rows(query, (name,)):
            instance, task = instances[row["place"]]
            yield Prediction(task, instance, row["text"], row["failed"])

    def counts(self, name: str) -> PredictionCounts:
        """How many predictions a system has, and what they are."""
        query = (
            "SELECT count(*), count(nullif(failed, '')), total(failed = '' AND text = ''),"
            " total(cut), total(shortened) FROM predictions WHERE system = ?"
        )
        return PredictionCounts(*map(int, self._database.rows(query, (name,))[0]))

    def failures(self, name: str) -> dict[str, int]:
        """Why predictions of a system failed, and how many did, the most frequent first."""
        query = (
            "SELECT failed, count(*) FROM predictions WHERE system = ? AND failed != ''"
            " GROUP BY failed ORDER BY count(*) DESC, failed"
        )
        return {row[0]: row[1] for row in self._database.rows(query, (name,))}

    def begin(
        self,
        name: str,
        asked: Mapping[str, Any],
        defaults: Mapping[str, Any],
        *,
        same_model: bool = False,
    ) -> ChosenSystem:
        """Begin or go on with a system.

        `asked` are the settings that the user named, `defaults` those that hold for a new system
        where none are. Of `encoding` both may name some knobs only.

        Raises:
            InputError: the name, a setting or the steps can't be used.
            RunMismatchError: it has predictions that were made with other settings.
        """
        kept = self._kept(name)
        made = bool(self.counts(name).predictions)
        tasks = self.tasks().tasks
        begun = begin_system(name, tasks, kept, asked, defaults)
        if kept and made:
            changeable = (*CHANGEABLE, *["base_url"] * same_model)
            refuse_changes(f"{self.path}, {name},", kept, begun, changeable)
            begun = replace(begun, identity_url=kept.identity_url)
        record = msgspec.json.encode(begun.kept).decode()
        self._database.write_now(_KEEP_SYSTEM, [(name, record, time.time())])
        return begun

    def work(self, system: ChosenSystem) -> tuple[TaskWork, ...]:
        """The instances that the system has no prediction for yet, by task."""
        query = "SELECT place FROM predictions WHERE system = ?"
        done = {row["place"] for row in self._database.rows(query, (system.name,))}
        place = 0
        found: list[TaskWork] = []
        for task in system.tasks:
            numbered = enumerate(task.instances, start=place)
            place += len(task.instances)
            if left := tuple((at, one) for at, one in numbered if at not in done):
                found.append(TaskWork(task, left))
        return tuple(found)

    async def record(self, system: ChosenSystem, answers: Sequence[Answer]) -> None:
        """Keep answers, on the disk when this returns."""
        now = time.time()
        rows = (
            (system.name, one.place, one.text, one.failed, one.cut, one.shortened, now)
            for one in answers
        )
        await self._database.write([(_KEEP_PREDICTION, row) for row in rows])

    def _kept(self, name: str) -> KeptSystem | None:
        rows = self._database.rows("SELECT record FROM systems WHERE name = ?", (name,))
        return msgspec.json.decode(rows[0]["record"], type=KeptSystem) if rows else None

    def _check(self) -> None:
        """Any tasks will do."""

    def _keep(self, inputs: TaskFiles) -> None:
        """Tasks stay where they are; their fingerprint is kept."""

    def _header(self) -> Header:
        asked = [self.settings_of(name) for name in self.names()]
        models = {(one.model, one.base_url, one.style) for one in asked if one.kind == "server"}
        if len(models) != 1:
            what = f"{self.path} has the requests of {len(models)} models"
            raise InputError(what, "a recording is of one: predict with one in a run of its own")
        return Header.of(*models.pop())
