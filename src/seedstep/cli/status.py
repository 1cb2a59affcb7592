"""`seedstep status`: where a run stands."""

from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.terminal import print_blocks
from seedstep.stages import open_run, tell_status

__all__ = ["command"]


def command(run: Annotated[Path, typer.Argument(help="The run's directory.")]) -> None:
    """Show where a run of any stage stands: counts, reasons, tokens, and speed or cost."""
    with open_run(run) as opened:
        print_blocks(tell_status(opened))
