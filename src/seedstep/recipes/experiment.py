"""Read an experiment, a list of commands in a file, and run each in its own process.

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

    experiment = read_experiment(find_experiment("ss-table-2"), {"tasks": "3"}, size="smoke")
    run_experiment(experiment, Path("runs/demo"), print)
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from seedstep.data import make_folder, read_yaml
from seedstep.errors import InputError, RunError, SeedstepError, unknown_name
from seedstep.llm.checkpoints import require_encoder
from seedstep.llm.models import ModelRef, asked_model
from seedstep.recipes.experiment_stages import (
    MOST_STAGES,
    ExperimentStage,
    FileStages,
    require_no_password,
    text_of,
)
from seedstep.recipes.jobs import MOST_DEPTH, Processes, depth_of_this, run_side_by_side
from seedstep.runs import STAGES
from seedstep.stages.directories import (
    KeptExperiment,
    PlannedStage,
    TableRequest,
    finished_stages,
    keep_experiment,
    keep_finished,
    keep_plan,
)

__all__ = [
    "Experiment",
    "StageFailed",
    "find_experiment",
    "read_experiment",
    "require_models",
    "run_experiment",
    "shipped_experiments",
]


@dataclass(frozen=True, slots=True)
class Experiment:
    """Stages in an order in which they can run, and the table of a paper that they make, if any.

    `size` is the size that was asked for, and `values` are the values with which it was read.
    `about` says in a sentence what it is.
    """

    path: Path
    stages: tuple[ExperimentStage, ...]
    size: str = ""
    values: Mapping[str, str | None] = field(default_factory=dict)
    table: TableRequest | None = None
    about: str = ""

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
        found, needs = set[str](), _needs_of(self.stages)
        for stage in self.stages:
            if stage.command[0] in {"predict", "judge"}:
                found |= {stage.name} | needs[stage.name]
        return tuple(stage.name for stage in self.stages if stage.name in found)

    def independents(self) -> list[tuple[str, ...]]:
        """Return for each stage the names of those that could run at the same time.

        Neither needs the other, and they write to different places, as only one process at a time
        may write to a run.
        """
        needs = _needs_of(self.stages)
        return [
            tuple(
                other.name
                for other in self.stages
                if other.name != stage.name
                and other.name not in needs[stage.name]
                and stage.name not in needs[other.name]
                and (other.out is None or other.out != stage.out)
            )
            for stage in self.stages
        ]

    def waves(self) -> list[list[ExperimentStage]]:
        """Return the stages in waves: each stage in the first one after all that it needs.

        Of stages that write to the same place, each is in another wave.
        """
        places: dict[str, int] = {}
        found: list[list[ExperimentStage]] = []
        for stage, before in zip(self.stages, self.befores(), strict=True):
            place = max((places[name] + 1 for name in before), default=0)
            places[stage.name] = place
            found += [[] for _ in range(place + 1 - len(found))]
            found[place].append(stage)
        return found

    def befores(self) -> list[tuple[str, ...]]:
        """Return for each stage the names of those that must have ended before it starts.

        They are those that it needs, and the last one before it that writes to the same place.
        """
        last: dict[str, str] = {}
        found = []
        for stage in self.stages:
            written = [last[stage.out]] if stage.out in last else []
            found.append(tuple(dict.fromkeys((*stage.after, *written))))
            if stage.out:
                last[stage.out] = stage.name
        return found


def _needs_of(stages: tuple[ExperimentStage, ...]) -> Mapping[str, frozenset[str]]:
    """Return for each stage the names of all that must be finished before it."""
    found: dict[str, frozenset[str]] = {}
    for stage in stages:  # each comes after those that it needs
        found[stage.name] = frozenset(stage.after).union(*(found[name] for name in stage.after))
    return found


USUAL = "small"
"""The size whose values are those that a file has under `values`, unless it changes some there."""

OURS = ("here", "cwd", "experiment")
"""Values that each has: the directories of its file and of the process, and its name."""


def shipped_experiments() -> dict[str, Path]:
    """Return the files of the experiments that come with seedstep, by name."""
    folder = resources.files("seedstep.recipes") / "experiments"
    files = Path(str(folder)).glob("[!_]*.yaml")
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


def find_experiment(name: str) -> Path:
    """Return the path of an experiment: a file's, or that of one that comes with seedstep.

    Raises:
        InputError: there is neither.
    """
    shipped = shipped_experiments()
    if Path(name).exists() or name not in shipped:
        if not Path(name).exists() and Path(name).suffix != ".yaml":
            raise unknown_name("experiment", name, shipped)
        return Path(name)
    return shipped[name]


def read_experiment(
    path: Path, values: Mapping[str, str] | None = None, size: str = ""
) -> Experiment:
    """Read the experiment of a file, in a size. `values` replace values of the file.

    Raises:
        InputError: the file can't be read, there is no such size, an entry is not a stage, or a
            stage names another one that does not come before it.
    """
    content = _whole(path)
    known = _known(path, content, size)
    for name in values or {}:
        if name not in known:
            raise unknown_name("value", name, known, str(path))
    known |= values or {}
    for name, text in known.items():
        require_no_password(f"{path}, value '{name}'", text or "")
    written = content.get("stages")
    if not isinstance(written, list) or not written:
        raise InputError(f"{path}: no stages", "write them as a list under `stages`")
    if len(written) > MOST_STAGES:
        what = f"{path}: {len(written):,} stages"
        raise InputError(what, f"write at most {MOST_STAGES:,}")
    table = _table(path, content.get("table"))
    stages = FileStages(path, content.get("sweeps") or {})
    for number, entry in enumerate(written, start=1):
        stages.add(f"{path}, stage {number}", entry, known)
    given = {name: value for name, value in known.items() if name not in OURS}
    size = size or (USUAL if USUAL in content.get("sizes", {}) else "")
    about = " ".join(str(content.get("about") or "").split())
    return Experiment(path, tuple(stages.found.values()), size, given, table, about)


def _whole(path: Path) -> dict[str, Any]:
    """Return what a file says, with what it extends."""
    content = read_yaml(path)
    named = content.get("extends")
    if named is None:
        return content
    before = read_yaml(path.parent / str(named))
    if "extends" in before:
        what = f"{path}: {named} extends another file itself"
        raise InputError(what, "name the file that has the stages")
    whole = {**before, **content}
    for name, depth in (("values", 1), ("sizes", 2), ("sweeps", 1)):
        if name in before and name in content:
            whole[name] = _joined(before[name] or {}, content[name] or {}, depth)
    if isinstance(before.get("stages"), list) and isinstance(content.get("stages"), list):
        whole["stages"] = [*before["stages"], *content["stages"]]
    return whole


def _joined(before: object, after: object, depth: int) -> object:
    """Return two mappings as one, to this depth; of anything else, the second."""
    if not (depth and isinstance(before, dict) and isinstance(after, dict)):
        return after
    both = {name: _joined(before[name], after[name], depth - 1) for name in before if name in after}
    return {**before, **after, **both}


def _known(path: Path, content: Mapping[str, Any], size: str) -> dict[str, str | None]:
    """Return the values of an experiment in a size."""
    values = content.get("values", {})
    sizes = content.get("sizes", {})
    if not isinstance(values, dict):
        raise InputError(f"{path}: `values` is not a mapping", "write `name: value`")
    if not isinstance(sizes, dict) or not all(isinstance(found, dict) for found in sizes.values()):
        raise InputError(f"{path}: `sizes` is not a mapping", "write `size: {name: value}`")
    if size and size not in sizes:
        raise unknown_name("size", size, map(str, sizes), str(path))
    changed = sizes.get(size or USUAL, {})
    for name in changed:
        if name not in values:
            where = f"{path}, size {size or USUAL}"
            raise unknown_name("value", str(name), map(str, values), where)
    ours = {"here": str(path.parent.resolve()), "cwd": str(Path.cwd()), "experiment": path.stem}
    return ours | {str(name): text_of(value) for name, value in {**values, **changed}.items()}


def _table(path: Path, written: object) -> TableRequest | None:
    """Return which table of a paper an experiment makes."""
    if written is None:
        return None
    known = TableRequest.__struct_fields__
    if not isinstance(written, dict) or not written.get("printed"):
        what = f"{path}: `table` does not name a table"
        raise InputError(what, "write `printed: NAME` and `predictions: DIR` under it")
    for name in written:
        if name not in known:
            raise unknown_name("part of a table", str(name), known, str(path))
    return TableRequest(**{name: str(value) for name, value in written.items()})


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
        InputError: one does not.
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
    experiment: Experiment,
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
