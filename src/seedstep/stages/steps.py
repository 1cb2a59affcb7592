"""The stage `steps`, which writes step-by-step instructions (the second paper, section 3.1)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedstep.data import Example, Task, TaskFiles
from seedstep.llm.settings import require_price
from seedstep.runs import (
    Blocks,
    Entry,
    Line,
    Rows,
    Rule,
    Stage,
    StepsRun,
    TaskRecords,
    Words,
    has_rows,
    line,
    open_database,
    read_grown_tasks,
    stage_of,
)
from seedstep.stages.telling import (
    GROWING,
    PLACES,
    TASKS_CHANGEABLE,
    asking_of,
    contents_of,
    entry_line,
    entry_title,
    row_of,
    spending_line,
    stamp_tasks,
)
from seedstep.steps import (
    StepsSettings,
    StepsStatistics,
    Turn,
    WrittenSteps,
    differences,
    parse,
    render,
    statistics,
)

__all__ = ["STEPS", "load_steps_tasks"]

EXAMPLES = 2
"""How many instances of a machine-generated task are used as its positive examples."""


def load_steps_tasks(settings: StepsSettings) -> TaskFiles:
    """Return all tasks of the settings, or the machine-generated ones of a bootstrap.

    Raises:
        InputError: no tasks are named, or one can't be read.
    """
    require_price(settings)
    path = Path(settings.chosen.path) if settings.chosen.path else None
    if path and stage_of(path) == "bootstrap":
        with open_database(path, "bootstrap") as database:
            return TaskFiles(tuple(map(_with_examples, read_grown_tasks(database))), ())
    return replace(settings.chosen, limit_tasks=None, limit_instances=0).load()


def _with_examples(task: Task) -> Task:
    """Return a machine-generated task with its first instances as positive examples."""
    shown = tuple(Example(example.input, example.output) for example in task.instances[:EXAMPLES])
    return replace(task, instances=(), positive_examples=shown)


def _records(run: StepsRun) -> TaskRecords[WrittenSteps]:
    return TaskRecords(run, WrittenSteps)


def _status(run: StepsRun) -> Blocks:
    """Show counts and means by category, as in Table 1 of the paper, faults, and the cost."""
    rows = statistics(run.entries())
    head = ("category", "tasks", "def. words", "words", "steps", "faulty", "none")
    yield Rows(tuple(map(_row, rows)), head)
    if rows:
        yield from _faults(rows[0])
    yield spending_line(run)


def _row(row: StepsStatistics) -> tuple[str, ...]:
    return (
        row.group,
        f"{row.tasks:,}",
        f"{row.definition_words:.1f}",
        _mean(row.words),
        _mean(row.steps),
        f"{row.faulty:,}",
        f"{row.failures.total():,}",
    )


def _mean(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _faults(everything: StepsStatistics) -> Iterator[Line]:
    groups = (("check failed", everything.findings), ("no instruction", everything.failures))
    for title, counts in groups:
        for name, count in counts.most_common():
            yield line(f"{title}: {name} {count:,} of {everything.tasks:,} tasks")
    if everything.judged:
        yield line(
            f"judged by a model: {everything.judged:,}, correct {everything.correct:,}, "
            f"complete {everything.complete:,}"
        )


def _listed(run: StepsRun) -> Blocks:
    for entry in run.entries():
        yield _listed_entry(entry)


def _rejected(run: StepsRun) -> Blocks:
    for entry in run.entries():
        if entry.result.failure:
            yield _listed_entry(entry)


def _listed_entry(entry: Entry[WrittenSteps]) -> Line:
    written = entry.result
    state = written.failure or ", ".join(finding.name for finding in written.findings)
    return entry_line(f"{entry.task}  {len(written.steps)} steps", state)


def _shown(run: StepsRun, name: str) -> Blocks:
    """Show a task with every turn, its changes, and the result."""
    entry = run.records.entry(name)
    written = entry.result
    yield from entry_title(entry.task, entry.category, entry.definition)
    before: Turn | None = None
    for number, turn in enumerate(written.turns):
        chosen = " (kept)" if number == written.chosen else ""
        yield Rule(f"{turn.name}{chosen}")
        yield from _turn(turn, before)
        before = turn
    if written.left_out:
        yield line(f"left out: {', '.join(written.left_out)}", "dim")
    yield Rule("step-by-step instruction")
    if written.failure:
        yield line(f"none: {written.failure} ({written.detail})", "error")
    yield line(render(written.steps))
    for finding in written.findings:
        yield line(f"{finding.name}: {finding.detail}", "warning")
    if written.judgement:
        yield line(_judged(written), "dim")


def _turn(turn: Turn, before: Turn | None) -> Iterator[Line]:
    """Show a reply; in a conversation, show the changes to the reply before."""
    is_new_draw = before is not None and turn.prompt == before.prompt
    yield line("the same prompt, drawn anew" if is_new_draw else turn.prompt, "dim")
    yield line("")
    if turn.failure:
        yield line(f"failed: {turn.failure}", "error")
        return
    earlier = render(parse(before.reply).steps) if before and not is_new_draw else ""
    steps = render(parse(turn.reply).steps)
    yield _changes(earlier, steps) if earlier and steps else line(turn.reply)


def _changes(earlier: str, later: str) -> Line:
    """Show the texts that were removed and added."""
    return Line(
        tuple(
            Words(part.text, "" if part.kind == "same" else part.kind)
            for part in differences(earlier, later)
        )
    )


def _judged(written: WrittenSteps) -> str:
    judgement = written.judgement
    if judgement is None or judgement.correct is None:
        return f"judge: no answer ({judgement.reason if judgement else ''})"
    answers = {True: "yes", False: "no", None: "no answer"}
    correct, complete = answers[judgement.correct], answers[judgement.complete]
    return f"judge: correct {correct}, complete {complete}"


def _rows(run: StepsRun) -> Iterator[dict[str, Any]]:
    for entry in run.entries():
        written = entry.result
        yield {
            **row_of(entry),
            "steps": list(written.steps),
            "unrefined": list(written.unrefined),
            "text": render(written.steps),
            "faults": [finding.name for finding in written.findings],
            "failure": written.failure,
        }


STEPS: Stage[StepsSettings, TaskFiles, TaskRecords[WrittenSteps]] = Stage(
    name="steps",
    settings=StepsSettings,
    load=load_steps_tasks,
    records=_records,
    rows=_rows,
    stamps=stamp_tasks,
    made=has_rows("requests", "results"),
    contents=contents_of,
    asking=asking_of,
    places=PLACES,
    changeable=(*TASKS_CHANGEABLE, *GROWING, *PLACES),
    asks_model=True,
    status=_status,
    listed=_listed,
    rejected=_rejected,
    shown=_shown,
    sections=("steps", "spending"),
)
"""The entry of the stage that writes a step-by-step instruction for each task."""
