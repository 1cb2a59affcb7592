"""Tuning encoder-decoder models: T5, T5-LM-adapt, Tk-Instruct (second paper, section 4.2).

Examples of a like length share a step, and the loss is the mean over all target tokens of a step,
however many passes and processes it takes.

Example::

    tune_seq2seq(model, tokenizer, data, Training(batch=16), Path("tuned"))
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from seedstep.encode import TokenPair
from seedstep.tune.batches import divided, length_grouped
from seedstep.tune.records import Training, TuneWatch, TuningData

__all__ = ["collate", "tune_seq2seq"]

IGNORED = -100
"""The label of what is not learned."""


def collate(pairs: Sequence[TokenPair], *, pad: int, start: int) -> dict[str, Any]:
    """Pairs as the tensors of an encoder-decoder model; of none, a row that teaches nothing.

    Masks come from the lengths, so the padding may be any token, end-of-sequence too.
    """
    import torch

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
