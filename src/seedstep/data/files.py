"""Files that are there as a whole, or as they were before.

Example::

    write_atomically(Path("tasks.jsonl"), b"...")
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from seedstep.errors import RunError

__all__ = [
    "EXPORT_MARKER",
    "FolderMarker",
    "exported_format",
    "files_in",
    "read_marker",
    "require_ours",
    "whole_file",
    "whole_folder",
    "write_atomically",
    "write_in_parts",
]

EXPORT_MARKER = ".seedstep-export.json"
"""Marks a directory as an export of ours, which the next export may replace."""


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


@dataclass(frozen=True, slots=True)
class FolderMarker:
    """What the marker of a directory says: its other files, and the format of an export."""

    files: tuple[str, ...]
    format: str = ""


@contextmanager
def whole_folder(out: Path, marker: str, about: Mapping[str, str] | None = None) -> Iterator[Path]:
    """A directory to fill, which takes the place of `out` when all is written.

    A file named `marker` in it lists its files, besides what is said `about` it. `out` may be
    missing, empty, or made by an earlier call with the same marker; an earlier one goes only when
    the new one is there.

    Raises:
        RunError: `out` holds other files, the disk is full, or a directory can't be written.
    """
    require_ours(out, marker)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            partial.chmod(0o755)
            yield partial
            content = {**(about or {}), "files": sorted(files_in(partial))}
            (partial / marker).write_bytes(msgspec.json.encode(content) + b"\n")
            _put_in_place(partial, out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise RunError(f"{out}: {error.strerror}", "free space or correct its rights") from None


def require_ours(out: Path, marker: str) -> None:
    """Make sure that a directory may be replaced: its files are those that its marker lists.

    Raises:
        RunError: it holds others.
    """
    if not out.exists():
        return
    found = read_marker(out, marker)
    ours = {marker, *found.files} if found else set()
    if out.is_file() or set(files_in(out)) - ours:
        raise RunError(f"{out} holds other files", "name an empty or a new directory")


def read_marker(folder: Path, marker: str) -> FolderMarker | None:
    """What the marker of a directory says; None where it has none."""
    try:
        return msgspec.json.decode((folder / marker).read_bytes(), type=FolderMarker)
    except (OSError, msgspec.DecodeError):
        return None


def files_in(folder: Path) -> Iterator[str]:
    """The files in a directory and below, by their paths from there."""
    for path in folder.rglob("*"):
        if not path.is_dir():
            yield path.relative_to(folder).as_posix()


def _put_in_place(partial: Path, out: Path) -> None:
    if not out.exists():
        partial.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent))
    out.rename(old / out.name)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def exported_format(path: Path) -> str | None:
    """The format of the export in a directory; None where there is none."""
    marker = read_marker(path, EXPORT_MARKER)
    return marker.format if marker else None
