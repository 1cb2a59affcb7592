"""Write and find the checkpoints of a tuning.

A checkpoint is written under a hidden name and renamed when it is complete. Only then the earlier
checkpoint is removed. A checkpoint has a stamp of the model, the data and the settings, so that a
tuning never continues from a checkpoint of another.

Example::

    folder = CheckpointFolder(Path("tuned/checkpoints"), stamp)
    folder.last()  # the checkpoint to continue from, or None
"""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seedstep.encode import TokenPair
from seedstep.errors import InputError, RunError, RunMismatchError, TuningError, first_line
from seedstep.tune.records import CHECKPOINTS, Training, TuningData

__all__ = [
    "FREE",
    "CheckpointFolder",
    "fingerprint_data",
    "fingerprint_model",
    "longest_of",
    "make_stamp",
    "open_checkpoints",
    "step_of",
    "unreadable",
]

STAMP = "seedstep.json"
PARTIAL = ".partial"
PREFIX = "checkpoint-"
NAME = re.compile(PREFIX + r"[0-9]+")

FREE = {
    "accumulate",
    "device",
    "evaluate_every",
    "gradient_checkpointing",
    "report_to",
    "row_tokens",
    "save_dtype",
    "save_every",
}
"""Settings that may change when a tuning continues: they don't change what the model learns."""

SAMPLE = 16
"""How many values at each end of each weight go into a model's fingerprint."""


class CheckpointFolder:
    """The folder in which a tuning keeps its checkpoints, the last one only."""

    def __init__(self, path: Path, stamp: Mapping[str, Any]) -> None:
        """`stamp` has the values that must be the same when a tuning continues."""
        self.path = path
        self._stamp = dict(stamp)

    def last(self) -> Path | None:
        """Return the newest complete checkpoint, or None."""
        there = self.path.iterdir() if self.path.is_dir() else ()
        whole = [
            folder for folder in there if NAME.fullmatch(folder.name) and (folder / STAMP).is_file()
        ]
        return max(whole, key=step_of, default=None)

    def to_resume(self) -> Path | None:
        """Return the newest complete checkpoint, or None if there is none.

        Raises:
            RunMismatchError: it is of another model, of other data or settings.
            RunError: it can't be read.
        """
        last = self.last()
        if last is None:
            return None
        try:
            there = json.loads((last / STAMP).read_text("utf-8"))
            differing = [
                (name, there.get(name), self._stamp.get(name))
                for name in sorted(there.keys() | self._stamp.keys())
                if there.get(name) != self._stamp.get(name)
            ]
        except (OSError, ValueError, AttributeError) as error:
            raise unreadable(last, error) from None
        if differing:
            raise RunMismatchError(str(last), differing)
        return last

    def begin(self, *, clear: bool) -> Path:
        """Return the folder for the next checkpoint; with `clear`, remove an incomplete one."""
        if clear:
            shutil.rmtree(self.path / PARTIAL, ignore_errors=True)
        return self.path / PARTIAL

    def finish(self, step: int) -> None:
        """Rename a checkpoint that is complete, and remove the earlier ones."""
        written = self.path / PARTIAL / f"{PREFIX}{step}"
        (written / STAMP).write_text(json.dumps(self._stamp, indent=1), "utf-8")
        place = self.path / written.name
        shutil.rmtree(place, ignore_errors=True)
        written.rename(place)
        for entry in self.path.iterdir():
            if entry != place and (NAME.fullmatch(entry.name) or entry.name == PARTIAL):
                shutil.rmtree(entry, ignore_errors=True)

    def not_written(self, step: int, error: Exception) -> TuningError:
        """Remove an incomplete checkpoint, and return the error to raise."""
        shutil.rmtree(self.path / PARTIAL, ignore_errors=True)
        last = self.last()
        stays = f"the last good one is {last}" if last else "there is none yet"
        what = f"the checkpoint of step {step} can't be written ({first_line(error)})"
        return TuningError(
            f"{self.path}: {what}; {stays}",
            "free space, and start the same command again",
        )


def unreadable(checkpoint: object, error: Exception) -> RunError:
    """Return the error to raise for a checkpoint that is damaged."""
    return RunError(
        f"{checkpoint}: can't be read ({first_line(error)})",
        "restore it, or remove this folder to start from the beginning",
    )


def step_of(checkpoint: Path) -> int:
    """Return the step after which a checkpoint was written."""
    return int(checkpoint.name.removeprefix(PREFIX))


def make_stamp(training: Training, *, model: str, data: str) -> dict[str, Any]:
    """Return the values that must be the same when a tuning continues from a checkpoint."""
    settings = {name: value for name, value in asdict(training).items() if name not in FREE}
    return {**settings, "model": model, "training examples": data}


def fingerprint_model(model: Any) -> str:
    """Return a model's class and size, and a hash over a sample of its weights."""
    digest = hashlib.sha256()
    size = 0
    for name, weight in model.named_parameters():
        size += weight.numel()
        flat = weight.detach().flatten()
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        for part in (flat[:SAMPLE], flat[-SAMPLE:]):
            digest.update(part.float().cpu().numpy().tobytes())
    return f"{type(model).__name__}, {size:,} weights, {digest.hexdigest()[:12]}"


def fingerprint_data(pairs: Sequence[TokenPair]) -> str:
    """Return the number of examples, and a hash over all of them."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(repr((pair.task, pair.instance, pair.prompt, pair.target)).encode())
    return f"{len(pairs):,} examples, {digest.hexdigest()[:12]}"


def open_checkpoints(
    model: str, data: TuningData, training: Training, out: Path, *, resume: bool
) -> tuple[CheckpointFolder, Path | None]:
    """Return the folder of checkpoints below `out`, and the checkpoint to continue from, if any.

    `model` is its fingerprint.

    Raises:
        RunMismatchError: it is of another model, of other data or settings.
        RunError: there is a checkpoint, but `resume` is False.
    """
    pairs = data.training(0)
    stamp = make_stamp(training, model=model, data=fingerprint_data(pairs))
    checkpoints = CheckpointFolder(out / CHECKPOINTS, stamp)
    checkpoint = checkpoints.to_resume()
    if checkpoint and not resume:
        raise RunError(f"{checkpoint} is there", "go on from it, or name another --out")
    return checkpoints, checkpoint


def longest_of(data: TuningData) -> int:
    """Return the length of the longest example, in tokens.

    Raises:
        InputError: there is nothing to train on, or an example has no prompt or target.
    """
    pairs = data.training(0)
    if not pairs:
        raise InputError("there are no examples to train on", "check the data and its filters")
    return max(_length(pair) for some in (pairs, data.held_out) for pair in some)


def _length(pair: TokenPair) -> int:
    if not pair.prompt or not pair.target:
        part = "target" if pair.prompt else "prompt"
        raise InputError(
            f"task {pair.task}, instance {pair.instance}: its {part} has no tokens",
            "leave the instance out",
        )
    return len(pair.prompt) + len(pair.target)
