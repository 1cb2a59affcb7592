"""The named encodings, and the settings with which commands choose and change one.

`ENCODINGS` has all named encodings; `make_encoding` changes some options of one and checks that
the options go together. Settings of stages include `EncodingChoice`.

Example::

    >>> make_encoding("steps", {"positive": 1}).positive
    1
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from seedstep.data import TaskChoice
from seedstep.encode.encodings import Encoding
from seedstep.encode.layouts import named_layout
from seedstep.errors import InputError, unknown_name
from seedstep.settings import SEED, Place, SettingsRecord, part, setting

__all__ = [
    "ENCODINGS",
    "EncodeSettings",
    "EncodingChoice",
    "ExamplesChoice",
    "check_encoding",
    "make_encoding",
    "steps_setting",
]

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


def make_encoding(name: str, overrides: Mapping[str, Any] | None = None) -> Encoding:
    """Return a named encoding with some options changed; an option that is None keeps its value.

    Raises:
        InputError: there is no such encoding or option, or a value does not fit.
    """
    if name not in ENCODINGS:
        raise unknown_name("encoding", name, ENCODINGS)
    asked = {option: value for option, value in (overrides or {}).items() if value is not None}
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
        InputError: they don't, or there is no such layout.
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
        None, "Fit and count with a model's: local, gguf:PATH or hf:PATH_OR_ID."
    )
    seed: int = setting(42, SEED)
