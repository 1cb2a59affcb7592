"""Generate for a batch of prompts with a common prefix, whose keys and values are computed once.

All layers of the model must attend to all earlier tokens; `infer.trials` detects other models. A
row has the prefix, padding, the rest of the prompt, and the answer. The padding is masked, and the
tokens after it have the positions that they would have without it, so that it changes nothing.

Example::

    prefix = prefix_layers(model, [1, 5, 9])
    batch = PrefixBatch(prefix, [[4, 2], [7]], room=128)
    tokens = batch.logits(model).argmax(-1)
    batch.take(tokens)
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

__all__ = [
    "KeysAndValues",
    "PrefixBatch",
    "prefix_layers",
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
        self, prefix: Sequence[KeysAndValues], rests: Sequence[Sequence[int]], room: int
    ) -> None:
        """`room` is the number of tokens for which space is reserved."""
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
        found = model(
            input_ids=self._ids,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return torch.as_tensor(found.logits)[:, -1]

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


def _with_room(states: torch.Tensor, rows: int, room: int) -> torch.Tensor:
    _, heads, tokens, width = states.shape
    whole = states.new_empty(rows, heads, tokens + room, width)
    whole[..., :tokens, :] = states
    return whole
