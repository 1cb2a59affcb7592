"""Tuning a decoder-only model: instances of a task share one copy of their prefix.

Section 3.4 and appendix D of the second paper. The loss covers the targets alone, end-of-sequence
included, and is the same as with one example a row, but the prefix (step-by-step instruction,
definition, examples), most of each example's tokens, is computed once for `share` instances.

Example::

    tuned = tune_decoder(model, tokenizer, data, Training(epochs=2), Path("tuned"))
    tuned.model.save_pretrained("tuned/model")
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

from seedstep.encode.losses import pair_losses, require_sharing, token_losses
from seedstep.errors import MissingExtraError
from seedstep.tune.checkpoints import longest_of, open_checkpoints
from seedstep.tune.plan import PlannedRows, StepPairs, StepRows, StepWork
from seedstep.tune.prepare import prepare_model, trainer_arguments
from seedstep.tune.records import TrainedModel, Training, TuneWatch, TuningData
from seedstep.tune.trainer import RowTrainer

__all__ = [
    "JOINED_ON_CPU",
    "rows_of",
    "tune_decoder",
    "tune_seq2seq",
]

JOINED_ON_CPU = 1024
"""Tokens up to which groups share a row on a CPU, where the hidden half of a mask costs as much as
the visible one. A longer group has a row of its own."""


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
) -> TrainedModel:
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
    held_out = data.held_out
    longest = longest_of(data)
    checkpoints, start = open_checkpoints(model, data, training, out, resume=resume)
    arguments = trainer_arguments(
        training, checkpoints.path, measured=bool(held_out), fresh=start is None
    )
    uses_cache = model.config.use_cache
    prepared, attention = prepare_model(model, training, arguments.device, longest)
    rows = rows_of(training, on_cpu=arguments.device.type == "cpu")
    steps = StepRows(data, training, rows, arguments.world_size)
    arguments.max_steps = steps.number

    def check(work: StepWork) -> None:
        """Targets are drawn anew in each epoch, and may have become longer."""
        if attention != "causal":
            require_sharing(model, work.longest)

    trainer = RowTrainer(
        prepared,
        tokenizer,
        arguments,
        steps=steps,
        held_out=steps.work(held_out) if held_out else None,
        losses=partial(token_losses, attention=attention),
        check=check,
        checkpoints=checkpoints,
        watch=watch,
        callbacks=callbacks,
    )
    trainer.train_from(start)
    model.config.use_cache = uses_cache
    return TrainedModel(trainer, steps.number, attention)


def rows_of(training: Training, *, on_cpu: bool) -> PlannedRows:
    """How long rows are, on a CPU or a GPU."""
    joined = min(training.row_tokens, JOINED_ON_CPU) if on_cpu else training.row_tokens
    return PlannedRows(training.share, training.row_tokens, joined)


class _PairTrainer(RowTrainer, Seq2SeqTrainer):
    """Seq2SeqTrainer with our steps and losses."""


def tune_seq2seq(
    model: Any,
    tokenizer: Any,
    data: TuningData,
    training: Training,
    out: Path,
    *,
    resume: bool = True,
    watch: TuneWatch | None = None,
    callbacks: Sequence[Any] = (),
) -> TrainedModel:
    """Train an encoder-decoder model of transformers; all else is as with `tune_decoder`.

    Raises:
        InputError: there are no examples, or one has no prompt or target.
        RunMismatchError: the last checkpoint is of another model, of other data or settings.
        RunError: there are checkpoints, but `resume` is False.
        TuningError: a loss is not a number, or a checkpoint can't be written.
        MissingExtraError: peft, for LoRA, is not installed.
    """
    longest = longest_of(data)
    checkpoints, start_from = open_checkpoints(model, data, training, out, resume=resume)
    held_out = data.held_out
    arguments = trainer_arguments(
        training,
        checkpoints.path,
        measured=bool(held_out),
        fresh=start_from is None,
        kind=Seq2SeqTrainingArguments,
    )
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    start = model.config.decoder_start_token_id
    uses_cache = model.config.use_cache
    prepared, attention = prepare_model(model, training, arguments.device, longest)
    steps = StepPairs(data, training, arguments.world_size)
    arguments.max_steps = steps.number
    trainer = _PairTrainer(
        prepared,
        tokenizer,
        arguments,
        steps=steps,
        held_out=steps.work(held_out) if held_out else None,
        losses=partial(pair_losses, pad=pad, start=pad if start is None else start),
        checkpoints=checkpoints,
        watch=watch,
        callbacks=callbacks,
    )
    trainer.train_from(start_from)
    model.config.use_cache = uses_cache
    return TrainedModel(trainer, steps.number, attention)
