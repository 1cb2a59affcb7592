"""Step-by-step instructions for SUPER-NATURALINSTRUCTIONS, which come with seedstep.

There is one for each of 687 training tasks and of all 119 test tasks of the English track, as a
first version and refined. A large language model wrote and read them; `superni_card.md` beside this
module says how, and what to beware of.

Example:
    >>> instructions = superni_instructions()
    >>> len(instructions)
    806
    >>> readings = superni_readings()
    >>> sum(reading.correct and reading.complete for reading in readings) / len(readings) > 0.9
    True
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal, TypeVar

import msgspec

__all__ = [
    "SUPERNI",
    "SuperniInstruction",
    "SuperniReading",
    "superni_instructions",
    "superni_readings",
]

SUPERNI = "superni"
"""The name that stands for these instructions wherever a run or a file of some is named."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SuperniInstruction:
    """The instruction of a task: its first version, and the one that was refined from it."""

    task: str
    unrefined: tuple[str, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuperniReading:
    """What one reader said of an instruction as it was first written, before faults were mended."""

    task: str
    version: Literal["refined", "unrefined"]
    reader: str
    correct: bool
    complete: bool
    note: str


@cache
def superni_instructions() -> Mapping[str, SuperniInstruction]:
    """Return the instructions by the ids of their tasks."""
    lines = _read("superni.jsonl", SuperniInstruction)
    return MappingProxyType({line.task: line for line in lines})


def superni_readings() -> tuple[SuperniReading, ...]:
    """Return what the readers said, by task; some instructions have three readers."""
    return tuple(_read("superni_readings.jsonl", SuperniReading))


def _read(name: str, line: type[T]) -> Iterator[T]:
    with (resources.files("seedstep.steps") / name).open("rb") as file:
        for raw in file:
            yield msgspec.json.decode(raw, type=line)
