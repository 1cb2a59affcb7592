"""`seedstep tune`: tune a model on tasks."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seedstep.cli.encoding_options import (
    EncodeSteps,
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
from seedstep.cli.options import BaseUrl, Config, Seed, flags_of, option, required, settings_of
from seedstep.cli.stopping import stop_flag
from seedstep.cli.tune_print import print_end, print_stopped, tuning_watch
from seedstep.encode import ENCODINGS
from seedstep.recipes import tune_model
from seedstep.tune import TuneSettings, make_tune_settings, rank_and_processes

__all__ = ["command"]


_option = partial(option, TuneSettings)

Whole = int | None
Flag = bool | None


def command(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="The tuning's directory.")] = None,
    model: Annotated[str | None, _option("model")] = None,
    data: Annotated[list[str] | None, _option("data")] = None,
    preset: Annotated[str | None, _option("preset")] = None,
    steps: StepsFrom = None,
    encoding: Annotated[
        str | None, typer.Option(help=f"How prompts are made: {', '.join(ENCODINGS)}.")
    ] = None,
    positive: Positive = None,
    negative: Negative = None,
    explanations: Explanations = None,
    encode_steps: EncodeSteps = None,
    position: Position = None,
    fit: Fit = None,
    max_source: MaxSource = None,
    max_target: MaxTarget = None,
    limit_tasks: Annotated[Whole, _option("limit_tasks")] = None,
    limit_instances: Annotated[Whole, _option("limit_instances")] = None,
    held_out: Annotated[Whole, _option("held_out")] = None,
    held_out_data: Annotated[list[str] | None, _option("held_out_data")] = None,
    skip_bad: Annotated[Flag, _option("skip_bad", "--skip-bad")] = None,
    epochs: Annotated[Whole, _option("epochs")] = None,
    learning_rate: Annotated[float | None, _option("learning_rate", "--lr")] = None,
    batch: Annotated[Whole, _option("batch")] = None,
    accumulate: Annotated[Whole, _option("accumulate")] = None,
    share: Annotated[Whole, _option("share")] = None,
    row_tokens: Annotated[Whole, _option("row_tokens")] = None,
    lora: Annotated[Whole, _option("lora")] = None,
    bf16: Annotated[Flag, _option("bf16")] = None,
    gradient_checkpointing: Annotated[Flag, _option("gradient_checkpointing")] = None,
    max_steps: Annotated[Whole, _option("max_steps")] = None,
    save_every: Annotated[Whole, _option("save_every")] = None,
    evaluate_every: Annotated[Whole, _option("evaluate_every")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"] | None, _option("device")] = None,
    gguf: Annotated[Flag, _option("gguf", "--gguf")] = None,
    seed: Seed = None,
    base_url: BaseUrl = None,
    prompt_loss_weight: Annotated[float | None, _option("prompt_loss_weight")] = None,
    config: Config = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read, encode and count everything; tune nothing.")
    ] = False,
) -> None:
    """Tune a model on tasks. Run it again to go on where it stopped.

    Data as in the first paper's Table 3: --data RUN@self-instruct, or --data NI:train, or both.
    """
    flags = {**flags_of(context, TuneSettings), "encoding_options": knobs_of(context) or None}
    _run(required(out), settings_of(make_tune_settings, config, flags), dry_run=dry_run)


def _run(out: Path, asked: dict[str, Any], *, dry_run: bool) -> None:
    again = f"seedstep tune --out {out}"
    notice = "Stopping after this step. Ctrl-C again does not wait for it."
    try:
        with tuning_watch() as watch, stop_flag(notice) as stop:
            tuned = tune_model(out, watch=watch, stop=stop, dry_run=dry_run, **asked)
    except KeyboardInterrupt:
        print_stopped(again)
        raise typer.Exit(130) from None
    if rank_and_processes()[0]:
        return  # the first process tells
    if tuned.stopped:
        print_stopped(again)
        raise typer.Exit(130)
    if not dry_run:
        print_end(tuned)
