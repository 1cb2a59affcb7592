"""Export step-by-step instructions: as JSON lines, or as task files with a field added.

Example::

    export_lines(run, Path("steps.jsonl"))
    export_task_files(run, Path("tasks_with_steps"))
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from seedstep.data import STEPS_FIELD, folder_with, write_in_parts, write_task_with
from seedstep.errors import InputError
from seedstep.runs import Entry, StepsRun
from seedstep.steps import WrittenSteps, render

__all__ = [
    "STEPS_FORMATS",
    "StepsFormat",
    "export_lines",
    "export_task_files",
    "task_files_of",
]


def export_lines(run: StepsRun, out: Path) -> int:
    """Write a line for each task, also for failed ones, and return the number of lines.

    Raises:
        RunError: the file can't be written.
    """
    model = run.settings.model.name
    return write_in_parts(out, (_line(entry, model) for entry in run.entries()))


def export_task_files(run: StepsRun, out: Path) -> tuple[int, int]:
    """Write the SUPER-NATURALINSTRUCTIONS files of the tasks again, with the instruction added.

    Returns the number of files written, and the number of tasks left out without an instruction.

    Raises:
        InputError: the tasks were not read from such files.
        RunError: a file can't be written.
    """
    sources = dict(task_files_of(Path(run.settings.chosen.path or "")))
    entries = list(run.entries())
    with_steps = [entry for entry in entries if entry.result.steps]
    for entry in with_steps:
        if entry.task not in sources:
            what = f"{run.path}: {entry.task} was not read from a task file"
            raise InputError(what, "use --format jsonl")
    with folder_with(out, [sources[entry.task].name for entry in with_steps]) as folder:
        for entry in with_steps:
            text = render(entry.result.steps)
            write_task_with(sources[entry.task], folder, STEPS_FIELD, text)
    return len(with_steps), len(entries) - len(with_steps)


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


@dataclass(frozen=True, slots=True)
class StepsFormat:
    """A format for step-by-step instructions.

    `write` is called with a run and a path, and returns the number of records that it wrote, and
    the number of tasks left out without an instruction. `unit` is the word for records.
    """

    name: str
    meaning: str
    unit: str
    write: Callable[[StepsRun, Path], tuple[int, int]]


STEPS_FORMATS: Mapping[str, StepsFormat] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            StepsFormat(
                "jsonl",
                "a line of JSON for each task, failed ones included",
                "tasks",
                lambda run, out: (export_lines(run, out), 0),
            ),
            StepsFormat(
                "superni",
                "the task files again, with the instruction added",
                "task files",
                export_task_files,
            ),
        )
    }
)
"""All formats, by name."""
