"""Instruction data with one instance a line, as most tools write it.

A line has `instruction`, `output` and optionally `input`, as written by `seedstep export --format
alpaca`. Lines with the same instruction are instances of one task.

Example::

    tasks = load_rows(Path("alpaca/train.jsonl")).tasks
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from seedstep.data.jsonl import BadLine, decode_json, read_jsonl, read_lines
from seedstep.data.records import Instance, Problem, Task, placed
from seedstep.data.sources import LONGEST_LINE
from seedstep.data.superni import TaskFiles, collect

__all__ = ["has_rows", "load_rows"]


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
        found = line if isinstance(line, BadLine) else decode_json(line, _Shape, "on each line")
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
    return collect(_scan(path, limit), skip_bad=skip_bad)


def _scan(path: Path, limit: int | None) -> Iterator[Task | Problem]:
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
