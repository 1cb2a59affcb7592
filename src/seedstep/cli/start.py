"""`seedstep init`, `seeds check` and `suite`: make a configuration, check seeds, write a suite."""

import textwrap
from pathlib import Path
from typing import Annotated, Literal

import typer
import yaml

from seedstep.bootstrap import BootstrapSettings, check_seeds, tell_script
from seedstep.cli.terminal import console, plain, print_rows
from seedstep.data import write_atomically
from seedstep.errors import InputError
from seedstep.runs import Rows
from seedstep.settings import flatten, table
from seedstep.suite import categories, write_suite

__all__ = [
    "init_command",
    "seeds_command",
    "suite_command",
]


def init_command(
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


seeds_command = typer.Typer(help="Seed tasks.", no_args_is_help=True)


@seeds_command.callback()
def group() -> None:
    """Seed tasks."""


@seeds_command.command()
def check(
    path: Annotated[Path, typer.Argument(help="A JSONL file of seed tasks.", metavar="FILE")],
    tokens: Annotated[
        Literal["auto", "latin", "unicode"],
        typer.Option(
            help="As of a bootstrap: latin (English), unicode (other languages), or auto: by the "
            "script of the seeds."
        ),
    ] = "auto",
) -> None:
    """Say line by line what is wrong with a seed file: its form, and what our filters refuse."""
    seeds = check_seeds(path, tokens)
    for problem in seeds.problems:
        console.print(plain(f"{problem.what} ({problem.remedy})"), soft_wrap=True)
    labels = sum(task.is_classification for task in seeds.tasks)
    empty = sum(not task.instances[0].input for task in seeds.tasks)
    console.print(
        f"usable seed tasks: {len(seeds.tasks)} ({labels} classification, {empty} without input)"
    )
    if seeds.tasks:
        console.print(plain(tell_script(seeds.tasks, tokens)), soft_wrap=True)
    console.print(f"problems: {len(seeds.problems)}")
    if seeds.problems:
        raise typer.Exit(1)


def suite_command(
    directory: Annotated[
        Path, typer.Argument(help="A new directory for the suite.", metavar="DIR")
    ],
) -> None:
    """Write a small suite of tasks, with step-by-step instructions, to train and test on."""
    written = write_suite(directory)
    print_rows(_table())
    told = f"Wrote {directory}" if written else f"The suite is in {directory} already"
    console.print(plain(f"{told}, see README.md there."), soft_wrap=True)


def _table() -> Rows:
    found = categories()
    rows = [(each.name, each.split, str(each.tasks), str(each.instances)) for each in found]
    tasks, instances = (
        str(sum(counts))
        for counts in ((each.tasks for each in found), (each.instances for each in found))
    )
    total = (f"{len(found)} categories", "", tasks, instances)
    return Rows((*rows, total), ("category", "split", "tasks", "instances"))
