"""The texts of an evaluation set, which must not come into training data.

SUPER-NATURALINSTRUCTIONS tasks give their definitions and the inputs of their instances, JSON
lines the fields in which tasks and prompts usually stand, plain text its lines.

Example::

    for name, text in evaluation_items(Path("natural-instructions")):
        print(name)  # task190_snli_classification, definition
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seedstep.data.decoding import BadLine
from seedstep.data.jsonl import read_jsonl
from seedstep.data.problems import Problem, placed, raise_first
from seedstep.data.records import Task
from seedstep.data.sources import LONGEST_LINE, scan_tasks
from seedstep.data.tables import open_table

__all__ = ["evaluation_items"]

FIELDS = ("instruction", "definition", "input", "prompt", "question", "text")
"""Where a JSON line has its texts; besides, `instances` may be a list of objects with `input`."""

INSTRUCTIONS = ("instruction", "definition", "prompt", "question", "text")
"""Those of them that say what to do."""


def evaluation_items(path: Path, *, inputs: bool = True) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of each item: task files, a directory of them, JSON lines, or text.

    A directory with a test split gives the tasks of that. Without `inputs` the definitions of
    tasks and the instructions of lines alone.

    Raises:
        InputError: a file is not there, can't be read, or something in it is no item.
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
    for one in task.instances if inputs else ():
        yield f"{task.id}, instance {one.id}", one.input


def _of_line(
    path: Path, line: int, record: dict[str, Any] | BadLine, inputs: bool
) -> Iterator[tuple[str, str]]:
    if isinstance(record, BadLine):
        raise_first(placed(path, line, [record]))
        return
    found = [(name, record[name]) for name in FIELDS if isinstance(record.get(name), str)]
    instances = record.get("instances")
    for number, one in enumerate(instances if isinstance(instances, list) else ()):
        if isinstance(one, dict) and isinstance(one.get("input"), str):
            found.append((f"instances[{number}].input", one["input"]))
    if not found:
        remedy = f"name a text {', '.join(FIELDS)}"
        raise_first([Problem(path, line, "", "has no text to compare with", remedy)])
    for name, text in found:
        if text.strip() and (inputs or name in INSTRUCTIONS):
            yield f"{path.name}, line {line}, {name}", text
