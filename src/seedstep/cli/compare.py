"""`seedstep compare`: whether one system is better than others, and how sure that is."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from seedstep.cli.options import COMMAND_LINE, Asked, with_settings
from seedstep.cli.scoring import OutFile, print_left_out, print_table, write_or_print
from seedstep.cli.terminal import console, plain
from seedstep.evaluate.compare import Comparison, Pairing, compare_with_first
from seedstep.evaluate.scores import ScoringSettings
from seedstep.evaluate.tables import (
    comparison_table,
    comparison_title,
    comparisons_json,
    markdown,
)
from seedstep.recipes import evaluate_systems
from seedstep.report.figures import save_figures
from seedstep.settings import make_settings
from seedstep.text import escaped

__all__ = ["command"]


@with_settings(ScoringSettings, config=False)
def command(
    asked: Asked,
    plots: Annotated[
        Path | None,
        typer.Option(help="Draw the scores, overall and by category, into DIR.", metavar="DIR"),
    ] = None,
    form: Annotated[
        Literal["table", "json", "markdown"], typer.Option("--format", help="How to show it.")
    ] = "table",
    out: OutFile = None,
) -> None:
    """Compare the first system with the others: differences with 95% intervals, win/lose/tie."""
    settings = make_settings(ScoringSettings, asked, COMMAND_LINE)
    done = evaluate_systems(
        settings.systems.paths,
        settings.systems.names,
        settings.systems.given_tasks,
        settings.tokenizer,
        "category",
    )
    pairings = compare_with_first(done.systems)
    if form == "json":
        write_or_print(comparisons_json(pairings), out)
    elif form == "markdown" or out:
        write_or_print("\n".join(map(_markdown, pairings)), out)
    else:
        for one in pairings:
            _print(one)
        print_left_out(done)
    for path in save_figures(done.systems, plots) if plots else ():
        typer.echo(f"wrote {path}", err=True)


def _markdown(pairing: Pairing) -> str:
    return f"{escaped(comparison_title(pairing))}\n\n{markdown(comparison_table(pairing))}"


def _print(pairing: Pairing) -> None:
    console.print(plain(comparison_title(pairing), style="bold"), soft_wrap=True)
    print_table(comparison_table(pairing))
    found = pairing.comparison
    if test := found.mcnemar:
        line = (
            f"Exact matches: {test.first_only:,} only A, {test.second_only:,} only B; "
            f"McNemar's test p = {test.p_value:.2g} ({test.method})."
        )
        console.print(plain(line), soft_wrap=True)
    for line in _absent(pairing.first, pairing.second, found):
        console.print(plain(line, style="yellow"), soft_wrap=True)
    console.print()


def _absent(first: str, second: str, found: Comparison) -> list[str]:
    """What is missing on either side."""
    sides = (
        (first, found.first_absent, len(found.first_unpaired)),
        (second, found.second_absent, len(found.second_unpaired)),
    )
    lines = []
    for name, absent, unpaired in sides:
        if absent:
            lines.append(f"{name}: {absent:,} predictions missing or failed, counted as empty")
        if unpaired:
            lines.append(f"{name}: {unpaired:,} instances that only it was scored on, left out")
    return lines
