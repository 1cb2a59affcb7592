"""Count tokens against the budget of an encoding, cut texts to fit, and check a checkpoint's sizes.

Example::

    budget = LengthBudget("task001", Encoding(max_source=512), tokenizer)
    budget.fits(head, budget.counted(tail))

Beyond its positions, or with tokens for which it has no embeddings, a model raises an obscure error
or generates nonsense. Both are found before the model is called.

Example::

    sizes = ModelSizes.of(load_config("hf:gpt2"))
    sizes.too_long(1000, 128)  # "its prompt of 1,000 tokens and 128 for the answer need more ..."
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from seedstep.encode.encodings import Encoding
from seedstep.encode.settings import ChatFrame, TextTokenizer
from seedstep.errors import InputError

__all__ = ["Counted", "LengthBudget", "ModelSizes", "cut"]


MARGIN = 16
"""The most tokens by which the sum over a prompt's parts may differ from the whole prompt's."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A text and the number of its tokens."""

    text: str
    tokens: int


class LengthBudget:
    """Counts and cuts the prompts and targets of a task.

    The tokens of a text with which many prompts begin are counted once. Without a tokenizer a text
    has no tokens, so that everything fits.
    """

    def __init__(
        self,
        task: str,
        encoding: Encoding,
        tokenizer: TextTokenizer | None,
        in_template: bool = False,
    ) -> None:
        """With `in_template`, prompts are messages in the tokenizer's chat template.

        Raises InputError if the tokenizer has none.
        """
        self._task = task
        self._tokenizer = tokenizer or _NoTokens()
        self._source = encoding.max_source
        self._target = encoding.max_target
        self._frame = self._tokenizer.chat if in_template else None
        if in_template and not self._frame:
            what = f"the layout {encoding.layout} needs a tokenizer with a chat template"
            raise InputError(what, "name an instruction-tuned model, or another encoding")
        self._room = self._source - max(1, len(self._tokenizer.bos))  # eos or bos is added
        self._counts: dict[str, int] = {}

    def framed(self, text: str) -> str:
        """Return the text of a prompt, inside the chat template if the budget has one."""
        if not self._frame:
            return text
        return self._frame.before + text.rstrip() + self._frame.after

    def counted(self, tail: str) -> Counted:
        """Return the end of a prompt with its number of tokens, for use with several heads."""
        return Counted(tail, len(self._tokenizer.ids(tail)))

    def fits(self, head: str, tail: Counted) -> bool:
        """Return whether a prompt fits; the whole is counted only if the sum of parts is close."""
        if head not in self._counts:
            self._counts[head] = self._count(self.framed(head))
        spare = self._room - self._counts[head] - tail.tokens
        if abs(spare) > MARGIN:
            return spare > 0
        return self._count(self.framed(head + tail.text)) <= self._room

    def is_in(self, prompt: str) -> bool:
        """Return whether a whole prompt fits, inside the chat template if the budget has one."""
        return self._count(prompt) <= self._room

    def cut_input(self, prompt: Callable[[str], str], text: str) -> tuple[str, int]:
        """Return the part of an input that fits into a prompt, and how many tokens are lost.

        `prompt` returns the prompt with an input.

        Raises:
            InputError: not even the input's first character fits.
        """
        whole = len(self._tokenizer.ids(text))
        kept, count = text, whole
        while (over := self._count(prompt(kept)) - self._room) > 0:
            if len(kept) < 2 or count < 2:
                raise InputError(
                    f"{self._task}: its definition and an input need more than the {self._source} "
                    "tokens of max_source",
                    f"raise it to {self._source + over} or more",
                )
            kept = cut(kept, max(1, count - over), self._tokenizer).rstrip()
            kept = kept or text.lstrip()[:1]
            count = len(self._tokenizer.ids(kept))
        return kept, whole - count

    def cut_as_released(self, prompt: str) -> tuple[str, int]:
        """Return a prompt cut as in Tk-Instruct's released code, and how many tokens are lost.

        That code decodes the first `max_source` tokens to a text. When the text is tokenised
        again, the last token is replaced by end-of-sequence.
        """
        ids = self._tokenizer.ids(prompt)
        lost = len(ids) - self._room
        return (self._tokenizer.text(ids[: self._source]), lost) if lost > 0 else (prompt, 0)

    def target_tokens_over(self, target: str) -> int:
        """Return how many tokens of a target do not fit."""
        return max(0, len(self._tokenizer.ids(target)) + 1 - self._target)

    def cut_target(self, prompt: str, target: str) -> tuple[str, int]:
        """Return the part of a target that fits, and how many tokens are lost.

        A space at the end of the prompt counts as part of the target.
        """
        space = " " if prompt.endswith(" ") else ""
        text = space + target
        limit = self._target - 1
        kept = cut(text, limit, self._tokenizer)
        while len(self._tokenizer.continued(kept)) > limit:
            kept = cut(kept, len(self._tokenizer.spans(kept)) - 1, self._tokenizer)
        if kept == text:
            return target, 0
        lost = len(self._tokenizer.ids(text)) - len(self._tokenizer.ids(kept))
        return kept[len(space) :], max(1, lost)

    def _count(self, prompt: str) -> int:
        """Count the tokens of a prompt, with or without its last space, whichever is more.

        The space may become part of the target.
        """
        marked = self._frame is not None
        count = len(self._tokenizer.ids(prompt, marked=marked))
        if prompt.endswith(" "):
            count = max(count, len(self._tokenizer.ids(prompt[:-1], marked=marked)))
        return count


def cut(text: str, limit: int, tokenizer: TextTokenizer) -> str:
    """Return the beginning of a text, at most `limit` tokens, cut between two tokens."""
    while len(spans := tokenizer.spans(text)) > limit:
        text = text[: min(spans[limit][0], len(text) - 1)]
    return text


class _NoTokens:
    """A tokenizer for which every text has zero tokens."""

    bos: tuple[int, ...] = ()
    eos: int | None = None
    chat: ChatFrame | None = None

    def ids(self, text: str, *, marked: bool = False) -> list[int]:
        return []

    def spans(self, text: str, *, marked: bool = False) -> list[tuple[int, int]]:
        return []

    def continued(self, text: str) -> list[int]:
        return []

    def text(self, ids: list[int]) -> str:
        return ""


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
