"""`seedstep judge`, `verdicts` and `agreement`: have answers judged, and see how raters agree."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seedstep import recipes, stages
from seedstep.cli.evaluate import OutFile, print_some, print_table, write_or_print
from seedstep.cli.options import (
    FailedTasks,
    GivenSettings,
    Out,
    RemovedTasks,
    SameModel,
    with_settings,
)
from seedstep.cli.progress import DryRun, print_foreseen, run_tasks
from seedstep.cli.terminal import console, plain, print_rows
from seedstep.evaluate.judge import JudgeSettings
from seedstep.runs import Rows
from seedstep.text import shortened, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedstep.evaluate.intervals import Value
    from seedstep.recipes import Agreement
    from seedstep.recipes.evaluation import VerdictRow

__all__ = ["agreement_command", "judge_command", "verdicts_command"]

ANSWER_CHARACTERS = 60
"""How many characters of an answer the table shows."""


@with_settings(JudgeSettings)
def judge_command(
    asked: GivenSettings,
    out: Out = None,
    same_model: SameModel = False,
    removed: RemovedTasks = "keep",
    failed: FailedTasks = "keep",
    dry_run: DryRun = False,
) -> None:
    """Have a model judge answers. Run it again to go on where it stopped."""
    if dry_run:
        work = recipes.foresee_work(
            stages.JUDGE, out, asked, removed, failed=failed, same_model=same_model
        )
        assumed = "one reply for each question, which can be read; 4 characters a token."
        print_foreseen(work, f"{work.left:,} instances", assumed)
        return
    run_tasks(
        stages.JUDGE,
        recipes.work_on_verdicts,
        out,
        asked,
        same_model=same_model,
        removed=removed,
        failed=failed,
        look="seedstep verdicts {out}",
        see="See what it said:",
        unit="instances",
    )


def verdicts_command(
    run: Annotated[Path, typer.Argument(help="The run of `seedstep judge`.")],
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="Only verdicts on this system. May be given several times. Default: all."
        ),
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
    limit: Annotated[int, typer.Option(help="The most verdicts that a table lists.", min=1)] = 50,
    form: Annotated[
        Literal["table", "jsonl", "csv"],
        typer.Option(
            "--format", help="table, or everything that is known, with the judge's words."
        ),
    ] = "table",
    out: OutFile = None,
) -> None:
    """List what a judge said of each answer: `seedstep verdicts RUN --label D`."""
    from seedstep.recipes.evaluation import (
        chosen_verdicts,
        verdict_rows,
        verdicts_csv,
        verdicts_jsonl,
    )

    with stages.open_run(run, stages.JUDGE) as opened:
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
    run: Path, rows: "Sequence[VerdictRow]", chosen: "Sequence[VerdictRow]", limit: int
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


def _cells(row: "VerdictRow") -> tuple[str, ...]:
    answer = shortened(" | ".join(row.answers), ANSWER_CHARACTERS)
    return (row.instance, " / ".join(row.systems), row.label or f"none: {row.failure}", answer)


def agreement_command(
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
    from seedstep.inputs.labels import questions_of

    questions = (question,) if question else next(filter(None, map(questions_of, raters)), ("",))
    found = {asked: recipes.agreement(raters, asked) for asked in questions}
    if form == "json" or out:
        records = {asked: _record(found_of) for asked, found_of in found.items()}
        whole = {"questions": records} if len(records) > 1 else next(iter(records.values()))
        write_or_print(json.dumps(whole, indent=2) + "\n", out)
        return
    for asked, found_of in found.items():
        if len(found) > 1:
            console.rule(plain(asked), align="left")
        _print_agreement(found_of)


def _print_agreement(found: "Agreement") -> None:
    from seedstep.evaluate.intervals import shown
    from seedstep.evaluate.systems import CellTable

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


def _measures(found: "Agreement") -> "list[dict[str, Value]]":
    """Return the measures of each pair of raters by name, those that are defined for its labels."""
    from seedstep.evaluate.agreement import NO_LEVELS

    named = [
        {
            "raw agreement": pair.agreement.raw,
            "raw, acceptable (A, B) or not": pair.agreement.raw_acceptable,
            "Cohen's kappa": pair.agreement.kappa,
            "Cohen's kappa, acceptable or not": pair.agreement.kappa_acceptable,
            "Spearman's correlation": pair.agreement.spearman,
        }
        for pair in found.pairs
    ]
    return [
        {name: value for name, value in measures.items() if value.reason != NO_LEVELS}
        for measures in named
    ]


def _reasons(found: "Agreement") -> list[str]:
    """Return the reasons for which values or intervals are missing, each once, and of what.

    One that holds for all is told without their names.
    """
    named = [item for measures in _measures(found) for item in measures.items()]
    named.append(("Fleiss's kappa", found.fleiss))
    of_reason: dict[str, list[str]] = {}
    for name, value in named:
        if value.reason:
            of_reason.setdefault(value.reason, []).append(name)
    return [
        reason if len(names) == len(named) else f"{', '.join(dict.fromkeys(names))}: {reason}"
        for reason, names in of_reason.items()
    ]


def _record(found: "Agreement") -> dict[str, Any]:
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
