"""`seedstep show`: what a run has, or one thing of it with all that led to it."""

from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.terminal import print_blocks
from seedstep.stages import open_run, tell_list, tell_one

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    name: Annotated[
        str,
        typer.Argument(
            help="The id of a task, such as g3.1, or of an instance; the step of a tuning.",
            metavar="ID",
        ),
    ] = "",
    rejected: Annotated[
        bool, typer.Option("--rejected", help="List what was rejected, with the reasons.")
    ] = False,
) -> None:
    """List what a run of any stage has, or show one thing of it with all that led to it."""
    with open_run(run) as opened:
        blocks = tell_one(opened, name) if name else tell_list(opened, rejected=rejected)
    print_blocks(blocks)
