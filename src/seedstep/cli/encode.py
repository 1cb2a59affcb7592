"""`seedstep encode`: what a model is given of tasks."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.encode_print import print_encoded, print_totals
from seedstep.cli.encoding_options import (
    EncodeSteps,
    EncodingName,
    Explanations,
    Fit,
    MaxSource,
    MaxTarget,
    Negative,
    Position,
    Positive,
    StepsFrom,
    knobs_of,
)
from seedstep.data import Task, load_tasks
from seedstep.encode import HfTokenizer, TaskEncoder, make_encoding, measure
from seedstep.errors import InputError
from seedstep.llm.checkpoints import is_decoder_only, load_tokenizer
from seedstep.store import with_steps

__all__ = ["command"]


def command(
    context: typer.Context,
    tasks: Annotated[
        Path, typer.Option(help="A SUPER-NATURALINSTRUCTIONS directory, a task file or JSON lines.")
    ],
    split: Annotated[str | None, typer.Option(help="The split of a directory.")] = None,
    track: Annotated[str, typer.Option(help="The track of the split.")] = "default",
    steps: StepsFrom = None,
    encoding: EncodingName = "tk-instruct",
    positive: Positive = None,
    negative: Negative = None,
    explanations: Explanations = None,
    encode_steps: EncodeSteps = None,
    position: Position = None,
    fit: Fit = None,
    max_source: MaxSource = None,
    max_target: MaxTarget = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="Fit and count with a model's: local, gguf:PATH or hf:PATH_OR_ID."),
    ] = None,
    show: Annotated[
        str | None, typer.Option(help="Print the prompts of a task.", metavar="TASK")
    ] = None,
    instances: Annotated[
        int | None,
        typer.Option(help="Instances of a task. Default: 1 with --show, else 100.", min=1),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 42,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without bad tasks.")] = False,
) -> None:
    """Show what a model is given: prompt and target as text and tokens, and what did not fit."""
    chosen = make_encoding(encoding, knobs_of(context))
    if not show and not tokenizer:
        raise InputError("no tokenizer to count with", "add --tokenizer local, or --show TASK")
    limit = instances or (1 if show else 100)
    loaded = load_tasks(tasks, split, track, limit=limit, skip_bad=skip_bad).tasks
    if show:
        loaded = (_named(loaded, show, tasks),)
    if steps:
        loaded = with_steps(loaded, Path(steps))
    opened = HfTokenizer(load_tokenizer(tokenizer)) if tokenizer else None
    decoder_only = is_decoder_only(tokenizer) if tokenizer else True
    if show:
        encoder = TaskEncoder(loaded[0], chosen, opened)
        for instance in loaded[0].instances:
            encoded = encoder.encode(instance, seed=seed)
            print_encoded(encoded, opened, decoder_only=decoder_only)
    elif opened:
        totals = measure(loaded, chosen, opened, decoder_only=decoder_only, seed=seed)
        print_totals(totals, chosen)


def _named(tasks: Sequence[Task], name: str, path: Path) -> Task:
    for task in tasks:
        if task.id == name:
            if not task.instances:
                raise InputError(f"{path}: {name} has no instances", "add one, or show another")
            return task
    near = difflib.get_close_matches(name, [task.id for task in tasks], n=1)
    remedy = f"did you mean '{near[0]}'" if near else "name one that is there"
    raise InputError(f"{path}: there is no task '{name}'", remedy)
