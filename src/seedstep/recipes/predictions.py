"""Predict the answers of a system to the instances of tasks: tasks in, a run out.

Step-by-Step Instruction Tuning, section 4.2; Wang et al., 2022, section 5.

Example::

    with predict("runs/test", tasks="natural-instructions", split="test", model="local") as run:
        scores = score(run.predictions("local"), run.records.references())
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from seedstep.data import StrPath, TaskChoice
from seedstep.data.choice import OFFICIAL_INSTANCES
from seedstep.encode import Encoding
from seedstep.errors import BudgetReached, InputError
from seedstep.infer import PURPOSE, InstanceAnswer, answer_tasks
from seedstep.infer.settings import PredictSettings
from seedstep.inputs.systems import tunings_around
from seedstep.inputs.tasks import about_examples, encodings_of
from seedstep.llm import EngineStats, ModelRef, Price, Pricing, Spent, known_model
from seedstep.recipes.keywords import PredictKeywords
from seedstep.recipes.stage_calls import StageCall, plain_and_async
from seedstep.recipes.tasks import StageProgress, Watcher, share_notes, ticking
from seedstep.runs import TUNE_CONFIG, ChosenSystem, Failed, PredictionsRun, Run, stored_settings
from seedstep.runs.batches import RunLedger, has_open_batches
from seedstep.runs.lists import failed_predictions
from seedstep.runs.places import CONFIG, encoding_as_begun
from seedstep.runs.requests import read_spent_by_model
from seedstep.settings import make_settings, table
from seedstep.stages import PREDICT
from seedstep.stages.predict import begin_system, name_after
from seedstep.tune import TuneSettings
from seedstep.tune.mixing import TRAINING_RECORD, read_training_record

__all__ = [
    "PredictProgress",
    "PredictWatch",
    "encodings_beside",
    "predict",
    "predict_async",
    "spent_by_model",
    "split_settings",
    "system_defaults",
    "unnamed",
    "with_official_limit",
    "work_on_predictions",
]


@dataclass(slots=True)
class PredictProgress(StageProgress):
    """The progress of a system's predictions.

    `before` counts the predictions of earlier processes; `failed`, `empty` and `cut` count new
    ones. `started` is when the model was ready.
    """

    settings: PredictSettings
    name: str
    wanted: int
    before: int
    stats: EngineStats | None = None
    new: int = 0
    failed: int = 0
    empty: int = 0
    cut: int = 0

    @property
    def done(self) -> int:
        """The number of predictions in the run."""
        return self.before + self.new

    @property
    def counted(self) -> tuple[int, int, int]:
        """How many instances are predicted, how many by earlier processes, and how many wanted."""
        return self.done, self.before, self.wanted

    @property
    def per_second(self) -> float:
        """The number of instances that this process predicts in a second."""
        return self.new / self.seconds if self.seconds else 0.0

    def add(self, answers: list[InstanceAnswer]) -> None:
        """Count answers that were written to the run."""
        self.new += len(answers)
        self.failed += sum(bool(answer.failed) for answer in answers)
        self.empty += sum(not (answer.text or answer.failed) for answer in answers)
        self.cut += sum(answer.cut for answer in answers)


PredictWatch = Watcher[PredictProgress, list[InstanceAnswer]]
"""A watcher of predictions, called after each batch."""


def _predict(
    out: StrPath,
    *,
    name: str | None = None,
    watch: PredictWatch | None = None,
    same_model: bool = False,
    failed: Failed = "keep",
    **settings: Unpack[PredictKeywords],
) -> StageCall[PredictionsRun]:
    """Predict with a system, or continue to, and return the run, opened for reading.

    `settings` are those of `seedstep.data.TaskChoice` and of
    `seedstep.infer.settings.PredictSettings`; `encoding` may also be a name. The system is called
    `name`, by default after its model. To continue a run that was killed, make the same call
    again; no reply is requested twice.

    Where a budget is spent, the work ends without an error, and `stopped` of the run says so.

    Raises:
        InputError: a setting is not known or does not fit, or what it names can't be read.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model can't be asked: it can't be reached (`UnreachableError`), it denies
            the key (`DeniedError`), or a recording lacks a reply (`NotRecordedError`).
        RunError: another process works on the run (`RunBusyError`), it was begun with other
            settings (`RunMismatchError`), or it can't be read or written (`StoreError`).
    """
    how: dict[str, Any] = {"name": name, "watch": watch, "same_model": same_model, "failed": failed}
    work = partial(work_on_predictions, **how)
    return StageCall(PREDICT, out, settings, work)


predict, predict_async = plain_and_async(_predict)


async def work_on_predictions(
    out: Path,
    asked: Mapping[str, Any],
    name: str | None = None,
    watch: PredictWatch | None = None,
    *,
    same_model: bool = False,
    failed: Failed = "keep",
) -> PredictProgress:
    """Do the work of `predict`, and return the progress that was made."""
    chosen, other = split_settings(asked, "settings")
    chosen, official = with_official_limit(out, chosen)
    with Run.start(PREDICT, out, chosen) as run:
        name = name or unnamed(run, other.get("model"))
        defaults, notes = system_defaults(other)
        system = begin_system(run, name, other, defaults, same_model=same_model)
        again = failed_predictions(run.database, system, failed)
        if again.statements:
            run.database.write_together(again.statements)
        counts = run.records.counts(name)
        wanted = sum(len(task.instances) for task in system.tasks)
        progress = PredictProgress(system.settings, name, wanted, counts.predictions)
        progress.problems = run.tasks().problems
        progress.notes += [*run.changes.messages, *system.changes.messages, *again.messages]
        if run.changes.has_work or system.changes.has_work or again.places:
            progress.notes += _about_work(system, progress)
        progress.notes += [*official, *notes, *_about_steps(system), *_about_examples(system)]
        try:
            await _work(run, system, progress, watch)
        except BudgetReached as reached:
            progress.stopped = reached
        finally:
            await run.settle()
    return progress


def _about_work(system: ChosenSystem, progress: PredictProgress) -> Iterator[str]:
    """Yield a note on how many instances are left where the list or the settings changed."""
    left = progress.wanted - progress.before
    asks = f", {left:,} requests at the most" if system.settings.kind == "server" else ""
    yield f"to do: {left:,} of {progress.wanted:,} instances{asks}"


def with_official_limit(
    out: Path, chosen: dict[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the choice of tasks for a new run of a split, and a note on the instances it takes.

    Of each task of a split, SUPER-NATURALINSTRUCTIONS evaluates the first 100 instances.
    """
    has_split = chosen.get("split") is not None
    if not has_split or "limit_instances" in chosen or (out / CONFIG).exists():
        return chosen, ()
    note = (
        f"the first {OFFICIAL_INSTANCES} instances of each task, as SUPER-NATURALINSTRUCTIONS "
        "evaluates them; --limit-instances N takes another number"
    )
    return {**chosen, "limit_instances": OFFICIAL_INSTANCES}, (note,)


def unnamed(run: PredictionsRun, model: str | None) -> str:
    """Return the name of a system that was given none: after its model, or the run's only one.

    Raises:
        InputError: there is no model, and the run has several systems.
    """
    if model:
        return name_after(model)
    names = run.records.names()
    if len(names) > 1:
        raise InputError(f"{run.path} has several systems", f"add --name: {', '.join(names)}")
    return names[0] if names else PredictSettings().model.name


def _about_steps(system: ChosenSystem) -> Iterator[str]:
    """Yield notes on what may be a mistake: steps that are not shown, and tasks without steps."""
    kind = system.settings.encoding.steps
    if kind == "none":
        if system.settings.steps:
            yield "the encoding shows no steps: --steps changes nothing"
        return
    name = "unrefined_steps" if kind == "unrefined" else "steps"
    bare = sum(not getattr(task, name) for task in system.tasks)
    if bare:
        yield f"{bare:,} of {len(system.tasks):,} tasks have no step-by-step instruction to show"


def _about_examples(system: ChosenSystem) -> Iterator[str]:
    """Yield notes on generated examples that are not shown, and on tasks without any."""
    settings = system.settings
    if settings.generated.run is None:
        return
    if not settings.encoding.positive and settings.kind != "baseline":
        yield "the encoding shows no positive examples: --examples changes nothing"
    elif note := about_examples(system.tasks, settings.generated.choose):
        yield note


def split_settings(asked: Mapping[str, Any], source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide settings into those that choose tasks and those of the system.

    An encoding may be given by name. `source` says in messages where the settings come from.

    Raises:
        InputError: a setting is not known or does not fit.
    """
    names = table(TaskChoice)
    chosen = {key: value for key, value in asked.items() if key in names}
    system = PredictSettings.complete(
        {key: value for key, value in asked.items() if key not in names}, source
    )
    make_settings(TaskChoice, chosen, source)
    make_settings(PredictSettings, system, source)
    return chosen, dict(system)


def system_defaults(asked: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return default settings that a checkpoint has in its files, and notes about them.

    These are the encoding that it was tuned on, and that it learned to end its answers.
    """
    beside = encodings_beside(asked["model"]) if "model" in asked else None
    if beside is None:
        return {}, []
    path, encodings = beside
    if asked.get("protocol") or asked.get("encoding"):
        encoding, notes = next(iter(encodings.values()), Encoding()), []
    elif not encodings:
        what = (
            f"{asked['model']} was tuned, and {TUNE_CONFIG}, which has its encoding, is not there"
        )
        raise InputError(what, "say with --encoding how its prompts were made")
    elif len(encodings) > 1:
        what = f"{asked['model']} was tuned on prompts of several encodings: {', '.join(encodings)}"
        raise InputError(what, "say with --encoding which of them to predict with")
    else:
        ((name, encoding),) = encodings.items()
        notes = [f"the encoding is {name}, the one of {path}"]
    return {"encoding": asdict(encoding), "stop": ()}, notes


def encodings_beside(model: str) -> tuple[Path, dict[str, Encoding]] | None:
    """Return the encodings that a checkpoint was tuned on, by name, and the file that has them.

    Returns None if it was not tuned, or encodings without names if it was tuned and the file is not
    there, as where the model was copied alone.

    Raises:
        InputError: the file can't be read.
    """
    place = ModelRef.parse(model).path
    if place is None or not place.exists():
        return None
    for tuning in tunings_around(place):
        path = tuning / TUNE_CONFIG
        if stored := stored_settings(tuning):
            with encoding_as_begun(tuning):
                return path, encodings_of(make_settings(TuneSettings, stored, str(path)))
    return (place / TRAINING_RECORD, {}) if read_training_record(place) else None


async def _work(
    run: PredictionsRun, system: ChosenSystem, progress: PredictProgress, watch: PredictWatch | None
) -> None:
    work = run.records.work(system)
    if not work and not _has_open_batches(run, system):
        return
    kept = run.records.kept(system.name)
    frames = dict(kept.frames) if kept else {}

    def opened(stats: EngineStats | None, note: str) -> None:
        progress.notes += [note] if note else []
        if stats:
            share_notes(progress, stats)
        run.records.keep_frames(system.name, frames)
        progress.started = time.monotonic()

    model = system.settings.model.name
    spent, pricing = spent_by_model(run, system.settings)
    answers = answer_tasks(
        system.settings,
        work,
        ledger=RunLedger(run.database, model),
        spent=spent,
        pricing=pricing,
        identity_url=system.identity_url,
        opened=opened,
        frames=frames,
    )
    async with aclosing(answers) as batches, ticking(progress, watch):
        async for batch in batches:
            await run.records.record(system, batch)
            progress.add(batch)
            if watch:
                watch.retired(progress, batch)


def _has_open_batches(run: PredictionsRun, system: ChosenSystem) -> bool:
    """Return whether batches of a system are under way; those of others are not waited for."""
    if system.settings.kind != "server" or not has_open_batches(run.database):
        return False
    model = system.settings.model
    endpoint = known_model(model.name, model.base_url, system.identity_url)
    return has_open_batches(run.database, endpoint)


def spent_by_model(run: PredictionsRun, settings: PredictSettings) -> tuple[Spent, Pricing]:
    """Return what the run has spent, with the tokens of other models apart, and all prices.

    Raises:
        InputError: there is a budget in money, and the price of a model that was asked before is
            not known.
    """
    spent, others = run.spent(), dict[str, Price | None]()
    for model, tokens in read_spent_by_model(run.database).items():
        if model != settings.model.name:
            purpose = f"{PURPOSE} of {model}"
            mixed = spent.tokens[PURPOSE]
            spent.tokens[PURPOSE] = mixed - tokens
            spent.tokens[purpose] = tokens
            others[purpose] = _price_of(run, settings, model)
    return spent, replace(settings.pricing, others=others)


def _price_of(run: PredictionsRun, settings: PredictSettings, model: str) -> Price | None:
    """Return the price of a model by these settings, or else by those of a system that asked it."""
    name = model.partition(":")[2] or model
    asked = map(run.records.settings_of, run.records.names())
    budgets = [settings.budget, *(other.budget for other in asked if other.model.name == model)]
    price = next(filter(None, (budget.price_of(model) for budget in budgets)), None)
    if price is None and settings.budget.max_usd is not None:
        what = f"max_usd: the price of '{name}', which was asked in {run.path} too, is not known"
        remedy = f"add it in a --config file: prices: {{{name}: {{input: 0.15, output: 0.6}}}}"
        raise InputError(what, remedy)
    return price
