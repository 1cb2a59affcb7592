"""How long prompts and answers may be for a checkpoint, and which tokens it knows.

Past its positions a model fails with an error of its library, or answers nonsense; so does one
whose tokenizer has more tokens than it. Both are found before it is called.

Example::

    sizes = ModelSizes.of(load_config("hf:gpt2"))
    sizes.too_long(1000, 128)  # "its prompt of 1,000 tokens and 128 for the answer need more ..."
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["ModelSizes"]

_NAMES = {
    "encoder": ("max_encoder_position_embeddings", "max_source_positions"),
    "decoder": ("max_decoder_position_embeddings", "max_target_positions"),
}
"""What configurations call the positions of each part, where not `max_position_embeddings`."""

_UNSTRETCHED = ("default", "llama3", "longrope", "su", "mrope", "proportional")
"""Kinds of rotary positions with which a model has no more positions than it says."""


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """What a model takes; None is without limit.

    `whole` are the positions for a prompt and its answer together, of a decoder-only model;
    `prompt` and `answer` those of encoder and decoder. `vocabulary` is the number of tokens that
    the model has embeddings for.
    """

    whole: int | None = None
    prompt: int | None = None
    answer: int | None = None
    vocabulary: int | None = None

    @classmethod
    def of(cls, config: Any, vocabulary: int | None = None) -> "ModelSizes":
        """The sizes by a model's configuration; `vocabulary` is counted, where it can be."""
        if config.is_encoder_decoder:
            prompt = _positions(config.get_text_config(encoder=True), "encoder")
            answer = _positions(config.get_text_config(decoder=True), "decoder")
            known = cls(prompt=prompt, answer=answer, vocabulary=vocabulary)
        else:
            known = cls(_positions(config.get_text_config(), "decoder"), vocabulary=vocabulary)
        if vocabulary is not None:
            return known
        size = getattr(config.get_text_config(decoder=True), "vocab_size", None)
        return cls(known.whole, known.prompt, known.answer, size)

    @classmethod
    def of_model(cls, model: Any) -> "ModelSizes":
        """The sizes of a model that is loaded."""
        return cls.of(model.config, int(model.get_input_embeddings().weight.shape[0]))

    def too_long(self, prompt: int, answer: int) -> str:
        """Why a prompt of so many tokens can't have an answer of so many; empty if it can."""
        if self.whole is not None and prompt + answer > self.whole:
            return (
                f"its prompt of {prompt:,} tokens and {answer:,} for the answer need more than the "
                f"{self.whole:,} positions of the model"
            )
        if self.prompt is not None and prompt > self.prompt:
            return (
                f"its prompt of {prompt:,} tokens needs more than the {self.prompt:,} positions of "
                "the model's encoder"
            )
        if self.answer is not None and answer > self.answer:
            return (
                f"{answer:,} tokens for the answer need more than the {self.answer:,} positions of "
                "the model's decoder"
            )
        return ""

    def unknown_token(self, ids: Iterable[int]) -> str:
        """Why tokens can't be given to the model; empty if they can."""
        highest = max(ids, default=0)
        if self.vocabulary is None or highest < self.vocabulary:
            return ""
        return (
            f"the tokenizer has a token {highest:,}, and the model has embeddings for "
            f"{self.vocabulary:,} tokens only"
        )

    def room(self, prompt: int, most: int) -> int:
        """How many tokens an answer of up to `most` may have after a prompt of so many."""
        left = [most]
        if self.whole is not None:
            left.append(self.whole - prompt)
        if self.answer is not None:
            left.append(self.answer)
        return min(left)


def _positions(config: Any, part: str) -> int | None:
    """The positions of a part of a model; None where it has relative ones, or counts none."""
    if getattr(config, "alibi", False) or hasattr(config, "relative_attention_num_buckets"):
        return None
    found = (getattr(config, name, None) for name in (*_NAMES[part], "max_position_embeddings"))
    positions = next((number for number in found if isinstance(number, int)), 0)
    return max(positions, _stretched(config, positions)) if positions > 0 else None


def _stretched(config: Any, positions: int) -> int:
    """The positions that rotary embeddings are stretched to; 0 where they are not."""
    rotary = getattr(config, "rope_parameters", None) or {}
    kind, factor = rotary.get("rope_type", "default"), rotary.get("factor")
    if kind in _UNSTRETCHED or not isinstance(factor, int | float):
        return 0
    original = rotary.get("original_max_position_embeddings") if kind == "yarn" else None
    return int((original or positions) * factor)
