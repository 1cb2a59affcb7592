"""The directory of a tuning: its resolved configuration, and what it left.

    tune.yaml      settings, and a fingerprint of the data
    fsdp.yaml      how several GPUs are used, where a preset needs them
    preflight.json what was counted before the first step
    metrics.jsonl  a line for each step and each measure of the held-out loss
    checkpoints/   what training goes on from
    model/         the tuned model, there when all of it is
    adapter/       LoRA's matrices alone, where those were trained
    README.md      the model's card; loss.png and loss.svg the losses

Example::

    with TuneRun.start(Path("tuned"), settings, stamps) as run: ...
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from seedstep.errors import RunError
from seedstep.runs.directory import LOCK, read_yaml, refuse_differences, take_lock, write_yaml
from seedstep.tune import CHECKPOINTS, TuneSettings, make_tune_settings
from seedstep.tune.checkpoints import FREE, FSDP

__all__ = [
    "TUNE_CONFIG",
    "TuneRun",
    "stored_settings",
]

TUNE_CONFIG = "tune.yaml"
CHANGEABLE = (*FREE, "gguf", "base_url", "skip_bad")
"""Settings that a tuning may go on with changed: what is learned stays the same."""


class TuneRun:
    """A tuning's directory, opened by the one that writes, or by one of its other processes."""

    def __init__(self, path: Path) -> None:
        """Use `start`."""
        self.path = path
        self._locked = ExitStack()

    @classmethod
    def start(
        cls, path: Path, settings: TuneSettings, stamps: Mapping[str, Any], *, writes: bool = True
    ) -> Self:
        """Create a directory, or go on with one. Of several processes only one `writes`.

        Settings that nothing was learned with yet may all be changed.

        Raises:
            RunBusyError: another one works on it.
            RunMismatchError: it was started with other settings, data or model.
            RunError: it is something else or can't be written.
        """
        run = cls(path)
        if not writes:
            return run
        now = {**asdict(settings), **stamps}
        if not (path / TUNE_CONFIG).exists():
            _require_free(path)
        elif run.begun:
            refuse_differences(path, read_yaml(path / TUNE_CONFIG), now, CHANGEABLE)
        with ExitStack() as locked:
            locked.enter_context(take_lock(path))
            write_yaml(path / TUNE_CONFIG, now)
            run._locked = locked.pop_all()
        return run

    @property
    def begun(self) -> bool:
        """Whether anything was learned."""
        return self.finished or any((self.path / CHECKPOINTS).glob("checkpoint-*"))

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
        self._locked.close()


def stored_settings(path: Path) -> dict[str, Any]:
    """The settings that a tuning was started with; none where there is no tuning.

    Raises:
        InputError: its configuration can't be read.
    """
    if not (path / TUNE_CONFIG).exists():
        return {}
    names = TuneSettings.__dataclass_fields__
    stored = read_yaml(path / TUNE_CONFIG)
    values = {name: value for name, value in stored.items() if name in names}
    make_tune_settings(values, str(path / TUNE_CONFIG))
    return values


def _require_free(path: Path) -> None:
    names = [one.name for one in path.iterdir()] if path.is_dir() else []
    ours = {LOCK, FSDP}
    others = [one for one in names if one not in ours and not one.startswith(f".{TUNE_CONFIG}.")]
    if others or path.is_file():
        raise RunError(f"{path} is not empty and not a tuning", "name another --out")
