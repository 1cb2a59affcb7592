"""Task files of SUPER-NATURALINSTRUCTIONS (Wang et al., 2022, section 2).

A file is one JSON object with `Definition`, `Positive Examples`, `Negative Examples`, `Instances`,
`Categories` and, where seedstep added it, `Step-by-Step Instruction`. Other fields are ignored.
Texts are kept as they are written.

Example::

    for found in scan_task_files(Path("natural-instructions"), "test", limit=100):
        ...  # a task, or a problem
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data.files import write_atomically
from seedstep.data.jsonl import BadLine, decode_json
from seedstep.data.records import Example, Problem, Task, placed, raise_first
from seedstep.data.seeds import TextOrTexts, WrittenExample, WrittenInstance, WrittenTask, task_of
from seedstep.data.splits import task_paths
from seedstep.errors import InputError, RunError

__all__ = [
    "MAX_FILE_BYTES",
    "STEPS_FIELD",
    "TaskFiles",
    "collect",
    "load_file",
    "read_task",
    "scan_task_files",
    "task_file",
    "write_task_with",
]

MAX_FILE_BYTES = 256 << 20
"""The size in bytes of the largest task file that is read."""

STEPS_FIELD = "Step-by-Step Instruction"
"""The field for a task's step-by-step instruction, which seedstep adds."""

EXAMPLES_FIELD = "Positive Examples"
"""The field for a task's positive examples."""


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """Tasks in the order in which they were read, and the problems of the others.

    `whole_prompts` says that definitions are prompts as they stand, of a prompt/completion file or
    of conversations.
    """

    tasks: tuple[Task, ...]
    problems: tuple[Problem, ...]
    whole_prompts: bool = False


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


def read_task(path: Path, *, limit: int | None = None) -> Task:
    """Return the task of a file, with its first `limit` instances. Its id is the file's name.

    With `limit=0` the file need not have instances.

    Raises:
        InputError: the first problem, and how many more there are.
    """
    (task,) = collect(_task_or_problems(path, limit), skip_bad=False).tasks
    return task


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


def collect(found: Iterable[Task | Problem], *, skip_bad: bool) -> TaskFiles:
    """Return tasks and problems apart.

    Raises:
        InputError: there are problems and `skip_bad` is false, or no task is good.
    """
    tasks: list[Task] = []
    problems: list[Problem] = []
    for task_or_problem in found:
        if isinstance(task_or_problem, Task):
            tasks.append(task_or_problem)
        else:
            problems.append(task_or_problem)
    if not tasks:
        raise_first(problems)
    if not skip_bad:
        raise_first(problems, "or add --skip-bad to go on without them")
    return TaskFiles(tuple(tasks), tuple(problems))


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
    return data, decode_json(data, _AnySteps if any_steps else _TaskFile, "in the file")


def _paths(path: Path, split: str | None, track: str) -> Iterable[Path | Problem]:
    if path.is_dir():
        return task_paths(path, split, track)
    if split is not None:
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


_GAP = re.compile(r"[\s,:]*")
"""What stands between the names and values of an object that is known to be valid."""


def write_task_with(source: Path, folder: Path, field: str, value: object) -> Path:
    """Write `source` under its name into `folder`, with a `field` added; return the new path.

    A field of that name keeps its place and gets the new value. The file's indentation is kept.

    Raises:
        InputError: `source` is no task file, or lies in `folder`.
        RunError: `folder` can't be written.
    """
    data, found = load_file(source, any_steps=True)
    if isinstance(found, BadLine):
        raise_first(placed(source, 0, [found]))
    try:
        text = _with(data.decode(), field, value)
    except RecursionError:
        raise InputError(f"{source}: nested too deeply", "remove the nested field") from None
    target = folder / source.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.samefile(source):
            raise InputError(f"{target}: would replace the original", "name another directory")
    except OSError as error:
        raise RunError(f"{folder}: {error.strerror}", "name another directory") from None
    write_atomically(target, text.encode(errors="replace"))
    return target


def _with(text: str, field: str, value: object) -> str:
    """Return the text of an object that is not empty, with a field added."""
    start = text.index("{") + 1
    gap = text[start : _after_gap(text, start)]
    spans = _spans(text, start)
    lines = "\n" in gap
    new = json.dumps(value, ensure_ascii=False, indent=gap.rpartition("\n")[2] if lines else None)
    if lines:
        new = new.replace("\n", gap)
    if field in spans:
        begin, end = spans[field]
        return text[:begin] + new + text[end:]
    _, end = max(spans.values())
    return f"{text[:end]},{gap or ' '}{json.dumps(field)}: {new}{text[end:]}"


def _spans(text: str, at: int) -> dict[str, tuple[int, int]]:
    """Return where the value of each field begins and ends. `at` is behind the object's brace."""
    decoder = json.JSONDecoder(parse_int=str)
    spans = {}
    at = _after_gap(text, at)
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        begin = _after_gap(text, at)
        _, end = decoder.raw_decode(text, begin)
        spans[name] = (begin, end)
        at = _after_gap(text, end)
    return spans


def _after_gap(text: str, at: int) -> int:
    found = _GAP.match(text, at)
    return found.end() if found else at
