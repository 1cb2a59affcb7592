"""`seedstep push`: a data set that `export --format hub` wrote, to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.terminal import console, plain
from seedstep.exports import exported_files, push

__all__ = ["command"]


def command(
    folder: Annotated[Path, typer.Argument(help="What `export --format hub` wrote.")],
    repository: Annotated[str, typer.Argument(help="Where to, as USER/NAME.")],
    public: Annotated[bool, typer.Option("--public", help="Everybody may see it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before.")] = False,
) -> None:
    """Publish a data set on the Hugging Face hub. Shows first what, and asks."""
    files = exported_files(folder)
    sight = "for everybody" if public else "private"
    console.print(plain(f"To {repository} ({sight}, unless it is there already):"))
    for name, size in files.items():
        console.print(plain(f"  {name}  {size:,} bytes"), soft_wrap=True)
    if not yes and not typer.confirm("Publish?"):
        console.print("Nothing was sent.")
        raise typer.Exit(1)
    console.print(plain(push(folder, repository, list(files), private=not public)), soft_wrap=True)
