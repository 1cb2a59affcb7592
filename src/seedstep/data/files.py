"""Write files and folders atomically.

Data are first written to a hidden file or folder beside the final one, which it replaces when it is
complete and on the disk. Its name can't be guessed, and it is created only if nothing of that name
exists, so that a link planted in a shared directory is not followed. Permissions are those of any
new file or folder under the user's umask. A process that is killed leaves its hidden file behind;
the next writer of the same path removes it. Hidden files that are being written are locked. Where a
folder replaces another, the two exchange their names at once.

Example::

    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "tasks.jsonl"
    >>> write_atomically(path, b"{}")
    >>> path.read_bytes()
    b'{}'
"""

import ctypes
import errno
import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from seedstep.errors import RunError

try:
    import fcntl
except ImportError:  # Windows: what killed processes leave is not removed
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "EXPORT_MARKER",
    "FolderMarker",
    "exported_format",
    "files_in",
    "folder_with",
    "make_folder",
    "new_folder",
    "read_marker",
    "require_ours",
    "whole_file",
    "whole_folder",
    "write_atomically",
    "write_in_parts",
]

EXPORT_MARKER = ".seedstep-export.json"
"""The file that marks a directory as an export of seedstep, which the next export may replace."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is complete, or unchanged if that fails.

    Raises:
        RunError: the disk is full or the directory can't be written.
    """
    write_in_parts(path, (data,))


def write_in_parts(path: Path, parts: Iterable[bytes]) -> int:
    """Write a file as `write_atomically` does, part by part; return the number of parts.

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
    """Open a file that takes its place at `path` when the block ends, and is removed on an error.

    Raises:
        RunError: the disk is full or the directory can't be written.
    """
    with _explained(path):
        _remove_leftovers(path)
        with _new_file(path) as file:
            partial = Path(file.name)
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                partial.replace(path)  # still locked: no other writer takes it for a leftover
            finally:
                partial.unlink(missing_ok=True)
        _sync(path.parent)


def make_folder(path: Path) -> None:
    """Make a directory and its parents, if they are missing.

    Raises:
        RunError: it can't be made.
    """
    with _explained(path, "name a directory you can write"):
        _make_folder(path)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except RecursionError:
        raise OSError(errno.ENAMETOOLONG, "nested too deeply", str(path)) from None


@contextmanager
def new_folder(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a directory to fill, which becomes `out` when the block ends.

    On an error it is removed. With `replace`, a directory that is at `out` is removed once the new
    one is there. All files get the permissions of the user's umask, whatever wrote them.

    Raises:
        OSError: the disk is full, a directory can't be written, or `out` is there already.
    """
    _make_folder(out.parent)
    with _new_hidden_folder(out) as partial:
        yield partial
        permissions = partial.stat().st_mode & 0o666
        for name in files_in(partial):
            if not (partial / name).is_symlink():
                (partial / name).chmod(permissions)  # safetensors' own are 0600
            _sync(partial / name)
        _sync(partial)
        _put_in_place(partial, out, replace=replace)


@contextmanager
def folder_with(out: Path, names: Collection[str]) -> Iterator[Path]:
    """Give a directory to fill with files of these `names`, which is at `out` when the block ends.

    It takes the place of `out` as a whole. If `out` holds other files, or is the working directory,
    all stays, and the new files are put there, one after the other, when all are complete.

    Raises:
        RunError: the disk is full, or a directory can't be written.
    """
    is_ours = out.is_dir() and set(files_in(out)) <= set(names) and not out.samefile(".")
    is_mixed = out.exists() and not is_ours
    added = _added_files(out) if is_mixed else new_folder(out, replace=True)
    with _explained(out), added as folder:
        yield folder


@contextmanager
def _added_files(out: Path) -> Iterator[Path]:
    """Yield a directory to fill with files, which are put into `out` when the block ends."""
    with _new_hidden_folder(out / "files") as partial:
        yield partial
        names = sorted(files_in(partial))
        for name in names:
            _sync(partial / name)
        for name in names:
            (partial / name).replace(out / name)


@contextmanager
def _new_hidden_folder(path: Path) -> Iterator[Path]:
    """Yield a locked hidden directory beside a path, which is removed when the block ends."""
    _remove_leftovers(path)
    partial = _hidden(path, PARTIAL)
    partial.mkdir()
    try:
        with locked(partial):
            yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _sync(path.parent)


@dataclass(frozen=True, slots=True)
class FolderMarker:
    """The content of a directory's marker file: its other files, and the format of an export."""

    files: tuple[str, ...]
    format: str = ""


@contextmanager
def whole_folder(out: Path, marker: str, about: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Yield a directory to fill, which replaces `out` when the block ends.

    A file named `marker` is added, which lists the other files and has the mapping `about`.
    `out` may be missing, empty, or made by an earlier call with the same marker and the same
    `format` in `about`. An earlier one is removed once the new one is there.

    Raises:
        RunError: `out` holds other files, the disk is full, or a directory can't be written.
    """
    require_ours(out, marker, (about or {}).get("format", ""))
    with _explained(out), new_folder(out, replace=True) as folder:
        yield folder
        content = {**(about or {}), "files": sorted(files_in(folder))}
        (folder / marker).write_bytes(msgspec.json.encode(content) + b"\n")


def require_ours(out: Path, marker: str, form: str = "") -> None:
    """Check that a directory may be replaced: it has only files that its marker lists.

    If `form` is given and the marker names a format, they have to be the same.

    Raises:
        RunError: the directory has other files or another export, or is the working directory.
    """
    if not out.exists():
        return
    if out.samefile("."):
        what = f"{out} is the directory that you are in, which would be replaced"
        raise RunError(what, f"name another, such as {out / 'export'}")
    found = read_marker(out, marker)
    if found is None and (out / marker).is_file():
        what = f"{out / marker} is damaged: it does not say which files of {out} may be replaced"
        raise RunError(what, "remove the directory, or name another")
    ours = {marker, *found.files} if found else set()
    if out.is_file() or set(files_in(out)) - ours:
        raise RunError(f"{out} holds other files", "name an empty or a new directory")
    if found and form and found.format not in ("", form):
        what = f"{out} holds an export in the format {found.format}, which would be replaced"
        raise RunError(what, f"name another directory, such as {out}-{form}, or remove {out}")


def read_marker(folder: Path, marker: str) -> FolderMarker | None:
    """Read the marker file of a directory; return None if there is none."""
    if not (folder / marker).is_file():  # a pipe would be waited for
        return None
    try:
        return msgspec.json.decode((folder / marker).read_bytes(), type=FolderMarker)
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None


def exported_format(path: Path) -> str | None:
    """Return the format of the export in a directory, or None if there is none."""
    marker = read_marker(path, EXPORT_MARKER)
    return marker.format if marker else None


def files_in(folder: Path) -> Iterator[str]:
    """Yield the files in a directory and below, by their paths from there."""
    for path in folder.rglob("*"):
        if not path.is_dir():
            yield path.relative_to(folder).as_posix()


PARTIAL = "partial"
"""The end of the name of a hidden file or folder that is being written."""

OLD = "old"
"""The end of the hidden name of a directory that is being replaced."""

NAME_CHARACTERS = 50
"""How many characters of a name are used in the hidden name, which must not be too long."""


def _hidden(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name[:NAME_CHARACTERS]}.{secrets.token_hex(8)}.{ending}")


def _new_file(path: Path) -> BinaryIO:
    """Create a locked hidden file beside a file."""
    while True:
        file = _hidden(path, PARTIAL).open("xb")
        _lock(file.fileno(), wait=True)
        if Path(file.name).exists():
            return file
        file.close()  # another writer took it for a leftover before it was locked


def _put_in_place(partial: Path, out: Path, *, replace: bool) -> None:
    if not (replace and out.exists()):
        partial.rename(out)
        return
    with locked(out):
        if _exchange(partial, out):
            old = partial
        else:
            old = _hidden(out, OLD)
            out.rename(old)
            try:
                partial.rename(out)
            except OSError:
                old.rename(out)
                raise
        if old.is_symlink():
            old.unlink()
        else:
            shutil.rmtree(old, ignore_errors=True)


HERE = -100
AT_ONCE = 2
"""Of renameat2: paths are seen from the working directory, and the two names are exchanged."""


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names at once, so that both are there at any moment.

    Returns False where the system or the file system can't: then a process that is killed between
    two renamings leaves none at the second name, until the next writer puts it back.
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2  # Linux
    except (AttributeError, OSError, TypeError):
        return False
    return bool(rename(HERE, os.fsencode(first), HERE, os.fsencode(second), AT_ONCE) == 0)


def _remove_leftovers(path: Path) -> None:
    """Remove the hidden files of killed writers of `path`.

    A directory that was set aside, and whose successor is missing, is put back.
    """
    if fcntl is None:
        return
    start = re.escape(path.name[:NAME_CHARACTERS])
    form = re.compile(rf"\.{start}\.[0-9a-f]{{16}}\.({PARTIAL}|{OLD})")
    with suppress(OSError):  # the writer's own attempt tells what is wrong
        for neighbour in tuple(path.parent.iterdir()):
            if form.fullmatch(neighbour.name):
                _remove_leftover(neighbour, path)


def _remove_leftover(leftover: Path, path: Path) -> None:
    with suppress(OSError):  # it is being written, or gone
        if leftover.is_symlink() or leftover.stat().st_uid != os.geteuid():
            return
        with locked(leftover, wait=False):
            if leftover.is_file():
                leftover.unlink()
            elif leftover.suffix == f".{OLD}" and not path.exists():
                leftover.rename(path)
            else:
                shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a file or directory.

    Raises:
        BlockingIOError: another process holds it, and this one shall not `wait`.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        _lock(descriptor, wait=wait)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        if not wait:
            raise
        # a file system without locks: leftovers stay there


def _sync(path: Path) -> None:
    """Make sure that a file or the list of a directory's files is on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return  # a directory that may be written, but not read
    try:
        os.fsync(descriptor)
    except OSError as error:
        if path.is_file():
            raise error
        # a file system that does not sync directories
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path, remedy: str = "free space or correct its rights") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            remedy = f"make the directory {path.parent} first, or name another"
        raise RunError(f"{path}: {error.strerror or error}", remedy) from None
