"""The command line: one thin file a command.

Errors that users can mend are one line; Ctrl-C says how to go on.
"""

import io
import sys
from importlib import metadata
from typing import Annotated

import typer

from seedstep.cli import (
    agreement,
    bootstrap,
    compare,
    demo,
    encode,
    evaluate,
    examples,
    export,
    init,
    judge,
    novelty,
    predict,
    push,
    report,
    requests,
    review,
    run,
    seeds,
    show,
    status,
    steps,
    suite,
    tune,
)
from seedstep.cli.terminal import console, errors, plain
from seedstep.errors import SeedstepError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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


app.command("bootstrap")(bootstrap.command)
app.command("status")(status.command)
app.command("show")(show.command)
app.command("requests")(requests.command)
app.command("encode")(encode.command)
app.command("export")(export.command)
app.command("push")(push.command)
app.command("tune")(tune.command)
app.command("report")(report.command)
app.command("novelty")(novelty.command)
app.command("evaluate")(evaluate.command)
app.command("compare")(compare.command)
app.command("judge")(judge.command)
app.command("agreement")(agreement.command)
app.command("predict")(predict.command)
app.command("init")(init.command)
app.command("suite")(suite.command)
app.command("run")(run.command)
app.command("demo")(demo.command)
app.add_typer(steps.app, name="steps")
app.add_typer(examples.app, name="examples")
app.add_typer(seeds.app, name="seeds")
app.add_typer(review.app, name="review")


def main() -> None:
    """Run a command; exit with 1 after an error of the user's, 130 after an interruption."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what the terminal has no characters for
    try:
        app()
    except SeedstepError as error:
        errors.print(plain(f"error: {error}", style="red"), soft_wrap=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away, as `head` does
        sys.exit(0)
