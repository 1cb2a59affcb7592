"""Read and write files of `seedstep steps measure`: the losses of a model's reference outputs.

The paper leaves open which instructions help which model (section 6). The measure is the mean loss
of the tokens of reference outputs, in nats, with a version of the instruction in the prompt and
without any. `seedstep.evaluate.gains` compares versions.

Example::

    header, tasks = read_measured(Path("measured.jsonl"))
    print(header.model, tasks[0].versions["refined"].mean)
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import IO, Any

import msgspec

from seedstep.data import BadLine, read_jsonl
from seedstep.data.files import locked
from seedstep.errors import InputError, RunError

__all__ = [
    "NONE",
    "OTHER",
    "REFINED",
    "SHUFFLED",
    "MeasuredHeader",
    "MeasuredTask",
    "MeasuredVersion",
    "opened_measurements",
    "read_header",
    "read_measured",
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
