"""Grow in shards and rounds: one file with the settings, many bootstraps and merges.

In each round the shards grow side by side, and what they made is merged; the merged tasks are the
pool of the next round. All of it is an experiment: `seedstep grow` runs it, or prints its jobs.

Example::

    experiment = read_growth(Path("grow.yaml"))
    prepare_growth(Path("grow.yaml"), Path("runs/grow"))
    run_experiment(experiment, Path("runs/grow"), print, workers=4)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedstep.bootstrap import BootstrapSettings
from seedstep.bootstrap.shards import require_draws
from seedstep.data import make_folder, read_yaml, write_yaml
from seedstep.errors import InputError
from seedstep.recipes.experiment import Experiment
from seedstep.recipes.experiment_stages import ExperimentStage
from seedstep.settings import Count, SettingsRecord, make_settings, part, setting
from seedstep.stages import BOOTSTRAP

__all__ = ["GrowSettings", "prepare_growth", "read_growth"]

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
