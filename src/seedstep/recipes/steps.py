"""Write step-by-step instructions for tasks, or examples that follow them: tasks in, a run out.

Step-by-Step Instruction Tuning, sections 3.1 and 3.2, appendix C. Instructions can also be imported
from a file, or taken from those that come with seedstep.

Example::

    with write_instructions("runs/steps", tasks="my_tasks.jsonl", model="openai:m") as run:
        for entry in run.entries():
            print(entry.task, entry.result.steps)
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Unpack

from seedstep.data import Problem, StrPath, Task
from seedstep.data.records import raise_first
from seedstep.data.written_tasks import steps_of
from seedstep.errors import InputError
from seedstep.inputs.tasks import StepsLine, read_steps
from seedstep.recipes.keywords import (
    ExamplesKeywords,
    ImportKeywords,
    StepsKeywords,
    SuperniKeywords,
)
from seedstep.recipes.stage_calls import StageCall, kept_inputs, plain_and_async, work_on
from seedstep.recipes.tasks import TaskWatch
from seedstep.runs import ExamplesRun, Failed, Removed, Run, StepsRun
from seedstep.settings import make_settings
from seedstep.stages import EXAMPLES, STEPS
from seedstep.stages.steps import instructions_work, load_steps_tasks
from seedstep.steps import (
    CHECKS,
    FAILURES,
    Check,
    StepsSettings,
    Turn,
    WrittenSteps,
    check,
    parse,
    render,
)
from seedstep.steps.records import SuperniInstruction, superni_instructions

__all__ = [
    "import_instructions",
    "make_examples",
    "make_examples_async",
    "take_superni",
    "work_on_examples",
    "work_on_instructions",
    "write_instructions",
    "write_instructions_async",
]


def _write_instructions(
    out: StrPath,
    *,
    checks: Mapping[str, Check] = CHECKS,
    watch: TaskWatch | None = None,
    same_model: bool = False,
    removed: Removed = "keep",
    failed: Failed = "keep",
    **settings: Unpack[StepsKeywords],
) -> StageCall[StepsRun]:
    """Have a model write step-by-step instructions, and return the run, opened for reading.

    `settings` are those of `seedstep.StepsSettings`. `checks` are applied in their order. To
    continue a run that was killed, make the same call again; no reply is requested twice.

    `tasks` may be a run that made tasks, or its path: a task without positive examples then has its
    first two instances in their place. Tasks in memory, those of `run.tasks()` too, are taken as
    they are: without positive examples a prompt has none.

    Where a budget is spent, the work ends without an error, and `stopped` of the run says so.

    Raises:
        InputError: a setting is not known or does not fit, or what it names can't be read.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model can't be asked: it can't be reached (`UnreachableError`), it denies
            the key (`DeniedError`), or a recording lacks a reply (`NotRecordedError`).
        RunError: another process works on the run (`RunBusyError`), it was begun with other
            settings (`RunMismatchError`), or it can't be read or written (`StoreError`).
    """
    how = partial(instructions_work, checks=checks)
    work = partial(
        work_on_instructions,
        watch=watch,
        same_model=same_model,
        removed=removed,
        failed=failed,
        make_work=how,
    )
    return StageCall(STEPS, out, settings, work)


write_instructions, write_instructions_async = plain_and_async(_write_instructions)


work_on_instructions = partial(work_on, STEPS)
"""Do the work of `write_instructions`, and return the progress that was made."""


def _make_examples(
    out: StrPath,
    *,
    watch: TaskWatch | None = None,
    same_model: bool = False,
    removed: Removed = "keep",
    failed: Failed = "keep",
    **settings: Unpack[ExamplesKeywords],
) -> StageCall[ExamplesRun]:
    """Have a model write examples by the instructions of a run; return the new run, opened.

    If `out` has a run, it is continued. `settings` are those of `seedstep.steps.ExamplesSettings`.

    Where a budget is spent, the work ends without an error, and `stopped` of the run says so.

    Raises:
        InputError: a setting is not known or does not fit, or what it names can't be read.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model can't be asked: it can't be reached (`UnreachableError`), it denies
            the key (`DeniedError`), or a recording lacks a reply (`NotRecordedError`).
        RunError: another process works on the run (`RunBusyError`), it was begun with other
            settings (`RunMismatchError`), or it can't be read or written (`StoreError`).
    """
    work = partial(
        work_on_examples, watch=watch, same_model=same_model, removed=removed, failed=failed
    )
    return StageCall(EXAMPLES, out, settings, work)


make_examples, make_examples_async = plain_and_async(_make_examples)


work_on_examples = partial(work_on, EXAMPLES)
"""Do the work of `make_examples`, and return the progress that was made."""


NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})

IMPORTED = "imported"
"""The name of the turn whose reply is the text of an imported instruction."""


def import_instructions(
    path: StrPath,
    out: StrPath,
    asked: Mapping[str, Any] = NO_SETTINGS,
    **settings: Unpack[ImportKeywords],
) -> StepsRun:
    """Make a run of the instructions in a file, and return it, opened for reading.

    With `skip_bad`, `problems` of the run are those of the lines that were skipped. `settings`
    choose the tasks: they are those of `seedstep.ImportSettings`. In version 0.1.0 they were given
    as `asked`. If the function fails, nothing is written.

    Raises:
        InputError: a line can't be read or names no task, unless `skip_bad` is set; or the run
            has instructions already.
        RunError: the directory can't be written.
    """
    path, out = Path(path), Path(out)
    problems: list[Problem] = []
    found: list[tuple[int, Task, WrittenSteps]] = []
    with kept_inputs(out, {**asked, **settings}) as chosen:
        made = make_settings(StepsSettings, chosen, "settings")
        tasks = load_steps_tasks(made).tasks
        places = {task.id: place for place, task in enumerate(tasks)}
        for line in read_steps(path, places):
            if isinstance(line, Problem):
                problems.append(line)
            else:
                task = tasks[places[line.task]]
                found.append((places[line.task], task, _examined(task, line)))
        if not made.chosen.skip_bad:
            raise_first(problems, "or add --skip-bad to go on without them")
        _write_new(out, chosen, found)
    run = Run.read(STEPS, out)
    run.problems = tuple(problems)
    return run


def _write_new(
    out: Path, settings: Mapping[str, Any], found: Sequence[tuple[int, Task, WrittenSteps]]
) -> None:
    """Write instructions to a new run."""
    with Run.start(STEPS, out, settings) as run:
        if run.records.count():
            raise InputError(f"{out} has instructions already", "name a new directory")
        run.records.write_now(found)


def take_superni(
    out: StrPath,
    asked: Mapping[str, Any] = NO_SETTINGS,
    **settings: Unpack[SuperniKeywords],
) -> StepsRun:
    """Make a run of the instructions that come with seedstep, and return it, opened for reading.

    `records.left()` of the run are the tasks that have none. `settings` choose the tasks, from a
    clone of SUPER-NATURALINSTRUCTIONS: they are those of `seedstep.SuperniSettings`. In version
    0.1.0 they were given as `asked`. If the function fails, nothing is written.

    Raises:
        InputError: none of the tasks has an instruction, or the run has instructions already.
        RunError: the directory can't be written.
    """
    known = superni_instructions()
    with kept_inputs(Path(out), {**asked, **settings}) as chosen:
        tasks = load_steps_tasks(make_settings(StepsSettings, chosen, "settings")).tasks
        found = [
            (place, task, _taken(task, known[task.id]))
            for place, task in enumerate(tasks)
            if task.id in known
        ]
        if not found:
            named = chosen.get("tasks")
            what = f"{named}: none of the tasks has an instruction that comes with seedstep"
            raise InputError(what, "name a clone of SUPER-NATURALINSTRUCTIONS after --tasks")
        _write_new(Path(out), chosen, found)
    return Run.read(STEPS, Path(out))


def _taken(task: Task, written: SuperniInstruction) -> WrittenSteps:
    """Return the two versions of an instruction as two turns; the second is the final one."""
    versions = (("unrefined", written.unrefined), ("refined", written.steps))
    turns = tuple(Turn(name, "", "", render(steps)) for name, steps in versions)
    findings = tuple(check(parse(turns[1].reply), task))
    return WrittenSteps(
        task.id,
        turns,
        unrefined=written.unrefined,
        steps=written.steps,
        findings=findings,
        chosen=1,
    )


def _examined(task: Task, line: StepsLine) -> WrittenSteps:
    written = line.written
    text = written if isinstance(written, str) else render(written)
    imported = WrittenSteps(
        task.id, (Turn(IMPORTED, "", "", text),), unrefined=steps_of(line.unrefined)
    )
    parsed = parse(text)
    if parsed.reason:
        return replace(imported, failure=parsed.reason, detail=FAILURES[parsed.reason])
    findings = tuple(check(parsed, task))
    return replace(imported, steps=parsed.steps, findings=findings, chosen=0)
