"""The records that all rooms share.

Example::

    Task("seed_001", "Translate the sentence into French.", (Instance("Hello.", ("Bonjour.",)),))
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedstep.data.jsonl import BadLine
from seedstep.errors import InputError

__all__ = [
    "Example",
    "Instance",
    "Prediction",
    "Problem",
    "Task",
    "instance_id",
    "instances_of",
    "placed",
    "raise_first",
]


@dataclass(frozen=True, slots=True)
class Instance:
    """One input, which may be empty, with one or more reference outputs.

    `id` is unique within its task; empty where instances are not told apart.
    """

    input: str
    outputs: tuple[str, ...]
    id: str = ""

    @property
    def output(self) -> str:
        """The first reference output."""
        return self.outputs[0]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a system wrote for an instance. If it `failed`, that says why, and no text counts.

    `task` is for people; what counts is the task of the reference with the same instance id.
    `line` is the line of the file that it was read from, 0 if it is from elsewhere.
    """

    task: str
    instance: str
    text: str
    failed: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """A demonstration that belongs to a task: what to do (positive), or not to do (negative)."""

    input: str
    output: str
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A definition (Self-Instruct calls it the instruction) with its examples and instances.

    `steps` is the task's step-by-step instruction, `unrefined_steps` what it was before its
    refining; both are empty where there is none.
    """

    id: str
    definition: str
    instances: tuple[Instance, ...]
    is_classification: bool = False
    name: str = ""
    category: str = ""
    positive_examples: tuple[Example, ...] = ()
    negative_examples: tuple[Example, ...] = ()
    steps: tuple[str, ...] = ()
    unrefined_steps: tuple[str, ...] = ()


def instance_id(task: str, place: int) -> str:
    """Return the id of a task's instance that was given none; `place` counts from 0."""
    return f"{task}-{place + 1}"


def instances_of(tasks: Sequence[Task]) -> Iterator[tuple[str, Task, Instance]]:
    """Each instance with its task and its id, which has the task's before it where two tasks have
    the same.

    Raises:
        InputError: even so two are the same.
    """
    counts = Counter(instance.id for task in tasks for instance in task.instances)
    seen: set[str] = set()
    for task in tasks:
        for instance in task.instances:
            name = instance.id if counts[instance.id] == 1 else f"{task.id}/{instance.id}"
            if name in seen:
                raise InputError(f"two instances have the id {name!r}", "change one of them")
            seen.add(name)
            yield name, task, instance


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file.

    `line` counts from 1; 0 means the whole file. `field` is a JSON path as in
    `Instances[3].output`; empty means the whole line or file.
    """

    path: Path
    line: int
    field: str
    message: str
    remedy: str

    @property
    def what(self) -> str:
        """Where and what, in one phrase."""
        line = f", line {self.line}" if self.line else ""
        field = f", field '{self.field}'" if self.field else ""
        return f"{self.path}{line}{field}: {self.message}"


def placed(path: Path, line: int, found: Iterable[BadLine]) -> list[Problem]:
    """What was found wrong with a line of a file, or with all of it where `line` is 0."""
    return [Problem(path, line, fault.field, fault.message, fault.remedy) for fault in found]


def raise_first(problems: Sequence[Problem], hint: str = "") -> None:
    """Raise the first problem, if there is one, saying how many more there are.

    Raises:
        InputError: with the problem's remedy, and the `hint` after it.
    """
    if not problems:
        return
    first, *others = problems
    more = f" (and {len(others)} more)" if others else ""
    raise InputError(first.what + more, f"{first.remedy}; {hint}" if hint else first.remedy)
