"""A run's directory: its files, its lock, and what is read of them whatever stage it is of.

Example::

    stage_of(Path("runs/first"))  # "bootstrap"
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import filelock
import msgspec
import yaml

from seedstep.data import write_atomically
from seedstep.errors import InputError, RunBusyError, RunError, RunMismatchError
from seedstep.runs.database import Database

__all__ = [
    "CONFIG",
    "DATABASE",
    "STAGE",
    "begun_database",
    "digest",
    "identities",
    "in_order_of",
    "open_database",
    "read_yaml",
    "refuse_differences",
    "require_free",
    "stage_of",
    "stored_config",
    "take_lock",
    "with_unknown",
    "write_yaml",
]


def identities(
    addresses: Mapping[str, str],
    entries: Mapping[str, Any],
    stored: Mapping[str, Any],
    now: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the addresses under which the replies of a run are kept, by their entries.

    `addresses` has the names of these entries by the settings that they belong to. `entries` are
    those of the configuration, `stored` the settings there, and `now` those to go on with. A judge
    has an entry only where it is asked at another address than the one that its replies are kept
    under.
    """
    found = {}
    for address, identity in addresses.items():
        url = entries.get(identity) or stored.get(address) or now[address]
        if identity in _ALWAYS or url != now[address]:
            found[identity] = url
    return found


_ALWAYS = ("identity_url",)
"""Entries that every configuration of a stage has which asks a model."""


def with_unknown(
    addresses: Mapping[str, str], stored: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, Any]:
    """Return stored settings with the addresses that they do not know, as they are `now`.

    Version 0.1.0 did not keep a judge's address that only the environment named.
    """
    unknown = [address for address in addresses if stored.get(address) is None]
    return {**stored, **{address: now[address] for address in unknown}}


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

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


def digest(parts: Iterable[object]) -> str:
    """Return a fingerprint of records."""
    found = sha256()
    for part in parts:
        found.update(msgspec.json.encode(part))
    return found.hexdigest()[:16]


def in_order_of(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in the order in which `before` has their names, then those that it has not.

    A file that is written again keeps its order, whichever version wrote it first.
    """
    known = {name: values[name] for name in before if name in values}
    return {**known, **values}


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
