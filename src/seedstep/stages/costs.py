"""What a tuning cost: the time of devices, money at their price, and what its data cost.

Self-Instruct, appendix A: about $600 for the data, and $338 for tuning on it.

Example::

    cost = cost_of(run)
    print(cost.device_hours, cost.usd, [(each.source, each.usd) for each in cost.data])
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedstep.errors import SeedstepError
from seedstep.runs import Run, Stage, TuningFiles, stage_of
from seedstep.stages.bootstrap import BOOTSTRAP
from seedstep.stages.distill import DISTILL
from seedstep.stages.examples import EXAMPLES
from seedstep.stages.steps import STEPS
from seedstep.tune import TuneSettings

__all__ = ["DataCost", "TuningCost", "cost_of"]

MAKERS: dict[str, Stage[Any, Any, Any]] = {
    stage.name: stage for stage in (BOOTSTRAP, DISTILL, STEPS, EXAMPLES)
}
"""The stages whose runs a tuning names, and that ask models."""


@dataclass(frozen=True, slots=True)
class DataCost:
    """The cost of a run that a tuning names: requests, tokens, and money if prices are known."""

    source: str
    requests: int
    tokens: int
    usd: float | None


@dataclass(frozen=True, slots=True)
class TuningCost:
    """The cost of a tuning. `device_hours` is None where no time was kept, `usd` without a price.

    `data` has the runs that the tuning names and that are still there.
    """

    device_hours: float | None
    usd: float | None
    data: tuple[DataCost, ...]


def cost_of(run: Run[TuneSettings, Any, TuningFiles]) -> TuningCost:
    """Return what a tuning cost so far, and what its data cost."""
    seconds, price = run.records.device_seconds(), run.settings.device_price
    hours = None if seconds is None else seconds / 3600
    usd = None if hours is None or price is None else hours * price
    return TuningCost(hours, usd, tuple(_of_data(run.settings)))


def _of_data(settings: TuneSettings) -> Iterator[DataCost]:
    named = [source.path for source in settings.data]
    named += [path for path in (settings.steps, settings.generated.run) if path]
    for name in dict.fromkeys(named):
        stage = stage_of(Path(name))
        if stage in MAKERS:
            try:
                with Run.read(MAKERS[stage], Path(name)) as run:
                    spent = run.spent()
                    usd = run.settings.pricing.usd(spent.tokens)
            except SeedstepError:  # it has changed or gone: nothing is known of its cost
                continue
            yield DataCost(name, spent.requests, spent.total_tokens, usd)
