"""`seedstep report`: what runs made, as one HTML page with figures."""

from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.terminal import console, errors
from seedstep.report import write_report

__all__ = ["command"]


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.", metavar="RUN...")],
    out: Annotated[
        Path | None,
        typer.Option(help="A new or empty directory. Default: `report` in the first run."),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="A test set to compare seeds and tasks with: SUPER-NATURALINSTRUCTIONS, JSONL "
            "or text. May be given more than once."
        ),
    ] = None,
) -> None:
    """Write a page with statistics, figures and examples of one or more runs."""
    with errors.status("reading") as status:
        done = write_report(runs, out or runs[0] / "report", against or (), status.update)
    for note in done.notes:
        errors.print(note, style="yellow", markup=False, soft_wrap=True)
    console.print(
        f"A report with {done.figures} figures: {done.page}", markup=False, soft_wrap=True
    )
