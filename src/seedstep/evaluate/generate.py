"""Answers of a model that is loaded into this process, through transformers (section 3.3).

Greedy decoding, as both papers have it. With a decoder-only model what the prompts of a task have
in common is computed once. A model of which that can't be trusted, such as one with a sliding
window, answers prompts of equal length together, so that none is padded. An encoder-decoder model
reads each prompt as a whole, padded and masked.

With weights of 32 bits the answers are those of plain greedy decoding of one prompt at a time,
except where two next tokens are as good as equal: sums of other shapes are rounded differently,
by about a millionth. Of 16 bits more tokens are as good as equal.

Example::

    model = Checkpoint(load_model("hf:tuned", dtype="float32"), load_tokenizer("hf:tuned"))
    for batch in model.answers(prompts):  # token ids of a task's prompts
        for place, answer in batch:
            print(place, answer.text)
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from transformers import GenerationConfig

from seedstep.evaluate.prefix_batch import KeysAndValues, PrefixBatch, prefix_layers, why_not_shared

__all__ = ["Checkpoint", "Generated", "before_stop"]

Prompt = Sequence[int]
"""Token ids."""

_Written = tuple[Sequence[int], list[list[int]]]
"""Places of prompts, and the token ids written for each."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What a model wrote, stripped. `cut` where it had not come to an end."""

    text: str
    cut: bool


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
    ) -> None:
        """An answer has `new_tokens` at the most, and ends before a text of `stop`."""
        self._model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._tokenizer = tokenizer
        self._new_tokens = new_tokens
        self._stop = tuple(stop)
        self._batch = batch
        self._ends = _end_tokens(model, tokenizer)
        model.generation_config = _greedy(model, self._ends)
        self.is_decoder_only = not model.config.is_encoder_decoder
        self.note = why_not_shared(model) if self.is_decoder_only else ""

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[list[tuple[int, Generated]]]:
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
            yield places, self._continue(prefix, rests)

    def _continue(
        self, prefix: Sequence[KeysAndValues], rests: Sequence[Prompt]
    ) -> list[list[int]]:
        """What the model writes after a prefix and each of the rests."""
        batch = PrefixBatch(prefix, rests, room=self._new_tokens)
        written: list[list[int]] = [[] for _ in rests]
        rows = list(range(len(rests)))  # whose answer each row of the batch is
        unfinished = set(rows)
        while True:
            tokens = batch.logits(self._model).argmax(-1)
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if row in unfinished:
                    written[row].append(token)
                    if self._is_finished(written[row]):
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
            groups = [[*group] for _, group in groupby(places, lambda one: len(prompts[one]))]
        for group in groups:
            for batch in _batches(group, self._batch):
                yield batch, self._generate([prompts[one] for one in batch])

    @torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is Any
    def _generate(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        longest = max(map(len, prompts))
        padding = [longest - len(prompt) for prompt in prompts]
        ids = [[*prompt, *[0] * more] for prompt, more in zip(prompts, padding, strict=True)]
        mask = [[1] * (longest - more) + [0] * more for more in padding]
        start = longest if self.is_decoder_only else 1  # a decoder begins with a token of its own
        found = self._model.generate(
            input_ids=torch.tensor(ids, device=self._model.device),
            attention_mask=torch.tensor(mask, device=self._model.device),
            max_new_tokens=self._new_tokens,
            stopping_criteria=[lambda rows, _: self._are_finished(rows[:, start:])],
        )
        return [self._until_end(row) for row in found[:, start:].tolist()]

    def _are_finished(self, rows: torch.Tensor) -> torch.Tensor:
        finished = [self._is_finished(row) for row in rows.tolist()]
        return torch.tensor(finished, device=rows.device)

    def _is_finished(self, ids: Sequence[int]) -> bool:
        if ids[-1] in self._ends or len(ids) >= self._new_tokens:
            return True
        return bool(self._stop) and before_stop(self._text(ids), self._stop) is not None

    def _until_end(self, ids: Sequence[int]) -> list[int]:
        """With the first end-of-sequence token, without what comes after it."""
        end = next((place + 1 for place, one in enumerate(ids) if one in self._ends), len(ids))
        return list(ids[:end])

    def _generated(self, ids: Sequence[int]) -> Generated:
        text = self._text(ids)
        stopped = before_stop(text, self._stop)
        ended = stopped is not None or ids[-1] in self._ends
        return Generated((text if stopped is None else stopped).strip(), cut=not ended)

    def _text(self, ids: Sequence[int]) -> str:
        found = self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(found)


def before_stop(text: str, stop: Iterable[str]) -> str | None:
    """What stands before the first of the texts where one ends; None where none is there."""
    places = [place for one in stop if (place := text.find(one)) >= 0]
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
    return next((place for place, (one, other) in enumerate(pairs) if one != other), most)


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The end-of-sequence tokens, of which a chat model may have several."""
    named = (model.generation_config.eos_token_id, model.config.eos_token_id)
    found: set[int | None] = {tokenizer.eos_token_id}
    for one in named:
        found.update(one if isinstance(one, list) else [one])
    return frozenset(one for one in found if one is not None)


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
