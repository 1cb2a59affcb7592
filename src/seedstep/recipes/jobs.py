"""Run an experiment: its stages as processes, or as jobs of a cluster: Slurm, SkyPilot or Ray.

A job runs in the directory of the experiment, which all machines have to see. Running the same
experiment here afterwards finds what the jobs have made.

Example::

    print(job_script(experiment, Path("runs/grown"), "slurm"))
"""

import base64
import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from seedstep.data import make_folder
from seedstep.errors import RunError, SeedstepError
from seedstep.llm.checkpoints import require_encoder
from seedstep.llm.models import ModelRef, asked_model
from seedstep.recipes.experiment_stages import ExperimentStage
from seedstep.runs import STAGES
from seedstep.stages.directories import (
    KeptExperiment,
    PlannedStage,
    finished_stages,
    keep_experiment,
    keep_finished,
    keep_plan,
)

if TYPE_CHECKING:
    from seedstep.recipes.experiment import Experiment

__all__ = ["CLUSTERS", "Cluster", "StageFailed", "job_script", "require_models", "run_experiment"]


DEPTH = "SEEDSTEP_EXPERIMENT_DEPTH"
"""A variable of the environment: how many experiments run this one."""

SEARCH_PATH = "PYTHONPATH"
"""A variable of the environment: directories from which Python imports."""

LOGS = "logs"
"""The directory for what stages print that run side by side."""

LONGEST_NAME = 50
"""The most characters of a stage's name in that of its log: file systems allow 255 bytes."""

MOST_DEPTH = 3
"""Experiments within each other at the most, so that one that runs itself comes to an end."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A kind of cluster. `write` returns the lines of a script for an experiment in a directory."""

    meaning: str
    write: Callable[["Experiment", Path], list[str]]


def job_script(experiment: "Experiment", out: Path, kind: str) -> str:
    """Return a script of bash that runs all stages as jobs; `kind` is one of `CLUSTERS`."""
    lines = CLUSTERS[kind].write(experiment, out.absolute())
    return "\n".join(["#!/bin/bash", "set -euo pipefail", *lines, ""])


def _slurm(experiment: "Experiment", out: Path) -> list[str]:
    """Return lines that submit all stages at once, each after those that have to end before it."""
    ids = {stage.name: f"J{number}" for number, stage in enumerate(experiment.stages, start=1)}
    lines = []
    for stage, before in zip(experiment.stages, experiment.befores(), strict=True):
        needed = ":".join(f"${ids[name]}" for name in before)
        flags = [f"--job-name={shlex.quote(stage.name)}", f"--chdir={shlex.quote(str(out))}"]
        flags += [f"--dependency=afterok:{needed}", "--kill-on-invalid-dep=yes"] if needed else []
        wrapped = shlex.quote(stage.shown)
        lines.append(f"{ids[stage.name]}=$(sbatch --parsable {' '.join(flags)} --wrap={wrapped})")
    return lines


def _in_waves(write: Callable[[ExperimentStage, str], str]) -> Callable[..., list[str]]:
    """Return a writer of stages in waves: each begins when all jobs of the one before have ended.

    `write` returns the command that submits a stage and waits for it.
    """

    def lines_of(experiment: "Experiment", out: Path) -> list[str]:
        lines = []
        for wave in experiment.waves():
            lines.append("jobs=()")
            for stage in wave:
                here = f"cd {shlex.quote(str(out))} && {stage.shown}"
                lines += [f"{write(stage, here)} &", "jobs+=($!)"]
            lines.append('for job in "${jobs[@]}"; do wait "$job"; done')
        return lines

    return lines_of


def _sky(stage: ExperimentStage, command: str) -> str:
    name = "-".join(part for part in _words(stage.name))
    return f"sky jobs launch --yes --name {name} {shlex.quote(command)}"


_EXPANDED = re.compile(r'[$`"\\!\n]')
"""What a shell does not take as it is between double quotes."""


def _ray(stage: ExperimentStage, command: str) -> str:
    """Ray gives the words in double quotes to a shell of its own, before ours reads them."""
    if _EXPANDED.search(command):
        encoded = base64.b64encode(command.encode()).decode()
        command = f"echo {encoded} | base64 -d | bash"
    return f"ray job submit -- bash -c {shlex.quote(command)}"


def _words(name: str) -> list[str]:
    spaced = "".join(each if each.isascii() and each.isalnum() else " " for each in name.lower())
    return spaced.split() or ["stage"]


CLUSTERS: Mapping[str, Cluster] = MappingProxyType(
    {
        "slurm": Cluster("sbatch, each job after those that it needs", _slurm),
        "sky": Cluster("SkyPilot's managed jobs, wave by wave", _in_waves(_sky)),
        "ray": Cluster("jobs of the Ray cluster in RAY_ADDRESS, wave by wave", _in_waves(_ray)),
    }
)
"""The kinds of clusters by name."""


def run_side_by_side(
    left: list[ExperimentStage],
    run: Callable[[ExperimentStage], int],
    tell: Callable[[ExperimentStage, str], None],
    finish: Callable[[ExperimentStage, int], None],
    workers: int,
) -> None:
    """Run stages, several at a time; raise the first error when those that run have ended."""
    running: dict[Future[int], ExperimentStage] = {}
    failed: SeedstepError | None = None
    with ThreadPoolExecutor(workers) as pool:
        while running or (left and not failed):
            open_names = {stage.name for stage in (*left, *running.values())}
            for stage in () if failed else list(left):
                is_ready = not open_names & set(stage.after)
                written = {other.out for other in running.values() if other.out}
                if is_ready and len(running) < workers and stage.out not in written:
                    left.remove(stage)
                    tell(stage, "starts")
                    running[pool.submit(run, stage)] = stage
            for future in _first_ended(running):
                try:
                    finish(running.pop(future), future.result())
                except SeedstepError as error:
                    failed = failed or error
    if failed:
        raise failed


def _first_ended(running: Collection[Future[int]]) -> set[Future[int]]:
    """Wait until at least one stage has ended; Ctrl-C tells all, and each ends in its own way."""
    while True:
        with suppress(KeyboardInterrupt):
            return wait(running, return_when=FIRST_COMPLETED).done


class Processes:
    """The processes of stages, which a signal that ends this one ends, too."""

    def __init__(self, *, logged: bool) -> None:
        """Let processes print here, or with `logged` each to a file in `logs`."""
        self._logged = logged
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = False

    def run(self, stage: ExperimentStage, directory: Path) -> int:
        """Run a stage in a process, and return its exit status."""
        words = [sys.executable, "-P", "-m", "seedstep", *stage.command]  # -P: no code from there
        environment = _stage_environment()
        with ExitStack() as stack:
            log = stack.enter_context(self._log(stage, directory)) if self._logged else None
            process = stack.enter_context(
                subprocess.Popen(words, cwd=directory, env=environment, stdout=log, stderr=log)  # noqa: S603 - ours
            )
            self._running.add(process)
            stack.callback(self._running.discard, process)
            if self._ended:  # by a signal that came while it was started
                process.terminate()
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    continue  # the stage is told too, and ends in its own way

    def require_going_on(self, stage: ExperimentStage) -> None:
        """Raise RunError if a signal came: the stage that it met may have ended well."""
        if self._ended:
            what = f"a signal ended the experiment, after stage '{stage.name}'"
            raise RunError(what, "run the same command again: it goes on there")

    def _log(self, stage: ExperimentStage, directory: Path) -> BinaryIO:
        make_folder(directory / LOGS)
        name = re.sub(r"[^\w.-]+", "-", stage.name)
        if len(name) > LONGEST_NAME:
            name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(stage.name.encode()).hexdigest()[:8]}"
        return (directory / LOGS / f"{name}.log").open("ab")

    @contextmanager
    def ended_together(self) -> Iterator[None]:
        """Pass on a signal that ends this process: without it, the others would go on."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, lambda *_: self._terminate())
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _terminate(self) -> None:
        self._ended = True
        for process in list(self._running):
            process.terminate()


def _stage_environment() -> dict[str, str]:
    """Return the environment of a stage, which runs in another directory than this process.

    The directories of PYTHONPATH stay those of this process: none becomes one of the run.
    """
    environment = {**os.environ, DEPTH: str(depth_of_this() + 1)}
    if search := environment.get(SEARCH_PATH):
        folders = map(os.path.abspath, search.split(os.pathsep))
        environment[SEARCH_PATH] = os.pathsep.join(folders)
    return environment


def depth_of_this() -> int:
    """Return how many experiments run this one."""
    depth = os.environ.get(DEPTH, "0")
    return int(depth) if depth.isdecimal() and len(depth) < 5 else MOST_DEPTH


_REFERENCES: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {
        "model": asked_model,
        "judge": asked_model,
        "semantic": partial(require_encoder, where="--semantic"),
        "encode tokenizer": ModelRef.parse,
    }
)
"""Checks of the flags that name a model, which read no file; a command may have its own."""


def require_models(command: str, given: Mapping[str, Any]) -> None:
    """Check that the flags that a command is given name models of known kinds.

    Models need not be there yet: an earlier stage may make them.

    Raises:
        InputError: a flag names a model of no known kind.
    """
    stage = STAGES.get(command)
    own = stage.model_checks if stage else {}
    for name, value in given.items():
        check = own.get(name) or _REFERENCES.get(f"{command} {name}") or _REFERENCES.get(name)
        if check and value:
            check(str(value))


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
    experiment: "Experiment",
    out: Path,
    tell: Callable[[ExperimentStage, str], None],
    started: Started | None = None,
    workers: int = 1,
) -> None:
    """Run the stages that are not finished, in the directory `out`, each in its own process.

    `tell` is called with a stage and "starts", "finished" or "was finished". `started` runs a stage
    in another way. With several `workers`, so many stages run at a time that do not need each
    other, and what they print goes to files in `logs`; if one fails, no further one starts.

    Raises:
        StageFailed: a stage ended with an error; earlier stages stay finished.
        RunError: the directory can't be written, or a signal came before all stages had run.
    """
    if depth_of_this() >= MOST_DEPTH:
        what = f"{experiment.path}: {MOST_DEPTH} experiments run within each other already"
        raise RunError(what, "take out the stage that runs an experiment, or itself")
    make_folder(out)
    done = finished_stages(out)
    prints = _fingerprints(experiment.stages)
    plan = (
        (stage.name, PlannedStage(stage.command[0], stage.out or "", prints[stage.name]))
        for stage in experiment.stages
    )
    keep_plan(out, plan)
    if experiment.table:
        values, systems = dict(experiment.values), experiment.systems
        needed = {name: prints[name] for name in experiment.answering}
        kept = KeptExperiment(experiment.size, values, needed, experiment.table, systems)
        keep_experiment(out, experiment.name, kept)
    left: list[ExperimentStage] = []
    for stage in experiment.stages:
        if done.get(stage.name) == prints[stage.name]:
            tell(stage, "was finished")
        else:
            left.append(stage)

    def finish(stage: ExperimentStage, status: int) -> None:
        if status:
            raise StageFailed(stage, status)
        done[stage.name] = prints[stage.name]
        keep_finished(out, done)
        tell(stage, "finished")
        if not prints.items() <= done.items():
            processes.require_going_on(stage)

    processes = Processes(logged=workers > 1)
    run = started or processes.run
    with processes.ended_together():
        if workers > 1:
            run_side_by_side(left, partial(_status_of, run, out), tell, finish, workers)
            return
        for stage in left:
            tell(stage, "starts")
            finish(stage, _status_of(run, out, stage))


def _status_of(run: Started, out: Path, stage: ExperimentStage) -> int:
    try:
        return run(stage, out)
    except OSError as error:
        what = f"stage '{stage.name}' can't be started: {error.strerror or error}"
        raise RunError(what, "write fewer and shorter arguments") from None


def _fingerprints(stages: Sequence[ExperimentStage]) -> dict[str, str]:
    """Return hashes of the commands of stages, each with all commands that it depends on."""
    prints: dict[str, str] = {}
    for stage in stages:
        parts = [stage.command, [prints[name] for name in stage.after]]
        prints[stage.name] = hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
    return prints
