"""The run directory: one resolved configuration, one database, one writer at a time.

Example::

    with Run.start(Path("runs/first"), {"tasks": 100}) as run: ...
    run = Run.read(Path("runs/first"))
    print(run.status().finished)
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock
import msgspec

from seedstep.bootstrap import Generation, Settings, make_settings, require_price
from seedstep.data import Task, evaluation_items, require_seeds, seed_tasks
from seedstep.errors import InputError, RunBusyError, RunError, RunMismatchError
from seedstep.llm import Header, Spent, resolve_base_url
from seedstep.novelty import Contamination
from seedstep.prompts import fingerprint
from seedstep.store.config import read_yaml, write_yaml
from seedstep.store.database import Database
from seedstep.store.ledger import RequestLedger
from seedstep.store.requests import RequestLine, find_request, list_requests, write_recording
from seedstep.store.results import (
    Status,
    TaskDetails,
    generation_statements,
    read_details,
    read_rejected,
    read_spent,
    read_status,
    read_tasks,
)
from seedstep.text import TOKENIZERS

__all__ = ["Run"]

CONFIG = "run.yaml"
DATABASE = "run.db"
LOCK = "run.lock"
IDENTITY = "identity_url"
"""Entry of the configuration: the address under which replies are kept."""

CHANGEABLE = (
    "tasks",
    "in_flight",
    "patience",
    "max_requests",
    "max_tokens",
    "max_usd",
    "prices",
)
"""Settings that a run may go on with changed: they do not change what was made already."""


class Run:
    """A run directory, opened for reading or as its one writer."""

    def __init__(self, path: Path, settings: Settings, database: Database) -> None:
        """Use `Run.start` or `Run.read`."""
        self.path = path
        self.settings = settings
        self.identity_url: str | None = None
        self._database = database
        self._lock: filelock.BaseFileLock | None = None
        self._recorded = database.rows("SELECT max(item) FROM generations")[0][0] or 0

    @classmethod
    def start(cls, path: Path, asked: Mapping[str, Any], *, same_model: bool = False) -> "Run":
        """Create a run, or go on with one, as its writer.

        `asked` are the settings that the user named; the others are the run's own, or the
        defaults. `same_model` says that another base URL serves the same model, so that the
        replies kept count as its own.

        Raises:
            RunBusyError: another process works on it.
            RunMismatchError: it was started with other settings.
            InputError: the seed file or a setting can't be used.
            RunError: the directory is something else or can't be written.
        """
        settings, seeds, identity_url = _resolve(path, asked, same_model=same_model)
        config = _config(settings, seeds, identity_url)
        lock = _take_lock(path)
        try:
            fresh = not (path / CONFIG).exists()
            if fresh:  # before the database: a directory with a database alone is no run
                write_yaml(path / CONFIG, config)
            run = cls(path, settings, Database.open(path / DATABASE))
        except BaseException:
            lock.release()
            raise
        run._lock = lock
        run.identity_url = identity_url
        try:
            run._check_size()
            if not fresh:
                write_yaml(path / CONFIG, config)
            run._keep_seeds(seeds)
        except BaseException:
            run.close()
            raise
        return run

    @classmethod
    def read(cls, path: Path) -> "Run":
        """Open a run to look at it, also while another process works on it.

        Raises:
            RunError: there is no run there.
        """
        if not (path / CONFIG).is_file():
            raise RunError(f"{path} is not a run", "name a directory that `bootstrap --out` made")
        not_begun = RunError(
            f"{path} has not begun", f"run `seedstep bootstrap --out {path}` again"
        )
        if not (path / DATABASE).exists():
            raise not_begun
        values, _ = _stored(path)
        settings = make_settings(values, str(path / CONFIG))
        database = Database.open(path / DATABASE, read_only=True)
        if not database.has_schema:
            database.close()
            raise not_begun
        return cls(path, settings, database)

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

    def spent(self) -> Spent:
        """What counts towards the run's budget."""
        return read_spent(self._database)

    async def settle(self) -> None:
        """Wait until everything written is on the disk."""
        await self._database.settle()

    def seeds(self) -> tuple[Task, ...]:
        """The run's seed tasks."""
        return _load_seeds(self.settings)

    def contamination(self) -> Contamination | None:
        """The run's evaluation sets, if it has any."""
        settings = self.settings
        if not settings.decontaminate:
            return None
        tokenizer = TOKENIZERS[settings.tokens]
        return Contamination(
            _evaluation_items(settings), tokenizer, settings.decontamination_threshold
        )

    async def record(self, generation: Generation) -> None:
        """Keep a retired generation. Keeping one again, as a resumed run does, changes nothing."""
        if generation.index >= self._recorded:
            await self._database.write(list(generation_statements(generation)))

    def tasks(self) -> tuple[Task, ...]:
        """The finished tasks, in the order in which they were retired."""
        return read_tasks(self._database)

    def rejected(self) -> tuple[tuple[str, str, str], ...]:
        """(id, reason, instruction) of the rejected candidates, in the order they were retired."""
        return read_rejected(self._database)

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
            remedy = f"`seedstep show {self.path}` lists them, with --rejected those refused"
            raise InputError(f"{self.path} has no task '{task_id}'", remedy)
        return details

    def requests(
        self, *, purpose: str = "", failed: bool = False, limit: int = 50
    ) -> tuple[tuple[RequestLine, ...], int]:
        """The first `limit` requests with an answer, in its order, and how many there are.

        An empty `purpose` is any; `failed` leaves out those that have a reply.

        Raises:
            InputError: no request has this purpose.
        """
        return list_requests(self._database, purpose=purpose, failed=failed, limit=limit)

    def request(self, start: str) -> dict[str, Any]:
        """The request whose key begins with `start`: its row in the database, by column name.

        Raises:
            InputError: there is none, or more than one.
        """
        return find_request(self._database, start)

    def write_recording(self, path: Path) -> int:
        """Write the requests to a file that `replay:FILE` serves; returns how many they are.

        Raises:
            InputError: the file is there and is no recording, or its directory is not there.
            RunError: the disk is full or the directory can't be written.
        """
        settings = self.settings
        header = Header.of(settings.model, settings.base_url, settings.style)
        return write_recording(self._database, header, path)

    def _is_running(self) -> bool:
        if self._lock:
            return True
        try:
            _take_lock(self.path).release()
        except RunBusyError:
            return True
        except RunError:
            return False  # where nothing can be written, nobody works
        return False

    def _check_size(self) -> None:
        finished = self.status().finished
        if finished > self.settings.tasks:
            raise InputError(
                f"{self.path} has {finished} finished tasks already, more than --tasks",
                "ask for more, or name another --out",
            )

    def _keep_seeds(self, seeds: Sequence[Task]) -> None:
        if self._database.rows("SELECT 1 FROM requests LIMIT 1"):
            return
        self._database.write_now("DELETE FROM seeds", [()])  # of an attempt that asked nothing
        rows = [(task.id, task.definition) for task in seeds]
        self._database.write_now("INSERT INTO seeds VALUES (?, ?)", rows)


def _resolve(
    path: Path, asked: Mapping[str, Any], *, same_model: bool
) -> tuple[Settings, tuple[Task, ...], str | None]:
    """The settings to go on with, the seeds, and the address under which replies are kept.

    Nothing is written.
    """
    new = not (path / CONFIG).exists()
    if new:
        _require_free(path)
    stored, stamps = ({}, {}) if new else _stored(path)
    settings = make_settings({**stored, **asked}, "settings" if new else str(path / CONFIG))
    settings = replace(settings, base_url=resolve_base_url(settings.model, settings.base_url))
    require_price(settings)
    seeds = _load_seeds(settings)
    if new or not _has_requests(path):
        return settings, seeds, settings.base_url
    identity_url = stamps.get(IDENTITY)
    changeable = (*CHANGEABLE, "base_url") if same_model else CHANGEABLE
    now = _config(settings, seeds, identity_url)
    before = {**asdict(make_settings(stored, str(path / CONFIG))), **stamps}
    _refuse_differences(path, before, now, changeable)
    return settings, seeds, identity_url


def _require_free(path: Path) -> None:
    """Nothing may be there but what a run leaves that was killed at once."""
    names = [one.name for one in path.iterdir()] if path.is_dir() else []
    others = [one for one in names if one != LOCK and not one.startswith(f".{CONFIG}.")]
    if others or path.is_file():
        raise RunError(f"{path} is not empty and not a run", "name another --out")


def _has_requests(path: Path) -> bool:
    """False for an attempt that got no further than naming a model."""
    if not (path / DATABASE).exists():
        return False
    with closing(Database.open(path / DATABASE, read_only=True)) as database:
        return database.has_schema and bool(database.rows("SELECT 1 FROM requests LIMIT 1"))


def _refuse_differences(
    path: Path, before: Mapping[str, Any], now: Mapping[str, Any], changeable: Sequence[str]
) -> None:
    differences = [
        (key, before.get(key), value)
        for key, value in now.items()
        if key not in changeable and before.get(key) != value
    ]
    if differences:
        raise RunMismatchError(str(path), differences)


def _load_seeds(settings: Settings) -> tuple[Task, ...]:
    return require_seeds(Path(settings.seeds)) if settings.seeds else seed_tasks()


def _evaluation_items(settings: Settings) -> Iterator[tuple[str, str]]:
    for path in settings.decontaminate:
        yield from evaluation_items(Path(path))


def _stamps(settings: Settings, seeds: Sequence[Task]) -> dict[str, str]:
    """What must not change under a run besides its settings."""
    stamps = {"seeds_fingerprint": _digest([seeds]), "prompts_fingerprint": fingerprint()}
    if settings.decontaminate:
        stamps["evaluation_fingerprint"] = _digest(_evaluation_items(settings))
    return stamps


def _digest(parts: Iterable[object]) -> str:
    digest = sha256()
    for part in parts:
        digest.update(msgspec.json.encode(part))
    return digest.hexdigest()[:16]


def _config(settings: Settings, seeds: Sequence[Task], identity_url: str | None) -> dict[str, Any]:
    head = {"stage": "bootstrap", **asdict(settings)}
    return {**head, **_stamps(settings, seeds), IDENTITY: identity_url}


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
