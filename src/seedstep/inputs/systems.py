"""Read the predictions of systems, with the tasks that were predicted, and what they were tuned on.

Example::

    tasks = TaskChoice("natural-instructions", "test", limit_instances=100)
    (system,) = read_systems([Path("predictions.jsonl")], tasks=tasks)
    score(system.predictions, system.references)

`training_of` finds the data that a model was tuned on, `overlap` what it has of some tasks.

Example::

    record = training_of("hf:tuned/model")
    overlap(record, tasks).instances  # the ids of those that were trained on
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from seedstep.data import (
    PathOrTasks,
    Prediction,
    Problem,
    StrPath,
    Task,
    TaskChoice,
    instances_of,
    load_tasks,
    paths_of,
    read_predictions,
    read_yaml,
)
from seedstep.data.records import raise_first
from seedstep.errors import InputError, SeedstepError, unknown_name
from seedstep.evaluate import Reference, Scores, references_of
from seedstep.evaluate.scores import TRAINED_UNKNOWN, TrainingOverlap
from seedstep.inputs.tasks import gather
from seedstep.llm import ModelRef
from seedstep.llm.endpoints import file_fingerprint
from seedstep.runs import TUNE_CONFIG, stage_of, stored_settings
from seedstep.runs.directory import digest
from seedstep.runs.predictions import KeptSystem, open_predictions
from seedstep.settings import make_settings
from seedstep.tune import CHECKPOINTS, TuneSettings, TuneSource
from seedstep.tune.mixing import TrainingRecord, read_training_record, training_record
from seedstep.values import texts_of

__all__ = [
    "SystemPredictions",
    "base_fingerprint",
    "distinct_names",
    "is_elsewhere",
    "overlap",
    "public_source",
    "read_systems",
    "training_of",
    "tunings_around",
]


@dataclass(frozen=True, slots=True)
class SystemPredictions:
    """The predictions of a system, and the tasks that were predicted.

    `name` is its name in its source, which is a run's directory or a file. `lines` has the line
    numbers of a file by instance id; `problems` are its lines that are no predictions. `training`
    has the tasks on which the system's model was tuned, if it is known to be tuned.
    """

    name: str
    source: Path
    tasks: tuple[Task, ...]
    references: Mapping[str, Reference]
    predictions: tuple[Prediction, ...]
    lines: Mapping[str, Sequence[int]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    training: TrainingOverlap | None = None

    def left_out(self, scores: Scores) -> tuple[str, ...]:
        """Return messages on the predictions that do not count, each with its place."""
        unknown = [
            f"{self._place(instance, number)}: there is no instance '{instance}'"
            for instance, count in Counter(scores.unknown).items()
            for number in range(count)
        ]
        again = [
            f"{self._place(instance, number + 1)}: '{instance}' again; the first prediction counts"
            for instance, count in Counter(scores.duplicates).items()
            for number in range(count)
        ]
        return (*(problem.what for problem in self.problems), *unknown, *again)

    def _place(self, instance: str, number: int) -> str:
        lines = self.lines.get(instance)
        return f"{self.source}, line {lines[number]}" if lines else str(self.source)


def read_systems(
    sources: StrPath | Iterable[StrPath],
    names: str | Iterable[str] = (),
    tasks: TaskChoice | PathOrTasks | None = None,
) -> tuple[SystemPredictions, ...]:
    """Return the systems in some sources, each a run's directory or a file of predictions.

    `names` are the systems to read from the runs, in this order; by default all. A file is a system
    that is named after the file, and needs `tasks`. A run has its own tasks, which `tasks`
    replaces: a choice, a path, or tasks in memory.

    Raises:
        InputError: tasks or a source can't be read, a source has no predictions, or no source has a
            system of this name.
        RunError: a directory is no run.
    """
    chosen = () if tasks is None else _all_tasks(tasks)
    given = None if tasks is None else (chosen, references_of(chosen))
    paths, wanted = paths_of(sources), list[str](texts_of(names))
    systems: list[SystemPredictions] = []
    for source in paths:
        if source.is_dir():
            systems += _of_run(source, wanted, given)
        elif not source.exists():
            raise InputError(f"{source}: no such file or run", "check the path")
        elif given is None:
            remedy = "add --tasks with what was predicted"
            raise InputError(f"{source}: a file names no tasks", remedy)
        else:
            systems.append(_of_file(source, *given))
    for name in wanted:
        if name not in {system.name for system in systems}:
            known = dict.fromkeys(system.name for system in read_systems(paths, (), chosen or None))
            raise unknown_name("system", name, known)
    if not systems:
        raise InputError("there are no predictions", "name a run or a file that has some")
    return tuple(systems)


def _all_tasks(given: TaskChoice | PathOrTasks) -> tuple[Task, ...]:
    """Return all tasks; raise an error for a bad one, as scores without it would be misleading."""
    if isinstance(given, str | os.PathLike):
        given = TaskChoice(os.fspath(given))
    if isinstance(given, TaskChoice):
        found = replace(given, skip_bad=True).load()
    else:
        found = load_tasks(given, skip_bad=True)
    raise_first(found.problems)
    return found.tasks


def distinct_names(systems: Sequence[SystemPredictions]) -> tuple[str, ...]:
    """Return names for a comparison: those of the systems, with the source if two are the same.

    Raises:
        InputError: the same system is there twice.
    """
    shared = Counter(system.name for system in systems)
    names = tuple(
        system.name if shared[system.name] == 1 else f"{system.name} ({system.source})"
        for system in systems
    )
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"{name} is there {count} times", "name each source once")
    return names


def _of_run(
    source: Path,
    names: Sequence[str],
    given: tuple[tuple[Task, ...], dict[str, Reference]] | None,
) -> Iterator[SystemPredictions]:
    stage = stage_of(source)
    if stage and stage != "predict":
        what = f"{source} is a run of `seedstep {stage}`, which keeps no predictions"
        raise InputError(what, "name a run of `seedstep predict`, or a file")
    with open_predictions(source) as kept:
        tasks, references = given or (kept.tasks().tasks, kept.references())
        known = kept.names()
        for name in names or known:
            if name in known:
                predictions = tuple(kept.predictions(name))
                training = _training(kept.kept(name), tasks)
                yield SystemPredictions(
                    name, source, tasks, references, predictions, training=training
                )


def _training(kept: KeptSystem | None, tasks: Sequence[Task]) -> TrainingOverlap | None:
    """Return the overlap that was known when the system predicted, or find it by its model."""
    if kept is None:
        return None
    if kept.training:
        return kept.training
    model = str(kept.settings.get("model", ""))
    return overlap(training_of(model), tasks) or (_UNKNOWN if is_elsewhere(model) else None)


_UNKNOWN = TrainingOverlap(unknown=(TRAINED_UNKNOWN,))


def _of_file(
    source: Path, tasks: tuple[Task, ...], references: Mapping[str, Reference]
) -> SystemPredictions:
    found = read_predictions(source, tasks)
    lines: dict[str, list[int]] = {}
    for prediction in found.predictions:
        lines.setdefault(prediction.instance, []).append(prediction.line)
    if not any(instance in references for instance in lines):
        first = found.problems[0].what if found.problems else f"{source}: no such instance"
        many = f"none of its {len(found.predictions) + len(found.problems)} lines counts"
        raise InputError(f"{first}; {many}", "check that --tasks are those that were predicted")
    return SystemPredictions(
        source.stem,
        source,
        tasks,
        references,
        found.predictions,
        lines,
        found.problems,
        _UNKNOWN,
    )


def training_of(model: str, seen: frozenset[Path] = frozenset()) -> TrainingRecord | None:
    """Return the record of a local model's training data, or None if no tuning of it is known.

    The record is read from the model's directory, or made from the settings of the tuning whose
    directory it is in. If the data of these settings can't be read any more, or have changed, the
    record says so. `seen` are tunings that were looked at already.
    """
    try:
        place = ModelRef.parse(model).path
    except SeedstepError:  # what is not installed was not tuned here
        return None
    if place is None:
        return None
    if found := read_training_record(place):
        return found
    for tuning in tunings_around(place):
        if found := read_training_record(tuning / "model"):
            return found
        if tuning not in seen:
            return _of_settings(tuning, seen | {tuning})
    return None


def base_fingerprint(model: str) -> str:
    """Return a fingerprint of a model that was tuned here; empty for another, or without a record.

    It is made from the record of the training data, and from the files of the weights.
    """
    try:
        place = ModelRef.parse(model).path
    except SeedstepError:
        return ""
    record = read_training_record(place) if place else None
    if place is None or record is None:
        return ""
    weights = [file_fingerprint(file) for file in sorted(place.glob("*.safetensors"))]
    return digest([record.encoded(), weights])


def is_elsewhere(model: str) -> bool:
    """Return whether a model is behind a server, so that nobody here knows what it was tuned on."""
    try:
        return ModelRef.parse(model).provider.address is not None
    except SeedstepError:
        return False


def tunings_around(place: Path) -> Iterator[Path]:
    """Yield the directory of the tuning that wrote a model, a checkpoint, an adapter or a GGUF.

    It is looked for where the model is named, and where it is if that is a link.
    """
    for found in dict.fromkeys([place, place.resolve()] if place.exists() else []):
        depth = 2 if found.parent.name == CHECKPOINTS else 1
        tuning = next(iter(found.parents[depth - 1 :]), None)
        if tuning and (tuning / TUNE_CONFIG).is_file():
            yield tuning


def _of_settings(tuning: Path, seen: frozenset[Path]) -> TrainingRecord:
    """Return the record of a tuning that left none: one of 0.1.0, or one that was stopped."""
    path = tuning / TUNE_CONFIG
    try:
        settings = make_settings(TuneSettings, stored_settings(tuning), str(path))
        gathered = gather(settings)
        if gathered.fingerprint != read_yaml(path).get("data_fingerprint", gathered.fingerprint):
            raise InputError(f"the data of {path} have changed since", "put them back")
    except SeedstepError as error:
        what = f"it was tuned, and whether on what is scored here is not known: {error.what}"
        return TrainingRecord(unknown=(what,))
    before = training_of(settings.model.name, seen)
    sources = map(public_source, settings.data)
    return training_record(gathered.mixture.training, sources, before)


def public_source(source: TuneSource) -> str:
    """Return a source without its parent directories, which may have private names."""
    split = f":{source.split}" if source.split else ""
    return f"{Path(source.path).name or source.path}{split}"


def overlap(record: TrainingRecord | None, tasks: Sequence[Task]) -> TrainingOverlap | None:
    """Return the tasks and instances that were trained on, or None without a record."""
    if record is None:
        return None
    found = [
        (name, instance.input, record.has_instance(task.definition, instance.input))
        for name, task, instance in instances_of(tuple(tasks))
    ]
    return TrainingOverlap(
        tuple(task.id for task in tasks if record.has_task(task.definition)),
        tuple(name for name, _, known in found if known),
        record.sources,
        record.unknown,
        tuple(name for name, text, known in found if not known and record.has_input(text)),
    )
