"""The directory of a tuning: its resolved configuration, and what it left.

    tune.yaml      settings, and fingerprints of the data and the model
    preflight.json what was counted before the first step
    metrics.jsonl  a line for each step and each measure of the held-out loss
    checkpoints/   what training goes on from
    model/         the tuned model, there when all of it is
    adapter/       LoRA's matrices alone, where those were trained

Example::

    with TuneRun.start(Path("tuned"), settings, stamps) as run: ...
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock

from seedstep.errors import RunError
from seedstep.store.config import read_yaml, write_yaml
from seedstep.store.directory import LOCK, refuse_differences, take_lock
from seedstep.tune import TuneSettings, make_tune_settings

__all__ = ["TUNE_CONFIG", "TuneRun", "stored_settings"]

TUNE_CONFIG = "tune.yaml"
STAMPS = "fingerprints"
"""Entry of the configuration: what must not change under a tuning besides its settings."""

CHANGEABLE = ("save_every", "evaluate_every", "device", "gguf", "base_url")
"""Settings that a tuning may go on with changed: they do not change what was learned already."""


class TuneRun:
    """A tuning's directory, opened by the one that writes, or by one of its other processes."""

    def __init__(self, path: Path) -> None:
        """Use `start`."""
        self.path = path
        self._lock: filelock.BaseFileLock | None = None

    @classmethod
    def start(
        cls, path: Path, settings: TuneSettings, stamps: Mapping[str, Any], *, writes: bool = True
    ) -> Self:
        """Create a directory, or go on with one. Only one process `writes`.

        Raises:
            RunBusyError: another one works on it.
            RunMismatchError: it was started with other settings, data or model.
            RunError: it is something else or can't be written.
        """
        run = cls(path)
        now = {**asdict(settings), STAMPS: dict(stamps)}
        if (path / TUNE_CONFIG).exists():
            before = read_yaml(path / TUNE_CONFIG)
            refuse_differences(path, _flat(before), _flat(now), CHANGEABLE)
        else:
            _require_free(path)
        if writes:
            run._lock = take_lock(path)
            write_yaml(path / TUNE_CONFIG, now)
        return run

    @property
    def model(self) -> Path:
        """Where the tuned model is, or will be."""
        return self.path / "model"

    @property
    def adapter(self) -> Path:
        """Where LoRA's matrices are, or will be."""
        return self.path / "adapter"

    @property
    def metrics(self) -> Path:
        """The file of losses."""
        return self.path / "metrics.jsonl"

    @property
    def finished(self) -> bool:
        """Whether the tuned model is there."""
        return self.model.is_dir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock:
            self._lock.release()


def stored_settings(path: Path) -> dict[str, Any]:
    """The settings that a tuning was started with; none where there is no tuning.

    Raises:
        InputError: its configuration can't be read.
    """
    if not (path / TUNE_CONFIG).exists():
        return {}
    values = {
        name: value for name, value in read_yaml(path / TUNE_CONFIG).items() if name != STAMPS
    }
    make_tune_settings(values, str(path / TUNE_CONFIG))
    return values


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with its fingerprints among the settings."""
    stamps = config.get(STAMPS)
    settings = {name: value for name, value in config.items() if name != STAMPS}
    return {**settings, **(stamps if isinstance(stamps, dict) else {})}


def _require_free(path: Path) -> None:
    names = [one.name for one in path.iterdir()] if path.is_dir() else []
    others = [one for one in names if one != LOCK and not one.startswith(f".{TUNE_CONFIG}.")]
    if others or path.is_file():
        raise RunError(f"{path} is not empty and not a tuning", "name another --out")
