"""`seedstep status`: where a run stands."""

from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.examples import print_examples
from seedstep.cli.judge import print_verdicts
from seedstep.cli.steps_print import print_statistics
from seedstep.cli.summary import print_status
from seedstep.store import ExamplesRun, JudgeRun, Run, StepsRun, open_run

__all__ = ["command"]


def command(run: Annotated[Path, typer.Argument(help="The run's directory.")]) -> None:
    """Show where a run stands: counts, reasons, tokens, and speed or cost."""
    with open_run(run) as opened:
        match opened:
            case Run():
                print_status(opened)
            case StepsRun():
                print_statistics(opened)
            case ExamplesRun():
                print_examples(opened)
            case JudgeRun():
                print_verdicts(opened)
