"""How a task and an instance become a prompt and a target: the knobs, and what comes of them.

Section 3.4 of the second paper, with Tk-Instruct's elements; section 2.3 of the first.

Example::

    Encoding(positive=2, steps="refined")  # the second paper's: steps, definition, 2 examples
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from seedstep.errors import InputError, unknown_name

__all__ = [
    "ENCODINGS",
    "ChatFrame",
    "Dropped",
    "Encoded",
    "Encoding",
    "Layout",
    "StepsKind",
    "TextTokenizer",
    "TokenPair",
    "check_encoding",
    "make_encoding",
]

Layout = Literal["tk-instruct", "self-instruct", "chat"]
"""Tk-Instruct's labelled elements, Self-Instruct's random templates, or the model's own chat."""

StepsKind = Literal["none", "refined", "unrefined", "shuffled"]
"""Which step-by-step instruction of the task is used."""

Number = Annotated[int, Meta(ge=0)]
Tokens = Annotated[int, Meta(ge=2)]


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a prompt is made of.

    `positive` and `negative` are numbers of examples. `position` is where the step-by-step
    instruction stands: before the definition, or after it. With `fit` "fidelity" a prompt that is
    too long is cut at its end, as in Tk-Instruct's released code; "safe" drops examples, then
    steps, then trims the input. `max_source` and `max_target` are in tokens, end-of-sequence
    included.

    The layout "self-instruct" has no place for examples and steps, and only "tk-instruct" has the
    fit "fidelity".
    """

    layout: Layout = "tk-instruct"
    task_name: bool = False
    definition: bool = True
    positive: Number = 2
    negative: Number = 0
    explanations: bool = False
    steps: StepsKind = "none"
    position: Literal["prepend", "append"] = "prepend"
    fit: Literal["safe", "fidelity"] = "safe"
    max_source: Tokens = 1024
    max_target: Tokens = 128


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
    """A prompt and the target to learn, as text, without end-of-sequence.

    In a `chat` prompt the marks of the model's chat template are special tokens. `limits` are the
    tokens of prompt and target at which `tokenize` still has to cut (fidelity), as Tk-Instruct's
    released code leaves that to the tokenizer.
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

    `end` is the token that closes an answer, None where the template has none of its own.
    """

    before: str
    after: str
    end: int | None = None


class TextTokenizer(Protocol):
    """What an encoding needs of a tokenizer.

    The texts of special tokens are ordinary text, as data may hold anything; except where a text
    is `marked` by the chat template.
    """

    @property
    def bos(self) -> tuple[int, ...]:
        """The tokens that a text starts with; often one, or none."""

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
        """The tokens of a text that other text stands before."""

    def unmarked(self, text: str) -> str:
        """A text for a marked one, in which nothing reads as a special token."""

    def text(self, ids: list[int]) -> str:
        """The text of tokens, without special ones."""


STEPS_SOURCE = 1224
"""Tokens of a prompt in the second paper (section 4.2); Tk-Instruct's own are 1024."""

_DEFINITION = Encoding(positive=0)
_EXAMPLES = Encoding(positive=2)
_STEPS = Encoding(positive=2, steps="refined", max_source=STEPS_SOURCE)

ENCODINGS: Mapping[str, Encoding] = MappingProxyType(
    {
        "definition": _DEFINITION,
        "definition-2-positive": _EXAMPLES,
        "tk-instruct": _EXAMPLES,
        "tk-instruct-full": Encoding(positive=2, negative=2, explanations=True),
        "steps": _STEPS,
        "steps-prepend": _STEPS,
        "steps-append": Encoding(
            positive=2, steps="refined", position="append", max_source=STEPS_SOURCE
        ),
        "steps-definition": Encoding(positive=0, steps="refined", max_source=STEPS_SOURCE),
        "self-instruct": Encoding("self-instruct", positive=0),
        "chat": Encoding("chat"),
        "chat-steps": Encoding("chat", steps="refined", max_source=STEPS_SOURCE),
    }
)
"""The named encodings; `steps` is the second paper's, `self-instruct` the first's."""


def make_encoding(name: str, overrides: Mapping[str, Any] | None = None) -> Encoding:
    """A named encoding with some of its knobs turned; one that is None stays.

    Raises:
        InputError: there is no such encoding or knob, or a value does not fit.
    """
    if name not in ENCODINGS:
        raise unknown_name("encoding", name, ENCODINGS)
    asked = {knob: value for knob, value in (overrides or {}).items() if value is not None}
    known = [one.name for one in fields(Encoding)]
    for knob in asked:
        if knob not in known:
            raise unknown_name("knob of an encoding", knob, known)
    try:
        encoding = msgspec.convert({**asdict(ENCODINGS[name]), **asked}, Encoding)
    except msgspec.ValidationError as error:
        text, _, knob = str(error).rstrip("`").partition(" - at `$.")
        what = f"encoding {name}, {knob}: {text[:1].lower()}{text[1:]}"
        raise InputError(what, "correct the value") from None
    check_encoding(encoding)
    return encoding


def check_encoding(encoding: Encoding) -> None:
    """Make sure that the parts of an encoding go together.

    Raises:
        InputError: they don't.
    """
    if encoding.fit == "fidelity" and encoding.layout != "tk-instruct":
        what = f"the layout {encoding.layout} has no fit fidelity"
        raise InputError(what, "use the fit safe, or the layout tk-instruct")
    has_parts = encoding.positive or encoding.negative or encoding.steps != "none"
    if encoding.layout == "self-instruct" and has_parts:
        what = "the layout self-instruct has no place for examples and steps"
        raise InputError(what, "ask for none, or use the layout tk-instruct")
