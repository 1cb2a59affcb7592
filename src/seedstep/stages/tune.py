"""The stage `tune`: the inputs of tunings, what they cost, and what commands show of them.

Self-Instruct, appendix A: about $600 for the data, and $338 for tuning on it.

Example::

    cost = cost_of(run)
    print(cost.device_hours, cost.usd, [(each.source, each.usd) for each in cost.data])
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.encode.added_layout import LAYOUT_STAMP
from seedstep.encode.encodings import layout_fingerprint
from seedstep.errors import InputError, SeedstepError
from seedstep.inputs.systems import base_fingerprint
from seedstep.inputs.tasks import TuningInputs, gather
from seedstep.llm.models import tuned_model
from seedstep.runs import (
    STAGES,
    Blocks,
    Line,
    ListChanges,
    Removed,
    Rows,
    Run,
    Stage,
    TuningFiles,
    Words,
    labelled,
    line,
    stage_of,
)
from seedstep.runs.directory import stored_config
from seedstep.runs.lists import NO_CHANGES
from seedstep.runs.places import TUNE_CONFIG
from seedstep.runs.tune import EARLIER, EarlierTunings
from seedstep.tune import TuneSettings
from seedstep.tune.checkpoints import FREE
from seedstep.tune.division import FSDP

__all__ = ["TUNE", "DataCost", "TuneRun", "TuningCost", "about_new_data", "cost_of"]


SHOWN_LOSSES = 20
"""How many steps, evenly spread, are listed with their losses."""

DATA = "data_fingerprint"
"""The entry of a tuning's configuration with the fingerprint of its data."""

BASE = "base_fingerprint"
"""The entry with the fingerprint of its base model, where that was tuned here."""

CHANGED = MappingProxyType(
    {DATA: "the data have", BASE: "the base model has", LAYOUT_STAMP: "a layout has"}
)
"""How it is told that what has a fingerprint changed, by its entry."""

TuneRun = Run[TuneSettings, TuningInputs, TuningFiles]
"""The run of a tuning."""


def _records(run: TuneRun) -> TuningFiles:
    return TuningFiles(run.path)


def _stamps(settings: TuneSettings, inputs: TuningInputs) -> dict[str, str]:
    base = base_fingerprint(settings.model.name)
    used = {encoding.layout for encoding in inputs.encodings.values()}
    written = [found for name in sorted(used) if (found := layout_fingerprint(name))]
    later = {BASE: base, LAYOUT_STAMP: " ".join(written)}
    return {DATA: inputs.fingerprint, **{name: stamp for name, stamp in later.items() if stamp}}


def _made(path: Path) -> bool:
    return TuningFiles(path).begun


def about_new_data(path: Path, settings: TuneSettings, inputs: TuningInputs) -> str:
    """Return what is told before a tuning begins anew; empty if it does not.

    It does if its data changed, or its base model, which was tuned here, or a layout that was
    added. A tuning without a fingerprint of these, as those of 0.1.0, is not asked for it.

    Raises:
        RunError: the directory is something else, or its configuration can't be read.
    """
    files, earlier = TuningFiles(path), EarlierTunings(path)
    if not (path / TUNE_CONFIG).is_file() or not (files.begun or earlier.interrupted):
        return ""
    kept = stored_config(TUNE.name, path, TUNE_CONFIG)
    now = _stamps(settings, inputs)
    changed = [name for name, stamp in now.items() if kept.get(name, stamp) != stamp]
    if not changed:
        return ""
    return (
        f"{CHANGED[changed[0]]} changed since {path} was tuned: a new tuning begins, and the "
        f"earlier one is kept in {earlier.next()}"
    )


def _reconcile(run: TuneRun, before: Mapping[str, Any], removed: Removed) -> ListChanges:
    """Set the tuning aside if its data or its base model changed."""
    earlier = EarlierTunings(run.path)
    if before and about_new_data(run.path, run.settings, run.inputs()):
        earlier.set_aside()
    elif before:
        earlier.take_back()
    return NO_CHANGES


def _status(run: TuneRun) -> Blocks:
    """Show how many steps were taken, the losses, and where the model is."""
    files = run.records
    state = "complete" if files.finished else "running" if run.is_running() else "stopped"
    yield Line((Words(str(run.path), "bold"), Words(f"  {state}  {run.settings.model}")))
    training, held_out = files.losses()
    if files.job and not training:
        yield line(f"a server tunes it: {files.job}")
        return
    counted = files.preflight()
    taken = max(training, default=0)
    rows = [("steps taken", f"{taken:,}", f"of {counted.steps:,}" if counted else "")]
    if counted:
        rows.append(("examples", f"{counted.examples:,}", f"of {counted.tasks:,} tasks"))
    for what, losses in (("loss", training), ("held-out loss", held_out)):
        if losses:
            first, *_, last = [*losses.values()] * 2
            rows.append((what, f"{last:.4f}", f"first {first:.4f}"))
    yield Rows((*rows, *_costs(run)))
    if files.finished:
        yield labelled("the tuned model", str(files.model), "")
    if earlier := EarlierTunings(run.path).count:
        yield line(f"earlier tunings, on other data: {earlier:,} in {run.path / EARLIER}")


def _costs(run: TuneRun) -> Iterator[tuple[str, str, str]]:
    """Yield rows on the time and the price of devices, and on what the data cost."""
    cost = cost_of(run)
    if cost.device_hours is not None:
        usd = "" if cost.usd is None else f"${cost.usd:,.2f}"
        yield ("device hours", f"{cost.device_hours:,.3f}", usd)
    for each in cost.data:
        usd = "" if each.usd is None else f"${each.usd:,.2f}"
        yield (f"tokens of {each.source}", f"{each.tokens:,}", usd)


def _listed(run: TuneRun) -> Blocks:
    """Show the data, the encoding, and the losses of evenly spread steps."""
    settings = run.settings
    for source in settings.data:
        yield labelled("data", str(source))
    for source in settings.held_out_data:
        yield labelled("held-out data", str(source))
    yield labelled("encoding", settings.encoding.name)
    yield labelled("model", settings.model.name)
    training, held_out = run.records.losses()
    steps = sorted({*training, *held_out})
    every = max(1, len(steps) // SHOWN_LOSSES)
    shown = set(steps[::every]) | {*steps[-1:]} | {*held_out}
    rows = (
        (str(step), _loss(training.get(step)), _loss(held_out.get(step)))
        for step in steps
        if step in shown
    )
    yield Rows(tuple(rows), ("step", "loss", "held-out loss"))


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _shown(run: TuneRun, name: str) -> Blocks:
    """Show the losses of an optimiser step."""
    training, held_out = run.records.losses()
    step = int(name) if name.isascii() and name.isdigit() else -1
    if step not in training and step not in held_out:
        what = f"{run.path} has no step '{name}'"
        raise InputError(what, f"`seedstep show {run.path}` lists them")
    yield line(f"step {step:,}", "bold")
    for what, losses in (("loss", training), ("held-out loss", held_out)):
        if step in losses:
            yield labelled(what, _loss(losses[step]))


def _rows(run: TuneRun) -> Iterator[dict[str, Any]]:
    """Yield a row for each step at which a loss is known."""
    training, held_out = run.records.losses()
    for step in sorted({*training, *held_out}):
        yield {"step": step, "loss": training.get(step), "held_out_loss": held_out.get(step)}


TUNE: Stage[TuneSettings, TuningInputs, TuningFiles] = Stage(
    name="tune",
    settings=TuneSettings,
    load=gather,
    records=_records,
    rows=_rows,
    stamps=_stamps,
    made=_made,
    model_checks=MappingProxyType({"model": tuned_model}),
    changeable=(*sorted(FREE), "device_price", "gguf", "base_url", "skip_bad", *CHANGED),
    reconcile=_reconcile,
    status=_status,
    listed=_listed,
    shown=_shown,
    lists=(),
    sections=("losses", "tuning-cost"),
    config=TUNE_CONFIG,
    has_database=False,
    beside=(FSDP, EARLIER),
)
"""The entry of the stage that tunes a model."""


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
        stage = STAGES.get(stage_of(Path(name)))
        if stage and stage.asks_model:
            try:
                with Run.read(stage, Path(name)) as run:
                    spent = run.spent()
                    usd = run.settings.pricing.usd(spent.tokens)
            except SeedstepError:  # it has changed or gone: nothing is known of its cost
                continue
            yield DataCost(name, spent.requests, spent.total_tokens, usd)
