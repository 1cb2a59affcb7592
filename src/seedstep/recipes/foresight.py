"""Foresee how a run would go on, and what a stage would do and ask, without changing anything.

A dry run refuses what the run would refuse, but needs neither a server nor its key. What a stage
asks is estimated, without the replies that the run has.

Example::

    work = foresee_work(STEPS, Path("runs/steps"), {"tasks": "more_tasks.jsonl"})
    print(work.notes, work.view.counts)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from seedstep.bootstrap import preview
from seedstep.bootstrap.previews import assumed_yields
from seedstep.bootstrap.settings import WINDOW_BY_BATCH
from seedstep.data import Task
from seedstep.infer.predict import preview_answers
from seedstep.llm import Engine, KeptAnswers, Preview, Spent, known_model
from seedstep.llm.settings import AskingSettings
from seedstep.recipes.bootstrap import entries_of
from seedstep.recipes.predictions import (
    spent_by_model,
    split_settings,
    system_defaults,
    unnamed,
    with_official_limit,
)
from seedstep.recipes.stage_calls import work_of
from seedstep.recipes.tasks import finish, still_asked, unfit
from seedstep.runs import ChosenSystem, PredictionsRun
from seedstep.runs.batches import RunLedger, closed_engine
from seedstep.runs.database import Database
from seedstep.runs.directory import (
    DATABASE,
    LOCK,
    NO_ENTRIES,
    resolve_settings,
    stored_config,
    take_lock,
)
from seedstep.runs.lists import (
    Failed,
    FailedPredictions,
    Removed,
    ask_again,
    failed_predictions,
    reconcile,
)
from seedstep.runs.prediction_lists import plan_predictions
from seedstep.runs.predictions import work_without
from seedstep.runs.run import Run
from seedstep.runs.stage import Stage
from seedstep.stages import BOOTSTRAP, PREDICT
from seedstep.stages.predict import plan_begin

__all__ = ["ForeseenWork", "foresee_predictions", "foresee_tasks", "foresee_work"]

FORESEEN = "run that is only foreseen"
"""Stands for the directory of a run that is not there."""

S = TypeVar("S", bound=Any)
Inputs = TypeVar("Inputs")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ForeseenWork:
    """What a stage would do to go on: its settings, notes, and what it would ask.

    `left` counts what there is to do. `assumed` says what the estimate goes by, where that depends
    on the run. `seeds` are those of a bootstrap, and `per_minute` the tasks that it finished in a
    minute so far, if that is known.
    """

    settings: Any
    notes: tuple[str, ...]
    view: Preview
    left: int = 0
    assumed: str = ""
    seeds: tuple[Task, ...] = ()
    per_minute: float | None = None


def foresee(
    stage: Stage[S, Inputs, R],
    path: Path | None,
    asked: Mapping[str, Any],
    *,
    removed: Removed = "keep",
    failed: Failed = "keep",
    same_model: bool = False,
    entries: Mapping[str, Any] = NO_ENTRIES,
) -> Run[S, Inputs, R]:
    """Open a run for reading, with the settings with which it would go on, and its `changes`.

    The arguments are those of `Run.start`. If there is no run, or no path, it is one without
    records.

    Raises:
        RunBusyError: another process works on the run.
        RunMismatchError: the run was started with other settings.
        InputError: an input file or a setting can't be used.
        RunError: the directory is something else.
    """
    path = path or Path(FORESEEN)
    if failed == "again":
        stage.require_again()
    settings, inputs, config = resolve_settings(
        stage, path, asked, same_model=same_model, entries=entries
    )
    if (path / LOCK).exists():
        take_lock(path).release()  # which it can't while another process works on the run
    file = path / DATABASE
    is_begun = (path / stage.config).exists() and file.exists()
    database = Database.as_now(file) if is_begun else Database.in_memory()
    run = Run(stage, path, settings, database, config, inputs)
    try:
        if is_begun:
            stage.check(run)
            if stage.asks_model:  # of predictions, it depends on the system what is to be done
                before = config_before(run)
                run.changes = (
                    reconcile(run, before, removed, write=False)
                    if stage.contents is not None
                    else stage.reconcile(run, before, removed)
                )
                if failed == "again":
                    run.changes = ask_again(run, run.changes, write=False)
    except BaseException:
        run.close()
        raise
    return run


def config_before(run: Run[Any, Any, Any]) -> dict[str, Any]:
    """Return the configuration with which a run was worked on last; empty if it is new."""
    path, stage = run.path, run.stage
    is_there = (path / stage.config).exists()
    return stored_config(stage.name, path, stage.config) if is_there else {}


def tasks_left(run: Run[Any, Any, Any]) -> tuple[Task, ...]:
    """Return the tasks of a run that was foreseen for which there would be no record."""
    changes = run.changes
    again = {*changes.changed, *changes.touched, *changes.failed}
    done = run.records.done() - again | {*changes.restored}
    return tuple(task for task in run.records.listed() if task.id not in done)


_AHEAD = """
SELECT purpose, count(*) FROM requests WHERE reply IS NOT NULL AND key NOT IN (
    SELECT request FROM generations
    UNION SELECT classification_request FROM candidates
    UNION SELECT instances_request FROM candidates
) GROUP BY purpose
"""
_YIELDS = """
SELECT (SELECT count(*) FROM generations), total(classification_request != ''),
    total(reason = '') FROM candidates
"""


def replies_ahead(database: Database) -> dict[str, int]:
    """Return how many replies of a bootstrap no retired generation has used, by purpose."""
    return dict(map(tuple, database.rows(_AHEAD)))


def yields_of(database: Database) -> tuple[float, float] | None:
    """Return the accepted instructions a request, and the tasks an accepted instruction, so far.

    Returns None as long as there is no finished task.
    """
    requests, accepted, finished = database.rows(_YIELDS)[0]
    return (accepted / requests, finished / accepted) if finished else None


def foresee_tasks(
    out: Path | None, asked: Mapping[str, Any], *, same_model: bool = False
) -> ForeseenWork:
    """Return what `self_instruct` would do to begin or go on with a run; nothing is changed.

    `left` counts the tasks that are to be finished.

    Raises:
        SeedstepError: `self_instruct` would raise it.
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
        told = (*run.changes.messages, *_about_budget(run.settings, run.spent(), view))
        accepted, good = yields or assumed_yields(run.settings)
        assumed = (
            f"{'as so far, ' if yields else ''}{accepted:.3g} accepted instructions a request, "
            f"{good:.0%} of them with a good instance, 4 characters a token."
        )
        if by_batch != window:
            assumed += f" The window is {window:,} live, {by_batch:,} by batch."
        pace = run.records.status().per_minute
        return ForeseenWork(run.settings, told, view, left, assumed, run.inputs(), pace)


def foresee_work(
    stage: Stage[Any, Any, Any],
    out: Path | None,
    asked: Mapping[str, Any],
    removed: Removed = "keep",
    *,
    failed: Failed = "keep",
    same_model: bool = False,
) -> ForeseenWork:
    """Return what a stage with `work` would do to begin or go on with a run; nothing is changed.

    `left` counts the tasks that are to be done, or for a stage that works on instances, those.

    Raises:
        SeedstepError: the stage would raise it.
    """
    how: dict[str, Any] = {"removed": removed, "failed": failed, "same_model": same_model}
    with foresee(stage, out, asked, **how) as run:
        settings, work = run.settings, work_of(stage)(run)
        model = (settings.model.name, settings.model.base_url, run.identity_url)
        engine = closed_engine(run, model)
        unsure = [task for task in run.records.listed() if task.id in run.changes.unsure]
        other = {task.id for task in finish(unfit(work, unsure, engine, Spent()))}
        here = {*(task.id for task in tasks_left(run)), *other}
        left = [task for task in run.records.listed() if task.id in here]
        view, _ = finish(still_asked(work, left, engine, Spent()))
        told = (*run.changes.messages, *work.notes, *_about_budget(settings, run.spent(), view))
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
        SeedstepError: `predict` would raise it.
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
        told = (*plan.changes.messages, *system.changes.messages, *again.messages, *notes, *more)
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
    return KeptAnswers(Engine(endpoint, ledger, 1, reasoning=model.reasoning_options))


def _about_budget(settings: AskingSettings, spent: Spent, view: Preview) -> Iterator[str]:
    """Yield a note if the budget allows fewer requests than are estimated."""
    most = settings.budget.max_requests
    wanted = sum(view.counts.values())
    if most is not None and (left := max(0, most - spent.requests)) < wanted:
        yield f"max_requests {most:,} allows {left:,} more requests, then the run stops"
