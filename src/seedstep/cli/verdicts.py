"""`seedstep verdicts`: what a judge said of each answer, listed, filtered and exported."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from seedstep.cli.evaluate import OutFile, write_or_print
from seedstep.cli.terminal import console, plain, print_rows
from seedstep.recipes.evaluation import (
    VerdictRow,
    chosen_verdicts,
    verdict_rows,
    verdicts_csv,
    verdicts_jsonl,
)
from seedstep.runs import Rows
from seedstep.stages import JUDGE, open_run
from seedstep.text import visible

__all__ = ["command"]

ANSWER_CHARACTERS = 60
"""How many characters of an answer the table shows."""


def command(
    run: Annotated[Path, typer.Argument(help="The run of `seedstep judge`.")],
    system: Annotated[
        list[str] | None,
        typer.Option(help="Only those on this system. May be given several times. Default: all."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this label: A to D; of pairs win, lose or tie; or missing. May be given "
            "several times. Default: all."
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(help="Only tasks of this category. May be given several times. Default: all."),
    ] = None,
    limit: Annotated[int, typer.Option(help="List so many at the most in a table.", min=1)] = 50,
    form: Annotated[
        Literal["table", "jsonl", "csv"],
        typer.Option(
            "--format", help="table, or everything that is known, with the judge's words."
        ),
    ] = "table",
    out: OutFile = None,
) -> None:
    """List what a judge said of each answer: `seedstep verdicts RUN --label D`."""
    with open_run(run, JUDGE) as opened:
        rows = verdict_rows(opened)
    chosen = chosen_verdicts(
        rows, systems=system or (), labels=label or (), categories=category or ()
    )
    if form == "table" and out is None:
        _print_table(run, rows, chosen, limit)
    else:
        write = verdicts_csv if form == "csv" else verdicts_jsonl
        text = write(chosen)
        write_or_print(visible(text) if out is None and console.is_terminal else text, out)
        if out:
            console.print(plain(f"{len(chosen):,} verdicts in {out}"), soft_wrap=True)


def _print_table(
    run: Path, rows: Sequence[VerdictRow], chosen: Sequence[VerdictRow], limit: int
) -> None:
    head = ("instance", "system", "verdict", "answer")
    if chosen:
        print_rows(Rows(tuple(map(_cells, chosen[:limit])), head))
        console.print()
    line = f"{len(chosen):,} of {len(rows):,} verdicts"
    if len(chosen) > limit:
        line += f", of which {limit:,} are listed; --limit {len(chosen)} lists all"
    console.print(plain(line), soft_wrap=True)
    if chosen:
        console.print("See one, with the judge's words:")
        words = shlex.join(["seedstep", "show", str(run), chosen[0].instance])
        console.print(plain(f"  {words}"), soft_wrap=True)


def _cells(row: VerdictRow) -> tuple[str, ...]:
    answer = " | ".join(" ".join(text.split()) for text in row.answers)
    if len(answer) > ANSWER_CHARACTERS:
        answer = answer[:ANSWER_CHARACTERS].rstrip() + "…"
    return (row.instance, " / ".join(row.systems), row.label or f"none: {row.failure}", answer)
