"""The stage `distill`, in which another model writes outputs anew (the first paper, Figure 7)."""

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from seedstep.data import Task, TaskList
from seedstep.errors import InputError
from seedstep.infer.distill import (
    LEFT_OUT,
    DistilledTask,
    DistillSettings,
    LeftOut,
    preview_outputs,
    rewrite_outputs,
)
from seedstep.inputs import load_source
from seedstep.llm.settings import require_price
from seedstep.runs import (
    Blocks,
    DistillRun,
    Line,
    Rule,
    Stage,
    StageWork,
    TaskRecords,
    digest,
    has_rows,
    labelled,
    line,
)
from seedstep.runs.made_tasks import read_distilled_tasks
from seedstep.runs.tasks import (
    GROWING,
    TASKS_CHANGEABLE,
    asking_of,
    contents_of,
    entry_line,
    entry_title,
    spending_line,
)
from seedstep.text import counted
from seedstep.tune import make_source

if TYPE_CHECKING:
    from seedstep.llm import Engine, Spent

__all__ = ["DISTILL", "load_distill_tasks", "outputs_work"]


def load_distill_tasks(settings: DistillSettings) -> TaskList:
    """Return the tasks of the source that have instances.

    Raises:
        InputError: no source is named, it can't be read, or it has no instances.
    """
    require_price(settings)
    if settings.source is None:
        raise InputError("no instances to write outputs for", "name a run or a file: distill RUN")
    source = make_source(settings.source)
    found = load_source(source, limit=settings.limit_instances, skip_bad=settings.skip_bad)
    tasks = tuple(task for task in found.tasks if task.instances)
    if not tasks:
        what = f"{settings.source} has no instances, so that there is no output to write anew"
        raise InputError(what, "name a bootstrap's run, an export, or a file of instances")
    return replace(found, tasks=tasks)


def _stamps(settings: DistillSettings, inputs: TaskList) -> dict[str, str]:
    return {"tasks_fingerprint": digest(inputs.tasks)}


def _contents(inputs: TaskList) -> dict[str, str]:
    """Return the fingerprint of each task with the frame in which it is sent, by its id."""
    if not inputs.whole_prompts:
        return contents_of(inputs)
    return {task.id: digest([task, "whole prompt"]) for task in inputs.tasks}


def _left_out(run: DistillRun) -> Iterator[LeftOut]:
    return chain.from_iterable(entry.result.left_out for entry in run.entries())


def _status(run: DistillRun) -> Blocks:
    """Show how many instances have new outputs, why others are left out, and the requests."""
    done = [entry.result for entry in run.entries()]
    written = sum(len(task.instances) for task in done)
    changed = sum(task.changed for task in done)
    yield line(
        f"{written:,} outputs written anew in {len(done):,} tasks, {changed:,} of them other than "
        "before"
    )
    for reason, count in Counter(each.reason for each in _left_out(run)).most_common():
        yield line(f"left out: {reason} {count:,} ({LEFT_OUT[reason]})", "warning")
    yield spending_line(run)


def _listed(run: DistillRun) -> Blocks:
    for entry in run.entries():
        head = f"{entry.task}  {len(entry.result.instances)} outputs"
        missing = len(entry.result.left_out)
        yield entry_line(head, f"{missing} left out" if missing else "")


def _rejected(run: DistillRun) -> Blocks:
    for entry in run.entries():
        for each in entry.result.left_out:
            yield entry_line(f"{entry.task}  {each.instance}", each.reason)


def _shown(run: DistillRun, name: str) -> Blocks:
    """Show a task with the old and the new output of each instance."""
    entry = run.records.entry(name)
    found = entry.result
    yield from entry_title(entry.task, entry.category, entry.definition)
    for instance, before in zip(found.instances, found.before, strict=True):
        yield Rule(instance.id)
        if instance.input:
            yield labelled("input", instance.input)
        yield labelled("before", before, "dim")
        yield labelled("output", instance.output)
    yield from map(_missing, found.left_out)


def _missing(each: LeftOut) -> Line:
    detail = each.detail or LEFT_OUT[each.reason]
    return labelled(f"{each.instance} left out", f"{each.reason} ({detail})", "warning")


def _rows(run: DistillRun) -> Iterator[dict[str, Any]]:
    """Yield a row for each new output."""
    for entry in run.entries():
        found = entry.result
        for instance, before in zip(found.instances, found.before, strict=True):
            yield {
                "id": instance.id,
                "task": entry.task,
                "instruction": entry.definition,
                "input": instance.input,
                "output": instance.output,
                "before": before,
                "is_classification": found.is_classification,
            }


def _unwritten(found: DistilledTask) -> tuple[str, ...]:
    return tuple(left.request for left in found.left_out if left.request)


def _card(*given: Any) -> str:
    from seedstep.exports.hub import distilled_card

    return distilled_card(*given)


def outputs_work(run: DistillRun) -> StageWork:
    """Return how the outputs of the tasks of a run are written anew."""
    whole = run.inputs().whole_prompts

    def stage(
        tasks: tuple[Task, ...], engine: "Engine", spent: "Spent"
    ) -> AsyncGenerator[DistilledTask]:
        return rewrite_outputs(run.settings, tasks, engine, whole_prompts=whole)

    estimate = partial(preview_outputs, run.settings, whole_prompts=whole)
    return StageWork(stage, _told, estimate, lambda task: len(task.instances))


def _told(distilled: DistilledTask) -> str:
    reasons = dict.fromkeys(each.reason for each in distilled.left_out)
    written = f"{counted(len(distilled.instances), 'output')} written"
    left = f", {len(distilled.left_out)} left out ({', '.join(reasons)})" if reasons else ""
    return f"{written}{left}"


DISTILL: Stage[DistillSettings, TaskList, TaskRecords[DistilledTask]] = Stage(
    name="distill",
    settings=DistillSettings,
    load=load_distill_tasks,
    records=lambda run: TaskRecords(run, DistilledTask),
    rows=_rows,
    tasks=read_distilled_tasks,
    card=_card,
    work=outputs_work,
    stamps=_stamps,
    made=has_rows("requests", "results"),
    contents=_contents,
    asking=asking_of,
    unanswered=_unwritten,
    places=("source",),
    changeable=(*TASKS_CHANGEABLE, *GROWING, "limit_instances"),
    asks_model=True,
    status=_status,
    listed=_listed,
    rejected=_rejected,
    shown=_shown,
    columns=(("instances", "Instances"),),
    sections=("distilled", "asking"),
)
"""The entry of the stage in which a model writes outputs anew."""
