"""Tuning a decoder-only model: instances of a task share one copy of their prefix.

Section 3.4 and appendix D of the second paper. The loss covers the targets alone, end-of-sequence
included, and is the same as with one example a row, but the prefix (step-by-step instruction,
definition, examples), most of each example's tokens, is computed once for `share` instances.

Example::

    tuned = tune_decoder(model, tokenizer, data, Training(epochs=2), Path("tuned"))
    tuned.model.save_pretrained("tuned/model")
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedstep.encode import TokenPair
from seedstep.errors import InputError, MissingExtraError, RunError
from seedstep.tune.checkpoints import (
    CheckpointFolder,
    fingerprint_data,
    fingerprint_model,
    make_stamp,
)
from seedstep.tune.records import Training, TuneWatch, TuningData
from seedstep.tune.steps import Rows, StepRows

__all__ = ["JOINED_ON_CPU", "Tuned", "rows_of", "tune_decoder"]

CHECKPOINTS = "checkpoints"

JOINED_ON_CPU = 1024
"""Tokens up to which groups share a row on a CPU, where the hidden half of a mask costs as much as
the visible one. A longer group has a row of its own."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned model, with LoRA's matrices still beside its weights if those were trained.

    `attention` says how rows reached it: "causal" one example each, else with shared prefixes.
    """

    model: Any
    steps: int
    attention: str


def tune_decoder(
    model: Any,
    tokenizer: Any,
    data: TuningData,
    training: Training,
    out: Path,
    *,
    resume: bool = True,
    watch: TuneWatch | None = None,
    callbacks: Sequence[Any] = (),
) -> Tuned:
    """Train a causal language model of transformers; checkpoints go to `out`/checkpoints.

    AdamW, gradients clipped to a norm of 1. All weights are trained in float32; `training.bf16`
    computes in bfloat16. With `resume` it goes on from the last checkpoint, if there is one. Every
    process of a distributed run calls this.

    Raises:
        InputError: there are no examples, one has no prompt or target, or the model can't share
            prefixes.
        RunMismatchError: the last checkpoint is of another model, of other data or settings.
        RunError: there is a checkpoint that can't be read, or one although `resume` is False.
        TuningError: a loss is not a number, or a checkpoint can't be written.
        MissingExtraError: transformers, or for LoRA peft, is not installed.
    """
    try:
        from seedstep.tune.prepare import prepare_model, trainer_arguments
        from seedstep.tune.trainer import RowTrainer
    except ImportError:
        raise MissingExtraError("tuning", "pip install 'seedstep[tune]'") from None
    pairs, held_out = data.training(0), data.held_out
    longest = max(_require_examples(pairs), _require_examples(held_out, some=False))
    stamp = make_stamp(training, model=fingerprint_model(model), data=fingerprint_data(pairs))
    checkpoints = CheckpointFolder(out / CHECKPOINTS, stamp)
    start = _start(checkpoints, resume=resume)
    arguments = trainer_arguments(
        training, checkpoints.path, measured=bool(held_out), fresh=start is None
    )
    uses_cache = model.config.use_cache
    prepared, attention = prepare_model(model, training, arguments.device, longest)
    rows = rows_of(training, on_cpu=arguments.device.type == "cpu")
    steps = StepRows(data, training, rows, arguments.world_size)
    arguments.max_steps = steps.number
    trainer = RowTrainer(
        prepared,
        tokenizer,
        arguments,
        base=model,
        steps=steps,
        held_out=steps.work(held_out) if held_out else None,
        attention=attention,
        checkpoints=checkpoints,
        watch=watch,
        callbacks=callbacks,
    )
    trainer.train_from(start)
    model.config.use_cache = uses_cache
    return Tuned(prepared, steps.number, attention)


def _start(checkpoints: CheckpointFolder, *, resume: bool) -> Path | None:
    checkpoint = checkpoints.to_resume()
    if checkpoint and not resume:
        raise RunError(f"{checkpoint} is there", "go on from it, or name another --out")
    return checkpoint


def rows_of(training: Training, *, on_cpu: bool) -> Rows:
    """How long rows are."""
    joined = min(training.row_tokens, JOINED_ON_CPU) if on_cpu else training.row_tokens
    return Rows(training.share, training.row_tokens, joined)


def _require_examples(pairs: Sequence[TokenPair], *, some: bool = True) -> int:
    """The length of the longest example, in tokens."""
    if some and not pairs:
        raise InputError("there are no examples to train on", "check the data and its filters")
    longest = 0
    for pair in pairs:
        if not pair.prompt or not pair.target:
            part = "target" if pair.prompt else "prompt"
            raise InputError(
                f"task {pair.task}, instance {pair.instance}: its {part} has no tokens",
                "leave the instance out",
            )
        longest = max(longest, len(pair.prompt) + len(pair.target))
    return longest
