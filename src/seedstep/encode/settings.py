"""The settings that name an encoding, and the records of prompts and targets that encodings make.

`TextTokenizer` is what an encoding requires of a tokenizer. Settings of stages include
`EncodingChoice`.

Example::

    >>> EncodingChoice("steps", {"positive": 1}).make().positive
    1
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from seedstep.data import TaskChoice
from seedstep.encode.encodings import ENCODINGS, OWN_NAMES, Encoding, make_encoding
from seedstep.errors import InputError
from seedstep.settings import SEED, Place, SettingsRecord, part, setting

__all__ = [
    "ChatFrame",
    "Dropped",
    "EncodeSettings",
    "Encoded",
    "EncodingChoice",
    "ExamplesChoice",
    "TextTokenizer",
    "TokenPair",
    "steps_setting",
]


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
        lambda: f"How prompts are made: {', '.join(ENCODINGS)}.",
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
        cls,
        encoding: Encoding | Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        source: str = "settings",
    ) -> "EncodingChoice":
        """Return the choice of an encoding, with these options changed.

        It has the name of that of seedstep's own encodings that differs least from it. What a
        mapping does not name is as in `Encoding()`. `source` is the origin of both, for error
        messages.

        Raises:
            InputError: there is no such option, or a value does not fit.
        """
        whole = asdict(encoding) if isinstance(encoding, Encoding) else encoding
        if not isinstance(options, Mapping | None):
            what = f"{source}, setting 'encoding_options': not a mapping"
            raise InputError(what, "write it as in {positive: 1}")
        try:
            wanted = asdict(make_encoding("tk-instruct", {**whole, **(options or {})}))
        except InputError as error:
            what = f"{source}, setting 'encoding': {error.what}"
            raise type(error)(what, error.remedy) from None
        differing = {
            name: {option: value for option, value in wanted.items() if value != known[option]}
            for name, known in ((name, asdict(ENCODINGS[name])) for name in ENCODINGS)
            if name in OWN_NAMES
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
