"""Compute the loss of each target token: in packed rows, or in pairs for encoder-decoder models.

In a packed row of a decoder-only model the instances of a task follow one copy of their prefix
(section 3.4 and appendix D of the second paper). `shared_attention` prepares a model for such rows,
and raises an error if its losses would not be exact.

Example::

    attention = shared_attention(model, longest=1024)
    losses = token_losses(model, [make_row(groups)], attention)
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from inspect import signature
from itertools import chain
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from seedstep.data.choice import generator
from seedstep.encode.budget import ModelSizes
from seedstep.encode.packing import IGNORED, PackedGroup, PackedRow, group_pairs, make_row, visible
from seedstep.encode.settings import TokenPair
from seedstep.errors import InputError

__all__ = [
    "Attention",
    "block_mask",
    "collate",
    "in_32_bits",
    "pair_losses",
    "require_sharing",
    "sees_places",
    "shared_attention",
    "sharing_obstacle",
    "stretched_from",
    "token_losses",
]

Attention = Literal["causal", "sdpa", "eager", "flex_attention"]
"""How a row's mask is passed to the model; `causal`: no mask, for rows of one example each."""

BLOCK = 128
"""The block size of FlexAttention; rows are padded to a multiple of it."""


def token_losses(model: Any, rows: Sequence[PackedRow], attention: Attention) -> Any:
    """Return the cross-entropy of every target token of some rows, as a float32 tensor.

    `model` itself is called, so that the wrappers of distributed training are used.
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


def block_mask(rows: Sequence[PackedRow], width: int, device: Any) -> Any:
    """Return the mask of `visible` for FlexAttention; padding attends to padding."""
    from torch.nn.attention.flex_attention import create_block_mask

    segment = torch.from_numpy(_filled([row.segment for row in rows], width, -1)).to(device)
    parent = torch.from_numpy(_filled([row.parent for row in rows], width, -1)).to(device)

    def sees(row: Any, head: Any, query: Any, key: Any) -> Any:
        of_own = segment[row, key] == segment[row, query]
        of_prefix = segment[row, key] == parent[row, query]
        return (key <= query) & (of_own | of_prefix)

    return create_block_mask(sees, len(rows), None, width, width, device=device, BLOCK_SIZE=BLOCK)


def _mask(
    rows: Sequence[PackedRow], width: int, attention: Attention, model: Any, device: Any
) -> Any:
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


ATTENDING = {"full_attention", "sliding_attention", "dense", "sparse"}
"""The kinds of layers that use other tokens through mask and positions only, or not at all."""

DROPOUTS = ("dropout", "attention_dropout", "activation_dropout", "hidden_dropout", "layerdrop")
"""Names of dropout in configurations, for models whose modules don't show it."""

TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 2e-1}
"""The largest mean difference of a token's loss in the trial, in nats, by type of weights.

With 16-bit weights it is also at most `NOISE` times that between plain orders of computation.

SmolLM2-135M differs by 3e-6 in float32 and by 0.06 in bfloat16; without the mask by 0.7, without
the positions by 0.4.
"""

NOISE = 2.0

TRIAL_TOKENS = 32
"""The examples of the trial have fewer tokens."""

STRETCHED = ("dynamic", "longrope")
"""The kinds of rotary embeddings that depend on the longest position of a row."""


def shared_attention(model: Any, longest: int) -> Attention:
    """Prepare the model for packed rows of examples of up to `longest` tokens.

    Raises:
        InputError: the model can't, with the reason.
    """
    require_sharing(model, longest)
    attention = _choose(model)
    if reason := _difference(model, attention):
        raise _refusal(model, reason)
    return attention


def require_sharing(model: Any, longest: int) -> None:
    """Check that the model's configuration allows packed rows.

    Raises:
        InputError: it does not allow them; the message has the reason.
    """
    if reason := sharing_obstacle(model, longest):
        raise _refusal(model, reason)


def _refusal(model: Any, reason: str) -> InputError:
    return InputError(
        f"{type(model).__name__} can't train several instances behind one prefix: {reason}",
        "--share 1 trains it one example a row",
    )


def sharing_obstacle(model: Any, longest: int) -> str | None:
    """Return why packed rows would not be exact with the model's configuration, or None.

    `longest` is the length of the longest example, in tokens; an attention window of that length or
    more hides no token.
    """
    return next(_obstacles(model, longest), None)


def _obstacles(model: Any, longest: int) -> Iterator[str]:
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    if getattr(model, "_is_stateful", False):
        yield "it has a recurrent state, which all tokens of a row go through"
    if other := kinds - ATTENDING:
        yield f"it has layers of kind {', '.join(sorted(other))}"
    if getattr(config, "alibi", False) or "position_ids" not in signature(model.forward).parameters:
        yield "it has no positions that can be set, as with ALiBi"
    if sees_places(config):
        yield "it attends to a window of places in the row"
    window = _window(config, kinds)
    if window is not None and window < longest:
        yield f"its attention sees {window:,} tokens, and the longest example has {longest:,}"
    if (limit := stretched_from(config)) is not None and limit < longest:
        yield f"its positions change in rows of more than {limit:,} tokens"
    if dropout := _dropout(model, config):
        yield f"its dropout of {dropout:g} would be the same for all instances behind a prefix"


def sees_places(config: Any) -> bool:
    """Return whether a layer attends to the nearest places, whatever stands there (GPT-Neo)."""
    return "local" in (getattr(config, "attention_layers", None) or ())


def _window(config: Any, kinds: set[str]) -> int | None:
    window: int | None = getattr(config, "sliding_window", None)
    unused = getattr(config, "use_sliding_window", True) is False
    if unused or (kinds and "sliding_attention" not in kinds):
        return None
    return window


def stretched_from(config: Any) -> int | None:
    """Return the length of a row from which on positions are scaled; None if they never are."""
    rope = getattr(config, "rope_parameters", None) or {}
    for rotary in (rope, *(value for value in rope.values() if isinstance(value, dict))):
        if rotary.get("rope_type") in STRETCHED:
            default = config.max_position_embeddings
            return int(rotary.get("original_max_position_embeddings") or default)
    return None


def _dropout(model: Any, config: Any) -> float:
    named = [getattr(config, name, None) or 0.0 for name in DROPOUTS]
    modules = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    return float(max([*named, *modules]))


def _choose(model: Any) -> Attention:
    """Choose FlexAttention on a GPU; on a CPU, or if a model lacks it, one with a dense mask."""
    if next(model.parameters()).is_cuda and model._supports_flex_attn:
        model.set_attn_implementation("flex_attention")
        return "flex_attention"
    if model.config._attn_implementation not in ("sdpa", "eager"):
        model.set_attn_implementation("sdpa" if model._supports_sdpa else "eager")
    return "sdpa" if model.config._attn_implementation == "sdpa" else "eager"


def _difference(model: Any, attention: Attention) -> str | None:
    """Compare the losses of a packed row of two small tasks with those of one example in each row.

    If losses with 16-bit weights differ, it may be rounding noise: then 32-bit weights decide.
    """
    sizes = ModelSizes.of_model(model)
    prefix = min(TRIAL_TOKENS // 2, max(1, (sizes.whole or TRIAL_TOKENS) - 8))
    pairs = _trial(model.config.get_text_config().vocab_size, prefix)
    groups = group_pairs(pairs, share=len(pairs), row_tokens=len(pairs) * TRIAL_TOKENS)
    alone = [make_row([PackedGroup((pair,), 0)]) for group in groups for pair in group.pairs]

    def tried() -> str | None:
        dtype = next(model.parameters()).dtype
        with torch.no_grad():
            shared = token_losses(model, [make_row(groups)], attention)
            plain = token_losses(model, alone, "causal")
            difference, tolerance = float((shared - plain).abs().mean()), TOLERANCE[dtype]
            if dtype != torch.float32:
                other = torch.cat([token_losses(model, [row], "causal") for row in alone])
                noise = float((other - plain).abs().mean())
                tolerance = min(tolerance, max(TOLERANCE[torch.float32], NOISE * noise))
        if difference <= tolerance:
            return None
        return f"in a trial its losses differ by {difference:.2g}, more than {tolerance:g}"

    was_training = model.training
    model.eval()
    try:
        reason = tried()
        if reason and next(model.parameters()).dtype != torch.float32:
            with suppress(MemoryError, RuntimeError), in_32_bits(model):
                reason = tried()
    finally:
        model.train(was_training)
    return reason


@contextmanager
def in_32_bits(model: Any) -> Iterator[None]:
    """Convert all weights to 32 bits, and back at the end of the context, without a change."""
    changed = []
    try:
        for tensor in chain(model.parameters(), model.buffers()):
            if tensor.is_floating_point() and tensor.dtype != torch.float32:
                changed.append((tensor, tensor.dtype))
                tensor.data = tensor.data.float()
        yield
    finally:
        for tensor, dtype in changed:
            tensor.data = tensor.data.to(dtype)


def _trial(vocabulary: int, common: int) -> list[TokenPair]:
    """Return instances of two tasks, of random tokens, after `common` tokens that are the same."""
    chance = generator(0)
    pairs = []
    for task in ("a", "b"):
        prefix = chance.choices(range(vocabulary), k=common)
        for instance in range(3):
            rest = chance.choices(range(vocabulary), k=2 + instance)
            target = chance.choices(range(vocabulary), k=4 - instance)
            pairs.append(TokenPair(task, str(instance), (*prefix, *rest), tuple(target)))
    return pairs


def pair_losses(model: Any, pairs: Sequence[TokenPair], *, pad: int, start: int) -> torch.Tensor:
    """Return the cross-entropy of every target token of some pairs, as a float32 tensor."""
    inputs = collate(pairs, pad=pad, start=start)
    device = next(model.parameters()).device
    inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
    labels = inputs.pop("labels")
    logits = model(**inputs, use_cache=False).logits
    learned = labels != IGNORED
    return cross_entropy(logits[learned].float(), labels[learned], reduction="none")


def collate(pairs: Sequence[TokenPair], *, pad: int, start: int) -> dict[str, torch.Tensor]:
    """Return pairs as the tensors of an encoder-decoder model; without pairs, a row without labels.

    Masks are made from the lengths, so the padding may be any token, also end-of-sequence.
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
