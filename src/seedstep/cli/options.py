"""Flags that several commands have, and how flags and a file become settings.

Example::

    def command(context: typer.Context, model: Model = None, config: Config = None) -> None:
        asked = settings_of(make_settings, config, flags_of(context, BootstrapSettings))
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Protocol

import typer

from seedstep.encode import ENCODINGS, StepsKind
from seedstep.errors import InputError
from seedstep.llm.settings import HELP
from seedstep.runs import read_yaml

__all__ = [
    "BaseUrl",
    "Config",
    "EncodeSteps",
    "EncodingName",
    "Explanations",
    "Fit",
    "InFlight",
    "MaxRequests",
    "MaxSource",
    "MaxTarget",
    "MaxTokens",
    "MaxUsd",
    "Model",
    "Negative",
    "Out",
    "Position",
    "Positive",
    "SameModel",
    "Seed",
    "StepsFrom",
    "flags_of",
    "help_of",
    "knobs_of",
    "names_of",
    "option",
    "option_of",
    "required",
    "settings_of",
]


def _option(name: str) -> Any:
    return typer.Option(help=HELP[name]["help"])


Out = Annotated[Path | None, typer.Option(help="The run's directory, made if needed.")]
Model = Annotated[str | None, _option("model")]
BaseUrl = Annotated[str | None, _option("base_url")]
Seed = Annotated[int | None, _option("seed")]
InFlight = Annotated[int | None, _option("in_flight")]
MaxRequests = Annotated[int | None, _option("max_requests")]
MaxTokens = Annotated[int | None, _option("max_tokens")]
MaxUsd = Annotated[float | None, _option("max_usd")]
SameModel = Annotated[
    bool, typer.Option("--same-model", help="Go on with a run at another --base-url: same model.")
]
Config = Annotated[Path | None, typer.Option(help="Settings in a YAML file.")]


def help_of(kind: type, name: str) -> str:
    """What the settings of this kind say about one of them."""
    found = {one.name: one for one in fields(kind)}
    return str(found[name].metadata["help"])


class _Entry(Protocol):
    """An entry of a table of what can be chosen by name."""

    @property
    def meaning(self) -> str:
        """What it is, in a few words."""


def names_of(table: Mapping[str, _Entry]) -> Any:
    """The type of a flag that takes the name of an entry of a table."""
    return Literal[tuple(table)]


def option_of(table: Mapping[str, _Entry], what: str, *flags: str) -> Any:
    """A flag for the name of an entry of a table. Its help says what each of them means."""
    meanings = "; ".join(f"{name} ({entry.meaning})" for name, entry in table.items())
    return typer.Option(*flags, help=f"{what}: {meanings}.")


def option(kind: type, name: str, *flags: str) -> Any:
    """A flag for one of the settings of this kind; `flags` where it has another name."""
    return typer.Option(*flags, help=help_of(kind, name))


def flags_of(context: typer.Context, *kinds: type) -> dict[str, Any]:
    """What a command was given of the settings of these kinds; None of those that it was not given.

    A parameter for a setting has its name.
    """
    return {one.name: context.params.get(one.name) for kind in kinds for one in fields(kind)}


def required(out: Path | None) -> Path:
    """The directory of a run.

    Raises:
        InputError: none is named.
    """
    if out is None:
        raise InputError("no directory for the run", "add --out DIR")
    return out


def settings_of(
    make: Callable[[Mapping[str, Any], str], object],
    config: Path | None,
    flags: Mapping[str, Any],
) -> dict[str, Any]:
    """The settings that a file and the flags name; a flag that is None or an empty list names none,
    and one with several names adds to those of the file.

    `make` is how a stage makes its settings.

    Raises:
        InputError: the file can't be read, or a setting does not fit; it says which of the two.
    """
    asked = read_yaml(config) if config else {}
    make(asked, str(config))
    for name, value in flags.items():
        if isinstance(value, Mapping) and isinstance(in_file := asked.get(name), Mapping):
            asked[name] = {**in_file, **value}
        elif value not in (None, [], ()):
            asked[name] = value
    make(asked, "the command line")
    return asked


EncodingName = Annotated[
    str, typer.Option(help=f"How a prompt is made: {', '.join(ENCODINGS)}.", metavar="NAME")
]
Positive = Annotated[int | None, typer.Option(help="Positive examples in a prompt.")]
Negative = Annotated[int | None, typer.Option(help="Negative examples in a prompt.")]
Explanations = Annotated[
    bool | None,
    typer.Option("--explanations/--no-explanations", help="Explanations in the examples."),
]
EncodeSteps = Annotated[
    StepsKind | None,
    typer.Option(help="The step-by-step instruction in a prompt, or none."),
]
Position = Annotated[
    Literal["prepend", "append"] | None,
    typer.Option(help="Steps before the definition, or after it."),
]
Fit = Annotated[
    Literal["safe", "fidelity"] | None,
    typer.Option(
        help="What becomes of a prompt that is too long. safe: drop examples, then steps, then the "
        "end of the input. fidelity: cut its end, as Tk-Instruct's released code does."
    ),
]
MaxSource = Annotated[int | None, typer.Option(help="Tokens of a prompt, at the most.")]
MaxTarget = Annotated[int | None, typer.Option(help="Tokens of an answer, at the most.")]
StepsFrom = Annotated[
    str | None,
    typer.Option(
        "--steps",
        help="Step-by-step instructions: a run of `seedstep steps`, JSON lines as it exports, or "
        "`superni`, those that come with seedstep.",
    ),
]

KNOBS = MappingProxyType(
    {
        "positive": "positive",
        "negative": "negative",
        "explanations": "explanations",
        "encode_steps": "steps",
        "position": "position",
        "fit": "fit",
        "max_source": "max_source",
        "max_target": "max_target",
    }
)
"""Parameters of a command, and what they turn of an encoding."""


def knobs_of(context: typer.Context) -> dict[str, Any]:
    """What the flags turn of an encoding, by its fields."""
    given = {field: context.params.get(name) for name, field in KNOBS.items()}
    return {field: value for field, value in given.items() if value is not None}
