"""What raters said of answers: a judge in its run, or people in a file.

A file is JSON lines of `id` (the instance), `system`, and `label`: a level from A to D, or for two
systems, named `one / other`, `win`, `lose` or `tie` of the first.

Example::

    read_labels(Path("people.jsonl")).labels["task1344-a1b2", "gpt3"]  # "B"
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seedstep.data import BadLine, Problem, read_jsonl
from seedstep.data.records import placed, raise_first
from seedstep.errors import InputError
from seedstep.evaluate.agreement import LEVELS, OUTCOMES
from seedstep.evaluate.judge import Judged
from seedstep.evaluate.verdicts import labels_of
from seedstep.runs import open_database, read_entries

__all__ = [
    "RaterLabels",
    "read_labels",
]

Item = tuple[str, str]
"""The id of an instance, and the name of the system."""

KNOWN = {label.lower(): label for label in (*LEVELS, *OUTCOMES)}


@dataclass(frozen=True, slots=True)
class RaterLabels:
    """A rater's labels, the items that it was asked about without giving one, and bad lines."""

    name: str
    labels: Mapping[Item, str]
    missing: tuple[Item, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    id: str
    system: str
    label: str


def read_labels(path: Path) -> RaterLabels:
    """The labels in a judge's run, or in a file.

    Raises:
        InputError: there are none, they are of both kinds, or the file can't be read.
        RunError: the directory is no judge's run.
    """
    found = _of_run(path) if path.is_dir() else _of_file(path)
    if not found.labels:
        raise_first(found.problems)
        raise InputError(f"{path}: no labels", "judge some answers first")
    if len({label in OUTCOMES for label in found.labels.values()}) > 1:
        what = f"{path}: both levels and wins, losses or ties"
        raise InputError(what, "keep ratings and comparisons in files of their own")
    return found


def _of_run(path: Path) -> RaterLabels:
    with open_database(path, "judge") as database:
        judged = [entry.result for entry in read_entries(database, Judged)]
    labels = labels_of(judged)
    given = {item: label for item, label in labels.items() if label}
    return RaterLabels(str(path), given, tuple(item for item in labels if item not in given), ())


def _of_file(path: Path) -> RaterLabels:
    labels: dict[Item, str] = {}
    lines: dict[Item, int] = {}
    problems: list[Problem] = []
    for number, line in read_jsonl(path, _Line):
        if isinstance(line, BadLine):
            problems += placed(path, number, [line])
            continue
        item = (line.id, line.system)
        label = KNOWN.get(line.label.strip().lower())
        if label is None:
            message = f"'{line.label[:40]}' is no label"
            problems.append(Problem(path, number, "label", message, "write A, B, C or D"))
        elif item in labels:
            message = f"the same item as in line {lines[item]}, whose label counts"
            problems.append(Problem(path, number, "id", message, "remove one"))
        else:
            labels[item], lines[item] = label, number
    return RaterLabels(str(path), labels, (), tuple(problems))
