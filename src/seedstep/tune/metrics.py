"""`metrics.jsonl`: a line for each optimiser step and each measure of the held-out loss.

A tuning that was killed goes on from its last checkpoint, which may lie before its last line. What
comes after the checkpoint is written once more, so the old lines give way to the new.

Example::

    with MetricsFile(Path("tuned/metrics.jsonl")) as metrics:
        metrics.stepped(step)
    training, held_out = read_losses(Path("tuned/metrics.jsonl"))
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from seedstep.data import BadLine, read_jsonl, write_atomically
from seedstep.errors import RunError
from seedstep.tune.records import Evaluated, Step

__all__ = ["MetricsFile", "read_losses"]


class _Line(msgspec.Struct, frozen=True):
    step: int


class _Losses(_Line, frozen=True):
    loss: float | None = None
    held_out_loss: float | None = None


class MetricsFile(AbstractContextManager["MetricsFile"]):
    """Writes what it is told as a `TuneWatch`."""

    def __init__(self, path: Path) -> None:
        """Nothing is written before the first step."""
        self._path = path
        self._file: BinaryIO | None = None

    def stepped(self, step: Step) -> None:
        """Keep an optimiser step."""
        record = {name: value for name, value in asdict(step).items() if name != "seconds_left"}
        self._write(step.step, record)

    def evaluated(self, evaluated: Evaluated) -> None:
        """Keep a measure."""
        record = {"step": evaluated.step, "held_out_loss": evaluated.loss}
        self._write(evaluated.step, record)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def _write(self, step: int, record: Mapping[str, object]) -> None:
        try:
            if self._file is None:
                kept = b"".join(_lines_before(self._path, step))
                write_atomically(self._path, kept)
                self._file = self._path.open("ab")
            self._file.write(msgspec.json.encode(record) + b"\n")
            self._file.flush()
        except OSError as error:
            raise RunError(f"{self._path}: {error.strerror}", "free space, and go on") from None


def _lines_before(path: Path, step: int) -> Iterator[bytes]:
    """The whole lines of earlier steps."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for line in lines:
        try:
            known = msgspec.json.decode(line, type=_Line)
        except msgspec.DecodeError:
            continue  # cut by the end of a process
        if line.endswith(b"\n") and known.step < step:
            yield line


def read_losses(path: Path) -> tuple[dict[int, float], dict[int, float]]:
    """The training and the held-out loss by optimiser step, in order.

    The last line of a step counts, where a tuning took it again. Lines that are cut off, or tell
    of something else, are left out.

    Raises:
        InputError: the file is not there or can't be read.
    """
    training, held_out = {}, {}
    for _, line in read_jsonl(path, _Losses):
        if isinstance(line, BadLine):
            continue
        if line.loss is not None:
            training[line.step] = line.loss
        if line.held_out_loss is not None:
            held_out[line.step] = line.held_out_loss
    return dict(sorted(training.items())), dict(sorted(held_out.items()))
