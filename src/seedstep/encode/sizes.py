"""Check that a checkpoint has enough positions for prompts and answers, and knows their tokens.

Beyond its positions, or with tokens for which it has no embeddings, a model raises an obscure error
or generates nonsense. Both are found before the model is called.

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
"""Other names of `max_position_embeddings` in configurations, by part of the model."""

_UNSTRETCHED = ("default", "llama3", "longrope", "su", "mrope", "proportional")
"""The kinds of rotary embeddings that don't increase the number of positions."""


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """The limits of a model; None means no limit.

    `whole` is the number of positions for prompt and answer together, of a decoder-only model;
    `prompt` and `answer` are those of encoder and decoder. `vocabulary` is the number of tokens for
    which the model has embeddings.
    """

    whole: int | None = None
    prompt: int | None = None
    answer: int | None = None
    vocabulary: int | None = None

    @classmethod
    def of(cls, config: Any, vocabulary: int | None = None) -> "ModelSizes":
        """Read the sizes from a configuration. `vocabulary` is the counted number, if known."""
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
        """Return the sizes of a loaded model."""
        return cls.of(model.config, int(model.get_input_embeddings().weight.shape[0]))

    def too_long(self, prompt: int, answer: int) -> str:
        """Return why a prompt and an answer of so many tokens don't fit, or "" if they do."""
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
        """Return why the model can't read some tokens, or "" if it can."""
        highest = max(ids, default=0)
        if self.vocabulary is None or highest < self.vocabulary:
            return ""
        return (
            f"the tokenizer has a token {highest:,}, and the model has embeddings for "
            f"{self.vocabulary:,} tokens only"
        )

    def room(self, prompt: int, most: int) -> int:
        """Return how many tokens an answer may have after a prompt of so many, at most `most`."""
        left = [most]
        if self.whole is not None:
            left.append(self.whole - prompt)
        if self.answer is not None:
            left.append(self.answer)
        return min(left)


def _positions(config: Any, part: str) -> int | None:
    """Return the number of positions of a part, or None if they are relative or not limited."""
    if getattr(config, "alibi", False) or hasattr(config, "relative_attention_num_buckets"):
        return None
    found = (getattr(config, name, None) for name in (*_NAMES[part], "max_position_embeddings"))
    positions = next((number for number in found if isinstance(number, int)), 0)
    return max(positions, _stretched(config, positions)) if positions > 0 else None


def _stretched(config: Any, positions: int) -> int:
    """Return the number of positions to which rotary embeddings are scaled; 0 if they aren't."""
    rotary = getattr(config, "rope_parameters", None) or {}
    kind, factor = rotary.get("rope_type", "default"), rotary.get("factor")
    if kind in _UNSTRETCHED or not isinstance(factor, int | float):
        return 0
    original = rotary.get("original_max_position_embeddings") if kind == "yarn" else None
    return int((original or positions) * factor)
