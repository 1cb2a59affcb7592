"""`seedstep steps measure` and `select`: which version of an instruction helps a model.

The commands are those of `seedstep.cli.steps`, which adds them to its list.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seedstep.cli.evaluate import print_table
from seedstep.cli.options import COMMAND_LINE, GivenSettings, with_settings
from seedstep.cli.progress import live_bar
from seedstep.cli.terminal import console, plain
from seedstep.data import TaskChoice
from seedstep.data.choice import OFFICIAL_INSTANCES
from seedstep.infer.likelihood import MeasureStepsSettings
from seedstep.settings import make_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedstep.evaluate.gains import GainGrouping, MeasuredTask
    from seedstep.evaluate.intervals import Value

__all__ = ["measure_versions", "select_versions"]


@with_settings(MeasureStepsSettings, config=False)
def measure_versions(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Instructions: runs of `seedstep steps`, JSON lines, or superni.",
            metavar="RUN...",
        ),
    ],
    asked: GivenSettings,
    out: Annotated[Path, typer.Option(help="The file to write; the same command goes on with it.")],
    by: Annotated[
        Literal["overall", "category", "task"], typer.Option(help="Which rows to show.")
    ] = "category",
    plots: Annotated[
        Path | None, typer.Option(help="Draw the gains into DIR.", metavar="DIR")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="A file that this command wrote for another model, such as the one before tuning: "
            "also print how the differences changed.",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Measure which instructions help a model: how much likelier the right outputs become."""
    from seedstep.evaluate.gains import changes_since, read_measured, shortened_in
    from seedstep.evaluate.tables import difference_table
    from seedstep.recipes.measuring import measure_steps

    earlier = read_measured(against) if against else None
    with live_bar("tasks") as bar:
        progress = measure_steps(
            sources, out, asked, lambda seen: bar.draw(seen.done, seen.wanted, "")
        )
    header, tasks = read_measured(out)
    _print_gains(tasks, by, header.seed)
    if against and earlier:
        changes = changes_since(against, earlier, (header, tasks), seed=header.seed)
        console.print(plain(f"Changes of these differences since {against}:"), soft_wrap=True)
        print_table(difference_table(changes, is_change=True))
    for what, many in (
        ("tasks with too few instances, left out", progress.too_few),
        ("tasks without an instruction to measure", progress.without_steps),
    ):
        if many:
            console.print(plain(f"{what}: {many:,}", style="yellow"), soft_wrap=True)
    for version, count in shortened_in(tasks).items():
        line = f"{version}: {count:,} prompts or references did not fit, and were shortened"
        console.print(plain(line, style="yellow"), soft_wrap=True)
    if progress.note:
        console.print(plain(progress.note, style="yellow"), soft_wrap=True)
    if plots:
        from seedstep.report.figures import save_gains

        for path in save_gains(tasks, plots, header.seed):
            console.print(plain(f"wrote {path}"), soft_wrap=True)


def _print_gains(tasks: "Sequence[MeasuredTask]", by: "GainGrouping", seed: int) -> None:
    from seedstep.evaluate.gains import (
        finds_right,
        gain_rows,
        instructions_in,
        version_differences,
    )
    from seedstep.evaluate.intervals import shown
    from seedstep.evaluate.tables import difference_table, gain_table

    groups = [("overall", gain_rows(tasks, by="overall", seed=seed))]
    if by != "overall":
        groups.append((by, gain_rows(tasks, by=by, seed=seed)))
    for title, rows in groups:
        print_table(gain_table(rows, title))
    if differences := version_differences(tasks, seed=seed):
        print_table(difference_table(differences))
    for version in instructions_in(tasks):
        found = finds_right(tasks, version, seed=seed)
        if found.value is not None:
            share = shown(_percent(found), 0)
            than = "the references are likelier than with another task's steps"
            console.print(plain(f"{version}: on {share}% of the tasks {than}"), soft_wrap=True)


def _percent(share: "Value") -> "Value":
    from seedstep.evaluate.intervals import Value

    value, low, high = (
        None if part is None else 100 * part for part in (share.value, share.low, share.high)
    )
    return Value(value, low, high, share.reason)


@with_settings(TaskChoice, config=False)
def select_versions(
    asked: GivenSettings,
    out: Annotated[Path, typer.Option(help="The file to write; --steps takes it.")],
    by: Annotated[
        Literal["measured", "judge", "checks", "exchanged", "neutral"],
        typer.Option(
            help="measured: what makes the right outputs likeliest. judge: what a judge found "
            "correct and complete. checks: what has the fewest faults. As controls, exchanged: "
            "that of another task; neutral: text of the same length that says nothing about any."
        ),
    ],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Instructions to select from. Default: the tasks' own.", metavar="[RUN]..."
        ),
    ] = None,
    measured: Annotated[
        Path | None, typer.Option(help="A file of `seedstep steps measure`.", metavar="FILE")
    ] = None,
    evaluated: Annotated[
        int,
        typer.Option(
            help="The first N instances of each task are those that your evaluation uses; nothing "
            "that was measured on them is used.",
            min=0,
        ),
    ] = OFFICIAL_INSTANCES,
    seed: Annotated[int, typer.Option(help="Seed of the choice of another task.")] = 42,
) -> None:
    """Keep the best version of each task's instruction, or write a control in its place."""
    from seedstep.recipes.selecting import select_steps

    tasks = make_settings(TaskChoice, asked, COMMAND_LINE)
    done = select_steps(
        sources or [],
        out,
        by=by,
        tasks=tasks,
        measured=measured,
        evaluated=evaluated,
        seed=seed,
    )
    for version, count in sorted(done.counts.items(), key=lambda item: -item[1]):
        console.print(plain(f"{version}: {count:,}"), soft_wrap=True)
    for what, many in (
        ("tasks with nothing to select by, which keep the first version", done.undecided),
        (
            "tasks with a version that is not compared, as more of its prompts did not fit and "
            "were shortened",
            done.shortened,
        ),
        ("tasks without an instruction, left out", done.without),
    ):
        if many:
            console.print(plain(f"{what}: {many:,}", style="yellow"), soft_wrap=True)
    console.print(plain(f"wrote {out}"), soft_wrap=True)
