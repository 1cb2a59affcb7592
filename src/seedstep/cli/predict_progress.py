"""Progress of predictions: a bar on a terminal, plain lines elsewhere; and how they ended.

Example::

    with predict_watching(Path("runs/test")) as watch:
        await predict_async(out, asked, name, watch)
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from seedstep.cli.live_bar import LiveBar, live_bar
from seedstep.cli.scoring import print_table
from seedstep.cli.terminal import console, duration, plain
from seedstep.evaluate.predict import Answered
from seedstep.recipes import PredictProgress, PredictWatch
from seedstep.report.tables import kept_table
from seedstep.store import Counts, PredictionsRun, kept_scores

__all__ = ["predict_watching", "print_predictions", "print_predictions_end", "print_systems"]

SHOWN_FAILURES = 5
"""Reasons that are listed."""


@contextmanager
def predict_watching(out: Path) -> Iterator[PredictWatch]:
    """Shows how predictions get on: a bar on a terminal, plain lines elsewhere."""
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
        self._tell(progress)
        self._bar.show(progress.done, progress.wanted, _activity(progress))

    def retired(self, progress: PredictProgress, record: list[Answered]) -> None:
        self._tell(progress)
        self._bar.show(progress.done, progress.wanted, _activity(progress))

    def tick(self, progress: PredictProgress) -> None:
        self._bar.show(progress.done, progress.wanted, _activity(progress))

    def _tell(self, progress: PredictProgress) -> None:
        for note in progress.notes[self._told :]:
            self._bar.say(plain(note, style="yellow"))
        self._told = len(progress.notes)


def _activity(progress: PredictProgress) -> str:
    is_first = not progress.new and not progress.complete
    parts = ["the first answers" if is_first else f"{progress.per_second:.1f} a second"]
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    if progress.stats:
        parts.append(f"{progress.stats.in_flight} in flight")
        parts += [f"{progress.stats.retried} retries"] if progress.stats.retried else []
    counts = (("failed", progress.failed), ("empty", progress.empty), ("cut short", progress.cut))
    return " · ".join([*parts, *(f"{count:,} {name}" for name, count in counts if count)])


def print_predictions(name: str, counts: Counts, wanted: int, failures: Mapping[str, int]) -> None:
    """Print how many instances a system has predicted, and what is the matter with some."""
    line = f"{name}: {counts.predictions:,} of {wanted:,} instances predicted"
    console.print(plain(line), soft_wrap=True)
    for what, count in (
        ("failed, which count as empty", counts.failed),
        ("empty", counts.empty),
        ("cut short at their length limit", counts.cut),
        ("after prompts of which max_source left something out", counts.shortened),
    ):
        if count:
            console.print(f"  {count:,} {what}", style="yellow")
    for reason, count in list(failures.items())[:SHOWN_FAILURES]:
        console.print(plain(f"    {count:,}: {reason[:200]}", style="dim"), soft_wrap=True)
    if len(failures) > SHOWN_FAILURES:
        console.print(f"    {len(failures) - SHOWN_FAILURES} more reasons", style="dim")


def print_systems(run: PredictionsRun) -> None:
    """Print how far each system of a run is, and what it scored, where that is known."""
    wanted = len(run.references())
    for name in run.names():
        print_predictions(name, run.counts(name), wanted, run.failures(name))
    table = kept_table(kept_scores(run.path))
    if table.rows:
        console.print()
        print_table(table)


def print_predictions_end(out: Path, again: str, progress: PredictProgress) -> None:
    """Say how it ended, and what to run next."""
    for problem in progress.problems:
        console.print(plain(f"skipped: {problem.what}", style="yellow"), soft_wrap=True)
    if progress.stopped:
        flag = "--" + progress.stopped.setting.replace("_", "-")
        line = f"Stopped: {progress.stopped.what}. Go on: {again} {flag} ..."
        console.print(line, style="yellow", markup=False, soft_wrap=True)
        return
    took = f" in {duration(progress.seconds)}, {progress.per_second:.1f} a second"
    console.print(f"\nDone{took if progress.new else ''}. Score them:")
    console.print(f"  seedstep evaluate {out}", markup=False, soft_wrap=True)
