"""The command line: one thin file a command, and a table of them.

Errors that users can mend are one line; Ctrl-C says how to go on.
"""

import sys
from importlib import metadata
from typing import Annotated

import typer

from seedstep.cli.commands import CommandEntry, CommandTable
from seedstep.cli.terminal import console, errors, plain, prepare_streams
from seedstep.errors import SeedstepError

__all__ = ["COMMANDS", "app", "main"]

GROW = "Grow"
STEPS = "Steps"
TUNE = "Tune"
EVALUATE = "Evaluate"
PEOPLE = "People"
RUNS = "Runs"

COMMANDS = (
    CommandEntry("bootstrap", GROW),
    CommandEntry("seeds", GROW),
    CommandEntry("init", GROW),
    CommandEntry("novelty", GROW),
    CommandEntry("suite", GROW),
    CommandEntry("steps", STEPS),
    CommandEntry("examples", STEPS),
    CommandEntry("encode", TUNE),
    CommandEntry("tune", TUNE),
    CommandEntry("predict", EVALUATE),
    CommandEntry("evaluate", EVALUATE),
    CommandEntry("compare", EVALUATE),
    CommandEntry("judge", EVALUATE),
    CommandEntry("agreement", EVALUATE),
    CommandEntry("review", PEOPLE),
    CommandEntry("view", RUNS),
    CommandEntry("status", RUNS),
    CommandEntry("show", RUNS),
    CommandEntry("requests", RUNS),
    CommandEntry("report", RUNS),
    CommandEntry("export", RUNS),
    CommandEntry("push", RUNS),
    CommandEntry("run", RUNS),
    CommandEntry("demo", RUNS),
)
"""The commands, as `seedstep --help` lists them. Each is a module of this package."""


class _Commands(CommandTable):
    entries = COMMANDS


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(asked: bool) -> None:
    if asked:
        console.print(f"seedstep {metadata.version('seedstep')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Instruction-tuning data from a few seed tasks, and step-by-step instructions."""


def main() -> None:
    """Run a command; exit with 1 after an error of the user's, 130 after an interruption."""
    prepare_streams()
    try:
        app()
    except SeedstepError as error:
        errors.print(plain(f"error: {error}", style="red"), soft_wrap=True)
        sys.exit(1)
