"""`seedstep evaluate`, `compare`, `judge` and `agreement`: scores, and how sure they are."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seedstep.cli.options import (
    COMMAND_LINE,
    Against,
    Asked,
    Out,
    RemovedTasks,
    SameModel,
    with_settings,
)
from seedstep.cli.progress import run_tasks
from seedstep.cli.terminal import console, plain, print_rows
from seedstep.data import write_atomically
from seedstep.evaluate import METRICS
from seedstep.evaluate.compare import Comparison, Pairing, compare_systems, names_with
from seedstep.evaluate.intervals import Value
from seedstep.evaluate.judge import JudgeSettings
from seedstep.evaluate.scores import Remark, ScoringSettings, remarks_beside
from seedstep.evaluate.tables import (
    CellTable,
    comparison_table,
    comparison_title,
    comparisons_json,
    group_table,
    markdown,
    overall_table,
    scores_csv,
    scores_json,
    shown,
)
from seedstep.inputs.labels import questions_of
from seedstep.recipes import Agreement, Evaluation, agreement, evaluate_systems, work_on_verdicts
from seedstep.report.figures import save_figures
from seedstep.runs import Rows
from seedstep.settings import make_settings
from seedstep.stages import JUDGE
from seedstep.text import escaped

__all__ = ["agreement_command", "compare_command", "evaluate_command", "judge_command"]

NAMED = 3
"""How many missing or uncounted predictions are named; the JSON output names all."""

OutFile = Annotated[
    Path | None, typer.Option(help="Write it to a file; a table then as Markdown.", metavar="FILE")
]


def write_or_print(text: str, out: Path | None) -> None:
    """Write a text to a file, atomically, or unchanged to standard output.

    Raises:
        RunError: the file can't be written.
    """
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(out, text.encode())


def print_table(table: CellTable) -> None:
    """Print a table of scores, and an empty line."""
    print_rows(Rows(table.rows, table.head))
    console.print()


def print_remarks(remarks: Iterable[str]) -> None:
    """Print remarks that users have to know with the scores."""
    for remark in remarks:
        console.print(plain(remark, style="yellow"), soft_wrap=True)


def print_left_out(done: Evaluation) -> None:
    """Print which predictions are missing or failed, which lines don't count, what isn't stored."""
    print_remarks(done.notes)
    for system in done.systems:
        failed = [f"{name} ({reason})" for name, reason in system.scores.failed.items()]
        print_some(system.name, "missing, counted as empty", system.scores.missing)
        print_some(system.name, "failed, counted as empty", failed)
        print_some(system.name, "left out", system.left_out)


def print_some(name: str, what: str, which: Sequence[str]) -> None:
    """Print how many problems of a kind a system or a rater has, and name the first ones."""
    if which:
        more = f"; and {len(which) - NAMED:,} more (--format json)" if len(which) > NAMED else ""
        line = f"{name}: {len(which):,} {what}: {'; '.join(which[:NAMED])}{more}"
        console.print(plain(line, style="yellow"), soft_wrap=True)


@with_settings(ScoringSettings, config=False)
def evaluate_command(
    asked: Asked,
    by: Annotated[
        Literal["category", "task", "overall"],
        typer.Option(help="Also the scores of each category (by its published metric) or task."),
    ] = "category",
    form: Annotated[
        Literal["table", "json", "csv", "markdown"],
        typer.Option("--format", help="How to show it."),
    ] = "table",
    out: OutFile = None,
) -> None:
    """Score predictions, with 95% intervals over tasks."""  # below it names the metrics
    settings = make_settings(ScoringSettings, asked, COMMAND_LINE)
    grouping = None if by == "overall" else by
    done = evaluate_systems(
        settings.systems.paths,
        settings.systems.names,
        settings.systems.given_tasks,
        settings.tokenizer,
        grouping,
    )
    if form == "table" and out is None:
        _print_scores(done)
        return
    write_or_print(_text(done, form), out)


evaluate_command.__doc__ = (
    f"Score predictions: {', '.join(metric.title for metric in METRICS)}, "
    "with 95% intervals over tasks."
)


def _tables(done: Evaluation) -> Iterator[CellTable]:
    yield overall_table(done.systems)
    if groups := group_table(done.systems):
        yield groups


def _print_scores(done: Evaluation) -> None:
    for table in _tables(done):
        print_table(table)
    console.print("Scores from 0 to 100 with 95% intervals over tasks.", style="dim")
    print_remarks(remark.text for remark in remarks_beside(done.systems))
    print_left_out(done)


def _text(done: Evaluation, form: str) -> str:
    if form == "json":
        return scores_json(done.systems)
    if form == "csv":
        return scores_csv(done.systems)
    return "\n".join([*map(markdown, _tables(done)), *_paragraphs(remarks_beside(done.systems))])


def _paragraphs(remarks: Sequence[Remark]) -> list[str]:
    return [f"{escaped(remark.text)}\n" for remark in remarks]


@with_settings(ScoringSettings, config=False)
def compare_command(
    asked: Asked,
    against: Against = None,
    plots: Annotated[
        Path | None,
        typer.Option(help="Draw the scores, overall and by category, into DIR.", metavar="DIR"),
    ] = None,
    form: Annotated[
        Literal["table", "json", "markdown"], typer.Option("--format", help="How to show it.")
    ] = "table",
    out: OutFile = None,
) -> None:
    """Compare systems with the one that --against names, or the first with the others:
    differences with 95% intervals, win/lose/tie.
    """
    settings = make_settings(ScoringSettings, asked, COMMAND_LINE)
    done = evaluate_systems(
        settings.systems.paths,
        names_with(settings.systems.names, against or ()),
        settings.systems.given_tasks,
        settings.tokenizer,
        "category",
    )
    pairings = compare_systems(done.systems, against or ())
    if form == "json":
        write_or_print(comparisons_json(pairings), out)
    elif form == "markdown" or out:
        write_or_print("\n".join(map(_markdown, pairings)), out)
    else:
        for pairing in pairings:
            _print_comparison(pairing)
        print_left_out(done)
    for path in save_figures(done.systems, plots) if plots else ():
        typer.echo(f"wrote {path}", err=True)


def _markdown(pairing: Pairing) -> str:
    parts = [f"{escaped(comparison_title(pairing))}\n", markdown(comparison_table(pairing))]
    return "\n".join([*parts, *_paragraphs(pairing.remarks)])


def _print_comparison(pairing: Pairing) -> None:
    console.print(plain(comparison_title(pairing), style="bold"), soft_wrap=True)
    print_table(comparison_table(pairing))
    found = pairing.comparison
    if test := found.mcnemar:
        line = (
            f"Exact matches: {test.first_only:,} only A, {test.second_only:,} only B; "
            f"McNemar's test p = {test.p_value:.2g} ({test.method})."
        )
        console.print(plain(line), soft_wrap=True)
    print_remarks(remark.text for remark in pairing.remarks)
    print_remarks(_absent(pairing.first, pairing.second, found))
    console.print()


def _absent(first: str, second: str, found: Comparison) -> list[str]:
    """Return notes on the predictions that one of two systems lacks."""
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


@with_settings(JudgeSettings)
def judge_command(
    asked: Asked,
    out: Out = None,
    same_model: SameModel = False,
    removed: RemovedTasks = "keep",
) -> None:
    """Have a model judge answers. Run it again to go on where it stopped."""
    run_tasks(
        JUDGE,
        work_on_verdicts,
        out,
        asked,
        same_model=same_model,
        removed=removed,
        look="seedstep verdicts {out}",
        see="See what it said:",
        unit="instances",
    )


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
        _print_agreement(found_of)


def _print_agreement(found: Agreement) -> None:
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
    """Return the measures of each pair of raters by name."""
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
    """Return the reasons for which values or intervals are missing, each once."""
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
