"""The command line: a table of commands, and the entry point that runs them.

An error that users can correct is printed as a line. A command that is stopped by Ctrl-C prints how
to continue.
"""

import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, NoReturn

import typer

from seedstep.cli.commands import CommandEntry, CommandTable
from seedstep.cli.terminal import console, errors, output_status, plain, prepare_streams
from seedstep.errors import InputError, SeedstepError, short_line
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
    CommandEntry("distill", GROW, "grow"),
    CommandEntry("seeds", GROW, "grow"),
    CommandEntry("init", GROW, "grow"),
    CommandEntry("novelty", GROW, "grow"),
    CommandEntry("suite", GROW, "grow"),
    CommandEntry("steps", STEPS),
    CommandEntry("examples", STEPS, "steps"),
    CommandEntry("encode", TUNE, "tune"),
    CommandEntry("tune", TUNE),
    CommandEntry("predict", EVALUATE),
    CommandEntry("evaluate", EVALUATE),
    CommandEntry("compare", EVALUATE, "evaluate"),
    CommandEntry("judge", EVALUATE, "evaluate"),
    CommandEntry("verdicts", EVALUATE),
    CommandEntry("agreement", EVALUATE, "evaluate"),
    CommandEntry("review", PEOPLE),
    CommandEntry("view", RUNS, "review"),
    CommandEntry("status", RUNS, "runs"),
    CommandEntry("show", RUNS, "runs"),
    CommandEntry("requests", RUNS, "runs"),
    CommandEntry("report", RUNS, "runs"),
    CommandEntry("export", RUNS, "runs"),
    CommandEntry("push", RUNS, "runs"),
    CommandEntry("run", RUNS),
    CommandEntry("table", RUNS, "run"),
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


def _require_text(words: Sequence[str]) -> None:
    """Refuse arguments that no file could hold, such as names of files in other encodings."""
    for word in words:
        if "\0" in word or any("\ud800" <= character <= "\udfff" for character in word):
            shown = word.replace("\0", "�").encode("utf-8", "replace").decode()
            raise InputError(f"'{short_line(shown)}' is not UTF-8 text", "write it in UTF-8")


def _end(error: SeedstepError) -> NoReturn:
    errors.print(plain(f"error: {error}", style="red"), soft_wrap=True)
    sys.exit(1)


def main() -> None:
    """Run a command; exit with 1 after an error that users can correct, 130 after Ctrl-C."""
    prepare_streams()
    let_commands_handle()
    try:
        _require_text(sys.argv)
        app()
    except SeedstepError as error:
        _end(error)
    except OSError as error:  # of a path, wherever it is looked at
        where = error.filename or "the system"
        _end(InputError(f"{where}: {error.strerror or error}", "check the path and its rights"))
    except KeyboardInterrupt:
        sys.exit(130)
    except SystemExit as ended:
        raise SystemExit(ended.code or output_status()) from None
