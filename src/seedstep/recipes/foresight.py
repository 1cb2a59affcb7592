"""Foresee what a stage would do and ask, without asking or changing anything: dry runs.

A dry run refuses what the run would refuse, but needs neither a server nor its key. What a stage
asks is estimated, without the replies that the run has.

Example::

    work = foresee_work(STEPS, Path("runs/steps"), {"tasks": "more_tasks.jsonl"})
    print(work.told, work.view.counts)
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.bootstrap import preview
from seedstep.bootstrap.previews import assumed_yields
from seedstep.bootstrap.settings import WINDOW_BY_BATCH
from seedstep.infer.predict import preview_answers
from seedstep.llm import Engine, KeptAnswers, Preview, Spent, known_model
from seedstep.llm.settings import AskingSettings
from seedstep.recipes.bootstrap import entries_of
from seedstep.recipes.distilling import outputs_work
from seedstep.recipes.evaluation import verdicts_work
from seedstep.recipes.predictions import (
    spent_by_model,
    split_settings,
    system_defaults,
    unnamed,
    with_official_limit,
)
from seedstep.recipes.steps import examples_work, instructions_work
from seedstep.recipes.tasks import StageWork, closed_engine, finish, still_asked, unfit
from seedstep.runs import ChosenSystem, Failed, PredictionsRun, Removed, Run, Stage
from seedstep.runs.batches import RunLedger
from seedstep.runs.foresight import (
    FORESEEN,
    ForeseenWork,
    config_before,
    foresee,
    replies_ahead,
    tasks_left,
    yields_of,
)
from seedstep.runs.lists import FailedPredictions, failed_predictions
from seedstep.runs.prediction_lists import plan_predictions
from seedstep.runs.predictions import work_without
from seedstep.stages import BOOTSTRAP, DISTILL, EXAMPLES, JUDGE, PREDICT, STEPS
from seedstep.stages.predict import plan_begin

__all__ = [
    "foresee_predictions",
    "foresee_tasks",
    "foresee_work",
]


def foresee_tasks(
    out: Path | None, asked: Mapping[str, Any], *, same_model: bool = False
) -> ForeseenWork:
    """Return what `self_instruct` would do to begin or go on with a run; nothing is changed.

    `left` counts the tasks that are to be finished.

    Raises:
        SeedstepError: as there.
    """
    entries = entries_of()
    with foresee(BOOTSTRAP, out, asked, same_model=same_model, entries=entries) as run:
        left = run.settings.tasks - run.records.finished()
        yields = yields_of(run.database)
        window = run.settings.window
        is_new = not config_before(run)
        by_batch = asked.get("window", WINDOW_BY_BATCH) if is_new else window
        settings, ahead = replace(run.settings, tasks=left), replies_ahead(run.database)
        view = preview(settings, run.inputs(), by_batch, yields, ahead)
        told = (*run.changes.told, *_about_budget(run.settings, run.spent(), view))
        accepted, good = yields or assumed_yields(run.settings)
        assumed = (
            f"{'as so far, ' if yields else ''}{accepted:.3g} accepted instructions a request, "
            f"{good:.0%} of them with a good instance, 4 characters a token."
        )
        if by_batch != window:
            assumed += f" The window is {window:,} live, {by_batch:,} by batch."
        pace = run.records.status().per_minute
        return ForeseenWork(run.settings, told, view, left, assumed, run.inputs(), pace)


WORK: Mapping[str, Callable[[Run[Any, Any, Any]], StageWork]] = MappingProxyType(
    {
        STEPS.name: instructions_work,
        EXAMPLES.name: examples_work,
        DISTILL.name: outputs_work,
        JUDGE.name: verdicts_work,
    }
)
"""How the stages work that make one record for each task."""


def foresee_work(
    stage: Stage[Any, Any, Any],
    out: Path | None,
    asked: Mapping[str, Any],
    removed: Removed = "keep",
    *,
    failed: Failed = "keep",
    same_model: bool = False,
) -> ForeseenWork:
    """Return what a stage of `WORK` would do to begin or go on with a run; nothing is changed.

    `left` counts the tasks that are to be done, or for a stage that works on instances, those.

    Raises:
        SeedstepError: as the stage.
    """
    how: dict[str, Any] = {"removed": removed, "failed": failed, "same_model": same_model}
    with foresee(stage, out, asked, **how) as run:
        settings, work = run.settings, WORK[stage.name](run)
        model = (settings.model.name, settings.model.base_url, run.identity_url)
        engine = closed_engine(run, model)
        unsure = [task for task in run.tasks().tasks if task.id in run.changes.unsure]
        other = {task.id for task in finish(unfit(work, unsure, engine, Spent()))}
        here = {*(task.id for task in tasks_left(run)), *other}
        left = [task for task in run.tasks().tasks if task.id in here]
        view, _ = finish(still_asked(work, left, engine, Spent()))
        told = (*run.changes.told, *work.notes, *_about_budget(settings, run.spent(), view))
        return ForeseenWork(settings, told, view, sum(map(work.size, left)))


def foresee_predictions(
    out: Path | None,
    asked: Mapping[str, Any],
    name: str | None = None,
    *,
    failed: Failed = "keep",
    same_model: bool = False,
) -> ForeseenWork:
    """Return what `predict` would do to begin or go on with a system; nothing is changed.

    `left` counts the instances that are to be predicted.

    Raises:
        SeedstepError: as there.
    """
    chosen, other = split_settings(asked, "settings")
    chosen, notes = with_official_limit(out or Path(FORESEEN), chosen)
    with foresee(PREDICT, out, chosen) as run:
        plan = plan_predictions(run, config_before(run))
        name = name or unnamed(run, other.get("model"))
        defaults, more = system_defaults(other)
        listed = run.inputs().tasks
        system, fit = plan_begin(
            run, listed, name, other, defaults, same_model=same_model, plan=plan
        )
        again = failed_predictions(run.database, system, failed)
        work = work_without(system, fit.done - again.places)
        spent, _ = spent_by_model(run, system.settings)
        view = preview_answers(system.settings, work, _answers_of(run, system, again))
        told = (*plan.changes.told, *system.changes.told, *again.told, *notes, *more)
        told += (*_about_budget(system.settings, spent, view),)
        return ForeseenWork(system.settings, told, view, sum(len(each.instances) for each in work))


def _answers_of(
    run: PredictionsRun, system: ChosenSystem, again: FailedPredictions
) -> KeptAnswers | None:
    """Return the answers that a run has of a system; None if its model is not served."""
    if system.settings.kind != "server":
        return None
    model = system.settings.model
    endpoint = known_model(model.name, model.base_url, system.identity_url)
    ledger = RunLedger(run.database, model.name, again.passed_over)
    return KeptAnswers(Engine(endpoint, ledger, 1, reasoning=model.manner))


def _about_budget(settings: AskingSettings, spent: Spent, view: Preview) -> Iterator[str]:
    """Yield a note if the budget allows fewer requests than are estimated."""
    most = settings.budget.max_requests
    wanted = sum(view.counts.values())
    if most is not None and (left := max(0, most - spent.requests)) < wanted:
        yield f"max_requests {most:,} allows {left:,} more requests, then the run stops"
