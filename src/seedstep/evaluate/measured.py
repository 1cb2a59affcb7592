"""Measure how much more likely step-by-step instructions make the reference outputs of a model.

The paper leaves open which instructions help which model (section 6). The measure is the mean loss
of the tokens of reference outputs, in nats, with a version of the instruction in the prompt and
without any.

Example::

    tasks = read_measured(Path("measured.jsonl"))[1]
    for row in gain_rows(tasks, by="overall", seed=1):
        print(row.version, row.gain.value, row.gain.low, row.gain.high)
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import IO, Any, Literal

import msgspec

from seedstep.data import BadLine, read_jsonl
from seedstep.data.files import locked
from seedstep.errors import InputError, RunError
from seedstep.evaluate.intervals import Value, mean_over_tasks, shown
from seedstep.evaluate.systems import CellTable

__all__ = [
    "NONE",
    "OTHER",
    "SHUFFLED",
    "GainRow",
    "Grouping",
    "MeasuredHeader",
    "MeasuredTask",
    "MeasuredVersion",
    "finds_right",
    "gain_rows",
    "gain_table",
    "instructions_in",
    "opened_measurements",
    "read_header",
    "read_measured",
    "shortened_in",
]

NONE = "none"
SHUFFLED = "shuffled"
OTHER = "another task's"
"""The names of prompts that are measured besides the versions of an instruction: without one, with
the steps in another order, and with the instruction of another task."""

LONGEST_LINE = 16 << 20
EQUAL = 1e-6
"""Nats a token below which two losses are the same number, computed in another order."""


@dataclass(frozen=True, slots=True)
class MeasuredVersion:
    """The loss of each instance's reference, in nats a token, with one version in the prompt.

    `steps` is a fingerprint of the steps in it, empty where there are none.

    `shortened` counts the instances whose prompt or reference was shortened.
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
        sum(mean > 0 for mean in means.values()),
        sum(each.shortened for each in found),
    )


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
    """The file, to write at its end, and the tasks in it. A line that is half written is cut off.

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
    what = f"{path}, line {number}: not of a file of `seedstep steps measure`"
    if isinstance(record, BadLine):
        raise InputError(f"{path}, line {number}: {record.message}", MEASURE_ANEW)
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{what} ({error})", MEASURE_ANEW) from None


def _check(path: Path, tasks: Sequence[MeasuredTask]) -> None:
    if len({task.task for task in tasks}) < len(tasks):
        raise InputError(f"{path}: a task is there twice", MEASURE_ANEW)
    for task in tasks:
        for name, version in task.versions.items():
            lengths = {len(task.instances), len(version.nats), len(version.tokens)}
            if len(lengths) > 1 or not task.instances or NONE not in task.versions:
                what = f"{path}: the numbers of task {task.task}, {name}, are not whole"
                raise InputError(what, MEASURE_ANEW)


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
