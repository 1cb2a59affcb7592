"""What tuning takes, and what it tells while it runs.

Example::

    Training(epochs=2, learning_rate=5e-5, batch=16, share=8)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seedstep.encode import TokenPair

__all__ = [
    "CHECKPOINTS",
    "Evaluated",
    "Step",
    "Training",
    "TuneWatch",
    "Tuned",
    "TuningData",
]

CHECKPOINTS = "checkpoints"
"""Where checkpoints lie in a tuning's directory."""


@dataclass(frozen=True, slots=True)
class Training:
    """How a model is trained.

    `batch` is the effective number of examples an optimiser step sees, over all processes and
    accumulated passes; `accumulate` in how many passes each process takes its part. `share` is how
    many instances of a task are packed behind one copy of their common prefix (1: none), and
    `row_tokens` how long a packed row may be. `lora` is the rank of LoRA's matrices, 0 to train
    all weights.
    """

    epochs: int = 2
    learning_rate: float = 5e-5
    batch: int = 16
    accumulate: int = 1
    share: int = 8
    row_tokens: int = 4096
    lora: int = 0
    bf16: bool = False
    gradient_checkpointing: bool = False
    weight_decay: float = 0.0
    warmup_steps: int = 0
    schedule: str = "constant"
    max_steps: int | None = None
    save_every: int = 200
    evaluate_every: int = 100
    seed: int = 42
    device: str = "auto"


class TuningData(Protocol):
    """The examples of a tuning, tokenised."""

    def training(self, epoch: int) -> Sequence[TokenPair]:
        """The examples of an epoch (from 0): the same instances in the same places each time,
        their targets and templates drawn anew.
        """

    @property
    def held_out(self) -> Sequence[TokenPair]:
        """Examples of tasks that are not trained on; may be empty."""


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step. `loss` is the mean over target tokens.

    Rates are over all processes. The tokens are those of the examples, prompt and target, as one
    example a row would have them: with a shared prefix the model computes fewer.
    """

    step: int
    steps: int
    epoch: float
    loss: float
    learning_rate: float
    examples_per_second: float
    tokens_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The mean loss over the target tokens of the held-out examples after a step."""

    step: int
    loss: float


class TuneWatch(Protocol):
    """Is told how a tuning gets on."""

    def stepped(self, step: Step) -> None:
        """An optimiser step was taken."""

    def evaluated(self, evaluated: Evaluated) -> None:
        """The held-out loss was measured."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A model after `steps` steps of training, as the `trainer` of transformers holds it.

    LoRA's matrices are still beside its weights, if those were trained. `attention` says how rows
    reached it: "causal" one example each, else with shared prefixes.
    """

    trainer: Any
    steps: int
    attention: str

    @property
    def model(self) -> Any:
        """The tuned model."""
        return self.trainer.accelerator.unwrap_model(self.trainer.model_wrapped)
