"""`seedstep examples`: examples generated from step-by-step instructions, and ranked."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from seedstep.cli.progress import end_tasks, run_tasks
from seedstep.cli.terminal import (
    DryRun,
    console,
    plain,
    print_blocks,
    print_estimate,
    print_requests,
    print_told,
)
from seedstep.exports import EXAMPLES_FORMATS, export_examples
from seedstep.inputs.tasks import Choose
from seedstep.llm import Preview
from seedstep.recipes import preview_made_examples, work_on_examples
from seedstep.recipes.steps import foresee_examples
from seedstep.runs.places import CONFIG
from seedstep.settings import make_settings
from seedstep.stages import EXAMPLES, open_run, tell_item, tell_list, tell_status
from seedstep.steps import ExamplesSettings

__all__ = ["app"]

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = names_of(EXAMPLES_FORMATS)

app = typer.Typer(
    help="Generate examples from step-by-step instructions, and choose two of them.",
    no_args_is_help=True,
    invoke_without_command=True,
)


@app.callback()
@with_settings(ExamplesSettings)
def generate(
    context: typer.Context,
    asked: Asked,
    out: Out = None,
    same_model: SameModel = False,
    removed: RemovedTasks = "keep",
    dry_run: DryRun = False,
) -> None:
    """Generate examples for each task that has an instruction, and choose two of them."""
    if context.invoked_subcommand:
        return
    if dry_run:
        if out and (out / CONFIG).exists():
            work = foresee_examples(out, asked, removed)
            print_told(work.told)
            _print_preview(work.settings, work.view)
        else:
            settings = make_settings(ExamplesSettings, asked, COMMAND_LINE)
            _print_preview(settings, preview_made_examples(settings))
        return
    out = required(out)
    again = f"seedstep examples --out {out}"
    progress = run_tasks(
        work_on_examples, out, asked, same_model=same_model, again=again, removed=removed
    )
    with open_run(out, EXAMPLES) as run:
        print_blocks(tell_status(run))
    end_tasks(again, f"seedstep examples show {out} TASK", progress)


def _print_preview(settings: ExamplesSettings, view: Preview) -> None:
    print_requests({request.purpose: request for request in view.requests}, settings.style)
    print_estimate(
        f"{view.counts.get('generate', 0):,} tasks with {settings.model}",
        view,
        settings.pricing,
        "examples of 60 tokens, 4 characters a token. The ranking shows stand-ins for them.",
    )


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    task: Annotated[str, typer.Argument(help="The task. Default: list all.")] = "",
) -> None:
    """List the tasks of a run, or show one with its examples and which were chosen."""
    with open_run(run, EXAMPLES) as opened:
        print_blocks(tell_item(opened, task) if task else tell_list(opened))


@app.command("export")
def write_export(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    out: Annotated[Path, typer.Option(help="A file for jsonl, a directory for superni.")],
    choose: Annotated[
        Choose, typer.Option(help="Those that were ranked best, or drawn at random.")
    ] = "ranked",
    name: Annotated[
        FormatName, option_of(EXAMPLES_FORMATS, "The format to write", "--format")
    ] = "jsonl",
) -> None:
    """Write the tasks with their generated examples as positive ones."""
    with open_run(run, EXAMPLES) as opened:
        written, left = export_examples(opened, choose, name, out)
    console.print(plain(f"{written:,} {EXAMPLES_FORMATS[name].unit} in {out}"), soft_wrap=True)
    if left:
        console.print(f"{left:,} tasks have no {choose} examples and are left out")
