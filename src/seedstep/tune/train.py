"""Train a model of transformers: a decoder-only one, or an encoder-decoder one.

`tune_decoder` packs instances of a task into rows that store their prefix once (section 3.4 and
appendix D of the second paper): step-by-step instruction, definition and examples, which are most
of an example's tokens, are computed once for `share` instances. `tune_seq2seq` trains on batches of
examples of similar length. Either way the loss covers the target tokens alone, end-of-sequence
included, and is the same as with one example in each row.

Example::

    tuned = tune_decoder(model, tokenizer, data, Training(epochs=2), Path("tuned"))
    tuned.model.save_pretrained("tuned/model")
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from seedstep.errors import MissingExtraError

try:
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainingArguments
except ImportError:
    raise MissingExtraError("tuning", "pip install 'seedstep[tune]'") from None

from seedstep.encode import ModelSizes
from seedstep.encode.losses import Attention, pair_losses, require_sharing, token_losses
from seedstep.tune.checkpoints import CheckpointFolder, longest_of, open_checkpoints
from seedstep.tune.data import SizedData
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
"""The most tokens of a row that several groups share on a CPU, where the masked half of the
attention costs as much as the visible half. A longer group has a row of its own."""


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
    """Train a causal language model; checkpoints go to `out`/checkpoints.

    The optimiser is AdamW, with gradients clipped to a norm of 1. All weights are trained in
    float32; `training.bf16` computes in bfloat16. With `resume`, training continues from the last
    checkpoint, if there is one. Every process of a distributed run calls this function.

    Raises:
        InputError: there are no examples, one has no prompt or target or is too long for the model,
            or the model can't share prefixes.
        RunMismatchError: the last checkpoint is of another model, of other data or settings.
        RunError: there is a checkpoint that can't be read, or one although `resume` is False.
        TuningError: a loss is not a number, or a checkpoint can't be written.
        MissingExtraError: peft, for LoRA, is not installed.
    """
    data = SizedData(data, ModelSizes.of_model(model))
    start = _prepared(model, data, training, out, resume=resume)
    rows = rows_of(training, on_cpu=start.arguments.device.type == "cpu")
    steps = StepRows(data, training, rows, start.arguments.world_size)
    start.arguments.max_steps = steps.number

    def check(work: StepWork) -> None:
        """Check each step: targets are drawn anew in each epoch, and may be longer than before."""
        if start.attention != "causal":
            require_sharing(model, work.longest)

    trainer = RowTrainer(
        start.model,
        tokenizer,
        start.arguments,
        steps=steps,
        held_out=steps.work(data.held_out) if data.held_out else None,
        losses=partial(token_losses, attention=start.attention),
        check=check,
        checkpoints=start.checkpoints,
        watch=watch,
        callbacks=callbacks,
    )
    return _trained(model, trainer, start, steps.number)


def rows_of(training: Training, *, on_cpu: bool) -> PlannedRows:
    """Return how long rows are, on a CPU or a GPU."""
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
    """Train an encoder-decoder model; everything else is as with `tune_decoder`.

    Raises:
        InputError: there are no examples, or one has no prompt or target or is too long for the
            model.
        RunMismatchError: the last checkpoint is of another model, of other data or settings.
        RunError: there are checkpoints, but `resume` is False.
        TuningError: a loss is not a number, or a checkpoint can't be written.
        MissingExtraError: peft, for LoRA, is not installed.
    """
    data = SizedData(data, ModelSizes.of_model(model))
    start = _prepared(model, data, training, out, resume=resume, kind=Seq2SeqTrainingArguments)
    steps = StepPairs(data, training, start.arguments.world_size)
    start.arguments.max_steps = steps.number
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    first = model.config.decoder_start_token_id
    trainer = _PairTrainer(
        start.model,
        tokenizer,
        start.arguments,
        steps=steps,
        held_out=steps.work(data.held_out) if data.held_out else None,
        losses=partial(pair_losses, pad=pad, start=pad if first is None else first),
        checkpoints=start.checkpoints,
        watch=watch,
        callbacks=callbacks,
    )
    return _trained(model, trainer, start, steps.number)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A model that is ready to be trained, and the checkpoint to continue from, if there is one."""

    model: Any
    attention: Attention
    arguments: Any
    checkpoints: CheckpointFolder
    checkpoint: Path | None
    uses_cache: bool


def _prepared(
    model: Any,
    data: TuningData,
    training: Training,
    out: Path,
    *,
    resume: bool,
    kind: type = TrainingArguments,
) -> _Prepared:
    longest = longest_of(data)
    checkpoints, checkpoint = open_checkpoints(model, data, training, out, resume=resume)
    arguments = trainer_arguments(
        training,
        checkpoints.path,
        measured=bool(data.held_out),
        fresh=checkpoint is None,
        kind=kind,
    )
    uses_cache = model.config.use_cache
    ready, attention = prepare_model(model, training, arguments.device, longest)
    return _Prepared(ready, attention, arguments, checkpoints, checkpoint, uses_cache)


def _trained(model: Any, trainer: RowTrainer, start: _Prepared, steps: int) -> TrainedModel:
    """Train to the end, and give the model back the cache setting that training changes."""
    trainer.train_from(start.checkpoint)
    model.config.use_cache = start.uses_cache
    return TrainedModel(trainer, steps, start.attention)
