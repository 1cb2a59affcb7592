"""Seed tasks: the 175 of this project, and files of the user's own.

A seed file has one JSON object a line, in the format of Self-Instruct's released seeds:
`instruction`, `instances` (a list of `input` and `output`), `is_classification`, and optionally
`id` and `name`. Other fields are ignored.

Example::

    >>> len(seed_tasks())
    175
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from seedstep.data.jsonl import BadLine, read_jsonl
from seedstep.data.records import Instance, Problem, Task, placed, raise_first

__all__ = ["SeedFile", "read_seeds", "require_seeds", "seed_tasks"]


@dataclass(frozen=True, slots=True)
class SeedFile:
    """What was read from a seed file: good tasks with their lines, and problems."""

    path: Path
    tasks: tuple[Task, ...]
    lines: tuple[int, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _SeedInstance:
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class _Seed:
    instruction: str
    instances: tuple[_SeedInstance, ...]
    is_classification: bool
    id: str = ""
    name: str = ""


def seed_tasks() -> tuple[Task, ...]:
    """Return the 175 seed tasks written for this project. 25 of them are classification tasks."""
    with resources.as_file(resources.files("seedstep.data") / "seed_tasks.jsonl") as path:
        return require_seeds(path)


def require_seeds(path: Path) -> tuple[Task, ...]:
    """Return the tasks of a seed file that has no problems.

    Raises:
        InputError: the first problem, and how many more there are.
    """
    seeds = read_seeds(path)
    raise_first(seeds.problems, "`seedstep seeds check` shows all")
    return seeds.tasks


def read_seeds(path: Path) -> SeedFile:
    """Return the good tasks of a seed file, and what is wrong with the form of the others.

    Raises:
        InputError: the file is missing or can't be read.
    """
    tasks: list[Task] = []
    lines: list[int] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for line, record in read_jsonl(path, _Seed):
        bad = [record] if isinstance(record, BadLine) else _faults(record, line, seen)
        problems += placed(path, line, bad)
        if not bad and isinstance(record, _Seed):
            tasks.append(_task(record, line))
            lines.append(line)
    if not tasks and not problems:
        problems.append(Problem(path, 0, "", "no seed tasks", "write one JSON object a line"))
    return SeedFile(path, tuple(tasks), tuple(lines), tuple(problems))


def _task(seed: _Seed, line: int) -> Task:
    instances = tuple(
        Instance(instance.input.strip(), (instance.output.strip(),)) for instance in seed.instances
    )
    return Task(
        _id(seed, line), seed.instruction.strip(), instances, seed.is_classification, seed.name
    )


def _id(seed: _Seed, line: int) -> str:
    return seed.id or f"seed_{line}"


def _faults(seed: _Seed, line: int, seen: dict[str, int]) -> Sequence[BadLine]:
    """Return a well-formed line's faults. `seen` maps earlier ids and instructions to lines."""
    faults = []
    if not seed.instruction.strip():
        faults.append(BadLine("instruction", "empty", "write the task's text"))
    if not seed.instances:
        faults.append(BadLine("instances", "empty", "add one input and output"))
    for index, instance in enumerate(seed.instances):
        if not instance.output.strip():
            faults.append(BadLine(f"instances[{index}].output", "empty", "write the output"))
    keys = [("instruction", " ".join(seed.instruction.split()).casefold()), ("id", _id(seed, line))]
    for field, value in keys:
        first = seen.setdefault(f"{field} {value}", line) if value else line
        if first != line:
            faults.append(BadLine(field, f"the same as in line {first}", "change or remove one"))
    return faults
