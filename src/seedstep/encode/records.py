"""How a task and an instance become a prompt and a target: the knobs, and what comes of them.

Section 3.4 of the second paper, with Tk-Instruct's elements; section 2.3 of the first.

Example::

    Encoding(positive=2, steps="refined")  # the second paper's: steps, definition, 2 examples
"""

from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Dropped", "Encoded", "Encoding", "Layout", "StepsKind", "TextTokenizer", "TokenPair"]

Layout = Literal["tk-instruct", "self-instruct", "chat"]
"""Tk-Instruct's labelled elements, Self-Instruct's random templates, or the model's own chat."""

StepsKind = Literal["none", "refined", "unrefined", "shuffled"]
"""Which step-by-step instruction of the task is used."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a prompt is made of.

    `positive` and `negative` are numbers of examples. `position` is where the step-by-step
    instruction stands: before the definition, or after it. With `fit` "fidelity" a prompt that is
    too long is cut at its end, as in Tk-Instruct's released code; "safe" drops examples, then
    steps, then trims the input. `max_source` and `max_target` are in tokens, end-of-sequence
    included.
    """

    layout: Layout = "tk-instruct"
    task_name: bool = False
    definition: bool = True
    positive: int = 2
    negative: int = 0
    explanations: bool = False
    steps: StepsKind = "none"
    position: Literal["prepend", "append"] = "prepend"
    fit: Literal["safe", "fidelity"] = "safe"
    max_source: int = 1024
    max_target: int = 128


@dataclass(frozen=True, slots=True)
class Dropped:
    """What did not fit: numbers of examples and steps, and of tokens of input and target.

    `cut_tokens` were cut from the end of the prompt, whatever they were (fidelity).
    """

    positive: int = 0
    negative: int = 0
    steps: int = 0
    input_tokens: int = 0
    target_tokens: int = 0
    cut_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt and the target to learn, as text, without end-of-sequence."""

    task: str
    instance: str
    prompt: str
    target: str
    dropped: Dropped = Dropped()


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A prompt and a target as token ids, the end-of-sequence token included in the target.

    For a decoder-only model their concatenation is the row; for an encoder-decoder model the
    prompt ends with an end-of-sequence token too.
    """

    task: str
    instance: str
    prompt: tuple[int, ...]
    target: tuple[int, ...]


class TextTokenizer(Protocol):
    """What an encoding needs of a tokenizer."""

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, without special ones added."""

    def text(self, ids: list[int]) -> str:
        """The text of tokens."""
