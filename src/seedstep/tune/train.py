"""Train a model of transformers: a decoder-only one, or an encoder-decoder one.

`tune_decoder` packs instances of a task into rows that store their prefix once (section 3.4 and
appendix D of the second paper): step-by-step instruction, definition and examples, which are most
of an example's tokens, are computed once for `share` instances. `tune_seq2seq` trains on batches of
examples of similar length. Either way the loss covers the target tokens alone, end-of-sequence
included, and is the same as with one example in each row.

The `Trainer` of transformers is given one item for each optimiser step. It provides the optimiser,
schedules, distribution and checkpoints. `RowTrainer` provides the rows of a step and their loss:
the sum over all target tokens of the step, in all processes and passes, divided by their number. So
neither accumulation nor the number of processes changes the loss.

Example::

    tuned = tune_decoder(model, tokenizer, data, Training(epochs=2), Path("tuned"))
    tuned.model.save_pretrained("tuned/model")
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from seedstep.errors import MissingExtraError, TuningError

try:
    import torch
    from safetensors import SafetensorError
    from torch.utils.data import DataLoader
    from transformers import (
        PrinterCallback,
        Seq2SeqTrainer,
        Seq2SeqTrainingArguments,
        Trainer,
        TrainerCallback,
    )
except ImportError:
    raise MissingExtraError("tuning", extra="tune") from None

from seedstep.encode import ModelSizes
from seedstep.encode.losses import pair_losses, require_sharing, token_losses
from seedstep.tune.checkpoints import CheckpointFolder, step_of, unreadable
from seedstep.tune.data import SizedData
from seedstep.tune.division import divides_weights, load_divided
from seedstep.tune.plan import PlannedRows, StepPairs, StepPlan, StepRows, StepWork
from seedstep.tune.prepare import PreparedTuning, prepare_tuning
from seedstep.tune.records import (
    EvaluationLoss,
    OptimizerStep,
    TrainedModel,
    Training,
    TuneWatch,
    TuningData,
)

__all__ = ["JOINED_ON_CPU", "RowTrainer", "Stopping", "rows_of", "tune_decoder", "tune_seq2seq"]

RECENT = 20
"""How many of the last steps the rates are measured over."""

TokenLosses = Callable[[Any, Any], Any]
"""A function of a model and the rows of a pass that returns the losses of all target tokens."""


class RowTrainer(Trainer):
    """Trains on the rows of `steps`, and measures the loss on `held_out`."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        arguments: Any,
        *,
        steps: StepPlan,
        held_out: StepWork | None,
        losses: TokenLosses,
        check: Callable[[StepWork], None] | None = None,
        checkpoints: CheckpointFolder,
        watch: TuneWatch | None,
        callbacks: Sequence[TrainerCallback],
    ) -> None:
        """`arguments` are the `Trainer`'s; the tokenizer is saved with the checkpoints.

        `losses` returns the losses of all target tokens of a pass. `check` is called before each
        step, and raises an error if it can't be taken.
        """
        self._steps = steps
        self._held_out = held_out
        self._losses = losses
        self._check = check
        self._checkpoints = checkpoints
        self._watch = watch
        self._saving: Path | None = None
        self._recent: deque[tuple[float, StepWork]] = deque(maxlen=RECENT)
        places = range(steps.per_epoch)
        super().__init__(
            model=model,
            args=arguments,
            processing_class=tokenizer,
            train_dataset=places,
            eval_dataset=places if held_out else None,
            callbacks=[_EvaluateAtEnd(), *callbacks] if held_out else list(callbacks),
        )
        self.remove_callback(PrinterCallback)

    def train_from(self, checkpoint: Path | None) -> None:
        """Train to the end, from a checkpoint if one is given; it may be the last one."""
        if checkpoint is None:
            self.train()
        elif step_of(checkpoint) < self.args.max_steps:
            self.train(resume_from_checkpoint=str(checkpoint))
        else:
            self._load_from_checkpoint(str(checkpoint))
            self.state.global_step = step_of(checkpoint)

    def get_train_dataloader(self) -> Any:
        """Return a loader with one empty item for each step; `training_step` finds the rows."""
        return DataLoader(self.train_dataset, batch_size=1, collate_fn=lambda _: {})

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: the `Trainer`'s estimate does not apply to packed rows."""
        return 0

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Compute the gradients of this process's rows; return the loss over all processes."""
        self._under_way = time.perf_counter(), self._steps.step(self.state.global_step)
        work = self._under_way[1]
        if self._check:
            self._check(work)
        model.train()
        passes = work.passes[self.args.process_index]
        total = torch.zeros((), device=self.args.device)
        for place, rows in enumerate(passes, 1):
            with nullcontext() if place == len(passes) else self.accelerator.no_sync(model):
                loss = self._losses(model, rows).sum() / work.targets
                # gradients are averaged over the processes, but the loss is a sum
                self.accelerator.backward(loss * self.args.world_size)
            total += loss.detach()
        total = self.accelerator.reduce(total, reduction="sum")
        self._require_finite(total, "loss")
        return total

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        self._require_finite(norm, "gradient")
        return norm

    def _require_finite(self, value: Any, what: str) -> None:
        """Raise TuningError before a loss that is no number spoils the weights."""
        if torch.isfinite(torch.as_tensor(value)):
            return
        last = self._checkpoints.last()
        where = f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
        raise TuningError(
            f"step {self.state.global_step + 1}: the {what} is {float(value)}; {where}",
            "try a lower --lr, or train without --bf16",
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log as the `Trainer` does, and call the watch."""
        super().log(logs, start_time)
        if "loss" in logs:
            started, work = self._under_way
            self._recent.append((time.perf_counter() - started, work))
            if self._watch and self.is_world_process_zero():
                self._watch.stepped(self._step(logs))
        if "eval_loss" in logs and self._watch and self.is_world_process_zero():
            seconds = (time.perf_counter() - self._measuring) * self.args.world_size
            measured = EvaluationLoss(self.state.global_step, logs["eval_loss"], seconds)
            self._watch.evaluated(measured)

    def _step(self, logs: dict[str, float]) -> OptimizerStep:
        seconds = sum(duration for duration, _ in self._recent)
        left = self.state.max_steps - self.state.global_step
        return OptimizerStep(
            step=self.state.global_step,
            steps=self.state.max_steps,
            epoch=self.state.global_step / self._steps.per_epoch,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            examples_per_second=sum(work.examples for _, work in self._recent) / seconds,
            tokens_per_second=sum(work.tokens for _, work in self._recent) / seconds,
            seconds_left=left * seconds / len(self._recent),
            device_seconds=self._recent[-1][0] * self.args.world_size,
        )

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return the mean loss over the target tokens of the held-out examples."""
        self._measuring = time.perf_counter()
        work = self._held_out
        if work is None:
            return {}
        self.model.eval()
        total = torch.zeros((), device=self.args.device)
        with torch.no_grad():
            for rows in work.passes[self.args.process_index]:
                total += self._losses(self.model, rows).sum()
        total = self.accelerator.reduce(total, reduction="sum")
        metrics = {"eval_loss": float(total) / work.targets}
        self.log(metrics)
        self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        with _readable(resume_from_checkpoint):
            if divides_weights() and self.accelerator.is_fsdp2:
                load_divided(self.model if model is None else model, Path(resume_from_checkpoint))
            else:
                super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with _readable(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._saving or self.args.output_dir)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a checkpoint under a hidden name, and rename it when it is complete."""
        writes = self.args.should_save
        try:
            self._saving = self._checkpoints.begin(clear=writes)
            self.accelerator.wait_for_everyone()
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if writes:
                self._checkpoints.finish(self.state.global_step)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise self._checkpoints.not_written(self.state.global_step, error) from None
        finally:
            self._saving = None
        self.accelerator.wait_for_everyone()


PICKLED = (UnpicklingError, SafetensorError)


@contextmanager
def _readable(checkpoint: str | None) -> Iterator[None]:
    try:
        yield
    except (EOFError, LookupError, OSError, RuntimeError, ValueError, *PICKLED) as error:
        raise unreadable(checkpoint, error) from None


class _EvaluateAtEnd(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step >= state.max_steps:
            control.should_evaluate = True


class Stopping(TrainerCallback):
    """Stops a training, with a checkpoint, after the step at which a function returns True."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        """`stop` is called after each step."""
        self._stop = stop

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """As `TrainerCallback`."""
        if self._stop():
            control.should_save = True
            control.should_training_stop = True


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
    start = prepare_tuning(model, data, training, out, resume=resume)
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
    return _trained(model, trainer, start)


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
    start = prepare_tuning(model, data, training, out, resume=resume, kind=Seq2SeqTrainingArguments)
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
    return _trained(model, trainer, start)


def _trained(model: Any, trainer: RowTrainer, start: PreparedTuning) -> TrainedModel:
    """Train to the end, and give the model back the cache setting that training changes."""
    trainer.train_from(start.checkpoint)
    model.config.use_cache = start.uses_cache
    return TrainedModel(trainer, start.arguments.max_steps, start.attention)
