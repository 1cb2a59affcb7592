"""The stages `steps` and `examples` (the second paper, sections 3.1 and 3.2)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedstep.data import Example, Task, TaskFiles
from seedstep.errors import InputError
from seedstep.llm.settings import require_price
from seedstep.runs import (
    Blocks,
    Entry,
    ExamplesInputs,
    ExamplesRun,
    Line,
    Rows,
    Rule,
    Run,
    Stage,
    StepsRun,
    TaskRecords,
    Words,
    digest,
    has_rows,
    labelled,
    line,
    read_run_tasks,
)
from seedstep.stages.telling import (
    GROWING,
    PLACES,
    TASKS_CHANGEABLE,
    asking_of,
    contents_of,
    entry_line,
    entry_title,
    lister,
    row_of,
    spending_line,
    stamp_tasks,
)
from seedstep.steps import (
    ExampleSet,
    ExamplesSettings,
    StepsSettings,
    StepsStatistics,
    Turn,
    WrittenSteps,
    differences,
    examples_statistics,
    parse,
    render,
    statistics,
)

__all__ = ["EXAMPLES", "STEPS", "load_examples_tasks", "load_steps_tasks"]


INSTANCES_SHOWN = 2
"""How many instances of a machine-generated task are used as its positive examples."""


def load_steps_tasks(settings: StepsSettings) -> TaskFiles:
    """Return all tasks of the settings, or the finished ones of a run.

    Raises:
        InputError: no tasks are named, or one can't be read.
    """
    require_price(settings)
    grown = read_run_tasks(Path(settings.chosen.path)) if settings.chosen.path else None
    if grown is not None:
        return TaskFiles(tuple(map(_with_examples, grown)), ())
    return replace(settings.chosen, limit_tasks=None, limit_instances=0).load()


def _with_examples(task: Task) -> Task:
    """Return a task of a run with its first instances as positive examples, if it has none."""
    shown = tuple(
        Example(example.input, example.output) for example in task.instances[:INSTANCES_SHOWN]
    )
    return replace(task, instances=(), positive_examples=task.positive_examples or shown)


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


def _turns_to_ask(turns: Sequence[Turn], failure: str) -> list[str]:
    """Return the keys of the turns without a reply; if there is none, and no result, of all."""
    failed = [turn.request for turn in turns if turn.failure]
    return failed or [turn.request for turn in turns if failure]


def _unwritten(written: WrittenSteps) -> tuple[str, ...]:
    keys = _turns_to_ask(written.turns, written.failure) if written.failure else []
    if written.judgement and written.judgement.reason:
        keys.append(written.judgement.request)
    return tuple(filter(None, keys))


STEPS: Stage[StepsSettings, TaskFiles, TaskRecords[WrittenSteps]] = Stage(
    name="steps",
    settings=StepsSettings,
    load=load_steps_tasks,
    records=lambda run: TaskRecords(run, WrittenSteps),
    rows=_rows,
    stamps=stamp_tasks,
    made=has_rows("requests", "results"),
    contents=contents_of,
    asking=asking_of,
    unanswered=_unwritten,
    places=PLACES,
    changeable=(*TASKS_CHANGEABLE, *GROWING, *PLACES, "language"),
    asks_model=True,
    status=_status,
    listed=lister(_listed_entry),
    rejected=lister(_listed_entry, failed=True),
    shown=_shown,
    sections=("steps", "spending"),
)
"""The entry of the stage that writes a step-by-step instruction for each task."""


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


def _examples_status(run: ExamplesRun) -> Blocks:
    """Show how many tasks have examples, which tasks have none, and the requests and tokens."""
    found = examples_statistics(entry.result for entry in run.entries())
    unranked = found.ranking_failures
    yield line(f"{found.made:,} tasks with examples, {unranked.total():,} of them not ranked")
    for what, counts in (("not ranked", unranked), ("without examples", found.failures)):
        for reason, number in counts.most_common():
            yield line(f"{what}: {reason} {number:,}")
    yield spending_line(run)


def _listed_set(entry: Entry[ExampleSet]) -> Line:
    found = entry.result
    head = f"{entry.task}  {len(found.candidates)} examples"
    return entry_line(head, found.failure or found.ranking_failure)


def _shown_set(run: ExamplesRun, name: str) -> Blocks:
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


def _example_rows(run: ExamplesRun) -> Iterator[dict[str, Any]]:
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
    keys = _turns_to_ask(made.turns, made.failure)
    if made.ranking_failure and not keys:
        keys.append(made.turns[-1].request)
    return tuple(filter(None, keys))


EXAMPLES: Stage[ExamplesSettings, ExamplesInputs, TaskRecords[ExampleSet]] = Stage(
    name="examples",
    settings=ExamplesSettings,
    load=load_examples_tasks,
    records=lambda run: TaskRecords(run, ExampleSet),
    rows=_example_rows,
    stamps=stamp_tasks,
    made=has_rows("requests", "results"),
    contents=_contents,
    asking=asking_of,
    unanswered=_unmade,
    places=("steps",),
    changeable=(*TASKS_CHANGEABLE, *GROWING, "steps"),
    asks_model=True,
    status=_examples_status,
    listed=lister(_listed_set),
    rejected=lister(_listed_set, failed=True),
    shown=_shown_set,
    sections=("examples", "spending"),
)
"""The entry of the stage that generates and ranks examples for each task."""
