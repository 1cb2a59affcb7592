"""Directories of ours that are there as a whole, or as they were before.

Example::

    with whole_folder(Path("data/alpaca"), ".seedstep-export.json") as folder:
        (folder / "train.jsonl").write_bytes(b"...")
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from seedstep.errors import RunError

__all__ = ["require_ours", "whole_folder"]


@dataclass(frozen=True, slots=True)
class _Marker:
    files: tuple[str, ...]


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
            content = {**(about or {}), "files": sorted(_files(partial))}
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
    try:
        found = msgspec.json.decode((out / marker).read_bytes(), type=_Marker)
        ours = {marker, *found.files}
    except (OSError, msgspec.DecodeError):
        ours = set()
    if out.is_file() or set(_files(out)) - ours:
        raise RunError(f"{out} holds other files", "name an empty or a new directory")


def _files(folder: Path) -> Iterator[str]:
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
