"""Tasks from SUPER-NATURALINSTRUCTIONS, or from JSON lines of the user's own.

A line needs a `definition` (or `instruction`). It may have `id`, `category`, `positive_examples`
and `negative_examples` (lists of `input`, `output`, `explanation`), `instances` (a list of `input`,
`output` or a list of outputs, and `id`), and `steps` and `unrefined` (the step-by-step instruction
after and before it was refined, as lists).

Instruction data is read as well, with one instance a line as most tools write it: `instruction`,
`output` and optionally `input`, as written by `seedstep export --format alpaca`. Lines with the
same instruction are instances of one task.

Example::

    tasks = load_tasks(Path("my_tasks.jsonl")).tasks
    tasks = load_rows(Path("alpaca/train.jsonl")).tasks
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data.jsonl import ON_EACH_LINE, BadLine, decode_json, read_jsonl, read_lines
from seedstep.data.records import Instance, Problem, Task, placed, raise_first
from seedstep.data.seeds import TextOrTexts, WrittenTask, task_of
from seedstep.data.superni import TaskFiles, collect, scan_task_files
from seedstep.data.tables import open_table
from seedstep.errors import InputError

__all__ = [
    "LONGEST_LINE",
    "evaluation_items",
    "has_rows",
    "load_rows",
    "load_tasks",
    "scan_tasks",
]

LONGEST_LINE = 64 << 20
"""The length in bytes of the longest line: a task with all its instances."""


class _TaskLine(WrittenTask, frozen=True, kw_only=True):
    id: str = ""
    instruction: TextOrTexts = ""


def load_tasks(
    path: Path,
    split: str | None = None,
    track: str = "default",
    *,
    limit: int | None = None,
    skip_bad: bool = False,
) -> TaskFiles:
    """Read all tasks that `scan_tasks` yields. With `skip_bad`, problems are returned, not raised.

    Raises:
        InputError: a task has a problem, or no task is left.
    """
    return collect(scan_tasks(path, split, track, limit=limit), skip_bad=skip_bad)


def scan_tasks(
    path: Path,
    split: str | None = None,
    track: str = "default",
    *,
    limit: int | None = None,
) -> Iterator[Task | Problem]:
    """Yield tasks one by one, and a problem in place of each task that can't be read.

    A directory or a `*.json` file is read by `scan_task_files`, any other file as JSON lines. At
    most `limit` instances of each task are kept.

    Raises:
        InputError: the path, the split or all tasks are missing.
    """
    if path.is_dir() or path.suffix == ".json":
        yield from scan_task_files(path, split, track, limit)
    elif split is not None:
        raise InputError(f"{path}: only a directory has splits", "leave the split out")
    else:
        yield from _scan_lines(path, limit)


def _scan_lines(path: Path, limit: int | None) -> Iterator[Task | Problem]:
    """Yield the tasks of a file of JSON lines. A task without an id is named after its line."""
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
    """Return the task of a line. `seen` maps earlier ids to lines."""
    task_id = written.id or f"task_{line}"
    whole = msgspec.structs.replace(written, definition=written.definition or written.instruction)
    read = task_of(whole, task_id, limit=limit, bare=True)
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


def has_rows(path: Path) -> bool:
    """Return whether a file of JSON lines has one instance a line. The first line decides.

    Raises:
        InputError: the file is missing or can't be read.
    """
    for _, line in read_lines(path, LONGEST_LINE):
        found = line if isinstance(line, BadLine) else decode_json(line, _Shape, ON_EACH_LINE)
        return (
            isinstance(found, _Shape)
            and found.output is not msgspec.UNSET
            and found.instances is msgspec.UNSET
        )
    return False


def load_rows(path: Path, *, limit: int | None = None, skip_bad: bool = False) -> TaskFiles:
    """Read the tasks of a file, each with its first `limit` instances.

    Tasks and instances are named after the line where they begin. With `skip_bad`, problems are
    returned instead of raised.

    Raises:
        InputError: a line has a problem, or no task is left.
    """
    return collect(_scan_rows(path, limit), skip_bad=skip_bad)


def _scan_rows(path: Path, limit: int | None) -> Iterator[Task | Problem]:
    instances: dict[str, list[Instance]] = {}
    names: dict[str, str] = {}
    empty = True
    for line, found in read_jsonl(path, _Row, LONGEST_LINE):
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


FIELDS = ("instruction", "definition", "input", "prompt", "question", "text")
"""The fields of a JSON line that hold texts, besides `input` of the objects in `instances`."""

INSTRUCTIONS = ("instruction", "definition", "prompt", "question", "text")
"""The fields that say what to do."""


def evaluation_items(path: Path, *, inputs: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each item of an evaluation set.

    The set is a directory of task files (its test split, if it has one), a task file, JSON lines,
    or a text file with one item a line. Without `inputs`, only definitions and instructions are
    yielded.

    Raises:
        InputError: a file is missing or can't be read, or something in it is no item.
    """
    if path.is_dir() or path.suffix == ".json":
        has_split = (path / "splits" / "default" / "test_tasks.txt").is_file()
        for task in scan_tasks(path, "test" if has_split else None):
            yield from _of_task(task, inputs)
    elif path.suffix == ".txt":
        for row in open_table(path, "text").rows():
            if row.fault:
                raise_first([Problem(path, row.number, "", row.message, "mend the line")])
            yield f"{path.name}, line {row.number}", row.text
    else:
        for line, record in read_jsonl(path, dict[str, Any], LONGEST_LINE):
            yield from _of_line(path, line, record, inputs)


def _of_task(task: Task | Problem, inputs: bool) -> Iterator[tuple[str, str]]:
    if isinstance(task, Problem):
        raise_first([task])
        return
    yield f"{task.id}, definition", task.definition
    for instance in task.instances if inputs else ():
        yield f"{task.id}, instance {instance.id}", instance.input


def _of_line(
    path: Path, line: int, record: dict[str, Any] | BadLine, inputs: bool
) -> Iterator[tuple[str, str]]:
    if isinstance(record, BadLine):
        raise_first(placed(path, line, [record]))
        return
    found = [(name, record[name]) for name in FIELDS if isinstance(record.get(name), str)]
    instances = record.get("instances")
    for number, instance in enumerate(instances if isinstance(instances, list) else ()):
        if isinstance(instance, dict) and isinstance(instance.get("input"), str):
            found.append((f"instances[{number}].input", instance["input"]))
    if not found:
        remedy = f"name a text {', '.join(FIELDS)}"
        raise_first([Problem(path, line, "", "has no text to compare with", remedy)])
    for name, text in found:
        if text.strip() and (inputs or name in INSTRUCTIONS):
            yield f"{path.name}, line {line}, {name}", text
