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

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from seedstep.data.reading import ON_EACH_LINE, BadLine, decode_json, read_jsonl
from seedstep.data.records import Example, Instance, Problem, Task, instance_id, placed, raise_first
from seedstep.data.rows import items_of
from seedstep.data.run_tasks import made_tasks
from seedstep.text import single_spaced

__all__ = [
    "SeedFile",
    "TextOrTexts",
    "WrittenExample",
    "WrittenInstance",
    "WrittenTask",
    "read_seeds",
    "require_seeds",
    "seed_tasks",
    "steps_of",
    "task_of",
]


@dataclass(frozen=True, slots=True)
class SeedFile:
    """What was read from a seed file: good tasks with their lines, and problems."""

    path: Path
    tasks: tuple[Task, ...]
    lines: tuple[int, ...]
    problems: tuple[Problem, ...]


TextOrTexts = str | tuple[str, ...]
"""One text or a list of texts."""


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
        return (self.instruction or _first(self.definition)).strip()

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
        Instance(pair.input.strip(), tuple(map(str.strip, _texts(pair.output))))
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
        if not _first(pair.output).strip():
            field = "output" if seed.is_row else f"instances[{index}].output"
            faults.append(BadLine(field, "empty", "write the output"))
    keys = [("instruction", single_spaced(seed.text).casefold()), ("id", _id(seed, line))]
    for field, value in keys:
        first = seen.setdefault(f"{field} {value}", line) if value else line
        if first != line:
            faults.append(BadLine(field, f"the same as in line {first}", "change or remove one"))
    return faults


_NUMBERED = re.compile(r"\d{1,4}\.[ \t]+")


class WrittenExample(msgspec.Struct, frozen=True):
    """A demonstration. Of several outputs the first is used."""

    input: str
    output: TextOrTexts
    explanation: str = ""


class WrittenInstance(msgspec.Struct, frozen=True):
    """An input with its reference outputs. Without an id it is named after its task and place."""

    input: str
    output: TextOrTexts
    id: str = ""


class WrittenTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task. Of several definitions and categories the first is used.

    `steps` is a list or a numbered text. `unrefined` are the steps before they were refined.
    """

    definition: TextOrTexts = ""
    category: TextOrTexts = ""
    positive_examples: tuple[WrittenExample, ...] = ()
    negative_examples: tuple[WrittenExample, ...] = ()
    instances: tuple[WrittenInstance, ...] = ()
    steps: TextOrTexts = ()
    unrefined: TextOrTexts = ()


def task_of(
    written: WrittenTask, task_id: str, *, limit: int | None = None, bare: bool = False
) -> Task | list[BadLine]:
    """Return the task with its first `limit` instances, or all faults of its file.

    Texts are kept as they are written. Instances beyond the limit are checked too. A task without
    instances is a fault unless it may be `bare`.
    """
    if faults := list(_row_faults(written, task_id, bare=bare)):
        return faults
    return Task(
        task_id,
        _first(written.definition),
        tuple(
            Instance(
                instance.input, _texts(instance.output), instance.id or instance_id(task_id, place)
            )
            for place, instance in enumerate(written.instances[:limit])
        ),
        category=_first(written.category),
        positive_examples=_examples(written.positive_examples),
        negative_examples=_examples(written.negative_examples),
        steps=steps_of(written.steps),
        unrefined_steps=steps_of(written.unrefined),
    )


def steps_of(written: TextOrTexts) -> tuple[str, ...]:
    """Return the steps of a list, numbered or not, or of a text with one numbered step a line.

    Lines without a number belong to the step before them. A text without numbers is one step.

    Example::

        >>> steps_of("1. Read.\\n2. Answer\\nbriefly.")
        ('Read.', 'Answer\\nbriefly.')
    """
    if not isinstance(written, str):
        steps = tuple(step for step in written if step.strip())
        numbers = [f"{number}. " for number in range(1, len(steps) + 1)]
        if all(map(str.startswith, steps, numbers)):
            return tuple(map(str.removeprefix, steps, numbers))
        return steps
    parts: list[list[str]] = []
    for line in filter(str.strip, written.split("\n")):
        found = _NUMBERED.match(line)
        if found or not parts:
            parts.append([line[found.end() if found else 0 :].strip()])
        else:
            parts[-1].append(line.strip())
    return tuple("\n".join(lines) for lines in parts)


def _texts(texts: TextOrTexts) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else texts


def _first(texts: TextOrTexts) -> str:
    return next(iter(_texts(texts)), "")


def _examples(written: tuple[WrittenExample, ...]) -> tuple[Example, ...]:
    return tuple(
        Example(example.input, _first(example.output), example.explanation) for example in written
    )


def _row_faults(written: WrittenTask, task_id: str, *, bare: bool) -> Iterator[BadLine]:
    """Yield the faults of a task whose parts have the right types, by the file's field names."""
    names = _names(type(written))
    if not _first(written.definition).strip():
        yield BadLine(names["definition"], "empty", "write what the task is")
    if not written.instances and not bare:
        yield BadLine(names["instances"], "empty", "add one input and output")
    yield from _no_output(names["positive_examples"], written.positive_examples)
    yield from _no_output(names["negative_examples"], written.negative_examples)
    yield from _no_output(names["instances"], written.instances)
    yield from _same_ids(names["instances"], written.instances, task_id)


@cache
def _names(kind: type[WrittenTask]) -> Mapping[str, str]:
    """Return the names of fields in files by their names here; msgspec takes long to find them."""
    return {field.name: field.encode_name for field in msgspec.structs.fields(kind)}


def _no_output(
    field: str, written: Sequence[WrittenExample | WrittenInstance]
) -> Iterator[BadLine]:
    for place, part in enumerate(written):
        if part.output == ():
            yield BadLine(f"{field}[{place}].output", "empty", "write an output")


def _same_ids(field: str, written: tuple[WrittenInstance, ...], task_id: str) -> Iterator[BadLine]:
    names = [instance.id or instance_id(task_id, place) for place, instance in enumerate(written)]
    if len(set(names)) == len(names):  # most often, and faster
        return
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        first = seen.setdefault(name, place)
        if first != place:
            message = f"the same as in {field}[{first}]"
            yield BadLine(f"{field}[{place}].id", message, "change or remove one")
