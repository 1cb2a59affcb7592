"""Whether a model can share prefixes: by what its configuration says, and by trying.

A packed row gives each token its position and what it sees. That is all that a transformer with
full attention and positions of its own knows of a token's place. It is not so where a model has a
recurrent state, derives positions from places in the row (ALiBi), or sees only a window.

Example::

    attention = shared_attention(model, longest=1352)  # "sdpa"
"""

import random
from collections.abc import Iterator
from inspect import signature
from typing import Any

import torch

from seedstep.encode import TokenPair
from seedstep.encode.packing import Group, group_pairs, make_row
from seedstep.errors import InputError
from seedstep.tune.forward import Attention, token_losses

__all__ = ["require_sharing", "shared_attention", "sharing_obstacle"]

ATTENDING = {"full_attention", "sliding_attention", "dense", "sparse"}
"""Kinds of layers that know other tokens by mask and position, or not at all."""

DROPOUTS = ("dropout", "attention_dropout", "activation_dropout", "hidden_dropout", "layerdrop")
"""What configurations call it where no module of the model shows it."""

TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 2e-1}
"""Nats by which a token's loss may differ, in the mean over the tokens of the trial.

SmolLM2-135M differs by 3e-6 in float32 and by 0.06 in bfloat16; without the mask by 0.7, without
the positions by 0.4.
"""

TRIAL_TOKENS = 32
"""An example of the trial is shorter than that."""

STRETCHED = ("dynamic", "longrope")
"""Kinds of rotary embeddings that change with the longest position of a row."""


def shared_attention(model: Any, longest: int) -> Attention:
    """Set the model up to take packed rows of examples of up to `longest` tokens.

    Raises:
        InputError: the model can't, with the reason.
    """
    require_sharing(model, longest)
    attention = _choose(model)
    if reason := _difference(model, attention):
        raise _refusal(model, reason)
    return attention


def require_sharing(model: Any, longest: int) -> None:
    """Make sure that nothing in the model's configuration is in the way.

    Raises:
        InputError: something is.
    """
    if reason := sharing_obstacle(model, longest):
        raise _refusal(model, reason)


def _refusal(model: Any, reason: str) -> InputError:
    return InputError(
        f"{type(model).__name__} can't train several instances behind one prefix: {reason}",
        "--share 1 trains it one example a row",
    )


def sharing_obstacle(model: Any, longest: int) -> str | None:
    """Why packed rows would not be exact, by the model's kind and configuration; None if nothing.

    `longest` is the length of the longest example, in tokens: a window that is not shorter than
    that hides nothing.
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
    if "local" in (getattr(config, "attention_layers", None) or ()):
        yield "it attends to a window of places in the row"
    window = _window(config, kinds)
    if window is not None and window < longest:
        yield f"its attention sees {window:,} tokens, and the longest example has {longest:,}"
    if (limit := _stretched_from(config)) is not None and limit < longest:
        yield f"its positions change in rows of more than {limit:,} tokens"
    if dropout := _dropout(model, config):
        yield f"its dropout of {dropout:g} would be the same for all instances behind a prefix"


def _window(config: Any, kinds: set[str]) -> int | None:
    window: int | None = getattr(config, "sliding_window", None)
    unused = getattr(config, "use_sliding_window", True) is False
    if unused or (kinds and "sliding_attention" not in kinds):
        return None
    return window


def _stretched_from(config: Any) -> int | None:
    rope = getattr(config, "rope_parameters", None) or {}
    for one in (rope, *(value for value in rope.values() if isinstance(value, dict))):
        if one.get("rope_type") in STRETCHED:
            default = config.max_position_embeddings
            return int(one.get("original_max_position_embeddings") or default)
    return None


def _dropout(model: Any, config: Any) -> float:
    named = [getattr(config, name, None) or 0.0 for name in DROPOUTS]
    modules = [one.p for one in model.modules() if isinstance(one, torch.nn.Dropout)]
    return float(max([*named, *modules]))


def _choose(model: Any) -> Attention:
    """FlexAttention on a GPU; on a CPU, or where a model lacks it, what takes a dense mask."""
    if next(model.parameters()).is_cuda and model._supports_flex_attn:
        model.set_attn_implementation("flex_attention")
        return "flex_attention"
    if model.config._attn_implementation not in ("sdpa", "eager"):
        model.set_attn_implementation("sdpa" if model._supports_sdpa else "eager")
    return "sdpa" if model.config._attn_implementation == "sdpa" else "eager"


def _difference(model: Any, attention: Attention) -> str | None:
    """Try it: one packed row of two small tasks against one example a row."""
    pairs = _trial(model.config.get_text_config().vocab_size)
    groups = group_pairs(pairs, share=len(pairs), row_tokens=len(pairs) * TRIAL_TOKENS)
    alone = [make_row([Group((pair,), 0)]) for group in groups for pair in group.pairs]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            shared = token_losses(model, [make_row(groups)], attention)
            plain = token_losses(model, alone, "causal")
    finally:
        model.train(was_training)
    difference = float((shared - plain).abs().mean())
    tolerance = TOLERANCE[next(model.parameters()).dtype]
    if difference <= tolerance:
        return None
    return f"in a trial its losses differ by {difference:.2g}, more than {tolerance:g}"


def _trial(vocabulary: int) -> list[TokenPair]:
    """Instances of two tasks, of random tokens."""
    chance = random.Random(0)  # noqa: S311
    pairs = []
    for task in ("a", "b"):
        prefix = chance.choices(range(vocabulary), k=TRIAL_TOKENS // 2)
        for instance in range(3):
            rest = chance.choices(range(vocabulary), k=2 + instance)
            target = chance.choices(range(vocabulary), k=4 - instance)
            pairs.append(TokenPair(task, str(instance), (*prefix, *rest), tuple(target)))
    return pairs
