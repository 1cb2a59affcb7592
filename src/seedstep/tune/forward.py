"""Rows through a model: masks that share prefixes, and the loss of each target token.

On a CPU a row sees itself through a dense mask; on a GPU through FlexAttention's block mask, which
skips what is hidden. Logits are made only where a target is predicted: with a vocabulary of 50,000
they are a fifth of a small model's work, and most of its memory.

Example::

    losses = token_losses(model, [make_row(groups)], "sdpa")
    losses.sum() / number_of_target_tokens
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from seedstep.encode.packing import IGNORED, Row, visible

__all__ = ["Attention", "block_mask", "token_losses"]

Attention = Literal["causal", "sdpa", "eager", "flex_attention"]
"""How a row's mask reaches the model; `causal`: not at all, for rows of one example each."""

BLOCK = 128
"""FlexAttention's block: rows are filled up to a multiple of it."""


def token_losses(model: Any, rows: Sequence[Row], attention: Attention) -> Any:
    """The cross-entropy of every target token of some rows, as one float32 tensor.

    `model` is called as it is, so that the wrappers of distributed training see the call.
    """
    width = max(len(row) for row in rows)
    if attention == "flex_attention":
        width += -width % BLOCK
    device = next(model.parameters()).device

    def stacked(columns: Sequence[NDArray[np.int64]], filling: int) -> Any:
        return torch.from_numpy(_filled(columns, width, filling)).to(device)

    labels = stacked([row.labels for row in rows], IGNORED)
    predicts = labels != IGNORED
    arguments: dict[str, Any] = {"input_ids": stacked([row.tokens for row in rows], 0)}
    if attention != "causal":
        arguments["position_ids"] = stacked([row.positions for row in rows], 0)
        arguments["attention_mask"] = _mask(rows, width, attention, model, device)
    logits = model(**arguments, use_cache=False, logits_to_keep=predicts).logits
    return cross_entropy(logits.float(), labels[predicts], reduction="none")


def block_mask(rows: Sequence[Row], width: int, device: Any) -> Any:
    """What `visible` says, for FlexAttention; what fills a row up sees what fills it up."""
    from torch.nn.attention.flex_attention import create_block_mask

    segment = torch.from_numpy(_filled([row.segment for row in rows], width, -1)).to(device)
    parent = torch.from_numpy(_filled([row.parent for row in rows], width, -1)).to(device)

    def sees(row: Any, head: Any, query: Any, key: Any) -> Any:
        of_own = segment[row, key] == segment[row, query]
        of_prefix = segment[row, key] == parent[row, query]
        return (key <= query) & (of_own | of_prefix)

    return create_block_mask(sees, len(rows), None, width, width, device=device, BLOCK_SIZE=BLOCK)


def _mask(rows: Sequence[Row], width: int, attention: Attention, model: Any, device: Any) -> Any:
    if attention == "flex_attention":
        return block_mask(rows, width, device)
    seen = np.zeros((len(rows), 1, width, width), dtype=np.bool_)
    seen[:, :, range(width), range(width)] = True
    for place, row in enumerate(rows):
        seen[place, 0, : len(row), : len(row)] = visible(row)
    mask = torch.from_numpy(seen).to(device)
    if attention == "sdpa":
        return mask
    dtype = next(model.parameters()).dtype  # `eager` adds the mask to the scores
    return torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill(
        ~mask, torch.finfo(dtype).min
    )


def _filled(columns: Sequence[NDArray[np.int64]], width: int, filling: int) -> NDArray[np.int64]:
    whole = np.full((len(columns), width), filling, dtype=np.int64)
    for place, column in enumerate(columns):
        whole[place, : len(column)] = column
    return whole
