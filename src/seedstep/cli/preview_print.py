"""What a dry run prints: the first prompts, and an estimate.

Example::

    print_requests({"generate": request}, "chat")
    print_estimate("12 tasks with openai:m", view, price=None, assumed="4 characters a token.")
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from seedstep.cli.terminal import console, plain
from seedstep.llm import Preview, Price, Request

__all__ = ["DryRun", "print_estimate", "print_requests"]

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the first prompts and an estimate; ask nothing.")
]


def print_requests(titled: Mapping[str, Request], style: str) -> None:
    """Print whole prompts, each under its title."""
    for title, request in titled.items():
        console.rule(f"{title} ({style})", align="left")
        texts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
        for text in texts:
            console.print(plain(text if isinstance(text, str) else text.content), soft_wrap=True)
        sampling = {name: value for name, value in asdict(request.sampling).items() if value}
        console.print(plain(f"\nsampling: {sampling}", style="dim"))


def print_estimate(what: str, view: Preview, price: Price | None, assumed: str) -> None:
    """Print about what it takes to make `what`, with what the estimate assumes."""
    console.rule("estimate", align="left")
    console.print(plain(what), soft_wrap=True)
    total = sum(view.counts.values())
    parts = ", ".join(f"{count:,} {purpose}" for purpose, count in view.counts.items())
    console.print(f"about {total:,} requests ({parts})")
    console.print(
        f"about {view.prompt_tokens:,} prompt tokens and {view.completion_tokens:,} new tokens"
    )
    if price:
        usd = price.usd(view.prompt_tokens, view.completion_tokens)
        console.print(f"about ${usd:,.2f} at the prices in the configuration")
    console.print(f"Assumed: {assumed}", style="dim")
