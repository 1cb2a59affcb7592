"""`seedstep encode`: show the prompts and targets that an encoding makes of tasks."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from seedstep.cli.options import COMMAND_LINE, Asked, with_settings
from seedstep.cli.terminal import console, plain, print_rows
from seedstep.data import Instance, Task
from seedstep.encode import (
    Encoded,
    Encoding,
    HfTokenizer,
    TaskEncoder,
    TokenPair,
    Totals,
    decoder_texts,
    measure,
    tokenize,
)
from seedstep.encode.settings import EncodeSettings
from seedstep.errors import InputError, unknown_name
from seedstep.inputs import with_examples, with_steps
from seedstep.llm.checkpoints import is_decoder_only, load_tokenizer
from seedstep.runs import Rows
from seedstep.settings import make_settings

__all__ = [
    "command",
    "print_encoded",
    "print_totals",
]


@with_settings(EncodeSettings, config=False)
def command(
    asked: Asked,
    show: Annotated[
        str | None, typer.Option(help="Print the prompts of a task.", metavar="TASK")
    ] = None,
) -> None:
    """Show what a model is given: prompt and target as text and tokens, and what did not fit."""
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
        loaded = with_steps(loaded, Path(settings.steps))
    if settings.generated.run:
        loaded = with_examples(loaded, Path(settings.generated.run), settings.generated.choose)
    opened = HfTokenizer(load_tokenizer(tokenizer)) if tokenizer else None
    decoder_only = is_decoder_only(tokenizer) if tokenizer else True
    if show:
        encoder = TaskEncoder(loaded[0], encoding, opened)
        for instance in loaded[0].instances:
            encoded = encoder.encode(instance, seed=settings.seed)
            print_encoded(encoded, opened, decoder_only=decoder_only)
    elif opened:
        totals = measure(loaded, encoding, opened, decoder_only=decoder_only, seed=settings.seed)
        print_totals(totals, encoding)


def _named(tasks: Sequence[Task], name: str, path: str) -> Task:
    for task in tasks:
        if task.id == name:
            if not task.instances:
                line = f"{name} has no instances: it is shown with an empty input and output"
                console.print(plain(line, style="yellow"), soft_wrap=True)
                return replace(task, instances=(Instance("", ("",)),))
            return task
    raise unknown_name("task", name, [task.id for task in tasks], str(path))


PROMPT_STYLES = ("black on bright_cyan", "black on bright_white")
TARGET_STYLES = ("black on bright_green", "black on bright_yellow")

LOST = {
    "positive": "positive examples",
    "negative": "negative examples",
    "steps": "steps",
    "input_tokens": "tokens of the input",
    "target_tokens": "tokens of the target",
    "cut_tokens": "tokens of the prompt's end",
}


def print_encoded(encoded: Encoded, tokenizer: HfTokenizer | None, *, decoder_only: bool) -> None:
    """Print an example; with a tokenizer, print its tokens in alternating colours.

    Text without colour is in no token: white space that a tokenizer skips, or text that was cut.
    """
    console.print(plain(f"{encoded.task}  {encoded.instance}", style="bold"), soft_wrap=True)
    if tokenizer:
        pair = tokenize(encoded, tokenizer, decoder_only=decoder_only)
        _print_tokens(encoded, pair, tokenizer, decoder_only=decoder_only)
    else:
        _print_part("prompt", plain(encoded.prompt))
        _print_part("target", plain(encoded.target, style="green"))
    for name, amount in asdict(encoded.dropped).items():
        if amount:
            line = Text(f"did not fit: {amount:,} {LOST[name]}", style="yellow")
            console.print(line, soft_wrap=True)


def print_totals(totals: Totals, encoding: Encoding) -> None:
    """Print counts over all tasks, and how much did not fit."""
    rows = [("tasks", f"{totals.tasks:,}"), ("examples", f"{totals.examples:,}")]
    for name, lengths, most in (
        ("prompt", totals.prompt, encoding.max_source),
        ("target", totals.target, encoding.max_target),
    ):
        counts = f"mean {lengths.mean:,.1f}, longest {lengths.longest:,} of {most:,}"
        rows.append((f"tokens of a {name}", counts))
    for name, amount in totals.lost.items():
        rows.append((f"{LOST[name]} dropped", f"{amount:,} in {totals.examples_with[name]:,}"))
    print_rows(Rows(tuple(rows)))
    if totals.without_steps:
        line = f"{totals.without_steps:,} tasks have no step-by-step instruction: add --steps"
        console.print(Text(line, style="yellow"), soft_wrap=True)


def _print_tokens(
    encoded: Encoded, pair: TokenPair, tokenizer: HfTokenizer, *, decoder_only: bool
) -> None:
    prompt, target = encoded.prompt, encoded.target
    if decoder_only:
        prompt, target = decoder_texts(encoded)
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


def _special(tokens: Sequence[int], tokenizer: HfTokenizer) -> Text:
    return Text("").join(plain(tokenizer.name(token), style="reverse") for token in tokens)
