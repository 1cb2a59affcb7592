"""`seedstep steps`: step-by-step instructions for tasks, and what comes of them."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from seedstep.cli.options import (
    BaseUrl,
    Config,
    InFlight,
    MaxRequests,
    MaxTokens,
    MaxUsd,
    Model,
    Out,
    SameModel,
    Seed,
    flags_of,
    names_of,
    option,
    option_of,
    required,
    settings_of,
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
    write_instructions_async,
)
from seedstep.stages import STEPS, open_run, tell_list, tell_one, tell_status
from seedstep.steps import (
    Part,
    StepsSettings,
    make_steps_settings,
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


_option = partial(option, StepsSettings)


@app.callback()
def write(
    context: typer.Context,
    out: Out = None,
    tasks: Annotated[str | None, _option("tasks")] = None,
    split: Annotated[str | None, _option("split")] = None,
    track: Annotated[str | None, _option("track")] = None,
    limit: Annotated[int | None, _option("limit")] = None,
    model: Model = None,
    base_url: BaseUrl = None,
    prompt_style: Annotated[
        Literal["auto", "completion", "chat"] | None, _option("prompt_style", "--style")
    ] = None,
    refine: Annotated[Literal["full", "none"] | None, _option("refine")] = None,
    repairs: Annotated[int | None, _option("repairs")] = None,
    judge: Annotated[str | None, _option("judge")] = None,
    judge_base_url: Annotated[str | None, _option("judge_base_url")] = None,
    seed: Seed = None,
    in_flight: InFlight = None,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    same_model: SameModel = False,
    skip_bad: Annotated[bool | None, _option("skip_bad", "--skip-bad")] = None,
    config: Config = None,
    dry_run: DryRun = False,
) -> None:
    """Write a step-by-step instruction for each task. Run it again to go on where it stopped."""
    if context.invoked_subcommand:
        return
    asked = settings_of(make_steps_settings, config, flags_of(context, StepsSettings))
    if dry_run:
        _print_preview(make_steps_settings(asked, "the command line"))
        return
    out = required(out)
    again = f"seedstep steps --out {out}"
    progress = run_tasks(write_instructions_async, out, asked, same_model=same_model, again=again)
    with open_run(out, STEPS) as run:
        print_blocks(tell_status(run))
    end_tasks(again, f"seedstep steps show {out} TASK", progress)


def _print_preview(settings: StepsSettings) -> None:
    view = preview_instructions(settings)
    print_requests({one.purpose: one for one in view.requests}, settings.style)
    assumed = "no repairs, instructions of 160 tokens, 4 characters a token."
    if settings.style == "chat":
        assumed += " Each turn is sent with the earlier ones and their replies."
    what = f"{view.counts.get('obtain', 0):,} tasks with {settings.model}"
    print_estimate(what, view, settings.price, assumed)


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
def take_over(
    path: Annotated[
        Path, typer.Argument(help="JSON lines with `task`, and `text` or `steps`.", metavar="FILE")
    ],
    tasks: Annotated[str, _option("tasks")],
    out: Annotated[Path, typer.Option(help="A new directory for the run.")],
    split: Annotated[str | None, _option("split")] = None,
    track: Annotated[str | None, _option("track")] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on without lines and tasks that are wrong.")
    ] = False,
) -> None:
    """Take over instructions that people or another tool wrote, and check them."""
    flags = {"tasks": tasks, "split": split, "track": track, "skip_bad": skip_bad or None}
    asked = {name: value for name, value in flags.items() if value is not None}
    problems = import_instructions(path, out, asked)
    with open_run(out, STEPS) as run:
        print_blocks(tell_status(run))
    for problem in problems:
        console.print(plain(f"skipped: {problem.what}", style="yellow"), soft_wrap=True)


@app.command("superni")
def take_package(
    tasks: Annotated[str, typer.Option(help="A clone of SUPER-NATURALINSTRUCTIONS.")],
    out: Annotated[Path, typer.Option(help="A new directory for the run.")],
    split: Annotated[str | None, _option("split")] = None,
    track: Annotated[str | None, _option("track")] = None,
) -> None:
    """Make a run of the instructions for SUPER-NATURALINSTRUCTIONS that come with seedstep."""
    flags = {"tasks": tasks, "split": split, "track": track}
    missing = take_superni(out, {name: value for name, value in flags.items() if value is not None})
    with open_run(out, STEPS) as run:
        print_blocks(tell_status(run))
    if missing:
        console.print(f"{missing:,} tasks have no instruction that comes with seedstep")
