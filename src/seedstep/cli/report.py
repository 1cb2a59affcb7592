"""`seedstep report`: a page on runs, or on data."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.options import Against
from seedstep.cli.terminal import QUIET_SECONDS, console, errors, plain
from seedstep.data.evaluation import EVALUATION_SETS
from seedstep.data.row_forms import ROWS
from seedstep.report import write_report
from seedstep.report.data_files import place_beside

__all__ = ["command"]


def command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help=f"Run directories, and data: {ROWS}.",
            metavar="RUN...",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="A new or empty directory. Default: `report` in the first run, or NAME-report "
            "beside a file."
        ),
    ] = None,
    against: Against = None,
    test_set: Annotated[
        list[Path] | None,
        typer.Option(
            help=f"A test set to compare seeds and tasks with: {EVALUATION_SETS}. May be given "
            "several times."
        ),
    ] = None,
    table: Annotated[
        list[Path] | None,
        typer.Option(
            help="A directory in which an experiment ran: show its table beside the paper's.",
            metavar="DIR",
        ),
    ] = None,
) -> None:
    """Write a page with statistics, figures and examples of one or more runs, or of data."""
    with _told() as tell:
        done = write_report(
            runs,
            out or place_beside(runs[0]),
            test_set or (),
            tell,
            against=against or (),
            experiments=table or (),
        )
    for note in done.notes:
        errors.print(note, style="yellow", markup=False, soft_wrap=True)
    console.print(
        f"A report with {done.figures} figures: {done.page}", markup=False, soft_wrap=True
    )


@contextmanager
def _told() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows what is being done: on a terminal at once, elsewhere in lines."""
    said = time.monotonic()

    with errors.status("reading") as status:

        def tell(doing: str) -> None:
            nonlocal said
            if errors.is_terminal:
                status.update(plain(doing))
            elif time.monotonic() - said >= QUIET_SECONDS:
                said = time.monotonic()
                errors.print(plain(doing), soft_wrap=True)

        yield tell
