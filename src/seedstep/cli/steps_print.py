"""Step-by-step instructions on the terminal: one with its turns, lists, statistics.

Example::

    print_entry(run.entry("task190_snli_classification"))
"""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from seedstep.cli.task_progress import print_spending
from seedstep.cli.terminal import console, plain
from seedstep.steps import (
    Described,
    Part,
    Statistics,
    Turn,
    Written,
    differences,
    measure,
    parse,
    render,
    statistics,
)
from seedstep.store import Entry, StepsRun

__all__ = ["print_checks", "print_entry", "print_list", "print_statistics"]


def print_list(entries: Iterable[Entry[Written]]) -> None:
    """Print a line for each task."""
    for entry in entries:
        state = entry.result.failure or ", ".join(one.name for one in entry.result.findings)
        line = plain(f"{entry.task}  {len(entry.result.steps)} steps")
        console.print(line + plain(f"  {state}", style="yellow"), soft_wrap=True)


def print_entry(entry: Entry[Written]) -> None:
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


def _judged(written: Written) -> str:
    judgement = written.judgement
    if judgement is None or judgement.correct is None:
        return f"judge: no answer ({judgement.reason if judgement else ''})"
    answers = {True: "yes", False: "no", None: "no answer"}
    correct, complete = answers[judgement.correct], answers[judgement.complete]
    return f"judge: correct {correct}, complete {complete}"


def print_statistics(run: StepsRun) -> None:
    """Print counts and means by category, checks failed, and cost."""
    described = [Described(one.category, one.definition, one.result) for one in run.entries()]
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


def _print_faults(everything: Statistics) -> None:
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
