"""A run: a directory with a configuration, a database, and a lock for its one writer.

A `Stage` has what differs from stage to stage; `seedstep.stages` has the table of stages.

Example::

    with Run.start(STEPS, Path("runs/steps"), {"tasks": "my_tasks.jsonl"}) as run: ...
    with Run.read(STEPS, Path("runs/steps")) as run:
        for entry in run.entries():
            print(entry.task, entry.result.steps)
"""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import filelock
import msgspec

from seedstep.data.records import Problem, Tabulated, as_html
from seedstep.errors import BudgetReached, RunBusyError, RunError, SeedstepError
from seedstep.llm import Spent
from seedstep.llm.settings import asked_models
from seedstep.runs.batches import RunLedger, batch_notes
from seedstep.runs.blocks import blocks_html
from seedstep.runs.database import Database
from seedstep.runs.directory import (
    DATABASE,
    LOCK,
    NO_ENTRIES,
    OpenDirectory,
    about_addresses,
    address_in_keys,
    addresses_in,
    begun_database,
    config_as_begun,
    resolve_settings,
    stored_config,
    take_lock,
)
from seedstep.runs.ledger import write_recording
from seedstep.runs.lists import NO_CHANGES, Failed, ListChanges, Removed, ask_again
from seedstep.runs.merges import merge_of
from seedstep.runs.places import write_config
from seedstep.runs.requests import (
    ReplyUsage,
    RequestLine,
    find_request,
    list_requests,
    read_answers,
    read_spent,
    read_starts,
    reply_notes,
)
from seedstep.runs.stage import LACKING, Stage
from seedstep.settings import make_settings, table

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Run"]

S = TypeVar("S", bound="DataclassInstance")
Inputs = TypeVar("Inputs")
R_co = TypeVar("R_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)


class _HasTasks(Protocol[T_co]):
    def tasks(self) -> T_co: ...


class _HasEntries(Protocol[T_co]):
    def entries(self) -> T_co: ...


class _HasPredictions(Protocol[T_co]):
    def predictions(self, name: str) -> T_co: ...


class _HasStatus(Protocol[T_co]):
    def status(self) -> T_co: ...


class Run(OpenDirectory, Tabulated, Generic[S, Inputs, R_co]):
    """A run directory, opened for reading or for writing.

    `stage` is its stage, `settings` are its settings, and `records` gives access to its records:
    `seedstep.runs.GrownTasks`, `TaskRecords`, `PredictionRecords` or `TuningFiles`.

    Of a run that a stage's function returned, `stopped` is the budget that ended the work before
    all was done, or None; `notes` are what the command would have told, and `problems` those of
    what was skipped. All are empty where a run was opened.
    """

    def __init__(
        self,
        stage: Stage[S, Inputs, R_co],
        path: Path,
        settings: S,
        database: Database,
        config: Mapping[str, Any],
        inputs: Inputs | None = None,
        lock: filelock.BaseFileLock | None = None,
    ) -> None:
        """Use `Run.start`, `Run.read` or `seedstep.open_run`."""
        super().__init__(path, database, lock)
        self.stage = stage
        self.settings = settings
        self.config = config
        self._inputs = inputs
        self.changes: ListChanges = NO_CHANGES
        self.stopped: BudgetReached | None = None
        self.notes: tuple[str, ...] = ()
        self.problems: tuple[Problem, ...] = ()
        self.records = stage.records(self)

    @classmethod
    def start(
        cls,
        stage: Stage[S, Inputs, R_co],
        path: Path,
        asked: Mapping[str, Any],
        *,
        same_model: bool = False,
        inputs: Inputs | None = None,
        entries: Mapping[str, Any] = NO_ENTRIES,
        removed: Removed = "keep",
        failed: Failed = "keep",
    ) -> Self:
        """Create a run, or continue one, and open it for writing.

        `asked` has the settings that the user gave. The others are those of the run, or the
        defaults. `same_model` says that another base URL serves the same model, so that replies
        stored for the earlier URL are used. `inputs` are the inputs of the run, if they were read
        already. `entries` are stored in the configuration, unless they are None, and must not
        change. `removed` says what becomes of the records of tasks that are not in the list any
        more, and `failed` of those of tasks without a result. `changes` of the run then has what
        changed since it was worked on last.

        Raises:
            RunBusyError: another process works on the run.
            RunMismatchError: the run was started with other settings.
            InputError: an input file or a setting can't be used, or the stage can't ask again.
            RunError: the directory is something else or can't be written.
        """
        if failed == "again":
            stage.require_again()
        resolve = partial(
            resolve_settings, stage, path, asked, same_model=same_model, entries=entries
        )
        found = _state(stage, path)
        settings, loaded, config = resolve(inputs=inputs)
        lock = take_lock(path)
        try:
            if _state(stage, path) != found:  # another process has worked on it meanwhile
                settings, loaded, config = resolve(inputs=loaded)
            fresh = not (path / stage.config).exists()
            before = {} if fresh else stored_config(stage.name, path, stage.config)
            if fresh:  # before the database: a directory with a database alone is no run
                write_config(path, stage.config, config)
            file = path / DATABASE
            database = Database.open(file) if stage.has_database else Database.in_memory(file)
        except BaseException:
            lock.release()
            raise
        run = cls(stage, path, settings, database, config, loaded, lock)
        try:
            run._go_on(before, asked, removed, failed, fresh=fresh)
        except BaseException as error:
            run.__exit__(type(error), error, error.__traceback__)
            raise
        return run

    def _go_on(
        self,
        before: Mapping[str, Any],
        asked: Mapping[str, Any],
        removed: Removed,
        failed: Failed,
        *,
        fresh: bool,
    ) -> None:
        """Bring the records in line with what is asked; `before` is the configuration until now."""
        stage = self.stage
        stage.check(self)
        changes = stage.reconcile(self, before, removed)
        changes = ask_again(self, changes) if failed == "again" else changes
        if not fresh:  # after the records: with the list of before, they come back
            addresses = map(self.config.get, addresses_in(stage))
            notes = about_addresses(addresses, asked, asked_models(self.settings))
            changes = replace(changes, notes=(*notes, *changes.notes))
            write_config(self.path, stage.config, self.config)
        self.changes = changes
        if not stage.made(self.path):
            stage.keep(self)
        if stage.has_database:
            self.database.write_now("INSERT INTO starts VALUES (?)", [(time.time(),)])

    @classmethod
    def read(cls, stage: Stage[S, Inputs, R_co], path: Path) -> Self:
        """Open a run for reading; another process may work on it at the same time.

        Raises:
            RunError: `path` has no run, or a run of another stage.
        """
        entries = config_as_begun(stage, path)
        names = table(stage.settings)
        values = {name: value for name, value in entries.items() if name in names}
        source = str(path / stage.config)
        settings = make_settings(stage.settings, values, source, check=False)
        file, has_file = path / DATABASE, stage.has_database
        database = begun_database(stage.name, path) if has_file else Database.in_memory(file)
        return cls(stage, path, settings, database, entries)

    def _repr_html_(self) -> str:
        """Return the state of the run as HTML, as notebooks show it."""
        title = f"<b>{as_html(str(self.path))}</b> seedstep {as_html(self.stage.name)}"
        try:
            with self.snapshot():
                return f"<div>{title}</div>{blocks_html(self.stage.status(self))}"
        except SeedstepError as error:
            return f"<div>{title}: {as_html(error.what)}</div>"

    def inputs(self) -> Inputs:
        """Return the inputs of the run. Opened for reading, it reads them now.

        Raises:
            InputError: the tasks can't be read any more.
        """
        if self._inputs is None:
            self._inputs = self.stage.load(self.settings)
        return self._inputs

    def snapshot(self) -> AbstractContextManager[None]:
        """Let all reads in the context see the run at the same moment, despite a writer."""
        return self.database.snapshot()

    @cached_property
    def ledger(self) -> RunLedger:
        """The ledger in which all request engines of the run store answers."""
        return RunLedger(self.database, passed_over=self.changes.passed_over)

    @property
    def identity_url(self) -> str | None:
        """The address under which replies are stored."""
        url: str | None = self.identity_of("base_url")
        return url

    def identity_of(self, address: str) -> Any:
        """Return the address under which replies are stored, or a mapping of several."""
        url = self.config.get(addresses_in(self.stage)[address])
        return url or address_in_keys(self.config.get(address))

    def spent(self) -> Spent:
        """Return the requests and tokens that count towards the run's budget."""
        spent = read_spent(self.database)
        if merge := merge_of(self.config):
            merge.add_to(spent)
        return spent

    def reply_notes(self) -> tuple[str, ...]:
        """Return notes on the replies: parameters that were not sent, unknown finish reasons, and
        batches that are under way.
        """
        if not self.stage.has_database:
            return ()
        return (*reply_notes(self.database), *batch_notes(self.database))

    def answered(self) -> tuple[ReplyUsage, ...]:
        """Return the answered requests, in the order of time."""
        return read_answers(self.database)

    def starts(self) -> tuple[float, ...]:
        """Return the times (Unix time) when processes began to work on the run, in order."""
        return read_starts(self.database)

    async def settle(self) -> None:
        """Wait until all writes are on the disk."""
        await self.database.settle()

    def requests(
        self, *, purpose: str = "", failed: bool = False, limit: int = 50
    ) -> tuple[tuple[RequestLine, ...], int]:
        """Return the first `limit` answered requests, in the order of answers, and how many are.

        An empty `purpose` means all purposes; with `failed`, only failed requests are returned.

        Raises:
            InputError: no request has this purpose.
        """
        with self.snapshot():
            return list_requests(self.database, purpose=purpose, failed=failed, limit=limit)

    def request(self, start: str) -> dict[str, Any]:
        """Return the request whose key begins with `start`: its row in the database, by column.

        Raises:
            InputError: no request, or more than one, has such a key.
        """
        with self.snapshot():
            return find_request(self.database, start)

    def write_recording(self, path: Path) -> int:
        """Write the requests to a recording for `replay:FILE`, and return their number.

        Raises:
            InputError: the file is there and is no recording, or its directory is not there; or
                the requests went to several models, or to none.
            RunError: the disk is full or the directory can't be written.
        """
        with self.snapshot():
            return write_recording(self.database, self.stage.header(self), path)

    def is_running(self) -> bool:
        """Return whether a process works on the run."""
        if self._lock or not (self.path / LOCK).exists():
            return bool(self._lock)
        try:
            take_lock(self.path).release()
        except RunBusyError:
            return True
        except RunError:
            return False  # where nothing can be written, nobody works
        return False

    def tasks(self: "Run[Any, Any, _HasTasks[T_co]]") -> T_co:
        """Return the tasks that the run made, or those that a stage that makes none works on.

        A bootstrap has its finished tasks, `distill` its tasks with new outputs.

        Raises:
            InputError: the tasks that the stage works on can't be read any more.
            RunError: the tasks have changed, the stage has none, or the run is closed.
        """
        with self.snapshot():
            return self._records_with("tasks").tasks()

    def entries(self: "Run[Any, Any, _HasEntries[T_co]]") -> T_co:
        """Yield the record of each task, for a stage that makes one for each.

        Raises:
            RunError: the stage makes none, or the run is closed.
        """
        return self._records_with("entries").entries()

    def predictions(self: "Run[Any, Any, _HasPredictions[T_co]]", name: str) -> T_co:
        """Return the predictions of a system, for a run of predictions.

        Raises:
            InputError: there is no such system, or the tasks can't be read any more.
            RunError: the tasks have changed, the stage makes no predictions, or the run is closed.
        """
        return self._records_with("predictions").predictions(name)

    def to_records(self) -> list[dict[str, Any]]:
        """Return what the run has as plain rows, of numbers, texts, lists and dicts.

        A bootstrap has a row for each instance, steps and examples one for each task, a run of
        predictions one for each answer, a judge one for each judged instance, a review one for each
        label, and a tuning one for each step.

        Raises:
            InputError: what the rows are made of can't be read any more.
            RunError: it has changed, the database is damaged, or the run is closed.
        """
        with self.snapshot() if self.stage.has_database else nullcontext():
            rows = list(self.stage.rows(self))
        plain: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(rows))
        return plain

    def status(self: "Run[Any, Any, _HasStatus[T_co]]") -> T_co:
        """Return the counts, tokens and speed of a bootstrap.

        Raises:
            RunError: the run is of another stage, or closed.
        """
        with self.snapshot():
            return self._records_with("status").status()

    def _records_with(self, method: str) -> R_co:
        """Return the records if they have a method, which not those of all stages have."""
        if not hasattr(self.records, method):
            lacking, remedy = LACKING[method]
            what = f"{self.path} is a run of `seedstep {self.stage.name}`, which has no {lacking}"
            raise RunError(what, f"{remedy}; `to_records()` has the rows of this run")
        return self.records


def _state(stage: Stage[Any, Any, Any], path: Path) -> tuple[bytes, bool]:
    """Return what the check of a run's settings depends on: its configuration, and any records."""
    with suppress(OSError, SeedstepError):  # which the check says
        return (path / stage.config).read_bytes(), stage.made(path)
    return b"", False
