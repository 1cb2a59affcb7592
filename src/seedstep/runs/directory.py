"""YAML configuration: the user's files and a run's own.

Example::

    values = read_yaml(Path("bootstrap.yaml"))
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import filelock
import msgspec
import yaml

from seedstep.data import write_atomically
from seedstep.errors import InputError, RunBusyError, RunError, RunMismatchError
from seedstep.llm import Header, Spent, resolve_base_url
from seedstep.runs.database import Database
from seedstep.runs.requests import (
    RequestLedger,
    RequestLine,
    find_request,
    list_requests,
    write_recording,
)
from seedstep.runs.results import ReplyUsage, read_answers, read_spent

__all__ = [
    "DATABASE",
    "ModelRun",
    "ModelSettings",
    "RunDirectory",
    "digest",
    "read_yaml",
    "refuse_differences",
    "stage_of",
    "take_lock",
    "write_yaml",
]


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        InputError: it is not there, is not YAML, or holds something else.
    """
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8", "save the file as UTF-8") from None
    except (yaml.YAMLError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}" if place else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise InputError(f"{path}{line}: {problem}", "correct the file") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a list of settings", "write `name: value` on each line")
    return values


def write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    """Replace a YAML file as a whole."""
    text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)
    write_atomically(path, text.encode())


CONFIG = "run.yaml"
DATABASE = "run.db"
LOCK = "run.lock"
STAGE = "stage"
"""Entry of the configuration: which stage the run is of."""


class RunSettings(Protocol):
    """What the settings of every stage are: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


S = TypeVar("S", bound=RunSettings)
Inputs = TypeVar("Inputs")


class RunDirectory(ABC, Generic[S, Inputs]):
    """A run directory, opened for reading or as its one writer."""

    stage: ClassVar[str]
    """What the run is of, which is also the command that makes it."""

    changeable: ClassVar[tuple[str, ...]]
    """Settings that a run may go on with changed: they do not change what was made already."""

    made: ClassVar[str] = "requests"
    """The table that has rows once anything was made; before that all settings may change."""

    def __init__(self, path: Path, settings: S, database: Database) -> None:
        """Use `start` or `read`."""
        self.path = path
        self.settings = settings
        self._entries: Mapping[str, Any] = {}
        self._database = database
        self._lock: filelock.BaseFileLock | None = None
        self._inputs: Inputs | None = None

    @staticmethod
    @abstractmethod
    def make_settings(values: Mapping[str, Any], source: str) -> S:
        """Settings from named values; `source` says where they stand."""

    @staticmethod
    @abstractmethod
    def load(settings: S) -> Inputs:
        """What the run starts from."""

    @staticmethod
    @abstractmethod
    def stamps(settings: S, inputs: Inputs) -> dict[str, str]:
        """Fingerprints of what must not change under a run besides its settings."""

    @abstractmethod
    def _check(self) -> None:
        """Raise if the run can't go on with its settings."""

    @abstractmethod
    def _keep(self, inputs: Inputs) -> None:
        """Keep what the run starts from, where nothing was asked yet."""

    @classmethod
    def start(cls, path: Path, asked: Mapping[str, Any]) -> Self:
        """Create a run, or go on with one, as its writer.

        `asked` are the settings that the user named; the others are the run's own, or the
        defaults.

        Raises:
            RunBusyError: another process works on it.
            RunMismatchError: it was started with other settings.
            InputError: an input file or a setting can't be used.
            RunError: the directory is something else or can't be written.
        """
        return cls._start(path, asked, cls.changeable)

    @classmethod
    def _start(cls, path: Path, asked: Mapping[str, Any], changeable: Sequence[str]) -> Self:
        settings, inputs, config = cls._resolve(path, asked, changeable)
        lock = take_lock(path)
        try:
            fresh = not (path / CONFIG).exists()
            if fresh:  # before the database: a directory with a database alone is no run
                write_yaml(path / CONFIG, config)
            run = cls(path, settings, Database.open(path / DATABASE))
        except BaseException:
            lock.release()
            raise
        run._lock = lock
        run._inputs = inputs
        run._entries = config
        try:
            run._check()
            if not fresh:
                write_yaml(path / CONFIG, config)
            if not cls._has_made(run._database):
                run._keep(inputs)
        except BaseException:
            run.close()
            raise
        return run

    @classmethod
    def read(cls, path: Path) -> Self:
        """Open a run to look at it, also while another process works on it.

        Raises:
            RunError: there is no run there.
        """
        if not (path / CONFIG).is_file():
            raise RunError(
                f"{path} is not a run", f"name a directory that `{cls.stage} --out` made"
            )
        values, entries = cls._stored(path)
        again = f"run `seedstep {cls.stage} --out {path}` again"
        not_begun = RunError(f"{path} has not begun", again)
        if not (path / DATABASE).exists():
            raise not_begun
        settings = cls.make_settings(values, str(path / CONFIG))
        database = Database.open(path / DATABASE, read_only=True)
        if not database.has_schema:
            database.close()
            raise not_begun
        run = cls(path, settings, database)
        run._entries = entries
        return run

    def inputs(self) -> Inputs:
        """What the run starts from; a writer has read it already.

        Raises:
            InputError: it can't be read any more.
        """
        return self.load(self.settings) if self._inputs is None else self._inputs

    def __enter__(self) -> Self:
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

    def answered(self) -> tuple[ReplyUsage, ...]:
        """When the requests were answered, in the order of time."""
        return read_answers(self._database)

    async def settle(self) -> None:
        """Wait until everything written is on the disk."""
        await self._database.settle()

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
            InputError: the file is there and is no recording, or its directory is not there; or
                the requests went to several models.
            RunError: the disk is full or the directory can't be written.
        """
        return write_recording(self._database, self._header(), path)

    @abstractmethod
    def _header(self) -> Header:
        """Which model a recording of the requests stands for."""

    def _is_running(self) -> bool:
        if self._lock:
            return True
        try:
            take_lock(self.path).release()
        except RunBusyError:
            return True
        except RunError:
            return False  # where nothing can be written, nobody works
        return False

    @classmethod
    def _resolve(
        cls, path: Path, asked: Mapping[str, Any], changeable: Sequence[str]
    ) -> tuple[S, Inputs, dict[str, Any]]:
        """The settings to go on with, the inputs, and the configuration. Nothing is written."""
        new = not (path / CONFIG).exists()
        if new:
            _require_free(path)
        stored, entries = ({}, {}) if new else cls._stored(path)
        source = str(path / CONFIG)
        values = {**stored, **asked}
        settings = cls._settled(cls.make_settings(values, "settings" if new else source))
        inputs = cls.load(settings)
        if new or not cls._is_begun(path):
            return settings, inputs, cls._config(settings, inputs, None)
        before = {**asdict(cls.make_settings(stored, source)), **entries}
        config = cls._config(settings, inputs, entries)
        refuse_differences(path, before, config, changeable)
        return settings, inputs, config

    @classmethod
    def _config(
        cls, settings: S, inputs: Inputs, entries: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        stamps = cls.stamps(settings, inputs)
        more = cls._more(settings, entries)
        return {STAGE: cls.stage, **asdict(settings), **stamps, **more}

    @staticmethod
    def _settled(settings: S) -> S:
        """The settings as a run keeps them."""
        return settings

    @staticmethod
    def _more(settings: S, entries: Mapping[str, Any] | None) -> dict[str, Any]:
        """Further entries of the configuration. `entries` are those that it has; None where nothing
        was made yet.
        """
        return {}

    @classmethod
    def _is_begun(cls, path: Path) -> bool:
        """False for an attempt that got no further than naming its settings."""
        if not (path / DATABASE).exists():
            return False
        with closing(Database.open(path / DATABASE, read_only=True)) as database:
            return database.has_schema and cls._has_made(database)

    @classmethod
    def _has_made(cls, database: Database) -> bool:
        return bool(database.rows(f"SELECT 1 FROM {cls.made} LIMIT 1"))  # noqa: S608 - a constant

    @classmethod
    def _stored(cls, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings in a run's configuration, and its other entries.

        Raises:
            RunError: the run is of another stage.
        """
        values = read_yaml(path / CONFIG)
        if (stage := values.get(STAGE, cls.stage)) != cls.stage:
            what = f"{path} is a run of `seedstep {stage}`"
            raise RunError(what, f"name one that `seedstep {cls.stage}` made")
        names = set(cls.make_settings({}, "").__dataclass_fields__)
        return (
            {key: values[key] for key in values if key in names},
            {key: values[key] for key in values if key not in names},
        )


def stage_of(path: Path) -> str:
    """Which stage a run is of; "" where there is no run."""
    return str(read_yaml(path / CONFIG).get(STAGE, "")) if (path / CONFIG).is_file() else ""


def digest(parts: Iterable[object]) -> str:
    """A fingerprint of records."""
    found = sha256()
    for part in parts:
        found.update(msgspec.json.encode(part))
    return found.hexdigest()[:16]


def _require_free(path: Path) -> None:
    """Nothing may be there but what a run leaves that was killed at once."""
    names = [one.name for one in path.iterdir()] if path.is_dir() else []
    others = [one for one in names if one != LOCK and not one.startswith(f".{CONFIG}.")]
    if others or path.is_file():
        raise RunError(f"{path} is not empty and not a run", "name another --out")


def refuse_differences(
    where: str | Path,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    changeable: Sequence[str],
    another: str = "--out",
) -> None:
    """Make sure that two configurations differ in nothing but what is changeable.

    `another` is the flag that names something new.

    Raises:
        RunMismatchError: they do; it names what.
    """
    differences = [
        (key, before.get(key), value)
        for key, value in now.items()
        if key not in changeable and before.get(key) != value
    ]
    if differences:
        raise RunMismatchError(str(where), differences, another)


def take_lock(path: Path) -> filelock.BaseFileLock:
    """The lock of a run's one writer, made with the directory where that is new.

    Raises:
        RunBusyError: another process holds it.
        RunError: the directory can't be written.
    """
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


IDENTITY = "identity_url"
"""Entry of the configuration: the address under which replies are kept."""


class ModelSettings(RunSettings, Protocol):
    """What the settings of a stage have that asks a model."""

    @property
    def model(self) -> str:
        """The model."""

    @property
    def base_url(self) -> str | None:
        """The address of its server."""

    @property
    def style(self) -> str:
        """The prompt style."""


ModelS = TypeVar("ModelS", bound=ModelSettings)


class ModelRun(RunDirectory[ModelS, Inputs], Generic[ModelS, Inputs]):
    """A run directory for the replies of one model."""

    @classmethod
    def start(cls, path: Path, asked: Mapping[str, Any], *, same_model: bool = False) -> Self:
        """As `RunDirectory.start`. `same_model` says that another base URL serves the same model,
        so that the replies kept count as its own.

        Raises:
            SeedstepError: as there.
        """
        return cls._start(path, asked, (*cls.changeable, *["base_url"] * same_model))

    @property
    def identity_url(self) -> str | None:
        """The address under which replies are kept."""
        url: str | None = self._entries.get(IDENTITY)
        return url

    def _header(self) -> Header:
        settings = self.settings
        return Header.of(settings.model, settings.base_url, settings.style)

    @staticmethod
    def _settled(settings: ModelS) -> ModelS:
        address = resolve_base_url(settings.model, settings.base_url)
        return replace(settings, base_url=address)

    @staticmethod
    def _more(settings: ModelS, entries: Mapping[str, Any] | None) -> dict[str, Any]:
        return {IDENTITY: settings.base_url if entries is None else entries.get(IDENTITY)}
