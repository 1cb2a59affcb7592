"""`seedstep predict`: what a model, or a baseline, answers to the instances of tasks."""

import shlex
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seedstep.cli.encoding_options import (
    EncodeSteps,
    Explanations,
    Fit,
    MaxSource,
    Negative,
    Position,
    Positive,
    StepsFrom,
    knobs_of,
)
from seedstep.cli.options import (
    BaseUrl,
    Config,
    InFlight,
    MaxRequests,
    MaxTokens,
    MaxUsd,
    Out,
    SameModel,
    flags_of,
    option,
    required,
    settings_of,
)
from seedstep.cli.predict_progress import (
    predict_watching,
    print_predictions,
    print_predictions_end,
)
from seedstep.cli.stopping import run_to_the_end
from seedstep.encode import ENCODINGS, make_encoding
from seedstep.evaluate.settings import ChosenTasks, SystemSettings
from seedstep.recipes import PredictProgress, predict_async
from seedstep.recipes.predictions import split_settings
from seedstep.store import PredictionsRun

__all__ = ["command"]

_chosen = partial(option, ChosenTasks)
_system = partial(option, SystemSettings)


def command(
    context: typer.Context,
    out: Out = None,
    name: Annotated[
        str | None, typer.Option(help="What the system is called in the run. Default: its model.")
    ] = None,
    model: Annotated[str | None, _system("model")] = None,
    tasks: Annotated[str | None, _chosen("tasks")] = None,
    split: Annotated[str | None, _chosen("split")] = None,
    track: Annotated[str | None, _chosen("track")] = None,
    limit_tasks: Annotated[int | None, _chosen("limit_tasks")] = None,
    limit_instances: Annotated[int | None, _chosen("limit_instances")] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            help=f"How a prompt is made: {', '.join(ENCODINGS)}. Default: as the checkpoint was "
            "tuned, or tk-instruct.",
            metavar="NAME",
        ),
    ] = None,
    steps: StepsFrom = None,
    positive: Positive = None,
    negative: Negative = None,
    explanations: Explanations = None,
    encode_steps: EncodeSteps = None,
    position: Position = None,
    fit: Fit = None,
    max_source: MaxSource = None,
    tokenizer: Annotated[str | None, _system("tokenizer")] = None,
    base_url: BaseUrl = None,
    backend: Annotated[Literal["auto", "transformers"] | None, _system("backend")] = None,
    prompt_style: Annotated[
        Literal["auto", "completion", "chat"] | None,
        _system("prompt_style", "--style"),
    ] = None,
    max_new_tokens: Annotated[int | None, _system("max_new_tokens")] = None,
    seed: Annotated[int | None, _system("seed")] = None,
    batch: Annotated[int | None, _system("batch")] = None,
    bf16: Annotated[bool | None, _system("bf16", "--bf16")] = None,
    in_flight: InFlight = None,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    same_model: SameModel = False,
    skip_bad: Annotated[bool | None, _chosen("skip_bad", "--skip-bad")] = None,
    config: Config = None,
) -> None:
    """Predict the outputs of tasks with a model or a baseline. Run it again to go on."""
    out = required(out)
    asked = settings_of(split_settings, config, _flags(context))
    called = name or asked.get("model")
    again = f"seedstep predict --out {out}" + (f" --name {shlex.quote(called)}" if called else "")
    progress = run_to_the_end(_predict(out, asked, name, same_model=same_model), again)
    with PredictionsRun.read(out) as run:
        named = progress.name
        print_predictions(named, run.counts(named), progress.wanted, run.failures(named))
    print_predictions_end(out, again, progress)
    if not progress.complete:
        raise typer.Exit(1)


def _flags(context: typer.Context) -> dict[str, Any]:
    """The settings that flags name."""
    turned = knobs_of(context)
    if named := context.params["encoding"]:
        turned = asdict(make_encoding(named, turned))
    return {**flags_of(context, ChosenTasks, SystemSettings), "encoding": turned or None}


async def _predict(
    out: Path, asked: dict[str, Any], name: str | None, *, same_model: bool
) -> PredictProgress:
    with predict_watching(out) as watch:
        return await predict_async(out, asked, name, watch, same_model=same_model)
