"""What tuning adds to the Trainer of transformers: our order of examples, what it tells, its ends.

Imported only where torch and transformers are there.

Example::

    class Tuner(Fed, Trainer): ...

    tuner.feed(feed, collate, watch)
    run_trainer(tuner, out)
"""

import json
import math
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import PrinterCallback, TrainerCallback

from seedstep.encode import TokenPair
from seedstep.errors import ModelError, RunError
from seedstep.tune.feed import Feed
from seedstep.tune.records import Evaluated, Step, Training, TuneWatch

__all__ = [
    "CHECKPOINTS",
    "IGNORED",
    "Fed",
    "last_checkpoint",
    "rank_and_processes",
    "run_trainer",
    "token_loss",
    "training_arguments",
]

CHECKPOINTS = "checkpoints"
"""Where checkpoints lie in a tuning's directory."""

IGNORED = -100
"""The label of what is not learned."""

HELD_OUT_PASS = 8
"""Held-out examples that a process measures at a time."""

KEPT = 2
"""Checkpoints that are kept, the last ones."""

RECENT = 20
"""Steps over which speed is told."""

Collate = Callable[[Sequence[TokenPair]], dict[str, torch.Tensor]]


class Fed:
    """A mixin of Trainers: passes come from a `Feed`, and what happens is told to a watch."""

    def feed(self: Any, feed: Feed, collate: Collate, watch: TuneWatch | None) -> None:
        """Say what to train on. Comes before `train`."""
        self._feed = feed
        self._collate = collate
        self._watch = watch
        self.remove_callback(PrinterCallback)
        self.add_callback(_Telling(feed, watch, Path(self.args.output_dir)))

    def get_train_dataloader(self: Any) -> DataLoader[Any]:
        """As the Trainer's. The passes are those of this process already."""
        return DataLoader(_Examples(self._feed), batch_sampler=self._feed, collate_fn=self._collate)

    def evaluate(self: Any, *_: Any, **__: Any) -> dict[str, float]:
        """The mean loss over the target tokens of the held-out examples."""
        model = self.model_wrapped
        model.eval()
        pairs = self.eval_dataset
        rank, processes = rank_and_processes()
        sums = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        with torch.no_grad(), self.accelerator.autocast():
            for start in range(0, len(pairs), HELD_OUT_PASS * processes):
                some = pairs[start : start + HELD_OUT_PASS * processes][rank::processes]
                inputs = self._prepare_inputs(self._collate(some))
                labels = inputs.pop("labels")
                sums[0] += token_loss(model(**inputs), labels).double()
                sums[1] += (labels != IGNORED).sum()
        total, tokens = self.accelerator.reduce(sums).tolist()
        loss = total / tokens
        if self._watch:
            self._watch.evaluated(Evaluated(self.state.global_step, loss))
        return {"eval_loss": loss}


class _Examples(Dataset[TokenPair]):
    """The examples of the epoch that a feed is in."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __len__(self) -> int:
        return len(self._feed)

    def __getitem__(self, place: int) -> TokenPair:
        return self._feed.pair(place)


class _Telling(TrainerCallback):
    """Tells of every step, and ends the tuning where the loss is no number."""

    def __init__(self, feed: Feed, watch: TuneWatch | None, checkpoints: Path) -> None:
        self._feed = feed
        self._watch = watch
        self._checkpoints = checkpoints
        self._recent: deque[tuple[float, int, int]] = deque(maxlen=RECENT)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._feed.epoch = state.global_step // self._feed.steps

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not self._recent:
            self._recent.append((time.monotonic(), 0, 0))

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any
    ) -> None:
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise _no_number(state.global_step, last_checkpoint(self._checkpoints))
        size = self._feed.size((state.global_step - 1) % self._feed.steps)
        self._recent.append((time.monotonic(), *size))
        if self._watch:
            self._watch.stepped(self._step(state, logs))

    def _step(self, state: Any, logs: dict[str, float]) -> Step:
        (start, _, _), *others = self._recent
        seconds = max(1e-9, self._recent[-1][0] - start)
        return Step(
            step=state.global_step,
            steps=state.max_steps,
            epoch=state.epoch,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            examples_per_second=sum(examples for _, examples, _ in others) / seconds,
            tokens_per_second=sum(tokens for _, _, tokens in others) / seconds,
            seconds_left=(state.max_steps - state.global_step) * seconds / len(others),
        )


def rank_and_processes() -> tuple[int, int]:
    """Which process this is, from 0, of how many that tune together."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def token_loss(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None
) -> torch.Tensor:
    """The loss summed over target tokens, divided by those of the step in all processes."""
    logits = outputs.logits.float().flatten(0, 1)
    loss = torch.nn.functional.cross_entropy(
        logits, labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return loss if num_items_in_batch is None else loss / num_items_in_batch


def training_arguments(
    training: Training, feed: Feed, out: Path, *, held_out: bool
) -> dict[str, Any]:
    """The arguments of a Trainer."""
    steps = feed.steps * training.epochs
    schedule = training.schedule
    if schedule == "constant" and training.warmup_steps:
        schedule = "constant_with_warmup"
    return {
        "output_dir": str(out / CHECKPOINTS),
        "max_steps": min(steps, training.max_steps or steps),
        "per_device_train_batch_size": 1,  # a feed's passes are what they are
        "gradient_accumulation_steps": training.accumulate,
        "learning_rate": training.learning_rate,
        "weight_decay": training.weight_decay,
        "warmup_steps": training.warmup_steps,
        "lr_scheduler_type": schedule,
        "bf16": training.bf16,
        "activation_checkpointing": training.gradient_checkpointing,
        "save_strategy": "steps",
        "save_steps": training.save_every,
        "save_total_limit": KEPT,
        "eval_strategy": "steps" if held_out else "no",
        "eval_steps": training.evaluate_every,
        "eval_on_start": held_out and last_checkpoint(out / CHECKPOINTS) is None,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": [],
        "remove_unused_columns": False,
        "use_cpu": training.device == "cpu",
        "ddp_find_unused_parameters": False,
        "seed": training.seed,
    }


def last_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint that was written to its end: the Trainer's state is written last."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        try:
            state = json.loads((path / "trainer_state.json").read_bytes())
            whole.append((int(state["global_step"]), path))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return max(whole)[1] if whole else None


def run_trainer(trainer: Any, out: Path) -> None:
    """Train to the end, going on from the last checkpoint.

    Raises:
        ModelError: the loss is no number any more.
        RunError: a checkpoint can't be written.
    """
    folder = out / CHECKPOINTS
    checkpoint = last_checkpoint(folder)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except OSError as error:
        remedy = "free space, and start again: it goes on from the last checkpoint"
        raise RunError(f"{folder}: {error.strerror or error}", remedy) from None


def _no_number(step: int, checkpoint: Path | None) -> ModelError:
    kept = f"; {checkpoint} is the last good checkpoint" if checkpoint else ""
    return ModelError(
        f"the loss of step {step} is not a number{kept}",
        "start anew with a lower --lr, or without --bf16",
    )
