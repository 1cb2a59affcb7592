"""Read prompts with a common prefix, which is computed once if the model allows it.

All layers of the model must attend to all earlier tokens; `why_not_shared` detects other models. A
row has the prefix, padding, the rest of the prompt, and the answer. The padding is masked, and the
tokens after it have the positions that they would have without it, so that it changes nothing.

Example::

    prefix = prefix_layers(model, [1, 5, 9])
    batch = PrefixBatch(prefix, [[4, 2], [7]], room=128)
    tokens = batch.logits(model).argmax(-1)
    batch.take(tokens)                                      # and go on, to generate

    batch = PrefixBatch(prefix, [[4, 2, 8], [7, 3]])        # or compute the losses of texts
    batch.losses(model, [[8, 6], [3, 6]])

Before a model predicts, trials test whether it can share a prefix and whether it supports padding.
Short prompts are computed together and alone, and must have the same logits up to rounding noise.
Its amount depends on the type, the weights and the processor. So the difference is compared with
that between computations that differ only in the order of sums. If it is larger with 16-bit
weights, they are converted to 32 bits for the test, and that result counts.

Example::

    print(why_not_shared(model) or "it can share")
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import Cache, DynamicCache, GenerationConfig
from transformers.cache_utils import DynamicLayer

from seedstep.encode import ModelSizes
from seedstep.encode.losses import in_32_bits, sees_places, stretched_from

__all__ = [
    "KeysAndValues",
    "PrefixBatch",
    "bytes_per_token",
    "prefix_layers",
    "takes_padding",
    "why_not_shared",
]


KeysAndValues = tuple[torch.Tensor, torch.Tensor]
"""The keys and values of a layer, each of the form [rows, heads, tokens, width]."""


@torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is Any
def prefix_layers(model: Any, ids: Sequence[int]) -> list[KeysAndValues]:
    """Compute the keys and values of the tokens of a prefix, by layer."""
    cache = DynamicCache(config=model.config)
    tokens = torch.tensor([list(ids)], device=model.device)
    model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return [(layer.keys, layer.values) for layer in cache.layers]


class PrefixBatch:
    """Rows that continue a common prefix, each with its own rest of at least one token."""

    def __init__(
        self, prefix: Sequence[KeysAndValues], rests: Sequence[Sequence[int]], room: int = 0
    ) -> None:
        """`room` is the number of tokens for which space is reserved, for answers."""
        keys = prefix[0][0]
        start, longest, device = keys.shape[-2], max(map(len, rests)), keys.device
        padding = torch.tensor([[longest - len(rest)] for rest in rests], device=device)
        place = torch.arange(longest, device=device)
        known = torch.ones(len(rests), start, dtype=torch.long, device=device)
        self._mask = torch.cat([known, (place >= padding).long()], dim=1)
        self._positions = start + (place - padding).clamp(min=0)
        self._ids = torch.tensor(
            [[0] * (longest - len(rest)) + list(rest) for rest in rests], device=device
        )
        self._cache = Cache(layers=[_Layer(layer, len(rests), longest + room) for layer in prefix])

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def logits(self, model: Any) -> torch.Tensor:
        """Return the logits of each row's next token; call `take` before the next call."""
        return self._read(model, keep=1)[:, -1]

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def losses(self, model: Any, targets: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the cross-entropy of each token of the rows' targets, in nats; call it once.

        The rest of a row has to end with its target, but for the target's last token.
        """
        longest = max(map(len, targets))
        logits = self._read(model, keep=longest)
        return [
            cross_entropy(
                row[longest - len(target) :].float(),
                torch.tensor(list(target), device=row.device),
                reduction="none",
            ).tolist()
            for row, target in zip(logits, targets, strict=True)
        ]

    def _read(self, model: Any, keep: int) -> torch.Tensor:
        """Read tokens that were not read; return the logits after the last `keep` of each row.

        They are named by their places: a slice is not contiguous, and PyTorch would then copy the
        weights of the output layer for each row.
        """
        last = torch.arange(-keep, 0, device=self._ids.device)
        found = model(
            input_ids=self._ids,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=last,
        )
        return torch.as_tensor(found.logits)[:, -keep:]

    def take(self, tokens: torch.Tensor) -> None:
        """Append a token to each row."""
        self._ids = tokens[:, None]
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        self._positions = self._positions[:, -1:] + 1

    def keep(self, rows: Sequence[int]) -> None:
        """Remove all other rows; call it after `take`."""
        chosen = torch.tensor(rows, device=self._ids.device)
        self._cache.batch_select_indices(chosen)
        self._ids, self._mask = self._ids[chosen], self._mask[chosen]
        self._positions = self._positions[chosen]


class _Layer(DynamicLayer):
    """The cache of a layer, with space reserved so that a new token does not copy all of it."""

    def __init__(self, prefix: KeysAndValues, rows: int, room: int) -> None:
        super().__init__()
        self.is_initialized = True
        self._length = prefix[0].shape[-2]
        self.keys, self.values = (_with_room(states, rows, room) for states in prefix)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> KeysAndValues:
        start, self._length = self._length, self._length + key_states.shape[-2]
        if self._length > self.keys.shape[-2]:
            self.keys, self.values = (
                _with_room(states, len(states), self._length) for states in (self.keys, self.values)
            )
        self.keys[..., start : self._length, :] = key_states
        self.values[..., start : self._length, :] = value_states
        return self.keys[..., : self._length, :], self.values[..., : self._length, :]

    def get_seq_length(self) -> int:
        return int(self._length)


def bytes_per_token(prefix: Sequence[KeysAndValues]) -> int:
    """Return the size of the keys and values of a token in a row."""
    return sum(states[0, :, 0].nbytes for layer in prefix for states in layer)


def _with_room(states: torch.Tensor, rows: int, room: int) -> torch.Tensor:
    _, heads, tokens, width = states.shape
    whole = states.new_empty(rows, heads, tokens + room, width)
    whole[..., :tokens, :] = states
    return whole


ALIKE = 1e-4
"""The difference of 32-bit logits, relative to their spread, that is noise without doubt."""

TOLERANCE, TOLERANCE_OF_16_BITS = 1e-3, 0.1
"""The largest difference of logits, relative to their spread, whatever the noise."""

NOISE = 2.0
"""The largest difference of logits, as a multiple of that between orders of sums."""

LENGTHS = (9, 11, 8, 2)
"""The numbers of tokens of the prefix, and of the rests of three prompts."""

Prompts = list[list[int]]

Trial = Callable[[Any, Prompts, int], tuple[Prompts, torch.Tensor]]
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


def takes_padding(model: Any) -> bool:
    """Return whether prompts can be padded on the left, and masked."""
    return bool(_agrees(model, _padded))


def _behind_a_prefix(model: Any, prompts: Prompts, common: int) -> tuple[Prompts, torch.Tensor]:
    prefix = prefix_layers(model, prompts[0][:common])
    batch = PrefixBatch(prefix, [prompt[common:] for prompt in prompts])
    return prompts, batch.logits(model)


def _padded(model: Any, prompts: Prompts, common: int) -> tuple[Prompts, torch.Tensor]:
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


def _prompts(model: Any) -> tuple[Prompts, int]:
    """Return prompts of different lengths with a common prefix, within the model's positions."""
    words = model.get_input_embeddings().num_embeddings
    most = ModelSizes.of_model(model).room(1, sum(LENGTHS))  # one is for a token that is written
    common, *rests = (max(1, min(length, most // 2)) for length in LENGTHS)
    prefix = [(7 * place + 3) % words for place in range(common)]
    return [
        prefix + [(7 * place + start) % words for place in range(length)]
        for start, length in zip((11, 5, 13), rests, strict=True)
    ], common


def _is_near(model: Any, prompts: Prompts, together: torch.Tensor) -> bool:
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


def _other_orders(prompt: list[int], prompts: Prompts, room: int) -> Iterator[Prompts]:
    """Yield batches that begin with a prompt and compute it with sums in another order.

    The other rows, and tokens after the prompt, don't change the result of a causal model: neither
    masks nor positions are involved.
    """
    yield [prompt] * len(prompts)
    yield [[*prompt, *[0] * room]]
    longest = max(map(len, prompts))
    yield [[*row, *[0] * (longest - len(row))] for row in (prompt, *prompts)]


def _first_logits(model: Any, rows: Prompts, length: int) -> torch.Tensor:
    """Return the logits after the first `length` tokens of the first row."""
    found = model(input_ids=torch.tensor(rows, device=model.device), use_cache=False)
    return torch.as_tensor(found.logits)[0, length - 1].float()
