"""How well the checks agree with people, on instructions written and labelled for this project.

`labelled.jsonl` holds instructions with the faults that a careful reader finds in them, and
`labelled_tasks.jsonl` their tasks. The part `tune` was looked at while the checks were written. The
part `held_out`, of other tasks, was written before the checks and never used to adjust them.

Example::

    for accuracy in measure("held_out"):
        print(accuracy.name, accuracy.precision, accuracy.recall)
"""

from dataclasses import dataclass
from importlib import resources
from typing import Literal

from seedstep.data import Task, load_tasks
from seedstep.data.records import Accuracy
from seedstep.steps.checks import CHECKS, check
from seedstep.steps.parsing import parse
from seedstep.steps.records import read_packaged

__all__ = ["CheckAccuracy", "Labelled", "LabelledPart", "labelled", "measure"]

LabelledPart = Literal["tune", "held_out"]


@dataclass(frozen=True, slots=True)
class Labelled:
    """An instruction and the names of the faults that people find in it; none if it is good."""

    id: str
    task: Task
    text: str
    faults: frozenset[str]


@dataclass(frozen=True, slots=True)
class CheckAccuracy(Accuracy):
    """Which of the faults that people find a check finds."""

    name: str


def measure(part: LabelledPart) -> tuple[CheckAccuracy, ...]:
    """Measure every check on one part, in the order of `CHECKS`."""
    pairs = [
        (example.faults, {found.name for found in check(parse(example.text), example.task)})
        for example in labelled(part)
    ]
    return tuple(
        CheckAccuracy(
            name=name,
            right=sum(name in faults and name in found for faults, found in pairs),
            wrong=sum(name not in faults and name in found for faults, found in pairs),
            missed=sum(name in faults and name not in found for faults, found in pairs),
        )
        for name in CHECKS
    )


def labelled(part: LabelledPart) -> tuple[Labelled, ...]:
    """Return the labelled instructions of one part."""
    with resources.as_file(resources.files("seedstep.steps") / "labelled_tasks.jsonl") as path:
        tasks = {task.id: task for task in load_tasks(path)}
    return tuple(
        Labelled(line.id, tasks[line.task], line.text, frozenset(line.faults))
        for line in read_packaged("labelled.jsonl", _Line)
        if line.part == part
    )


@dataclass(frozen=True, slots=True)
class _Line:
    id: str
    task: str
    part: LabelledPart
    faults: tuple[str, ...]
    text: str
