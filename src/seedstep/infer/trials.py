"""Find out by trials whether a model can share a prefix in a batch, and whether it takes padding.

Short prompts are computed together and alone, and must have the same logits up to rounding noise.
Its amount depends on the type, the weights and the processor. So the difference is compared with
that between computations that differ only in the order of sums. If it is larger with 16-bit
weights, they are converted to 32 bits for the test, and that result counts.

Example::

    print(why_not_shared(model) or "it can share")
"""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig
from transformers.cache_utils import DynamicLayer

from seedstep.encode import ModelSizes
from seedstep.encode.losses import in_32_bits, sees_places, stretched_from
from seedstep.infer.prefix import PrefixBatch, prefix_layers

__all__ = ["attends_apart", "takes_padding", "why_not_shared"]

ALIKE = 1e-4
"""The difference of 32-bit logits, relative to their spread, that is noise without doubt."""

TOLERANCE, TOLERANCE_OF_16_BITS = 1e-3, 0.1
"""The largest difference of logits, relative to their spread, whatever the noise."""

NOISE = 2.0
"""The largest difference of logits, as a multiple of that between orders of sums."""

LENGTHS = (9, 11, 8, 2)
"""The numbers of tokens of the prefix, and of the rests of three prompts."""

PromptTokens = list[list[int]]

Trial = Callable[[Any, PromptTokens, int], tuple[PromptTokens, torch.Tensor]]
"""A function that computes prompts together.

It is called with a model, the prompts, and the length of their common prefix. It returns the
prompts, which may have become longer, and their next logits.
"""


def why_not_shared(model: Any, longest: int = 0) -> str:
    """Return why a model can't share a prefix among a batch, or "" if it can.

    With rows of up to `longest` tokens, models whose positions change in long rows can't.
    """
    config = model.config.get_text_config()
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return "it takes no positions"
    if sees_places(config):
        return "it attends to a window of places in the row"
    if (limit := stretched_from(config)) is not None and limit < longest:
        return f"its positions change in rows of more than {limit:,} tokens"
    layers = DynamicCache(config=model.config).layers
    if not layers or any(type(layer) is not DynamicLayer for layer in layers):
        return "it has layers that do not attend to all earlier tokens"
    return "" if _agrees(model, _behind_a_prefix) else "with a shared prefix it gives other answers"


def attends_apart(model: Any) -> bool:
    """Return whether a model on a processor can attend to a prefix apart from the rest of a row.

    This is for models that can share a prefix, and gives them the same answers faster. It uses an
    operator of PyTorch that gives the sums of a softmax, which later versions may not have.
    """
    config = model.config
    if model.device.type != "cpu" or config._attn_implementation != "sdpa" or config.sub_configs:
        return False
    if not model._can_set_attn_implementation():
        return False
    try:
        return bool(_agrees(model, _behind_a_prefix_apart))
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError):  # another attention
        return False


def takes_padding(model: Any) -> bool:
    """Return whether prompts can be padded on the left, and masked."""
    return bool(_agrees(model, _padded))


def _behind_a_prefix(
    model: Any, prompts: PromptTokens, common: int, *, apart: bool = False
) -> tuple[PromptTokens, torch.Tensor]:
    prefix = prefix_layers(model, prompts[0][:common])
    batch = PrefixBatch(prefix, [prompt[common:] for prompt in prompts], apart=apart)
    return prompts, batch.logits(model)


_behind_a_prefix_apart = partial(_behind_a_prefix, apart=True)


def _padded(model: Any, prompts: PromptTokens, common: int) -> tuple[PromptTokens, torch.Tensor]:
    """Compute padded prompts, and a token after each, so that the cache is tested, too."""
    longest = max(map(len, prompts))
    padding = [longest - len(prompt) for prompt in prompts]
    ids = [[0] * more + prompt for prompt, more in zip(prompts, padding, strict=True)]
    mask = [[0] * more + [1] * (longest - more) for more in padding]
    found = model.generate(
        input_ids=torch.tensor(ids, device=model.device),
        attention_mask=torch.tensor(mask, device=model.device),
        generation_config=GenerationConfig(
            do_sample=False,
            min_new_tokens=2,
            max_new_tokens=2,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        ),
    )
    written = found.sequences[:, longest].tolist()
    longer = [[*prompt, token] for prompt, token in zip(prompts, written, strict=True)]
    return [*prompts, *longer], torch.cat(list(found.logits[:2]))


@torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is Any
def _agrees(model: Any, trial: Trial) -> Any:
    """Return whether prompts have the same logits together as alone."""
    prompts, common = _prompts(model)
    if _is_near(model, *trial(model, prompts, common)):
        return True
    if model.dtype == torch.float32:
        return False
    try:
        with in_32_bits(model):
            return _is_near(model, *trial(model, prompts, common))
    except (MemoryError, RuntimeError):  # there is no room for them
        return False


def _prompts(model: Any) -> tuple[PromptTokens, int]:
    """Return prompts of different lengths with a common prefix, within the model's positions."""
    words = model.get_input_embeddings().num_embeddings
    most = ModelSizes.of_model(model).room(1, sum(LENGTHS))  # one is for a token that is written
    common, *rests = (max(1, min(length, most // 2)) for length in LENGTHS)
    prefix = [(7 * place + 3) % words for place in range(common)]
    return [
        prefix + [(7 * place + start) % words for place in range(length)]
        for start, length in zip((11, 5, 13), rests, strict=True)
    ], common


def _is_near(model: Any, prompts: PromptTokens, together: torch.Tensor) -> bool:
    """Return whether the logits of prompts equal those of each alone, up to rounding noise."""
    for prompt, logits in zip(prompts, together.float(), strict=True):
        alone = _first_logits(model, [prompt], len(prompt))
        spread = float((alone - alone.mean()).norm())
        difference = float((logits - alone).norm())
        if model.dtype == torch.float32 and difference <= ALIKE * spread:
            continue
        orders = _other_orders(prompt, prompts, ModelSizes.of_model(model).room(len(prompt), 5))
        others = (_first_logits(model, rows, len(prompt)) for rows in orders)
        noise = max(float((other - alone).norm()) for other in others)
        most = TOLERANCE if model.dtype == torch.float32 else TOLERANCE_OF_16_BITS
        if not difference <= min(NOISE * noise, most * spread):
            return False
    return True


def _other_orders(prompt: list[int], prompts: PromptTokens, room: int) -> Iterator[PromptTokens]:
    """Yield batches that begin with a prompt and compute it with sums in another order.

    The other rows, and tokens after the prompt, don't change the result of a causal model: neither
    masks nor positions are involved.
    """
    yield [prompt] * len(prompts)
    yield [[*prompt, *[0] * room]]
    longest = max(map(len, prompts))
    yield [[*row, *[0] * (longest - len(row))] for row in (prompt, *prompts)]


def _first_logits(model: Any, rows: PromptTokens, length: int) -> torch.Tensor:
    """Return the logits after the first `length` tokens of the first row."""
    found = model(input_ids=torch.tensor(rows, device=model.device), use_cache=False)
    return torch.as_tensor(found.logits)[0, length - 1].float()
