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
from seedstep.inputs.labels import questions_of
from seedstep.recipes import Agreement, agreement

__all__ = ["command"]


def command(
    raters: Annotated[
        list[Path],
        typer.Argument(
            help="Reviews, runs of `seedstep judge`, runs of steps with a judge, and JSON lines of "
            "labels: id, system, label.",
            metavar="RATER...",
        ),
    ],
    form: Annotated[
        Literal["table", "json"], typer.Option("--format", help="How to show it.")
    ] = "table",
    out: OutFile = None,
    question: Annotated[
        str, typer.Option(help="Question of the form of a review. Default: each that has choices.")
    ] = "",
) -> None:
    """Agreement of two raters or more on the same answers, with 95% intervals over items."""
    questions = (question,) if question else next(filter(None, map(questions_of, raters)), ("",))
    found = {asked: agreement(raters, asked) for asked in questions}
    if form == "json" or out:
        records = {asked: _record(found_of) for asked, found_of in found.items()}
        whole = {"questions": records} if len(records) > 1 else next(iter(records.values()))
        write_or_print(json.dumps(whole, indent=2) + "\n", out)
        return
    for asked, found_of in found.items():
        if len(found) > 1:
            console.rule(plain(asked), align="left")
        _print(found_of)


def _print(found: Agreement) -> None:
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
        print_some(rater.name, "left out", [problem.what for problem in rater.problems])


def _measures(found: Agreement) -> list[dict[str, Value]]:
    """The measures of each pair by their names."""
    return [
        {
            "raw agreement": pair.agreement.raw,
            "raw, acceptable (A, B) or not": pair.agreement.raw_acceptable,
            "Cohen's kappa": pair.agreement.kappa,
            "Cohen's kappa, acceptable or not": pair.agreement.kappa_acceptable,
            "Spearman's correlation": pair.agreement.spearman,
        }
        for pair in found.pairs
    ]


def _reasons(found: Agreement) -> list[str]:
    """Why a value or an interval is not there, each reason once."""
    named = [item for measures in _measures(found) for item in measures.items()]
    named.append(("Fleiss's kappa", found.fleiss))
    return list(dict.fromkeys(f"{name}: {value.reason}" for name, value in named if value.reason))


def _record(found: Agreement) -> dict[str, Any]:
    return {
        "raters": [
            {
                "name": rater.name,
                "labels": len(rater.labels),
                "missing": rater.missing,
                "left_out": [problem.what for problem in rater.problems],
            }
            for rater in found.raters
        ],
        "pairs": [asdict(rater) for rater in found.pairs],
        "items_of_all": found.items,
        "fleiss_kappa": asdict(found.fleiss),
    }
