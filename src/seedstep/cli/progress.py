"""Run a stage and show its progress, or in a dry run what it would ask, with what that costs.

On a terminal progress is a bar, elsewhere a line every 15 seconds.

Example::

    with live_bar("tasks") as bar:
        bar.show(3, 10, "2 in flight")
"""

import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from rich.cells import cell_len
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from seedstep import stages
from seedstep.cli import run_to_the_end
from seedstep.cli.options import required
from seedstep.cli.terminal import QUIET_SECONDS, console, duration, plain, print_blocks
from seedstep.text import counted, single_spaced

if TYPE_CHECKING:
    from seedstep.data import Problem, Task
    from seedstep.errors import BudgetReached
    from seedstep.llm import EngineStats, Preview, Request
    from seedstep.llm.settings import AskingSettings
    from seedstep.recipes import TaskProgress, TaskWatch
    from seedstep.recipes.foresight import ForeseenWork
    from seedstep.runs import Failed, Removed, Stage

__all__ = [
    "DryRun",
    "LiveBar",
    "being_written",
    "live_bar",
    "print_estimate",
    "print_foreseen",
    "print_requests",
    "print_skipped",
    "print_stopped",
    "run_tasks",
    "servers_used",
]

SHORTEST_BAR = 10
"""The fewest characters of a bar."""


class _Bar(Progress):
    """A bar with a line of text below it, if there is one."""

    below = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        """Yield the bar and the text."""
        yield from super().get_renderables()
        if self.below:
            yield plain(self.below, "dim")


class LiveBar:
    """A bar that shows progress; where there is no terminal, lines do."""

    def __init__(self, bar: "_Bar", what: str, activity: str) -> None:
        """Use `live_bar`."""
        self._bar = bar
        self._what = what
        self._task = bar.add_task(what, total=None, activity=activity, visible=bool(activity))
        self._said = time.monotonic()
        self._told = 0

    def tell(self, notes: Sequence[str]) -> None:
        """Print those of the notes of a progress that were not printed yet."""
        for note in notes[self._told :]:
            self.say(plain(note, style="yellow"))
        self._told = len(notes)

    def draw(self, done: int, total: int | None, activity: str, below: str = "") -> None:
        """Redraw the bar, with a text `below` it.

        There also stands an `activity` that does not fit beside the bar.
        """
        beside = (self._what, f"{total}/{total}", "0:00:00", " " * SHORTEST_BAR)
        if len(" ".join((*beside, activity))) > console.width:
            below = "\n".join(filter(None, (activity, below)))
            activity = ""
        self._bar.update(self._task, completed=done, total=total, activity=activity, visible=True)
        self._bar.below = below

    def say(self, line: Text) -> None:
        """Print a line above the bar."""
        console.print(line, soft_wrap=True)
        self._said = time.monotonic()

    def show(
        self, done: int, total: int, activity: str, *, is_due: bool = False, below: str = ""
    ) -> None:
        """Redraw the bar; where there is no terminal, print a line if it `is_due`.

        A line is also due after 15 seconds without one. `below` is a text for the line below.
        """
        self.draw(done, total, activity, below)
        is_due = is_due or time.monotonic() - self._said >= QUIET_SECONDS
        if is_due and not console.is_terminal:
            self.say(plain(f"{done:,}/{total:,} · {activity}"))
            if below:
                self.say(plain(below))


@contextmanager
def live_bar(what: str, activity: str = "") -> Iterator[LiveBar]:
    """Yield a bar that counts `what`, and remove it at the end of the context.

    Without an `activity`, it is not shown before the first count: there may be nothing to do.
    """
    bar = _Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[activity]}", style="dim"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        yield LiveBar(bar, what, activity)


class TaskStage(Protocol):
    """A function such as `work_on_instructions`, which runs a stage in an event loop."""

    def __call__(
        self,
        out: Path,
        asked: Mapping[str, Any],
        watch: "TaskWatch | None" = None,
        *,
        same_model: bool = False,
        removed: "Removed" = "keep",
        failed: "Failed" = "keep",
    ) -> Coroutine[Any, Any, "TaskProgress"]:
        """Run the stage, and return its progress."""


def run_tasks(
    stage: "Stage[Any, Any, Any]",
    work: TaskStage,
    out: Path | None,
    asked: Mapping[str, Any],
    *,
    look: str,
    see: str = "See one, with every turn:",
    unit: str = "tasks",
    **how: Any,
) -> None:
    """Run a stage to its end, or until a signal, and print its status and how it ended.

    Exit with 1 if tasks are left, or if all of them failed. `look` is a command that shows more of
    the run, with `{out}` for its directory, and `see` what stands before that. `unit` is the word
    for what the stage makes a record for. `how` are the further arguments of `work`.
    """
    place = required(out)
    again = f"seedstep {stage.name} --out {place}"

    async def watched() -> "TaskProgress":
        with live_bar(unit) as bar:
            progress = await work(place, asked, _Watch(bar, place, unit), **how)
            bar.tell(progress.notes)
            return progress

    progress = run_to_the_end(watched(), again, place)
    with stages.open_run(place, stage) as run:
        print_blocks(stages.status_blocks(run))
        again_of = stage.unanswered or (lambda record: ())
        lacking = sum(bool(again_of(entry.result)) for entry in run.entries())
    if lacking and not progress.stopped:
        what = f"\n{counted(lacking, stage.noun)} without a whole result. Ask again:"
        console.print(plain(f"{what}\n  {again} --failed again"), soft_wrap=True)
    _end(place, again, look.format(out=place), progress, see)


class _Watch:
    def __init__(self, bar: LiveBar, out: Path, unit: str) -> None:
        self._bar = bar
        self._out = out
        self._unit = unit

    def began(self, progress: "TaskProgress") -> None:
        settings = progress.settings
        before = f", {progress.before} of them done before" if progress.before else ""
        line = (
            f"{self._out}: {progress.wanted} {self._unit}{before}, model {settings.model}, "
            f"{settings.model.in_flight} in flight"
        )
        self._bar.say(plain(line))
        self._bar.tell(progress.notes)
        self._bar.show(progress.done, progress.wanted, _activity(progress))

    def retired(self, progress: "TaskProgress", record: "Task") -> None:
        line = f"[{progress.done}/{progress.wanted}] {record.id}: {progress.last}"
        self._bar.say(plain(line))
        self._bar.show(progress.done, progress.wanted, _activity(progress))

    def tick(self, progress: "TaskProgress") -> None:
        self._bar.tell(progress.notes)
        written = being_written(progress.stats, console.width)
        self._bar.show(progress.done, progress.wanted, _activity(progress), below=written)


PURPOSES = MappingProxyType({"generation": "tasks", "instances": "examples"})
"""What is being written, where that is not the purpose of the request."""


def being_written(stats: "EngineStats", width: int) -> str:
    """Return the end of the text that the model is writing, as far as a line has room, or ""."""
    found = stats.writing.latest()
    if found is None:
        return ""
    purpose, text = found
    head = f"  writing {PURPOSES.get(purpose, purpose)}: "
    tail = single_spaced(text)
    room = width - len(head) - 2
    while cell_len(tail) > room > 0:
        tail = tail[max(1, cell_len(tail) - room) // 2 + 1 :]
    return f"{head}…{tail}"


def servers_used(stats: "EngineStats") -> list[str]:
    """Return in words how many of several servers are used, or an empty list if there is one."""
    if not stats.servers:
        return []
    used = sum(not server.left_out for server in stats.servers.values())
    return [f"{used} of {len(stats.servers)} servers"]


def _activity(progress: "TaskProgress") -> str:
    stats = progress.stats
    speed = stats.completion_tokens / progress.seconds if progress.seconds else 0.0
    left = progress.seconds_left
    parts = [
        *([f"about {duration(left)} left"] if left is not None and not progress.complete else []),
        stats.under_way,
        f"{stats.completion_tokens:,} tokens ({speed:.0f}/s)",
    ]
    parts += servers_used(stats)
    if stats.retried:
        parts.append(f"{stats.retried} retries")
    if progress.failed:
        parts.append(f"{progress.failed.total()} failed")
    return " · ".join(parts)


def print_skipped(problems: "Sequence[Problem]") -> None:
    """Print what was left out."""
    for problem in problems:
        console.print(plain(f"skipped: {problem.what}", style="yellow"), soft_wrap=True)


def print_stopped(reached: "BudgetReached", again: str, how: str = "Go on:") -> None:
    """Print that a budget is spent, and the command that goes on with a larger one."""
    flag = "--" + reached.setting.replace("_", "-")
    line = f"Stopped: {reached.what}. {how} {again} {flag} ..."
    console.print(line, style="yellow", markup=False, soft_wrap=True)


def _end(out: Path, again: str, look: str, progress: "TaskProgress", see: str) -> None:
    """Print how a run ended; exit with 1 if tasks are left, or if all of them failed."""
    print_skipped(progress.problems)
    if progress.stopped:
        print_stopped(progress.stopped, again)
    else:
        failed = progress.failed.total()
        nothing = failed > 0 and failed == progress.done
        if failed:
            reasons = ", ".join(f"{name} {many:,}" for name, many in progress.failed.most_common())
            line = f"{failed:,} of {progress.done:,} failed ({reasons})."
            console.print(plain(f"\n{line}", style="red" if nothing else "yellow"), soft_wrap=True)
            if progress.failed["request_failed"]:
                console.print("What the server said:")
                console.print(f"  seedstep requests {out} --failed", markup=False, soft_wrap=True)
        done = "Ended" if nothing else "Done"
        start = "" if failed else "\n"
        console.print(f"{start}{done} in {duration(progress.seconds)}. {see}")
        console.print(f"  {look}", markup=False, soft_wrap=True)
        if nothing:
            raise typer.Exit(1)
    if not progress.complete:
        raise typer.Exit(1)


DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the first prompts and an estimate; ask nothing.")
]


def print_requests(titled: "Mapping[str, Request]", style: str) -> None:
    """Print whole prompts, each below its title."""
    for title, request in titled.items():
        console.rule(f"{title} ({style})", align="left")
        texts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
        for text in texts:
            console.print(plain(text if isinstance(text, str) else text.content), soft_wrap=True)
        sampling = {name: value for name, value in asdict(request.sampling).items() if value}
        console.print(plain(f"\nsampling: {sampling}", style="dim"))


def print_foreseen(work: "ForeseenWork", what: str, assumed: str) -> None:
    """Print what a stage would do: what has changed, first prompts, and an estimate for `what`."""
    for text in work.notes:
        console.print(plain(text, style="yellow"), soft_wrap=True)
    print_requests({each.purpose: each for each in work.view.requests}, work.settings.style)
    what = f"{what} with {work.settings.model}"
    print_estimate(work.settings, what, work.view, assumed)


def print_estimate(settings: "AskingSettings", what: str, view: "Preview", assumed: str) -> None:
    """Print the estimated requests, tokens and cost of `what`, with the assumptions.

    For a model that takes batches, the cost and the time by batch are printed, too.
    """
    from seedstep.llm.batch_api import BATCH_HOURS

    pricing = settings.pricing
    console.rule("estimate", align="left")
    console.print(plain(what), soft_wrap=True)
    total = sum(view.counts.values())
    if not total:
        console.print("no requests")
        return
    parts = ", ".join(f"{count:,} {purpose}" for purpose, count in view.counts.items())
    console.print(f"about {total:,} requests ({parts})")
    console.print(
        f"about {view.prompt_tokens:,} prompt tokens and {view.completion_tokens:,} new tokens"
    )
    if (usd := pricing.usd(view.tokens)) is not None:
        console.print(f"about ${usd:,.2f} at the prices in the configuration")
    provider = settings.model.ref.provider
    if provider.takes_batches and provider.address:  # a recording costs nothing
        usd = pricing.usd(view.tokens_by_batch)
        cost = "half the price" if usd is None else f"about ${usd:,.2f}"
        waves = counted(view.waves, "wave")
        hours = f"{view.waves * BATCH_HOURS:,} hours at the most"
        console.print(f"by batch (--send batch): {cost}, {waves} of requests, {hours}")
    room = settings.model.reasoning_options.room
    thoughts = f"Thoughts add up to {room:,} tokens to a reply." if room else "No thoughts."
    console.print(f"Assumed: {assumed} {thoughts}", style="dim")
