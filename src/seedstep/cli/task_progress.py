"""Progress of a stage that works on tasks: a bar on a terminal, plain lines elsewhere.

Example::

    with watching(Path("runs/steps")) as watch:
        await write_instructions_async(out, asked, watch)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedstep.cli.live_bar import LiveBar, live_bar
from seedstep.cli.terminal import console, duration, plain
from seedstep.data import Task
from seedstep.recipes import TaskProgress, TaskWatch
from seedstep.store import TaskRun

__all__ = ["print_end", "print_spending", "watching"]


@contextmanager
def watching(out: Path) -> Iterator[TaskWatch]:
    """Shows how a run gets on: a bar on a terminal, plain lines elsewhere."""
    with live_bar("tasks") as bar:
        yield _Watch(bar, out)


class _Watch:
    def __init__(self, bar: LiveBar, out: Path) -> None:
        self._bar = bar
        self._out = out

    def began(self, progress: TaskProgress) -> None:
        settings = progress.settings
        before = f", {progress.before} of them done before" if progress.before else ""
        line = (
            f"{self._out}: {progress.wanted} tasks{before}, model {settings.model}, "
            f"{settings.in_flight} in flight"
        )
        self._bar.say(plain(line))
        self._bar.show(progress.done, progress.wanted, _activity(progress))

    def retired(self, progress: TaskProgress, record: Task) -> None:
        if progress.done > progress.before:
            line = f"[{progress.done}/{progress.wanted}] {record.id}: {progress.last}"
            self._bar.say(plain(line))
        self._bar.show(progress.done, progress.wanted, _activity(progress))

    def tick(self, progress: TaskProgress) -> None:
        self._bar.show(progress.done, progress.wanted, _activity(progress))


def _activity(progress: TaskProgress) -> str:
    stats = progress.stats
    speed = stats.completion_tokens / progress.seconds if progress.seconds else 0.0
    parts = [
        f"{stats.in_flight} in flight",
        f"{stats.completion_tokens:,} tokens ({speed:.0f}/s)",
    ]
    if stats.retried:
        parts.append(f"{stats.retried} retries")
    if progress.failed:
        parts.append(f"{progress.failed.total()} failed")
    return " · ".join(parts)


def print_end(again: str, look: str, progress: TaskProgress) -> None:
    """Say how a run ended: `again` is the command that goes on, `look` one that shows more."""
    for problem in progress.problems:
        console.print(plain(f"skipped: {problem.what}", style="yellow"), soft_wrap=True)
    if progress.stopped:
        flag = "--" + progress.stopped.setting.replace("_", "-")
        line = f"Stopped: {progress.stopped.what}. Go on: {again} {flag} ..."
        console.print(line, style="yellow", markup=False, soft_wrap=True)
        return
    console.print(f"\nDone in {duration(progress.seconds)}. See one, with every turn:")
    console.print(f"  {look}", markup=False, soft_wrap=True)


def print_spending(run: TaskRun[Any, Any]) -> None:
    """Print what a run has asked and spent."""
    spent = run.spent()
    line = f"{spent.requests:,} requests, {spent.tokens:,} tokens"
    if run.settings.price:
        usd = run.settings.price.usd(spent.prompt_tokens, spent.completion_tokens)
        line += f", ${usd:,.4f}"
    console.print(line)
