"""Export step-by-step instructions and generated examples: as JSON lines, or as task files.

Task files of SUPER-NATURALINSTRUCTIONS are copied, with a field added and all else as it was.

Example::

    export_lines(run, Path("steps.jsonl"))
    export_task_files(run, Path("tasks_with_steps"))

Example::

    export_examples(run, "ranked", "superni", Path("tasks_with_ranked_examples"))
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

import msgspec

from seedstep.data import (
    STEPS_FIELD,
    BadLine,
    folder_with,
    task_file,
    task_record,
    write_atomically,
    write_in_parts,
)
from seedstep.data.records import placed, raise_first
from seedstep.data.superni import EXAMPLES_FIELD, load_file
from seedstep.errors import InputError, RunError
from seedstep.inputs import load_source
from seedstep.inputs.tasks import Choose, with_examples
from seedstep.runs import Entry, ExamplesRun, StepsRun
from seedstep.runs.directory import stored_config
from seedstep.runs.places import CONFIG
from seedstep.steps import WrittenSteps, render
from seedstep.text import script_of
from seedstep.tune import TuneSource

__all__ = [
    "EXAMPLES_FORMATS",
    "STEPS_FORMATS",
    "ExamplesFormat",
    "RunFormat",
    "StepsFormat",
    "accepted_entries",
    "export_examples",
    "export_lines",
    "export_task_files",
    "task_files_of",
    "write_task_with",
]


Write = TypeVar("Write")
Rejected = Collection[tuple[str, str]]
"""Tasks with the texts of instructions that people rejected."""


def accepted_entries(run: StepsRun, rejected: Rejected) -> Iterator[Entry[WrittenSteps]]:
    """Yield the entries of a run without those whose instruction people rejected."""
    for entry in run.entries():
        if (entry.task, render(entry.result.steps)) not in rejected:
            yield entry


def export_lines(run: StepsRun, out: Path, rejected: Rejected = ()) -> int:
    """Write a line for each task, also for failed ones, and return the number of lines.

    Raises:
        RunError: the file can't be written.
    """
    model = run.settings.model.name
    return write_in_parts(out, (_line(entry, model) for entry in accepted_entries(run, rejected)))


def export_task_files(run: StepsRun, out: Path, rejected: Rejected = ()) -> tuple[int, int]:
    """Write task files of SUPER-NATURALINSTRUCTIONS with the instruction added.

    The files from which tasks were read are written again, with all else unchanged. Tasks from
    elsewhere get files of their own, which are named after the task's id if that can be a name.

    Returns the number of files written, and the number of tasks left out without an instruction.

    Raises:
        InputError: the tasks are not there any more, or can't be read.
        RunError: there is no instruction, or a file can't be written.
    """
    entries = list(accepted_entries(run, rejected))
    with_steps = [entry for entry in entries if entry.result.steps]
    if not with_steps:
        what = f"{run.path} has no instruction to export"
        raise RunError(what, f"`seedstep show {run.path} --rejected` says why")
    sources = dict(task_files_of(Path(run.settings.chosen.path or "")))
    if all(_is_file(sources.get(entry.task)) for entry in with_steps):
        with folder_with(out, [sources[entry.task].name for entry in with_steps]) as folder:
            for entry in with_steps:
                text = render(entry.result.steps)
                write_task_with(sources[entry.task], folder, STEPS_FIELD, text)
    else:
        files = _new_files(run, with_steps)
        with folder_with(out, list(files)) as folder:
            for name, content in files.items():
                write_atomically(folder / name, content)
    return len(with_steps), len(entries) - len(with_steps)


def _is_file(path: Path | None) -> bool:
    return path is not None and path.suffix == ".json"


_NAME = re.compile(r"\w[\w.-]{0,99}", re.ASCII)
"""The ids of tasks that name a file; other files are numbered."""


def _new_files(run: StepsRun, entries: Iterable[Entry[WrittenSteps]]) -> dict[str, bytes]:
    """Return the content of a task file for each entry, by its name."""
    path = run.settings.chosen.path or ""
    tasks = {task.id: task for task in load_source(TuneSource(path), skip_bad=True).tasks}
    files: dict[str, bytes] = {}
    seen: set[str] = set()
    for place, entry in enumerate(entries, start=1):
        if entry.task not in tasks:
            what = f"{path} has no task {entry.task} any more"
            drop = f"`seedstep steps --out {run.path} --removed drop`"
            raise InputError(what, f"put it back, run {drop}, or use --format jsonl")
        name = entry.task
        if not _NAME.fullmatch(name) or name.casefold() in seen:
            name = next(
                free for number in count(place) if (free := f"task{number:05d}") not in seen
            )
        seen.add(name.casefold())
        task = replace(tasks[entry.task], steps=entry.result.steps)
        language = script_of([task.definition]).language
        files[f"{name}.json"] = task_file(task, "seedstep", "of its maker", language)
    return files


def task_files_of(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the names and the paths of task files: of all in a directory, or of one file."""
    folder = path / "tasks" if (path / "tasks").is_dir() else path
    files = folder.glob("*.json") if folder.is_dir() else [path]
    for file in files:
        yield file.stem, file


def _line(entry: Entry[WrittenSteps], model: str) -> bytes:
    written = entry.result
    line = {
        "task": entry.task,
        "category": entry.category,
        "definition": entry.definition,
        "steps": written.steps,
        "text": render(written.steps),
        "unrefined": written.unrefined,
        "turns": [
            {"name": turn.name, "prompt": turn.prompt, "reply": turn.reply, "failure": turn.failure}
            for turn in written.turns
        ],
        "left_out": written.left_out,
        "checks": written.findings,
        "failure": written.failure,
        "judgement": written.judgement,
        "model": model,
    }
    return msgspec.json.encode(line) + b"\n"


@dataclass(frozen=True)  # with slots, Python 3.11 can't make a record by its alias
class RunFormat(Generic[Write]):
    """A format for what a run made. `unit` is the word for its records.

    `write` writes them, and returns how many it wrote, and how many tasks it left out as the run
    made nothing for them.
    """

    name: str
    meaning: str
    unit: str
    write: Write


StepsFormat = RunFormat[Callable[[StepsRun, Path, Rejected], tuple[int, int]]]
"""A format for step-by-step instructions; `write` takes a run, a path and what people rejected."""

ExamplesFormat = RunFormat[Callable[[ExamplesRun, Choose, Path], tuple[int, int]]]
"""A format for tasks with generated examples; `write` takes a run, which to use and a path."""


STEPS_FORMATS: Mapping[str, StepsFormat] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            StepsFormat(
                "jsonl",
                "a line of JSON for each task, failed ones included",
                "tasks",
                lambda run, out, rejected: (export_lines(run, out, rejected), 0),
            ),
            StepsFormat(
                "superni",
                "task files with the instruction added",
                "task files",
                export_task_files,
            ),
        )
    }
)
"""All formats, by name."""


def export_examples(run: ExamplesRun, choose: Choose, name: str, out: Path) -> tuple[int, int]:
    """Write the tasks of a run with their drawn or ranked examples in the format `name`.

    Returns the number of records written, and that of the tasks left out without such examples.

    Raises:
        InputError: no task has such examples, or the format needs task files and there are none.
        RunError: a file can't be written.
    """
    return EXAMPLES_FORMATS[name].write(run, choose, out)


def _lines(run: ExamplesRun, choose: Choose, out: Path) -> tuple[int, int]:
    tasks = with_examples(run.tasks().tasks, run.path, choose)
    shown = [task for task in tasks if task.positive_examples]
    lines = (msgspec.json.encode(task_record(task)) + b"\n" for task in shown)
    return write_in_parts(out, lines), len(tasks) - len(shown)


def _task_files(run: ExamplesRun, choose: Choose, out: Path) -> tuple[int, int]:
    tasks = with_examples(run.tasks().tasks, run.path, choose)
    shown = [task for task in tasks if task.positive_examples]
    of_steps = stored_config("steps", Path(run.settings.steps or ""), CONFIG)
    files = dict(task_files_of(Path(str(of_steps.get("tasks") or ""))))
    for task in shown:
        if task.id not in files:
            what = f"{run.path}: {task.id} was not read from a task file"
            raise InputError(what, "use --format jsonl")
    with folder_with(out, [files[task.id].name for task in shown]) as folder:
        for task in shown:
            examples = [asdict(example) for example in task.positive_examples]
            write_task_with(files[task.id], folder, EXAMPLES_FIELD, examples)
    return len(shown), len(tasks) - len(shown)


EXAMPLES_FORMATS: Mapping[str, ExamplesFormat] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            ExamplesFormat(
                "jsonl",
                "a line of JSON for each task, with the examples as its positive ones",
                "tasks",
                _lines,
            ),
            ExamplesFormat(
                "superni",
                "the task files again, with the examples as their positive ones",
                "task files",
                _task_files,
            ),
        )
    }
)
"""All formats, by name."""


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
