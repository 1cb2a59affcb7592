"""Export generated examples: as tasks in JSON lines, or as task files that show them.

Example::

    export_examples(run, "ranked", "superni", Path("tasks_with_ranked_examples"))
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from seedstep.data import folder_with, task_record, write_in_parts, write_task_with
from seedstep.data.superni import EXAMPLES_FIELD
from seedstep.errors import InputError
from seedstep.exports.steps import task_files_of
from seedstep.inputs.examples import Choose, with_examples
from seedstep.runs import ExamplesRun
from seedstep.runs.directory import CONFIG, stored_config

__all__ = ["EXAMPLES_FORMATS", "ExamplesFormat", "export_examples"]


@dataclass(frozen=True, slots=True)
class ExamplesFormat:
    """A format for tasks with generated examples.

    `write` is called with a run, which examples to use and a path; it returns the number of records
    that it wrote, and that of the tasks left out without examples. `unit` is the word for records.
    """

    name: str
    meaning: str
    unit: str
    write: Callable[[ExamplesRun, Choose, Path], tuple[int, int]]


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
