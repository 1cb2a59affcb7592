"""`seedstep export` and `push`: finished tasks for other tools, and for the Hugging Face hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedstep import exports, stages
from seedstep.cli.options import names_of, option_of
from seedstep.cli.terminal import console, plain
from seedstep.exports import EXPORT_FORMATS

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = names_of(EXPORT_FORMATS)

__all__ = ["export_command", "push_command"]


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
    from seedstep.inputs.labels import without_rejected

    with stages.open_run(run) as opened:
        target = out or run / "exports" / name
        chosen = {"end_of_text": end_of_text, "licence": licence}
        count = exports.export(opened, name, target, reviewed=reviewed, **chosen)
        kept = without_rejected(exports.finished_tasks(opened), reviewed) if reviewed else None
    line = f"{count:,} {EXPORT_FORMATS[name].unit} in {target}"
    console.print(line, markup=False, soft_wrap=True)
    if kept:
        console.print(f"left out: {kept.left_out}", markup=False, soft_wrap=True)


def push_command(
    folder: Annotated[Path, typer.Argument(help="What `export --format hub` wrote.")],
    repository: Annotated[str, typer.Argument(help="Where to, as USER/NAME.")],
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody see it. Default: private.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Publish without asking.")] = False,
    reviewed: Annotated[
        Path | None,
        typer.Option(help="A review of the tasks: leave out what people rejected there."),
    ] = None,
) -> None:
    """Publish a data set on the Hugging Face hub. Lists the files first, and asks."""
    files = list(exports.exported_files(folder))
    sight = "for everybody" if public else "private"
    with exports.accepted_part(folder, files, reviewed) as (part, left_out):
        console.print(plain(f"To {repository} ({sight}, unless it is there already):"))
        for name in files:
            size = (part / name).stat().st_size
            console.print(plain(f"  {name}  {size:,} bytes"), soft_wrap=True)
        if left_out:
            console.print(plain(f"left out: {left_out}"), soft_wrap=True)
        if not yes and not typer.confirm("Publish?"):
            console.print("Nothing was sent.")
            raise typer.Exit(1)
        console.print(
            plain(exports.push(part, repository, files, private=not public)), soft_wrap=True
        )
