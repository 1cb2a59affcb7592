"""A run's directory: its files, its lock, and what is read of them whatever stage it is of.

Example::

    stage_of(Path("runs/first"))  # "bootstrap"
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import filelock

from seedstep.errors import RunBusyError, RunError
from seedstep.runs.config import read_yaml
from seedstep.runs.database import Database

__all__ = [
    "CONFIG",
    "DATABASE",
    "STAGE",
    "begun_database",
    "open_database",
    "require_free",
    "stage_of",
    "stored_config",
    "take_lock",
]

CONFIG = "run.yaml"
DATABASE = "run.db"
LOCK = "run.lock"
STAGE = "stage"
"""Entry of the configuration: which stage the run is of."""


@contextmanager
def open_database(path: Path, stage: str) -> Iterator[Database]:
    """Open the database of a run to read what it keeps.

    Raises:
        RunError: there is no run of the stage there.
    """
    stored_config(stage, path, CONFIG)
    with closing(begun_database(stage, path)) as database, database.snapshot():
        yield database


def begun_database(stage: str, path: Path) -> Database:
    """Open the database of a run for reading."""
    not_begun = RunError(f"{path} has not begun", f"run `seedstep {stage} --out {path}` again")
    if not (path / DATABASE).exists():
        raise not_begun
    database = Database.open(path / DATABASE, read_only=True)
    if not database.has_schema:
        database.close()
        raise not_begun
    return database


def stored_config(stage: str, path: Path, config: str) -> dict[str, Any]:
    """Return the configuration of a run.

    Raises:
        RunError: there is none, or it is of another stage.
    """
    if not (path / config).is_file():
        made = f"name a directory that `{stage} --out` made"
        raise RunError(f"{path} is not a run", made)
    values = read_yaml(path / config)
    if (other := values.get(STAGE, stage)) != stage:
        what = f"{path} is a run of `seedstep {other}`"
        raise RunError(what, f"name one that `seedstep {stage}` made")
    return values


def stage_of(path: Path) -> str:
    """Return the stage that the configuration of a run names; "" where there is none."""
    return str(read_yaml(path / CONFIG).get(STAGE, "")) if (path / CONFIG).is_file() else ""


def require_free(path: Path, config: str, beside: Sequence[str]) -> None:
    """Make sure that nothing is there but `beside`, and what a run leaves that was killed at once.

    Raises:
        RunError: there is.
    """
    names = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    ours = {LOCK, *beside}
    others = [name for name in names if name not in ours and not name.startswith(f".{config}.")]
    if others or path.is_file():
        raise RunError(f"{path} is not empty and not a run", "name another --out")


def take_lock(path: Path) -> filelock.BaseFileLock:
    """Take the lock of a run's one writer; the directory is made where it is new.

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
