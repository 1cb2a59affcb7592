"""`seedstep steps`: write step-by-step instructions, and show, check, export and compare them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seedstep.cli.evaluate import print_table
from seedstep.cli.options import (
    COMMAND_LINE,
    Asked,
    Out,
    RemovedTasks,
    SameModel,
    names_of,
    option_of,
    required,
    with_settings,
)
from seedstep.cli.progress import end_tasks, live_bar, run_tasks
from seedstep.cli.terminal import (
    DryRun,
    console,
    plain,
    print_blocks,
    print_estimate,
    print_requests,
    print_rows,
    print_told,
)
from seedstep.data import TaskChoice
from seedstep.evaluate.intervals import Value
from seedstep.evaluate.measured import (
    MeasuredTask,
    finds_right,
    gain_rows,
    gain_table,
    instructions_in,
    read_measured,
    shortened_in,
)
from seedstep.evaluate.tables import shown
from seedstep.exports import STEPS_FORMATS
from seedstep.infer.likelihood import MeasureSettings
from seedstep.llm import Preview
from seedstep.recipes import (
    import_instructions,
    preview_instructions,
    take_superni,
    work_on_instructions,
)
from seedstep.recipes.measuring import EVALUATED, measure_steps, select_steps
from seedstep.recipes.steps import foresee_instructions
from seedstep.report.figures import save_gains
from seedstep.runs import Rows
from seedstep.runs.places import CONFIG
from seedstep.settings import make_settings
from seedstep.stages import STEPS, open_run, tell_item, tell_list, tell_status
from seedstep.steps import (
    CheckAccuracy,
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
        head = ("check", "precision", "recall", "right", "wrong", "missed")
        print_rows(Rows(tuple(map(_check_row, measure(part))), head, part))


def _check_row(row: CheckAccuracy) -> tuple[str, ...]:
    counts = (f"{count:,}" for count in (row.right, row.wrong, row.missed))
    return (row.name, f"{row.precision:.2f}", f"{row.recall:.2f}", *counts)


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
    removed: RemovedTasks = "keep",
    dry_run: DryRun = False,
) -> None:
    """Write a step-by-step instruction for each task. Run it again to go on where it stopped."""
    if context.invoked_subcommand:
        return
    if dry_run:
        if out and (out / CONFIG).exists():
            work = foresee_instructions(out, asked, removed)
            print_told(work.told)
            _print_preview(work.settings, work.view)
        else:
            settings = make_settings(StepsSettings, asked, COMMAND_LINE)
            _print_preview(settings, preview_instructions(settings))
        return
    out = required(out)
    again = f"seedstep steps --out {out}"
    progress = run_tasks(
        work_on_instructions, out, asked, same_model=same_model, again=again, removed=removed
    )
    with open_run(out, STEPS) as run:
        print_blocks(tell_status(run))
    end_tasks(again, f"seedstep steps show {out} TASK", progress)


def _print_preview(settings: StepsSettings, view: Preview) -> None:
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
        print_blocks(tell_item(opened, task) if task else tell_list(opened))


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


@app.command("measure")
@with_settings(MeasureSettings, config=False)
def measure_versions(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Instructions: runs of `seedstep steps`, JSON lines, or superni.",
            metavar="RUN...",
        ),
    ],
    asked: Asked,
    out: Annotated[Path, typer.Option(help="The file to write; the same command goes on with it.")],
    by: Annotated[
        Literal["overall", "category", "task"], typer.Option(help="Which rows to show.")
    ] = "category",
    plots: Annotated[
        Path | None, typer.Option(help="Draw the gains into DIR.", metavar="DIR")
    ] = None,
) -> None:
    """Measure which instructions help a model: how much likelier the right outputs become."""
    with live_bar("tasks") as bar:
        progress = measure_steps(
            sources, out, asked, lambda seen: bar.draw(seen.done, seen.wanted, "")
        )
    header, tasks = read_measured(out)
    _print_gains(tasks, by, header.seed)
    for what, many in (
        ("tasks with too few instances, left out", progress.too_few),
        ("tasks without an instruction to measure", progress.without_steps),
    ):
        if many:
            console.print(plain(f"{what}: {many:,}", style="yellow"), soft_wrap=True)
    for version, count in shortened_in(tasks).items():
        line = f"{version}: {count:,} prompts or references did not fit, and were shortened"
        console.print(plain(line, style="yellow"), soft_wrap=True)
    if progress.note:
        console.print(plain(progress.note, style="yellow"), soft_wrap=True)
    if plots:
        for path in save_gains(tasks, plots, header.seed):
            console.print(plain(f"wrote {path}"), soft_wrap=True)


def _print_gains(
    tasks: Sequence[MeasuredTask], by: Literal["overall", "category", "task"], seed: int
) -> None:
    groups = [("overall", gain_rows(tasks, by="overall", seed=seed))]
    if by != "overall":
        groups.append((by, gain_rows(tasks, by=by, seed=seed)))
    for title, rows in groups:
        print_table(gain_table(rows, title))
    for version in instructions_in(tasks):
        found = finds_right(tasks, version, seed=seed)
        if found.value is not None:
            share = shown(_percent(found), 0)
            line = f"{version}: likelier with it than with another task's on {share}% of the tasks"
            console.print(plain(line), soft_wrap=True)


def _percent(share: Value) -> Value:
    value, low, high = (
        None if part is None else 100 * part for part in (share.value, share.low, share.high)
    )
    return Value(value, low, high, share.reason)


@app.command("select")
@with_settings(TaskChoice, config=False)
def select_versions(
    sources: Annotated[
        list[str],
        typer.Argument(help="Instructions to select from.", metavar="RUN..."),
    ],
    asked: Asked,
    out: Annotated[Path, typer.Option(help="The file to write; --steps takes it.")],
    by: Annotated[
        Literal["measured", "judge", "checks"],
        typer.Option(
            help="measured: what makes the right outputs likeliest. judge: what a judge found "
            "correct and complete. checks: what has the fewest faults."
        ),
    ],
    measured: Annotated[
        Path | None, typer.Option(help="A file of `seedstep steps measure`.", metavar="FILE")
    ] = None,
    evaluated: Annotated[
        int,
        typer.Option(
            help="The first N instances of each task are those that your evaluation uses; nothing "
            "that was measured on them is used.",
            min=0,
        ),
    ] = EVALUATED,
) -> None:
    """Keep the best version of each task's instruction."""
    tasks = make_settings(TaskChoice, asked, COMMAND_LINE)
    done = select_steps(sources, out, by=by, tasks=tasks, measured=measured, evaluated=evaluated)
    for version, count in sorted(done.counts.items(), key=lambda item: -item[1]):
        console.print(plain(f"{version}: {count:,}"), soft_wrap=True)
    for what, many in (
        ("tasks with nothing to select by, which keep the first version", done.undecided),
        ("tasks without an instruction, left out", done.without),
    ):
        if many:
            console.print(plain(f"{what}: {many:,}", style="yellow"), soft_wrap=True)
    console.print(plain(f"wrote {out}"), soft_wrap=True)
