"""What the directory of an experiment keeps of it: which stages are finished, and how it was begun.

    stages.json       the finished stages, with a fingerprint of each one's commands
    plan.json         all stages, with their places and the fingerprints they were run with last
    experiments.json  the experiments with a table of a paper: their sizes, values and stages

Several experiments may run in one directory. Stages that they share then run once.

Example::

    kept = kept_experiments(Path("runs/ss-table-2"))["ss-table-2"]
    unfinished_stages(Path("runs/ss-table-2"), kept)
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from seedstep.data import write_atomically
from seedstep.errors import RunError

__all__ = [
    "KeptExperiment",
    "PlannedStage",
    "TableRequest",
    "finished_stages",
    "is_experiment",
    "keep_experiment",
    "keep_finished",
    "keep_plan",
    "kept_experiments",
    "planned_stages",
    "unfinished_stages",
]

T = TypeVar("T")

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
