"""The stage `examples`, which generates examples by step-by-step instructions (section 3.2)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seedstep.data import Example, TaskFiles
from seedstep.errors import InputError
from seedstep.llm.settings import require_price
from seedstep.runs import (
    Blocks,
    Entry,
    ExamplesRun,
    Line,
    Rule,
    Run,
    Stage,
    TaskRecords,
    has_rows,
    labelled,
    line,
)
from seedstep.stages.steps import STEPS
from seedstep.stages.telling import (
    TASKS_CHANGEABLE,
    entry_line,
    entry_title,
    row_of,
    spending_line,
    stamp_tasks,
)
from seedstep.steps import ExampleSet, ExamplesSettings, examples_statistics

__all__ = ["EXAMPLES", "instructions_of", "load_examples_tasks"]


def load_examples_tasks(settings: ExamplesSettings) -> TaskFiles:
    """Return the tasks of a run of instructions, without those that have none.

    Raises:
        InputError: no such run is named, or it has no instruction yet.
    """
    require_price(settings)
    with Run.read(STEPS, _named(settings)) as run:
        done = {entry.task for entry in run.entries() if entry.result.steps}
        tasks = tuple(task for task in run.tasks().tasks if task.id in done)
    if not tasks:
        raise InputError(f"{settings.steps} has no instructions yet", "write some first")
    return TaskFiles(tasks, ())


def instructions_of(settings: ExamplesSettings) -> dict[str, tuple[str, ...]]:
    """Return the steps of each task of the run that the settings name, by the task's id.

    Raises:
        InputError: the settings name no run.
    """
    with Run.read(STEPS, _named(settings)) as run:
        return {entry.task: entry.result.steps for entry in run.entries()}


def _named(settings: ExamplesSettings) -> Path:
    if settings.steps is None:
        raise InputError("no step-by-step instructions", "add --steps RUN")
    return Path(settings.steps)


def _records(run: ExamplesRun) -> TaskRecords[ExampleSet]:
    return TaskRecords(run, ExampleSet)


def _status(run: ExamplesRun) -> Blocks:
    """Show how many tasks have examples, which tasks have none, and the requests and tokens."""
    found = examples_statistics(entry.result for entry in run.entries())
    unranked = found.ranking_failures
    yield line(f"{found.made:,} tasks with examples, {unranked.total():,} of them not ranked")
    for what, counts in (("not ranked", unranked), ("without examples", found.failures)):
        for reason, number in counts.most_common():
            yield line(f"{what}: {reason} {number:,}")
    yield spending_line(run)


def _listed(run: ExamplesRun) -> Blocks:
    for entry in run.entries():
        yield _listed_entry(entry)


def _rejected(run: ExamplesRun) -> Blocks:
    for entry in run.entries():
        if entry.result.failure:
            yield _listed_entry(entry)


def _listed_entry(entry: Entry[ExampleSet]) -> Line:
    found = entry.result
    head = f"{entry.task}  {len(found.candidates)} examples"
    return entry_line(head, found.failure or found.ranking_failure)


def _shown(run: ExamplesRun, name: str) -> Blocks:
    """Show a task with its examples, and which of them were chosen."""
    entry = run.records.entry(name)
    found = entry.result
    yield from entry_title(entry.task, entry.category, entry.definition)
    chosen = {"drawn at random": found.drawn, "ranked best": found.ranked}
    for number, example in enumerate(found.candidates):
        marks = [mark for mark, places in chosen.items() if number in places]
        yield Rule(f"example {number + 1}" + "".join(f", {mark}" for mark in marks))
        yield from _example(example)
    for failure in (found.failure, found.ranking_failure):
        if failure:
            yield line(f"{failure} {found.detail}", "error")


def _example(example: Example) -> Iterator[Line]:
    for name in ("input", "output", "explanation"):
        if text := getattr(example, name):
            yield labelled(name, text)


def _rows(run: ExamplesRun) -> Iterator[dict[str, Any]]:
    for entry in run.entries():
        made = entry.result
        yield {
            **row_of(entry),
            "examples": [
                {"input": example.input, "output": example.output} for example in made.candidates
            ],
            "drawn": list(made.drawn),
            "ranked": list(made.ranked),
            "failure": made.failure,
        }


EXAMPLES: Stage[ExamplesSettings, TaskFiles, TaskRecords[ExampleSet]] = Stage(
    name="examples",
    settings=ExamplesSettings,
    load=load_examples_tasks,
    records=_records,
    rows=_rows,
    stamps=stamp_tasks,
    made=has_rows("requests", "results"),
    changeable=TASKS_CHANGEABLE,
    asks_model=True,
    status=_status,
    listed=_listed,
    rejected=_rejected,
    shown=_shown,
    sections=("examples", "spending"),
)
"""The entry of the stage that generates and ranks examples for each task."""
