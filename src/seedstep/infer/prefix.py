"""Read prompts with a common prefix, which is computed once if the model allows it.

All layers of the model must attend to all earlier tokens; `trials` detects other models. A row has
the prefix, padding, the rest of the prompt, and the answer. The padding is masked, and the tokens
after it have the positions that they would have without it, so that it changes nothing.

Example::

    prefix = prefix_layers(model, [1, 5, 9])
    batch = PrefixBatch(prefix, [[4, 2], [7]], room=128)
    tokens = batch.logits(model).argmax(-1)
    batch.take(tokens)                                      # and go on, to generate

    batch = PrefixBatch(prefix, [[4, 2, 8], [7, 3]], apart=attends_apart(model))
    batch.losses(model, [[8, 6], [3, 6]])                   # or compute the losses of texts
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import AttentionInterface, AttentionMaskInterface, Cache, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.masking_utils import sdpa_mask

__all__ = [
    "KeysAndValues",
    "PrefixBatch",
    "bytes_per_token",
    "prefix_layers",
]


LOGIT_ROWS = 8
"""The tokens whose logits become losses at a time: with 50,000 tokens, 1.6 MB of 32 bits."""

KeysAndValues = tuple[torch.Tensor, torch.Tensor]
"""The keys and values of a layer, each of the form [rows, heads, tokens, width]."""


@torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is Any
def prefix_layers(model: Any, ids: Sequence[int]) -> list[KeysAndValues]:
    """Compute the keys and values of the tokens of a prefix, by layer."""
    cache = DynamicCache(config=model.config)
    tokens = torch.tensor([list(ids)], device=model.device)
    last = torch.tensor([-1], device=model.device)  # a slice would copy the output layer's weights
    model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=last)
    return [(layer.keys, layer.values) for layer in cache.layers]


class PrefixBatch:
    """Rows that continue a common prefix, each with its own rest of at least one token."""

    def __init__(
        self,
        prefix: Sequence[KeysAndValues],
        rests: Sequence[Sequence[int]],
        room: int = 0,
        *,
        apart: bool = False,
    ) -> None:
        """`room` is the number of tokens for which space is reserved, for answers.

        With `apart`, of a model that `attends_apart`, the prefix is not copied to each row. The
        batch can then be read only once.
        """
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
        self._apart = _Apart(prefix, place, padding) if apart else None
        self._cache = Cache(
            layers=[
                _LayerApart(start) if apart else _Layer(layer, len(rests), longest + room)
                for layer in prefix
            ]
        )

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
            _losses(row[longest - len(target) :], torch.tensor(list(target), device=row.device))
            for row, target in zip(logits, targets, strict=True)
        ]

    def _read(self, model: Any, keep: int) -> torch.Tensor:
        """Read tokens that were not read; return the logits after the last `keep` of each row.

        They are named by their places: a slice is not contiguous, and PyTorch would then copy the
        weights of the output layer for each row.
        """
        last = torch.arange(-keep, 0, device=self._ids.device)
        with self._apart.attended(model) if self._apart else nullcontext():
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


def _losses(logits: torch.Tensor, targets: torch.Tensor) -> list[float]:
    """Return the cross-entropy of targets, computed in parts that fit into a processor's cache."""
    parts = zip(logits.split(LOGIT_ROWS), targets.split(LOGIT_ROWS), strict=True)
    return [
        loss
        for part, wanted in parts
        for loss in cross_entropy(part.float(), wanted, reduction="none").tolist()
    ]


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


APART = "seedstep_apart"
"""The name of the attention to a prefix apart from the rest of a row, in transformers' tables."""


class _Apart:
    """A prefix that all rows attend to together, apart from the rests of the rows.

    The queries of all rows, and of all heads with the same keys, are one matrix, and see all of the
    prefix. What they see of their own row is computed beside it; the logarithms of the sums of both
    softmaxes weigh the two. All in 32 bits.
    """

    def __init__(
        self, prefix: Sequence[KeysAndValues], place: torch.Tensor, padding: torch.Tensor
    ) -> None:
        self._prefix = prefix
        own = (place <= place[:, None]) & (place >= padding[:, :, None])
        own |= place == place[:, None]  # padding sees itself: a row of no weights is no number
        self._own = torch.zeros(own.shape).masked_fill(~own, float("-inf"))[:, None]

    @contextmanager
    def attended(self, model: Any) -> Iterator[None]:
        """Let the model attend to this prefix."""
        usual = model.config._attn_implementation
        token = _attended.set(self)
        try:
            model.set_attn_implementation(APART)
            yield
        finally:
            _attended.reset(token)
            model.set_attn_implementation(usual)

    def attend(
        self, layer: int, query: torch.Tensor, own: KeysAndValues, scale: float | None
    ) -> torch.Tensor:
        """Return what the queries of a layer see: [rows, tokens, heads, width]."""
        rows, heads, _, width = query.shape
        shared = own[0].shape[1]
        asked = query.float()
        together = asked.reshape(rows, shared, -1, width).transpose(0, 1)
        first, first_sum = _flash(
            together.reshape(1, shared, -1, width), *_in_32_bits(self._prefix[layer]), scale=scale
        )
        repeated = (each.repeat_interleave(heads // shared, dim=1) for each in _in_32_bits(own))
        second, second_sum = _flash(asked, *repeated, attn_mask=self._own, scale=scale)
        first = first.reshape(shared, rows, -1, width).transpose(0, 1).reshape(second.shape)
        first_sum = first_sum.reshape(shared, rows, -1).transpose(0, 1).reshape(second_sum.shape)
        seen = torch.lerp(second, first, torch.sigmoid(first_sum - second_sum)[..., None])
        return seen.to(query.dtype).transpose(1, 2).contiguous()


_attended: ContextVar[_Apart] = ContextVar("attended")


def _in_32_bits(states: KeysAndValues) -> KeysAndValues:
    keys, values = states
    return keys.float(), values.float()


def _flash(*states: torch.Tensor, **named: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return attention, and the logarithms of the sums of its softmax."""
    found: tuple[torch.Tensor, torch.Tensor] = (
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(*states, **named)
    )
    return found


def _attend_apart(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    **others: object,
) -> tuple[torch.Tensor, None]:
    """Attend as scaled dot-product attention does, to the prefix apart.

    Raises:
        ValueError: the model wants another attention: with a mask of its own, weights of heads, or
            anything else that this would leave out.
    """
    masked = attention_mask is not None and (
        attention_mask.dtype != torch.bool or attention_mask.shape[1] != 1
    )
    left_out = [name for name in OTHER_ATTENTION if others.get(name) is not None]
    if masked or dropout or left_out:
        raise ValueError("another attention")
    return _attended.get().attend(module.layer_idx, query, (key, value), scaling), None


OTHER_ATTENTION = ("position_bias", "s_aux", "sliding_window", "softcap")
"""What models give to functions of attention where it is not that of all tokens by their keys."""

AttentionInterface.register(APART, _attend_apart)
AttentionMaskInterface.register(APART, sdpa_mask)


class _LayerApart(DynamicLayer):
    """The cache of a layer whose prefix is attended to apart: it has the length only."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.is_initialized = True
        self._start = start

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> KeysAndValues:
        return key_states, value_states

    def get_seq_length(self) -> int:
        return self._start


def bytes_per_token(prefix: Sequence[KeysAndValues]) -> int:
    """Return the size of the keys and values of a token in a row."""
    return sum(states[0, :, 0].nbytes for layer in prefix for states in layer)


def _with_room(states: torch.Tensor, rows: int, room: int) -> torch.Tensor:
    _, heads, tokens, width = states.shape
    whole = states.new_empty(rows, heads, tokens + room, width)
    whole[..., :tokens, :] = states
    return whole
