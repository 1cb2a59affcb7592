"""Seed tasks: the 175 of this project, and files of the user's own.

A seed file has one JSON object a line, in the format of Self-Instruct's released seeds:
`instruction`, `instances` (a list of `input` and `output`), and optionally `is_classification`,
`id` and `name`. In place of them may stand a task's `definition`, and the `input` and `output` of
one instance; lines of the latter kind with the same instruction are one seed. A list in a `*.json`
file and a table (CSV, Parquet) have the same fields. Other fields are ignored.

Example::

    >>> len(seed_tasks())
    175
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import msgspec

from seedstep.data.reading import ON_EACH_LINE, BadLine, decode_json, read_jsonl
from seedstep.data.records import Instance, Problem, Task, placed, raise_first
from seedstep.data.rows import items_of
from seedstep.data.run_tasks import made_tasks
from seedstep.data.written_tasks import TextOrTexts, as_texts, first_text
from seedstep.text import single_spaced

__all__ = [
    "SeedFile",
    "read_seeds",
    "require_seeds",
    "seed_tasks",
]


@dataclass(frozen=True, slots=True)
class SeedFile:
    """What was read from a seed file: good tasks with their lines, and problems."""

    path: Path
    tasks: tuple[Task, ...]
    lines: tuple[int, ...]
    problems: tuple[Problem, ...]


class _SeedInstance(msgspec.Struct, frozen=True):
    input: str
    output: TextOrTexts


class _Seed(msgspec.Struct, frozen=True):
    instruction: str | msgspec.UnsetType = msgspec.UNSET
    definition: TextOrTexts = ""
    instances: tuple[_SeedInstance, ...] | msgspec.UnsetType = msgspec.UNSET
    input: str = ""
    output: TextOrTexts | msgspec.UnsetType = msgspec.UNSET
    is_classification: bool = False
    id: str = ""
    name: str = ""

    @property
    def is_row(self) -> bool:
        """Whether the line itself has an output, and no instances."""
        return self.instances is msgspec.UNSET and self.output is not msgspec.UNSET

    @property
    def text(self) -> str:
        """The instruction, or the definition in its place."""
        return (self.instruction or first_text(self.definition)).strip()

    @property
    def pairs(self) -> tuple[_SeedInstance, ...]:
        """The instances, or the one that the line itself is."""
        if self.is_row:
            return (_SeedInstance(self.input, self.output or ""),)
        return self.instances or ()


def seed_tasks() -> tuple[Task, ...]:
    """Return the 175 seed tasks written for this project. 25 of them are classification tasks."""
    with resources.as_file(resources.files("seedstep.data") / "seed_tasks.jsonl") as path:
        return require_seeds(path)


def require_seeds(path: Path) -> tuple[Task, ...]:
    """Return the tasks of a seed file that has no problems.

    Raises:
        InputError: the first problem, and how many more there are.
        RunError: a run can't be read.
    """
    seeds = read_seeds(path)
    raise_first(seeds.problems, "`seedstep seeds check` shows all")
    return seeds.tasks


def read_seeds(path: Path) -> SeedFile:
    """Return the good tasks of a seed file, and what is wrong with the form of the others.

    The tasks of a run are good. Their ids are preceded by `seed_`, as a bootstrap makes the same.

    Raises:
        InputError: the file is missing or can't be read, or a run makes no tasks.
        RunError: a run can't be read.
    """
    if (made := made_tasks(path)) is not None:
        named = tuple(replace(task, id=f"seed_{task.id}") for task in made)
        return SeedFile(path, named, tuple(range(1, len(named) + 1)), ())
    tasks: list[Task] = []
    lines: list[int] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    rows: dict[str, int] = {}
    for line, record in _records(path):
        place = rows.get(record.text) if isinstance(record, _Seed) and record.is_row else None
        if isinstance(record, BadLine):
            bad: Sequence[BadLine] = [record]
        else:
            bad = _faults(record, line, seen if place is None else {})
        problems += placed(path, line, bad)
        if bad or isinstance(record, BadLine):
            continue
        if place is not None:
            instances = (*tasks[place].instances, *_task(record, line).instances)
            tasks[place] = replace(tasks[place], instances=instances)
            continue
        if record.is_row:
            rows[record.text] = len(tasks)
        tasks.append(_task(record, line))
        lines.append(line)
    if not tasks and not problems:
        problems.append(Problem(path, 0, "", "no seed tasks", "write one JSON object a line"))
    return SeedFile(path, tuple(tasks), tuple(lines), tuple(problems))


def _records(path: Path) -> Iterator[tuple[int, _Seed | BadLine]]:
    items = items_of(path)
    if items is None:
        yield from read_jsonl(path, _Seed)
    else:
        for number, item in items:
            if isinstance(item, BadLine):
                yield number, item
            else:
                yield number, decode_json(item, _Seed, ON_EACH_LINE)


def _task(seed: _Seed, line: int) -> Task:
    instances = tuple(
        Instance(pair.input.strip(), tuple(map(str.strip, as_texts(pair.output))))
        for pair in seed.pairs
    )
    return Task(_id(seed, line), seed.text, instances, seed.is_classification, seed.name)


def _id(seed: _Seed, line: int) -> str:
    return seed.id or f"seed_{line}"


def _faults(seed: _Seed, line: int, seen: dict[str, int]) -> Sequence[BadLine]:
    """Return a well-formed line's faults. `seen` maps earlier ids and instructions to lines."""
    if seed.instruction is msgspec.UNSET and not seed.definition:
        return [BadLine("instruction", "missing", "add the field")]
    if seed.instances is msgspec.UNSET and not seed.is_row:
        return [BadLine("instances", "missing", "add the field")]
    faults = []
    if not seed.text:
        faults.append(BadLine("instruction", "empty", "write the task's text"))
    if not seed.pairs:
        faults.append(BadLine("instances", "empty", "add one input and output"))
    for index, pair in enumerate(seed.pairs):
        if not first_text(pair.output).strip():
            field = "output" if seed.is_row else f"instances[{index}].output"
            faults.append(BadLine(field, "empty", "write the output"))
    keys = [("instruction", single_spaced(seed.text).casefold()), ("id", _id(seed, line))]
    for field, value in keys:
        first = seen.setdefault(f"{field} {value}", line) if value else line
        if first != line:
            faults.append(BadLine(field, f"the same as in line {first}", "change or remove one"))
    return faults
