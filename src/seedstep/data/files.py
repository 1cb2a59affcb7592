"""Files that are there as a whole, or as they were before.

Example::

    write_atomically(Path("tasks.jsonl"), b"...")
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from seedstep.errors import RunError

__all__ = ["whole_file", "write_atomically", "write_in_parts"]


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
    count = 0
    with whole_file(path) as file:
        for part in parts:
            file.write(part)
            count += 1
    return count


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes its place when all is written, and else leaves nothing.

    Raises:
        RunError: the disk is full or the directory can't be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(
            f"{path}: {error.strerror or error}", "free space or correct its rights"
        ) from None
