"""`seedstep bootstrap`: grow tasks from seed tasks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from seedstep import bootstrap, data, recipes, stages
from seedstep.bootstrap import BootstrapSettings
from seedstep.cli import run_to_the_end
from seedstep.cli.options import COMMAND_LINE, GivenSettings, Out, SameModel, with_settings
from seedstep.cli.progress import (
    DryRun,
    being_written,
    print_estimate,
    print_requests,
    print_stopped,
    servers_used,
)
from seedstep.cli.terminal import QUIET_SECONDS, console, duration, plain, print_blocks
from seedstep.errors import InputError
from seedstep.settings import make_settings
from seedstep.text import counted, language_of_texts

if TYPE_CHECKING:
    from seedstep.bootstrap import Generation
    from seedstep.data import Task
    from seedstep.recipes import BootstrapProgress
    from seedstep.recipes.foresight import ForeseenWork
    from seedstep.runs import BootstrapRun

__all__ = [
    "command",
    "watcher",
]

EMBEDDED = "local"
EMBEDDED_A_MINUTE = 2
"""How many tasks the embedded model finishes in a minute, at least, on two idle cores."""

SHOWN_TASKS = 3
"""How many tasks are printed at the end."""


@contextmanager
def watcher(out: Path) -> Iterator["_PlainWatcher | _LiveWatcher"]:
    """Yield a watcher that shows the progress of a run: a bar on a terminal, lines elsewhere."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield _LiveWatcher(live, out)
    else:
        yield _PlainWatcher(console, out)


def _opening(progress: "BootstrapProgress", out: Path) -> str:
    settings = progress.settings
    resumed = f", {progress.before} of them finished before" if progress.before else ""
    tokens = "" if settings.tokens == "latin" else f"{settings.tokens} tokens, "
    return (
        f"{out}: {settings.tasks} tasks{resumed}, model {settings.model}, "
        f"{settings.style} prompts, {tokens}window {settings.window}, "
        f"{settings.model.in_flight} in flight"
    )


def _activity(progress: "BootstrapProgress") -> str:
    """Describe the requests, tokens, speed, and the reasons of rejected instructions."""
    stats = progress.stats
    speed = stats.completion_tokens / progress.seconds if progress.seconds else 0.0
    replies = [f"{count} {purpose}" for purpose, count in stats.replied.items()]
    parts = [f"replies: {', '.join(replies)}"] if replies else []
    parts.append(stats.under_way)
    parts.append(f"{stats.completion_tokens:,} tokens ({speed:.0f}/s)")
    if stats.reused:
        parts.append(f"{stats.reused} kept from before")
    parts += servers_used(stats)
    if stats.retried:
        parts.append(f"{stats.retried} retries")
    if stats.failed:
        parts.append(f"{stats.failed} failed")
    if progress.rejected:
        reasons = ", ".join(f"{name} {count}" for name, count in progress.rejected.most_common(3))
        parts.append(f"rejected {progress.rejected.total()}: {reasons}")
    return " · ".join(parts)


def _count(progress: "BootstrapProgress") -> str:
    left = progress.seconds_left
    about = "" if progress.is_sure else "about "
    rest = f", {about}{duration(left)} left" if left is not None and not progress.complete else ""
    wanted = progress.settings.tasks
    price = _price(progress)
    return f"{progress.finished}/{wanted} tasks{price}, {duration(progress.seconds)}{rest}"


def _price(progress: "BootstrapProgress") -> str:
    """Return what a finished task costs so far, where prices are known."""
    usd = progress.usd_per_task
    return "" if usd is None else f", ${usd:,.4f} a task"


def _finished(task: "Task", width: int | None = None) -> Text:
    """Return a line on a finished task. In a `width` the instruction is cut, not what follows."""
    instances = counted(len(task.instances), "instance")
    kind = "classification, " if task.is_classification else ""
    start, end = f"{task.id:>7}  ", f"  ({kind}{instances})"
    instruction = plain(task.definition)
    if width is not None:
        instruction.truncate(max(width - len(start) - len(end), 1), overflow="ellipsis")
    return Text.assemble((start, "green"), instruction, (end, "dim"))


class _PlainWatcher:
    """Prints a line for each finished task, and one every 15 seconds."""

    def __init__(self, output: Console, out: Path) -> None:
        self._console = output
        self._out = out
        self._quiet = 0
        self._told = 0

    def began(self, progress: "BootstrapProgress") -> None:
        self._say(plain(_opening(progress, self._out)))
        self.tell(progress)

    def retired(self, progress: "BootstrapProgress", generation: "Generation") -> None:
        done = [each.task for each in generation.candidates if not each.reason]
        before = progress.finished - len(done)
        for number, task in enumerate(done, start=before + 1):
            if number > progress.before:
                self._say(
                    Text(f"[{number}/{progress.settings.tasks}{_price(progress)}]")
                    + _finished(task)
                )

    def tick(self, progress: "BootstrapProgress") -> None:
        self.tell(progress)
        self._quiet += 1
        if self._quiet >= QUIET_SECONDS:
            self._say(plain(f"{_count(progress)} · {_activity(progress)}"))
            if written := being_written(progress.stats, self._console.width):
                self._say(plain(written))

    def tell(self, progress: "BootstrapProgress") -> None:
        """Print the notes that were not printed yet."""
        for note in progress.notes[self._told :]:
            self._say(plain(note, style="yellow"))
        self._told = len(progress.notes)

    def _say(self, line: Text) -> None:
        self._quiet = 0
        self._console.print(line, soft_wrap=True)


class _LiveWatcher:
    """Shows a bar and a line of figures, and prints finished tasks above them."""

    def __init__(self, live: Live, out: Path) -> None:
        self._live = live
        self._out = out
        self._told = 0

    def began(self, progress: "BootstrapProgress") -> None:
        self._live.console.print(plain(_opening(progress, self._out)), soft_wrap=True)
        self.tick(progress)

    def retired(self, progress: "BootstrapProgress", generation: "Generation") -> None:
        if progress.finished <= progress.before:
            return  # it was retired before
        for candidate in generation.candidates:
            if not candidate.reason:
                line = _finished(candidate.task, self._live.console.width)
                self._live.console.print(line, no_wrap=True)
        self.tick(progress)

    def tick(self, progress: "BootstrapProgress") -> None:
        self.tell(progress)
        self._live.update(self._display(progress))

    def tell(self, progress: "BootstrapProgress") -> None:
        """Print the notes that were not printed yet."""
        for note in progress.notes[self._told :]:
            self._live.console.print(plain(note, style="yellow"), soft_wrap=True)
        self._told = len(progress.notes)

    def _display(self, progress: "BootstrapProgress") -> RenderableType:
        bar = ProgressBar(total=progress.settings.tasks, completed=progress.finished, width=40)
        line = Table.grid(padding=(0, 1))
        line.add_row(bar, Text(_count(progress)))
        written = being_written(progress.stats, self._live.console.width)
        below = [plain(written, style="dim")] if written else []
        return Group(line, Text(_activity(progress), style="dim"), *below)


@with_settings(BootstrapSettings)
def command(
    asked: GivenSettings, out: Out = None, same_model: SameModel = False, dry_run: DryRun = False
) -> None:
    """Grow tasks from seed tasks (Self-Instruct). Run it again to go on where it stopped."""
    settings = make_settings(BootstrapSettings, asked, COMMAND_LINE)
    settings.resolved()  # raises if a model or an address can't be used
    if dry_run:
        _print_foreseen(recipes.foresee_tasks(out, asked, same_model=same_model))
        return
    if out is None:
        raise InputError("no directory for the run", "add --out DIR, or --dry-run")
    if settings.seeds:
        _print_script(data.require_seeds(Path(settings.seeds)), settings)
    work = _run(out, asked, same_model=same_model)
    progress = run_to_the_end(work, f"seedstep bootstrap --out {out}", out)
    with stages.open_run(out, stages.BOOTSTRAP) as run:
        _print_summary(run, progress)
        is_done = progress.complete or (bool(run.settings.shard) and run.records.has_ended())
    if not is_done:  # a shard that found no more is merged with the others
        raise typer.Exit(1)


def _print_script(seeds: "Sequence[Task]", settings: BootstrapSettings) -> None:
    """Say in which script the seeds are, unless all is as in the paper, and how to keep to it."""
    said = bootstrap.tell_script(seeds, settings.tokens)
    if said == bootstrap.tell_script(()):
        return
    console.print(plain(said, style="yellow" if "--tokens" in said else ""), soft_wrap=True)
    if settings.style == "chat" and settings.language is None:
        name = language_of_texts(task.definition for task in seeds)
        name = "NAME" if name in ("unknown", "English") else name
        line = f"The prompts are in English: --language {name} asks for all texts in that language."
        console.print(plain(line, style="yellow"), soft_wrap=True)


def _print_summary(run: "BootstrapRun", progress: "BootstrapProgress") -> None:
    """Print how a bootstrap ended, some of its tasks, and what to do next."""
    from seedstep.stages.grown import advice, task_blocks

    console.print()
    status = run.status()
    print_blocks(stages.status_blocks(run))
    for task in run.tasks()[-SHOWN_TASKS:]:
        console.print()
        print_blocks(task_blocks(task))
    console.print()
    if progress.stopped:
        how = "All replies are kept. Go on with a larger budget:"
        print_stopped(progress.stopped, f"seedstep bootstrap --out {run.path}", how)
        if status.written and not status.finished:
            line = f"No task is finished yet: the table above says why. {advice(run)}"
            console.print(plain(line, style="yellow"), soft_wrap=True)
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
        f"Too little is accepted: the last {run.settings.patience} generation requests gave no "
        f"task, and {status.finished} of {status.wanted} are finished. The table above says why. "
        f"{advice(run)} A larger --patience lets the run go on.",
        style="yellow",
        markup=False,
        soft_wrap=True,
    )


async def _run(out: Path, asked: dict[str, Any], *, same_model: bool) -> "BootstrapProgress":
    with watcher(out) as watch:
        progress = await recipes.work_on_bootstrap(out, asked, watch, same_model=same_model)
        watch.tell(progress)
        return progress


def _print_foreseen(work: "ForeseenWork") -> None:
    """Print the first prompts of a bootstrap, and an estimate for the tasks that are left."""
    settings, view = work.settings, work.view
    if settings.seeds:
        _print_script(work.seeds, settings)
    for text in work.notes:
        console.print(plain(text, style="yellow"), soft_wrap=True)
    titles = ["instructions", "classification", "instances, input-first", "instances, output-first"]
    titles += [request.purpose for request in view.requests[len(titles) :]]
    print_requests(dict(zip(titles, view.requests, strict=True)), settings.style)
    print_estimate(
        settings,
        f"{work.left:,} tasks from {len(work.seeds)} seeds with {settings.model}{_time(work)}",
        view,
        f"{work.assumed} Models differ; `seedstep status` shows the real figures."
        + (" What gates ask comes on top." if settings.gates else "")
        + (" Embeddings come on top, a request for each instruction." if settings.semantic else ""),
    )


def _time(work: "ForeseenWork") -> str:
    """Return how long the tasks that are left take, where that is known."""
    if work.left and work.per_minute:
        return f", about {duration(60 * work.left / work.per_minute)} at the speed so far"
    if work.left and work.settings.model.name == EMBEDDED:
        return f", {duration(60 * work.left / EMBEDDED_A_MINUTE)} at the most on two idle cores"
    return ""
