"""Generate texts with a checkpoint, in batches of prompts that share a prefix.

If a model can't share a prefix, prompts are padded and masked. If it does not support padding
either, prompts of the same length are batched.

Example::

    checkpoint = Checkpoint(model, tokenizer, new_tokens=128)
    for batch in checkpoint.answers([[1, 5, 9, 4, 2], [1, 5, 9, 7]]):
        print([(place, answer.text) for place, answer in batch])
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from seedstep.encode import ModelSizes
from seedstep.infer.prefix import KeysAndValues, PrefixBatch, prefix_layers
from seedstep.infer.trials import takes_padding, why_not_shared
from seedstep.llm.checkpoints import on_device
from seedstep.llm.parameters import before_stop
from seedstep.llm.records import THINKING_ROOM
from seedstep.text.thoughts import is_thought_mark, split_thoughts

__all__ = ["Checkpoint", "Draw", "GeneratedText", "common_length"]

Prompt = Sequence[int]
"""The token ids of a prompt."""

_Written = tuple[Sequence[int], list[list[int]]]
"""The places of prompts, and the token ids generated for each."""


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """A generated text, without white space around it. `cut` says that its end was not reached.

    `thoughts` were removed from the text; `tokens` counts all generated tokens.
    """

    text: str
    cut: bool
    thoughts: str = ""
    tokens: int = field(default=0, compare=False)

    @property
    def used_up_by_thinking(self) -> bool:
        """Whether the limit of tokens was reached with nothing but thoughts."""
        return self.cut and bool(self.thoughts) and not self.text


@dataclass(frozen=True, slots=True)
class Draw:
    """How an answer is drawn: with this temperature, among the likeliest tokens, by a seed."""

    seed: int
    temperature: float = 1.0
    top_p: float = 1.0


class Checkpoint:
    """A model that answers prompts. It is moved to the GPU if there is one.

    `note` says why no prefix is shared; it is empty if one is, or if no model of this kind can.
    Without a shared prefix, prompts are padded if the model `takes_padding`, otherwise only prompts
    of the same length are batched.
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
        """An answer has at most `new_tokens` tokens, and ends before a text of `stop`.

        It also ends at the end-of-sequence tokens of model and tokenizer, and at the tokens `ends`.
        A prompt may end with `opened`, the mark that begins thoughts. An answer that begins with
        thoughts may have `room` more tokens.
        """
        self._model = on_device(model)
        self._tokenizer = tokenizer
        self._new_tokens = new_tokens
        self._stop = tuple(stop)
        self._batch = batch
        self._opened = opened
        self._room = THINKING_ROOM if room is None else room
        self._is_stripped = True
        self._ends = _end_tokens(model, tokenizer) | frozenset(ends)
        self._silent = _silent_tokens(tokenizer, self._ends)
        self._sizes = ModelSizes.of_model(model)
        model.generation_config = _greedy(model, self._ends)
        self.is_decoder_only = not model.config.is_encoder_decoder
        self.note = why_not_shared(model) if self.is_decoder_only else ""
        self.takes_padding = not self.note or takes_padding(model)

    def limited(
        self, *, new_tokens: int, stop: Sequence[str], opened: str = "", room: int | None = None
    ) -> "Checkpoint":
        """Return the same model with other limits of its answers, which continue a text.

        White space before an answer stays, as it belongs to the text.
        """
        found = copy(self)
        found._new_tokens, found._stop, found._opened = new_tokens, tuple(stop), opened
        found._room = THINKING_ROOM if room is None else room
        found._is_stripped = False
        return found

    def fault(self, prompt: Prompt) -> str:
        """Return why a prompt can't be answered, or "" if it can."""
        if long := self._sizes.too_long(len(prompt), self._new_tokens):
            return f"{long}: lower max_source or max_new_tokens"
        if unknown := self._sizes.unknown_token(prompt):
            return f"{unknown}: give the checkpoint its own tokenizer"
        return ""

    def answers(
        self,
        prompts: Sequence[Prompt],
        part: tuple[int, int] = (0, 1),
        draws: Sequence[Draw | None] = (),
    ) -> Iterator[list[tuple[int, GeneratedText]]]:
        """Yield the answers to a task's prompts, with their places, in batches, short first.

        Of all batches, only every `part[1]`-th from `part[0]` on is computed. `draws` say how the
        answers to the prompts are drawn; without them, and where there is None, an answer has the
        likeliest tokens.
        """
        common = common_length(prompts)
        is_shared = self.is_decoder_only and not self.note and common
        batches = self._batches(prompts, by_length=not is_shared and not self.takes_padding)
        chosen = batches[part[0] :: part[1]]
        if not chosen:
            return
        found = (
            self._sharing(prompts, chosen, draws, common)
            if is_shared
            else self._whole(prompts, chosen, draws)
        )
        for places, rows in found:
            answers = (self._generated(ids) for ids in rows)
            yield list(zip(places, answers, strict=True))

    def _batches(self, prompts: Sequence[Prompt], *, by_length: bool) -> list[Sequence[int]]:
        """Return the places of all batches; those of a batch have one length if `by_length`."""
        places = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
        groups = [places]
        if by_length:
            groups = [[*group] for _, group in groupby(places, lambda place: len(prompts[place]))]
        return [batch for group in groups for batch in _batches(group, self._batch)]

    def _sharing(
        self,
        prompts: Sequence[Prompt],
        batches: Iterable[Sequence[int]],
        draws: Sequence[Draw | None],
        common: int,
    ) -> Iterator[_Written]:
        """Answer prompts whose first `common` tokens are the same."""
        prefix = prefix_layers(self._model, prompts[0][:common])
        for places in batches:
            rests = [prompts[place][common:] for place in places]
            most = self._most(prompts[places[-1]])
            yield places, self._continue(prefix, rests, most, _drawing(draws, places))

    def _continue(
        self,
        prefix: Sequence[KeysAndValues],
        rests: Sequence[Prompt],
        most: int,
        drawing: "_Drawing | None" = None,
    ) -> list[list[int]]:
        """Generate at most `most` tokens after a prefix and each of the rests."""
        batch = PrefixBatch(prefix, rests, room=self._new_tokens)
        written: list[list[int]] = [[] for _ in rests]
        rows = list(range(len(rests)))  # whose answer each row of the batch is
        unfinished = set(rows)
        while True:
            logits = batch.logits(self._model)
            tokens = (drawing.shift(logits, rows) if drawing else logits).argmax(-1)
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if row in unfinished:
                    written[row].append(token)
                    if self._is_finished(written[row], most):
                        unfinished.remove(row)
            if not unfinished:
                return written
            batch.take(tokens)
            if len(unfinished) <= len(rows) // 2:  # it copies the cache, so not for each row
                batch.keep([place for place, row in enumerate(rows) if row in unfinished])
                rows = [row for row in rows if row in unfinished]

    def _whole(
        self,
        prompts: Sequence[Prompt],
        batches: Iterable[Sequence[int]],
        draws: Sequence[Draw | None],
    ) -> Iterator[_Written]:
        """Answer prompts without a shared prefix."""
        for places in batches:
            asked = [prompts[place] for place in places]
            yield places, self._generate(asked, _drawing(draws, places))

    @torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is Any
    def _generate(self, prompts: Sequence[Prompt], drawing: "_Drawing | None") -> list[list[int]]:
        longest = max(map(len, prompts))
        padding = [longest - len(prompt) for prompt in prompts]
        ids = [[*[0] * more, *prompt] for prompt, more in zip(prompts, padding, strict=True)]
        mask = [[0] * more + [1] * (longest - more) for more in padding]
        if not self.is_decoder_only:  # an encoder's places begin with the prompt
            ids = [[*row[more:], *row[:more]] for row, more in zip(ids, padding, strict=True)]
            mask = [row[::-1] for row in mask]
        start = longest if self.is_decoder_only else 1  # a decoder begins with a token of its own
        most = self._most(max(prompts, key=len))
        found = self._model.generate(
            input_ids=torch.tensor(ids, device=self._model.device),
            attention_mask=torch.tensor(mask, device=self._model.device),
            max_new_tokens=most,
            logits_processor=LogitsProcessorList([drawing] if drawing else []),
            stopping_criteria=[lambda rows, _: self._are_finished(rows[:, start:], most)],
        )
        rows = found[:, start:].tolist()
        return [self._until_end(row, most) for row in rows]

    def _are_finished(self, rows: torch.Tensor, most: int) -> torch.Tensor:
        finished = [self._is_finished(row, most) for row in rows.tolist()]
        return torch.tensor(finished, device=rows.device)

    def _most(self, prompt: Prompt) -> int:
        """Return how many tokens an answer may have, with thoughts.

        Rows that have ended stay in the batch, so the longest prompt decides for all.
        """
        return self._sizes.room(len(prompt), self._new_tokens + self._room)

    def _limit(self, ids: Sequence[int], most: int) -> int:
        """Return how many tokens an answer with this beginning may have: more with thoughts."""
        start = ids[: self._new_tokens]
        return most if len(start) < len(ids) or self._read(start)[1] else self._new_tokens

    def _is_finished(self, ids: Sequence[int], most: int) -> bool:
        if ids[-1] in self._ends:
            return True
        if len(ids) >= self._new_tokens and len(ids) >= self._limit(ids, most):
            return True
        return bool(self._stop) and before_stop(self._read(ids)[0], self._stop) is not None

    def _until_end(self, ids: Sequence[int], most: int) -> list[int]:
        """Return the tokens up to the first end-of-sequence token, or to the limit."""
        ends = (place + 1 for place, token in enumerate(ids) if token in self._ends)
        kept = list(ids[: next(ends, len(ids))])
        start = kept[: self._new_tokens]
        return kept if len(kept) == len(start) else kept[: self._limit(start, most)]

    def _generated(self, ids: Sequence[int]) -> GeneratedText:
        said, thoughts = self._read(ids)
        stopped = before_stop(said, self._stop)
        ended = stopped is not None or ids[-1] in self._ends
        text = said if stopped is None else stopped
        text = text.strip() if self._is_stripped else text.rstrip()
        return GeneratedText(text, cut=not ended, thoughts=thoughts, tokens=len(ids))

    def _read(self, ids: Sequence[int]) -> tuple[str, str]:
        """Return the text of an answer, and the thoughts before it."""
        found = self._tokenizer.decode(
            [token for token in ids if token not in self._silent],
            skip_special_tokens=False,
            clean_up_tokenization_spaces=False,
        )
        return split_thoughts(self._opened + str(found))


class _Drawing(LogitsProcessor):
    """Adds to logits what makes the greatest of them a draw, by a generator for each row.

    The likeliest tokens, of which one is drawn, are the fewest whose chances reach `top_p`.
    """

    def __init__(self, draws: Sequence[Draw | None]) -> None:
        self._draws = draws
        self._chances = [torch.Generator().manual_seed(draw.seed if draw else 0) for draw in draws]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the logits of all rows, as transformers asks for them."""
        return self.shift(scores, range(len(self._draws)))

    def shift(self, logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
        """Return logits, those of some rows, of which each row's greatest is its next token."""
        found = [self._shifted(each, row) for each, row in zip(logits.float(), rows, strict=True)]
        return torch.stack(found)

    def _shifted(self, logits: torch.Tensor, row: int) -> torch.Tensor:
        draw = self._draws[row]
        if draw is None:
            return logits
        scaled = logits / draw.temperature
        if draw.top_p < 1:
            chances, places = scaled.softmax(-1).sort(descending=True)
            is_left_out = chances.cumsum(-1) - chances >= draw.top_p
            scaled = scaled.index_fill(-1, places[is_left_out], -torch.inf)
        drawn = torch.empty(logits.shape).exponential_(generator=self._chances[row])
        return scaled - drawn.log().to(logits.device)


def _drawing(draws: Sequence[Draw | None], places: Sequence[int]) -> _Drawing | None:
    """Return what draws the tokens of answers to prompts; None if all are the likeliest."""
    chosen = [draws[place] for place in places] if draws else []
    return _Drawing(chosen) if any(chosen) else None


def _batches(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def common_length(prompts: Sequence[Prompt]) -> int:
    """Return the length of the prompts' common prefix that leaves at least one token of each."""
    if not prompts:
        return 0
    rows = [list(prompt) for prompt in prompts]
    first, last = min(rows), max(rows)  # all others lie between these two
    most = min(map(len, prompts)) - 1
    pairs = zip(first[:most], last[:most], strict=True)
    return next((place for place, (start, end) in enumerate(pairs) if start != end), most)


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the end-of-sequence tokens; a chat model may have several."""
    named = (model.generation_config.eos_token_id, model.config.eos_token_id)
    found: set[int | None] = {tokenizer.eos_token_id}
    for ends in named:
        found.update(ends if isinstance(ends, list) else [ends])
    return frozenset(token for token in found if token is not None)


def _silent_tokens(tokenizer: Any, ends: frozenset[int]) -> frozenset[int]:
    """Return the tokens that are not in an answer's text: special ones, and those that end it.

    The marks of thoughts are kept, as they show where an answer begins.
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
    """Return a configuration of greedy decoding, without a checkpoint's own settings."""
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
