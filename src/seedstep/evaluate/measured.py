"""What step-by-step instructions are worth to a model: how much likelier references become.

The paper leaves open which instructions help which model (section 6). The measure is the mean loss
of the tokens of reference outputs, in nats: with a version of the instruction in the prompt, and
without any.

Example::

    tasks = read_measured(Path("measured.jsonl"))[1]
    for row in gain_rows(tasks, by="overall", seed=1):
        print(row.version, row.gain.value, row.gain.low, row.gain.high)
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import IO, Any, Literal

import msgspec

from seedstep.data import BadLine, read_jsonl
from seedstep.errors import InputError, RunError
from seedstep.evaluate.intervals import Value, mean_over_tasks
from seedstep.evaluate.tables import CellTable, shown

__all__ = [
    "NONE",
    "OTHER",
    "SHUFFLED",
    "GainRow",
    "MeasuredHeader",
    "MeasuredTask",
    "MeasuredVersion",
    "as_json",
    "finds_right",
    "gain_rows",
    "gain_table",
    "instructions_in",
    "opened_measurements",
    "read_header",
    "read_measured",
]

NONE = "none"
SHUFFLED = "shuffled"
OTHER = "another task's"
"""Names of what is measured beside the versions of an instruction: a prompt without one, the steps
in another order, and the instruction of another task."""

LONGEST_LINE = 16 << 20
GAIN_UNIT = "nats a token"


@dataclass(frozen=True, slots=True)
class MeasuredVersion:
    """The loss of each instance's reference, in nats a token, with one version in the prompt.

    `shortened` counts the instances for whose prompt or reference the room was too small.
    """

    nats: tuple[float, ...]
    tokens: tuple[int, ...]
    shortened: int = 0

    @property
    def mean(self) -> float:
        """The mean over instances."""
        return fmean(self.nats)


@dataclass(frozen=True, slots=True)
class MeasuredTask:
    """What was measured on a task: its instances by id, and the versions by name."""

    task: str
    category: str
    instances: tuple[str, ...]
    versions: dict[str, MeasuredVersion]

    def gains(self, version: str) -> tuple[float, ...]:
        """By how many nats a token each reference is likelier than without an instruction."""
        pairs = zip(self.versions[NONE].nats, self.versions[version].nats, strict=True)
        return tuple(without - with_steps for without, with_steps in pairs)


@dataclass(frozen=True, slots=True)
class MeasuredHeader:
    """The first line of a file of measurements: with what it was made.

    `digest` stands for the tasks, their instances and all instructions. `skip` is the number of
    instances that were left out at the beginning of each task.
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


@dataclass(frozen=True, slots=True)
class GainRow:
    """What a version is worth on some tasks. Intervals are over tasks, or over one's instances.

    `nats` is the mean loss with the version, `gain` by how much less that is than without.
    `better` is the number of tasks on which it is less.
    """

    group: str
    version: str
    tasks: int
    instances: int
    nats: float
    gain: Value
    better: int
    shortened: int


def gain_rows(
    tasks: Sequence[MeasuredTask], *, by: Literal["overall", "category", "task"], seed: int
) -> list[GainRow]:
    """Rows of each group of tasks, by version, in the order of the tasks and versions.

    Tasks count alike, whatever their number of instances. A version counts on the tasks that have
    it.
    """
    groups: dict[str, list[MeasuredTask]] = {}
    for task in tasks:
        name = {"overall": "", "category": task.category, "task": task.task}[by]
        groups.setdefault(name, []).append(task)
    return [
        _row(group, version, [task for task in members if version in task.versions], seed)
        for group, members in groups.items()
        for version in _versions(members)
    ]


def _versions(tasks: Sequence[MeasuredTask]) -> list[str]:
    return list(dict.fromkeys(version for task in tasks for version in task.versions))


def _row(group: str, version: str, tasks: Sequence[MeasuredTask], seed: int) -> GainRow:
    means = {task.task: fmean(task.gains(version)) for task in tasks}
    values, names = list(means.values()), list(means)
    if len(tasks) == 1:
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


def finds_right(
    tasks: Sequence[MeasuredTask], version: str, other: str = OTHER, *, seed: int
) -> Value:
    """The share of tasks on which references are likelier with a version than with `other`.

    It is from 0 to 1, with its interval over tasks. A model that does not read its instructions
    finds half of them.
    """
    both = [task for task in tasks if {version, other} <= task.versions.keys()]
    if not both:
        return Value(None, None, None, f"no task has both {version} and {other}")
    found = [float(task.versions[version].mean < task.versions[other].mean) for task in both]
    return mean_over_tasks(found, [task.task for task in both], seed=seed)


def instructions_in(tasks: Sequence[MeasuredTask]) -> tuple[str, ...]:
    """The names of the versions that are instructions of the tasks themselves, in their order."""
    return tuple(name for name in _versions(tasks) if name not in (NONE, SHUFFLED, OTHER))


MEASURE_ANEW = "measure anew into another file"


def read_measured(path: Path) -> tuple[MeasuredHeader, tuple[MeasuredTask, ...]]:
    """Read a file of `seedstep steps measure`.

    Raises:
        InputError: it can't be read, or is no such file.
    """
    header = read_header(path)
    lines = list(read_jsonl(path, dict, LONGEST_LINE))[1:]
    tasks = tuple(_converted(path, line, MeasuredTask) for line in lines)
    _check(path, tasks)
    return header, tasks


def read_header(path: Path) -> MeasuredHeader:
    """Read how the measurements of a file were made.

    Raises:
        InputError: it can't be read, or is no such file.
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
    done: set[str] = set()
    try:
        if path.exists() and path.stat().st_size:
            _require_same(path, read_header(path), header)
            with path.open("r+b") as file:
                file.truncate(_whole_lines(file.read()))
            done = {task.task for task in read_measured(path)[1]}
            with path.open("ab") as file:
                yield file, done
        else:
            with path.open("wb") as file:
                file.write(msgspec.json.encode(header) + b"\n")
                yield file, done
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}", "name another file, or make room") from None


def _whole_lines(data: bytes) -> int:
    return data.rfind(b"\n") + 1


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
    for task in tasks:
        for name, version in task.versions.items():
            lengths = {len(task.instances), len(version.nats), len(version.tokens)}
            if len(lengths) > 1 or not task.instances or NONE not in task.versions:
                what = f"{path}: the numbers of task {task.task}, {name}, are not whole"
                raise InputError(what, MEASURE_ANEW)


def gain_table(rows: Sequence[GainRow], title: str) -> CellTable:
    """Rows as text: the loss with each version, and by how much likelier the references are."""
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


def as_json(tasks: Sequence[MeasuredTask], *, seed: int) -> Mapping[str, Any]:
    """All that the tables show, and each task, for other programs."""
    return {
        "unit": GAIN_UNIT,
        "overall": list(map(_record, gain_rows(tasks, by="overall", seed=seed))),
        "categories": list(map(_record, gain_rows(tasks, by="category", seed=seed))),
        "tasks": list(map(_record, gain_rows(tasks, by="task", seed=seed))),
        "finds_right": {
            version: msgspec.to_builtins(finds_right(tasks, version, seed=seed))
            for version in instructions_in(tasks)
        },
    }


def _record(row: GainRow) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(row)
    return found
