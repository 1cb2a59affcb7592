"""`seedstep status`: where a run stands."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from seedstep.bootstrap import REASONS, BootstrapSettings
from seedstep.cli.examples import print_examples
from seedstep.cli.judge import print_verdicts
from seedstep.cli.predict import print_systems
from seedstep.cli.steps import print_statistics
from seedstep.cli.terminal import console, duration, plain
from seedstep.data import Task
from seedstep.llm import Spent
from seedstep.recipes import BootstrapProgress
from seedstep.runs import (
    BootstrapRun,
    ExamplesRun,
    JudgeRun,
    PredictionsRun,
    RunStatus,
    StepsRun,
    open_run,
)

__all__ = [
    "command",
    "print_status",
    "print_summary",
    "print_task",
]

SHOWN_TASKS = 3


def print_status(run: BootstrapRun) -> RunStatus:
    """Print counts, reasons, tokens and speed."""
    status = run.status()
    console.print(_headline(run, status), soft_wrap=True)
    console.print(_counts(run, status))
    if status.rejected or status.bad_instances:
        console.print()
        console.print(_rejections(status))
    if status.usage:
        console.print()
        console.print(_usage(status))
    return status


def print_summary(run: BootstrapRun, progress: BootstrapProgress) -> None:
    """Print how a bootstrap ended, some of its tasks, and what to do next."""
    console.print()
    status = print_status(run)
    for task in run.tasks()[-SHOWN_TASKS:]:
        console.print()
        print_task(task)
    console.print()
    if progress.stopped:
        flag = "--" + progress.stopped.setting.replace("_", "-")
        console.print(
            f"Stopped: {progress.stopped.what}. All that came back is kept. Go on with a larger "
            f"one: seedstep bootstrap --out {run.path} {flag} ...",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
        return
    if progress.complete:
        console.print(f"Done in {duration(progress.seconds)}. See a task with its history:")
        console.print(f"  seedstep show {run.path} ID", markup=False, soft_wrap=True)
        console.print("Export the data set:")
        console.print(
            f"  seedstep export {run.path} --format alpaca --out data", markup=False, soft_wrap=True
        )
        return
    console.print(
        f"Acceptance has dried up: the last {run.settings.patience} generation requests gave no "
        f"task, {status.finished} of {status.wanted} are finished. The table above says why. "
        "More varied seeds, another model or a higher temperature help; "
        "a larger `patience` in --config goes on.",
        style="yellow",
    )


def print_task(task: Task) -> None:
    """Print a task with its instances."""
    kind = "classification task" if task.is_classification else "task"
    console.print(
        Text.assemble((f"{kind} {task.id}: ", "bold green"), plain(task.definition)), soft_wrap=True
    )
    for instance in task.instances:
        if instance.input:
            console.print(
                Text.assemble(("  input   ", "dim"), _indented(instance.input)), soft_wrap=True
            )
        console.print(
            Text.assemble(("  output  ", "dim"), _indented(instance.output)), soft_wrap=True
        )


def _indented(text: str) -> Text:
    return plain(text.replace("\n", "\n          "))


def _headline(run: BootstrapRun, status: RunStatus) -> Text:
    if status.running:
        state = "running"
    else:
        state = "complete" if status.finished >= status.wanted else "stopped"
    line = Text.assemble((f"{run.path}", "bold"), f"  {state}  ")
    line.append(f"{status.finished} of {status.wanted} tasks")
    if status.per_minute:
        line.append(f", {status.per_minute:.1f} a minute")
        if status.running and status.finished < status.wanted:
            left = 60 * (status.wanted - status.finished) / status.per_minute
            line.append(f", {duration(left)} left")
    return line


def _counts(run: BootstrapRun, status: RunStatus) -> Table:
    written = status.finished + sum(status.rejected.values())
    table = Table.grid(padding=(0, 2))
    table.add_row("generation requests retired", f"{status.generations:,}")
    table.add_row("instructions written", f"{written:,}")
    share = f"({status.finished / written:.0%})" if written else ""
    table.add_row("finished tasks", f"{status.finished:,}", share)
    table.add_row("  of them classification", f"{status.classification:,}")
    table.add_row("instances", f"{status.instances:,}")
    _add_spending(table, run.spent(), run.settings)
    return table


def _add_spending(table: Table, spent: Spent, settings: BootstrapSettings) -> None:
    """Rows for what the run has spent, and of which budget."""
    limits = (settings.max_requests, settings.max_tokens)
    requests, tokens = (f"of {limit:,}" if limit else "" for limit in limits)
    table.add_row("requests sent", f"{spent.requests:,}", requests)
    table.add_row("tokens", f"{spent.tokens:,}", tokens)
    if settings.price:
        usd = settings.price.usd(spent.prompt_tokens, spent.completion_tokens)
        limit = f"of ${settings.max_usd:,.2f}" if settings.max_usd else ""
        table.add_row("cost", f"${usd:,.4f}", limit)


def _rejections(status: RunStatus) -> Table:
    table = Table(title="rejected", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("what")
    table.add_column("reason")
    table.add_column("count", justify="right")
    table.add_column("meaning", style="dim")
    groups = (("instruction", status.rejected), ("instance", status.bad_instances))
    for what, counts in groups:
        for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            table.add_row(what, reason, f"{count:,}", REASONS.get(reason, ""))
    return table


def _usage(status: RunStatus) -> Table:
    table = Table(title="requests", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("for")
    for name in ("asked", "failed", "prompt tokens", "new tokens"):
        table.add_column(name, justify="right")
    for purpose, usage in status.usage.items():
        mark = " (est.)" if usage.estimated else ""
        table.add_row(
            purpose,
            f"{usage.requests:,}",
            f"{usage.failed:,}",
            f"{usage.prompt_tokens:,}{mark}",
            f"{usage.completion_tokens:,}{mark}",
        )
    return table


def command(run: Annotated[Path, typer.Argument(help="The run's directory.")]) -> None:
    """Show where a run stands: counts, reasons, tokens, and speed or cost."""
    with open_run(run) as opened:
        match opened:
            case BootstrapRun():
                print_status(opened)
            case StepsRun():
                print_statistics(opened)
            case ExamplesRun():
                print_examples(opened)
            case JudgeRun():
                print_verdicts(opened)
            case PredictionsRun():
                print_systems(opened)
