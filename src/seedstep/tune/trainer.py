"""The `Trainer` of transformers, with steps and losses that seedstep plans and computes.

The `Trainer` is given one item for each optimiser step. It provides the optimiser, schedules,
distribution and checkpoints. `RowTrainer` provides the rows of a step and their loss: the sum over
all target tokens of the step, in all processes and passes, divided by their number. So neither
accumulation nor the number of processes changes the loss.

Example::

    RowTrainer(model, tokenizer, arguments, steps=steps, losses=losses, ...).train_from(None)
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback

from seedstep.errors import TuningError
from seedstep.tune.checkpoints import CheckpointFolder, step_of, unreadable
from seedstep.tune.plan import StepPlan, StepWork
from seedstep.tune.records import EvaluationLoss, OptimizerStep, TuneWatch

__all__ = [
    "RowTrainer",
    "Stopping",
]

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


@contextmanager
def _readable(checkpoint: str | None) -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError, RuntimeError, ValueError, UnpicklingError, SafetensorError) as error:
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
