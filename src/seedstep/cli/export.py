"""`seedstep export`: a run's finished tasks for tuning tools."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from seedstep.cli.terminal import console
from seedstep.exports import export
from seedstep.stages import BOOTSTRAP, open_run

__all__ = ["command"]

ExportFormat = Literal[
    "alpaca", "messages", "sharegpt", "prompt-completion", "superni", "parquet", "hub"
]


def command(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    name: Annotated[ExportFormat, typer.Option("--format", help="The format to write.")],
    out: Annotated[
        Path | None,
        typer.Option(help="A new or empty directory. Default: RUN/exports/FORMAT."),
    ] = None,
    end_of_text: Annotated[
        str, typer.Option(help="End of each completion in prompt-completion. Default: nothing.")
    ] = "",
    licence: Annotated[
        str, typer.Option("--license", help="Licence of a hub data set, such as cc-by-4.0.")
    ] = "",
) -> None:
    """Write the finished tasks in a format that tuning tools read."""
    with open_run(run, BOOTSTRAP) as opened:
        target = out or run / "exports" / name
        count = export(opened, name, target, end_of_text=end_of_text, licence=licence)
    what = "tasks" if name == "superni" else "records"
    console.print(f"{count:,} {what} in {target}", markup=False, soft_wrap=True)
