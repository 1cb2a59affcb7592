"""The records of a bootstrap's run: finished tasks, rejected candidates, and counts.

Example::

    with Run.read(BOOTSTRAP, Path("runs/first")) as run:
        run.tasks()  # the finished ones
        run.records.show("g3.1").neighbor
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Row
from typing import Any

from seedstep.bootstrap import REASONS, BootstrapSettings, Candidate, RejectedInstance
from seedstep.bootstrap.axes import Axis, Cell, named_in, parse_axes, values_purpose
from seedstep.bootstrap.gate_kinds import parse_gates
from seedstep.bootstrap.gates import gate_reasons
from seedstep.bootstrap.prompting import STYLES
from seedstep.bootstrap.steering import Coverage, Steering
from seedstep.data import Instance, Task, TaskList, instance_id
from seedstep.errors import InputError, RunError
from seedstep.llm import Reply
from seedstep.novelty import NamedText, Neighbor, Overlap
from seedstep.runs.database import Database, decode_value
from seedstep.runs.directory import open_database
from seedstep.runs.ledger import COLUMNS, whole_requests
from seedstep.runs.requests import work_seconds
from seedstep.runs.retired import RetiredGenerations, candidate_of
from seedstep.runs.run import Run

__all__ = [
    "FILTERS_ENTRY",
    "GATES_ENTRY",
    "BootstrapRun",
    "BootstrapStatus",
    "GrownTasks",
    "TaskDetails",
    "Usage",
    "read_grown_tasks",
]

FILTERS_ENTRY = "filters"
"""The entry of the configuration with the meanings of filters, if they are not `FILTERS`."""

GATES_ENTRY = "own_gates"
"""The entry of the configuration with the meanings of gates that were passed from Python."""

SHORTEST_SECONDS = 10.0
"""Speed is not measured over less time."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The requests of one purpose. The server counted the tokens, except if `estimated`."""

    requests: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    estimated: bool


@dataclass(frozen=True, slots=True)
class BootstrapStatus:
    """The state of a bootstrap.

    `rejected` counts rejected instructions, and `bad_instances` rejected instances, by reason.
    `per_minute` is the number of tasks finished in a minute of work, over all starts of the run. It
    is None while there are too few.
    """

    wanted: int
    finished: int
    classification: int
    instances: int
    generations: int
    running: bool
    rejected: dict[str, int]
    bad_instances: dict[str, int]
    usage: dict[str, Usage]
    per_minute: float | None

    @property
    def written(self) -> int:
        """The number of instructions that the model wrote: finished and rejected."""
        return self.finished + sum(self.rejected.values())

    @property
    def instances_read(self) -> int:
        """The number of instances that were read in replies: good and rejected."""
        return self.instances + sum(self.bad_instances.values())


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """A candidate, and how it was made.

    `demonstrations` has tuples (id, definition), in the order of the prompt. `neighbor` is the text
    of the nearest instruction, and `meaning` that of the one nearest in meaning. `requests` are
    rows of the database by column name. `cell` is what was asked for, if tasks are spread
    along axes.
    """

    candidate: Candidate
    demonstrations: tuple[NamedText, ...]
    neighbor: str
    requests: tuple[dict[str, Any], ...]
    meaning: str = ""
    cell: Cell = ()


class GrownTasks:
    """The finished tasks and the rejected candidates in a bootstrap's run.

    `retired` stores generations, and reads those from which the run can go on.
    """

    def __init__(self, run: Run[BootstrapSettings, tuple[Task, ...], Any]) -> None:
        """Use the database of a run."""
        self._run = run
        self._database = run.database
        self.retired = RetiredGenerations(run.database)

    def tasks(self) -> TaskList:
        """Return the finished tasks, in the order in which they were retired."""
        return TaskList(read_grown_tasks(self._database))

    def reasons(self) -> dict[str, str]:
        """Return the meaning of each reason, also of gates and of the user's own filters."""
        own = self._run.config.get(FILTERS_ENTRY) or {}
        return {**REASONS, **own, **gate_reasons(self.gates())}

    def gates(self) -> dict[str, str]:
        """Return the meanings of the run's gates by name, in their order."""
        found = {gate.name: gate.meaning for gate in parse_gates(self._run.settings.gates)}
        return {**found, **(self._run.config.get(GATES_ENTRY) or {})}

    def axes(self) -> tuple[Axis, ...]:
        """Return the axes along which tasks are spread, with the values that the model named."""
        found = []
        for axis in parse_axes(self._run.settings.axes):
            query = "SELECT reply, finish_reason FROM requests WHERE purpose = ? ORDER BY rowid"
            rows = [] if axis.shares else self._database.rows(query, (values_purpose(axis.name),))
            named = [named_in(Reply(row[0], row[1], 0, 0), axis) for row in rows if row[0]]
            found.append(named[0] if named else axis)
        return tuple(found)

    def cells(self) -> dict[int, Cell]:
        """Return the cells of retired generations by their indexes; in a merge some have none."""
        if not self._run.settings.axes:
            return {}
        query = "SELECT item, cell FROM generations WHERE cell != '' ORDER BY item"
        rows = self._database.rows(query)
        return {row[0]: decode_value(row[1], Cell, f"the cell of item {row[0]}") for row in rows}

    def task_cells(self) -> dict[str, Cell]:
        """Return the cells of finished tasks by their ids; in a merge some have none."""
        cells = self.cells()
        rows = self._database.rows("SELECT id, item FROM candidates WHERE reason = ''")
        return {row[0]: cells[row[1]] for row in rows if row[1] in cells}

    def coverage(self) -> Coverage | None:
        """Return what was wanted along the axes, and what came; None without axes."""
        if not self._run.settings.axes:
            return None
        query = "SELECT item, is_classification FROM candidates WHERE reason = ''"
        labels: dict[int, list[bool]] = {}
        for item, label in self._database.rows(query):
            labels.setdefault(item, []).append(bool(label))
        steering = Steering(self.axes(), self._run.settings.seed)
        for item, cell in self.cells().items():
            steering.retire(cell, labels.get(item, []))
        return steering.coverage()

    def distances(self) -> tuple[float, ...]:
        """Return 1 less the ROUGE-L with the nearest instruction before it, of each task."""
        query = "SELECT score FROM candidates WHERE reason = '' ORDER BY item, position"
        return tuple(1 - (row[0] or 0.0) for row in self._database.rows(query))

    def rejected(self) -> tuple[tuple[str, str, str], ...]:
        """Return (id, reason, instruction) of the rejected candidates, in the same order."""
        query = (
            "SELECT id, reason, instruction FROM candidates WHERE reason != ''"
            " ORDER BY item, position"
        )
        return tuple((row[0], row[1], row[2]) for row in self._database.rows(query))

    def seed_definitions(self) -> tuple[NamedText, ...]:
        """Return (id, definition) of the seed tasks as the run stored them."""
        return tuple(map(tuple, self._database.rows("SELECT id, definition FROM seeds")))

    def keep_seeds(self) -> None:
        """Store the definitions of the seed tasks; replace those of a start without requests."""
        self._database.write_now("DELETE FROM seeds", [()])
        rows = [(task.id, task.definition) for task in self._run.inputs()]
        self._database.write_now("INSERT INTO seeds VALUES (?, ?)", rows)

    def rejected_candidates(self, each: int) -> tuple[tuple[Candidate, Overlap | None], ...]:
        """Return the first `each` rejected candidates of each reason, with the nearest instruction.

        Of one that was rejected by meaning, it is the nearest in meaning. There is none where
        another filter rejected it before.
        """
        rows = self._database.rows(
            "SELECT c.* FROM candidates c JOIN ("
            "SELECT id, row_number() OVER (PARTITION BY reason ORDER BY item, position) AS place"
            " FROM candidates WHERE reason != '') p ON p.id = c.id"
            " WHERE p.place <= ? ORDER BY c.reason, p.place",
            (each,),
        )
        found = map(self._candidate, rows)
        return tuple((candidate, self._nearest(candidate)) for candidate in found)

    def _nearest(self, candidate: Candidate) -> Overlap | None:
        """Return the instruction that decided on a candidate, or the nearest one."""
        by_meaning = candidate.reason == "same_meaning"
        near = candidate.meaning if by_meaning else candidate.neighbor
        measure = "cosine" if by_meaning else "ROUGE-L"
        return Overlap(near.id, self._definition(near.id), near.score, measure) if near else None

    def rejected_instances(self, each: int) -> tuple[tuple[Task, RejectedInstance], ...]:
        """Return the first `each` rejected instances of each reason, each with its task.

        The tasks are without their instances.
        """
        rows = self._database.rows(
            "SELECT i.task, c.instruction, i.input, i.output, i.reason, i.detail"
            " FROM (SELECT *, row_number() OVER (PARTITION BY reason ORDER BY rowid) AS place"
            " FROM instances WHERE reason != '') i"
            " JOIN candidates c ON c.id = i.task WHERE i.place <= ? ORDER BY i.reason, i.place",
            (each,),
        )
        return tuple(
            (Task(name, text, ()), RejectedInstance(Instance(given, (output,)), reason, detail))
            for name, text, given, output, reason, detail in rows
        )

    def finished_at(self) -> tuple[float, ...]:
        """Return when each finished task was retired (Unix time), in that order."""
        query = (
            "SELECT g.at FROM generations g JOIN candidates c ON c.item = g.item"
            " WHERE c.reason = '' ORDER BY g.at"
        )
        return tuple(row[0] for row in self._database.rows(query))

    def finished(self) -> int:
        """Return the number of finished tasks."""
        return self._number("SELECT count(*) FROM candidates WHERE reason = ''")

    def status(self) -> BootstrapStatus:
        """Return counts, tokens and speed."""
        rejected = self._counts("SELECT reason, count(*) FROM candidates GROUP BY reason")
        instances = self._counts("SELECT reason, count(*) FROM instances GROUP BY reason")
        usage = self._database.rows(
            "SELECT purpose, count(*), count(failure), sum(prompt_tokens), sum(completion_tokens),"
            " max(estimated) FROM requests GROUP BY purpose ORDER BY min(at)"
        )
        labels = "SELECT count(*) FROM candidates WHERE reason = '' AND is_classification"
        finished, running = rejected.pop("", 0), self._run.is_running()
        return BootstrapStatus(
            wanted=self._run.settings.tasks,
            finished=finished,
            classification=self._number(labels),
            instances=instances.pop("", 0),
            generations=self._number("SELECT count(*) FROM generations"),
            running=running,
            rejected=rejected,
            bad_instances=instances,
            usage={row[0]: Usage(row[1], row[2], row[3], row[4], bool(row[5])) for row in usage},
            per_minute=self._per_minute(finished, running=running),
        )

    def has_ended(self) -> bool:
        """Return whether all tasks are finished, or too little was accepted for too long."""
        if self.finished() >= self._run.settings.tasks:
            return True
        query = (
            "SELECT coalesce((SELECT max(item) FROM generations), -1)"
            " - coalesce((SELECT max(item) FROM candidates WHERE reason = ''), -1)"
        )
        return self._number(query) >= self._run.settings.patience

    def show(self, task_id: str) -> TaskDetails:
        """Return a finished task or a rejected candidate, with how it was made.

        Raises:
            InputError: nothing has that id.
        """
        rows = self._database.rows("SELECT * FROM candidates WHERE id = ?", (task_id,))
        if not rows:
            path = self._run.path
            remedy = f"`seedstep show {path}` lists them, with --rejected those refused"
            raise InputError(f"{path} has no task '{task_id}'", remedy)
        candidate = self._candidate(rows[0])
        (generation,) = self._database.rows(
            "SELECT * FROM generations WHERE item = ?", (rows[0]["item"],)
        )
        keys = (
            generation["request"],
            candidate.classification_request,
            candidate.instances_request,
        )
        query = f"SELECT {COLUMNS} FROM {whole_requests(self._database)} WHERE key = ?"  # noqa: S608
        requests = [self._database.rows(query, (key,)) for key in keys]
        shown = decode_value(
            generation["demonstrations"], list[str], f"generation {generation['item']}"
        )
        return TaskDetails(
            candidate=candidate,
            demonstrations=tuple((name, self._definition(name)) for name in shown),
            neighbor=self._text(candidate.neighbor),
            requests=tuple(dict(found[0]) for found in requests if found),
            meaning=self._text(candidate.meaning),
            cell=self.cells().get(rows[0]["item"], ()),
        )

    def _candidate(self, row: Row) -> Candidate:
        query = "SELECT * FROM instances WHERE task = ? ORDER BY position"
        return candidate_of(row, self._database.rows(query, (row["id"],)))

    def _text(self, neighbor: Neighbor | None) -> str:
        return self._definition(neighbor.id) if neighbor else ""

    def _definition(self, task_id: str) -> str:
        for style in STYLES.values():
            if task_id in style.known:
                return style.known[task_id]
        rows = self._database.rows(
            "SELECT definition FROM seeds WHERE id = ?1"
            " UNION ALL SELECT instruction FROM candidates WHERE id = ?1",
            (task_id,),
        )
        if not rows and self._run.settings.pool:
            path = Path(self._run.settings.pool)
            with suppress(RunError), open_database(path, "bootstrap") as pool:
                rows = pool.rows("SELECT instruction FROM candidates WHERE id = ?", (task_id,))
        return str(rows[0][0]) if rows else ""

    def _counts(self, query: str) -> dict[str, int]:
        return {row[0]: row[1] for row in self._database.rows(query)}

    def _number(self, query: str) -> int:
        return int(self._database.rows(query)[0][0] or 0)

    def _per_minute(self, finished: int, *, running: bool) -> float | None:
        seconds = work_seconds(self._database, time.time() if running else None)
        return 60 * finished / seconds if finished and seconds >= SHORTEST_SECONDS else None


BootstrapRun = Run[BootstrapSettings, tuple[Task, ...], GrownTasks]
"""A run of a bootstrap, which starts from seed tasks."""


def read_grown_tasks(database: Database) -> tuple[Task, ...]:
    """Return the finished tasks of a bootstrap, in the order in which they were retired.

    Raises:
        StoreError: the database is damaged.
    """
    with database.snapshot():
        instances: dict[str, list[Instance]] = {}
        query = "SELECT task, input, output FROM instances WHERE reason = '' ORDER BY position"
        for task, text, output in database.rows(query):
            good = instances.setdefault(task, [])
            good.append(Instance(text, (output,), instance_id(task, len(good))))
        finished = database.rows(
            "SELECT id, instruction, is_classification FROM candidates"
            " WHERE reason = '' ORDER BY item, position"
        )
        tasks = tuple(
            Task(key, text, tuple(instances[key]), bool(labels)) for key, text, labels in finished
        )
        texts = [task.definition for task in tasks]
        pairs = [each for task in tasks for each in task.instances]
        texts += [text for each in pairs for text in (each.input, *each.outputs)]
        if not all(isinstance(text, str) for text in texts):
            database.require_whole()
    return tasks
