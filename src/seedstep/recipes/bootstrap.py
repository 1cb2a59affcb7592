"""Run Self-Instruct: seed tasks in, a run directory with finished tasks out.

Example::

    with self_instruct("runs/first", tasks=25) as run:
        for task in run.tasks():
            print(task.definition)

The outputs of finished tasks, as those of others, can be written anew by another model (section 4.5
and Figure 7).

Example::

    with distill("runs/better", source="runs/first", model="openai:better") as run:
        export(run, "alpaca", "data")
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from seedstep.bootstrap import (
    FILTERS,
    BootstrapSettings,
    Filter,
    Gate,
    GateModel,
    Generation,
    bootstrap,
)
from seedstep.bootstrap.added_filters import changed_filters, check_filters
from seedstep.bootstrap.gates import check_own_gates
from seedstep.data import StrPath
from seedstep.errors import BudgetReached
from seedstep.infer.likelihood import open_scoring
from seedstep.llm import Engine, EngineStats, ModelRef, Spent, open_model
from seedstep.llm.embeddings import Encoder, open_encoder
from seedstep.llm.models import served_model
from seedstep.llm.records import LIVE
from seedstep.recipes.keywords import BootstrapKeywords, DistillKeywords
from seedstep.recipes.stage_calls import StageCall, plain_and_async, work_on
from seedstep.recipes.tasks import StageProgress, TaskWatch, Watcher, share_notes, ticking
from seedstep.runs import FILTERS_ENTRY, GATES_ENTRY, BootstrapRun, DistillRun, Failed, Removed, Run
from seedstep.runs.batches import has_open_batches, opened_engine, same_server
from seedstep.stages import BOOTSTRAP, DISTILL
from seedstep.stages.bootstrap import contamination_of, pool_of

__all__ = [
    "BootstrapProgress",
    "BootstrapWatch",
    "distill",
    "distill_async",
    "entries_of",
    "self_instruct",
    "self_instruct_async",
    "work_on_bootstrap",
    "work_on_outputs",
]


TASKS_TO_TELL = 5
"""How many tasks must be finished before the estimate of the time left is sure."""


@dataclass(slots=True)
class BootstrapProgress(StageProgress):
    """The progress of a bootstrap.

    `before` is the number of tasks that earlier processes had finished. `spent` is what all of them
    spent.
    """

    settings: BootstrapSettings
    stats: EngineStats = field(default_factory=EngineStats)
    before: int = 0
    generations: int = 0
    finished: int = 0
    instances: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    spent: Spent = field(default_factory=Spent)

    @property
    def usd_per_task(self) -> float | None:
        """US dollars spent for each finished task; None without prices, or without tasks."""
        finished = max(self.finished, self.before)
        usd = self.settings.pricing.usd(self.spent.tokens)
        return None if usd is None or not finished else usd / finished

    @property
    def counted(self) -> tuple[int, int, int]:
        """How many tasks are finished, how many of them by earlier processes, and are wanted."""
        return self.finished, self.before, self.settings.tasks

    @property
    def is_sure(self) -> bool:
        """Whether enough tasks are finished for a good estimate of the time left."""
        return self.finished - self.before >= TASKS_TO_TELL

    def add(self, generation: Generation) -> None:
        """Count a retired generation."""
        self.generations += 1
        for candidate in generation.candidates:
            if candidate.reason:
                self.rejected[candidate.reason] += 1
            else:
                self.finished += 1
                self.instances += len(candidate.task.instances)


BootstrapWatch = Watcher[BootstrapProgress, Generation]
"""A watcher of a bootstrap, called after each generation."""


def _self_instruct(
    out: StrPath,
    *,
    filters: Sequence[Filter] | Filter = FILTERS,
    own_gates: Sequence[Gate] | Gate = (),
    watch: BootstrapWatch | None = None,
    same_model: bool = False,
    **settings: Unpack[BootstrapKeywords],
) -> StageCall[BootstrapRun]:
    """Grow a pool of tasks from seed tasks, and return the run, opened for reading.

    `settings` are those of `seedstep.BootstrapSettings`. To continue a run that was killed, make
    the same call again; no reply is requested twice. The run may end with fewer tasks than
    requested: when a budget is spent, which the run's `stopped` then says, or when too few
    instructions are accepted. `status()` has the counts. `same_model` says that another `base_url`
    than before serves the same model. `filters` are applied in their order, and then gates: those
    of the settings, and `own_gates`. A run can only be continued with the filters and gates that it
    began with.

    Raises:
        InputError: a setting is not known or does not fit, or what it names can't be read.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model can't be asked: it can't be reached (`UnreachableError`), it denies
            the key (`DeniedError`), or a recording lacks a reply (`NotRecordedError`).
        RunError: another process works on the run (`RunBusyError`), it was begun with other
            settings (`RunMismatchError`), or it can't be read or written (`StoreError`).
    """
    work = partial(
        work_on_bootstrap,
        watch=watch,
        same_model=same_model,
        filters=filters,
        own_gates=own_gates,
    )
    return StageCall(BOOTSTRAP, out, settings, work)


self_instruct, self_instruct_async = plain_and_async(_self_instruct)


async def work_on_bootstrap(
    out: Path,
    asked: Mapping[str, Any],
    watch: BootstrapWatch | None = None,
    *,
    same_model: bool = False,
    filters: Sequence[Filter] | Filter = FILTERS,
    own_gates: Sequence[Gate] | Gate = (),
) -> BootstrapProgress:
    """Do the work of `self_instruct`, and return the progress that was made."""
    filters = check_filters(filters)
    gates = check_own_gates(own_gates)
    entries = entries_of(filters, gates)
    with Run.start(BOOTSTRAP, out, asked, same_model=same_model, entries=entries) as run:
        progress = BootstrapProgress(run.settings, before=run.records.finished())
        progress.notes += [*filter(None, [run.settings.about_window]), *run.changes.messages]
        try:
            await _work(run, progress, watch, filters, gates)
        except BudgetReached as reached:
            progress.stopped = reached
        finally:
            await run.settle()
    return progress


def entries_of(
    filters: Sequence[Filter] = FILTERS, own_gates: Sequence[Gate] = ()
) -> dict[str, Any]:
    """Return what a run's configuration has of filters and gates that are no settings."""
    return {
        FILTERS_ENTRY: changed_filters(filters),
        GATES_ENTRY: {gate.name: gate.meaning for gate in own_gates} or None,
    }


async def _work(
    run: BootstrapRun,
    progress: BootstrapProgress,
    watch: BootstrapWatch | None,
    filters: Sequence[Filter],
    gates: Sequence[Gate],
) -> None:
    settings = run.settings
    is_done = progress.before == settings.tasks
    if is_done:
        progress.finished = progress.before
    if is_done and not has_open_batches(run.database):
        if watch:
            watch.began(progress)
        return
    model = settings.model
    progress.spent = spent = run.spent()
    async with (
        AsyncExitStack() as stack,  # it ends after the engines, which may wait for batches
        opened_engine(run, (model.name, model.base_url, run.identity_url), spent) as engine,
        _gate_models(run, engine, spent) as models,
        _encoder(run, spent) as encoder,
    ):
        share_notes(progress, engine.stats)
        if is_done:
            await stack.enter_async_context(ticking(progress, watch))
            return
        retired = run.records.retired
        stage = bootstrap(
            settings,
            run.inputs(),
            engine,
            contamination_of(settings),
            filters,
            gates,
            retired.read(progress.notes.append),
            models,
            encoder,
            pool_of(settings),
        )
        await stack.enter_async_context(ticking(progress, watch))
        async with aclosing(stage) as generations:
            async for generation in generations:
                await retired.record(generation)
                progress.add(generation)
                if watch:
                    watch.retired(progress, generation)
        await retired.end()


@asynccontextmanager
async def _gate_models(
    run: BootstrapRun, engine: Engine, spent: Spent
) -> AsyncIterator[dict[str, GateModel]]:
    """Open the models of gates that don't ask the run's. All share its ledger and its budget.

    A model that several gates ask is opened once, and that of the run is not opened again.
    """
    settings = run.settings
    identities = run.identity_of("gate_base_urls") or {}
    named = {**dict.fromkeys(settings.scoring_gates, settings.model.name), **settings.gate_models}
    usual = _Asked(settings.model.name, settings.model.base_url, run.identity_url)
    opened: dict[object, Engine] = {usual.server: engine}
    found = {}
    async with AsyncExitStack() as stack:
        for gate, model in named.items():
            scores = gate in settings.scoring_gates and ModelRef.parse(model).provider.likelihoods
            if gate not in settings.gate_models and not scores:
                continue  # the run's own, at its server
            url = settings.gate_base_urls.get(gate)
            asked = _Asked(model, url, identities.get(gate), scores)
            if asked.server not in opened:
                opened[asked.server] = await _opened(run, asked, engine, spent, stack)
            converses = not scores and served_model(model).style != "completion"
            found[gate] = GateModel(opened[asked.server], converses)
        yield found


@dataclass(frozen=True, slots=True)
class _Asked:
    """A gate's model, its address or addresses, and that in keys; whether a checkpoint scores."""

    model: str
    base_url: str | list[str] | None
    identity_url: str | None
    scores: bool = False

    @property
    def server(self) -> object:
        """What is equal for models at one server."""
        return self.scores, same_server((self.model, self.base_url, self.identity_url))


async def _opened(
    run: BootstrapRun, asked: _Asked, engine: Engine, spent: Spent, stack: AsyncExitStack
) -> Engine:
    """Open the engine of a gate's model, which is closed with the stack."""
    settings = run.settings
    in_flight = settings.model.in_flight
    opening = (
        open_scoring(asked.model)
        if asked.scores
        else open_model(asked.model, asked.base_url, in_flight, asked.identity_url)
    )
    takes = ModelRef.parse(asked.model).provider.takes_batches
    made = Engine(
        await stack.enter_async_context(opening),
        run.ledger,
        in_flight,
        settings.budget,
        spent,
        settings.pricing,
        sending=settings.model.sending if takes else LIVE,
    )
    made.stats = engine.stats  # the progress counts the requests of all
    opened = await stack.enter_async_context(made)
    await opened.check()
    return opened


@asynccontextmanager
async def _encoder(run: BootstrapRun, spent: Spent) -> AsyncIterator[Encoder | None]:
    """Open the encoder that the settings name, if they do. It shares the ledger and the budget."""
    settings = run.settings
    if settings.semantic is None:
        yield None
        return
    async with open_encoder(
        settings.semantic,
        settings.semantic_base_url,
        run.ledger,
        settings.model.in_flight,
        identity_url=run.identity_of("semantic_base_url"),
        budget=settings.budget,
        spent=spent,
        pricing=settings.pricing,
    ) as encoder:
        yield encoder


def _distill(
    out: StrPath,
    *,
    watch: TaskWatch | None = None,
    same_model: bool = False,
    removed: Removed = "keep",
    failed: Failed = "keep",
    **settings: Unpack[DistillKeywords],
) -> StageCall[DistillRun]:
    """Have a model write the outputs of instances anew, and return the run, opened for reading.

    Instructions and inputs are kept. `settings` are those of
    `seedstep.infer.distill.DistillSettings`. To continue a run that was killed, make the same call
    again; no reply is requested twice.

    Where a budget is spent, the work ends without an error, and `stopped` of the run says so.

    Raises:
        InputError: a setting is not known or does not fit, what it names can't be read, or there
            are no instances.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model can't be asked: it can't be reached (`UnreachableError`), it denies
            the key (`DeniedError`), or a recording lacks a reply (`NotRecordedError`).
        RunError: another process works on the run (`RunBusyError`), it was begun with other
            settings (`RunMismatchError`), or it can't be read or written (`StoreError`).
    """
    work = partial(
        work_on_outputs, watch=watch, same_model=same_model, removed=removed, failed=failed
    )
    return StageCall(DISTILL, out, settings, work)


distill, distill_async = plain_and_async(_distill)


work_on_outputs = partial(work_on, DISTILL)
"""Do the work of `distill`, and return the progress that was made."""
