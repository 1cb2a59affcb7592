"""The table of stages: `STAGES` has an entry for each; functions open and describe a run of any.

The commands `status`, `show`, `requests` and `report`, and the continuing of runs, know stages only
by this table.

Example::

    with open_run("runs/first") as run:
        run.requests(failed=True)
    with open_run("runs/first", BOOTSTRAP) as run:  # typed; raises an error for other stages
        run.tasks()
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from seedstep.data import StrPath
from seedstep.errors import InputError, RunError
from seedstep.runs import Run, Stage, stage_of
from seedstep.runs.lists import aside_notes
from seedstep.runs.places import CONFIG
from seedstep.runs.stage import Block, line
from seedstep.stages.bootstrap import BOOTSTRAP
from seedstep.stages.distill import DISTILL
from seedstep.stages.judge import JUDGE, JudgedInputs, judged_inputs
from seedstep.stages.predict import PREDICT
from seedstep.stages.review import REVIEW
from seedstep.stages.steps import EXAMPLES, STEPS
from seedstep.stages.tune import TUNE, TuneRun

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "BOOTSTRAP",
    "DISTILL",
    "EXAMPLES",
    "JUDGE",
    "PREDICT",
    "REVIEW",
    "STAGES",
    "STEPS",
    "TUNE",
    "JudgedInputs",
    "TuneRun",
    "add_stage",
    "judged_inputs",
    "open_run",
    "tell_item",
    "tell_list",
    "tell_status",
]

S = TypeVar("S", bound="DataclassInstance")
Inputs = TypeVar("Inputs")
R = TypeVar("R")

STAGES: dict[str, Stage[Any, Any, Any]] = {
    stage.name: stage
    for stage in (BOOTSTRAP, DISTILL, STEPS, EXAMPLES, PREDICT, JUDGE, REVIEW, TUNE)
}


def add_stage(stage: Stage[Any, Any, Any]) -> None:
    """Add a stage of your own to the table.

    Raises:
        InputError: there is a stage of that name.
    """
    if stage.name in STAGES:
        raise InputError(f"there is a stage '{stage.name}' already", "give yours another name")
    STAGES[stage.name] = stage


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
    for stage in STAGES.values():
        if stage.config != CONFIG and (path / stage.config).is_file():
            return stage
    if not (path / CONFIG).is_file():
        made = ", ".join(STAGES)
        raise RunError(f"{path} is not a run", f"name the --out of a stage: seedstep {made}")
    name = stage_of(path) or BOOTSTRAP.name
    if name not in STAGES:
        what = f"{path} is a run of `seedstep {name}`, which this seedstep does not know"
        raise RunError(what, "update seedstep, or add the stage with `seedstep.stages.add_stage`")
    return STAGES[name]
