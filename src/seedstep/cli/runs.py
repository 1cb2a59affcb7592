"""`seedstep status`, `show`, `requests`, `report`: look at runs, one thing of them, or all."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from seedstep.cli.options import Against
from seedstep.cli.terminal import (
    QUIET_SECONDS,
    console,
    errors,
    line_width,
    plain,
    print_blocks,
)
from seedstep.data.evaluation import EVALUATION_SETS
from seedstep.data.row_forms import ROWS
from seedstep.errors import InputError
from seedstep.runs import RequestLine
from seedstep.runs.requests import request_blocks
from seedstep.stages import experiment_blocks, item_blocks, list_blocks, open_run, status_blocks
from seedstep.stages.directories import is_experiment
from seedstep.text import counted, shortened

__all__ = ["report_command", "requests_command", "show_command", "status_command"]


def status_command(
    run: Annotated[Path, typer.Argument(help="The directory of a run, or of an experiment.")],
) -> None:
    """Show where a run of any stage stands: counts, reasons, tokens, and speed or cost.

    Of an experiment it shows which stages are finished.
    """
    if is_experiment(run):
        print_blocks(experiment_blocks(run))
        return
    with open_run(run) as opened:
        print_blocks(status_blocks(opened))


def show_command(
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
        blocks = item_blocks(opened, name) if name else list_blocks(opened, rejected=rejected)
    print_blocks(blocks)


KEY_DIGITS = 8
"""How many digits of a key the list of requests shows."""

START_CHARACTERS = 60
"""How many characters of a reply the list of requests shows, where there is room for them."""

SHORTEST_START = 8
"""With less room than this, nothing of a reply is shown."""


def requests_command(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    key: Annotated[
        str, typer.Argument(help="Show this one whole: its key, or how it begins.", metavar="KEY")
    ] = "",
    purpose: Annotated[
        str, typer.Option(help="Only those for this, such as generation or instances.")
    ] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only those without a reply.")] = False,
    limit: Annotated[int, typer.Option(help="The most requests that are listed.", min=1)] = 50,
    export: Annotated[
        Path | None,
        typer.Option(help="Write all to FILE, which the model replay:FILE serves.", metavar="FILE"),
    ] = None,
) -> None:
    """List a run's requests, show one whole, or write them to a recording."""
    if (key or export) and (purpose or failed or (key and export)):
        raise InputError("KEY and --export stand alone", "leave the other flags out")
    with open_run(run) as opened:
        if export:
            count = opened.write_recording(export)
            console.print(plain(f"{count:,} requests in {export}"), soft_wrap=True)
        elif key:
            print_blocks(request_blocks(opened.request(key), whole=True))
        else:
            _print_list(*opened.requests(purpose=purpose, failed=failed, limit=limit))


def _print_list(lines: Sequence[RequestLine], count: int) -> None:
    heads = [_heads(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*heads, strict=True)]
    if line_width() - sum(widths) < SHORTEST_START + len("  ") * len(widths):
        widths[-1] *= any(line.attempts != 1 for line in lines)
    for line, head in zip(lines, heads, strict=True):
        console.print(_line(line, head, widths), soft_wrap=True)
    if not lines:
        console.print("no requests")
    elif count > len(lines):
        more = count - len(lines)
        console.print(Text(f"{more:,} more; --limit {count} lists all", style="dim"))


def _heads(line: RequestLine) -> tuple[str, ...]:
    """Return what stands before the reply: key, purpose, state, tokens, seconds, attempts."""
    tokens = f"{line.prompt_tokens}+{line.completion_tokens}{'~' * line.estimated} tokens"
    attempts = counted(line.attempts, "attempt")
    key = line.key[:KEY_DIGITS]
    return (key, line.purpose, line.failure or "ok", tokens, f"{line.seconds:.1f} s", attempts)


def _line(line: RequestLine, head: Sequence[str], widths: Sequence[int]) -> Text:
    """Return the line of a request. A column without width is left out.

    The start of the reply is cut where the terminal ends.
    """
    cells = [
        plain(text.rjust(width) if text.endswith((" tokens", " s")) else text.ljust(width))
        for text, width in zip(head, widths, strict=True)
    ]
    cells[2].stylize("red" if line.failure else "green")
    for cell in cells[3:]:
        cell.stylize("dim")
    shown = Text("  ").join(cell for cell, width in zip(cells, widths, strict=True) if width)
    start = shortened(line.start, START_CHARACTERS)
    room = line_width() - shown.cell_len - 2
    if room < SHORTEST_START:
        shown.rstrip()
        return shown
    told = plain(start)
    told.truncate(room, overflow="ellipsis")
    return shown + Text("  ") + told


def report_command(
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
    from seedstep.report import write_report
    from seedstep.report.data_files import place_beside

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
