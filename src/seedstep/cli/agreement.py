"""`seedstep agreement`: how far judges and people agree."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seedstep.cli.scoring import OutFile, print_some, print_table, write_or_print
from seedstep.cli.terminal import console, plain
from seedstep.evaluate.intervals import Value
from seedstep.evaluate.tables import CellTable, shown
from seedstep.recipes import Agreement, agreement

__all__ = ["command"]


def command(
    raters: Annotated[
        list[Path],
        typer.Argument(
            help="Runs of `seedstep judge`, and JSON lines of people's labels: id, system, label.",
            metavar="RATER...",
        ),
    ],
    form: Annotated[
        Literal["table", "json"], typer.Option("--format", help="How to show it.")
    ] = "table",
    out: OutFile = None,
) -> None:
    """Agreement of two raters or more on the same answers, with 95% intervals over items."""
    found = agreement(raters)
    if form == "json" or out:
        write_or_print(json.dumps(_record(found), indent=2) + "\n", out)
        return
    for pair, measures in zip(found.pairs, _measures(found), strict=True):
        title = f"{pair.first} and {pair.second}, {pair.agreement.items:,} items"
        console.print(plain(title, style="bold"), soft_wrap=True)
        rows = tuple((name, shown(value, 2)) for name, value in measures.items())
        print_table(CellTable(("measure", "value"), rows))
    line = f"Fleiss's kappa of all {len(found.raters)} raters on {found.items:,} items: "
    console.print(plain(line + shown(found.fleiss, 2)), soft_wrap=True)
    for reason in _reasons(found):
        console.print(plain(reason, style="dim"), soft_wrap=True)
    for rater in found.raters:
        if others := len(rater.labels) - found.items:
            line = f"{rater.name}: {others:,} of its {len(rater.labels):,} items not rated by all"
            console.print(plain(line, style="yellow"), soft_wrap=True)
        missing = [f"{system} on {instance}" for instance, system in rater.missing]
        print_some(rater.name, "without a label", missing)
        print_some(rater.name, "left out", [one.what for one in rater.problems])


def _measures(found: Agreement) -> list[dict[str, Value]]:
    """The measures of each pair by their names."""
    return [
        {
            "raw agreement": one.agreement.raw,
            "raw, acceptable (A, B) or not": one.agreement.raw_acceptable,
            "Cohen's kappa": one.agreement.kappa,
            "Cohen's kappa, acceptable or not": one.agreement.kappa_acceptable,
            "Spearman's correlation": one.agreement.spearman,
        }
        for one in found.pairs
    ]


def _reasons(found: Agreement) -> list[str]:
    """Why a value or an interval is not there, each reason once."""
    named = [item for measures in _measures(found) for item in measures.items()]
    named.append(("Fleiss's kappa", found.fleiss))
    return list(dict.fromkeys(f"{name}: {one.reason}" for name, one in named if one.reason))


def _record(found: Agreement) -> dict[str, Any]:
    return {
        "raters": [
            {
                "name": one.name,
                "labels": len(one.labels),
                "missing": one.missing,
                "left_out": [problem.what for problem in one.problems],
            }
            for one in found.raters
        ],
        "pairs": [asdict(one) for one in found.pairs],
        "items_of_all": found.items,
        "fleiss_kappa": asdict(found.fleiss),
    }
