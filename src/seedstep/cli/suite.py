"""`seedstep suite`: a small suite of tasks in the form of SUPER-NATURALINSTRUCTIONS."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from seedstep.cli.terminal import console, plain
from seedstep.suite import categories, write_suite

__all__ = ["command"]


def command(
    directory: Annotated[
        Path, typer.Argument(help="A new directory for the suite.", metavar="DIR")
    ],
) -> None:
    """Write a small suite of tasks, with step-by-step instructions, to train and test on."""
    write_suite(directory)
    console.print(_table())
    console.print(plain(f"Wrote {directory}, see README.md there."), soft_wrap=True)


def _table() -> Table:
    table = Table(box=None, pad_edge=False, show_footer=True)
    found = categories()
    table.add_column("category", f"{len(found)} categories")
    table.add_column("split")
    table.add_column("tasks", str(sum(one.tasks for one in found)), justify="right")
    table.add_column("instances", str(sum(one.instances for one in found)), justify="right")
    for one in found:
        table.add_row(one.name, one.split, str(one.tasks), str(one.instances))
    return table
