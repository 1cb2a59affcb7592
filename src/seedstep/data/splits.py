"""The task files of a SUPER-NATURALINSTRUCTIONS directory, and those that a split names.

The directory holds `tasks/*.json` and `splits/TRACK/SPLIT_tasks.txt`, or just `*.json`. A split
names a task by its file, or by an older name with the same number.

Example::

    for found in task_paths(Path("natural-instructions"), "test"):  # paths, or problems
        ...
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from seedstep.data.jsonl import BadLine
from seedstep.data.records import Problem
from seedstep.errors import InputError

__all__ = ["SHARED_NUMBERS", "task_paths"]

SHARED_NUMBERS = frozenset({"119", "672", "861", "868"})
"""Numbers that two tasks of the released set share. Only their whole names tell them apart."""

SUFFIX = "_tasks.txt"
"""The end of the name of a split's file."""

LONGEST_SHOWN = 100
"""How many characters of a name a message shows."""

_NUMBERED = re.compile(r"task([0-9]+)_")
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A name in a split file, with its line from 1."""

    line: int
    name: str


def task_paths(
    folder: Path, split: str | None = None, track: str = "default"
) -> Iterator[Path | Problem]:
    """Yield the task files of a directory in natural order, or those of a split in its order.

    Raises:
        InputError: there are no task files, the split is missing, or it names no task.
    """
    files = _task_files(folder)
    if split is None:
        yield from sorted(files.values(), key=_natural)
    else:
        yield from _in_split(_split_path(folder, split, track), files)


def _in_split(path: Path, files: Mapping[str, Path]) -> Iterator[Path | Problem]:
    """Yield the files that a split names, each once, in the split's order."""
    older = defaultdict(list)
    for name in sorted(files):
        if numbered := _NUMBERED.match(name):
            older[numbered[0]].append(name)
    entries = list(_entries(path))
    if not entries:
        raise InputError(f"{path}: names no tasks", "write the name of a task on each line")
    lines: dict[str, int] = {}
    for entry in entries:
        found = _resolve(entry.name, files, older)
        if isinstance(found, str) and lines.setdefault(found, entry.line) != entry.line:
            message = f"{_shown(entry.name)} is the task of line {lines[found]} already"
            found = BadLine("", message, "remove one of the lines")
        if isinstance(found, str):
            yield files[found]
        else:
            yield Problem(path, entry.line, found.field, found.message, found.remedy)


def _task_files(folder: Path) -> dict[str, Path]:
    """All task files by their names without `.json`. Hidden files are none."""
    inner = folder / "tasks"
    folder = inner if inner.is_dir() else folder
    files = {
        path.stem: path
        for path in _listed(folder)
        if path.suffix == ".json" and not path.name.startswith(".") and path.is_file()
    }
    if not files:
        remedy = "name a directory of task files (*.json), or one that has them in tasks/"
        raise InputError(f"{folder}: no task files", remedy)
    return files


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Return a sort key that puts task2 before task10."""
    parts = _DIGITS.split(path.stem)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], path.stem


def _split_path(folder: Path, split: str, track: str) -> Path:
    """Return the file of a split. The names are only compared with those of files, never opened."""
    tracks = {path.name: path for path in _listed(folder / "splits") if path.is_dir()}
    if not tracks:
        remedy = "leave the split out, or name the directory that has splits/ and tasks/"
        raise InputError(f"{folder}: no splits", remedy)
    if track not in tracks:
        raise _not_there("track", track, folder / "splits", tracks)
    splits = {
        file.name.removesuffix(SUFFIX): file
        for file in _listed(tracks[track])
        if file.name.endswith(SUFFIX)
    }
    if split not in splits:
        raise _not_there("split", split, tracks[track], splits)
    return splits[split]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}", "check its rights") from None


def _not_there(kind: str, name: str, folder: Path, known: Mapping[str, Path]) -> InputError:
    there = f"there are {', '.join(known)}" if known else f"leave the {kind} out"
    return InputError(f"{folder}: no {kind} '{name}'", there)


def _entries(path: Path) -> Iterator[_Entry]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "check its rights") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8", "save the file as UTF-8") from None
    for line, written in enumerate(text.split("\n"), start=1):
        if name := written.strip().removesuffix(".json"):
            yield _Entry(line, name)


def _resolve(name: str, files: Mapping[str, Path], older: Mapping[str, list[str]]) -> str | BadLine:
    """Return the name of the file that an entry means: its own, or the only one with its number."""
    if name in files:
        return name
    missing = f"there is no task file {_shown(name)}.json"
    numbered = _NUMBERED.match(name)
    if not numbered:
        return BadLine("", missing, "add the file, or remove the line")
    if numbered[1] in SHARED_NUMBERS:
        message = f"{missing}, and two tasks have the number {numbered[1]}"
        return BadLine("", message, "write the file's whole name")
    found = older.get(numbered[0], [])
    if not found:
        return BadLine("", missing, "add the file, or remove the line")
    if len(found) > 1:
        names = " and ".join(map(_shown, found))
        return BadLine("", f"{missing}, but {names}", "write the file's whole name")
    return found[0]


def _shown(name: str) -> str:
    return name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}…"
