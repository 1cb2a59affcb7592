"""Tuning encoder-decoder models: T5, T5-LM-adapt, Tk-Instruct (second paper, section 4.2).

Examples of a like length share a step, and the loss is the mean over all target tokens of a step,
however many passes and processes it takes. Imported only where torch and transformers are there.

Example::

    trainer = tune_seq2seq(model, tokenizer, data, Training(batch=16), Path("tuned"))
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

from seedstep.encode import TokenPair
from seedstep.tune.feed import Feed, rank_and_processes
from seedstep.tune.lora import with_lora
from seedstep.tune.records import Training, TuneWatch, TuningData
from seedstep.tune.trainer import (
    IGNORED,
    Fed,
    run_trainer,
    token_loss,
    training_arguments,
)

__all__ = ["collate", "tune_seq2seq"]


class _Trainer(Fed, Seq2SeqTrainer):
    """Seq2SeqTrainer with our order of examples."""


def collate(pairs: Sequence[TokenPair], *, pad: int, start: int) -> dict[str, torch.Tensor]:
    """Pairs as the tensors of an encoder-decoder model; of none, a row that teaches nothing.

    Masks come from the lengths, so the padding may be any token, end-of-sequence too.
    """
    rows = [(pair.prompt, pair.target) for pair in pairs] or [((pad,), (IGNORED,))]
    source = max(len(prompt) for prompt, _ in rows)
    target = max(len(labels) for _, labels in rows)
    input_ids = torch.full((len(rows), source), pad)
    attention_mask = torch.zeros((len(rows), source), dtype=torch.long)
    labels = torch.full((len(rows), target), IGNORED)
    decoder_input_ids = torch.full((len(rows), target), pad)
    decoder_input_ids[:, 0] = start
    for row, (prompt, learned) in enumerate(rows):
        input_ids[row, : len(prompt)] = torch.tensor(prompt)
        attention_mask[row, : len(prompt)] = 1
        labels[row, : len(learned)] = torch.tensor(learned)
        decoder_input_ids[row, 1 : len(learned)] = torch.tensor(learned[:-1])
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "decoder_input_ids": decoder_input_ids,
        "labels": labels,
    }


def tune_seq2seq(
    model: Any,
    tokenizer: Any,
    data: TuningData,
    training: Training,
    out: Path,
    *,
    watch: TuneWatch | None = None,
    callbacks: Sequence[Any] = (),
) -> Any:
    """Train a model, going on from the last checkpoint in `out` if there is one.

    Returns the Trainer, which holds the tuned model.

    Raises:
        ModelError: the loss is no number any more.
        RunError: a checkpoint can't be written.
    """
    rank, processes = rank_and_processes()
    feed = Feed(data, training, processes=processes, rank=rank)
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    start = model.config.decoder_start_token_id
    held_out = bool(data.held_out)
    trainer = _Trainer(
        model=with_lora(model, training.lora),
        args=Seq2SeqTrainingArguments(**training_arguments(training, feed, out, held_out=held_out)),
        eval_dataset=data.held_out if held_out else None,
        processing_class=tokenizer,
        compute_loss_func=token_loss,
        callbacks=[*callbacks],
    )
    trainer.feed(feed, partial(collate, pad=pad, start=pad if start is None else start), watch)
    run_trainer(trainer, out)
    return trainer
