"""Encodings: their options, and the named ones.

An encoding says how a task and an instance become a prompt and a target: section 3.4 of the second
paper, with Tk-Instruct's elements; section 2.3 of the first.

`ENCODINGS` has all named encodings: each layout has one of its name. `make_encoding` changes some
options of one and checks that the options go together. `add_layout` and `add_encoding` add your
own.

Example::

    >>> encoding = Encoding(positive=2, steps="refined")  # the second paper's
    >>> encoding.positive, encoding.steps
    (2, 'refined')
    >>> make_encoding("steps", positive=1).positive
    1
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Literal, TypedDict, Unpack

import msgspec
from msgspec import Meta

from seedstep.encode.added_layout import checked_layout, fingerprint_of_layout
from seedstep.encode.layouts import (
    LAYOUTS,
    Layout,
    named_layout,
    unknown_encoding,
)
from seedstep.entries import require_entry, require_name
from seedstep.errors import InputError, unknown_name
from seedstep.settings import NotNegative, setting

__all__ = [
    "ENCODINGS",
    "OWN_NAMES",
    "Encoding",
    "EncodingKeywords",
    "StepsKind",
    "add_encoding",
    "add_layout",
    "check_encoding",
    "layout_fingerprint",
    "make_encoding",
]

StepsKind = Literal["none", "refined", "unrefined", "shuffled"]
"""Which step-by-step instruction of the task is used."""

TokenLimit = Annotated[int, Meta(ge=2)]


def _about_layouts() -> str:
    meanings = "; ".join(f"{layout.name} ({layout.meaning})" for layout in LAYOUTS.values())
    return f"How the parts of a prompt are put together: {meanings}."


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

    layout: str = setting("tk-instruct", _about_layouts)
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
    max_source: TokenLimit = setting(1024, "Tokens of a prompt, at the most.")
    max_target: TokenLimit = setting(128, "Tokens of an answer, at the most.")


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


STEPS_SOURCE = 1224
"""Tokens of a prompt in the second paper (section 4.2); Tk-Instruct's own are 1024."""

_DEFINITION = Encoding(positive=0)
_EXAMPLES = Encoding(positive=2)
_STEPS = Encoding(positive=2, steps="refined", max_source=STEPS_SOURCE)

ENCODINGS: dict[str, Encoding] = {
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
"""The named encodings; `steps` is the second paper's, `self-instruct` the first's."""


def _add_encoding_of(layout: Layout) -> None:
    """Add the encoding of a layout's name, with the usual options, if there is none yet."""
    ENCODINGS.setdefault(layout.name, Encoding(layout.name, positive=2 * layout.takes_parts))


for _layout in LAYOUTS.values():
    _add_encoding_of(_layout)


OWN_NAMES = frozenset((*LAYOUTS, *ENCODINGS))
"""The names of the layouts and encodings that are not added."""


def add_layout(layout: Layout) -> None:
    """Add a layout of your own to the table, and an encoding of its name.

    A layout of that name that was added before is replaced, with its encoding.

    Raises:
        EntryError: it is no layout, its name or another field can't be used, or it has two ways to
            write prompts.
        InputError: seedstep has a layout or an encoding of that name, or you have added such an
            encoding; or the layout shows no input, or has the fit "fidelity".
    """
    require_entry("add_layout", layout, Layout)
    require_name("add_layout", layout.name)
    kind = "a layout" if layout.name in LAYOUTS else "an encoding"
    if layout.name in OWN_NAMES or layout.name in ENCODINGS.keys() - LAYOUTS.keys():
        raise InputError(f"there is {kind} '{layout.name}' already", "give yours another name")
    LAYOUTS[layout.name] = checked_layout(layout)
    ENCODINGS.pop(layout.name, None)
    _add_encoding_of(layout)


def layout_fingerprint(name: str) -> str:
    """Return a fingerprint of how an added layout writes; "" for one of seedstep's own."""
    return "" if name in OWN_NAMES else fingerprint_of_layout(named_layout(name))


def add_encoding(name: str, encoding: Encoding) -> None:
    """Add an encoding of your own to the table. One of that name that was added is replaced.

    Raises:
        EntryError: it is no encoding, or the name can't be used.
        InputError: seedstep has an encoding of that name, or it is that of a layout; an option has
            a value that does not fit, the options do not go together, or there is no such layout.
    """
    require_entry("add_encoding", encoding, Encoding)
    require_name("add_encoding", name)
    if name in OWN_NAMES or name in LAYOUTS:
        raise InputError(f"there is an encoding '{name}' already", "give yours another name")
    check_encoding(encoding, name)
    ENCODINGS[name] = encoding


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
        raise unknown_encoding("encoding", name, ENCODINGS)
    asked = {
        option: value
        for option, value in {**(overrides or {}), **options}.items()
        if value is not None
    }
    known = [field.name for field in fields(Encoding)]
    for option in asked:
        if option not in known:
            raise unknown_name("option of an encoding", option, known)
    encoding = _converted({**asdict(ENCODINGS[name]), **asked}, name)
    check_encoding(encoding)
    return encoding


def _converted(options: Mapping[str, object], name: str) -> Encoding:
    """Return the encoding with these options; `name` is its name, for error messages.

    Raises:
        InputError: a value does not fit.
    """
    try:
        return msgspec.convert(options, Encoding)
    except msgspec.ValidationError as error:
        text, _, option = str(error).rstrip("`").partition(" - at `$.")
        what = f"encoding {name}, {option}: {text[:1].lower()}{text[1:]}"
        raise InputError(what, "correct the value") from None


def check_encoding(encoding: Encoding, name: str = "") -> None:
    """Check the options of an encoding, and that they go together; `name` is for error messages.

    Raises:
        InputError: a value does not fit, the options do not go together, or there is no such
            layout.
    """
    _converted(asdict(encoding), name or repr(encoding.layout))
    layout = named_layout(encoding.layout)
    if encoding.fit not in layout.fits:
        what = f"the layout {layout.name} has no fit {encoding.fit}"
        raise InputError(what, f"use the fit {layout.fits[0]}, or the layout tk-instruct")
    has_parts = encoding.positive or encoding.negative or encoding.steps != "none"
    if has_parts and not layout.takes_parts:
        what = f"the layout {layout.name} has no place for examples and steps"
        raise InputError(what, "ask for none, or use the layout tk-instruct")
