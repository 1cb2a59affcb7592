"""`seedstep init`: a commented configuration file to start from."""

import textwrap
from pathlib import Path
from typing import Annotated

import typer
import yaml

from seedstep.bootstrap import BootstrapSettings
from seedstep.cli.terminal import console, plain
from seedstep.data import write_atomically
from seedstep.errors import InputError
from seedstep.settings import flatten, table

__all__ = ["command"]


def command(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("seedstep.yaml"),
) -> None:
    """Write a commented configuration file for `bootstrap --config`."""
    if path.exists():
        raise InputError(f"{path} is there already", "name another file")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no directory {path.parent}", "make it first")
    write_atomically(path, _text().encode())
    console.print(
        plain(f"Wrote {path}. Next: seedstep bootstrap --config {path} --out runs/first"),
        soft_wrap=True,
    )


def _text() -> str:
    parts = ["# Settings of `seedstep bootstrap`. Flags on the command line override them.\n"]
    defaults = flatten(BootstrapSettings(), whole=True)
    for name, found in table(BootstrapSettings).items():
        comment = textwrap.wrap(found.help, 78)
        value = yaml.safe_dump({name: defaults[name]})
        parts.append("".join(f"# {line}\n" for line in comment) + value)
    return "\n".join(parts)
