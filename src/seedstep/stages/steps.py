"""The stage `steps`, which writes step-by-step instructions (the second paper, section 3)."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedstep.data import Example, Task, TaskList
from seedstep.data.run_tasks import made_tasks
from seedstep.llm.settings import require_price
from seedstep.runs import (
    Blocks,
    Entry,
    Line,
    Rows,
    Rule,
    Stage,
    StageWork,
    StepsRun,
    TaskRecords,
    Words,
    has_rows,
    line,
    read_entries,
)
from seedstep.runs.batches import closed_engine, opened_engine, same_server
from seedstep.runs.database import Database
from seedstep.runs.tasks import (
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
    StepsSettings,
    StepsStatistics,
    Turn,
    WrittenSteps,
    differences,
    parse,
    render,
    statistics,
)
from seedstep.steps.records import QUESTIONS
from seedstep.text import language_of_texts, script_of

if TYPE_CHECKING:
    from seedstep.llm import Engine, Spent
    from seedstep.steps import Check

__all__ = ["STEPS", "instructions_work", "load_steps_tasks", "turns_to_ask"]


INSTANCES_SHOWN = 2
"""How many instances of a machine-generated task are used as its positive examples."""


def load_steps_tasks(settings: StepsSettings) -> TaskList:
    """Return all tasks of the settings, or the finished ones of a run.

    Raises:
        InputError: no tasks are named, or one can't be read.
    """
    require_price(settings)
    grown = made_tasks(Path(settings.chosen.path)) if settings.chosen.path else None
    if grown is not None:
        return TaskList(tuple(map(_with_examples, grown)))
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


def turns_to_ask(turns: Sequence[Turn], failure: str) -> list[str]:
    """Return the keys of the turns without a reply; if there is none, and no result, of all."""
    failed = [turn.request for turn in turns if turn.failure]
    return failed or [turn.request for turn in turns if failure]


def _unwritten(written: WrittenSteps) -> tuple[str, ...]:
    keys = turns_to_ask(written.turns, written.failure) if written.failure else []
    if written.judgement and written.judgement.reason:
        keys.append(written.judgement.request)
    return tuple(filter(None, keys))


def instructions_work(run: StepsRun, checks: "Mapping[str, Check] | None" = None) -> StageWork:
    """Return how step-by-step instructions are written for the tasks of a run."""
    from seedstep.steps import CHECKS, preview_steps, write_steps
    from seedstep.steps.checks import guarded_checks

    known = CHECKS if checks is None else guarded_checks(checks)

    async def stage(
        tasks: tuple[Task, ...], engine: "Engine", spent: "Spent"
    ) -> AsyncGenerator[WrittenSteps]:
        async with (
            _judge(run, engine, spent) as judge,
            aclosing(write_steps(run.settings, tasks, engine, judge, known)) as results,
        ):
            async for written in results:
                yield written

    notes = tuple(_about_language(run))
    return StageWork(stage, _findings, partial(preview_steps, run.settings), notes=notes)


def _about_language(run: StepsRun) -> Iterator[str]:
    """Yield a note on tasks that are in another language, which their letters do not tell."""
    settings = run.settings
    texts = [task.definition for task in run.tasks().tasks]
    script = script_of(texts)
    language = language_of_texts(texts)
    is_foreign = script.tokens == "unicode" or language != "unknown"
    if settings.language is None and script.is_latin and is_foreign and language != "English":
        name = "NAME" if language == "unknown" else language
        yield (
            "the tasks seem not to be in English, and the prompts are: "
            f"--language {name} asks for instructions in that language"
        )


@asynccontextmanager
async def _judge(run: StepsRun, engine: "Engine", spent: "Spent") -> AsyncIterator["Engine | None"]:
    settings = run.settings
    if settings.judge is None:
        yield None
        return
    model = (settings.judge, settings.judge_base_url, run.identity_of("judge_base_url"))
    own = (settings.model.name, settings.model.base_url, run.identity_url)
    if same_server(model) == same_server(own):
        yield engine
        return
    from seedstep.llm import KeptAnswers

    if isinstance(engine, KeptAnswers):
        yield KeptAnswers(closed_engine(run, model), engine)
        return
    async with opened_engine(run, model, spent) as judge:
        judge.stats.notes = engine.stats.notes
        yield judge


def _findings(written: WrittenSteps) -> str:
    return ", ".join(finding.name for finding in written.findings)


def _labels(database: Database, question: str) -> Mapping[tuple[str, str], str]:
    """Return what the judge said, as yes or no."""
    found = {}
    for entry in read_entries(database, WrittenSteps):
        if (judgement := entry.result.judgement) is not None:
            said = judgement.correct if question == "correct" else judgement.complete
            found[entry.task, question] = "" if said is None else "yes" if said else "no"
    return found


STEPS: Stage[StepsSettings, TaskList, TaskRecords[WrittenSteps]] = Stage(
    name="steps",
    settings=StepsSettings,
    load=load_steps_tasks,
    records=lambda run: TaskRecords(run, WrittenSteps),
    makes="instructions",
    rows=_rows,
    labels=_labels,
    questions=QUESTIONS,
    work=instructions_work,
    stamps=stamp_tasks,
    made=has_rows("requests", "results"),
    contents=contents_of,
    asking=asking_of,
    unanswered=_unwritten,
    places=PLACES,
    changeable=(*TASKS_CHANGEABLE, *GROWING, "language"),
    asks_model=True,
    status=_status,
    listed=lister(_listed_entry),
    rejected=lister(_listed_entry, failed=True),
    shown=_shown,
    columns=(("steps", "Steps"),),
    sections=("steps", "spending"),
)
"""The entry of the stage that writes a step-by-step instruction for each task."""
