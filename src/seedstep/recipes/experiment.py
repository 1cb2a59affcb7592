"""Read an experiment, a list of commands in a file, or one that grows tasks in shards and rounds.

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

To grow is an experiment, too, of which the file has the settings: in each round shards grow side by
side, and what they made is merged; the merged tasks are the pool of the next round.

Example::

    experiment = read_growth(Path("grow.yaml"))
    prepare_growth(Path("grow.yaml"), Path("runs/grow"))
    run_experiment(experiment, Path("runs/grow"), print, workers=4)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from seedstep.bootstrap import BootstrapSettings
from seedstep.bootstrap.shards import require_draws
from seedstep.data import make_folder, read_yaml, write_yaml
from seedstep.errors import InputError, unknown_name
from seedstep.recipes.experiment_stages import (
    MOST_STAGES,
    ExperimentStage,
    FileStages,
    require_no_password,
    text_of,
)
from seedstep.settings import Count, SettingsRecord, make_settings, part, setting
from seedstep.stages import BOOTSTRAP
from seedstep.stages.directories import TableRequest

__all__ = [
    "Experiment",
    "GrowSettings",
    "find_experiment",
    "prepare_growth",
    "read_experiment",
    "read_growth",
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
        InputError: there is no such file, and no experiment of this name.
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


SETTINGS = "settings.yaml"
"""The file in the directory of the experiment that its shards read their settings from."""

MOST_JOBS = 10_000
"""Bootstraps and merges of a file at the most, so that they can be listed and submitted."""

BEGUN = "begun.yaml"
"""The file there with what the experiment was begun with."""

CHANGEABLE = (*(name for name in BOOTSTRAP.changeable if name != "tasks"), "base_url", "rounds")
"""What may change when it goes on. Shards with more tasks would be other pools for later rounds."""


@dataclass(frozen=True, slots=True)
class GrowSettings(SettingsRecord):
    """The settings of a file: those of a bootstrap, for each shard, and how many there are."""

    bootstrap: BootstrapSettings = part(BootstrapSettings, shard=None, round=None, pool=None)
    shards: Count = setting(1, "Bootstraps that grow side by side in each round.")
    rounds: Count = setting(1, "Rounds, after each of which the shards are merged.")

    @classmethod
    def complete(cls, values: Mapping[str, Any], source: str) -> Mapping[str, Any]:
        """Return the values as a bootstrap completes them, such as with the axes of a file."""
        return BootstrapSettings.complete(values, source)

    def check(self, source: str) -> None:
        """Raise InputError if the settings of the bootstraps do not go together."""
        self.bootstrap.check(source)
        require_draws(self.shards, self.rounds, f"{source}, setting 'shards'")


def read_growth(path: Path) -> Experiment:
    """Return the experiment of a file: its shards and merges, in an order in which they can run.

    Raises:
        InputError: the file can't be read, or a setting does not fit.
    """
    settings = make_settings(GrowSettings, _values(path), str(path))
    if (count := settings.rounds * (settings.shards + 1)) > MOST_JOBS:
        what = f"{path}: {count:,} bootstraps and merges"
        raise InputError(what, f"set `shards` and `rounds` so that there are at most {MOST_JOBS:,}")
    stages: list[ExperimentStage] = []
    for number in range(1, settings.rounds + 1):
        stages += _round(number, settings.shards)
    return Experiment(path, tuple(stages))


def _round(number: int, shards: int) -> list[ExperimentStage]:
    """Return the stages of a round."""
    folder, before = f"round-{number}", f"round-{number - 1}/merged"
    pool = ("--pool", before) if number > 1 else ()
    after = (f"merge of round {number - 1}",) if number > 1 else ()
    grown = [f"{folder}/shard-{shard}" for shard in range(1, shards + 1)]
    made = [
        ExperimentStage(
            f"shard {shard} of round {number}",
            (
                *("bootstrap", "--config", SETTINGS, "--shard", f"{shard}/{shards}"),
                *("--round", str(number), *pool, "--out", out),
            ),
            after,
        )
        for shard, out in enumerate(grown, start=1)
    ]
    merge = ("merge", *pool[1:], *grown, "--out", f"{folder}/merged")
    names = tuple(stage.name for stage in made)
    return [*made, ExperimentStage(f"merge of round {number}", merge, names)]


def prepare_growth(path: Path, out: Path) -> None:
    """Write the settings of the shards into the directory in which they will run.

    Raises:
        InputError: it was begun with other settings.
        RunError: it can't be written.
    """
    values = _values(path)
    kept = read_yaml(out / BEGUN) if (out / BEGUN).exists() else values
    for name in {**kept, **values}:
        if name not in CHANGEABLE and kept.get(name) != values.get(name):
            what = f"{out} was begun with another '{name}' than {path} has"
            raise InputError(what, "name another --out; `rounds` may grow")
    make_folder(out)
    shared = {name: value for name, value in values.items() if name not in ("shards", "rounds")}
    write_yaml(out / SETTINGS, shared)
    write_yaml(out / BEGUN, values)


def _values(path: Path) -> dict[str, Any]:
    """Return the settings in a file. Files are named from the root, as shards run elsewhere."""
    folder = path.parent.absolute()
    return {name: _absolute(name, value, folder) for name, value in read_yaml(path).items()}


def _absolute(name: str, value: Any, folder: Path) -> Any:
    """Return a setting with whole paths; what a model names is one if there is such a file."""
    if name in ("seeds", "axes") and isinstance(value, str):
        return str(folder / value)
    if name in ("model", "semantic") and isinstance(value, str):
        prefix, _, rest = value.partition(":")
        return f"{prefix}:{folder / rest}" if rest and (folder / rest).exists() else value
    if name == "decontaminate" and isinstance(value, list):
        return [str(folder / str(each)) for each in value]
    if name == "gates" and isinstance(value, dict):
        return {gate: _of_gate(kinds, folder) for gate, kinds in value.items()}
    return value


def _of_gate(value: Any, folder: Path) -> Any:
    """Return what is set for a gate, with the file of its model named from the root."""
    if not isinstance(value, dict):
        return value
    return {
        name: _absolute("model", inner, folder) if name == "model" else _of_gate(inner, folder)
        for name, inner in value.items()
    }
