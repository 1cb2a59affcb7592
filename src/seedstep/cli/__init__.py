"""The command line: one thin file a command.

Errors that users can mend are one line; Ctrl-C says how to go on.
"""

import sys

import typer

from seedstep.cli import bootstrap, export, init, seeds, show, status
from seedstep.cli.terminal import errors
from seedstep.errors import SeedstepError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Instruction-tuning data from a few seed tasks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("bootstrap")(bootstrap.command)
app.command("status")(status.command)
app.command("show")(show.command)
app.command("export")(export.command)
app.command("init")(init.command)
app.add_typer(seeds.app, name="seeds")


def main() -> None:
    """Run a command; exit with 1 after an error of the user's, 130 after an interruption."""
    try:
        app()
    except SeedstepError as error:
        errors.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away, as `head` does
        sys.exit(0)
