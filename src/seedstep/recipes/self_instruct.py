"""Run Self-Instruct: seed tasks in, a run directory with finished tasks out.

Example::

    with self_instruct("runs/first", tasks=25) as run:
        for task in run.tasks():
            print(task.definition)
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from seedstep.bootstrap import FILTERS, BootstrapSettings, Filter, Gate, Generation, bootstrap
from seedstep.bootstrap.filters import changed_filters, check_filters
from seedstep.data import StrPath
from seedstep.errors import BudgetReached
from seedstep.llm import Engine, EngineStats, open_model
from seedstep.recipes.doors import run_stage, run_stage_async
from seedstep.recipes.keywords import BootstrapKeywords
from seedstep.recipes.tasks import Watcher, share_notes, ticking
from seedstep.runs import FILTERS_ENTRY, GATES_ENTRY, BootstrapRun, Run
from seedstep.stages import BOOTSTRAP
from seedstep.stages.bootstrap import contamination_of

__all__ = [
    "BootstrapProgress",
    "BootstrapWatch",
    "self_instruct",
    "self_instruct_async",
    "work_on_bootstrap",
]


TASKS_TO_TELL = 5
"""How many tasks must be finished before the estimate of the time left is sure."""


@dataclass(slots=True)
class BootstrapProgress:
    """The progress of a run.

    `before` is the number of tasks that earlier processes had finished. `notes` are messages for
    the user. `stopped` is True if a budget ended the run.
    """

    settings: BootstrapSettings
    stats: EngineStats = field(default_factory=EngineStats)
    before: int = 0
    started: float = field(default_factory=time.monotonic)
    generations: int = 0
    finished: int = 0
    instances: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    stopped: BudgetReached | None = None

    @property
    def seconds(self) -> float:
        """Seconds since this process began to work on the run."""
        return time.monotonic() - self.started

    @property
    def complete(self) -> bool:
        """Whether all requested tasks are finished."""
        return self.finished >= self.settings.tasks

    @property
    def seconds_left(self) -> float | None:
        """Seconds left at the speed of this process; None while it has finished no task."""
        new = self.finished - self.before
        return (self.settings.tasks - self.finished) * self.seconds / new if new else None

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
                self.instances += len(candidate.instances)


BootstrapWatch = Watcher[BootstrapProgress, Generation]
"""A watcher of a bootstrap, called after each generation."""


def self_instruct(
    out: StrPath,
    *,
    filters: Sequence[Filter] = FILTERS,
    own_gates: Sequence[Gate] = (),
    watch: BootstrapWatch | None = None,
    same_model: bool = False,
    **settings: Unpack[BootstrapKeywords],
) -> BootstrapRun:
    """Grow a pool of tasks from seed tasks, and return the run, opened for reading.

    `settings` are those of `seedstep.BootstrapSettings`. To continue a run that was killed, make
    the same call again; no reply is requested twice. The run may end with fewer tasks than
    requested: when a budget is spent, or when too few instructions are accepted. `status()` has the
    counts. `same_model` says that another `base_url` than before serves the same model. `filters`
    are applied in their order, and then gates: those of the settings, and `own_gates`. A run can
    only be continued with the filters and gates that it began with.

    Raises:
        InputError: a setting is not known or does not fit, or what it names can't be read.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model can't be asked: it can't be reached, or it denies the key.
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
    return run_stage(BOOTSTRAP, out, settings, work)


async def self_instruct_async(
    out: StrPath,
    *,
    filters: Sequence[Filter] = FILTERS,
    own_gates: Sequence[Gate] = (),
    watch: BootstrapWatch | None = None,
    same_model: bool = False,
    **settings: Unpack[BootstrapKeywords],
) -> BootstrapRun:
    """As `self_instruct`, awaited in a running event loop.

    Raises:
        InputError: a setting is not known or does not fit, or what it names can't be read.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model can't be asked: it can't be reached, or it denies the key.
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
    return await run_stage_async(BOOTSTRAP, out, settings, work)


async def work_on_bootstrap(
    out: Path,
    asked: Mapping[str, Any],
    watch: BootstrapWatch | None = None,
    *,
    same_model: bool = False,
    filters: Sequence[Filter] = FILTERS,
    own_gates: Sequence[Gate] = (),
) -> BootstrapProgress:
    """Do the work of `self_instruct`, and return the progress that was made."""
    check_filters(filters)
    entries = {
        FILTERS_ENTRY: changed_filters(filters),
        GATES_ENTRY: {gate.name: gate.meaning for gate in own_gates} or None,
    }
    with Run.start(BOOTSTRAP, out, asked, same_model=same_model, entries=entries) as run:
        progress = BootstrapProgress(run.settings, before=run.records.finished())
        try:
            await _work(run, progress, watch, filters, own_gates)
        except BudgetReached as reached:
            progress.stopped = reached
        finally:
            await run.settle()
    return progress


async def _work(
    run: BootstrapRun,
    progress: BootstrapProgress,
    watch: BootstrapWatch | None,
    filters: Sequence[Filter],
    gates: Sequence[Gate],
) -> None:
    settings = run.settings
    if progress.before == settings.tasks:
        progress.finished = progress.before
        if watch:
            watch.began(progress)
        return
    model = settings.model
    async with (
        open_model(model.name, model.base_url, model.in_flight, run.identity_url) as endpoint,
        Engine(
            endpoint,
            run.ledger,
            model.in_flight,
            settings.budget,
            run.spent(),
            settings.pricing,
            model.manner,
            model.sending,
        ) as engine,
    ):
        await engine.check()
        share_notes(progress, engine.stats)
        contamination = contamination_of(settings)
        stage = bootstrap(
            settings,
            run.inputs(),
            engine,
            contamination,
            filters,
            gates,
            run.records.retired(progress.notes.append),
        )
        async with aclosing(stage) as generations, ticking(progress, watch):
            async for generation in generations:
                await run.records.record(generation)
                progress.add(generation)
                if watch:
                    watch.retired(progress, generation)
