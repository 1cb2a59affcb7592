"""`seedstep bootstrap`: grow tasks from seed tasks."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seedstep.bootstrap import Settings, make_settings, preview, require_price
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
    settings_of,
)
from seedstep.cli.preview_print import DryRun, print_estimate, print_requests
from seedstep.cli.progress import watcher
from seedstep.cli.stopping import run_to_the_end
from seedstep.cli.summary import print_summary
from seedstep.data import require_seeds, seed_tasks
from seedstep.errors import InputError
from seedstep.llm import resolve_base_url
from seedstep.recipes import Progress, self_instruct_async
from seedstep.store import Run

__all__ = ["command"]


_option = partial(option, Settings)


def command(
    context: typer.Context,
    out: Out = None,
    model: Model = None,
    base_url: BaseUrl = None,
    prompt_style: Annotated[
        Literal["auto", "completion", "turns", "chat"] | None, _option("prompt_style")
    ] = None,
    seeds: Annotated[str | None, _option("seeds")] = None,
    tasks: Annotated[int | None, _option("tasks")] = None,
    seed: Seed = None,
    window: Annotated[int | None, _option("window")] = None,
    in_flight: InFlight = None,
    decontaminate: Annotated[
        list[str] | None,
        typer.Option(help=help_of(Settings, "decontaminate") + " May be given several times."),
    ] = None,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    same_model: SameModel = False,
    config: Config = None,
    dry_run: DryRun = False,
) -> None:
    """Grow tasks from seed tasks (Self-Instruct). Run it again to go on where it stopped."""
    asked = settings_of(make_settings, config, flags_of(context, Settings))
    settings = make_settings(asked, "the command line")
    resolve_base_url(settings.model, settings.base_url)
    if dry_run:
        require_price(settings)
        _print_preview(settings)
        return
    if out is None:
        raise InputError("no directory for the run", "add --out DIR, or --dry-run")
    work = _run(out, asked, same_model=same_model)
    progress = run_to_the_end(work, f"seedstep bootstrap --out {out}")
    with Run.read(out) as run:
        print_summary(run, progress)
    if not progress.complete:
        raise typer.Exit(1)


async def _run(out: Path, asked: dict[str, Any], *, same_model: bool) -> Progress:
    with watcher(out) as watch:
        return await self_instruct_async(out, asked, watch, same_model=same_model)


def _print_preview(settings: Settings) -> None:
    seeds = require_seeds(Path(settings.seeds)) if settings.seeds else seed_tasks()
    view = preview(settings, seeds)
    titles = ("instructions", "classification", "instances, input-first", "instances, output-first")
    print_requests(dict(zip(titles, view.requests, strict=True)), settings.style)
    print_estimate(
        f"{settings.tasks:,} tasks from {len(seeds)} seeds with {settings.model}",
        view,
        settings.price,
        "2 accepted instructions a request, 80% of them with a good instance, 4 characters a "
        "token. Models differ; `seedstep status` shows the real figures.",
    )
