"""Print what a dry run foresees: the first prompts, and an estimate of requests and their cost."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from seedstep.cli.terminal import console, plain
from seedstep.llm import Preview, Request
from seedstep.llm.batch_api import BATCH_HOURS
from seedstep.llm.settings import AskingSettings
from seedstep.recipes.foresight import ForeseenWork
from seedstep.text import counted

__all__ = ["DryRun", "print_estimate", "print_foreseen", "print_requests"]

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the first prompts and an estimate; ask nothing.")
]


def print_requests(titled: Mapping[str, Request], style: str) -> None:
    """Print whole prompts, each below its title."""
    for title, request in titled.items():
        console.rule(f"{title} ({style})", align="left")
        texts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
        for text in texts:
            console.print(plain(text if isinstance(text, str) else text.content), soft_wrap=True)
        sampling = {name: value for name, value in asdict(request.sampling).items() if value}
        console.print(plain(f"\nsampling: {sampling}", style="dim"))


def print_foreseen(work: ForeseenWork, what: str, assumed: str) -> None:
    """Print what a stage would do: what has changed, first prompts, and an estimate for `what`."""
    for text in work.told:
        console.print(plain(text, style="yellow"), soft_wrap=True)
    print_requests({each.purpose: each for each in work.view.requests}, work.settings.style)
    what = f"{what} with {work.settings.model}"
    print_estimate(work.settings, what, work.view, assumed)


def print_estimate(settings: AskingSettings, what: str, view: Preview, assumed: str) -> None:
    """Print the estimated requests, tokens and cost of `what`, with the assumptions.

    For a model that takes batches, the cost and the time by batch are printed, too.
    """
    pricing = settings.pricing
    console.rule("estimate", align="left")
    console.print(plain(what), soft_wrap=True)
    total = sum(view.counts.values())
    if not total:
        console.print("no requests")
        return
    parts = ", ".join(f"{count:,} {purpose}" for purpose, count in view.counts.items())
    console.print(f"about {total:,} requests ({parts})")
    console.print(
        f"about {view.prompt_tokens:,} prompt tokens and {view.completion_tokens:,} new tokens"
    )
    if (usd := pricing.usd(view.tokens)) is not None:
        console.print(f"about ${usd:,.2f} at the prices in the configuration")
    provider = settings.model.ref.provider
    if provider.takes_batches and provider.address:  # a recording costs nothing
        usd = pricing.usd(view.tokens_by_batch)
        cost = "half the price" if usd is None else f"about ${usd:,.2f}"
        waves = counted(view.waves, "wave")
        hours = f"{view.waves * BATCH_HOURS:,} hours at the most"
        console.print(f"by batch (--send batch): {cost}, {waves} of requests, {hours}")
    room = settings.model.manner.room
    thoughts = f"Thoughts add up to {room:,} tokens to a reply." if room else "No thoughts."
    console.print(f"Assumed: {assumed} {thoughts}", style="dim")
