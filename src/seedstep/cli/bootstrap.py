"""`seedstep bootstrap`: grow tasks from seed tasks."""

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seedstep.bootstrap import Settings, make_settings, preview, require_price
from seedstep.cli.progress import watcher
from seedstep.cli.summary import print_summary
from seedstep.cli.terminal import console, errors, plain
from seedstep.data import require_seeds, seed_tasks
from seedstep.errors import InputError
from seedstep.llm import resolve_base_url
from seedstep.recipes import Progress, self_instruct_async
from seedstep.store import Run, read_yaml

__all__ = ["command"]


def _help(name: str) -> str:
    return str(Settings.__dataclass_fields__[name].metadata["help"])


def command(
    out: Annotated[Path | None, typer.Option(help="The run's directory, made if needed.")] = None,
    model: Annotated[str | None, typer.Option(help=_help("model"))] = None,
    base_url: Annotated[str | None, typer.Option(help=_help("base_url"))] = None,
    prompt_style: Annotated[
        Literal["auto", "completion", "turns", "chat"] | None,
        typer.Option(help=_help("prompt_style")),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help=_help("seeds"))] = None,
    tasks: Annotated[int | None, typer.Option(help=_help("tasks"))] = None,
    seed: Annotated[int | None, typer.Option(help=_help("seed"))] = None,
    window: Annotated[int | None, typer.Option(help=_help("window"))] = None,
    in_flight: Annotated[int | None, typer.Option(help=_help("in_flight"))] = None,
    decontaminate: Annotated[
        list[str] | None, typer.Option(help=_help("decontaminate") + " May be given several times.")
    ] = None,
    max_requests: Annotated[int | None, typer.Option(help=_help("max_requests"))] = None,
    max_tokens: Annotated[int | None, typer.Option(help=_help("max_tokens"))] = None,
    max_usd: Annotated[float | None, typer.Option(help=_help("max_usd"))] = None,
    same_model: Annotated[
        bool,
        typer.Option("--same-model", help="Go on with a run at another --base-url: same model."),
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="Settings in YAML, as `seedstep init` writes them.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the first prompts and an estimate; ask nothing.")
    ] = False,
) -> None:
    """Grow tasks from seed tasks (Self-Instruct). Run it again to go on where it stopped."""
    flags = {
        "model": model,
        "base_url": base_url,
        "prompt_style": prompt_style,
        "seeds": seeds,
        "tasks": tasks,
        "seed": seed,
        "window": window,
        "in_flight": in_flight,
        "decontaminate": decontaminate or None,
        "max_requests": max_requests,
        "max_tokens": max_tokens,
        "max_usd": max_usd,
    }
    asked = read_yaml(config) if config else {}
    make_settings(asked, str(config))
    asked |= {name: value for name, value in flags.items() if value is not None}
    settings = make_settings(asked, "the command line")
    resolve_base_url(settings.model, settings.base_url)
    if dry_run:
        require_price(settings)
        _print_preview(settings)
        return
    if out is None:
        raise InputError("no directory for the run", "add --out DIR, or --dry-run")
    progress = asyncio.run(_run(out, asked, same_model=same_model))
    with Run.read(out) as run:
        print_summary(run, progress)
    if not progress.complete:
        raise typer.Exit(1)


async def _run(out: Path, asked: dict[str, Any], *, same_model: bool) -> Progress:
    """Work until done. The first signal stops it in order, the second one at once."""
    work = asyncio.current_task()
    assert work
    stopped = False
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def stop() -> None:
        nonlocal stopped
        _let_go(terminals)
        if stopped:
            drop()
        else:
            stopped = True
            work.cancel()
            teller = console if console.is_terminal else errors  # above the live display
            teller.print("\nStopping: requests in flight are waited for. Ctrl-C again drops them.")

    def drop() -> None:
        """Cancel whatever is being waited for, and what is waited for after that."""
        work.cancel()
        loop.call_later(0.1, drop)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is under nohup
            loop.add_signal_handler(number, stop)
    try:
        with watcher(out) as watch:
            return await self_instruct_async(out, asked, watch, same_model=same_model)
    except asyncio.CancelledError:
        errors.print(
            f"Stopped. All that came back is kept; go on with: seedstep bootstrap --out {out}",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(130) from None


def _let_go(terminals: Sequence[int]) -> None:
    """Write to nowhere from now on where a terminal has gone away."""
    for number in terminals:
        if not os.isatty(number):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


def _print_preview(settings: Settings) -> None:
    seeds = require_seeds(Path(settings.seeds)) if settings.seeds else seed_tasks()
    view = preview(settings, seeds)
    titles = ("instructions", "classification", "instances, input-first", "instances, output-first")
    for title, request in zip(titles, view.requests, strict=True):
        console.rule(f"{title} ({settings.style})", align="left")
        texts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
        for text in texts:
            console.print(plain(text if isinstance(text, str) else text.content), soft_wrap=True)
        sampling = {name: value for name, value in asdict(request.sampling).items() if value}
        console.print(plain(f"\nsampling: {sampling}", style="dim"))
    console.rule("estimate", align="left")
    total = sum(view.counts.values())
    parts = ", ".join(f"{count:,} {purpose}" for purpose, count in view.counts.items())
    console.print(
        plain(f"{settings.tasks:,} tasks from {len(seeds)} seeds with {settings.model}"),
        soft_wrap=True,
    )
    console.print(f"about {total:,} requests ({parts})")
    console.print(
        f"about {view.prompt_tokens:,} prompt tokens and {view.completion_tokens:,} new tokens"
    )
    if settings.price:
        usd = settings.price.usd(view.prompt_tokens, view.completion_tokens)
        console.print(f"about ${usd:,.2f} at the prices in the configuration")
    console.print(
        "Assumed: 2 accepted instructions a request, 80% of them with a good instance, "
        "4 characters a token. Models differ; `seedstep status` shows the real figures.",
        style="dim",
    )
