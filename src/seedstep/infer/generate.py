"""A batch of prompts that begin alike: what they have in common is computed once.

Only for models whose every layer attends to all earlier tokens; `why_not_shared` tells the others.
A row is laid out as prefix, padding, rest of the prompt, answer: the padding is masked, and what
comes after it has the positions that it would have without, so that it changes nothing.

Example::

    prefix = prefix_layers(model, [1, 5, 9])
    batch = PrefixBatch(prefix, [[4, 2], [7]], room=128)
    tokens = batch.logits(model).argmax(-1)
    batch.take(tokens)
"""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from transformers import Cache, DynamicCache, GenerationConfig
from transformers.cache_utils import DynamicLayer

from seedstep.encode import ModelSizes
from seedstep.text.cleaning import is_thought_mark, split_thoughts

__all__ = [
    "Checkpoint",
    "GeneratedText",
    "KeysAndValues",
    "PrefixBatch",
    "before_stop",
    "prefix_layers",
    "why_not_shared",
]

KeysAndValues = tuple[torch.Tensor, torch.Tensor]
"""Of one layer, each of the form [rows, heads, tokens, width]."""

TOLERANCE = 1e-3
"""How far logits may be off that are computed in another order, relative to their spread."""

TOLERANCE_HALF = 5e-2
"""The same for types of 16 bits."""


def why_not_shared(model: Any) -> str:
    """Empty where a prefix can be shared among a batch; else why not.

    What short prompts give with a shared prefix and padding is compared with what each gives
    alone, so that a model built in a way unknown here is found out.
    """
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return "it takes no positions"
    layers = DynamicCache(config=model.config).layers
    if not layers or any(type(layer) is not DynamicLayer for layer in layers):
        return "it has layers that do not attend to all earlier tokens"
    return "" if _agrees(model) else "with a shared prefix it gives other answers"


@torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is Any
def prefix_layers(model: Any, ids: Sequence[int]) -> list[KeysAndValues]:
    """The keys and values of the tokens of a prefix, by layer."""
    cache = DynamicCache(config=model.config)
    tokens = torch.tensor([list(ids)], device=model.device)
    model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return [(layer.keys, layer.values) for layer in cache.layers]


class PrefixBatch:
    """Rows that go on from one prefix, each with its own rest, of at least one token."""

    def __init__(
        self, prefix: Sequence[KeysAndValues], rests: Sequence[Sequence[int]], room: int
    ) -> None:
        """`room` is the number of tokens that are likely to be taken."""
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
        """What each row says of its next token; to be followed by `take`."""
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
        """Go on with one token for each row."""
        self._ids = tokens[:, None]
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        self._positions = self._positions[:, -1:] + 1

    def keep(self, rows: Sequence[int]) -> None:
        """Leave out all other rows, after `take`."""
        chosen = torch.tensor(rows, device=self._ids.device)
        self._cache.batch_select_indices(chosen)
        self._ids, self._mask = self._ids[chosen], self._mask[chosen]
        self._positions = self._positions[chosen]


class _Layer(DynamicLayer):
    """A layer with room for what is to come, so that a new token does not copy the whole cache."""

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


@torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is Any
def _agrees(model: Any) -> bool:
    """Whether short prompts of different lengths get the logits that they get alone."""
    words = model.get_input_embeddings().num_embeddings
    prefix, *rests = (
        [(7 * place + start) % words for place in range(length)]
        for start, length in ((3, 9), (11, 6), (5, 2))
    )
    shared = PrefixBatch(prefix_layers(model, prefix), rests, room=0).logits(model).float()
    tolerance = TOLERANCE if model.dtype == torch.float32 else TOLERANCE_HALF
    for row, rest in zip(shared, rests, strict=True):
        tokens = torch.tensor([prefix + rest], device=model.device)
        alone = model(input_ids=tokens, use_cache=False).logits[0, -1].float()
        if not (row - alone).norm() <= tolerance * (alone - alone.mean()).norm():
            return False
    return True


Prompt = Sequence[int]
"""Token ids."""

_Written = tuple[Sequence[int], list[list[int]]]
"""Places of prompts, and the token ids written for each."""


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """What a model wrote, stripped. `cut` where it had not come to an end.

    `thoughts` were taken out of the text; `tokens` are those of all that was written.
    """

    text: str
    cut: bool
    thoughts: str = ""
    tokens: int = field(default=0, compare=False)

    @property
    def used_up_by_thinking(self) -> bool:
        """True where nothing but thoughts came before the limit of tokens."""
        return self.cut and bool(self.thoughts) and not self.text


THINKING_ROOM = 4096
"""Tokens added to the limit of an answer that begins with thoughts, as for served models."""


class Checkpoint:
    """A model that answers prompts. It is moved to the GPU where there is one.

    `note` says why a prefix is not shared; it is empty where it is, or can't be for any model of
    this kind.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        new_tokens: int = 128,
        stop: Sequence[str] = (),
        batch: int = 16,
        ends: Iterable[int] = (),
        opened: str = "",
        room: int | None = None,
    ) -> None:
        """An answer has `new_tokens` at the most, and ends before a text of `stop`.

        It ends at the end-of-sequence tokens that model and tokenizer name, and at `ends`. A prompt
        may end with `opened`, the mark at which thoughts begin. An answer that begins with thoughts
        has `room` tokens more.
        """
        self._model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._tokenizer = tokenizer
        self._new_tokens = new_tokens
        self._stop = tuple(stop)
        self._batch = batch
        self._opened = opened
        self._room = THINKING_ROOM if room is None else room
        self._ends = _end_tokens(model, tokenizer) | frozenset(ends)
        self._silent = _silent_tokens(tokenizer, self._ends)
        self._sizes = ModelSizes.of_model(model)
        model.generation_config = _greedy(model, self._ends)
        self.is_decoder_only = not model.config.is_encoder_decoder
        self.note = why_not_shared(model) if self.is_decoder_only else ""

    def fault(self, prompt: Prompt) -> str:
        """Why a prompt can't be answered; empty if it can."""
        if long := self._sizes.too_long(len(prompt), self._new_tokens):
            return f"{long}: lower max_source or max_new_tokens"
        if unknown := self._sizes.unknown_token(prompt):
            return f"{unknown}: give the checkpoint its own tokenizer"
        return ""

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[list[tuple[int, GeneratedText]]]:
        """The answers to a task's prompts with their places, in batches, short prompts first."""
        common = _common_length(prompts)
        if self.is_decoder_only and not self.note and common:
            found = self._sharing(prompts, common)
        else:
            found = self._whole(prompts)
        for places, rows in found:
            answers = (self._generated(ids) for ids in rows)
            yield list(zip(places, answers, strict=True))

    def _sharing(self, prompts: Sequence[Prompt], common: int) -> Iterator[_Written]:
        """Answers to prompts whose first `common` tokens are the same."""
        prefix = prefix_layers(self._model, prompts[0][:common])
        for places in _batches(_by_length(prompts), self._batch):
            rests = [prompts[place][common:] for place in places]
            most = [self._most(prompts[place]) for place in places]
            yield places, self._continue(prefix, rests, most)

    def _continue(
        self, prefix: Sequence[KeysAndValues], rests: Sequence[Prompt], most: Sequence[int]
    ) -> list[list[int]]:
        """What the model writes after a prefix and each of the rests, of `most` tokens each."""
        batch = PrefixBatch(prefix, rests, room=self._new_tokens)
        written: list[list[int]] = [[] for _ in rests]
        rows = list(range(len(rests)))  # whose answer each row of the batch is
        unfinished = set(rows)
        while True:
            tokens = batch.logits(self._model).argmax(-1)
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if row in unfinished:
                    written[row].append(token)
                    if self._is_finished(written[row], most[row]):
                        unfinished.remove(row)
            if not unfinished:
                return written
            batch.take(tokens)
            if len(unfinished) <= len(rows) // 2:  # it copies the cache, so not for each row
                batch.keep([place for place, row in enumerate(rows) if row in unfinished])
                rows = [row for row in rows if row in unfinished]

    def _whole(self, prompts: Sequence[Prompt]) -> Iterator[_Written]:
        """Answers to prompts that share nothing; for a decoder-only model none is padded."""
        places = _by_length(prompts)
        groups = [places]
        if self.is_decoder_only:
            groups = [[*group] for _, group in groupby(places, lambda place: len(prompts[place]))]
        for group in groups:
            for batch in _batches(group, self._batch):
                yield batch, self._generate([prompts[place] for place in batch])

    @torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is Any
    def _generate(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        longest = max(map(len, prompts))
        padding = [longest - len(prompt) for prompt in prompts]
        ids = [[*prompt, *[0] * more] for prompt, more in zip(prompts, padding, strict=True)]
        mask = [[1] * (longest - more) + [0] * more for more in padding]
        start = longest if self.is_decoder_only else 1  # a decoder begins with a token of its own
        most = [self._most(prompt) for prompt in prompts]
        found = self._model.generate(
            input_ids=torch.tensor(ids, device=self._model.device),
            attention_mask=torch.tensor(mask, device=self._model.device),
            max_new_tokens=max(most),
            stopping_criteria=[lambda rows, _: self._are_finished(rows[:, start:], most)],
        )
        rows = found[:, start:].tolist()
        return [self._until_end(row, limit) for row, limit in zip(rows, most, strict=True)]

    def _are_finished(self, rows: torch.Tensor, most: Sequence[int]) -> torch.Tensor:
        pairs = zip(rows.tolist(), most, strict=True)
        finished = [self._is_finished(row, limit) for row, limit in pairs]
        return torch.tensor(finished, device=rows.device)

    def _most(self, prompt: Prompt) -> int:
        """Tokens that an answer to a prompt may have, its thoughts included."""
        return self._sizes.room(len(prompt), self._new_tokens + self._room)

    def _limit(self, ids: Sequence[int], most: int) -> int:
        """Tokens that an answer may have which begins like this; more if it does with thoughts."""
        start = ids[: self._new_tokens]
        return most if len(start) < len(ids) or self._read(start)[1] else self._new_tokens

    def _is_finished(self, ids: Sequence[int], most: int) -> bool:
        if ids[-1] in self._ends:
            return True
        if len(ids) >= self._new_tokens and len(ids) >= self._limit(ids, most):
            return True
        return bool(self._stop) and before_stop(self._read(ids)[0], self._stop) is not None

    def _until_end(self, ids: Sequence[int], most: int) -> list[int]:
        """With the first end-of-sequence token, without what comes after it or after the limit."""
        ends = (place + 1 for place, token in enumerate(ids) if token in self._ends)
        kept = list(ids[: next(ends, len(ids))])
        start = kept[: self._new_tokens]
        return kept if len(kept) == len(start) else kept[: self._limit(start, most)]

    def _generated(self, ids: Sequence[int]) -> GeneratedText:
        said, thoughts = self._read(ids)
        stopped = before_stop(said, self._stop)
        ended = stopped is not None or ids[-1] in self._ends
        text = (said if stopped is None else stopped).strip()
        return GeneratedText(text, cut=not ended, thoughts=thoughts, tokens=len(ids))

    def _read(self, ids: Sequence[int]) -> tuple[str, str]:
        """What an answer says, and the thoughts before that."""
        found = self._tokenizer.decode(
            [token for token in ids if token not in self._silent],
            skip_special_tokens=False,
            clean_up_tokenization_spaces=False,
        )
        return split_thoughts(self._opened + str(found))


def before_stop(text: str, stop: Iterable[str]) -> str | None:
    """What stands before the first of the texts of `stop`; None where the text has none of them."""
    places = [place for ending in stop if (place := text.find(ending)) >= 0]
    return text[: min(places)] if places else None


def _by_length(prompts: Sequence[Prompt]) -> list[int]:
    return sorted(range(len(prompts)), key=lambda place: len(prompts[place]))


def _batches(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _common_length(prompts: Sequence[Prompt]) -> int:
    """How many tokens all prompts begin with, so that of each at least one is left."""
    if not prompts:
        return 0
    rows = [list(prompt) for prompt in prompts]
    first, last = min(rows), max(rows)  # all others lie between these two
    most = min(map(len, prompts)) - 1
    pairs = zip(first[:most], last[:most], strict=True)
    return next((place for place, (start, end) in enumerate(pairs) if start != end), most)


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The end-of-sequence tokens, of which a chat model may have several."""
    named = (model.generation_config.eos_token_id, model.config.eos_token_id)
    found: set[int | None] = {tokenizer.eos_token_id}
    for ends in named:
        found.update(ends if isinstance(ends, list) else [ends])
    return frozenset(token for token in found if token is not None)


def _silent_tokens(tokenizer: Any, ends: frozenset[int]) -> frozenset[int]:
    """The tokens that are no part of an answer's text: special ones, and those that end it.

    The marks of thoughts stay, as they say where an answer begins.
    """
    added = tokenizer.added_tokens_decoder.items()
    marks = {
        token
        for token, known in added
        if known.special or token in ends or token in tokenizer.all_special_ids
    }
    return frozenset(
        token for token in marks if not is_thought_mark(tokenizer.convert_ids_to_tokens(token))
    )


def _greedy(model: Any, ends: frozenset[int]) -> GenerationConfig:
    """Greedy decoding without what a checkpoint asks for besides, such as a penalty."""
    before = model.generation_config
    start = before.decoder_start_token_id
    return GenerationConfig(
        bos_token_id=before.bos_token_id,
        decoder_start_token_id=(
            getattr(model.config, "decoder_start_token_id", None) if start is None else start
        ),
        forced_bos_token_id=before.forced_bos_token_id,
        eos_token_id=sorted(ends) or None,
        pad_token_id=min(ends, default=0),
        do_sample=False,
        num_beams=1,
    )
