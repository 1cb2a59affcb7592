"""The files in the directory of a tuning, and earlier tunings there, kept when their data changed.

    tune.yaml      settings, and a fingerprint of the data
    fsdp.yaml      how several GPUs are used, where a preset needs them
    preflight.json what was counted before the first step
    chat.json      what the chat template wrote around messages, where prompts are in it
    metrics.jsonl  a line for each step and each measure of the held-out loss
    job.json       the job, where a server tunes
    checkpoints/   what training goes on from
    model/         the tuned model, there when all of it is, with fingerprints of its data
    adapter/       LoRA's matrices alone, where those were trained
    README.md      the model's card; loss.png and loss.svg the losses
    model.gguf     the tuned model as one file, and tensorboard/ reports, where settings ask for it

Example::

    TuningFiles(Path("tuned")).finished

A tuning on other data is a new one. The files of the earlier one are moved to `earlier/1`, those of
the next to `earlier/2`, where they are a tuning of their own. Other files, such as a run of
predictions below the directory, stay. `tune.yaml` is copied last, so that a move that was
interrupted is known and finished.

Example::

    folder = EarlierTunings(Path("tuned")).set_aside()
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data import write_atomically
from seedstep.errors import InputError, RunError
from seedstep.runs.places import GIVEN, TUNE_CONFIG, stored_values
from seedstep.settings import flatten, make_settings, table
from seedstep.tune import CHECKPOINTS, Preflight, TuneSettings
from seedstep.tune.records import read_device_seconds, read_losses

__all__ = [
    "EARLIER",
    "WRITTEN",
    "EarlierTunings",
    "TuningFiles",
    "settings_not_stored",
    "stored_settings",
]


WRITTEN = (
    CHECKPOINTS,
    "README.md",
    "adapter",
    "chat.json",
    "job.json",
    "loss.png",
    "loss.svg",
    "metrics.jsonl",
    "model",
    "model.gguf",
    "preflight.json",
    "tensorboard",
    "training.jsonl",
)
"""What a tuning writes into its directory besides its configuration, its lock and `fsdp.yaml`."""


class _Job(msgspec.Struct, frozen=True):
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class TuningFiles:
    """The files of a tuning, in the directory `path`."""

    path: Path

    @property
    def begun(self) -> bool:
        """Whether a checkpoint or the tuned model was written."""
        return self.finished or any((self.path / CHECKPOINTS).glob("checkpoint-*"))

    @property
    def finished(self) -> bool:
        """Whether the tuned model is there."""
        return self.model.is_dir()

    @property
    def model(self) -> Path:
        """The directory of the tuned model, which may not be there yet."""
        return self.path / "model"

    @property
    def adapter(self) -> Path:
        """The directory of LoRA's matrices, which may not be there."""
        return self.path / "adapter"

    @property
    def metrics(self) -> Path:
        """The file of losses."""
        return self.path / "metrics.jsonl"

    @property
    def counted(self) -> Path:
        """The file of the counts made before the first step."""
        return self.path / "preflight.json"

    @property
    def frame(self) -> Path:
        """The file with what the chat template wrote around messages."""
        return self.path / "chat.json"

    @property
    def job(self) -> str:
        """The id of the fine-tuning job at a server, or empty."""
        try:
            kept = msgspec.json.decode((self.path / "job.json").read_bytes(), type=_Job)
        except (OSError, ValueError, RecursionError):
            return ""
        return kept.job_id or ""

    def losses(self) -> tuple[Mapping[int, float], Mapping[int, float]]:
        """Return the training and the held-out loss by optimiser step; none before the first.

        Raises:
            InputError: the file can't be read.
        """
        return read_losses(self.metrics) if self.metrics.is_file() else ({}, {})

    def device_seconds(self) -> float | None:
        """Return the time that devices worked on the tuning, or None if it was not kept.

        Raises:
            InputError: the file of metrics can't be read.
        """
        return read_device_seconds(self.metrics) if self.metrics.is_file() else None

    def preflight(self) -> Preflight | None:
        """Return the counts made before the first step, or None if they can't be read."""
        try:
            return msgspec.json.decode(self.counted.read_bytes(), type=Preflight)
        except (OSError, ValueError, RecursionError):
            return None


def stored_settings(path: Path) -> dict[str, Any]:
    """Return the settings with which a tuning was started; empty if there is no tuning.

    Raises:
        InputError: its configuration can't be read.
    """
    if not (path / TUNE_CONFIG).exists():
        return {}
    names = table(TuneSettings)
    stored = stored_values(path, TUNE_CONFIG)
    values = {name: value for name, value in stored.items() if name in names}
    make_settings(TuneSettings, values, str(path / TUNE_CONFIG))
    return values


def settings_not_stored(path: Path, settings: TuneSettings) -> dict[str, Any]:
    """Return the settings of a tuning that differ from those with which it was started.

    Raises:
        InputError: its configuration can't be read.
    """
    stored = stored_settings(path)
    return {
        name: value
        for name, value in flatten(settings).items()
        if name not in stored or stored[name] != value
    }


EARLIER = "earlier"
"""The directory of the earlier tunings."""


@dataclass(frozen=True, slots=True)
class EarlierTunings:
    """The earlier tunings of the tuning in the directory `path`."""

    path: Path

    @property
    def count(self) -> int:
        """How many there are."""
        return len(list((self.path / EARLIER).glob(f"*/{TUNE_CONFIG}")))

    @property
    def interrupted(self) -> Path | None:
        """The directory to which files were being moved, or None."""
        last = self._last()
        folder = self._folder(last)
        return folder if last and not (folder / TUNE_CONFIG).exists() else None

    def next(self) -> Path:
        """Return the directory for the tuning that is there now."""
        return self.interrupted or self._folder(self._last() + 1)

    def set_aside(self) -> Path:
        """Move the tuning to its directory below `earlier`, or finish that; return the directory.

        Raises:
            RunError: files can't be moved.
        """
        folder = self.next()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (self.path / GIVEN).is_dir():
                shutil.copytree(self.path / GIVEN, folder / GIVEN, dirs_exist_ok=True)
            for file in (self.path / name for name in WRITTEN):
                if file.exists():
                    file.rename(folder / file.name)
            write_atomically(folder / TUNE_CONFIG, (self.path / TUNE_CONFIG).read_bytes())
        except OSError as error:
            raise RunError(f"{folder}: {error.strerror}", "correct its rights") from None
        return folder

    def take_back(self) -> None:
        """Move back what an interrupted move took away, as the data are those of before again.

        Raises:
            RunError: files can't be moved.
        """
        folder = self.interrupted
        if folder is None:
            return
        try:
            for file in sorted(folder.iterdir()):
                if file.name != GIVEN:
                    file.rename(self.path / file.name)
            shutil.rmtree(folder)
        except OSError as error:
            raise RunError(f"{folder}: {error.strerror}", "correct its rights") from None

    def _folder(self, number: int) -> Path:
        return self.path / EARLIER / str(number)

    def _last(self) -> int:
        """Return the number of the last one, 0 if there is none."""
        below = (self.path / EARLIER).glob("*")
        return max((int(each.name) for each in below if each.name.isdecimal()), default=0)


def require_same_directory(path: Path, stored: Mapping[str, Any]) -> None:
    """Check that the data of a tuning are here, and not in a directory above it.

    Their paths are part of what a tuning's data are known by, so that it goes on there alone.

    Raises:
        InputError: they are there.
    """
    for source in stored.get("data") or ():
        name = str(source.get("path", ""))
        above = (parent for parent in path.resolve().parents if (parent / name).exists())
        if name and not Path(name).exists() and (place := next(above, None)):
            what = f"{path} was begun in another directory: its data {name} are not here"
            raise InputError(what, f"run the command in {place}")
