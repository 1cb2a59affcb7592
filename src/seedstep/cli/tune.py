"""`seedstep tune`: tune a model on tasks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from seedstep.cli.options import Asked, required, with_settings
from seedstep.cli.progress import LiveBar, live_bar, stop_flag, stopped_status
from seedstep.cli.terminal import console, duration, errors, plain
from seedstep.recipes import TuneResult, TuningWatch, tune_model
from seedstep.tune import (
    PRESETS,
    EvaluationLoss,
    OptimizerStep,
    Preflight,
    TuneSettings,
    rank_and_processes,
)

__all__ = [
    "command",
    "print_end",
    "print_stopped",
    "tuning_watch",
]

SHOWN = 5
"""How many faults of the data are printed."""

LOST = {
    "positive": "fewer positive examples",
    "negative": "fewer negative examples",
    "steps": "fewer steps",
    "input_tokens": "a trimmed input",
    "target_tokens": "a cut target",
    "cut_tokens": "a prompt cut at its end",
}
"""What was left out of examples that did not fit, by the field that counts them."""


@contextmanager
def tuning_watch() -> Iterator[TuningWatch]:
    """Yield a watch that shows progress: a bar on a terminal, plain lines elsewhere."""
    with live_bar("steps", "reading, encoding, counting") as bar:
        yield _Watch(bar)


class _Watch:
    def __init__(self, bar: LiveBar) -> None:
        self._bar = bar

    def counted(
        self, settings: TuneSettings, preflight: Preflight, left_out: tuple[str, ...]
    ) -> None:
        for line in _overview(settings, preflight):
            console.print(plain(line), soft_wrap=True)
        for fault in left_out[:SHOWN]:
            console.print(plain(f"left out: {fault}", style="yellow"), soft_wrap=True)
        if len(left_out) > SHOWN:
            console.print(f"left out: {len(left_out) - SHOWN:,} more", style="yellow")

    def moved(self, job_id: str, status: str) -> None:
        console.print(plain(f"job {job_id}: {status}"), soft_wrap=True)

    def happened(self, message: str) -> None:
        console.print(plain(f"  {message}"), soft_wrap=True)

    def warned(self, message: str) -> None:
        console.print(plain(message, style="yellow"), soft_wrap=True)

    def stepped(self, step: OptimizerStep) -> None:
        is_last = step.step == step.steps
        self._bar.show(step.step, step.steps, _activity(step), is_due=is_last)

    def evaluated(self, evaluated: EvaluationLoss) -> None:
        line = f"step {evaluated.step:,}: held-out loss {evaluated.loss:.4f}"
        console.print(line, soft_wrap=True)


def print_end(tuned: TuneResult) -> None:
    """Print where the model is."""
    if tuned.job:
        line = f"done: the tuned model is openai:{tuned.job.model}"
        console.print(plain(line), soft_wrap=True)
        return
    for note in tuned.notes:
        console.print(plain(note, style="yellow"), soft_wrap=True)
    done = "finished before" if tuned.finished_before else "done"
    console.print(plain(f"{done}: the tuned model is in {tuned.model}"), soft_wrap=True)


def print_stopped(again: str) -> None:
    """Print that a tuning was stopped, and `again`, the command that continues it."""
    line = f"Stopped. Go on with: {again}"
    errors.print(line, markup=False, soft_wrap=True)


def _overview(settings: TuneSettings, preflight: Preflight) -> Iterator[str]:
    batch = preflight.batch
    numbers = _numbers(preflight.examples, preflight.tasks)
    yield f"{settings.model}, {settings.encoding.name}: {numbers}"
    if settings.preset:
        yield f"  preset {settings.preset}: {PRESETS[settings.preset].section}"
    if len(preflight.sources) > 1:
        for source, tasks, examples in preflight.sources:
            yield f"  {source}: {_numbers(examples, tasks)}"
    if preflight.duplicates:
        yield f"  left out as duplicates: {preflight.duplicates:,} examples"
    if preflight.without_steps:
        yield f"  without a step-by-step instruction: {_count(preflight.without_steps, 'task')}"
    yield (
        f"  tokens an epoch: {preflight.prompt_tokens:,} of prompts, "
        f"{preflight.target_tokens:,} of targets"
    )
    for name, count in preflight.lost.items():
        if count:
            yield f"  to fit: {LOST[name]} in {_count(count, 'example')}"
    longest = ", ".join(f"{tokens:,} ({task}, {name})" for task, name, tokens in preflight.longest)
    yield f"  longest, in tokens: {longest}"
    if preflight.held_out_examples:
        yield f"  held out: {_numbers(preflight.held_out_examples, preflight.held_out_tasks)}"
    yield (
        f"  effective batch: {batch.examples} examples = {batch.per_device} a pass and process "
        f"x {batch.accumulate} accumulated x {_count(batch.processes, 'process')}"
    )
    yield f"  {_count(preflight.steps, 'step')} in {_count(preflight.epochs, 'epoch')}"


def _numbers(examples: int, tasks: int) -> str:
    return f"{_count(examples, 'example')} of {_count(tasks, 'task')}"


def _count(number: int, noun: str) -> str:
    ending = "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending * (number != 1)}"


def _activity(step: OptimizerStep) -> str:
    return (
        f"loss {step.loss:.4f} · {step.examples_per_second:,.1f} examples/s · "
        f"{step.tokens_per_second:,.0f} tokens/s · {duration(step.seconds_left)} left"
    )


@with_settings(TuneSettings)
def command(
    asked: Asked,
    out: Annotated[Path | None, typer.Option(help="The tuning's directory.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read, encode and count everything; tune nothing.")
    ] = False,
) -> None:
    """Tune a model on tasks. Run it again to go on where it stopped.

    Data as in the first paper's Table 3: --data RUN@self-instruct, or --data NI:train, or both.
    """
    _run(required(out), asked, dry_run=dry_run)


def _run(out: Path, asked: dict[str, Any], *, dry_run: bool) -> None:
    again = f"seedstep tune --out {out}"
    notice = "Stopping after this step. Ctrl-C again does not wait for it."
    try:
        with tuning_watch() as watch, stop_flag(notice) as stop:
            tuned = tune_model(out, watch=watch, stop=stop, dry_run=dry_run, **asked)
    except KeyboardInterrupt:
        print_stopped(again)
        raise typer.Exit(130) from None
    if rank_and_processes()[0]:
        return  # the first process tells
    if tuned.stopped:
        print_stopped(again)
        raise typer.Exit(stopped_status())
    if not dry_run:
        print_end(tuned)
