"""`seedstep status`: where a run stands."""

from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.summary import print_status
from seedstep.store import Run

__all__ = ["command"]


def command(run: Annotated[Path, typer.Argument(help="The run's directory.")]) -> None:
    """Show counts, acceptance by reason, tokens, speed and time left."""
    with Run.read(run) as opened:
        print_status(opened)
