"""YAML configuration: the user's files, and a run's own, which must not change under what it made.

Example::

    values = read_yaml(Path("bootstrap.yaml"))
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import yaml

from seedstep.data import write_atomically
from seedstep.errors import InputError, RunMismatchError

__all__ = [
    "digest",
    "in_order_of",
    "read_yaml",
    "refuse_differences",
    "write_yaml",
]


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
