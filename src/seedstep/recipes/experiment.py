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

    experiment = read_experiment(Path("demo.yaml"), {"tasks": "3"})
    run_experiment(experiment, Path("runs/demo"), print)
"""

import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data import make_folder, read_yaml, write_atomically
from seedstep.errors import InputError, RunError, SeedstepError, unknown_name

__all__ = ["Experiment", "ExperimentStage", "StageFailed", "read_experiment", "run_experiment"]

DEPTH = "SEEDSTEP_EXPERIMENT_DEPTH"
"""A variable of the environment: how many experiments run this one."""

MOST_DEPTH = 3
"""Experiments within each other at the most, so that one that runs itself comes to an end."""

MOST_STAGES = 1000
MOST_WORD = 100_000
"""Stages of an experiment, and characters of an argument, at the most; Linux takes some more."""

DONE = "stages.json"
"""The file of finished stages: their names, and a fingerprint of each one's commands."""

_VALUE = re.compile(r"\{(\w+)\}")
_COMMAND = re.compile(r"[a-z][a-z-]*(?: [a-z][a-z-]*)?")


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
        flags = zip(self.command, self.command[1:], strict=False)
        return next((value for flag, value in flags if flag == "--out"), None)


@dataclass(frozen=True, slots=True)
class Experiment:
    """Stages in an order in which they can run."""

    path: Path
    stages: tuple[ExperimentStage, ...]

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


def read_experiment(path: Path, values: Mapping[str, str] | None = None) -> Experiment:
    """Read the experiment of a file. `values` replace values of the file.

    Raises:
        InputError: the file can't be read, an entry is not a stage, or a stage names another one
            that does not come before it.
    """
    content = read_yaml(path)
    known = {"here": str(path.parent.resolve()), **_values(path, content)}
    for name in values or {}:
        if name not in known:
            raise unknown_name("value", name, known, str(path))
    known |= values or {}
    written = content.get("stages")
    if not isinstance(written, list) or not written:
        raise InputError(f"{path}: no stages", "write them as a list under `stages`")
    if len(written) > MOST_STAGES:
        what = f"{path}: {len(written):,} stages"
        raise InputError(what, f"write at most {MOST_STAGES:,}")
    stages: dict[str, ExperimentStage] = {}
    for number, entry in enumerate(written, start=1):
        stage = _stage(f"{path}, stage {number}", entry, known)
        if stage.name in stages:
            raise InputError(f"{path}, stage {number}: a second '{stage.name}'", "rename one")
        for name in stage.after:
            if name not in stages:
                what = f"{path}, stage '{stage.name}': no earlier stage '{name}'"
                raise InputError(what, "write stages after those that they need")
        stages[stage.name] = stage
    return Experiment(path, tuple(stages.values()))


def _values(path: Path, content: Mapping[str, Any]) -> dict[str, str]:
    values = content.get("values", {})
    if not isinstance(values, dict):
        raise InputError(f"{path}: `values` is not a mapping", "write `name: value`")
    return {str(name): _text(value) for name, value in values.items()}


def _stage(where: str, written: object, values: Mapping[str, str]) -> ExperimentStage:
    if not isinstance(written, dict):
        raise InputError(f"{where}: not a stage", "write a command with its flags")
    commands = [key for key in written if key not in ("name", "after")]
    if len(commands) != 1 or not _COMMAND.fullmatch(str(commands[0])):
        raise InputError(f"{where}: not one command", "write `name`, `after` and one command")
    command = str(commands[0])
    flags = written[command] or {}
    after = written.get("after", [])
    if not isinstance(flags, dict) or not isinstance(after, list):
        raise InputError(
            f"{where}: flags are not a mapping, or `after` is not a list", "correct it"
        )
    words = [*command.split(), *_words(where, flags, values)]
    return ExperimentStage(str(written.get("name", command)), tuple(words), tuple(map(str, after)))


def _words(where: str, flags: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[str]:
    """Yield the words of a command line; `arguments` has the words without a flag."""

    def filled(value: object) -> str:
        text = _text(value)
        named = [values.get(match[1], "") for match in _VALUE.finditer(text)]
        _require_word(where, text, len(text) + sum(map(len, named)))
        word = _VALUE.sub(value_of, text)
        _require_word(where, word, len(word))
        return word

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise unknown_name("value", match[1], values, where)
        return values[match[1]]

    for name, value in flags.items():
        many = value if isinstance(value, list) else [value]
        if name == "arguments":
            yield from map(filled, many)
        elif value is True:
            yield filled(f"--{name}")
        elif value is not False:
            for word in many:
                yield from (filled(f"--{name}"), filled(word))


def _require_word(where: str, word: str, characters: int) -> None:
    """Check that a process can be given a word as an argument."""
    if characters > MOST_WORD:
        what = f"{where}: an argument of {characters:,} characters"
        raise InputError(what, f"write at most {MOST_WORD:,}, or name a file")
    if "\0" in word or word != word.encode("utf-8", "replace").decode():
        raise InputError(f"{where}: an argument with characters that none can have", "correct it")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def run_experiment(
    experiment: Experiment, out: Path, tell: Callable[[ExperimentStage, str], None]
) -> None:
    """Run the stages that are not finished, in the directory `out`, each in its own process.

    `tell` is called with a stage and "starts", "finished" or "was finished".

    Raises:
        StageFailed: a stage ended with an error; earlier stages stay finished.
        RunError: the directory can't be written.
    """
    if _depth() >= MOST_DEPTH:
        what = f"{experiment.path}: {MOST_DEPTH} experiments run within each other already"
        raise RunError(what, "take out the stage that runs an experiment, or itself")
    make_folder(out)
    done = _read_done(out / DONE)
    prints: dict[str, str] = {}
    for stage in experiment.stages:
        prints[stage.name] = _fingerprint(stage, prints)
        if done.get(stage.name) == prints[stage.name]:
            tell(stage, "was finished")
            continue
        tell(stage, "starts")
        try:
            status = _run(stage, out)
        except OSError as error:
            what = f"stage '{stage.name}' can't be started: {error.strerror or error}"
            raise RunError(what, "write fewer and shorter arguments") from None
        if status:
            raise StageFailed(stage, status)
        done[stage.name] = prints[stage.name]
        write_atomically(out / DONE, msgspec.json.encode(done))
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


def _read_done(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, ValueError, RecursionError):
        raise RunError(f"{path}: can't be read", "remove it to run all stages again") from None


def _fingerprint(stage: ExperimentStage, prints: Mapping[str, str]) -> str:
    """Return a hash of the command of a stage and of all commands that it depends on."""
    parts = [stage.command, [prints[name] for name in stage.after]]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
