"""`seedstep seeds check`: what is wrong with a seed file."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from seedstep.bootstrap import check_seeds
from seedstep.cli.terminal import console, plain

__all__ = ["app"]

app = typer.Typer(help="Seed tasks.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Seed tasks."""


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="A JSONL file of seed tasks.", metavar="FILE")],
    tokens: Annotated[
        Literal["latin", "unicode"], typer.Option(help="unicode for seeds not in English.")
    ] = "latin",
) -> None:
    """Say line by line what is wrong with a seed file: its form, and what our filters refuse."""
    seeds = check_seeds(path, english=tokens == "latin")
    for problem in seeds.problems:
        console.print(plain(f"{problem.what} ({problem.remedy})"), soft_wrap=True)
    labels = sum(task.is_classification for task in seeds.tasks)
    empty = sum(not task.instances[0].input for task in seeds.tasks)
    console.print(
        f"usable seed tasks: {len(seeds.tasks)} ({labels} classification, {empty} without input)"
    )
    console.print(f"problems: {len(seeds.problems)}")
    if seeds.problems:
        raise typer.Exit(1)
