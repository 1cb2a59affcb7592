"""What a directory has: a run of any stage, or an experiment, whose stages are runs.

The commands `status`, `show`, `requests` and `report`, and the continuing of runs, know stages only
by the table of stages. The directory of an experiment has, beside the runs,

    stages.json       the finished stages, with a fingerprint of each one's commands
    plan.json         all stages, with their places and the fingerprints they were run with last
    experiments.json  the experiments with a table of a paper: their sizes, values and stages

Several experiments may run in one directory. Stages that they share then run once.

Example::

    with open_run("runs/first") as run:
        run.requests(failed=True)
    with open_run("runs/first", BOOTSTRAP) as run:  # typed; raises an error for other stages
        run.tasks()

Example::

    kept = kept_experiments(Path("runs/ss-table-2"))["ss-table-2"]
    unfinished_stages(Path("runs/ss-table-2"), kept)
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from seedstep.data import StrPath, write_atomically
from seedstep.entries import named_in_errors, require_return
from seedstep.errors import RunError, SeedstepError
from seedstep.runs import Run, Stage, stage_of
from seedstep.runs.blocks import Block, Line, Rows, Rule, line
from seedstep.runs.lists import aside_notes
from seedstep.runs.places import CONFIG
from seedstep.runs.stage import STAGES, StageTable, add_stage

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "STAGES",
    "KeptExperiment",
    "PlannedStage",
    "StageTable",
    "TableRequest",
    "add_stage",
    "experiment_blocks",
    "finished_stages",
    "is_experiment",
    "item_blocks",
    "keep_experiment",
    "keep_finished",
    "keep_plan",
    "kept_experiments",
    "list_blocks",
    "open_run",
    "planned_stages",
    "status_blocks",
    "unfinished_stages",
]

S = TypeVar("S", bound="DataclassInstance")
Inputs = TypeVar("Inputs")
R = TypeVar("R")
T = TypeVar("T")

EARLIEST = "bootstrap"
"""The stage of a run whose configuration names no stage. Early versions wrote none."""


def status_blocks(run: Run[Any, Any, Any]) -> tuple[Block, ...]:
    """Return blocks that describe the state of a run at this moment."""
    with _named(run, "status"), run.snapshot():
        aside = aside_notes(run.database) if run.stage.has_database else ()
        notes = (line(note, "warning") for note in (*run.reply_notes(), *aside))
        return (*_blocks(run, "status", run.stage.status(run)), *notes)


def list_blocks(run: Run[Any, Any, Any], *, rejected: bool = False) -> tuple[Block, ...]:
    """Return blocks that list the records of a run, or the rejected ones, at this moment."""
    name = "rejected" if rejected else "listed"
    with _named(run, name), run.snapshot():
        return _blocks(run, name, getattr(run.stage, name)(run))


def item_blocks(run: Run[Any, Any, Any], name: str) -> tuple[Block, ...]:
    """Return blocks that show a record of a run, by its name in the lists, with all details.

    Raises:
        InputError: nothing in the run has that name.
    """
    with _named(run, "shown"), run.snapshot():
        return _blocks(run, "shown", run.stage.shown(run, name))


def _named(run: Run[Any, Any, Any], name: str) -> AbstractContextManager[None]:
    """Name a function of a stage in its errors, if it is not one of seedstep's own."""
    entry = STAGES.entries.get(run.stage.name)
    is_own = entry is not None and isinstance(entry.home, str)
    return nullcontext() if is_own else named_in_errors(f"`{name}` of the stage '{run.stage.name}'")


def _blocks(run: Run[Any, Any, Any], name: str, made: Any) -> tuple[Block, ...]:
    """Return the blocks that a function of a stage made.

    Raises:
        EntryError: they are no blocks.
    """
    is_list = isinstance(made, Iterable) and not isinstance(made, str)
    blocks = tuple(made) if is_list else ()
    fits = is_list and all(isinstance(block, Line | Rows | Rule) for block in blocks)
    entry = f"`{name}` of the stage '{run.stage.name}'"
    wanted = "a list of blocks, such as [line('text')], or yield them"
    require_return(entry, wanted, made if not is_list else list(blocks), fits=fits)
    return blocks


@overload
def open_run(path: StrPath) -> Run[Any, Any, Any]: ...
@overload
def open_run(path: StrPath, stage: Stage[S, Inputs, R]) -> Run[S, Inputs, R]: ...
def open_run(path: StrPath, stage: Stage[Any, Any, Any] | None = None) -> Run[Any, Any, Any]:
    """Open a run for reading, of the given `stage` or of any.

    Raises:
        InputError: its configuration has a setting that this version can't use.
        RunError: `path` has no run, a run of another stage, or one that can't be read
            (`StoreError`).
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


FINISHED = "stages.json"
PLAN = "plan.json"
EXPERIMENTS = "experiments.json"


class TableRequest(msgspec.Struct, frozen=True):
    """Which table of a paper an experiment makes, and from what.

    `printed` is the name of a printed table. Its rows are systems of the run of `predictions`, or
    of the `verdicts` of a judge; both are directories, seen from that of the experiment.
    """

    printed: str
    predictions: str = ""
    verdicts: str = ""


class KeptExperiment(msgspec.Struct, frozen=True):
    """How an experiment was begun: size, values, its stages with fingerprints, and its table.

    `stages` are those that the table needs: a report that shows it is none of them. `systems` are
    those that its stages predict with, by the names of the table's rows.
    """

    size: str
    values: dict[str, str | None]
    stages: dict[str, str]
    table: TableRequest
    systems: tuple[str, ...] = ()


class PlannedStage(msgspec.Struct, frozen=True):
    """A stage of an experiment: its command's name, where it writes, a fingerprint of the command.

    `out` is seen from the directory of the experiment. It is empty if the command has no `--out`.
    """

    command: str
    out: str
    fingerprint: str


def is_experiment(directory: Path) -> bool:
    """Return whether an experiment was begun in a directory."""
    return any((directory / name).is_file() for name in (PLAN, FINISHED))


def planned_stages(directory: Path) -> dict[str, PlannedStage]:
    """Return the stages of the experiments that were begun in a directory, by name.

    Those of an experiment that version 0.1.0 ran are only known if they were finished; they have
    neither a command nor a place.

    Raises:
        RunError: a file can't be read.
    """
    found = _kept(directory / PLAN, PlannedStage, "remove it, and run the experiment again")
    unplanned = finished_stages(directory).items() if not found else ()
    return found | {name: PlannedStage("", "", stamp) for name, stamp in unplanned}


def keep_plan(directory: Path, stages: Iterable[tuple[str, PlannedStage]]) -> None:
    """Write the stages of an experiment that begins, before those of others in its directory.

    Raises:
        RunError: the file can't be written.
    """
    new = dict(stages)
    others = _kept(directory / PLAN, PlannedStage, "remove it, and run the experiment again")
    whole = new | {name: stage for name, stage in others.items() if name not in new}
    write_atomically(directory / PLAN, msgspec.json.encode(whole))


def finished_stages(directory: Path) -> dict[str, str]:
    """Return the names of the finished stages, with the fingerprints of their commands.

    Raises:
        RunError: the file can't be read.
    """
    return _kept(directory / FINISHED, str, "remove it to run all stages again")


def _kept(path: Path, kind: type[T], remedy: str) -> dict[str, T]:
    """Return the records of a file by name; none if it is not there."""
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, kind])  # type: ignore[valid-type]
    except (OSError, ValueError, RecursionError):
        raise RunError(f"{path}: can't be read", remedy) from None


def keep_finished(directory: Path, finished: Mapping[str, str]) -> None:
    """Write which stages are finished.

    Raises:
        RunError: the file can't be written.
    """
    write_atomically(directory / FINISHED, msgspec.json.encode(finished))


def kept_experiments(directory: Path) -> dict[str, KeptExperiment]:
    """Return the experiments that ran in a directory, by name.

    Raises:
        RunError: the file can't be read.
    """
    remedy = "remove it, and run the experiment again"
    return _kept(directory / EXPERIMENTS, KeptExperiment, remedy)


def keep_experiment(directory: Path, name: str, kept: KeptExperiment) -> None:
    """Write how an experiment was begun, beside the others of the directory.

    Raises:
        RunError: the file can't be written.
    """
    whole = {**kept_experiments(directory), name: kept}
    write_atomically(directory / EXPERIMENTS, msgspec.json.encode(whole))


def unfinished_stages(directory: Path, kept: KeptExperiment) -> tuple[str, ...]:
    """Return the names of the stages that the table needs and that are not finished.

    Raises:
        RunError: a file can't be read.
    """
    done = finished_stages(directory)
    return tuple(name for name, stamp in kept.stages.items() if done.get(name) != stamp)


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


def experiment_blocks(path: Path) -> Iterator[Block]:
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
