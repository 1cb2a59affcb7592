"""Find the data that a model was tuned on, and which of some tasks and instances are in it.

Example::

    record = training_of("hf:tuned/model")
    overlap(record, tasks).instances  # the ids of those that were trained on
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from seedstep.data import Task, instances_of, read_yaml
from seedstep.errors import InputError, SeedstepError
from seedstep.evaluate.remarks import TrainingOverlap
from seedstep.inputs.tasks import gather
from seedstep.llm import ModelRef
from seedstep.llm.endpoints import file_fingerprint
from seedstep.runs import TUNE_CONFIG, stored_settings
from seedstep.runs.directory import digest
from seedstep.settings import make_settings
from seedstep.tune import CHECKPOINTS, TuneSettings, TuneSource
from seedstep.tune.trained import TrainingRecord, read_training_record, training_record

__all__ = ["base_fingerprint", "is_elsewhere", "overlap", "public_source", "training_of"]


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
    for folder in (place, place.resolve()):
        if found := read_training_record(folder):
            return found
        for tuning in _tunings_around(folder):
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


def _tunings_around(place: Path) -> Iterator[Path]:
    """Yield the directory of the tuning that wrote a model, a checkpoint or an adapter."""
    parents = place.parents
    if place.exists() and parents:
        depth = 2 if place.parent.name == CHECKPOINTS else 1
        if (parents[depth - 1] / TUNE_CONFIG).is_file():
            yield parents[depth - 1]


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
