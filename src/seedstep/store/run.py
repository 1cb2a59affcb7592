"""The run directory: one resolved configuration, one database, one writer at a time.

Example::

    with Run.start(Path("runs/first"), {"tasks": 100}) as run: ...
    run = Run.read(Path("runs/first"))
    print(run.status().finished)
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock
import msgspec

from seedstep.bootstrap import Generation, Settings, make_settings
from seedstep.data import Task, require_seeds, seed_tasks
from seedstep.errors import InputError, RunBusyError, RunError, RunMismatchError
from seedstep.prompts import fingerprint
from seedstep.store.config import read_yaml, write_yaml
from seedstep.store.database import Database
from seedstep.store.ledger import RequestLedger
from seedstep.store.results import (
    Status,
    TaskDetails,
    generation_statements,
    read_details,
    read_status,
    read_tasks,
)

__all__ = ["Run"]

CONFIG = "run.yaml"
DATABASE = "run.db"
LOCK = "run.lock"

CHANGEABLE = ("tasks", "in_flight", "patience")
"""Settings that a run may go on with changed: they do not change what was made already."""


class Run:
    """A run directory, opened for reading or as its one writer."""

    def __init__(self, path: Path, settings: Settings, database: Database) -> None:
        """Use `Run.start` or `Run.read`."""
        self.path = path
        self.settings = settings
        self._database = database
        self._lock: filelock.BaseFileLock | None = None
        self._recorded = database.rows("SELECT max(item) FROM generations")[0][0] or 0

    @classmethod
    def start(cls, path: Path, asked: Mapping[str, Any]) -> "Run":
        """Create a run, or go on with one, as its writer.

        `asked` are the settings that the user named; the others are the run's own, or the
        defaults.

        Raises:
            RunBusyError: another process works on it.
            RunMismatchError: it was started with other settings.
            InputError: the seed file or a setting can't be used.
            RunError: the directory is something else or can't be written.
        """
        settings, seeds = _resolve(path, asked)
        lock = _take_lock(path)
        try:
            write_yaml(path / CONFIG, _config(settings, seeds))
            run = cls(path, settings, Database.open(path / DATABASE))
            run._lock = lock
            run._check_size()
            run._keep_seeds(seeds)
        except BaseException:
            lock.release()
            raise
        return run

    @classmethod
    def read(cls, path: Path) -> "Run":
        """Open a run to look at it, also while another process works on it.

        Raises:
            RunError: there is no run there.
        """
        if not (path / CONFIG).is_file() or not (path / DATABASE).is_file():
            raise RunError(f"{path} is not a run", "name a directory that `bootstrap --out` made")
        values, _ = _stored(path)
        settings = make_settings(values, str(path / CONFIG))
        return cls(path, settings, Database.open(path / DATABASE, read_only=True))

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another process write."""
        self._database.close()
        if self._lock:
            self._lock.release()

    @property
    def ledger(self) -> RequestLedger:
        """Where the request engine keeps answers."""
        return RequestLedger(self._database)

    async def settle(self) -> None:
        """Wait until everything written is on the disk."""
        await self._database.settle()

    def seeds(self) -> tuple[Task, ...]:
        """The run's seed tasks."""
        return _load_seeds(self.settings)

    async def record(self, generation: Generation) -> None:
        """Keep a retired generation. Keeping one again, as a resumed run does, changes nothing."""
        if generation.index >= self._recorded:
            await self._database.write(list(generation_statements(generation)))

    def tasks(self) -> tuple[Task, ...]:
        """The finished tasks, in the order in which they were retired."""
        return read_tasks(self._database)

    def status(self) -> Status:
        """Counts, tokens and speed."""
        return read_status(self._database, wanted=self.settings.tasks, running=self._is_running())

    def show(self, task_id: str) -> TaskDetails:
        """A finished task or rejected candidate with all that led to it.

        Raises:
            InputError: there is none of that id.
        """
        details = read_details(self._database, task_id)
        if details is None:
            remedy = f"`seedstep show {self.path}` lists them"
            raise InputError(f"{self.path} has no task '{task_id}'", remedy)
        return details

    def _is_running(self) -> bool:
        if self._lock:
            return True
        try:
            _take_lock(self.path).release()
        except RunBusyError:
            return True
        return False

    def _check_size(self) -> None:
        finished = self.status().finished
        if finished > self.settings.tasks:
            raise InputError(
                f"{self.path} has {finished} finished tasks already, more than --tasks",
                "ask for more, or name another --out",
            )

    def _keep_seeds(self, seeds: Sequence[Task]) -> None:
        if self._database.rows("SELECT 1 FROM seeds LIMIT 1"):
            return
        rows = [(task.id, task.definition) for task in seeds]
        self._database.write_now("INSERT INTO seeds VALUES (?, ?)", rows)


def _resolve(path: Path, asked: Mapping[str, Any]) -> tuple[Settings, tuple[Task, ...]]:
    """The settings to go on with, and the seeds; nothing is written."""
    if not (path / CONFIG).exists():
        others = [] if not path.is_dir() else [p.name for p in path.iterdir() if p.name != LOCK]
        if others or path.is_file():
            raise RunError(f"{path} is not empty and not a run", "name another --out")
        settings = make_settings(asked, "settings")
        return settings, _load_seeds(settings)
    values, extra = _stored(path)
    differences = [
        (key, values.get(key), value)
        for key, value in asked.items()
        if key not in CHANGEABLE and values.get(key) != value
    ]
    if differences:
        raise RunMismatchError(str(path), differences)
    settings = make_settings({**values, **asked}, str(path / CONFIG))
    seeds = _load_seeds(settings)
    for key, now in _stamps(seeds).items():
        if extra.get(key) != now:
            differences.append((key, extra.get(key), now))
    if differences:
        raise RunMismatchError(str(path), differences)
    return settings, seeds


def _load_seeds(settings: Settings) -> tuple[Task, ...]:
    return require_seeds(Path(settings.seeds)) if settings.seeds else seed_tasks()


def _stamps(seeds: Sequence[Task]) -> dict[str, str]:
    """What must not change under a run besides its settings."""
    digest = sha256(msgspec.json.encode(seeds)).hexdigest()[:16]
    return {"seeds_fingerprint": digest, "prompts_fingerprint": fingerprint()}


def _config(settings: Settings, seeds: Sequence[Task]) -> dict[str, Any]:
    return {"stage": "bootstrap", **asdict(settings), **_stamps(seeds)}


def _stored(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings in a run's configuration, and its other entries."""
    values = read_yaml(path / CONFIG)
    names = {key for key in values if key in Settings.__dataclass_fields__}
    return (
        {key: values[key] for key in values if key in names},
        {key: values[key] for key in values if key not in names},
    )


def _take_lock(path: Path) -> filelock.BaseFileLock:
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path / LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RunBusyError(
            f"another process works on {path}", "wait for it, or name another --out"
        ) from None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}", "name a directory you can write") from None
    return lock
