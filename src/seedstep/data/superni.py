"""SUPER-NATURALINSTRUCTIONS task files (Wang et al., 2022, section 2).

One JSON object a file: `Definition`, `Positive Examples`, `Negative Examples`, `Instances`,
`Categories`; all else is ignored. Texts stay as they are written.

Example::

    test = read_tasks(Path("natural-instructions"), "test", limit=100).tasks
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from seedstep.data.decoding import BadLine, decode_json
from seedstep.data.forms import Texts, WrittenExample, WrittenInstance, WrittenTask, task_of
from seedstep.data.problems import Problem, raise_first
from seedstep.data.records import Task
from seedstep.data.splits import task_paths
from seedstep.errors import InputError

__all__ = ["MAX_FILE_BYTES", "TaskFiles", "collect", "read_task", "read_tasks", "scan_tasks"]

MAX_FILE_BYTES = 256 << 20
"""Largest task file that is read. The largest released one has about 10 MB."""


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """Tasks as they were read, in their order, and all that is wrong with the others."""

    tasks: tuple[Task, ...]
    problems: tuple[Problem, ...]


class _TaskFile(WrittenTask, frozen=True, kw_only=True):
    definition: Texts = msgspec.field(name="Definition")
    category: Texts = msgspec.field(name="Categories", default="")
    positive_examples: tuple[WrittenExample, ...] = msgspec.field(
        name="Positive Examples", default=()
    )
    negative_examples: tuple[WrittenExample, ...] = msgspec.field(
        name="Negative Examples", default=()
    )
    instances: tuple[WrittenInstance, ...] = msgspec.field(name="Instances", default=())


def read_task(path: Path, *, limit: int | None = None) -> Task:
    """The task of one file, with its first `limit` instances. Its id is the file's name.

    With `limit=0` the file need not have instances.

    Raises:
        InputError: the first problem, and how many more there are.
    """
    found = _read(path, limit)
    if isinstance(found, Task):
        return found
    raise_first(found)
    raise AssertionError("a file without a task has a problem")


def read_tasks(
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
    """Tasks one by one, so that one file at a time is held, and problems in between.

    `path` is a directory with `tasks/` and `splits/TRACK/SPLIT_tasks.txt`, a directory of
    `*.json`, or one file. The order is that of the split, or the natural one of the names.
    `limit` is the number of instances kept of each task; with `limit=0` a task need not have any.

    Raises:
        InputError: there are no task files, or no such split.
    """
    for found in _paths(path, split, track):
        if isinstance(found, Problem):
            yield found
            continue
        read = _read(found, limit)
        if isinstance(read, Task):
            yield read
        else:
            yield from read


def collect(found: Iterable[Task | Problem], *, skip_bad: bool) -> TaskFiles:
    """Tasks and problems apart.

    Raises:
        InputError: there are problems, unless they are skipped and some task is good.
    """
    tasks: list[Task] = []
    problems: list[Problem] = []
    for one in found:
        if isinstance(one, Task):
            tasks.append(one)
        else:
            problems.append(one)
    if not tasks:
        raise_first(problems)
    if not skip_bad:
        raise_first(problems, "or add --skip-bad to go on without them")
    return TaskFiles(tuple(tasks), tuple(problems))


def _paths(path: Path, split: str | None, track: str) -> Iterable[Path | Problem]:
    if path.is_dir():
        return task_paths(path, split, track)
    if split is not None:
        raise InputError(f"{path}: one file has no splits", "leave the split out")
    return (path,)


def _read(path: Path, limit: int | None) -> Task | list[Problem]:
    found = _decode(path)
    if isinstance(found, _TaskFile):
        task = task_of(found, path.stem, limit=limit, bare=limit == 0)
        if isinstance(task, Task):
            return task
        bad = task
    else:
        bad = [found]
    return [Problem(path, 0, one.field, one.message, one.remedy) for one in bad]


def _decode(path: Path) -> _TaskFile | BadLine:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            message = f"larger than {MAX_FILE_BYTES >> 20} MiB"
            return BadLine("", message, "take instances out, or remove the file")
        data = path.read_bytes()
    except FileNotFoundError:
        return BadLine("", "no such file", "check the path")
    except OSError as error:
        return BadLine("", str(error.strerror), "check the path and its rights")
    return decode_json(data.removeprefix(BOM_UTF8), _TaskFile, "in the file")
