"""The run directory of a stage that makes one record for each task.

Example::

    with StepsRun.read(Path("runs/steps")) as run:
        for entry in run.entries():
            print(entry.task, entry.result.steps)
"""

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Row
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from seedstep.data import Task, TaskFiles
from seedstep.errors import InputError
from seedstep.prompts import fingerprint
from seedstep.runs.directory import ModelRun, ModelSettings, digest

__all__ = [
    "Entry",
    "TaskResult",
    "TaskRun",
]


class TaskSettings(ModelSettings, Protocol):
    """Settings of a stage that works on tasks."""

    @property
    def limit(self) -> int | None:
        """How many tasks, the first ones."""


S = TypeVar("S", bound=TaskSettings)


class TaskResult(Protocol):
    """A stage's record of a task."""

    @property
    def failure(self) -> str:
        """Why there is no result; empty where there is one."""


R = TypeVar("R", bound=TaskResult)


@dataclass(frozen=True, slots=True)
class Entry(Generic[R]):
    """A task with what came of it. `position` is its place among the tasks, from 0."""

    position: int
    task: str
    category: str
    definition: str
    result: R


class TaskRun(ModelRun[S, TaskFiles], Generic[S, R]):
    """A run directory with a record for each task, opened for reading or as its one writer."""

    record_type: ClassVar[type]
    changeable = (
        "limit",
        "in_flight",
        "skip_bad",
        "max_requests",
        "max_tokens",
        "max_usd",
        "prices",
    )

    @staticmethod
    @abstractmethod
    def load(settings: S) -> TaskFiles:
        """All tasks, also those beyond `limit`."""

    @staticmethod
    def stamps(settings: S, inputs: TaskFiles) -> dict[str, str]:
        """Fingerprints of tasks and prompts."""
        return {
            "tasks_fingerprint": digest(inputs.tasks),
            "prompts_fingerprint": fingerprint("steps"),
        }

    def tasks(self) -> TaskFiles:
        """The tasks to work on, up to `limit`, and what is wrong with others."""
        found = self.inputs()
        return replace(found, tasks=found.tasks[: self.settings.limit])

    async def record(self, position: int, task: Task, result: R) -> None:
        """Keep what came of a task. Keeping it again, as a resumed run does, changes nothing."""
        await self._database.write([_statement(position, task, result)])

    def write_now(self, results: Sequence[tuple[int, Task, R]]) -> None:
        """Keep what was made elsewhere."""
        for position, task, result in results:
            query, values = _statement(position, task, result)
            self._database.write_now(query, [values])

    def entries(self) -> Iterator[Entry[R]]:
        """What came of the tasks, in their order."""
        for row in self._database.rows("SELECT * FROM results ORDER BY position"):
            yield self._entry(row)

    def entry(self, task: str) -> Entry[R]:
        """What came of one task.

        Raises:
            InputError: there is nothing of it.
        """
        rows = self._database.rows("SELECT * FROM results WHERE task = ?", (task,))
        if not rows:
            remedy = f"`seedstep {self.stage} show {self.path}` lists them"
            raise InputError(f"{self.path} has no task '{task}'", remedy)
        return self._entry(rows[0])

    def finished_at(self) -> tuple[float, ...]:
        """When each task was done (Unix time), in that order."""
        return tuple(row[0] for row in self._database.rows("SELECT at FROM results ORDER BY at"))

    def count(self) -> int:
        """How many tasks are done."""
        return int(self._database.rows("SELECT count(*) FROM results")[0][0])

    def _entry(self, row: Row) -> Entry[R]:
        result: R = msgspec.json.decode(row["result"], type=self.record_type)
        return Entry(row["position"], row["task"], row["category"], row["definition"], result)

    def _check(self) -> None:
        """Any settings will do."""

    def _keep(self, inputs: TaskFiles) -> None:
        """Tasks stay where they are; their fingerprint is kept."""


def _statement(position: int, task: Task, result: object) -> tuple[str, tuple[Any, ...]]:
    record = msgspec.json.encode(result).decode()
    values = (position, task.id, task.category, task.definition, record, time.time())
    return "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?, ?, ?)", values
