"""Encodings: their options, the named ones, and the records of prompts and targets that they make.

An encoding says how a task and an instance become a prompt and a target: section 3.4 of the second
paper, with Tk-Instruct's elements; section 2.3 of the first. `TextTokenizer` is what an encoding
requires of a tokenizer.

`ENCODINGS` has all named encodings; `make_encoding` changes some options of one and checks that
the options go together. Settings of stages include `EncodingChoice`.

Example::

    >>> encoding = Encoding(positive=2, steps="refined")  # the second paper's
    >>> encoding.positive, encoding.steps
    (2, 'refined')
    >>> make_encoding("steps", positive=1).positive
    1
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Annotated, Any, Literal, Protocol, TypedDict, Unpack

import msgspec
from msgspec import Meta

from seedstep.data import TaskChoice
from seedstep.encode.layouts import named_layout
from seedstep.errors import InputError, unknown_name
from seedstep.settings import SEED, NotNegative, Place, SettingsRecord, part, setting

__all__ = [
    "ENCODINGS",
    "ChatFrame",
    "Dropped",
    "EncodeSettings",
    "Encoded",
    "Encoding",
    "EncodingChoice",
    "EncodingKeywords",
    "ExamplesChoice",
    "StepsKind",
    "TextTokenizer",
    "TokenPair",
    "check_encoding",
    "make_encoding",
    "steps_setting",
]

StepsKind = Literal["none", "refined", "unrefined", "shuffled"]
"""Which step-by-step instruction of the task is used."""

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
    positive: NotNegative = setting(2, "Positive examples in a prompt.")
    negative: NotNegative = setting(0, "Negative examples in a prompt.")
    explanations: bool = setting(False, "Explanations in the examples.")
    steps: StepsKind = setting(
        "none",
        "The step-by-step instruction in a prompt: none, refined, unrefined (its first version), "
        "or shuffled (the refined steps in random order).",
        flags=("--encode-steps",),
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


class EncodingKeywords(TypedDict, total=False):
    """The options of an `Encoding` by their names."""

    layout: str
    task_name: bool
    definition: bool
    positive: int
    negative: int
    explanations: bool
    steps: StepsKind
    position: Literal["prepend", "append"]
    fit: Literal["safe", "fidelity"]
    max_source: int
    max_target: int


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

    @property
    def read_tokens(self) -> int:
        """The number of tokens that are read: all but the last, from which nothing follows."""
        return len(self.prompt) + len(self.target) - 1


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
        """Return the tokens of a text, without special ones added."""

    def spans(self, text: str, *, marked: bool = False) -> list[tuple[int, int]]:
        """Return where in the text each of its tokens begins and ends."""

    def continued(self, text: str) -> list[int]:
        """Return the tokens of a text that follows other text."""

    def text(self, ids: list[int]) -> str:
        """Return the text of tokens, without special ones."""


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
        "self-instruct-fixed": Encoding("self-instruct-fixed", positive=0),
        "chat": Encoding("chat"),
        "plain": Encoding("plain", positive=0),
        "chat-plain": Encoding("chat-plain", positive=0),
        "chat-steps": Encoding("chat", steps="refined", max_source=STEPS_SOURCE),
    }
)
"""The named encodings; `steps` is the second paper's, `self-instruct` the first's."""


def make_encoding(
    name: str,
    overrides: Mapping[str, object] | None = None,
    **options: Unpack[EncodingKeywords],
) -> Encoding:
    """Return a named encoding with some options changed, which are keywords or in a mapping.

    An option that is None keeps its value.

    Raises:
        InputError: there is no such encoding or option, or a value does not fit.
    """
    if name not in ENCODINGS:
        raise unknown_name("encoding", name, ENCODINGS)
    asked = {
        option: value
        for option, value in {**(overrides or {}), **options}.items()
        if value is not None
    }
    known = [field.name for field in fields(Encoding)]
    for option in asked:
        if option not in known:
            raise unknown_name("option of an encoding", option, known)
    try:
        encoding = msgspec.convert({**asdict(ENCODINGS[name]), **asked}, Encoding)
    except msgspec.ValidationError as error:
        text, _, option = str(error).rstrip("`").partition(" - at `$.")
        what = f"encoding {name}, {option}: {text[:1].lower()}{text[1:]}"
        raise InputError(what, "correct the value") from None
    check_encoding(encoding)
    return encoding


def check_encoding(encoding: Encoding) -> None:
    """Check that the options of an encoding go together.

    Raises:
        InputError: the options do not go together, or there is no such layout.
    """
    layout = named_layout(encoding.layout)
    if encoding.fit not in layout.fits:
        what = f"the layout {layout.name} has no fit {encoding.fit}"
        raise InputError(what, f"use the fit {layout.fits[0]}, or the layout tk-instruct")
    has_parts = encoding.positive or encoding.negative or encoding.steps != "none"
    if has_parts and not layout.takes_parts:
        what = f"the layout {layout.name} has no place for examples and steps"
        raise InputError(what, "ask for none, or use the layout tk-instruct")


def steps_setting() -> Any:
    """Return a field for a settings record that says where step-by-step instructions come from."""
    return setting(
        None,
        "Step-by-step instructions: a run of `seedstep steps`, JSON lines as it exports, or "
        "`superni`, those that come with seedstep.",
        metavar="PATH",
    )


@dataclass(frozen=True, slots=True)
class ExamplesChoice:
    """Generated examples that prompts show in place of a task's own, and which of them."""

    run: str | None = setting(
        None,
        "Generated examples, which prompts show in place of the tasks' own: a run of `seedstep "
        "examples`. A task that has none there is shown without positive examples.",
        name="examples",
        metavar="RUN",
        later=True,
    )
    choose: Literal["ranked", "drawn"] = setting(
        "ranked",
        "Which two of a task's generated examples: those that the model ranked best, or two drawn "
        "at random.",
        later=True,
    )


@dataclass(frozen=True, slots=True)
class EncodingChoice:
    """The name of an encoding, and the options that differ from it."""

    name: str = setting(
        "tk-instruct",
        f"How prompts are made: {', '.join(ENCODINGS)}.",
        name="encoding",
        metavar="NAME",
    )
    options: dict[str, Any] = setting(
        dict,
        "What differs from the named encoding: {max_source: 1224}.",
        name="encoding_options",
        keys=Encoding,
    )

    @classmethod
    def of(
        cls, encoding: Encoding | Mapping[str, Any], options: Mapping[str, Any] | None = None
    ) -> "EncodingChoice":
        """Return the choice of an encoding, with these options changed.

        It has the name of the encoding that differs least from it. What a mapping does not name is
        as in `Encoding()`.

        Raises:
            InputError: there is no such option, or a value does not fit.
        """
        whole = asdict(encoding) if isinstance(encoding, Encoding) else encoding
        wanted = asdict(make_encoding("tk-instruct", {**whole, **(options or {})}))
        differing = {
            name: {option: value for option, value in wanted.items() if value != known[option]}
            for name, known in ((name, asdict(each)) for name, each in ENCODINGS.items())
        }
        return cls(*min(differing.items(), key=lambda found: len(found[1])))

    def make(self) -> Encoding:
        """Return the encoding.

        Raises:
            InputError: there is no such encoding, or an option does not fit.
        """
        return make_encoding(self.name, self.options)


@dataclass(frozen=True, slots=True)
class EncodeSettings(SettingsRecord):
    """The settings of `seedstep encode`: which tasks are shown, and how they are encoded."""

    tasks: TaskChoice = part(
        TaskChoice,
        limit_tasks=None,
        limit_instances=Place(
            name="instances", help="Instances of a task. Default: 1 with --show, else 100."
        ),
    )
    steps: str | None = steps_setting()
    generated: ExamplesChoice = part(ExamplesChoice)
    encoding: EncodingChoice = part(EncodingChoice)
    tokenizer: str | None = setting(
        None,
        "The model whose tokenizer counts tokens and fits prompts: local, gguf:PATH or "
        "hf:PATH_OR_ID.",
    )
    seed: int = setting(42, SEED)
