"""Tasks from SUPER-NATURALINSTRUCTIONS, or from JSON lines and tables of the user's own.

A line needs a `definition` (or `instruction`). It may have `id`, `category`, `positive_examples`
and `negative_examples` (lists of `input`, `output`, `explanation`), `instances` (a list of `input`,
`output` or a list of outputs, and `id`), and `steps` and `unrefined` (the step-by-step instruction
after and before it was refined, as lists).

Instruction data is read as well, with one instance a line as most tools write it: `instruction`,
`output` and optionally `input`, as written by `seedstep export --format alpaca`. Lines with the
same instruction are instances of one task.

A `*.json` file may hold a list of either, and a table (CSV, Parquet) has either in its rows. So may
a list in memory or a `datasets.Dataset`, and tasks (`Task`) are taken from there too. `task_record`
makes the line of a task.

Example::

    tasks = load_tasks(Path("my_tasks.jsonl")).tasks
    tasks = load_rows(Path("alpaca/train.jsonl")).tasks
    tasks = load_tasks([{"definition": "Name a colour.", "instances": []}]).tasks
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from seedstep.data.reading import ON_EACH_LINE, BadLine, decode_json, read_jsonl, read_lines
from seedstep.data.records import Instance, Problem, Task, TaskList, placed, task_record
from seedstep.data.rows import items_of
from seedstep.data.run_tasks import made_tasks
from seedstep.data.superni import collect, scan_task_files
from seedstep.data.written_tasks import TextOrTexts, WrittenTask, task_of
from seedstep.errors import InputError, first_line

__all__ = [
    "GIVEN",
    "LONGEST_LINE",
    "LOOKS",
    "PathOrTasks",
    "StrPath",
    "has_rows",
    "load_rows",
    "load_tasks",
    "path_of",
    "paths_of",
    "scan_tasks",
    "sources_of",
]

LONGEST_LINE = 64 << 20
"""The length in bytes of the longest line: a task with all its instances."""

LOOKS = 100
"""In how many of a file's lines a readable one is looked for, which says of which form they are."""

StrPath = str | os.PathLike[str]
"""A path. A run stands for that of its directory."""

GivenTasks = Iterable[Task | Mapping[str, object]]
"""Tasks in memory, or records of them: a list, a generator, a `datasets.Dataset`."""

PathOrTasks = StrPath | GivenTasks
"""What tasks are read from."""

GIVEN = Path("the given tasks")
"""Stands for a path where tasks in memory have a problem."""


def path_of(source: PathOrTasks) -> Path:
    """Return the path, or what stands for it where tasks in memory are given.

    Raises:
        InputError: the path can't be looked at, as it is too long.
    """
    if not isinstance(source, str | os.PathLike):
        return GIVEN
    path = Path(source)
    try:
        path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "check the path and its rights") from None
    return path


def paths_of(given: StrPath | Iterable[StrPath]) -> list[Path]:
    """Return the paths that are given, of which there may be a single one."""
    return [Path(path) for path in ([given] if isinstance(given, str | os.PathLike) else given)]


def sources_of(given: object) -> list[Any]:
    """Return the sources of tasks that are given, of which there may be a single one.

    Tasks in a list are one source; a list of anything else has a source in each place.
    """
    found = list(given) if isinstance(given, list | tuple) else [given]
    return [found] if found and all(map(_is_task, found)) else found


def _is_task(value: object) -> bool:
    is_record = isinstance(value, Mapping) and "path" not in value
    return is_record or isinstance(value, Task)


NULL = msgspec.Raw(b"null")

OUTPUTS = ("response", "completion", "answer")
"""The fields in which rows of other forms have their output, which is not that of a task."""


class _TaskLine(WrittenTask, frozen=True, kw_only=True):
    id: str = ""
    instruction: TextOrTexts = ""
    response: msgspec.Raw = NULL
    completion: msgspec.Raw = NULL
    answer: msgspec.Raw = NULL


class _Record(_TaskLine, frozen=True, kw_only=True):
    name: str = ""
    is_classification: bool = False


def load_tasks(
    source: PathOrTasks,
    split: str | None = None,
    track: str = "default",
    *,
    limit: int | None = None,
    skip_bad: bool = False,
) -> TaskList:
    """Read all tasks that `scan_tasks` yields. With `skip_bad`, problems are returned, not raised.

    The source is a bootstrap's run or one of `distill`, a SUPER-NATURALINSTRUCTIONS directory or
    task file, JSON lines, a table, or tasks in memory.

    Raises:
        InputError: a task has a problem, or no task is left.
        RunError: a run can't be read.
    """
    return collect(scan_tasks(source, split, track, limit=limit), skip_bad=skip_bad)


def scan_tasks(
    source: PathOrTasks,
    split: str | None = None,
    track: str = "default",
    *,
    limit: int | None = None,
) -> Iterator[Task | Problem]:
    """Yield tasks one by one, and a problem in place of each task that can't be read.

    A run has the tasks that it made. Another directory or a `*.json` file is read by
    `scan_task_files`, unless it holds a list, a table by its rows, any other file as JSON lines. At
    most `limit` instances of each task are kept.

    Raises:
        InputError: the path, the split or all tasks are missing, or a run makes no tasks.
        RunError: a run can't be read.
    """
    path = path_of(source)
    if (made := made_tasks(path)) is not None:
        if split is not None:
            raise InputError(f"{path}: a run has no splits", "leave the split out")
        yield from (replace(task, instances=task.instances[:limit]) for task in made)
        return
    if isinstance(source, str | os.PathLike):
        items = items_of(path)
    else:
        items = enumerate(map(_item, source), start=1)
    if split is not None and path.is_file():
        raise InputError(f"{path}: only a directory has splits", "leave the split out")
    if items is not None:
        yield from _scan_items(path, items, limit)
    elif path.is_dir() or path.suffix == ".json":
        yield from scan_task_files(path, split, track, limit)
    else:
        yield from _scan_lines(path, limit)


def _item(given: object) -> bytes | BadLine:
    """Return a task or a record in memory as JSON, without what has no value."""
    record = task_record(given) if isinstance(given, Task) else given
    if not isinstance(record, Mapping):
        kind = type(given).__name__
        return BadLine("", f"is of type {kind}", "give tasks, or records with a definition")
    try:
        return msgspec.json.encode({name: record[name] for name in _FIELDS if _has(record, name)})
    except (TypeError, ValueError) as error:
        return BadLine("", first_line(error), "give texts, and lists of texts")


def _has(record: Mapping[str, Any], name: str) -> bool:
    return name in record and record[name] is not None


def _scan_items(
    path: Path, items: Iterable[tuple[int, bytes | BadLine]], limit: int | None
) -> Iterator[Task | Problem]:
    """Yield the tasks of a list or a table, as those of lines. The first record has their form."""
    numbered = iter(items)
    first = next(numbered, None)
    if first is None:
        yield Problem(path, 0, "", "no tasks", "give one or more")
        return
    every = chain([first], numbered)
    if isinstance(first[1], bytes) and _is_row(first[1]):
        yield from _tasks_of_rows(path, _decoded(every, _Row), limit)
    else:
        yield from _tasks_of_lines(path, _decoded(every, _Record), limit)


R = TypeVar("R")


def _decoded(
    items: Iterable[tuple[int, bytes | BadLine]], record: type[R]
) -> Iterator[tuple[int, R | BadLine]]:
    for number, item in items:
        if isinstance(item, BadLine):
            yield number, item
        else:
            yield number, decode_json(item, record, "for each task")


def _scan_lines(path: Path, limit: int | None) -> Iterator[Task | Problem]:
    """Yield the tasks of a file of JSON lines."""
    yield from _tasks_of_lines(path, read_jsonl(path, _TaskLine, LONGEST_LINE), limit)


def _tasks_of_lines(
    path: Path, lines: Iterable[tuple[int, _TaskLine | BadLine]], limit: int | None
) -> Iterator[Task | Problem]:
    """Yield the task of each line. A task without an id is named after its line."""
    empty = True
    seen: dict[str, int] = {}
    for line, found in lines:
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
    """Return the task of a line. `seen` maps earlier ids to lines."""
    task_id = written.id or f"task_{line}"
    if not written.instances and written.instruction:
        for name in OUTPUTS:
            if getattr(written, name) != NULL:
                remedy = f"call it output, or name the columns: FILE[instruction,input,{name}]"
                return [BadLine(name, "an output without instances", remedy)]
    whole = msgspec.structs.replace(written, definition=written.definition or written.instruction)
    read = task_of(whole, task_id, limit=limit, bare=True)
    if isinstance(read, Task) and isinstance(written, _Record):
        read = replace(read, name=written.name, is_classification=written.is_classification)
    first = seen.setdefault(task_id, line)
    if first == line:
        return read
    same = BadLine("id", f"the same as in line {first}", "change or remove one")
    return [same] if isinstance(read, Task) else [same, *read]


class _Row(msgspec.Struct, frozen=True):
    instruction: str
    output: str
    input: str | None = None


class _Shape(msgspec.Struct, frozen=True):
    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    instances: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def is_row(self) -> bool:
        return self.output is not msgspec.UNSET and self.instances is msgspec.UNSET


def has_rows(path: Path) -> bool:
    """Return whether a file of JSON lines has one instance a line, as its first readable line says.

    Raises:
        InputError: the file is missing or can't be read.
    """
    for _, line in islice(read_lines(path, LONGEST_LINE), LOOKS):
        found = line if isinstance(line, BadLine) else decode_json(line, _Shape, ON_EACH_LINE)
        if isinstance(found, _Shape):
            return found.is_row
    return False


def _is_row(line: bytes) -> bool:
    found = decode_json(line, _Shape, ON_EACH_LINE)
    return isinstance(found, _Shape) and found.is_row


def load_rows(path: Path, *, limit: int | None = None, skip_bad: bool = False) -> TaskList:
    """Read the tasks of a file, each with its first `limit` instances.

    Tasks and instances are named after the line where they begin. With `skip_bad`, problems are
    returned instead of raised.

    Raises:
        InputError: a line has a problem, or no task is left.
    """
    rows = read_jsonl(path, _Row, LONGEST_LINE)
    return collect(_tasks_of_rows(path, rows, limit), skip_bad=skip_bad)


def _tasks_of_rows(
    path: Path, rows: Iterable[tuple[int, _Row | BadLine]], limit: int | None
) -> Iterator[Task | Problem]:
    instances: dict[str, list[Instance]] = {}
    names: dict[str, str] = {}
    empty = True
    for line, found in rows:
        empty = False
        if isinstance(found, BadLine):
            yield from placed(path, line, [found])
        elif not found.instruction.strip():
            yield Problem(path, line, "instruction", "empty", "write what the task is")
        else:
            names.setdefault(found.instruction, f"line_{line}")
            instance = Instance(found.input or "", (found.output,), f"line_{line}")
            instances.setdefault(found.instruction, []).append(instance)
    if empty:
        yield Problem(path, 0, "", "no rows", "write one JSON object on each line")
    for instruction, some in instances.items():
        yield Task(names[instruction], instruction, tuple(some[:limit]))


_FIELDS = tuple({*_Record.__struct_fields__, *_Row.__struct_fields__})
