"""`seedstep predict`: predict the outputs of tasks with a model or a baseline."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from seedstep.cli.options import Asked, Out, SameModel, required, with_settings
from seedstep.cli.progress import LiveBar, live_bar, run_to_the_end, servers_used
from seedstep.cli.terminal import console, duration, plain, print_blocks
from seedstep.data import TaskChoice
from seedstep.infer.predict import Answer
from seedstep.infer.settings import SystemSettings
from seedstep.recipes import PredictProgress, work_on_predictions
from seedstep.recipes.predictions import split_settings
from seedstep.stages import PREDICT, open_run
from seedstep.stages.predict import system_blocks

__all__ = [
    "command",
    "predict_watching",
    "print_predictions_end",
]


@contextmanager
def predict_watching(out: Path) -> Iterator["_Watch"]:
    """Yield a watcher that shows progress: a bar on a terminal, plain lines elsewhere."""
    with live_bar("instances") as bar:
        yield _Watch(bar, out)


class _Watch:
    def __init__(self, bar: LiveBar, out: Path) -> None:
        self._bar = bar
        self._out = out
        self._told = 0

    def began(self, progress: PredictProgress) -> None:
        before = f", {progress.before:,} of them predicted before" if progress.before else ""
        line = (
            f"{self._out}, {progress.name}: {progress.wanted:,} instances{before}, "
            f"model {progress.settings.model}"
        )
        self._bar.say(plain(line))
        self.tell(progress)
        self._bar.show(progress.done, progress.wanted, _activity(progress))

    def retired(self, progress: PredictProgress, record: list[Answer]) -> None:
        self.tell(progress)
        self._bar.show(progress.done, progress.wanted, _activity(progress))

    def tick(self, progress: PredictProgress) -> None:
        self.tell(progress)
        self._bar.show(progress.done, progress.wanted, _activity(progress))

    def tell(self, progress: PredictProgress) -> None:
        """Print the notes that were not printed yet."""
        for note in progress.notes[self._told :]:
            self._bar.say(plain(note, style="yellow"))
        self._told = len(progress.notes)


def _activity(progress: PredictProgress) -> str:
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


def print_predictions_end(out: Path, again: str, progress: PredictProgress) -> None:
    """Print the result, and the commands to run next."""
    for problem in progress.problems:
        console.print(plain(f"skipped: {problem.what}", style="yellow"), soft_wrap=True)
    if progress.stopped:
        flag = "--" + progress.stopped.setting.replace("_", "-")
        line = f"Stopped: {progress.stopped.what}. Go on: {again} {flag} ..."
        console.print(line, style="yellow", markup=False, soft_wrap=True)
        return
    if progress.failed and progress.failed == progress.done:
        line = f"Nothing came of it: {progress.failed:,} of {progress.done:,} failed. See why:"
        console.print(f"\n{line}", style="red")
        console.print(f"  seedstep show {out} --rejected", markup=False, soft_wrap=True)
        raise typer.Exit(1)
    took = f" in {duration(progress.seconds)}, {progress.per_second:.1f} a second"
    console.print(f"\nDone{took if progress.new else ''}. Score them:")
    console.print(f"  seedstep evaluate {out}", markup=False, soft_wrap=True)


@with_settings(TaskChoice, SystemSettings, make=split_settings)
def command(
    asked: Asked,
    out: Out = None,
    name: Annotated[
        str | None, typer.Option(help="What the system is called in the run. Default: its model.")
    ] = None,
    same_model: SameModel = False,
) -> None:
    """Predict the outputs of tasks with a model or a baseline. Run it again to go on."""
    out = required(out)
    called = name or asked.get("model")
    again = f"seedstep predict --out {out}" + (f" --name {shlex.quote(called)}" if called else "")
    progress = run_to_the_end(_predict(out, asked, name, same_model=same_model), again, out)
    with open_run(out, PREDICT) as run:
        print_blocks(system_blocks(run, progress.name, progress.wanted))
    print_predictions_end(out, again, progress)
    if not progress.complete:
        raise typer.Exit(1)


async def _predict(
    out: Path, asked: dict[str, Any], name: str | None, *, same_model: bool
) -> PredictProgress:
    with predict_watching(out) as watch:
        progress = await work_on_predictions(out, asked, name, watch, same_model=same_model)
        watch.tell(progress)
        return progress
