"""How likely a model finds the reference outputs of tasks, by what stands in its prompts.

A step-by-step instruction that helps makes the right outputs likelier. No output is written: the
model reads the prompt with the reference output behind it, and the loss of each token of the
reference is what the model did not expect, in nats. Instances of a task share one copy of their
prompts' common beginning, as in tuning (section 3.4 and appendix D of the second paper).

Example::

    model = ScoringModel.load("hf:checkpoints/tuned")
    scored = model.score(task, encoding, seed=42)
    sum(scored.nats) / len(scored.nats)
"""

from dataclasses import astuple, dataclass, replace
from typing import Annotated, Any

from msgspec import Meta

from seedstep.data import Task, TaskChoice
from seedstep.encode import (
    ENCODINGS,
    Encoding,
    HfTokenizer,
    ModelSizes,
    TaskEncoder,
    TokenPair,
    tokenize,
)
from seedstep.encode.packing import PackedGroup, group_pairs, make_row, pack
from seedstep.errors import InputError, unknown_name
from seedstep.llm import ModelRef
from seedstep.llm.checkpoints import is_decoder_only, load_model, load_tokenizer
from seedstep.llm.models import either, forms_of
from seedstep.settings import SEED, Place, SettingsRecord, part, setting

__all__ = ["MeasureSettings", "ScoredTask", "ScoringModel"]

ROW_TOKENS = 2048
"""Tokens of a packed row: long enough for many instances, short enough for a dense mask."""

PAIRS = 8
"""Examples that an encoder-decoder model reads at a time."""


@dataclass(frozen=True, slots=True)
class MeasureSettings(SettingsRecord):
    """What `seedstep steps measure` measures: which model, on which instances of which tasks."""

    model: str = setting(
        "local",
        "The model: local, gguf:PATH or hf:PATH_OR_ID. Its likelihoods of texts are needed, which "
        "servers do not give.",
    )
    tasks: TaskChoice = part(
        TaskChoice,
        limit_instances=Place(
            name="instances", help="Instances of each task. Default: 20.", flags=("--instances",)
        ),
    )
    skip: Annotated[int, Meta(ge=0)] = setting(
        0,
        "Leave out the first N instances of each task, which an evaluation uses. `steps select` "
        "wants that.",
        metavar="N",
    )
    encoding: str = setting(
        "steps", "How prompts are made. Versions differ in their steps only.", metavar="NAME"
    )
    bf16: bool = setting(False, "Load the model with weights of 16 bits, not 32.")
    seed: int = setting(42, SEED)

    @property
    def instances(self) -> int:
        """How many instances of each task are measured."""
        return self.tasks.limit_instances or 20

    def check(self, source: str) -> None:
        """Raise InputError for an encoding or a model that can't be measured with."""
        if self.encoding not in ENCODINGS:
            where = f"{source}, setting 'encoding'"
            raise unknown_name("encoding", self.encoding, ENCODINGS, where)
        if not ModelRef.parse(self.model).provider.likelihoods:
            forms = forms_of(lambda provider: provider.likelihoods)
            what = f"{source}, setting 'model': {self.model} gives no likelihoods of texts"
            raise InputError(what, f"use {either(forms)}")


@dataclass(frozen=True, slots=True)
class ScoredTask:
    """What a model finds of the references of a task's instances, in their order.

    `nats` is the mean over the tokens of an instance's reference, its end included; `tokens` is
    their number. `shortened` counts the instances for which something had to be left out of the
    prompt or the reference.
    """

    nats: tuple[float, ...]
    tokens: tuple[int, ...]
    shortened: int = 0


class ScoringModel:
    """A checkpoint that is asked for likelihoods."""

    def __init__(self, model: Any, tokenizer: Any, *, decoder_only: bool) -> None:
        """Take a model of transformers with its tokenizer.

        `note` says why a model can't read instances behind a shared prefix, where it can't.
        """
        self._model = model.eval()
        self._tokenizer = HfTokenizer(tokenizer)
        self._decoder_only = decoder_only
        self._sizes = ModelSizes.of_model(model)
        self._attention: Any = None
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
        loaded = load_model(model, dtype="bfloat16" if bf16 else "float32")
        return cls(loaded, tokenizer, decoder_only=is_decoder_only(model))

    def score(self, task: Task, encoding: Encoding, *, seed: int) -> ScoredTask:
        """Read the references of all instances of a task.

        Where an instance has several, the one that the seed draws is read.

        Raises:
            InputError: nothing of an input fits into the model's context, or the model has no
                embedding for a token.
        """
        fitted = self._fitted(encoding)
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
        losses = self._packed(pairs, longest) if self._decoder_only else self._paired(pairs)
        return ScoredTask(
            tuple(losses[place] for place in range(len(pairs))),
            tuple(len(pair.target) for pair in pairs),
            sum(any(astuple(example.dropped)) for example in encoded),
        )

    def _fitted(self, encoding: Encoding) -> Encoding:
        """The encoding with no more tokens than the model has positions."""
        target = min(encoding.max_target, self._sizes.answer or encoding.max_target)
        most = encoding.max_source
        if self._sizes.prompt is not None:
            most = min(most, self._sizes.prompt)
        if self._sizes.whole is not None:
            most = min(most, self._sizes.whole - target)
        return replace(encoding, max_source=max(2, most), max_target=target)

    def _packed(self, pairs: list[TokenPair], longest: int) -> dict[int, float]:
        from seedstep.encode.losses import token_losses

        attention = self._opened(longest)
        if attention == "causal":
            groups = [PackedGroup((pair,), 0) for pair in pairs]
            rows = [[group] for group in groups]
        else:
            groups = group_pairs(pairs, share=len(pairs), row_tokens=ROW_TOKENS)
            rows = pack(groups, row_tokens=ROW_TOKENS)
        found: dict[int, float] = {}
        for members in rows:
            losses = _without_gradient(token_losses, self._model, [make_row(members)], attention)
            found |= _means(losses, [pair for group in members for pair in group.pairs])
        return found

    def _opened(self, longest: int) -> Any:
        """How masks reach the model; `causal` where it can't read several instances in a row."""
        from seedstep.encode.losses import shared_attention

        if self._attention is None:
            try:
                self._attention = shared_attention(self._model, longest)
            except InputError as error:
                self.note = f"{error.what}: each instance is read by itself, which takes longer"
                self._attention = "causal"
        return self._attention

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


def _without_gradient(function: Any, *arguments: Any, **named: Any) -> list[float]:
    import torch

    with torch.inference_mode():
        losses: list[float] = function(*arguments, **named).tolist()
    return losses


def _means(losses: list[float], pairs: list[TokenPair]) -> dict[int, float]:
    """The mean loss of each pair's target, by the pair's place, from the losses of all in turn."""
    found = {}
    start = 0
    for pair in pairs:
        part_of = losses[start : start + len(pair.target)]
        found[int(pair.instance)] = sum(part_of) / len(part_of)
        start += len(pair.target)
    return found
