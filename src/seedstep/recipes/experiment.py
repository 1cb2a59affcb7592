"""Run an experiment: a list of commands in a file, each in its own process, one after another.

The file names stages. A stage is a command of seedstep with its flags. `values` has values that
several flags use as `{name}`. A stage runs after the stages that it names under `after`; stages
that do not name each other do not depend on each other::

    values: {tasks: 25}
    stages:
      - name: grow
        bootstrap: {model: local, tasks: "{tasks}", out: grown}
      - name: steps
        steps: {tasks: grown, model: local, out: steps}
        after: [grow]

Relative paths start from the directory in which the experiment runs; `{here}` is the directory of
the file. An experiment that was stopped continues with the stage that was not finished, and that
stage continues where it was stopped.

Example::

    experiment = read_experiment(Path("demo.yaml"), {"tasks": "3"})  # in `experiment_files`
    run_experiment(experiment, Path("runs/demo"), print)
"""

import hashlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from seedstep.data import make_folder
from seedstep.errors import RunError, SeedstepError
from seedstep.runs.experiments import (
    KeptExperiment,
    TableRequest,
    finished_stages,
    keep_experiment,
    keep_finished,
)

__all__ = ["Experiment", "ExperimentStage", "StageFailed", "run_experiment"]

DEPTH = "SEEDSTEP_EXPERIMENT_DEPTH"
"""A variable of the environment: how many experiments run this one."""

MOST_DEPTH = 3
"""Experiments within each other at the most, so that one that runs itself comes to an end."""


@dataclass(frozen=True, slots=True)
class ExperimentStage:
    """A stage: a name and a command. `after` names the stages that must be finished before it."""

    name: str
    command: tuple[str, ...]
    after: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The command as it is typed in a shell."""
        return f"seedstep {shlex.join(self.command)}"

    @property
    def out(self) -> str | None:
        """The directory or file it writes, if the command has `--out`."""
        return self._flag("--out")

    @property
    def writes(self) -> tuple[str | None, str | None]:
        """Where it writes, and the name of what it writes there, if the command has these flags."""
        return self.out, self._flag("--name")

    def _flag(self, name: str) -> str | None:
        flags = zip(self.command, self.command[1:], strict=False)
        return next((value for flag, value in flags if flag == name), None)


@dataclass(frozen=True, slots=True)
class Experiment:
    """Stages in an order in which they can run, and the table of a paper that they make, if any.

    `size` is the size that was asked for, and `values` are the values with which it was read.
    """

    path: Path
    stages: tuple[ExperimentStage, ...]
    size: str = ""
    values: Mapping[str, str | None] = field(default_factory=dict)
    table: TableRequest | None = None

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.stem

    @property
    def systems(self) -> tuple[str, ...]:
        """The names of the systems that its stages predict with."""
        predicting = [stage for stage in self.stages if stage.command[0] == "predict"]
        return tuple(name for stage in predicting if (name := stage.writes[1]))

    @property
    def answering(self) -> tuple[str, ...]:
        """The names of the stages that predict or judge, and of all that those need."""
        found: set[str] = set()
        for stage in self.stages:
            if stage.command[0] in {"predict", "judge"}:
                found |= {stage.name} | self._needs(stage)
        return tuple(stage.name for stage in self.stages if stage.name in found)

    def independent_of(self, stage: ExperimentStage) -> tuple[str, ...]:
        """Return the names of the stages that could run at the same time as `stage`.

        Neither needs the other, and they write to different places, as only one process at a time
        may write to a run.
        """
        needs = self._needs(stage)
        return tuple(
            other.name
            for other in self.stages
            if other.name not in needs | {stage.name}
            and stage.name not in self._needs(other)
            and (other.out is None or other.out != stage.out)
        )

    def _needs(self, stage: ExperimentStage) -> set[str]:
        """Return the names of all stages that must be finished before `stage`."""
        by_name = {each.name: each for each in self.stages}
        found: set[str] = set()
        for name in stage.after:
            found |= {name} | self._needs(by_name[name])
        return found


class StageFailed(SeedstepError):  # noqa: N818 - the stage's own error was told already
    """A stage ended with an error, which its own process has printed."""

    def __init__(self, stage: ExperimentStage, status: int) -> None:
        """`status` is the exit status of its process."""
        super().__init__(
            f"stage '{stage.name}' ended with status {status}",
            "mend what it says above, and run the same command again: it goes on there",
        )
        self.status = status


Started = Callable[[ExperimentStage, Path], int]
"""A function that runs a stage in a directory, and returns its exit status."""


def run_experiment(
    experiment: Experiment,
    out: Path,
    tell: Callable[[ExperimentStage, str], None],
    started: Started | None = None,
) -> None:
    """Run the stages that are not finished, in the directory `out`, each in its own process.

    `tell` is called with a stage and "starts", "finished" or "was finished". `started` runs a stage
    in another way.

    Raises:
        StageFailed: a stage ended with an error; earlier stages stay finished.
        RunError: the directory can't be written.
    """
    if _depth() >= MOST_DEPTH:
        what = f"{experiment.path}: {MOST_DEPTH} experiments run within each other already"
        raise RunError(what, "take out the stage that runs an experiment, or itself")
    make_folder(out)
    done = finished_stages(out)
    prints: dict[str, str] = {}
    for stage in experiment.stages:
        prints[stage.name] = _fingerprint(stage, prints)
    if experiment.table:
        values, systems = dict(experiment.values), experiment.systems
        needed = {name: prints[name] for name in experiment.answering}
        kept = KeptExperiment(experiment.size, values, needed, experiment.table, systems)
        keep_experiment(out, experiment.name, kept)
    for stage in experiment.stages:
        if done.get(stage.name) == prints[stage.name]:
            tell(stage, "was finished")
            continue
        tell(stage, "starts")
        try:
            status = (started or _run)(stage, out)
        except OSError as error:
            what = f"stage '{stage.name}' can't be started: {error.strerror or error}"
            raise RunError(what, "write fewer and shorter arguments") from None
        if status:
            raise StageFailed(stage, status)
        done[stage.name] = prints[stage.name]
        keep_finished(out, done)
        tell(stage, "finished")


def _run(stage: ExperimentStage, directory: Path) -> int:
    words = [sys.executable, "-P", "-m", "seedstep", *stage.command]  # -P: no code from there
    environment = {**os.environ, DEPTH: str(_depth() + 1)}
    with subprocess.Popen(words, cwd=directory, env=environment) as process, _ended_with(process):  # noqa: S603 - ours
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the stage is told too, and ends in its own way


def _depth() -> int:
    depth = os.environ.get(DEPTH, "0")
    return int(depth) if depth.isdecimal() and len(depth) < 5 else MOST_DEPTH


@contextmanager
def _ended_with(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pass on a signal that ends this process: without it, the other process would go on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _fingerprint(stage: ExperimentStage, prints: Mapping[str, str]) -> str:
    """Return a hash of the command of a stage and of all commands that it depends on."""
    parts = [stage.command, [prints[name] for name in stage.after]]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
