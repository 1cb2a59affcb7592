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
from seedstep.errors import InputError
from seedstep.evaluate.tables import CellTable
from seedstep.inputs import TaskChoice
from seedstep.recipes import Evaluation
from seedstep.runs import Rows

__all__ = [
    "Limit",
    "Names",
    "OutFile",
    "Sources",
    "Split",
    "Tasks",
    "TokenizerName",
    "Track",
    "print_left_out",
    "print_some",
    "print_table",
    "task_choice",
    "write_or_print",
]

NAMED = 3
"""Of what is missing or does not count, so many are named; JSON has all."""

Sources = Annotated[
    list[Path],
    typer.Argument(
        help="Runs of `seedstep predict`, and files of predictions.", metavar="SOURCE..."
    ),
]
Names = Annotated[
    list[str] | None, typer.Option("--name", help="Which predictions of the runs. Default: all.")
]
Tasks = Annotated[
    Path | None,
    typer.Option(help="The tasks that were predicted. Needed for files; runs have their own."),
]
Split = Annotated[str | None, typer.Option(help="Split of a directory, such as test.")]
Track = Annotated[str, typer.Option(help="Directory of the split: default, xlingual.")]
Limit = Annotated[
    int | None, typer.Option(help="Score the first so many instances of each task.", min=1)
]
TokenizerName = Annotated[
    str,
    typer.Option(
        help="For the cross-lingual track: gpt2, or a directory with its tokenizer.json. "
        "Default: rouge-score's words, stemmed."
    ),
]
OutFile = Annotated[
    Path | None, typer.Option(help="Write it to a file; a table then as Markdown.", metavar="FILE")
]


def task_choice(
    tasks: Path | None, split: str | None, track: str, limit: int | None
) -> TaskChoice | None:
    """The tasks that the flags name.

    Raises:
        InputError: a split or limit without tasks.
    """
    if tasks is not None:
        return TaskChoice(tasks, split, track, limit)
    if split is not None or limit is not None:
        raise InputError("no tasks to take a split or instances of", "add --tasks PATH")
    return None


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
