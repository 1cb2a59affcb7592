"""Measure the likelihood of reference outputs under a model, for different prompts.

A step-by-step instruction that helps makes the reference outputs more likely. No text is generated:
the model reads the prompt followed by the reference, and the loss of each token of the reference is
its negative log-likelihood, in nats. The common prefix of a task's prompts is read once, as in
tuning (section 3.4 and appendix D of the second paper).

Example::

    model = ScoringModel.load("hf:checkpoints/tuned")
    scored = model.score(task, encoding, seed=42)
    sum(scored.nats) / len(scored.nats)
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, replace
from itertools import chain
from math import isfinite
from typing import Any

import msgspec

from seedstep.data import Instance, Task, TaskChoice
from seedstep.encode import (
    ENCODINGS,
    Encoding,
    HfTokenizer,
    ModelSizes,
    TaskEncoder,
    TokenPair,
    tokenize,
)
from seedstep.encode.layouts import unknown_encoding
from seedstep.encode.packing import PackedGroup, group_pairs, make_row, pack
from seedstep.errors import InputError, ModelError
from seedstep.llm import Answer, Endpoint, Failure, Likelihood, ModelRef, Reply, Request
from seedstep.llm.checkpoints import (
    computing_type,
    fingerprint_of,
    is_decoder_only,
    load_model,
    load_tokenizer,
    on_device,
)
from seedstep.llm.models import either, forms_of
from seedstep.settings import SEED, Count, NotNegative, Place, SettingsRecord, part, setting

__all__ = ["MeasureStepsSettings", "ScoredTask", "ScoringModel", "open_scoring"]

ROOM = 4
"""Tokens of a reference beside those of its text: its end, and a space before it."""

ROW_TOKENS = 2048
"""The most tokens of a packed row, and of a batch behind a prefix: few enough for a dense mask."""

CACHED_BYTES = 1 << 30
"""The most bytes of keys and values in a batch behind a prefix, counted where it is copied."""

BATCH_TOKENS = 60
"""As many tokens of padding take about as long as one more batch."""

TARGET_TOKENS = 512
"""The most target tokens of a batch behind a prefix, each of which has a logit for every token."""

PAIRS = 8
"""How many examples an encoder-decoder model reads at a time."""


@dataclass(frozen=True, slots=True)
class MeasureStepsSettings(SettingsRecord):
    """The settings of `seedstep steps measure`: the model, the tasks, and their instances."""

    model: str = setting(
        "local",
        "The model: local, gguf:PATH or hf:PATH_OR_ID. Servers are not asked, since few give the "
        "likelihoods of given texts.",
    )
    tasks: TaskChoice = part(
        TaskChoice,
        limit_instances=Place(
            name="instances", help="Instances of each task. Default: 20.", flags=("--instances",)
        ),
        instances_seed=None,
    )
    skip: NotNegative = setting(
        0,
        "Leave out the first N instances of each task, which an evaluation uses. `steps select` "
        "requires it.",
        metavar="N",
    )
    encoding: str = setting(
        "steps", "How prompts are made. Versions differ in their steps only.", metavar="NAME"
    )
    workers: Count = setting(
        1,
        "Processes that measure, each with a copy of the model: one a GPU, or a share of the "
        "cores. The file equals that of one process, except for rounding, which depends on the "
        "number of threads.",
    )
    bf16: bool = setting(False, "Load the model with weights of 16 bits, not 32.")
    seed: int = setting(42, SEED)

    @property
    def instances(self) -> int:
        """The number of instances of each task that are measured."""
        return self.tasks.limit_instances or 20

    def check(self, source: str) -> None:
        """Raise InputError if the encoding or the model can't be used."""
        if self.encoding not in ENCODINGS:
            where = f"{source}, setting 'encoding'"
            raise unknown_encoding("encoding", self.encoding, ENCODINGS, where)
        if not ModelRef.parse(self.model).provider.likelihoods:
            forms = forms_of(lambda provider: provider.likelihoods)
            what = f"{source}, setting 'model': {self.model} isn't asked for likelihoods of texts"
            raise InputError(what, f"use {either(forms)}")


@dataclass(frozen=True, slots=True)
class ScoredTask:
    """The losses of the references of a task's instances, in the order of the instances.

    `nats` is the mean over the tokens of an instance's reference, end-of-sequence included;
    `tokens` is their number. `shortened` counts the instances whose prompt or reference was
    shortened.
    """

    nats: tuple[float, ...]
    tokens: tuple[int, ...]
    shortened: int = 0


class ScoringModel:
    """A checkpoint that computes likelihoods."""

    def __init__(self, model: Any, tokenizer: Any, *, decoder_only: bool) -> None:
        """Use a model of transformers with its tokenizer.

        The attribute `note` says why the model can't share a prefix, if it can't, and in which
        type it computes, if it isn't the one asked for.
        """
        self._model = on_device(model)
        self._tokenizer = HfTokenizer(tokenizer)
        self._decoder_only = decoder_only
        self._sizes = ModelSizes.of_model(model)
        self._how: Any = None
        self.note = ""

    @classmethod
    def load(cls, model: str, *, bf16: bool = False) -> "ScoringModel":
        """Load a checkpoint.

        Raises:
            MissingExtraError: transformers or the embedded model is not installed.
            ModelError: the checkpoint is not there, or can't be read.
        """
        tokenizer = load_tokenizer(model)  # raises where transformers is not installed
        from transformers.utils import logging

        logging.disable_progress_bar()
        dtype, note = computing_type(bf16=bf16)
        loaded = cls(load_model(model, dtype=dtype), tokenizer, decoder_only=is_decoder_only(model))
        loaded.note = note
        return loaded

    def score(self, task: Task, encoding: Encoding, *, seed: int) -> ScoredTask:
        """Compute the losses of the references of all instances of a task.

        If an instance has several references, the seed draws one.

        Raises:
            InputError: no part of an input fits into the model's context, or the model has no
                embedding for a token.
            ModelError: a loss is no number.
        """
        fitted = self._fitted(encoding, task)
        encoder = TaskEncoder(task, fitted, self._tokenizer)
        encoded = [encoder.encode(instance, seed=seed) for instance in task.instances]
        pairs = [
            replace(
                tokenize(example, self._tokenizer, decoder_only=self._decoder_only),
                instance=str(place),
            )
            for place, example in enumerate(encoded)
        ]
        for pair in pairs:
            if unknown := self._sizes.unknown_token((*pair.prompt, *pair.target)):
                raise InputError(f"{task.id}: {unknown}", "give the model its own tokenizer")
        longest = fitted.max_source + fitted.max_target
        losses = self._continued(pairs, longest) if self._decoder_only else self._paired(pairs)
        if not all(map(isfinite, losses.values())):
            what = f"{task.id}: the model gives losses that are no numbers"
            raise ModelError(what, "measure without --bf16, or name another checkpoint")
        return ScoredTask(
            tuple(losses[place] for place in range(len(pairs))),
            tuple(len(pair.target) for pair in pairs),
            sum(any(astuple(example.dropped)) for example in encoded),
        )

    def _fitted(self, encoding: Encoding, task: Task) -> Encoding:
        """Return the encoding, limited to as many tokens as the model has positions.

        References get the room that the longest of them needs, at most half of the positions.
        """
        target = min(encoding.max_target, self._sizes.answer or encoding.max_target)
        most = encoding.max_source
        if self._sizes.whole is not None:
            texts = (text for instance in task.instances for text in instance.outputs)
            longest = max(len(self._tokenizer.ids(text)) for text in texts) + ROOM
            target = max(2, min(target, longest, self._sizes.whole // 2))
        if self._sizes.prompt is not None:
            most = min(most, self._sizes.prompt)
        if self._sizes.whole is not None:
            most = min(most, self._sizes.whole - target)
        return replace(encoding, max_source=max(2, most), max_target=target)

    def _continued(self, pairs: list[TokenPair], longest: int) -> dict[int, float]:
        """Return the mean loss of each pair's target, by place, of a decoder-only model."""
        how = "causal" if len(pairs) == 1 else self._opened(longest)
        if how == "causal":
            return self._packed([[PackedGroup((pair,), 0)] for pair in pairs], how)
        if how not in ("cache", "apart"):
            groups = group_pairs(pairs, share=len(pairs), row_tokens=ROW_TOKENS)
            return self._packed(pack(groups, row_tokens=ROW_TOKENS), how)
        found: dict[int, float] = {}
        row_tokens = sum(pair.read_tokens for pair in pairs)
        for group in group_pairs(pairs, share=len(pairs), row_tokens=row_tokens):
            if group.prefix and len(group.pairs) > 1:
                found |= self._behind(group)
            else:
                found |= self._packed([[PackedGroup((pair,), 0)] for pair in group.pairs], "causal")
        return found

    def _behind(self, group: PackedGroup) -> dict[int, float]:
        """Read the rests of some pairs in batches, behind the keys and values of their prefix."""
        from seedstep.infer.prefix import PrefixBatch, bytes_per_token, prefix_layers

        start, apart = group.prefix, self._how == "apart"
        prefix = prefix_layers(self._model, group.pairs[0].prompt[:start])
        copied = 0 if apart else start
        found: dict[int, float] = {}
        for members in _batches(group, copied, CACHED_BYTES // bytes_per_token(prefix)):
            rests = [[*pair.prompt[start:], *pair.target[:-1]] for pair in members]
            batch = PrefixBatch(prefix, rests, apart=apart)
            losses = batch.losses(self._model, [pair.target for pair in members])
            found |= _means(list(chain.from_iterable(losses)), members)
        return found

    def _packed(self, rows: list[list[PackedGroup]], attention: Any) -> dict[int, float]:
        from seedstep.encode.losses import token_losses

        found: dict[int, float] = {}
        for members in rows:
            losses = _without_gradient(token_losses, self._model, [make_row(members)], attention)
            found |= _means(losses, [pair for group in members for pair in group.pairs])
        return found

    def _opened(self, longest: int) -> Any:
        """Return how instances of a task are read.

        `cache`: behind the keys and values of their common prefix, in each row; `apart`: with one
        copy of them. Models whose cache is of another kind read packed rows, with the attention
        that is returned. `causal`: each instance alone.
        """
        from seedstep.encode.losses import shared_attention
        from seedstep.infer.trials import attends_apart, why_not_shared

        if self._how is None:
            try:
                why = why_not_shared(self._model, longest)
                self._how = why and shared_attention(self._model, longest)
                self._how = self._how or ("apart" if attends_apart(self._model) else "cache")
            except InputError as error:
                why = f"{error.what}: each instance is read by itself, which takes longer"
                self.note = "; ".join(filter(None, (self.note, why)))
                self._how = "causal"
        return self._how

    def _paired(self, pairs: list[TokenPair]) -> dict[int, float]:
        from seedstep.encode.losses import pair_losses

        pad = self._tokenizer.eos or 0
        start = self._model.config.decoder_start_token_id
        ordered = sorted(pairs, key=lambda pair: len(pair.prompt))
        found: dict[int, float] = {}
        for first in range(0, len(ordered), PAIRS):
            members = ordered[first : first + PAIRS]
            losses = _without_gradient(
                pair_losses, self._model, members, pad=pad, start=pad if start is None else start
            )
            found |= _means(losses, members)
        return found


def _batches(group: PackedGroup, copied: int, cached: int) -> Iterator[list[TokenPair]]:
    """Divide the pairs of a group into batches of limited size, with little padding.

    Padding costs less than one more batch would.

    Each row has `copied` tokens of the prefix, and its own; `cached` is the most tokens whose keys
    and values are in memory at a time.
    """
    pairs = sorted(group.pairs, key=lambda pair: pair.read_tokens)
    least: list[tuple[int, list[list[TokenPair]]]] = [(0, [])]  # by the number of pairs divided
    for end in range(1, len(pairs) + 1):
        longest = pairs[end - 1].read_tokens - group.prefix
        target, found = 0, []
        for start in reversed(range(end)):
            rows, target = end - start, max(target, len(pairs[start].target))
            if rows > 1 and (
                rows * longest > ROW_TOKENS
                or rows * (copied + longest) > cached
                or rows * target > TARGET_TOKENS
            ):
                break
            found.append((least[start][0] + rows * longest + BATCH_TOKENS, start))
        cost, start = min(found)
        least.append((cost, [*least[start][1], pairs[start:end]]))
    yield from least[-1][1]


def _without_gradient(function: Any, *arguments: Any, **named: Any) -> list[float]:
    import torch

    with torch.inference_mode():
        losses: list[float] = function(*arguments, **named).tolist()
    return losses


def _means(losses: list[float], pairs: list[TokenPair]) -> dict[int, float]:
    """Return the mean loss of each pair's target by place, from the losses of all targets."""
    found = {}
    start = 0
    for pair in pairs:
        part_of = losses[start : start + len(pair.target)]
        found[int(pair.instance)] = sum(part_of) / len(part_of)
        start += len(pair.target)
    return found


WHOLE = replace(ENCODINGS["plain"], max_source=1 << 20, max_target=1 << 20)
"""Prompts and outputs as they stand, limited only by the positions of a model."""


@asynccontextmanager
async def open_scoring(model: str) -> AsyncIterator[Endpoint]:
    """Open a checkpoint as the endpoint of a request engine, for requests with `scored_from`.

    It is loaded when it is first asked. Its content stands for it in the keys of requests, so that
    what it said once is stored, and not computed again.

    Raises:
        MissingExtraError: the embedded model is not installed.
    """
    print_of = await asyncio.to_thread(fingerprint_of, model)
    yield Endpoint(f"checkpoint:{print_of or model}", "", model, sender=_Scoring(model))


class _Scoring:
    """Answers requests for likelihoods by a checkpoint, one after the other."""

    def __init__(self, model: str) -> None:
        self._name = model
        self._model: ScoringModel | None = None
        self._turn = asyncio.Lock()

    async def send(self, request: Request) -> Answer:
        """Return the likelihood of the end of the request's prompt."""
        async with self._turn:
            return await asyncio.to_thread(self._score, request)

    async def check(self) -> int:
        """Return 200, the status of a server that answers."""
        return 200

    async def close(self) -> None:
        """Forget the model."""
        self._model = None

    def _score(self, request: Request) -> Answer:
        assert isinstance(request.prompt, str)
        assert request.scored_from is not None
        self._model = self._model or ScoringModel.load(self._name)
        given, output = request.prompt[: request.scored_from], request.prompt[request.scored_from :]
        task = Task("scored", given, (Instance(given, (output.removeprefix(" "),)),))
        try:
            found = self._model.score(task, WHOLE, seed=0)
        except (InputError, ModelError) as error:  # of this text: others go on
            return Failure("not_scored", error.what)
        if found.shortened:
            return Failure("not_scored", "the text is longer than what the model reads at a time")
        said = msgspec.json.encode(Likelihood(found.nats[0], found.tokens[0])).decode()
        return Reply(said, "stop", 0, 0)
