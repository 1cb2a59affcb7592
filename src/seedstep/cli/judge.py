"""`seedstep judge`: answers rated by a model, or compared by it two by two."""

from pathlib import Path
from typing import Annotated, Any, Literal

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
    required,
    settings_of,
)
from seedstep.cli.scoring import print_table
from seedstep.cli.stopping import run_to_the_end
from seedstep.cli.task_progress import print_end, print_spending, watching
from seedstep.cli.terminal import console, plain
from seedstep.evaluate.judge_settings import JudgeSettings, make_judge_settings
from seedstep.recipes import TaskProgress, judge_async
from seedstep.report.tables import verdict_table
from seedstep.store import JudgeRun

__all__ = ["command", "print_verdicts"]


def _help(name: str) -> str:
    return str(JudgeSettings.__dataclass_fields__[name].metadata["help"])


def command(
    sources: Annotated[
        list[str] | None, typer.Argument(help=_help("sources"), metavar="SOURCE...")
    ] = None,
    out: Out = None,
    mode: Annotated[Literal["rating", "pairwise"] | None, typer.Option(help=_help("mode"))] = None,
    name: Annotated[list[str] | None, typer.Option("--name", help=_help("names"))] = None,
    tasks: Annotated[str | None, typer.Option(help=_help("tasks"))] = None,
    split: Annotated[str | None, typer.Option(help=_help("split"))] = None,
    track: Annotated[str | None, typer.Option(help=_help("track"))] = None,
    limit_instances: Annotated[int | None, typer.Option(help=_help("limit_instances"))] = None,
    limit: Annotated[int | None, typer.Option(help=_help("limit"))] = None,
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
    flags = {
        "sources": sources or None,
        "mode": mode,
        "names": name or None,
        "tasks": tasks,
        "split": split,
        "track": track,
        "limit_instances": limit_instances,
        "limit": limit,
        "model": model,
        "base_url": base_url,
        "seed": seed,
        "in_flight": in_flight,
        "max_requests": max_requests,
        "max_tokens": max_tokens,
        "max_usd": max_usd,
    }
    out = required(out)
    asked = settings_of(make_judge_settings, config, flags)
    again = f"seedstep judge --out {out}"
    progress = run_to_the_end(_judge(out, asked, same_model=same_model), again)
    with JudgeRun.read(out) as run:
        print_verdicts(run)
    print_end(again, f"seedstep requests {out}", progress)
    if not progress.complete:
        raise typer.Exit(1)


async def _judge(out: Path, asked: dict[str, Any], *, same_model: bool) -> TaskProgress:
    with watching(out) as watch:
        return await judge_async(out, asked, watch, same_model=same_model)


def print_verdicts(run: JudgeRun) -> None:
    """Print the levels of each system, or wins, losses and ties, and what was spent."""
    judged = run.judged()
    if judged:
        print_table(verdict_table(run.settings.mode, judged))
        console.print("Shares in percent with 95% intervals over tasks; missing ones left out.")
    failures = {one.failure for each in judged for one in each.verdicts if one.failure}
    for failure in sorted(failures)[:3]:
        console.print(plain(f"missing: {failure}", style="yellow"), soft_wrap=True)
    print_spending(run)
