"""Compare versions of instructions by measurements: how much likelier reference outputs are.

Example::

    tasks = read_measured(Path("measured.jsonl"))[1]
    for row in gain_rows(tasks, by="overall", seed=1):
        print(row.version, row.gain.value, row.gain.low, row.gain.high)
    for row in version_differences(tasks, seed=1):
        print(row.right, row.other, row.difference.value)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal

from seedstep.errors import InputError
from seedstep.evaluate.intervals import Value, mean_over_tasks, shown
from seedstep.evaluate.measured import (
    NONE,
    OTHER,
    REFINED,
    SHUFFLED,
    MeasuredHeader,
    MeasuredTask,
)
from seedstep.evaluate.systems import CellTable

__all__ = [
    "GainRow",
    "Grouping",
    "Measurements",
    "VersionDifference",
    "changes_since",
    "difference_table",
    "finds_right",
    "gain_rows",
    "gain_table",
    "instructions_in",
    "shortened_in",
    "version_differences",
]

EQUAL = 1e-6
"""Nats a token below which two losses are the same number, computed in another order."""


Grouping = Literal["overall", "category", "task"]
"""What tasks have in common that are in a row together."""


@dataclass(frozen=True, slots=True)
class GainRow:
    """The gain of a version on some tasks. Intervals are over tasks; of a row by task, instances.

    `nats` is the mean loss with the version, `gain` the loss without it less that loss. `better` is
    the number of tasks with a gain.
    """

    group: str
    version: str
    tasks: int
    instances: int
    nats: float
    gain: Value
    better: int
    shortened: int


def gain_rows(tasks: Sequence[MeasuredTask], *, by: Grouping, seed: int) -> list[GainRow]:
    """Return a row for each group of tasks and version, in the order of the tasks and versions.

    All tasks have the same weight. A version is evaluated on the tasks that have it.
    """
    groups: dict[str, list[MeasuredTask]] = {}
    for task in tasks:
        name = {"overall": "", "category": task.category, "task": task.task}[by]
        groups.setdefault(name, []).append(task)
    return [
        _row(group, version, [task for task in members if version in task.versions], by, seed)
        for group, members in groups.items()
        for version in _versions(members)
    ]


def _versions(tasks: Sequence[MeasuredTask]) -> list[str]:
    return list(dict.fromkeys(version for task in tasks for version in task.versions))


def _row(
    group: str, version: str, tasks: Sequence[MeasuredTask], by: Grouping, seed: int
) -> GainRow:
    means = {task.task: fmean(task.gains(version)) for task in tasks}
    values, names = list(means.values()), list(means)
    if by == "task":
        values, names = list(tasks[0].gains(version)), list(tasks[0].instances)
    found = [task.versions[version] for task in tasks]
    gain = Value(None, None, None, "the baseline")
    if version != NONE:
        gain = mean_over_tasks(values, names, seed=seed)
    return GainRow(
        group,
        version,
        len(tasks),
        sum(len(task.instances) for task in tasks),
        fmean(each.mean for each in found),
        gain,
        sum(mean > EQUAL for mean in means.values()),
        sum(each.shortened for each in found),
    )


@dataclass(frozen=True, slots=True)
class VersionDifference:
    """By how many nats a token references are likelier with the right version than with another.

    `difference` is the mean over the `tasks` that have both, with its interval over these tasks.
    `likelier` is the number of tasks on which it is above zero. In a row of `changes_since` both
    are about the change of this difference.
    """

    right: str
    other: str
    tasks: int
    difference: Value
    likelier: int


def version_differences(tasks: Sequence[MeasuredTask], *, seed: int) -> list[VersionDifference]:
    """Return the paired differences of each right instruction from each other version."""
    return [
        _difference(right, other, found, seed)
        for right, other in _contrasts(tasks)
        if (found := _differences(tasks, right, other))
    ]


Measurements = tuple[MeasuredHeader, Sequence[MeasuredTask]]
"""What a file of `seedstep steps measure` has."""


def changes_since(
    path: Path, earlier: Measurements, now: Measurements, *, seed: int
) -> list[VersionDifference]:
    """Return by how much the differences of versions are larger than in an earlier file, `path`.

    Tasks are paired that have the same instances, references of as many tokens, and the same
    instructions in both.

    Raises:
        InputError: prompts were made in another way there, or no task can be paired.
    """
    headers = [(header.encoding, header.seed) for header, _ in (earlier, now)]
    if headers[0] != headers[1]:
        what = f"{path} was measured with another encoding or seed"
        raise InputError(what, "measure both models with the same")
    before = {task.task: task for task in earlier[1]}
    rows = []
    for right, other in _contrasts(now[1]):
        both = [
            task
            for task in now[1]
            if task.task in before and _is_same(task, before[task.task], (right, other))
        ]
        then = _differences([before[task.task] for task in both], right, other)
        found = _differences(both, right, other)
        if both:
            changes = {task: difference - then[task] for task, difference in found.items()}
            rows.append(_difference(right, other, changes, seed))
    if not rows:
        what = f"{path} has no task with the same instances and instructions"
        raise InputError(what, "measure both models with the same runs and tasks")
    return rows


def _contrasts(tasks: Sequence[MeasuredTask]) -> list[tuple[str, str]]:
    """Return the names of each right instruction with that of each other version."""
    versions = _versions(tasks)
    right = [name for name in versions if name.rpartition(": ")[2] == REFINED]
    return [(name, other) for name in right for other in versions if other != name]


def _is_same(task: MeasuredTask, before: MeasuredTask, versions: Sequence[str]) -> bool:
    """Return whether a task was measured with the same texts before."""
    if task.instances != before.instances:
        return False
    pairs = [(task.versions.get(name), before.versions.get(name)) for name in versions]
    return all(
        now and then and (now.steps, now.tokens) == (then.steps, then.tokens) for now, then in pairs
    )


def _differences(tasks: Sequence[MeasuredTask], right: str, other: str) -> dict[str, float]:
    """Return the loss with the other version, less that with the right one, by task."""
    return {
        task.task: task.versions[other].mean - task.versions[right].mean
        for task in tasks
        if {right, other} <= task.versions.keys()
    }


def _difference(right: str, other: str, found: Mapping[str, float], seed: int) -> VersionDifference:
    mean = mean_over_tasks(list(found.values()), list(found), seed=seed)
    above = sum(difference > EQUAL for difference in found.values())
    return VersionDifference(right, other, len(found), mean, above)


def shortened_in(tasks: Sequence[MeasuredTask]) -> dict[str, int]:
    """Return for how many instances something was left out, by version, where there are any."""
    return {
        version: count
        for version in _versions(tasks)
        if (
            count := sum(
                task.versions[version].shortened for task in tasks if version in task.versions
            )
        )
    }


def finds_right(tasks: Sequence[MeasuredTask], version: str, *, seed: int) -> Value:
    """Return the share of tasks on which references are more likely with a version than `OTHER`.

    The share is from 0 to 1, with its interval over tasks. For a model that ignores instructions it
    is about a half.
    """
    both = [task for task in tasks if {version, OTHER} <= task.versions.keys()]
    if not both:
        return Value(None, None, None, f"no task has both {version} and {OTHER}")
    found = [_finds(task.versions[version].mean, task.versions[OTHER].mean) for task in both]
    return mean_over_tasks(found, [task.task for task in both], seed=seed)


def _finds(right: float, other: float) -> float:
    """Return 1 if the right one is likelier, 0 if the other is, and a half if they are equal."""
    return 0.5 if abs(right - other) < EQUAL else float(right < other)


def instructions_in(tasks: Sequence[MeasuredTask]) -> tuple[str, ...]:
    """Return the names of versions that are instructions of the tasks themselves, in order."""
    return tuple(name for name in _versions(tasks) if name not in (NONE, SHUFFLED, OTHER))


def gain_table(rows: Sequence[GainRow], title: str) -> CellTable:
    """Return a table of rows: the loss with each version, and the gain."""
    grouped = any(row.group for row in rows)
    head = ((title,) if grouped else ()) + (
        "in the prompt",
        "nats/token",
        "likelier by",
        "better on",
        "tasks",
    )
    cells = []
    for row in rows:
        better = "" if row.version == NONE else f"{row.better:,}"
        gain = "" if row.version == NONE else shown(row.gain, 4, "+")
        named = (row.group,) if grouped else ()
        cells.append((*named, row.version, f"{row.nats:.4f}", gain, better, f"{row.tasks:,}"))
    return CellTable(head, tuple(cells))


def difference_table(rows: Sequence[VersionDifference], *, is_change: bool = False) -> CellTable:
    """Return a table of differences; the right instruction has a column if there are several."""
    names = {row.right for row in rows}
    columns = ("change", "larger on") if is_change else ("likelier by", "better on")
    head = ("with", "against") if len(names) > 1 else (f"{rows[0].right}, against",)
    cells = []
    for row in rows:
        named = (row.right, row.other) if len(names) > 1 else (row.other,)
        difference = shown(row.difference, 4, "+")
        cells.append((*named, difference, f"{row.likelier:,}", f"{row.tasks:,}"))
    return CellTable((*head, *columns, "tasks"), tuple(cells))
