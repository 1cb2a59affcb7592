"""`seedstep export` and `push`: finished tasks for tuning tools and for the hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedstep.cli.options import names_of, option_of
from seedstep.cli.terminal import console, plain
from seedstep.errors import InputError
from seedstep.exports import (
    EXPORT_FORMATS,
    export,
    exported_files,
    finished_tasks,
    push,
    rejected_in,
)
from seedstep.inputs.labels import without_rejected
from seedstep.stages import open_run

__all__ = [
    "export_command",
    "push_command",
]

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = names_of(EXPORT_FORMATS)


def export_command(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    name: Annotated[
        FormatName,
        option_of(EXPORT_FORMATS, "The format to write", "--format"),
    ],
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
    reviewed: Annotated[
        Path | None,
        typer.Option(help="A review of the tasks: leave out what people rejected there."),
    ] = None,
) -> None:
    """Write the finished tasks in a format that tuning tools read."""
    with open_run(run) as opened:
        target = out or run / "exports" / name
        chosen = {"end_of_text": end_of_text, "licence": licence}
        count = export(opened, name, target, reviewed=reviewed, **chosen)
        kept = without_rejected(finished_tasks(opened), reviewed) if reviewed else None
    line = f"{count:,} {EXPORT_FORMATS[name].unit} in {target}"
    console.print(line, markup=False, soft_wrap=True)
    if kept:
        console.print(f"left out: {kept.left_out}", markup=False, soft_wrap=True)


def push_command(
    folder: Annotated[Path, typer.Argument(help="What `export --format hub` wrote.")],
    repository: Annotated[str, typer.Argument(help="Where to, as USER/NAME.")],
    public: Annotated[bool, typer.Option("--public", help="Everybody may see it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before.")] = False,
    reviewed: Annotated[
        Path | None,
        typer.Option(help="A review of the tasks: send nothing that people rejected there."),
    ] = None,
) -> None:
    """Publish a data set on the Hugging Face hub. Shows first what, and asks."""
    files = exported_files(folder)
    if reviewed and (rejected := rejected_in(folder, files, reviewed)):
        what = f"{folder} has {rejected:,} rows that people rejected in {reviewed}"
        raise InputError(what, f"export the run again with --reviewed {reviewed}")
    sight = "for everybody" if public else "private"
    console.print(plain(f"To {repository} ({sight}, unless it is there already):"))
    for name, size in files.items():
        console.print(plain(f"  {name}  {size:,} bytes"), soft_wrap=True)
    if not yes and not typer.confirm("Publish?"):
        console.print("Nothing was sent.")
        raise typer.Exit(1)
    console.print(plain(push(folder, repository, list(files), private=not public)), soft_wrap=True)
