"""`seedstep steps`: step-by-step instructions for tasks, and what comes of them."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

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
from seedstep.exports import export_lines, export_task_files
from seedstep.recipes import import_instructions, preview_instructions, write_instructions_async
from seedstep.runs import Entry, StepsRun
from seedstep.steps import (
    DescribedTask,
    Part,
    StepsSettings,
    StepsStatistics,
    Turn,
    WrittenSteps,
    differences,
    make_steps_settings,
    measure,
    parse,
    render,
    statistics,
)

__all__ = [
    "app",
    "print_checks",
    "print_entry",
    "print_list",
    "print_statistics",
]


def print_list(entries: Iterable[Entry[WrittenSteps]]) -> None:
    """Print a line for each task."""
    for entry in entries:
        state = entry.result.failure or ", ".join(one.name for one in entry.result.findings)
        line = plain(f"{entry.task}  {len(entry.result.steps)} steps")
        console.print(line + plain(f"  {state}", style="yellow"), soft_wrap=True)


def print_entry(entry: Entry[WrittenSteps]) -> None:
    """Print a task with every turn, what it changed, and what came of it."""
    written = entry.result
    console.print(plain(f"{entry.task}  {entry.category}", style="bold"), soft_wrap=True)
    console.print(plain(entry.definition), soft_wrap=True)
    before: Turn | None = None
    for number, turn in enumerate(written.turns):
        chosen = " (kept)" if number == written.chosen else ""
        console.rule(plain(f"{turn.name}{chosen}"), align="left")
        _print_turn(turn, before)
        before = turn
    if written.left_out:
        console.print(plain(f"left out: {', '.join(written.left_out)}", style="dim"))
    console.rule("step-by-step instruction", align="left")
    if written.failure:
        console.print(plain(f"none: {written.failure} ({written.detail})", style="red"))
    console.print(plain(render(written.steps)), soft_wrap=True)
    for finding in written.findings:
        line = f"{finding.name}: {finding.detail}"
        console.print(plain(line, style="yellow"), soft_wrap=True)
    if written.judgement:
        console.print(plain(_judged(written), style="dim"), soft_wrap=True)


def _print_turn(turn: Turn, before: Turn | None) -> None:
    """Print what was said; a turn of a conversation as the changes to the one before."""
    is_new_draw = before is not None and turn.prompt == before.prompt
    prompt = "the same prompt, drawn anew" if is_new_draw else turn.prompt
    console.print(plain(prompt, style="dim"), soft_wrap=True)
    console.print()
    if turn.failure:
        console.print(plain(f"failed: {turn.failure}", style="red"), soft_wrap=True)
        return
    earlier = render(parse(before.reply).steps) if before and not is_new_draw else ""
    steps = render(parse(turn.reply).steps)
    if earlier and steps:
        console.print(_changes(earlier, steps), soft_wrap=True)
    else:
        console.print(plain(turn.reply), soft_wrap=True)


def _changes(earlier: str, later: str) -> Text:
    """What was removed and added, in colours or, where there are none, between marks."""
    styles = {"same": "", "removed": "red strike", "added": "green"}
    marks = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    text = Text()
    for run in differences(earlier, later):
        before, after = ("", "") if console.color_system else marks[run.kind]
        text.append(plain(f"{before}{run.text}{after}", styles[run.kind]))
    return text


def _judged(written: WrittenSteps) -> str:
    judgement = written.judgement
    if judgement is None or judgement.correct is None:
        return f"judge: no answer ({judgement.reason if judgement else ''})"
    answers = {True: "yes", False: "no", None: "no answer"}
    correct, complete = answers[judgement.correct], answers[judgement.complete]
    return f"judge: correct {correct}, complete {complete}"


def print_statistics(run: StepsRun) -> None:
    """Print counts and means by category, checks failed, and cost."""
    described = [DescribedTask(one.category, one.definition, one.result) for one in run.entries()]
    rows = statistics(described)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("category")
    for name in ("tasks", "def. words", "words", "steps", "faulty", "none"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            plain(row.group),
            f"{row.tasks:,}",
            f"{row.definition_words:.1f}",
            _mean(row.words),
            _mean(row.steps),
            f"{row.faulty:,}",
            f"{row.failures.total():,}",
        )
    console.print(table)
    if rows:
        _print_faults(rows[0])
    print_spending(run)


def _mean(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _print_faults(everything: StepsStatistics) -> None:
    groups = (("check failed", everything.findings), ("no instruction", everything.failures))
    for title, counts in groups:
        for name, count in counts.most_common():
            console.print(f"{title}: {name} {count:,} of {everything.tasks:,} tasks")
    if everything.judged:
        console.print(
            f"judged by a model: {everything.judged:,}, correct {everything.correct:,}, "
            f"complete {everything.complete:,}"
        )


def print_checks() -> None:
    """Print precision and recall of the checks, on both parts of the labelled set."""
    parts: tuple[Part, ...] = ("tune", "held_out")
    for part in parts:
        table = Table(title=part, title_justify="left", box=None, padding=(0, 2, 0, 0))
        table.add_column("check")
        for name in ("precision", "recall", "right", "wrong", "missed"):
            table.add_column(name, justify="right")
        for row in measure(part):
            counts = (f"{count:,}" for count in (row.right, row.wrong, row.missed))
            table.add_row(row.name, f"{row.precision:.2f}", f"{row.recall:.2f}", *counts)
        console.print(table)


app = typer.Typer(
    help="Write a step-by-step instruction for each task; show, count, export, import them.",
    no_args_is_help=True,
    invoke_without_command=True,
)


_option = partial(option, StepsSettings)


@app.callback()
def write(
    context: typer.Context,
    out: Out = None,
    tasks: Annotated[str | None, _option("tasks")] = None,
    split: Annotated[str | None, _option("split")] = None,
    track: Annotated[str | None, _option("track")] = None,
    limit: Annotated[int | None, _option("limit")] = None,
    model: Model = None,
    base_url: BaseUrl = None,
    prompt_style: Annotated[
        Literal["auto", "completion", "chat"] | None, _option("prompt_style", "--style")
    ] = None,
    refine: Annotated[Literal["full", "none"] | None, _option("refine")] = None,
    repairs: Annotated[int | None, _option("repairs")] = None,
    judge: Annotated[str | None, _option("judge")] = None,
    judge_base_url: Annotated[str | None, _option("judge_base_url")] = None,
    seed: Seed = None,
    in_flight: InFlight = None,
    max_requests: MaxRequests = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    same_model: SameModel = False,
    skip_bad: Annotated[bool | None, _option("skip_bad", "--skip-bad")] = None,
    config: Config = None,
    dry_run: DryRun = False,
) -> None:
    """Write a step-by-step instruction for each task. Run it again to go on where it stopped."""
    if context.invoked_subcommand:
        return
    asked = settings_of(make_steps_settings, config, flags_of(context, StepsSettings))
    if dry_run:
        _print_preview(make_steps_settings(asked, "the command line"))
        return
    out = required(out)
    again = f"seedstep steps --out {out}"
    progress = run_tasks(write_instructions_async, out, asked, same_model=same_model, again=again)
    with StepsRun.read(out) as run:
        print_statistics(run)
    end_tasks(again, f"seedstep steps show {out} TASK", progress)


def _print_preview(settings: StepsSettings) -> None:
    view = preview_instructions(settings)
    print_requests({one.purpose: one for one in view.requests}, settings.style)
    assumed = "no repairs, instructions of 160 tokens, 4 characters a token."
    if settings.style == "chat":
        assumed += " Each turn is sent with the earlier ones and their replies."
    what = f"{view.counts.get('obtain', 0):,} tasks with {settings.model}"
    print_estimate(what, view, settings.price, assumed)


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    task: Annotated[str, typer.Argument(help="The task. Default: list all.")] = "",
) -> None:
    """List the instructions of a run, or show one with every turn and what it changed."""
    with StepsRun.read(run) as opened:
        if task:
            print_entry(opened.entry(task))
        else:
            print_list(opened.entries())


@app.command()
def stats(run: Annotated[Path, typer.Argument(help="The run's directory.")]) -> None:
    """Counts and means by category, as in Table 1 of the paper; checks failed, and cost."""
    with StepsRun.read(run) as opened:
        print_statistics(opened)


@app.command()
def checks() -> None:
    """Precision and recall of the checks, on the labelled set that comes with seedstep."""
    print_checks()


@app.command("export")
def write_export(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    out: Annotated[Path, typer.Option(help="A file for jsonl, a directory for superni.")],
    name: Annotated[
        Literal["jsonl", "superni"], typer.Option("--format", help="The format to write.")
    ] = "jsonl",
) -> None:
    """Write instructions as JSON lines, or task files with the instruction added."""
    with StepsRun.read(run) as opened:
        if name == "jsonl":
            console.print(plain(f"{export_lines(opened, out):,} tasks in {out}"), soft_wrap=True)
            return
        written, left = export_task_files(opened, out)
    console.print(plain(f"{written:,} task files in {out}"), soft_wrap=True)
    if left:
        console.print(f"{left:,} tasks have no instruction and are left out")


@app.command("import")
def take_over(
    path: Annotated[
        Path, typer.Argument(help="JSON lines with `task`, and `text` or `steps`.", metavar="FILE")
    ],
    tasks: Annotated[str, _option("tasks")],
    out: Annotated[Path, typer.Option(help="A new directory for the run.")],
    split: Annotated[str | None, _option("split")] = None,
    track: Annotated[str | None, _option("track")] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on without lines and tasks that are wrong.")
    ] = False,
) -> None:
    """Take over instructions that people or another tool wrote, and check them."""
    flags = {"tasks": tasks, "split": split, "track": track, "skip_bad": skip_bad or None}
    asked = {name: value for name, value in flags.items() if value is not None}
    problems = import_instructions(path, out, asked)
    with StepsRun.read(out) as run:
        print_statistics(run)
    for problem in problems:
        console.print(plain(f"skipped: {problem.what}", style="yellow"), soft_wrap=True)
