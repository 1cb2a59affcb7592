"""Open and describe a run of any stage, by the table of stages.

The commands `status`, `show`, `requests` and `report`, and the continuing of runs, know stages only
by this table.

Example::

    with open_run("runs/first") as run:
        run.requests(failed=True)
    with open_run("runs/first", BOOTSTRAP) as run:  # typed; raises an error for other stages
        run.tasks()
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from seedstep.data import StrPath
from seedstep.errors import RunError, SeedstepError
from seedstep.runs import Run, Stage, stage_of
from seedstep.runs.blocks import Block, Rows, line
from seedstep.runs.experiments import (
    PlannedStage,
    finished_stages,
    is_experiment,
    planned_stages,
)
from seedstep.runs.lists import aside_notes
from seedstep.runs.places import CONFIG
from seedstep.runs.stage import STAGES, StageEntry, StageTable, add_stage

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "STAGES",
    "StageEntry",
    "StageTable",
    "add_stage",
    "open_run",
    "tell_experiment",
    "tell_item",
    "tell_list",
    "tell_status",
]

S = TypeVar("S", bound="DataclassInstance")
Inputs = TypeVar("Inputs")
R = TypeVar("R")


EARLIEST = "bootstrap"
"""The stage of a run whose configuration names no stage. Early versions wrote none."""


def tell_status(run: Run[Any, Any, Any]) -> tuple[Block, ...]:
    """Return blocks that describe the state of a run at this moment."""
    with run.snapshot():
        aside = aside_notes(run.database) if run.stage.has_database else ()
        notes = (line(note, "warning") for note in (*run.reply_notes(), *aside))
        return (*run.stage.status(run), *notes)


def tell_list(run: Run[Any, Any, Any], *, rejected: bool = False) -> tuple[Block, ...]:
    """Return blocks that list the records of a run, or the rejected ones, at this moment."""
    with run.snapshot():
        return tuple(run.stage.rejected(run) if rejected else run.stage.listed(run))


def tell_item(run: Run[Any, Any, Any], name: str) -> tuple[Block, ...]:
    """Return blocks that show a record of a run, by its name in the lists, with all details.

    Raises:
        InputError: nothing in the run has that name.
    """
    with run.snapshot():
        return tuple(run.stage.shown(run, name))


NAMED_RUNS = 5
"""How many runs in a directory a message names."""


def _no_run(path: Path) -> RunError:
    """Return the error that a directory is no run, which names the runs in it."""
    below = [str(path / name) for name in _runs_in(path)]
    if not below:
        made = ", ".join(STAGES)
        return RunError(f"{path} is not a run", f"name the --out of a stage: seedstep {made}")
    more = ", ..." if len(below) > NAMED_RUNS else ""
    remedy = f"name one of them: {', '.join(below[:NAMED_RUNS])}{more}"
    if is_experiment(path):
        what = f"{path} is an experiment, which has several runs"
        return RunError(what, f"{remedy}; `seedstep status {path}` lists all")
    return RunError(f"{path} is not a run, but has some", remedy)


def _runs_in(path: Path) -> list[str]:
    """Return the directories in a directory that are runs: those of an experiment in its order."""
    configs = set(STAGES.configs.values())
    outs = [stage.out for stage in planned_stages(path).values()] if is_experiment(path) else []
    with suppress(OSError):
        outs += sorted(child.name for child in path.iterdir() if child.is_dir())
    names = dict.fromkeys(filter(None, outs))
    return [name for name in names if any((path / name / config).is_file() for config in configs)]


def tell_experiment(path: Path) -> Iterator[Block]:
    """Yield blocks that say how far each stage of an experiment is.

    Raises:
        RunError: a file of the experiment can't be read.
    """
    stages, done = planned_stages(path), finished_stages(path)
    states = {
        name: "finished" if done.get(name) == stage.fingerprint else _state(path, stage)
        for name, stage in stages.items()
    }
    count = sum(state == "finished" for state in states.values())
    yield line(f"{count:,} of {len(stages):,} stages finished")
    yield line("")
    rows = ((name, states[name], stage.command, stage.out) for name, stage in stages.items())
    yield Rows(tuple(rows), ("stage", "state", "command", "writes to"))
    if runs := _runs_in(path):
        yield line("")
        yield line(f"See one: seedstep status {path / runs[0]}")


def _state(path: Path, stage: PlannedStage) -> str:
    """Return the state of a stage that is not finished, or not with its command as it is now."""
    if not stage.out or not (path / stage.out).exists():
        return "not begun"
    try:
        with open_run(path / stage.out) as run:
            return "running" if run.is_running() else "begun"
    except SeedstepError:  # it writes something else, or has only now begun
        return "begun"


@overload
def open_run(path: StrPath) -> Run[Any, Any, Any]: ...
@overload
def open_run(path: StrPath, stage: Stage[S, Inputs, R]) -> Run[S, Inputs, R]: ...
def open_run(path: StrPath, stage: Stage[Any, Any, Any] | None = None) -> Run[Any, Any, Any]:
    """Open a run for reading, of the given `stage` or of any.

    Raises:
        RunError: `path` has no run, or a run of another stage.
    """
    path = Path(path)
    return Run.read(stage or _stage_of(path), path)


def _stage_of(path: Path) -> Stage[Any, Any, Any]:
    for name, config in STAGES.configs.items():
        if config != CONFIG and (path / config).is_file():
            return STAGES[name]
    if not (path / CONFIG).is_file():
        raise _no_run(path)
    name = stage_of(path) or EARLIEST
    if name not in STAGES:
        what = f"{path} is a run of `seedstep {name}`, which this seedstep does not know"
        raise RunError(what, "update seedstep, or add the stage with `seedstep.stages.add_stage`")
    return STAGES[name]
