"""`seedstep steps`: step-by-step instructions for tasks, and what comes of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from seedstep.cli.options import (
    COMMAND_LINE,
    Asked,
    Out,
    SameModel,
    names_of,
    option_of,
    required,
    with_settings,
)
from seedstep.cli.progress import end_tasks, run_tasks
from seedstep.cli.terminal import (
    DryRun,
    console,
    plain,
    print_blocks,
    print_estimate,
    print_requests,
)
from seedstep.exports import STEPS_FORMATS
from seedstep.recipes import (
    import_instructions,
    preview_instructions,
    take_superni,
    work_on_instructions,
)
from seedstep.settings import make_settings
from seedstep.stages import STEPS, open_run, tell_list, tell_one, tell_status
from seedstep.steps import (
    ImportSettings,
    Part,
    StepsSettings,
    SuperniSettings,
    measure,
)

__all__ = [
    "app",
    "print_checks",
]


def print_checks() -> None:
    """Print precision and recall of the checks, on both parts of the labelled set."""
    parts: tuple[Part, ...] = ("tune", "held_out")
    for part in parts:
        table = Table(title=part, title_justify="left", box=None, padding=(0, 2, 0, 0))
        table.add_column("check")
        for name in ("precision", "recall", "right", "wrong", "missed"):
            table.add_column(name, justify="right")
        for row in measure(part):
            counts = (f"{count:,}" for count in (row.right, row.wrong, row.missed))
            table.add_row(row.name, f"{row.precision:.2f}", f"{row.recall:.2f}", *counts)
        console.print(table)


app = typer.Typer(
    help="Write a step-by-step instruction for each task; show, count, export, import them.",
    no_args_is_help=True,
    invoke_without_command=True,
)


@app.callback()
@with_settings(StepsSettings)
def write(
    context: typer.Context,
    asked: Asked,
    out: Out = None,
    same_model: SameModel = False,
    dry_run: DryRun = False,
) -> None:
    """Write a step-by-step instruction for each task. Run it again to go on where it stopped."""
    if context.invoked_subcommand:
        return
    if dry_run:
        _print_preview(make_settings(StepsSettings, asked, COMMAND_LINE))
        return
    out = required(out)
    again = f"seedstep steps --out {out}"
    progress = run_tasks(work_on_instructions, out, asked, same_model=same_model, again=again)
    with open_run(out, STEPS) as run:
        print_blocks(tell_status(run))
    end_tasks(again, f"seedstep steps show {out} TASK", progress)


def _print_preview(settings: StepsSettings) -> None:
    view = preview_instructions(settings)
    print_requests({request.purpose: request for request in view.requests}, settings.style)
    assumed = "no repairs, instructions of 160 tokens, 4 characters a token."
    if settings.style == "chat":
        assumed += " Each turn is sent with the earlier ones and their replies."
    what = f"{view.counts.get('obtain', 0):,} tasks with {settings.model}"
    print_estimate(what, view, settings.pricing, assumed)


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    task: Annotated[str, typer.Argument(help="The task. Default: list all.")] = "",
) -> None:
    """List the instructions of a run, or show one with every turn and what it changed."""
    with open_run(run, STEPS) as opened:
        print_blocks(tell_one(opened, task) if task else tell_list(opened))


@app.command()
def stats(run: Annotated[Path, typer.Argument(help="The run's directory.")]) -> None:
    """Counts and means by category, as in Table 1 of the paper; checks failed, and cost."""
    with open_run(run, STEPS) as opened:
        print_blocks(tell_status(opened))


@app.command()
def checks() -> None:
    """Precision and recall of the checks, on the labelled set that comes with seedstep."""
    print_checks()


if TYPE_CHECKING:
    StepsFormatName = str
else:
    StepsFormatName = names_of(STEPS_FORMATS)


@app.command("export")
def write_export(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    out: Annotated[Path, typer.Option(help="A file for jsonl, a directory for superni.")],
    name: Annotated[
        StepsFormatName, option_of(STEPS_FORMATS, "The format to write", "--format")
    ] = "jsonl",
) -> None:
    """Write instructions as JSON lines, or task files with the instruction added."""
    with open_run(run, STEPS) as opened:
        written, left = STEPS_FORMATS[name].write(opened, out)
    console.print(plain(f"{written:,} {STEPS_FORMATS[name].unit} in {out}"), soft_wrap=True)
    if left:
        console.print(f"{left:,} tasks have no instruction and are left out")


@app.command("import")
@with_settings(ImportSettings, config=False)
def take_over(
    path: Annotated[
        Path, typer.Argument(help="JSON lines with `task`, and `text` or `steps`.", metavar="FILE")
    ],
    out: Annotated[Path, typer.Option(help="A new directory for the run.")],
    asked: Asked,
) -> None:
    """Take over instructions that people or another tool wrote, and check them."""
    problems = import_instructions(path, out, asked)
    with open_run(out, STEPS) as run:
        print_blocks(tell_status(run))
    for problem in problems:
        console.print(plain(f"skipped: {problem.what}", style="yellow"), soft_wrap=True)


@app.command("superni")
@with_settings(SuperniSettings, config=False)
def take_package(
    out: Annotated[Path, typer.Option(help="A new directory for the run.")], asked: Asked
) -> None:
    """Make a run of the instructions for SUPER-NATURALINSTRUCTIONS that come with seedstep."""
    missing = take_superni(out, asked)
    with open_run(out, STEPS) as run:
        print_blocks(tell_status(run))
    if missing:
        console.print(f"{missing:,} tasks have no instruction that comes with seedstep")
