"""`seedstep encode`: show prompts as a model is given them; and `seedstep tune`: tune a model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from seedstep import data, encode, inputs, recipes, runs, tune
from seedstep.cli import INTERRUPTED, stop_flag, stopped_status
from seedstep.cli.options import COMMAND_LINE, GivenSettings, required, with_settings
from seedstep.cli.progress import LiveBar, live_bar
from seedstep.cli.terminal import console, duration, errors, plain, print_rows
from seedstep.encode.settings import EncodeSettings
from seedstep.errors import InputError, unknown_name
from seedstep.settings import make_settings
from seedstep.text import counted
from seedstep.tune import TuneSettings

if TYPE_CHECKING:
    from seedstep.data import Task
    from seedstep.encode import Encoded, Encoding, HfTokenizer, TokenPair, Totals
    from seedstep.recipes import TuneResult, TuningWatch
    from seedstep.tune import EvaluationLoss, OptimizerStep, Preflight

__all__ = [
    "encode_command",
    "print_encoded",
    "print_end",
    "print_stopped",
    "print_totals",
    "tune_command",
    "tuning_watch",
]


@with_settings(EncodeSettings, config=False)
def encode_command(
    asked: GivenSettings,
    show: Annotated[
        str | None, typer.Option(help="Print the prompts of a task.", metavar="TASK")
    ] = None,
) -> None:
    """Show what a model is given: prompt and target as text and tokens, and what did not fit."""
    from seedstep.llm.checkpoints import is_decoder_only, load_tokenizer

    settings = make_settings(EncodeSettings, asked, COMMAND_LINE)
    encoding = settings.encoding.make()
    tokenizer = settings.tokenizer
    if not show and not tokenizer:
        raise InputError("no tokenizer to count with", "add --tokenizer local, or --show TASK")
    limit = settings.tasks.limit_instances or (1 if show else 100)
    choice = replace(settings.tasks, limit_instances=limit)
    loaded = choice.load().tasks
    if show:
        loaded = (_named(loaded, show, str(choice.path)),)
    if settings.steps:
        loaded = inputs.with_steps(loaded, Path(settings.steps))
    loaded = inputs.with_generated(loaded, settings.generated)
    opened = encode.HfTokenizer(load_tokenizer(tokenizer)) if tokenizer else None
    decoder_only = is_decoder_only(tokenizer) if tokenizer else True
    if show:
        encoder = encode.TaskEncoder(loaded[0], encoding, opened)
        for instance in loaded[0].instances:
            encoded = encoder.encode(instance, seed=settings.seed)
            print_encoded(encoded, opened, decoder_only=decoder_only)
    elif opened:
        totals = encode.measure(
            loaded, encoding, opened, decoder_only=decoder_only, seed=settings.seed
        )
        print_totals(totals, encoding)


def _named(tasks: "Sequence[Task]", name: str, path: str) -> "Task":
    for task in tasks:
        if task.id == name:
            if not task.instances:
                line = f"{name} has no instances: it is shown with an empty input and output"
                console.print(plain(line, style="yellow"), soft_wrap=True)
                return replace(task, instances=(data.Instance("", ("",)),))
            return task
    raise unknown_name("task", name, [task.id for task in tasks], str(path))


PROMPT_STYLES = ("black on bright_cyan", "black on bright_white")
TARGET_STYLES = ("black on bright_green", "black on bright_yellow")

LEFT_OUT = {
    "positive": "positive examples",
    "negative": "negative examples",
    "steps": "steps",
    "input_tokens": "tokens of the input",
    "target_tokens": "tokens of the target",
    "cut_tokens": "tokens of the prompt's end",
}


def print_encoded(
    encoded: "Encoded", tokenizer: "HfTokenizer | None", *, decoder_only: bool
) -> None:
    """Print an example; with a tokenizer, print its tokens in alternating colours.

    Text without colour is in no token: white space that a tokenizer skips, or text that was cut.
    """
    console.print(plain(f"{encoded.task}  {encoded.instance}", style="bold"), soft_wrap=True)
    if tokenizer:
        pair = encode.tokenize(encoded, tokenizer, decoder_only=decoder_only)
        _print_tokens(encoded, pair, tokenizer, decoder_only=decoder_only)
    else:
        _print_part("prompt", plain(encoded.prompt))
        _print_part("target", plain(encoded.target, style="green"))
    for name, amount in asdict(encoded.dropped).items():
        if amount:
            line = Text(f"did not fit: {amount:,} {LEFT_OUT[name]}", style="yellow")
            console.print(line, soft_wrap=True)


def print_totals(totals: "Totals", encoding: "Encoding") -> None:
    """Print counts over all tasks, and how much did not fit."""
    rows = [("tasks", f"{totals.tasks:,}"), ("examples", f"{totals.examples:,}")]
    for name, lengths, most in (
        ("prompt", totals.prompt, encoding.max_source),
        ("target", totals.target, encoding.max_target),
    ):
        counts = f"mean {lengths.mean:,.1f}, longest {lengths.longest:,} of {most:,}"
        rows.append((f"tokens of a {name}", counts))
    for name, amount in totals.lost.items():
        rows.append((f"{LEFT_OUT[name]} dropped", f"{amount:,} in {totals.examples_with[name]:,}"))
    print_rows(runs.Rows(tuple(rows)))
    if totals.without_steps:
        line = f"{totals.without_steps:,} tasks have no step-by-step instruction: add --steps"
        console.print(Text(line, style="yellow"), soft_wrap=True)


def _print_tokens(
    encoded: "Encoded", pair: "TokenPair", tokenizer: "HfTokenizer", *, decoder_only: bool
) -> None:
    prompt, target = encoded.prompt, encoded.target
    if decoder_only:
        prompt, target = encode.decoder_texts(encoded)
    before = tokenizer.bos if decoder_only and not encoded.chat else ()
    after = () if decoder_only else pair.prompt[-1:]
    spans = tokenizer.spans(prompt, marked=encoded.chat)
    spans = spans[: len(pair.prompt) - len(before) - len(after)]
    text = _special(before, tokenizer) + _coloured(prompt, spans, PROMPT_STYLES)
    title = f"prompt: {len(pair.prompt):,} tokens, no loss"
    _print_part(title, text + _special(after, tokenizer))
    spans = tokenizer.spans(target)[: len(pair.target) - 1]
    text = _coloured(target, spans, TARGET_STYLES)
    title = f"target: {len(pair.target):,} tokens, loss on each"
    _print_part(title, text + _special(pair.target[-1:], tokenizer))


def _print_part(title: str, text: Text) -> None:
    console.rule(title, align="left")
    console.print(text, soft_wrap=True)


def _coloured(text: str, spans: Sequence[tuple[int, int]], styles: tuple[str, str]) -> Text:
    coloured = plain(text)
    for number, (start, end) in enumerate(spans):
        coloured.stylize(styles[number % 2], start, end)
    return coloured


def _special(tokens: Sequence[int], tokenizer: "HfTokenizer") -> Text:
    return Text("").join(plain(tokenizer.name(token), style="reverse") for token in tokens)


SHOWN = 5
"""How many faults of the data are printed."""

SHORTENED = {
    "positive": "fewer positive examples",
    "negative": "fewer negative examples",
    "steps": "fewer steps",
    "input_tokens": "a trimmed input",
    "target_tokens": "a cut target",
    "cut_tokens": "a prompt cut at its end",
}
"""What was left out of examples that did not fit, by the field that counts them."""


@contextmanager
def tuning_watch() -> "Iterator[TuningWatch]":
    """Yield a watch that shows progress: a bar on a terminal, plain lines elsewhere."""
    with live_bar("steps", "reading, encoding, counting") as bar:
        yield _Watch(bar)


class _Watch:
    def __init__(self, bar: LiveBar) -> None:
        self._bar = bar

    def counted(
        self, settings: TuneSettings, preflight: "Preflight", left_out: tuple[str, ...]
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

    def stepped(self, step: "OptimizerStep") -> None:
        is_last = step.step == step.steps
        self._bar.show(step.step, step.steps, _activity(step), is_due=is_last)

    def evaluated(self, evaluated: "EvaluationLoss") -> None:
        line = f"step {evaluated.step:,}: held-out loss {evaluated.loss:.4f}"
        console.print(line, soft_wrap=True)


def print_end(tuned: "TuneResult") -> None:
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


def _overview(settings: TuneSettings, preflight: "Preflight") -> Iterator[str]:
    batch = preflight.batch
    numbers = _numbers(preflight.examples, preflight.tasks)
    yield f"{settings.model}, {settings.encoding.name}: {numbers}"
    if settings.preset:
        yield f"  preset {settings.preset}: {tune.PRESETS[settings.preset].section}"
    if len(preflight.sources) > 1:
        for source, tasks, examples in preflight.sources:
            yield f"  {source}: {_numbers(examples, tasks)}"
    if preflight.duplicates:
        yield f"  left out as duplicates: {preflight.duplicates:,} examples"
    if preflight.without_steps:
        yield f"  without a step-by-step instruction: {counted(preflight.without_steps, 'task')}"
    yield (
        f"  tokens an epoch: {preflight.prompt_tokens:,} of prompts, "
        f"{preflight.target_tokens:,} of targets"
    )
    for name, count in preflight.lost.items():
        if count:
            yield f"  to fit: {SHORTENED[name]} in {counted(count, 'example')}"
    longest = ", ".join(f"{tokens:,} ({task}, {name})" for task, name, tokens in preflight.longest)
    yield f"  longest, in tokens: {longest}"
    if preflight.held_out_examples:
        yield f"  held out: {_numbers(preflight.held_out_examples, preflight.held_out_tasks)}"
    yield (
        f"  effective batch: {batch.examples} examples = {batch.per_device} a pass and process "
        f"x {batch.accumulate} accumulated x {counted(batch.processes, 'process')}"
    )
    yield f"  {counted(preflight.steps, 'step')} in {counted(preflight.epochs, 'epoch')}"


def _numbers(examples: int, tasks: int) -> str:
    return f"{counted(examples, 'example')} of {counted(tasks, 'task')}"


def _activity(step: "OptimizerStep") -> str:
    return (
        f"loss {step.loss:.4f} · {step.examples_per_second:,.1f} examples/s · "
        f"{step.tokens_per_second:,.0f} tokens/s · {duration(step.seconds_left)} left"
    )


@with_settings(TuneSettings)
def tune_command(
    asked: GivenSettings,
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
            tuned = recipes.tune_model(out, watch=watch, stop=stop, dry_run=dry_run, **asked)
    except KeyboardInterrupt:
        print_stopped(again)
        raise typer.Exit(INTERRUPTED) from None
    if tune.rank_and_processes()[0]:
        return  # the first process tells
    if tuned.stopped:
        print_stopped(again)
        raise typer.Exit(stopped_status())
    if not dry_run:
        print_end(tuned)
