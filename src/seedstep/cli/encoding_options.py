"""The flags of an encoding, which several commands have.

Example::

    def command(context: typer.Context, positive: Positive = None) -> None:
        chosen = make_encoding("tk-instruct", knobs_of(context))
"""

from types import MappingProxyType
from typing import Annotated, Any, Literal

import typer

from seedstep.encode import ENCODINGS, StepsKind

__all__ = [
    "EncodeSteps",
    "EncodingName",
    "Explanations",
    "Fit",
    "MaxSource",
    "MaxTarget",
    "Negative",
    "Position",
    "Positive",
    "StepsFrom",
    "knobs_of",
]

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
        help="Step-by-step instructions: a run of `seedstep steps`, or JSON lines as it exports.",
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
