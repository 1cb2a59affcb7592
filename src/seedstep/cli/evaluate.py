"""`seedstep predict`, `evaluate`, `compare`: answers of systems, scores, and how sure they are."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import typer

from seedstep import data, recipes, stages
from seedstep.cli import WAITING, run_to_the_end
from seedstep.cli.options import (
    COMMAND_LINE,
    Against,
    FailedTasks,
    GivenSettings,
    Out,
    SameModel,
    required,
    with_settings,
)
from seedstep.cli.progress import (
    DryRun,
    LiveBar,
    live_bar,
    print_foreseen,
    print_skipped,
    print_stopped,
    servers_used,
)
from seedstep.cli.terminal import console, duration, plain, print_blocks, print_rows
from seedstep.data import TaskChoice
from seedstep.evaluate import METRICS
from seedstep.evaluate.scores import ScoringSettings
from seedstep.infer.settings import PredictSettings
from seedstep.runs import Rows
from seedstep.settings import make_settings
from seedstep.text import escaped

if TYPE_CHECKING:
    from seedstep.evaluate.systems import CellTable, Pairing
    from seedstep.infer.predict import InstanceAnswer
    from seedstep.recipes import Evaluation, PredictProgress

__all__ = ["compare_command", "evaluate_command", "predict_command", "print_predictions_end"]


DROPPING = "Stopping: the batches that are being answered are dropped."


class _Watch:
    def __init__(self, out: Path) -> None:
        self._out = out
        self._bar: LiveBar
        self._stopping = WAITING

    def watching(self, bar: LiveBar) -> Self:
        """Show the progress on a bar from now on."""
        self._bar = bar
        return self

    def stopping(self) -> str:
        """Return what becomes of the answers that are under way when a signal comes."""
        return self._stopping

    def began(self, progress: "PredictProgress") -> None:
        if progress.settings.kind == "checkpoint":
            self._stopping = DROPPING
        before = f", {progress.before:,} of them predicted before" if progress.before else ""
        line = (
            f"{self._out}, {progress.name}: {progress.wanted:,} instances{before}, "
            f"model {progress.settings.model}"
        )
        self._bar.say(plain(line))
        self.tick(progress)

    def retired(self, progress: "PredictProgress", record: "list[InstanceAnswer]") -> None:
        self.tick(progress)

    def tick(self, progress: "PredictProgress") -> None:
        self._bar.tell(progress.notes)
        self._bar.show(progress.done, progress.wanted, _activity(progress))


def _activity(progress: "PredictProgress") -> str:
    is_first = not progress.new and not progress.complete
    parts = ["the first answers" if is_first else f"{progress.per_second:.1f} a second"]
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    if progress.stats:
        parts.append(progress.stats.under_way)
        parts += servers_used(progress.stats)
        parts += [f"{progress.stats.retried} retries"] if progress.stats.retried else []
    counts = (("failed", progress.failed), ("empty", progress.empty), ("cut short", progress.cut))
    return " · ".join([*parts, *(f"{count:,} {name}" for name, count in counts if count)])


def print_predictions_end(out: Path, again: str, progress: "PredictProgress") -> None:
    """Print the result, and the commands to run next."""
    print_skipped(progress.problems)
    if progress.stopped:
        print_stopped(progress.stopped, again)
        return
    if progress.failed and progress.failed == progress.done:
        line = f"{progress.failed:,} of {progress.done:,} predictions failed. See why:"
        console.print(f"\n{line}", style="red")
        console.print(f"  seedstep show {out} --rejected", markup=False, soft_wrap=True)
        _print_again(again)
        raise typer.Exit(1)
    if progress.failed:
        console.print(f"\n{progress.failed:,} predictions failed.", style="yellow")
        _print_again(again)
    took = f" in {duration(progress.seconds)}, {progress.per_second:.1f} a second"
    console.print(f"\nDone{took if progress.new else ''}. Score them:")
    console.print(f"  seedstep evaluate {out}", markup=False, soft_wrap=True)


def _print_again(again: str) -> None:
    console.print("Ask for what failed again:")
    console.print(f"  {again} --failed again", markup=False, soft_wrap=True)


def _split(asked: Mapping[str, Any], source: str) -> object:
    from seedstep.recipes.predictions import split_settings

    return split_settings(asked, source)


@with_settings(TaskChoice, PredictSettings, make=_split)
def predict_command(
    asked: GivenSettings,
    out: Out = None,
    name: Annotated[
        str | None, typer.Option(help="What the system is called in the run. Default: its model.")
    ] = None,
    same_model: SameModel = False,
    failed: FailedTasks = "keep",
    dry_run: DryRun = False,
) -> None:
    """Predict the outputs of tasks with a model or a baseline. Run it again to go on."""
    if dry_run:
        foreseen = recipes.foresee_predictions(
            out, asked, name, failed=failed, same_model=same_model
        )
        assumed = "answers as long as the first references, 4 characters a token."
        print_foreseen(foreseen, f"{foreseen.left:,} instances", assumed)
        return
    from seedstep.stages.predict import system_blocks

    out = required(out)
    called = name or asked.get("model")
    again = f"seedstep predict --out {out}" + (f" --name {shlex.quote(called)}" if called else "")
    watch = _Watch(out)
    how: Any = {"same_model": same_model, "failed": failed}
    work = _predict(watch, out, asked, name, how)
    progress = run_to_the_end(work, again, out, watch.stopping)
    with stages.open_run(out, stages.PREDICT) as run:
        print_blocks(system_blocks(run, progress.name, progress.wanted))
    print_predictions_end(out, again, progress)
    if not progress.complete:
        raise typer.Exit(1)


async def _predict(
    watch: _Watch, out: Path, asked: dict[str, Any], name: str | None, how: dict[str, Any]
) -> "PredictProgress":
    with live_bar("instances") as bar:
        seen = watch.watching(bar)
        progress = await recipes.work_on_predictions(out, asked, name, seen, **how)
        bar.tell(progress.notes)
        return progress


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
        data.write_atomically(out, text.encode())


def print_table(table: "CellTable") -> None:
    """Print a table of scores, and an empty line."""
    print_rows(Rows(table.rows, table.head))
    console.print()


def print_remarks(remarks: Iterable[str]) -> None:
    """Print remarks that users have to know with the scores."""
    for remark in remarks:
        console.print(plain(remark, style="yellow"), soft_wrap=True)


def print_left_out(done: "Evaluation") -> None:
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
    asked: GivenSettings,
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
    done = recipes.evaluate_systems(
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
    "Score predictions by all metrics, with 95% intervals over tasks.\n\n"
    f"These are {', '.join(metric.title for metric in METRICS)}."
)


def _tables(done: "Evaluation") -> "Iterator[CellTable]":
    from seedstep.evaluate.systems import group_table, overall_table

    yield overall_table(done.systems)
    if groups := group_table(done.systems):
        yield groups


def _print_scores(done: "Evaluation") -> None:
    from seedstep.evaluate.intervals import about_intervals

    for table in _tables(done):
        print_table(table)
    found = [value for system in done.systems for value in system.overall.values.values()]
    console.print(f"Scores from 0 to 100 {about_intervals(found)}.", style="dim")
    print_remarks(_said(done))
    print_left_out(done)


def _text(done: "Evaluation", form: str) -> str:
    from seedstep.evaluate.tables import markdown, scores_csv, scores_json

    if form == "json":
        return scores_json(done.systems)
    if form == "csv":
        return scores_csv(done.systems)
    return "\n".join([*map(markdown, _tables(done)), *_paragraphs(_said(done))])


def _said(done: "Evaluation") -> tuple[str, ...]:
    from seedstep.evaluate.scores import remarks_beside

    return remarks_beside({system.name: system.remarks for system in done.systems})


def _paragraphs(remarks: Sequence[str]) -> list[str]:
    return [f"{escaped(remark)}\n" for remark in remarks]


@with_settings(ScoringSettings, config=False)
def compare_command(
    asked: GivenSettings,
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
    """Compare systems, by default the first with each other one: differences, win/lose/tie."""
    from seedstep.evaluate.compare import compare_systems, names_with
    from seedstep.evaluate.tables import comparisons_json

    settings = make_settings(ScoringSettings, asked, COMMAND_LINE)
    done = recipes.evaluate_systems(
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
    if plots:
        from seedstep.report.figures import save_figures

        for path in save_figures(done.systems, plots):
            typer.echo(f"wrote {path}", err=True)


def _markdown(pairing: "Pairing") -> str:
    from seedstep.evaluate.systems import comparison_table, comparison_title
    from seedstep.evaluate.tables import markdown

    parts = [f"{escaped(comparison_title(pairing))}\n", markdown(comparison_table(pairing))]
    return "\n".join([*parts, *_paragraphs(pairing.remarks)])


def _print_comparison(pairing: "Pairing") -> None:
    from seedstep.evaluate.intervals import about_intervals
    from seedstep.evaluate.systems import comparison_table, comparison_title

    console.print(plain(comparison_title(pairing), style="bold"), soft_wrap=True)
    print_table(comparison_table(pairing))
    found = pairing.comparison
    intervals = about_intervals(each.difference for each in found.differences)
    console.print(f"Differences {intervals}.", style="dim")
    if test := found.mcnemar:
        line = (
            f"Exact matches: {test.first_only:,} only A, {test.second_only:,} only B; "
            f"McNemar's test p = {test.p_value:.2g} ({test.method})."
        )
        console.print(plain(line), soft_wrap=True)
    print_remarks(pairing.remarks)
    console.print()
