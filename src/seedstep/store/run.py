"""The run directory: one resolved configuration, one database, one writer at a time.

Example::

    with Run.start(Path("runs/first"), {"tasks": 100}) as run: ...
    run = Run.read(Path("runs/first"))
    print(run.status().finished)
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock
import msgspec

from seedstep.bootstrap import Generation, Settings, make_settings
from seedstep.data import Instance, Task, require_seeds, seed_tasks
from seedstep.errors import InputError, RunBusyError, RunError, RunMismatchError
from seedstep.prompts import fingerprint
from seedstep.store.config import read_yaml, write_yaml
from seedstep.store.database import Database, Statement
from seedstep.store.ledger import RequestLedger

__all__ = ["Run", "Status", "TaskDetails"]

CONFIG = "run.yaml"
DATABASE = "run.db"
LOCK = "run.lock"

CHANGEABLE = ("tasks", "in_flight", "patience")
"""Settings that a run may go on with changed: they do not change what was made already."""

RECENT_SECONDS = 600.0
"""Speed is that of the last ten minutes in which something was retired."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests of one purpose. Tokens are counted by the server, or some `estimated`."""

    requests: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    estimated: bool


@dataclass(frozen=True, slots=True)
class Status:
    """Where a run stands. `rejected` counts instructions and `bad_instances` instances, by reason.

    `per_minute` is finished tasks a minute, None while there are too few to tell.
    """

    wanted: int
    finished: int
    instances: int
    generations: int
    running: bool
    rejected: dict[str, int]
    bad_instances: dict[str, int]
    usage: dict[str, Usage]
    per_minute: float | None


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """A candidate with its provenance. Texts of demonstrations and neighbour are by id."""

    columns: dict[str, Any]
    instances: tuple[dict[str, Any], ...]
    demonstrations: tuple[tuple[str, str], ...]
    neighbor: str
    requests: tuple[dict[str, Any], ...]


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

    @property
    def database(self) -> Database:
        """The run's database."""
        return self._database

    def seeds(self) -> tuple[Task, ...]:
        """The run's seed tasks."""
        return _load_seeds(self.settings)

    async def record(self, generation: Generation) -> None:
        """Keep a retired generation. Keeping one again, as a resumed run does, changes nothing."""
        if generation.index < self._recorded:
            return
        await self._database.write(list(_statements(generation)))

    def tasks(self) -> tuple[Task, ...]:
        """The finished tasks, in the order in which they were retired."""
        instances: dict[str, list[Instance]] = {}
        query = "SELECT task, input, output FROM instances WHERE reason = '' ORDER BY position"
        for row in self._database.rows(query):
            found = instances.setdefault(row["task"], [])
            found.append(Instance(row["input"], (row["output"],)))
        rows = self._database.rows(
            "SELECT id, instruction, is_classification FROM candidates"
            " WHERE reason = '' ORDER BY item, position"
        )
        return tuple(
            Task(
                row["id"],
                row["instruction"],
                tuple(instances[row["id"]]),
                bool(row["is_classification"]),
            )
            for row in rows
        )

    def status(self) -> Status:
        """Counts, tokens and speed."""
        rejected = self._counts("SELECT reason, count(*) FROM candidates GROUP BY reason")
        instances = self._counts("SELECT reason, count(*) FROM instances GROUP BY reason")
        usage = {
            row["purpose"]: Usage(*tuple(row)[1:5], bool(row["estimated"]))
            for row in self._database.rows(
                "SELECT purpose, count(*), count(failure), sum(prompt_tokens),"
                " sum(completion_tokens), max(estimated) AS estimated"
                " FROM requests GROUP BY purpose"
            )
        }
        return Status(
            wanted=self.settings.tasks,
            finished=rejected.pop("", 0),
            instances=instances.pop("", 0),
            generations=self._database.rows("SELECT count(*) FROM generations")[0][0],
            running=self._is_running(),
            rejected=rejected,
            bad_instances=instances,
            usage=usage,
            per_minute=self._per_minute(),
        )

    def show(self, task_id: str) -> TaskDetails:
        """A finished task or rejected candidate with all that led to it.

        Raises:
            InputError: there is none of that id.
        """
        rows = self._database.rows("SELECT * FROM candidates WHERE id = ?", (task_id,))
        if not rows:
            raise InputError(f"{self.path} has no task '{task_id}'", "run `seedstep show RUN`")
        columns = dict(rows[0])
        (generation,) = self._database.rows(
            "SELECT * FROM generations WHERE item = ?", (columns["item"],)
        )
        instances = self._database.rows(
            "SELECT * FROM instances WHERE task = ? ORDER BY reason, position", (task_id,)
        )
        keys = [generation["request"], columns["classification_request"]]
        keys.append(columns["instances_request"])
        requests = [self._database.rows("SELECT * FROM requests WHERE key = ?", (k,)) for k in keys]
        shown = [(one, self._definition(one)) for one in _ids(generation["demonstrations"])]
        return TaskDetails(
            columns=columns,
            instances=tuple(map(dict, instances)),
            demonstrations=tuple(shown),
            neighbor=self._definition(columns["neighbor"]) if columns["neighbor"] else "",
            requests=tuple(dict(found[0]) for found in requests if found),
        )

    def rejected(self) -> list[dict[str, Any]]:
        """All rejected candidates, in order."""
        query = "SELECT * FROM candidates WHERE reason != '' ORDER BY item, position"
        return [dict(row) for row in self._database.rows(query)]

    def _definition(self, task_id: str) -> str:
        query = (
            "SELECT definition FROM seeds WHERE id = ?"
            " UNION ALL SELECT instruction FROM candidates WHERE id = ?"
        )
        rows = self._database.rows(query, (task_id, task_id))
        return rows[0][0] if rows else ""

    def _counts(self, query: str) -> dict[str, int]:
        return {row[0]: row[1] for row in self._database.rows(query)}

    def _per_minute(self) -> float | None:
        rows = self._database.rows(
            "SELECT count(DISTINCT g.item), count(c.id), max(g.at) - min(g.at)"
            " FROM generations g LEFT JOIN candidates c ON c.item = g.item AND c.reason = ''"
            " WHERE g.at > (SELECT max(at) FROM generations) - ?",
            (RECENT_SECONDS,),
        )
        items, tasks, seconds = rows[0]
        return 60 * tasks / seconds if items > 1 and seconds else None

    def _is_running(self) -> bool:
        if self._lock:
            return True
        try:
            _take_lock(self.path).release()
        except RunBusyError:
            return True
        return False

    def _check_size(self) -> None:
        query = "SELECT count(*) FROM candidates WHERE reason = ''"
        finished = self._database.rows(query)[0][0]
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


def _ids(text: str) -> list[str]:
    return msgspec.json.decode(text, type=list[str])


def _statements(generation: Generation) -> Iterator[Statement]:
    shown = msgspec.json.encode(generation.demonstrations).decode()
    head = (generation.index, generation.request, shown, generation.failure, time.time())
    yield "INSERT OR IGNORE INTO generations VALUES (?, ?, ?, ?, ?)", head
    for position, one in enumerate(generation.candidates):
        yield (
            "INSERT OR IGNORE INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                one.id,
                generation.index,
                position,
                one.instruction,
                one.reason,
                one.detail,
                one.neighbor.id if one.neighbor else None,
                one.neighbor.score if one.neighbor else None,
                int(one.is_classification),
                one.classification_request,
                one.instances_request,
            ),
        )
        texts = [(good.input, good.output, "") for good in one.instances]
        texts += [(bad.input, bad.output, bad.reason) for bad in one.rejected_instances]
        for number, text in enumerate(texts):
            yield "INSERT OR IGNORE INTO instances VALUES (?, ?, ?, ?, ?)", (one.id, number, *text)
