"""`seedstep judge`: answers rated by a model, or compared by it two by two."""

from functools import partial
from typing import Annotated, Literal

import typer

from seedstep.cli.options import (
    BaseUrl,
    Config,
    InFlight,
    MaxRequests,
    MaxTokens,
    MaxUsd,
    Model,
    Out,
    SameModel,
    Seed,
    flags_of,
    help_of,
    option,
    required,
    settings_of,
)
from seedstep.cli.progress import end_tasks, run_tasks
from seedstep.cli.terminal import print_blocks
from seedstep.evaluate.judge import JudgeSettings, make_judge_settings
from seedstep.recipes import judge_async
from seedstep.stages import JUDGE, open_run, tell_status

__all__ = ["command"]


_option = partial(option, JudgeSettings)


def command(
    context: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(help=help_of(JudgeSettings, "sources"), metavar="SOURCE..."),
    ] = None,
    out: Out = None,
    mode: Annotated[Literal["rating", "pairwise"] | None, _option("mode")] = None,
    names: Annotated[list[str] | None, _option("names", "--name")] = None,
    tasks: Annotated[str | None, _option("tasks")] = None,
    split: Annotated[str | None, _option("split")] = None,
    track: Annotated[str | None, _option("track")] = None,
    limit_instances: Annotated[int | None, _option("limit_instances")] = None,
    limit: Annotated[int | None, _option("limit")] = None,
    model: Model = None,
    base_url: BaseUrl = None,
    seed: Seed = None,
    in_flight: InFlight = None,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    same_model: SameModel = False,
    config: Config = None,
) -> None:
    """Have a model judge answers. Run it again to go on where it stopped."""
    out = required(out)
    asked = settings_of(make_judge_settings, config, flags_of(context, JudgeSettings))
    again = f"seedstep judge --out {out}"
    progress = run_tasks(judge_async, out, asked, same_model=same_model, again=again)
    with open_run(out, JUDGE) as run:
        print_blocks(tell_status(run))
    end_tasks(again, f"seedstep requests {out}", progress)
