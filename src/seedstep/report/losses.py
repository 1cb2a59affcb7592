"""The losses of a tuning, as its `metrics.jsonl` has them.

Example::

    read_losses(Path("tuned/metrics.jsonl")).training[-1]  # (1200, 0.84)
"""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import msgspec

from seedstep.errors import RunError

__all__ = ["METRICS", "TUNE_CONFIG", "Losses", "is_tuning", "read_losses"]

METRICS = "metrics.jsonl"
TUNE_CONFIG = "tune.yaml"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Losses:
    """(step, loss) on the training examples, and on those held out, in the order of the steps."""

    training: tuple[Point, ...]
    held_out: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    step: int
    loss: float | None = None
    held_out_loss: float | None = None


def is_tuning(path: Path) -> bool:
    """Whether a directory is that of a tuning that has begun."""
    return (path / METRICS).is_file()


def read_losses(path: Path) -> Losses:
    """The losses in a file. A line that was cut by the end of a process is passed over.

    Raises:
        RunError: the file can't be read.
    """
    training: dict[int, float] = {}
    held_out: dict[int, float] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}", "name the directory of a tuning") from None
    for line in lines:
        try:
            found = msgspec.json.decode(line, type=_Line)
        except msgspec.DecodeError:
            continue
        for kept, loss in ((training, found.loss), (held_out, found.held_out_loss)):
            if loss is not None and isfinite(loss):
                kept[found.step] = loss
    return Losses(tuple(sorted(training.items())), tuple(sorted(held_out.items())))
