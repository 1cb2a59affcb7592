"""The stage `examples`, which generates examples by instructions (the second paper, appendix C)."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedstep.data import Example, Task
from seedstep.errors import InputError
from seedstep.llm.settings import require_price
from seedstep.runs import (
    Blocks,
    Entry,
    ExamplesInputs,
    ExamplesRun,
    Line,
    Rule,
    Run,
    Stage,
    StageWork,
    TaskRecords,
    digest,
    has_rows,
    labelled,
    line,
)
from seedstep.runs.tasks import (
    GROWING,
    TASKS_CHANGEABLE,
    asking_of,
    entry_line,
    entry_title,
    lister,
    row_of,
    spending_line,
    stamp_tasks,
)
from seedstep.stages.steps import STEPS, turns_to_ask
from seedstep.steps import (
    RANKING_FAILURES,
    ExampleSet,
    ExamplesSettings,
    examples_statistics,
)

if TYPE_CHECKING:
    from seedstep.llm import Engine, Preview, Spent

__all__ = ["EXAMPLES", "examples_work", "load_examples_tasks"]


def load_examples_tasks(settings: ExamplesSettings) -> ExamplesInputs:
    """Return the tasks of a run of instructions, without those that have none.

    A task that has changed since its instruction was written has none.

    Raises:
        InputError: no such run is named, or it has no instruction yet.
    """
    require_price(settings)
    with Run.read(STEPS, _named(settings)) as run:
        fits = run.records.fitting()
        done = {each.task: each.result.steps for each in run.entries() if each.task in fits}
        tasks = tuple(task for task in run.tasks().tasks if done.get(task.id))
        language = run.settings.language
    if not tasks:
        raise InputError(f"{settings.steps} has no instructions yet", "write some first")
    instructions = {task.id: done[task.id] for task in tasks}
    return ExamplesInputs(tasks, (), instructions=instructions, language=language)


def _contents(inputs: ExamplesInputs) -> dict[str, str]:
    """Return the fingerprint of each task with its steps, by its id."""
    return {task.id: digest([task, inputs.instructions[task.id]]) for task in inputs.tasks}


def _named(settings: ExamplesSettings) -> Path:
    if settings.steps is None:
        raise InputError("no step-by-step instructions", "add --steps RUN")
    return Path(settings.steps)


def _status(run: ExamplesRun) -> Blocks:
    """Show how many tasks have examples, which tasks have none, and the requests and tokens."""
    found = examples_statistics(entry.result for entry in run.entries())
    unranked = found.ranking_failures
    yield line(f"{found.made:,} tasks with examples, {unranked.total():,} of them not ranked")
    for what, counts in (("not ranked", unranked), ("without examples", found.failures)):
        for reason, number in counts.most_common():
            yield line(f"{what}: {reason} {number:,}")
    yield spending_line(run)


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
    ranking = RANKING_FAILURES.get(found.ranking_failure, "")
    for failure, detail in ((found.failure, found.detail), (found.ranking_failure, ranking)):
        if failure:
            yield line(f"{failure} {detail}", "error")


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


def _unmade(made: ExampleSet) -> tuple[str, ...]:
    keys = turns_to_ask(made.turns, made.failure)
    if made.ranking_failure and not keys:
        keys.append(made.turns[-1].request)
    return tuple(filter(None, keys))


def examples_work(run: ExamplesRun) -> StageWork:
    """Return how examples are generated for the tasks of a run."""
    from seedstep.steps import generate_examples
    from seedstep.steps.pipeline import preview_examples

    inputs = run.inputs()
    instructions, language = inputs.instructions, inputs.language

    def with_steps(tasks: Iterable[Task]) -> list[tuple[Task, tuple[str, ...]]]:
        return [(task, instructions[task.id]) for task in tasks]

    def stage(
        tasks: tuple[Task, ...], engine: "Engine", spent: "Spent"
    ) -> AsyncGenerator[ExampleSet]:
        return generate_examples(run.settings, with_steps(tasks), engine, language)

    def estimate(tasks: Sequence[Task]) -> "Preview":
        return preview_examples(run.settings, with_steps(tasks), language)

    return StageWork(stage, lambda result: str(result.ranking_failure), estimate)


EXAMPLES: Stage[ExamplesSettings, ExamplesInputs, TaskRecords[ExampleSet]] = Stage(
    name="examples",
    settings=ExamplesSettings,
    load=load_examples_tasks,
    records=lambda run: TaskRecords(run, ExampleSet),
    makes="generated examples",
    rows=_rows,
    work=examples_work,
    stamps=stamp_tasks,
    made=has_rows("requests", "results"),
    contents=_contents,
    asking=asking_of,
    unanswered=_unmade,
    places=("steps",),
    changeable=(*TASKS_CHANGEABLE, *GROWING),
    asks_model=True,
    status=_status,
    listed=lister(_listed_entry),
    rejected=lister(_listed_entry, failed=True),
    shown=_shown,
    columns=(("candidates", "Examples"),),
    sections=("examples", "spending"),
)
"""The entry of the stage that generates and ranks examples for each task."""
