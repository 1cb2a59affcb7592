"""Records of encoding: an encoding's options, and the prompts and targets that it makes.

An encoding says how a task and an instance become a prompt and a target: section 3.4 of the second
paper, with Tk-Instruct's elements; section 2.3 of the first. `TextTokenizer` is what an encoding
requires of a tokenizer.

Example::

    >>> encoding = Encoding(positive=2, steps="refined")  # the second paper's
    >>> encoding.positive, encoding.steps
    (2, 'refined')
"""

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from seedstep.settings import setting

__all__ = ["ChatFrame", "Dropped", "Encoded", "Encoding", "StepsKind", "TextTokenizer", "TokenPair"]

StepsKind = Literal["none", "refined", "unrefined", "shuffled"]
"""Which step-by-step instruction of the task is used."""

Number = Annotated[int, Meta(ge=0)]
Tokens = Annotated[int, Meta(ge=2)]


@dataclass(frozen=True, slots=True)
class Encoding:
    """The options that say what a prompt contains, and how long it may be.

    `layout` is the name of one of `seedstep.encode.LAYOUTS`. `positive` and `negative` are numbers
    of examples. `position` is where the step-by-step instruction stands: before the definition, or
    after it. With `fit` "fidelity" a prompt that is too long is cut at its end, as in Tk-Instruct's
    released code; "safe" drops examples, then steps, then trims the input. `max_source` and
    `max_target` are in tokens, end-of-sequence included.

    A layout may have no place for examples and steps, and may not have the fit "fidelity".
    """

    layout: str = setting("tk-instruct", "How the parts of a prompt are put together.")
    task_name: bool = setting(False, "The task's name in a prompt.")
    definition: bool = setting(True, "The task's definition in a prompt.")
    positive: Number = setting(2, "Positive examples in a prompt.")
    negative: Number = setting(0, "Negative examples in a prompt.")
    explanations: bool = setting(False, "Explanations in the examples.")
    steps: StepsKind = setting(
        "none", "The step-by-step instruction in a prompt, or none.", flags=("--encode-steps",)
    )
    position: Literal["prepend", "append"] = setting(
        "prepend", "Steps before the definition, or after it."
    )
    fit: Literal["safe", "fidelity"] = setting(
        "safe",
        "What becomes of a prompt that is too long. safe: drop examples, then steps, then the "
        "end of the input. fidelity: cut its end, as Tk-Instruct's released code does.",
    )
    max_source: Tokens = setting(1024, "Tokens of a prompt, at the most.")
    max_target: Tokens = setting(128, "Tokens of an answer, at the most.")


@dataclass(frozen=True, slots=True)
class Dropped:
    """How much did not fit: numbers of examples and steps, and of tokens of input and target.

    `cut_tokens` counts the tokens cut from the end of a prompt by the fit "fidelity".
    """

    positive: int = 0
    negative: int = 0
    steps: int = 0
    input_tokens: int = 0
    target_tokens: int = 0
    cut_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt and the target to learn, as text, without end-of-sequence.

    `chat` says that the prompt is in the model's chat template, whose marks are special tokens.
    `limits` are the numbers of tokens to which `tokenize` cuts prompt and target; only the fit
    "fidelity" has them, as Tk-Instruct's released code leaves cutting to the tokenizer.
    """

    task: str
    instance: str
    prompt: str
    target: str
    dropped: Dropped = Dropped()
    chat: bool = False
    limits: tuple[int, int] | None = None


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


@dataclass(frozen=True, slots=True)
class ChatFrame:
    """What a model's chat template writes before and after a user's message.

    `end` is the token that closes an answer, None where the template has none of its own; `stop` is
    then the text that closes it, if there is one.
    """

    before: str
    after: str
    end: int | None = None
    stop: str = ""


class TextTokenizer(Protocol):
    """The methods of a tokenizer that encodings use.

    Data may contain the text of an added token, such as `</s>`. It is tokenised as ordinary text,
    except in what the chat template wrote of a text that is `marked`.
    """

    @property
    def bos(self) -> tuple[int, ...]:
        """The special tokens that come before a text; often there is one, or none."""

    @property
    def eos(self) -> int | None:
        """The end-of-sequence token, if there is one."""

    @property
    def chat(self) -> ChatFrame | None:
        """The chat template, if there is one."""

    def ids(self, text: str, *, marked: bool = False) -> list[int]:
        """The tokens of a text, without special ones added."""

    def spans(self, text: str, *, marked: bool = False) -> list[tuple[int, int]]:
        """Where in the text each of its tokens begins and ends."""

    def continued(self, text: str) -> list[int]:
        """The tokens of a text that follows other text."""

    def text(self, ids: list[int]) -> str:
        """The text of tokens, without special ones."""
