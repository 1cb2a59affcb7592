"""Task files of SUPER-NATURALINSTRUCTIONS (Wang et al., 2022, section 2), and its splits.

A file is one JSON object with `Definition`, `Positive Examples`, `Negative Examples`, `Instances`,
`Categories` and, where seedstep added it, `Step-by-Step Instruction`. Other fields are ignored.
Texts are kept as they are written.

Example::

    for found in scan_task_files(Path("natural-instructions"), "test", limit=100):
        ...  # a task, or a problem

The directory holds `tasks/*.json` and `splits/TRACK/SPLIT_tasks.txt`, or just `*.json`. A split
names a task by its file, or by an older name with the same number.

Example::

    for found in task_paths(Path("natural-instructions"), "test"):  # paths, or problems
        ...
"""

import re
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data.reading import MAX_FILE_BYTES, BadLine, decode_json, not_utf8
from seedstep.data.records import Example, Problem, Task, TaskList, placed, raise_first
from seedstep.data.written_tasks import (
    TextOrTexts,
    WrittenExample,
    WrittenInstance,
    WrittenTask,
    task_of,
)
from seedstep.errors import InputError
from seedstep.lazy import collector_at_rest
from seedstep.text import shortened

__all__ = [
    "SHARED_NUMBERS",
    "STEPS_FIELD",
    "collect",
    "load_file",
    "scan_task_files",
    "task_file",
    "task_paths",
]


STEPS_FIELD = "Step-by-Step Instruction"
"""The field for a task's step-by-step instruction, which seedstep adds."""

EXAMPLES_FIELD = "Positive Examples"
"""The field for a task's positive examples."""


class _TaskFile(WrittenTask, frozen=True, kw_only=True):
    definition: TextOrTexts = msgspec.field(name="Definition")
    category: TextOrTexts = msgspec.field(name="Categories", default="")
    positive_examples: tuple[WrittenExample, ...] = msgspec.field(name=EXAMPLES_FIELD, default=())
    negative_examples: tuple[WrittenExample, ...] = msgspec.field(
        name="Negative Examples", default=()
    )
    instances: tuple[WrittenInstance, ...] = msgspec.field(name="Instances", default=())
    steps: TextOrTexts = msgspec.field(name=STEPS_FIELD, default=())


class _AnySteps(_TaskFile, frozen=True, kw_only=True):
    steps: Any = msgspec.field(name=STEPS_FIELD, default=())


def scan_task_files(
    path: Path, split: str | None = None, track: str = "default", limit: int | None = None
) -> Iterator[Task | Problem]:
    """Yield tasks one by one, and a problem in place of each file that can't be read.

    One file at a time is held in memory. `path` is a directory with `tasks/` and
    `splits/TRACK/SPLIT_tasks.txt`, a directory of `*.json`, or one file. The order is that of the
    split, or the natural order of the names. At most `limit` instances of each task are kept; with
    `limit=0` a task need not have any.

    Raises:
        InputError: there are no task files, or the split is missing.
    """
    for found in _paths(path, split, track):
        if isinstance(found, Problem):
            yield found
        else:
            yield from _task_or_problems(found, limit)


def task_file(task: Task, contributor: str, licence: str, language: str = "English") -> bytes:
    """Return the content of a task file, with the published fields in their order.

    `licence` is that of the instances, `language` that of all texts.
    """
    record = {
        "Contributors": [contributor],
        "Source": ["seedstep"],
        "URL": [],
        "Categories": [task.category],
        "Reasoning": [],
        "Definition": [task.definition],
        "Input_language": [language],
        "Output_language": [language],
        "Instruction_language": [language],
        "Domains": [],
        "Positive Examples": _examples(task.positive_examples),
        "Negative Examples": _examples(task.negative_examples),
        "Instances": [
            {"id": instance.id, "input": instance.input, "output": instance.outputs}
            for instance in task.instances
        ],
        "Instance License": [licence],
    }
    if task.steps:
        steps = (f"{number}. {step}" for number, step in enumerate(task.steps, start=1))
        record[STEPS_FIELD] = "\n".join(steps)
    return msgspec.json.format(msgspec.json.encode(record), indent=4) + b"\n"


def _examples(examples: Sequence[Example]) -> list[dict[str, str]]:
    return [
        {"input": example.input, "output": example.output, "explanation": example.explanation}
        for example in examples
    ]


def collect(found: Iterable[Task | Problem], *, skip_bad: bool) -> TaskList:
    """Return tasks and problems apart.

    Raises:
        InputError: there are problems and `skip_bad` is false, or no task is good.
    """
    tasks: list[Task] = []
    problems: list[Problem] = []
    with collector_at_rest():
        for task_or_problem in found:
            if isinstance(task_or_problem, Task):
                tasks.append(task_or_problem)
            else:
                problems.append(task_or_problem)
    if not tasks:
        raise_first(problems)
    if not skip_bad:
        raise_first(problems, "or add --skip-bad to go on without them")
    return TaskList(tuple(tasks), tuple(problems))


def load_file(path: Path, *, any_steps: bool = False) -> tuple[bytes, WrittenTask | BadLine]:
    """Return the bytes of a task file without a byte order mark, and its parts or its fault.

    With `any_steps`, its step-by-step instruction may be of any type, and is not to be used.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            message = f"larger than {MAX_FILE_BYTES >> 20} MiB"
            return b"", BadLine("", message, "remove instances, or the file")
        data = path.read_bytes().removeprefix(BOM_UTF8)
    except OSError as error:
        return b"", BadLine("", str(error.strerror), "check the path and its rights")
    found = decode_json(data, _AnySteps if any_steps else _TaskFile, "in the file", path)
    if isinstance(found, BadLine) and data.lstrip().startswith(b"["):
        found = _about_list(data)
    return data, found


_KINDS = {dict: "objects", str: "texts", list: "lists", int: "numbers", float: "numbers"}


def _about_list(data: bytes) -> BadLine:
    """Return what is wrong with a file that holds a list where a task was expected."""
    listed = decode_json(data, list[Any], "in the file")
    if isinstance(listed, BadLine):
        return listed
    kinds = sorted({_KINDS.get(type(each), "other values") for each in listed})
    message = f"a list of {' and '.join(kinds)}" if kinds else "an empty list"
    remedy = "write one object, a task; or a list of objects, in a file that is named by itself"
    return BadLine("", message, remedy)


def _paths(path: Path, split: str | None, track: str) -> Iterable[Path | Problem]:
    if path.is_dir():
        return task_paths(path, split, track)
    if split is not None and path.is_file():
        raise InputError(f"{path}: only a directory has splits", "leave the split out")
    return (path,)


def _task_or_problems(path: Path, limit: int | None) -> Iterator[Task | Problem]:
    try:
        path.stem.encode()
    except UnicodeEncodeError:
        shown = path.with_name(ascii(path.name)[1:-1])
        yield Problem(shown, 0, "", "a file name that is not UTF-8", "rename the file")
        return
    _, found = load_file(path)
    if isinstance(found, BadLine):
        yield from placed(path, 0, [found])
        return
    read = task_of(found, path.stem, limit=limit, bare=limit == 0)
    if isinstance(read, Task):
        yield read
    else:
        yield from placed(path, 0, read)


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
    """Return all task files by their names without `.json`. Hidden files are none."""
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
        raise not_utf8(path) from None
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
    return shortened(name, LONGEST_SHOWN)
