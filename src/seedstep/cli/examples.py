"""`seedstep examples`: examples generated from step-by-step instructions, and ranked."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.options import (
    BaseUrl,
    Config,
    InFlight,
    MaxRequests,
    MaxTokens,
    MaxUsd,
    Model,
    Out,
    SameModel,
    Seed,
    flags_of,
    option,
    required,
    settings_of,
)
from seedstep.cli.progress import end_tasks, print_spending, run_tasks
from seedstep.cli.terminal import DryRun, console, plain, print_estimate, print_requests
from seedstep.data import Example
from seedstep.recipes import make_examples_async, preview_made_examples
from seedstep.runs import Entry, ExamplesRun
from seedstep.steps import ExampleSet, ExamplesSettings, make_examples_settings

__all__ = ["app", "print_examples"]

app = typer.Typer(
    help="Generate examples from step-by-step instructions, and choose two of them.",
    no_args_is_help=True,
    invoke_without_command=True,
)


_option = partial(option, ExamplesSettings)


@app.callback()
def generate(
    context: typer.Context,
    out: Out = None,
    steps: Annotated[str | None, _option("steps")] = None,
    count: Annotated[int | None, _option("count")] = None,
    limit: Annotated[int | None, _option("limit")] = None,
    model: Model = None,
    base_url: BaseUrl = None,
    seed: Seed = None,
    in_flight: InFlight = None,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    same_model: SameModel = False,
    config: Config = None,
    dry_run: DryRun = False,
) -> None:
    """Generate examples for each task that has an instruction, and choose two of them."""
    if context.invoked_subcommand:
        return
    asked = settings_of(make_examples_settings, config, flags_of(context, ExamplesSettings))
    if dry_run:
        _print_preview(make_examples_settings(asked, "the command line"))
        return
    out = required(out)
    again = f"seedstep examples --out {out}"
    progress = run_tasks(make_examples_async, out, asked, same_model=same_model, again=again)
    with ExamplesRun.read(out) as run:
        print_examples(run)
    end_tasks(again, f"seedstep examples show {out} TASK", progress)


def _print_preview(settings: ExamplesSettings) -> None:
    view = preview_made_examples(settings)
    print_requests({one.purpose: one for one in view.requests}, settings.style)
    print_estimate(
        f"{view.counts['generate']:,} tasks with {settings.model}",
        view,
        settings.price,
        "examples of 60 tokens, 4 characters a token. The ranking shows stand-ins for them.",
    )


def print_examples(run: ExamplesRun) -> None:
    """Print how many tasks have examples and which do not, and what was spent."""
    results = [entry.result for entry in run.entries()]
    good = [one for one in results if not one.failure]
    unranked = Counter(one.ranking_failure for one in good if one.ranking_failure)
    console.print(f"{len(good):,} tasks with examples, {unranked.total():,} of them not ranked")
    failed = Counter(one.failure for one in results if one.failure)
    for what, counts in (("not ranked", unranked), ("without examples", failed)):
        for reason, number in counts.most_common():
            console.print(f"{what}: {reason} {number:,}")
    print_spending(run)


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    task: Annotated[str, typer.Argument(help="The task. Default: list all.")] = "",
) -> None:
    """List the tasks of a run, or show one with its examples and which were chosen."""
    with ExamplesRun.read(run) as opened:
        if task:
            _print_entry(opened.entry(task))
            return
        for entry in opened.entries():
            found = entry.result
            state = found.failure or found.ranking_failure
            line = plain(f"{entry.task}  {len(found.candidates)} examples")
            console.print(line + plain(f"  {state}", style="yellow"), soft_wrap=True)


def _print_entry(entry: Entry[ExampleSet]) -> None:
    found = entry.result
    console.print(plain(f"{entry.task}  {entry.category}", style="bold"), soft_wrap=True)
    console.print(plain(entry.definition), soft_wrap=True)
    for number, one in enumerate(found.candidates):
        marks = [name for name, chosen in _chosen(found).items() if number in chosen]
        title = f"example {number + 1}" + "".join(f", {mark}" for mark in marks)
        console.rule(title, align="left")
        _print_example(one)
    for failure in (found.failure, found.ranking_failure):
        if failure:
            console.print(plain(f"{failure} {found.detail}", style="red"), soft_wrap=True)


def _chosen(found: ExampleSet) -> dict[str, tuple[int, ...]]:
    return {"drawn at random": found.drawn, "ranked best": found.ranked}


def _print_example(one: Example) -> None:
    for name in ("input", "output", "explanation"):
        text = getattr(one, name)
        if text:
            console.print(plain(f"{name}: ", style="bold") + plain(text), soft_wrap=True)
