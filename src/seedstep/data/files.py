"""Files that are there as a whole, or as they were before.

Example::

    write_atomically(Path("tasks.jsonl"), b"...")
"""

import os
from collections.abc import Iterable
from pathlib import Path

from seedstep.errors import RunError

__all__ = ["write_atomically", "write_in_parts"]


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
