"""What `evaluate`, `compare` and `judge` have in common: flags, tables, and what does not count.

Example::

    print_table(overall_table(systems))
    print_left_out(done)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.terminal import console, plain, print_rows
from seedstep.data import write_atomically
from seedstep.evaluate.tables import CellTable
from seedstep.recipes import Evaluation
from seedstep.runs import Rows

__all__ = [
    "OutFile",
    "print_left_out",
    "print_some",
    "print_table",
    "write_or_print",
]

NAMED = 3
"""Of what is missing or does not count, so many are named; JSON has all."""

OutFile = Annotated[
    Path | None, typer.Option(help="Write it to a file; a table then as Markdown.", metavar="FILE")
]


def write_or_print(text: str, out: Path | None) -> None:
    """Write a text to a file as a whole, or to standard output as it is.

    Raises:
        RunError: the file can't be written.
    """
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(out, text.encode())


def print_table(table: CellTable) -> None:
    """Print a table of scores, and an empty line."""
    print_rows(Rows(table.rows, table.head))
    console.print()


def print_left_out(done: Evaluation) -> None:
    """Say which predictions are missing or failed, which lines do not count, what is not kept."""
    for note in done.notes:
        console.print(plain(note, style="yellow"), soft_wrap=True)
    for one in done.systems:
        failed = [f"{name} ({reason})" for name, reason in one.scores.failed.items()]
        print_some(one.name, "missing, counted as empty", one.scores.missing)
        print_some(one.name, "failed, counted as empty", failed)
        print_some(one.name, "left out", one.left_out)


def print_some(name: str, what: str, which: Sequence[str]) -> None:
    """Say how many of a system or rater there are of what, if any, and which are the first."""
    if which:
        more = f"; and {len(which) - NAMED:,} more (--format json)" if len(which) > NAMED else ""
        line = f"{name}: {len(which):,} {what}: {'; '.join(which[:NAMED])}{more}"
        console.print(plain(line, style="yellow"), soft_wrap=True)
