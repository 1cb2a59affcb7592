"""A stage that works on tasks: shown as a bar on a terminal, in plain lines elsewhere.

Example::

    progress = run_tasks(write_instructions_async, out, asked, again="seedstep steps --out steps")
    end_tasks("seedstep steps --out steps", "seedstep steps show steps TASK", progress)
"""

from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Protocol

import typer

from seedstep.cli.live_bar import LiveBar, live_bar
from seedstep.cli.stopping import run_to_the_end
from seedstep.cli.terminal import console, duration, plain
from seedstep.data import Task
from seedstep.recipes import TaskProgress, TaskWatch
from seedstep.store import TaskRun

__all__ = ["end_tasks", "print_spending", "run_tasks"]


class TaskStage(Protocol):
    """Works on tasks into a run directory, inside a running event loop."""

    def __call__(
        self,
        out: Path,
        asked: Mapping[str, Any],
        watch: TaskWatch | None = None,
        *,
        same_model: bool = False,
    ) -> Coroutine[Any, Any, TaskProgress]:
        """How far it came."""


def run_tasks(
    stage: TaskStage, out: Path, asked: Mapping[str, Any], *, same_model: bool, again: str
) -> TaskProgress:
    """Run to the end, or to a signal; then `again` is the command that goes on, and we exit."""

    async def work() -> TaskProgress:
        with live_bar("tasks") as bar:
            return await stage(out, asked, _Watch(bar, out), same_model=same_model)

    return run_to_the_end(work(), again)


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


def end_tasks(again: str, look: str, progress: TaskProgress) -> None:
    """Say how a run ended: `again` is the command that goes on, `look` one that shows more. Where
    tasks are left, we exit with 1.
    """
    for problem in progress.problems:
        console.print(plain(f"skipped: {problem.what}", style="yellow"), soft_wrap=True)
    if progress.stopped:
        flag = "--" + progress.stopped.setting.replace("_", "-")
        line = f"Stopped: {progress.stopped.what}. Go on: {again} {flag} ..."
        console.print(line, style="yellow", markup=False, soft_wrap=True)
    else:
        console.print(f"\nDone in {duration(progress.seconds)}. See one, with every turn:")
        console.print(f"  {look}", markup=False, soft_wrap=True)
    if not progress.complete:
        raise typer.Exit(1)


def print_spending(run: TaskRun[Any, Any]) -> None:
    """Print what a run has asked and spent."""
    spent = run.spent()
    line = f"{spent.requests:,} requests, {spent.tokens:,} tokens"
    if run.settings.price:
        usd = run.settings.price.usd(spent.prompt_tokens, spent.completion_tokens)
        line += f", ${usd:,.4f}"
    console.print(line)
