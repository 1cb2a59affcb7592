"""The command line: a table of commands, and the entry point that runs them.

An error that users can correct is printed as a line. A command that is stopped by Ctrl-C prints how
to continue.
"""

import sys
from importlib import metadata
from typing import Annotated

import typer

from seedstep.cli.commands import CommandEntry, CommandTable
from seedstep.cli.terminal import console, errors, output_status, plain, prepare_streams
from seedstep.errors import SeedstepError
from seedstep.interruption import let_commands_handle

__all__ = ["COMMANDS", "app", "main"]

GROW = "Grow"
STEPS = "Steps"
TUNE = "Tune"
EVALUATE = "Evaluate"
PEOPLE = "People"
RUNS = "Runs"

COMMANDS = (
    CommandEntry("bootstrap", GROW),
    CommandEntry("seeds", GROW, "start"),
    CommandEntry("init", GROW, "start"),
    CommandEntry("novelty", GROW),
    CommandEntry("suite", GROW, "start"),
    CommandEntry("steps", STEPS),
    CommandEntry("examples", STEPS),
    CommandEntry("encode", TUNE),
    CommandEntry("tune", TUNE),
    CommandEntry("predict", EVALUATE),
    CommandEntry("evaluate", EVALUATE),
    CommandEntry("compare", EVALUATE, "evaluate"),
    CommandEntry("judge", EVALUATE, "evaluate"),
    CommandEntry("agreement", EVALUATE, "evaluate"),
    CommandEntry("review", PEOPLE),
    CommandEntry("view", RUNS, "review"),
    CommandEntry("status", RUNS, "runs"),
    CommandEntry("show", RUNS, "runs"),
    CommandEntry("requests", RUNS, "runs"),
    CommandEntry("report", RUNS, "runs"),
    CommandEntry("export", RUNS, "exports"),
    CommandEntry("push", RUNS, "exports"),
    CommandEntry("run", RUNS),
    CommandEntry("demo", RUNS, "run"),
)
"""The commands, as `seedstep --help` lists them."""


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
    """Run a command; exit with 1 after an error that users can correct, 130 after Ctrl-C."""
    prepare_streams()
    let_commands_handle()
    try:
        app()
    except SeedstepError as error:
        errors.print(plain(f"error: {error}", style="red"), soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except SystemExit as ended:
        raise SystemExit(ended.code or output_status()) from None
