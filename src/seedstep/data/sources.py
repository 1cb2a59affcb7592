"""Tasks from wherever a user has them: SUPER-NATURALINSTRUCTIONS, or JSON lines of their own.

A line needs a `definition` (or `instruction`) and nothing else. It may have `id`, `category`,
`positive_examples` and `negative_examples` (lists of `input`, `output`, `explanation`),
`instances` (a list of `input`, `output`, `id`; several outputs are a list), and `steps` and
`unrefined` (the step-by-step instruction and what it was before its refining, as lists).

Example::

    tasks = load_tasks(Path("my_tasks.jsonl")).tasks
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from seedstep.data.decoding import BadLine
from seedstep.data.forms import Texts, WrittenTask, task_of
from seedstep.data.jsonl import read_jsonl
from seedstep.data.problems import Problem, placed
from seedstep.data.records import Task
from seedstep.data.superni import TaskFiles, collect, scan_task_files
from seedstep.errors import InputError

__all__ = ["LONGEST_LINE", "load_tasks", "scan_tasks"]

LONGEST_LINE = 64 << 20
"""Bytes of a task with all its instances."""


class _TaskLine(WrittenTask, frozen=True, kw_only=True):
    id: str = ""
    instruction: Texts = ""


def load_tasks(
    path: Path,
    split: str | None = None,
    track: str = "default",
    *,
    limit: int | None = None,
    skip_bad: bool = False,
) -> TaskFiles:
    """As `scan_tasks`, all at once. With `skip_bad` the problems are returned.

    Raises:
        InputError: the first problem, and how many more there are; or nothing is left.
    """
    return collect(scan_tasks(path, split, track, limit=limit), skip_bad=skip_bad)


def scan_tasks(
    path: Path,
    split: str | None = None,
    track: str = "default",
    *,
    limit: int | None = None,
) -> Iterator[Task | Problem]:
    """Tasks one by one, and problems in between.

    A directory and a file `*.json` are read as `scan_task_files` does; any other file is JSON
    lines. `limit` is the number of instances kept of each task.

    Raises:
        InputError: nothing is there, or no task or no such split is in it.
    """
    if path.is_dir() or path.suffix == ".json":
        yield from scan_task_files(path, split, track, limit)
    elif split is not None:
        raise InputError(f"{path}: only a directory has splits", "leave the split out")
    else:
        yield from _scan_lines(path, limit)


def _scan_lines(path: Path, limit: int | None) -> Iterator[Task | Problem]:
    """Tasks of a file of JSON lines. One without an id is named after its line."""
    empty = True
    seen: dict[str, int] = {}
    for line, found in read_jsonl(path, _TaskLine, LONGEST_LINE):
        empty = False
        read = _task(found, line, limit, seen) if isinstance(found, _TaskLine) else [found]
        if isinstance(read, Task):
            yield read
        else:
            yield from placed(path, line, read)
    if empty:
        yield Problem(path, 0, "", "no tasks", "write one JSON object on each line")


def _task(
    written: _TaskLine, line: int, limit: int | None, seen: dict[str, int]
) -> Task | list[BadLine]:
    """The task of a line. `seen` maps earlier ids to lines."""
    task_id = written.id or f"task_{line}"
    whole = msgspec.structs.replace(written, definition=written.definition or written.instruction)
    read = task_of(whole, task_id, limit=limit, bare=True)
    first = seen.setdefault(task_id, line)
    if first == line:
        return read
    same = BadLine("id", f"the same as in line {first}", "change or remove one")
    return [same] if isinstance(read, Task) else [same, *read]
