"""What instructions gain: files of the losses of reference outputs, and versions compared by them.

The second paper leaves open which instructions help which model (section 6). The measure is the
mean loss of the tokens of reference outputs, in nats, with a version of the instruction in the
prompt and without any. Files of `seedstep steps measure` hold these losses.

Example::

    header, tasks = read_measured(Path("measured.jsonl"))
    print(header.model, tasks[0].versions["refined"].mean)
    for row in gain_rows(tasks, by="overall", seed=1):
        print(row.version, row.gain.value, row.gain.low, row.gain.high)
    for row in version_differences(tasks, seed=1):
        print(row.right, row.other, row.difference.value)
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import IO, Any, Literal

import msgspec

from seedstep.data import BadLine, read_jsonl
from seedstep.data.files import locked
from seedstep.errors import InputError, RunError
from seedstep.evaluate.intervals import Value, mean_over_tasks

__all__ = [
    "NONE",
    "OTHER",
    "REFINED",
    "SHUFFLED",
    "GainGrouping",
    "GainRow",
    "MeasuredHeader",
    "MeasuredTask",
    "MeasuredVersion",
    "Measurements",
    "VersionDifference",
    "changes_since",
    "finds_right",
    "gain_rows",
    "instructions_in",
    "opened_measurements",
    "read_header",
    "read_measured",
    "shortened_in",
    "version_differences",
]

NONE = "none"
SHUFFLED = "shuffled"
OTHER = "another task's"
"""The names of prompts that are measured besides the versions of an instruction: without one, with
the steps in another order, and with the instruction of another task."""

REFINED = "refined"
"""The name of a task's right instruction. With several runs it follows the name of its run."""

LONGEST_LINE = 16 << 20


@dataclass(frozen=True, slots=True)
class MeasuredVersion:
    """The loss of each instance's reference, in nats a token, with one version in the prompt.

    `steps` is a fingerprint of the steps in it, empty where there are none. `shortened` counts the
    instances whose prompt or reference was shortened.
    """

    nats: tuple[float, ...]
    tokens: tuple[int, ...]
    shortened: int = 0
    steps: str = ""

    @property
    def mean(self) -> float:
        """The mean loss over instances."""
        return fmean(self.nats)


@dataclass(frozen=True, slots=True)
class MeasuredTask:
    """The measurements on a task: the ids of its instances, and its versions by name."""

    task: str
    category: str
    instances: tuple[str, ...]
    versions: dict[str, MeasuredVersion]

    def gains(self, version: str) -> tuple[float, ...]:
        """Return the loss of each reference without an instruction, less that with a version."""
        pairs = zip(self.versions[NONE].nats, self.versions[version].nats, strict=True)
        return tuple(without - with_steps for without, with_steps in pairs)


@dataclass(frozen=True, slots=True)
class MeasuredHeader:
    """The first line of a file of measurements: the settings with which it was made.

    `digest` is a fingerprint of the tasks, their instances and all instructions. `skip` is the
    number of instances that were left out at the beginning of each task.
    """

    measured: int
    model: str
    fingerprint: str
    encoding: str
    seed: int
    skip: int
    instances: int
    bf16: bool
    versions: tuple[str, ...]
    digest: str


MEASURE_ANEW = "measure anew into another file"


def read_measured(path: Path) -> tuple[MeasuredHeader, tuple[MeasuredTask, ...]]:
    """Read a file of `seedstep steps measure`.

    Raises:
        InputError: the file can't be read, or is of another kind.
    """
    header = read_header(path)
    lines = list(read_jsonl(path, dict, LONGEST_LINE))[1:]
    tasks = tuple(_converted(path, line, MeasuredTask) for line in lines)
    _check(path, tasks)
    return header, tasks


def read_header(path: Path) -> MeasuredHeader:
    """Read the header of a file of measurements.

    Raises:
        InputError: the file can't be read, or is of another kind.
    """
    header: MeasuredHeader = _converted(
        path, next(read_jsonl(path, dict, 1 << 20), None), MeasuredHeader
    )
    return header


@contextmanager
def opened_measurements(path: Path, header: MeasuredHeader) -> Iterator[tuple[IO[bytes], set[str]]]:
    """Yield the file, open at its end, and the tasks in it. A half-written line is cut off.

    Raises:
        InputError: the file is of another kind, or was begun with other settings.
        RunError: it can't be written.
    """
    try:
        with path.open("a+b") as file, locked(path, wait=False):
            done: set[str] = set()
            if path.stat().st_size:
                _require_same(path, read_header(path), header)
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
                done = {task.task for task in read_measured(path)[1]}
            else:
                file.write(msgspec.json.encode(header) + b"\n")
            yield file, done
    except BlockingIOError:
        raise RunError(f"{path}: another process writes to it", "let that one end") from None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}", "name another file, or make room") from None


def _require_same(path: Path, before: MeasuredHeader, now: MeasuredHeader) -> None:
    old, new = asdict(before), asdict(now)
    different = [name for name in new if old[name] != new[name]]
    if different:
        names = {"digest": "tasks or instructions", "fingerprint": "a changed model"}
        what = ", ".join(names.get(name, name) for name in different)
        raise InputError(f"{path} was begun with other settings: {what}", "name another file")


def _converted(path: Path, line: "tuple[int, Any] | None", kind: type[Any]) -> Any:
    number, record = line or (1, {})
    where = f"{path}, line {number}"
    if isinstance(record, BadLine):
        raise InputError(f"{where}: {record.message}", MEASURE_ANEW)
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError as error:
        what = f"{where}: not of a file of `seedstep steps measure` ({error})"
        raise InputError(what, MEASURE_ANEW) from None


def _check(path: Path, tasks: Sequence[MeasuredTask]) -> None:
    if len({task.task for task in tasks}) < len(tasks):
        raise InputError(f"{path}: a task is there twice", MEASURE_ANEW)
    for task in tasks:
        for name, version in task.versions.items():
            lengths = {len(task.instances), len(version.nats), len(version.tokens)}
            if len(lengths) > 1 or not task.instances or NONE not in task.versions:
                what = f"{path}: the numbers of task {task.task}, {name}, are not whole"
                raise InputError(what, MEASURE_ANEW)


EQUAL = 1e-6
"""Nats a token below which two losses are the same number, computed in another order."""


GainGrouping = Literal["overall", "category", "task"]
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


def gain_rows(tasks: Sequence[MeasuredTask], *, by: GainGrouping, seed: int) -> list[GainRow]:
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
    group: str, version: str, tasks: Sequence[MeasuredTask], by: GainGrouping, seed: int
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
    counts = {
        version: sum(task.versions[version].shortened for task in tasks if version in task.versions)
        for version in _versions(tasks)
    }
    return {version: count for version, count in counts.items() if count}


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
