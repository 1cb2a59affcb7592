"""`seedstep status`, `show`, `requests` and `report`: look at runs of any stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from seedstep.cli.terminal import console, errors, plain, print_blocks
from seedstep.errors import InputError
from seedstep.report import write_report
from seedstep.runs import RequestLine
from seedstep.runs.stage import request_blocks
from seedstep.stages import open_run, tell_item, tell_list, tell_status

__all__ = [
    "report_command",
    "requests_command",
    "show_command",
    "status_command",
]


def status_command(run: Annotated[Path, typer.Argument(help="The run's directory.")]) -> None:
    """Show where a run of any stage stands: counts, reasons, tokens, and speed or cost."""
    with open_run(run) as opened:
        print_blocks(tell_status(opened))


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
        blocks = tell_item(opened, name) if name else tell_list(opened, rejected=rejected)
    print_blocks(blocks)


KEY_DIGITS = 8
"""How many digits of a key the list of requests shows."""

START_CHARACTERS = 60
"""How many characters of a reply the list of requests shows."""


def requests_command(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    key: Annotated[
        str, typer.Argument(help="Show this one whole: its key, or how it begins.", metavar="KEY")
    ] = "",
    purpose: Annotated[
        str, typer.Option(help="Only those for this, such as generation or instances.")
    ] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only those without a reply.")] = False,
    limit: Annotated[int, typer.Option(help="List so many at the most.", min=1)] = 50,
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
    width = max((len(line.purpose) for line in lines), default=0)
    for line in lines:
        console.print(_line(line, width), soft_wrap=True)
    if not lines:
        console.print("no requests")
    elif count > len(lines):
        more = count - len(lines)
        console.print(Text(f"{more:,} more; --limit {count} lists all", style="dim"))


def _line(line: RequestLine, width: int) -> Text:
    tokens = f"{line.prompt_tokens}+{line.completion_tokens}{'~' * line.estimated}"
    start = " ".join(line.start.split())
    if len(start) > START_CHARACTERS:
        start = start[:START_CHARACTERS].rstrip() + "…"
    head = plain(f"{line.key[:KEY_DIGITS]}  {line.purpose:{width}}  ")
    state = plain(f"{line.failure or 'ok':<8}", style="red" if line.failure else "green")
    attempts = f"{line.attempts} attempt{'s' * (line.attempts != 1)}"
    figures = f"  {tokens:>9} tokens  {line.seconds:5.1f} s  {attempts:<10}  "
    return head + state + Text(figures, style="dim") + plain(start)


def report_command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.", metavar="RUN...")],
    out: Annotated[
        Path | None,
        typer.Option(help="A new or empty directory. Default: `report` in the first run."),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="The system that the others are compared with. Default: the first is compared "
            "with each of the others.",
            metavar="NAME",
        ),
    ] = None,
    test_set: Annotated[
        list[Path] | None,
        typer.Option(
            help="A test set to compare seeds and tasks with: SUPER-NATURALINSTRUCTIONS, JSONL "
            "or text. May be given more than once."
        ),
    ] = None,
) -> None:
    """Write a page with statistics, figures and examples of one or more runs."""
    with errors.status("reading") as status:
        place = out or runs[0] / "report"
        done = write_report(runs, place, test_set or (), status.update, against=against or ())
    for note in done.notes:
        errors.print(note, style="yellow", markup=False, soft_wrap=True)
    console.print(
        f"A report with {done.figures} figures: {done.page}", markup=False, soft_wrap=True
    )
