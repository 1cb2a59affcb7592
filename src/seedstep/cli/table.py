"""`seedstep table`: a table of a paper, as an experiment made it, beside the printed values."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from seedstep.cli.evaluate import OutFile, print_table, write_or_print
from seedstep.cli.terminal import console, plain
from seedstep.evaluate.tables import CellTable, markdown
from seedstep.recipes.experiment_files import USUAL
from seedstep.report.paper_layout import (
    LEGEND,
    about,
    differences_cells,
    standing,
    tables_json,
    values_cells,
)
from seedstep.report.paper_tables import PaperTable, paper_table, paper_tables
from seedstep.text import escaped

__all__ = ["command", "place_of", "print_paper_table"]


def command(
    experiment: Annotated[
        str,
        typer.Argument(
            help="The experiment: its name, its file, or the directory in which it ran.",
            metavar="EXPERIMENT",
        ),
    ],
    size: Annotated[
        str, typer.Option(help="The size in which it ran, if not in --out.", metavar="SIZE")
    ] = "",
    in_: Annotated[
        Path | None, typer.Option("--in", help="Where it ran, if not in runs/.", metavar="DIR")
    ] = None,
    form: Annotated[
        Literal["table", "json", "markdown"], typer.Option("--format", help="How to show it.")
    ] = "table",
    out: OutFile = None,
) -> None:
    """Show a table of a paper as an experiment made it: ours beside the printed values."""
    tables = _tables(experiment, size, in_)
    if form == "json":
        write_or_print(tables_json(tables), out)
    elif form == "markdown" or out:
        write_or_print("\n".join(map(_markdown, tables)), out)
    else:
        for table in tables:
            print_paper_table(table)


def place_of(name: str, size: str) -> Path:
    """Return where an experiment runs in a size, if no other place is named."""
    return Path("runs") / (name if size in ("", USUAL) else f"{name}-{size}")


def _tables(experiment: str, size: str, directory: Path | None) -> tuple[PaperTable, ...]:
    if directory is None and Path(experiment).is_dir():
        return paper_tables(Path(experiment))
    name = Path(experiment).stem
    return (paper_table(directory or place_of(name, size), name),)


def print_paper_table(table: PaperTable) -> None:
    """Print a table of a paper: what it is, the values, the differences."""
    console.print(plain(table.printed.source, style="bold"), soft_wrap=True)
    for line in about(table):
        console.print(plain(line))
    for line in standing(table):
        console.print(plain(line, style="yellow"))
    console.print()
    print_table(values_cells(table))
    differences = differences_cells(table)
    if differences.rows:
        rows = ((*cells, f"{told}\n{how}".rstrip()) for *cells, told, how in differences.rows)
        print_table(CellTable(differences.head[:-1], tuple(rows)))
    console.print(plain(LEGEND, style="dim"))
    console.print()


def _markdown(table: PaperTable) -> str:
    lines = [
        f"**{escaped(table.printed.source)}**",
        *map(escaped, (*about(table), *standing(table))),
    ]
    tables = [cells for cells in (values_cells(table), differences_cells(table)) if cells.rows]
    return "\n\n".join([*lines, *(markdown(_flat(cells)) for cells in tables), LEGEND]) + "\n"


def _flat(cells: CellTable) -> CellTable:
    head, *rows = (
        tuple(" ".join(cell.split()) for cell in row) for row in (cells.head, *cells.rows)
    )
    return CellTable(head, tuple(rows))
