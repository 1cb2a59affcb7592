"""How well the checks agree with people, on instructions written and labelled for this project.

`labelled.jsonl` holds instructions with the faults that a careful reader finds in them, and
`labelled_tasks.jsonl` their tasks. The part `tune` was looked at while the checks were written. The
part `held_out`, of other tasks, was written before the checks and never used to adjust them.

Example::

    for accuracy in measure("held_out"):
        print(accuracy.name, accuracy.precision, accuracy.recall)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Literal, TypeVar

import msgspec

from seedstep.steps.checks import CHECKS, TaskText, check
from seedstep.steps.parsing import parse

__all__ = ["CheckAccuracy", "Labelled", "Part", "labelled", "measure"]

Part = Literal["tune", "held_out"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Labelled:
    """An instruction and the names of the faults that people find in it; none if it is good."""

    id: str
    task: TaskText
    text: str
    faults: frozenset[str]


@dataclass(frozen=True, slots=True)
class CheckAccuracy:
    """The findings of a check against people's: right, wrong and missed ones."""

    name: str
    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """The share of the findings that are right; 1 if there are none."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """The share of the faults that were found; 1 if there are none."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def measure(part: Part) -> tuple[CheckAccuracy, ...]:
    """Measure every check on one part, in the order of `CHECKS`."""
    pairs = [
        (example.faults, {found.name for found in check(parse(example.text), example.task)})
        for example in labelled(part)
    ]
    return tuple(
        CheckAccuracy(
            name,
            right=sum(name in faults and name in found for faults, found in pairs),
            wrong=sum(name not in faults and name in found for faults, found in pairs),
            missed=sum(name in faults and name not in found for faults, found in pairs),
        )
        for name in CHECKS
    )


def labelled(part: Part) -> tuple[Labelled, ...]:
    """Return the labelled instructions of one part."""
    tasks = {
        line.id: TaskText(
            line.definition, tuple((example.input, example.output) for example in line.examples)
        )
        for line in _read("labelled_tasks.jsonl", _TaskLine)
    }
    return tuple(
        Labelled(line.id, tasks[line.task], line.text, frozenset(line.faults))
        for line in _read("labelled.jsonl", _Line)
        if line.part == part
    )


@dataclass(frozen=True, slots=True)
class _Example:
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class _TaskLine:
    id: str
    definition: str
    examples: tuple[_Example, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    id: str
    task: str
    part: Part
    faults: tuple[str, ...]
    text: str


def _read(name: str, line: type[T]) -> Iterator[T]:
    with (resources.files("seedstep.steps") / name).open("rb") as file:
        for raw in file:
            yield msgspec.json.decode(raw, type=line)
