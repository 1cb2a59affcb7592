"""`seedstep evaluate`: what systems score, side by side."""

from collections.abc import Iterator
from typing import Annotated, Literal

import typer

from seedstep.cli.options import COMMAND_LINE, Asked, with_settings
from seedstep.cli.scoring import OutFile, print_left_out, print_table, write_or_print
from seedstep.cli.terminal import console
from seedstep.evaluate import METRICS
from seedstep.evaluate.scores import ScoringSettings
from seedstep.evaluate.tables import (
    CellTable,
    group_table,
    markdown,
    overall_table,
    scores_csv,
    scores_json,
)
from seedstep.recipes import Evaluation, evaluate_systems
from seedstep.settings import make_settings

__all__ = ["command"]


@with_settings(ScoringSettings, config=False)
def command(
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
        _print(done)
        return
    write_or_print(_text(done, form), out)


command.__doc__ = (
    f"Score predictions: {', '.join(metric.title for metric in METRICS)}, "
    "with 95% intervals over tasks."
)


def _tables(done: Evaluation) -> Iterator[CellTable]:
    yield overall_table(done.systems)
    if groups := group_table(done.systems):
        yield groups


def _print(done: Evaluation) -> None:
    for table in _tables(done):
        print_table(table)
    console.print("Scores from 0 to 100 with 95% intervals over tasks.", style="dim")
    print_left_out(done)


def _text(done: Evaluation, form: str) -> str:
    if form == "json":
        return scores_json(done.systems)
    if form == "csv":
        return scores_csv(done.systems)
    return "\n".join(map(markdown, _tables(done)))
