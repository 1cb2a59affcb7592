"""`seedstep predict`: what a model, or a baseline, answers to the instances of tasks."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, fields
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

CHOSEN = {one.name: one for one in fields(ChosenTasks)}
SYSTEM = {one.name: one for one in fields(SystemSettings)}
KNOBS = ("positive", "negative", "explanations", "position", "fit", "max_source")


def _option(fields: Any, name: str) -> Any:
    return typer.Option(help=fields[name].metadata["help"])


def command(
    context: typer.Context,
    out: Out = None,
    name: Annotated[
        str | None, typer.Option(help="What the system is called in the run. Default: its model.")
    ] = None,
    model: Annotated[str | None, _option(SYSTEM, "model")] = None,
    tasks: Annotated[str | None, _option(CHOSEN, "tasks")] = None,
    split: Annotated[str | None, _option(CHOSEN, "split")] = None,
    track: Annotated[str | None, _option(CHOSEN, "track")] = None,
    limit_tasks: Annotated[int | None, _option(CHOSEN, "limit_tasks")] = None,
    limit_instances: Annotated[int | None, _option(CHOSEN, "limit_instances")] = None,
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
    tokenizer: Annotated[str | None, _option(SYSTEM, "tokenizer")] = None,
    base_url: BaseUrl = None,
    backend: Annotated[Literal["auto", "transformers"] | None, _option(SYSTEM, "backend")] = None,
    prompt_style: Annotated[
        Literal["auto", "completion", "chat"] | None,
        typer.Option("--style", help=SYSTEM["prompt_style"].metadata["help"]),
    ] = None,
    max_new_tokens: Annotated[int | None, _option(SYSTEM, "max_new_tokens")] = None,
    seed: Annotated[int | None, _option(SYSTEM, "seed")] = None,
    batch: Annotated[int | None, _option(SYSTEM, "batch")] = None,
    bf16: Annotated[bool, typer.Option("--bf16", help=SYSTEM["bf16"].metadata["help"])] = False,
    in_flight: InFlight = None,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    same_model: SameModel = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help=CHOSEN["skip_bad"].metadata["help"])
    ] = False,
    config: Config = None,
) -> None:
    """Predict the outputs of tasks with a model or a baseline. Run it again to go on."""
    out = required(out)
    asked = settings_of(split_settings, config, _flags(context.params))
    called = name or asked.get("model")
    again = f"seedstep predict --out {out}" + (f" --name {shlex.quote(called)}" if called else "")
    progress = run_to_the_end(_predict(out, asked, name, same_model=same_model), again)
    with PredictionsRun.read(out) as run:
        named = progress.name
        print_predictions(named, run.counts(named), progress.wanted, run.failures(named))
    print_predictions_end(out, again, progress)
    if not progress.complete:
        raise typer.Exit(1)


def _flags(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that flags name. A switch that is not there names none."""
    known = [name for name in (*CHOSEN, *SYSTEM) if name in given]
    flags = {name: given[name] for name in known if given[name] is not False}
    knobs = {**{knob: given[knob] for knob in KNOBS}, "steps": given["encode_steps"]}
    turned = {knob: value for knob, value in knobs.items() if value is not None}
    if given["encoding"]:
        turned = asdict(make_encoding(given["encoding"], turned))
    return {**flags, "encoding": turned or None}


async def _predict(
    out: Path, asked: dict[str, Any], name: str | None, *, same_model: bool
) -> PredictProgress:
    with predict_watching(out) as watch:
        return await predict_async(out, asked, name, watch, same_model=same_model)
