"""YAML configuration: the user's files and a run's own.

Example::

    values = read_yaml(Path("bootstrap.yaml"))
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from seedstep.errors import InputError, RunError

__all__ = ["read_yaml", "write_atomically", "write_in_parts", "write_yaml"]


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


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is either there as a whole or as it was before.

    Raises:
        RunError: the disk is full or the directory can't be written.
    """
    write_in_parts(path, (data,))


def write_in_parts(path: Path, parts: Iterable[bytes]) -> int:
    """As `write_atomically`, part by part; returns how many they were.

    Raises:
        RunError: the disk is full or the directory can't be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    count = 0
    try:
        try:
            with partial.open("wb") as file:
                for part in parts:
                    file.write(part)
                    count += 1
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}", "free space or correct its rights") from None
    return count
