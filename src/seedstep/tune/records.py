"""Records of tuning: the hyperparameters, the events that a watch gets, and the file of metrics.

Example::

    Training(epochs=2, learning_rate=5e-5, batch=16, share=8)
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Annotated, Any, BinaryIO, Literal, Protocol, Self

import msgspec

from seedstep.data import BadLine, read_jsonl, write_atomically
from seedstep.encode import ChatFrame, TokenPair
from seedstep.errors import MissingExtraError, RunError
from seedstep.settings import SEED, Count, NotNegative, setting

__all__ = [
    "CHECKPOINTS",
    "EvaluationLoss",
    "MetricsFile",
    "OptimizerStep",
    "TrainedModel",
    "Training",
    "TuneWatch",
    "TuningData",
    "keep_frame",
    "kept_frame",
    "read_device_seconds",
    "read_losses",
    "require_reporter",
]

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

CHECKPOINTS = "checkpoints"
"""The folder of checkpoints in a tuning's directory."""


@dataclass(frozen=True, slots=True)
class Training:
    """The hyperparameters of training, and the options that save memory and time."""

    epochs: Count = setting(2, "Passes over the data.")
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=10)] = setting(
        5e-5, "Learning rate of AdamW.", flags=("--lr", "--learning-rate")
    )
    batch: Count = setting(16, "Examples an optimiser step sees, over all processes.")
    accumulate: Count = setting(
        1, "Gradient accumulation: passes of each process for one optimiser step."
    )
    share: Count = setting(
        8,
        "Instances of a task that share one copy of their common prefix in a row; 1: no sharing "
        "(decoder-only).",
    )
    row_tokens: Count = setting(4096, "Tokens of a packed row, at the most (decoder-only).")
    lora: NotNegative = setting(0, "Rank of LoRA's matrices; 0 trains all weights.")
    bf16: bool = setting(False, "Compute in bfloat16.")
    gradient_checkpointing: bool = setting(False, "Less memory, more computation.")
    weight_decay: Share = setting(0.0, "Weight decay of AdamW.")
    warmup_steps: NotNegative = setting(0, "Optimiser steps of linear warm-up.")
    schedule: Literal["constant", "linear", "cosine"] = setting(
        "constant", "Schedule of the learning rate after the warm-up."
    )
    max_steps: Count | None = setting(None, "Optimiser steps at the most. Default: no limit.")
    save_every: Count = setting(200, "Optimiser steps between two checkpoints.")
    evaluate_every: Count = setting(
        100, "Optimiser steps between two measurements of the held-out loss."
    )
    seed: int = setting(42, SEED)
    device: Literal["auto", "cpu", "cuda"] = setting(
        "auto", "Where to train: auto takes a GPU if there is one."
    )
    save_dtype: Literal["float32", "bfloat16"] = setting(
        "float32", "Type of the weights that are saved; bfloat16 takes half the disk.", later=True
    )
    report_to: Literal["none", "tensorboard", "wandb", "mlflow"] = setting(
        "none",
        "Where else the losses are reported: tensorboard writes files to `tensorboard` in the "
        "tuning's directory; wandb and mlflow read environment variables of their own.",
        later=True,
    )


REPORTERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",), "mlflow": ("mlflow",)}
)
"""The packages that report, of which one has to be installed, by the value of `report_to`."""


def require_reporter(training: Training) -> None:
    """Check that a package that reports is installed, if one is to.

    Raises:
        MissingExtraError: no such package is installed.
    """
    names = REPORTERS.get(training.report_to, ())
    if names and not any(map(find_spec, names)):
        raise MissingExtraError(f"reporting to {names[0]}", f"pip install {names[0]}")


class TuningData(Protocol):
    """The examples of a tuning, tokenised."""

    def training(self, epoch: int) -> Sequence[TokenPair]:
        """Return the examples of an epoch, from 0.

        Each epoch has the same instances in the same order; targets and templates are drawn anew.
        """

    @property
    def held_out(self) -> Sequence[TokenPair]:
        """Examples of tasks that are not trained on; may be empty."""


@dataclass(frozen=True, slots=True)
class OptimizerStep:
    """An optimiser step. `loss` is the mean over target tokens.

    Rates are over all processes. Tokens are counted as if each example had a row of its own,
    prompt and target; with shared prefixes the model computes fewer. `device_seconds` is the time
    that the step took, in each process, added up.
    """

    step: int
    steps: int
    epoch: float
    loss: float
    learning_rate: float
    examples_per_second: float
    tokens_per_second: float
    seconds_left: float
    device_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EvaluationLoss:
    """The mean loss over the target tokens of the held-out examples after a step.

    `device_seconds` is the time that the measurement took, in each process, added up.
    """

    step: int
    loss: float
    device_seconds: float = 0.0


class TuneWatch(Protocol):
    """An object with methods that are called as a tuning proceeds."""

    def stepped(self, step: OptimizerStep) -> None:
        """Called after an optimiser step."""

    def evaluated(self, evaluated: EvaluationLoss) -> None:
        """Called after the held-out loss was measured."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained model, inside the `trainer` of transformers.

    `steps` is the number of steps that were planned. LoRA's matrices are not yet merged with the
    weights. `attention` is "causal" if each row was one example, else the kind of attention with
    which examples shared prefixes.
    """

    trainer: Any
    steps: int
    attention: str

    @property
    def model(self) -> Any:
        """The tuned model."""
        return self.trainer.accelerator.unwrap_model(self.trainer.model_wrapped)


class _KeptFrame(msgspec.Struct, frozen=True):
    """What a chat template wrote around messages, and a hash of the template."""

    template: str
    frame: ChatFrame


def keep_frame(path: Path, frame: ChatFrame, template: str) -> None:
    """Store the text that a chat template writes around messages.

    It may contain the date. With another date the examples of a tuning would change, and the tuning
    could not be continued.

    Raises:
        RunError: the file can't be written.
    """
    kept = _KeptFrame(_hash(template), frame)
    write_atomically(path, msgspec.json.encode(kept) + b"\n")


def kept_frame(path: Path, template: str) -> ChatFrame | None:
    """Return the text that this template wrote when a tuning began, or None if not stored."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_KeptFrame)
    except (OSError, ValueError, RecursionError):
        return None
    return kept.frame if kept.template == _hash(template) else None


def _hash(template: str) -> str:
    return hashlib.sha256(template.encode(errors="replace")).hexdigest()[:16]


class _Line(msgspec.Struct, frozen=True):
    step: int


class _Losses(_Line, frozen=True):
    loss: float | None = None
    held_out_loss: float | None = None


class MetricsFile(AbstractContextManager["MetricsFile"]):
    """A `TuneWatch` that writes steps and losses to a file, one line of JSON each."""

    def __init__(self, path: Path) -> None:
        """The file is opened at the first step."""
        self._path = path
        self._file: BinaryIO | None = None

    def stepped(self, step: OptimizerStep) -> None:
        """Write an optimiser step."""
        record = {name: value for name, value in asdict(step).items() if name != "seconds_left"}
        self._write(step.step, record)

    def evaluated(self, evaluated: EvaluationLoss) -> None:
        """Write a held-out loss."""
        record = {
            "step": evaluated.step,
            "held_out_loss": evaluated.loss,
            "device_seconds": evaluated.device_seconds,
        }
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
    """Yield the complete lines of steps before `step`."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for line in lines:
        try:
            known = msgspec.json.decode(line, type=_Line)
        except (ValueError, RecursionError):
            continue  # cut by the end of a process
        if line.endswith(b"\n") and known.step < step:
            yield line


def read_losses(path: Path) -> tuple[dict[int, float], dict[int, float]]:
    """Return the training and the held-out loss by optimiser step, in order.

    If a step was taken again, its last line counts. Lines that are cut off, or have no loss, are
    left out.

    Raises:
        InputError: the file is not there or can't be read.
    """
    training: dict[int, float] = {}
    held_out: dict[int, float] = {}
    for _, line in read_jsonl(path, _Losses):
        if isinstance(line, BadLine):
            continue
        if line.loss is not None:
            training[line.step] = line.loss
        if line.held_out_loss is not None:
            held_out[line.step] = line.held_out_loss
    return dict(sorted(training.items())), dict(sorted(held_out.items()))


class _Seconds(_Losses, frozen=True):
    device_seconds: float | None = None


def read_device_seconds(path: Path) -> float | None:
    """Return the device time of the steps that count and of held-out losses, in seconds.

    Returns None where no time was kept, as in files of version 0.1.0.

    Raises:
        InputError: the file is not there or can't be read.
    """
    found: dict[tuple[int, bool], float] = {}
    for _, line in read_jsonl(path, _Seconds):
        if not isinstance(line, BadLine) and line.device_seconds is not None:
            found[line.step, line.loss is None] = line.device_seconds
    return sum(found.values()) if found else None
