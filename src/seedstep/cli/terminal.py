"""What all commands print with. Texts that a model wrote are shown without control characters.

Example::

    console.print(plain(task.definition))
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from seedstep.llm import Preview, Price, Request
from seedstep.text import visible

__all__ = [
    "DryRun",
    "console",
    "duration",
    "errors",
    "plain",
    "print_estimate",
    "print_requests",
]

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def plain(text: str, style: str = "") -> Text:
    """Untrusted text for the terminal: no markup, no escape codes, no direction marks."""
    return Text(visible(text), style=style)


def duration(seconds: float) -> str:
    """Seconds as a clock shows them: 0:42, 12:05, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


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
