"""Stages that make one record for each task: their records, and what they share in their entries.

Example::

    with Run.read(STEPS, Path("runs/steps")) as run:
        for entry in run.entries():
            print(entry.task, entry.result.steps)
"""

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from sqlite3 import Row
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from seedstep.data import Task, TaskList
from seedstep.errors import InputError
from seedstep.evaluate.judge import Judged, JudgeSettings, SystemAnswers
from seedstep.infer.distill import DistilledTask, DistillSettings
from seedstep.llm.budget import UNPRICED
from seedstep.llm.checkpoints import gguf_fingerprint
from seedstep.prompts import fingerprint
from seedstep.runs.blocks import Blocks, Line, Words, line
from seedstep.runs.database import Database, Statement, decode_value
from seedstep.runs.directory import digest
from seedstep.runs.lists import ASIDE, GONE, UNSURE, Fingerprint
from seedstep.runs.run import Run
from seedstep.steps import ExampleSet, ExamplesSettings, StepsSettings, WrittenSteps

if TYPE_CHECKING:
    from seedstep.llm import Engine, Preview, Spent

__all__ = [
    "ASKING_CHANGEABLE",
    "GROWING",
    "PLACES",
    "TASKS_CHANGEABLE",
    "DistillRun",
    "Entry",
    "ExamplesInputs",
    "ExamplesRun",
    "JudgeInputs",
    "JudgeRun",
    "StageWork",
    "StepsRun",
    "TaskRecords",
    "TaskResult",
    "asking_of",
    "contents_of",
    "entry_line",
    "entry_title",
    "lister",
    "read_entries",
    "row_of",
    "spending_line",
    "stamp_tasks",
]

_KEEP = """
INSERT INTO results (position, task, category, definition, result, at, fingerprint)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""


class TaskResult(Protocol):
    """A stage's record of a task, as far as all stages have it."""

    @property
    def failure(self) -> str:
        """Why there is no result; empty if there is one."""


R = TypeVar("R", bound=TaskResult)


@dataclass(frozen=True, slots=True)
class Entry(Generic[R]):
    """A task with its record. `position` is its place among the tasks, from 0."""

    position: int
    task: str
    category: str
    definition: str
    result: R


@dataclass(frozen=True, slots=True)
class StageWork:
    """How a stage works on tasks that have no record yet.

    `stage` yields a record for each of some tasks, in their order, with an engine and what was
    spent. `flaws` returns what is wrong with a record that is not a failure, for the progress.
    `estimate` returns the first requests for some tasks, and about how many they take. `size`
    returns how many of the things a task has that the stage counts. `notes` are told at the start.
    """

    stage: "Callable[[tuple[Task, ...], Engine, Spent], AsyncGenerator[Any]]"
    flaws: Callable[[Any], str]
    estimate: "Callable[[Sequence[Task]], Preview]"
    size: Callable[[Task], int] = lambda _: 1
    notes: tuple[str, ...] = ()


class TaskRecords(Generic[R]):
    """The records of the tasks of a run."""

    def __init__(self, run: Run[Any, Any, Any], record_type: type[R]) -> None:
        """Use the database of a run for records of this type."""
        self._run = run
        self._database = run.database
        self._type = record_type

    def tasks(self) -> TaskList:
        """Return the tasks that the stage made, if it makes any, or those that it works on.

        Raises:
            InputError: the tasks that it works on can't be read any more.
        """
        made = self._run.stage.tasks
        return TaskList(tuple(made(self._database))) if made else self.listed()

    def listed(self) -> TaskList:
        """Return the tasks to work on, up to a `limit`, and the problems of those left out.

        Raises:
            InputError: they can't be read any more.
        """
        found: TaskList = self._run.inputs()
        return replace(found, tasks=found.tasks[: getattr(self._run.settings, "limit", None)])

    def left(self) -> list[tuple[int, Task]]:
        """Return the tasks to work on that have no record yet, each with its place in the list.

        Raises:
            InputError: they can't be read any more.
        """
        done = self.done()
        listed = enumerate(self.listed().tasks)
        return [(place, task) for place, task in listed if task.id not in done]

    def entries(self) -> Iterator[Entry[R]]:
        """Yield the tasks that have a record, in their order."""
        return read_entries(self._database, self._type)

    def entry(self, task: str) -> Entry[R]:
        """Return a task with its record.

        Raises:
            InputError: the task has no record.
        """
        rows = self._database.rows("SELECT * FROM results WHERE task = ?", (task,))
        if not rows:
            remedy = f"`seedstep show {self._run.path}` lists them"
            raise InputError(f"{self._run.path} has no task '{task}'", remedy)
        return _entry(rows[0], self._type)

    def finished_at(self) -> tuple[float, ...]:
        """Return when each task was done (Unix time), in that order."""
        return tuple(row[0] for row in self._database.rows("SELECT at FROM results ORDER BY at"))

    def count(self) -> int:
        """Return how many tasks are done."""
        return int(self._database.rows("SELECT count(*) FROM results")[0][0])

    def done(self) -> frozenset[str]:
        """Return the ids of the tasks that have a record."""
        return frozenset(row[0] for row in self._database.rows("SELECT task FROM results"))

    def fitting(self, *, uncompared: bool = True) -> frozenset[str]:
        """Return the ids of the tasks whose record is of the tasks as they are now.

        Those that are not compared yet, of 0.1.0, count as well if `uncompared` says so.
        """
        rows = self._database.rows("SELECT * FROM results")
        marks = {row["task"]: Fingerprint.parse(dict(row).get("fingerprint", "")) for row in rows}
        now = self._contents
        either = ("", UNSURE.task) if uncompared else ()
        return frozenset(
            name for name, mark in marks.items() if mark.task in (*either, now.get(name))
        )

    async def record(self, position: int, task: Task, result: R) -> None:
        """Store the record of a task that has none.

        Raises:
            StoreError: the task has a record, or the new one can't be written.
        """
        await self._database.write([self._statement(position, task, result)])

    def write_now(self, results: Sequence[tuple[int, Task, R]]) -> None:
        """Store together records that no model made, such as imported or counted ones.

        Raises:
            StoreError: a task has one already (`left` has those that have none), or they can't be
                written.
        """
        self._database.write_together([self._statement(*result, asked=False) for result in results])

    async def affirm(self, tasks: Iterable[str]) -> None:
        """Note that records of version 0.1.0 fit the tasks as they are now."""
        query = "UPDATE results SET fingerprint = ? WHERE task = ?"
        await self._database.write([(query, (self._fingerprint(task), task)) for task in tasks])

    async def set_aside(self, tasks: Iterable[str]) -> None:
        """Set records of version 0.1.0 aside, as they don't fit the tasks as they are now."""
        statements = [((ASIDE, ("", task)), (GONE, (task,))) for task in tasks]
        await self._database.write([part for both in statements for part in both])

    @cached_property
    def _contents(self) -> dict[str, str]:
        make = self._run.stage.contents
        return make(self._run.inputs()) if make else {}

    @cached_property
    def _asking(self) -> str:
        return self._run.stage.asking(self._run.settings, self._run.config)

    def _fingerprint(self, task: str, *, asked: bool = True) -> str:
        content = self._contents.get(task)
        return str(Fingerprint(content, self._asking if asked else "")) if content else ""

    def _statement(self, position: int, task: Task, result: R, *, asked: bool = True) -> Statement:
        record = msgspec.json.encode(result).decode()
        mark = self._fingerprint(task.id, asked=asked)
        values = (position, task.id, task.category, task.definition, record, time.time(), mark)
        return _KEEP, values


def read_entries(database: Database, record_type: type[R]) -> Iterator[Entry[R]]:
    """Yield the tasks of a run that have a record, in their order."""
    for row in database.rows("SELECT * FROM results ORDER BY position"):
        yield _entry(row, record_type)


def _entry(row: Row, record_type: type[R]) -> Entry[R]:
    result = decode_value(row["result"], record_type, f"the result of task '{row['task']}'")
    return Entry(row["position"], row["task"], row["category"], row["definition"], result)


ASKING_CHANGEABLE = (
    "in_flight",
    "send",
    "finish_live",
    "workers",
    "max_requests",
    "max_tokens",
    "max_usd",
    "prices",
)
"""The settings that say how a model is asked and what it may cost, and do not change the data."""

TASKS_CHANGEABLE = ("limit", "skip_bad", *ASKING_CHANGEABLE)
"""The settings that may change when a stage with a record for each task continues."""


GROWING = (
    "tasks_fingerprint",
    "prompts_fingerprint",
    "sampling",
    "reasoning",
)
"""What may change, too, where a record is known by what it follows from: see `Stage.contents`."""

PLACES = ("tasks", "split", "track")
"""The settings that say where a list of tasks is."""


def contents_of(inputs: TaskList) -> dict[str, str]:
    """Return the fingerprint of each task by its id."""
    return {task.id: digest([task]) for task in inputs.tasks}


def asking_of(settings: Any, config: Mapping[str, Any]) -> str:
    """Return the fingerprint of how a model is asked: sampling, reasoning, prompts and file."""
    sampling = {name: settings.sampling_of(name) for name in settings.SAMPLING}
    parts = [sampling, config.get("prompts_fingerprint")]
    parts += filter(None, (settings.model.reasoning, gguf_fingerprint(settings.model.name)))
    if language := getattr(settings, "language", None):
        parts.append({"language": language})
    return digest(parts)


def stamp_tasks(settings: Any, inputs: TaskList) -> dict[str, str]:
    """Return the fingerprints of tasks and of the prompts about step-by-step instructions."""
    return {
        "tasks_fingerprint": digest(inputs.tasks),
        "prompts_fingerprint": fingerprint("steps"),
    }


def spending_line(run: Run[Any, Any, Any]) -> Line:
    """Show the requests and tokens of a run."""
    spent = run.spent()
    text = f"{spent.requests:,} requests, {spent.total_tokens:,} tokens"
    if spent.batch_tokens:
        text += f" ({spent.batch_tokens:,} by batch)"
    usd = getattr(run.settings, "pricing", UNPRICED).usd(spent.tokens)
    if usd is not None:
        text += f", ${usd:,.4f}"
    return line(text)


def lister(
    told: Callable[[Entry[Any]], Line], *, failed: bool = False
) -> Callable[[Run[Any, Any, TaskRecords[Any]]], Blocks]:
    """Return a function that lists the tasks of a run, or those without a result, a line each."""

    def listed(run: Run[Any, Any, TaskRecords[Any]]) -> Blocks:
        for entry in run.entries():
            if entry.result.failure or not failed:
                yield told(entry)

    return listed


def row_of(entry: Entry[Any]) -> dict[str, Any]:
    """Return what the rows of all stages that make one record for each task begin with."""
    return {"task": entry.task, "category": entry.category, "definition": entry.definition}


def entry_line(head: str, state: str) -> Line:
    """Return the line of a task in a list, with its state."""
    words = (Words(f"  {state}", "warning"),) if state else ()
    return Line((Words(head), *words))


def entry_title(task: str, category: str, definition: str) -> Iterator[Line]:
    """Yield the lines with the name, the category and the definition of a task."""
    yield line(f"{task}  {category}".rstrip(), "bold")
    yield line(definition)


@dataclass(frozen=True, slots=True)
class JudgeInputs(TaskList):
    """The inputs of a judge: a task for each instance, the answers of each system, a rubric."""

    answers: SystemAnswers = field(default_factory=dict)
    rubric: str = ""


@dataclass(frozen=True, slots=True)
class ExamplesInputs(TaskList):
    """The inputs of generated examples: tasks, and the steps of each, by the task's id.

    `language` is the one in which the steps were asked for, if one was named.
    """

    instructions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    language: str | None = None


StepsRun = Run[StepsSettings, TaskList, TaskRecords[WrittenSteps]]
"""A run of step-by-step instructions."""

ExamplesRun = Run[ExamplesSettings, ExamplesInputs, TaskRecords[ExampleSet]]
"""A run of examples generated from step-by-step instructions."""

DistillRun = Run[DistillSettings, TaskList, TaskRecords[DistilledTask]]
"""A run of outputs that were written anew."""

JudgeRun = Run[JudgeSettings, JudgeInputs, TaskRecords[Judged]]
"""A run of verdicts, whose tasks are instances."""
