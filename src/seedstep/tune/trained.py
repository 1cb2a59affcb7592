"""Record which data a model was tuned on, as fingerprints in the model's directory.

They identify test data that were trained on, independently of ids: a task by its definition, an
instance by its definition and input, and by its input alone if that is long enough. A model that is
tuned again keeps the fingerprints of its earlier tunings.

Example::

    record = training_record(gathered.mixture.training, ("suite:train",), before=None)
    (folder / TRAINING_RECORD).write_bytes(record.encoded())
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from seedstep.tune.mixing import Use

__all__ = ["TRAINING_RECORD", "TrainingRecord", "read_training_record", "training_record"]

TRAINING_RECORD = "training-data.json"
"""The name of the file in a model's directory."""

DIGITS = 16
"""The number of hexadecimal digits of a fingerprint."""


LONG_INPUT = 12
"""The fewest characters of an input by which an instance is known. Shorter ones occur by chance."""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """Fingerprints of the `tasks` and `instances` of all tunings of a model, and their `sources`.

    `inputs` are those of long inputs without their definitions; tunings of earlier versions have
    none. `unknown` has messages on earlier tunings whose data are not known.
    """

    sources: tuple[str, ...] = ()
    tasks: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    inputs: frozenset[str] = frozenset()

    def encoded(self) -> bytes:
        """Return the content of the file; equal data give equal bytes."""
        return msgspec.json.encode(self, order="deterministic") + b"\n"

    def has_task(self, definition: str) -> bool:
        """Return whether a task with this definition was trained on."""
        return fingerprint(definition) in self.tasks

    def has_instance(self, definition: str, text: str) -> bool:
        """Return whether an instance with this definition and input was trained on."""
        return fingerprint(definition, text) in self.instances

    def has_input(self, text: str) -> bool:
        """Return whether this input was trained on, with any definition, if it is long enough."""
        return is_long(text) and fingerprint(text) in self.inputs


def is_long(text: str) -> bool:
    """Return whether an input is long enough to be known without its definition."""
    return len(" ".join(text.split())) >= LONG_INPUT


def fingerprint(*texts: str) -> str:
    """Return a fingerprint of texts that does not depend on case and white space."""
    normal = "\0".join(" ".join(text.casefold().split()) for text in texts)
    return hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def training_record(
    uses: Iterable[Use], sources: Iterable[str], before: TrainingRecord | None
) -> TrainingRecord:
    """Return the record of a model that is tuned on these instances.

    `before` is the record of its base model, if it has one.
    """
    before = before or TrainingRecord()
    tasks, instances, inputs = set(before.tasks), set(before.instances), set(before.inputs)
    for use in uses:
        tasks.add(fingerprint(use.task.definition))
        instances.add(fingerprint(use.task.definition, use.instance.input))
        if is_long(use.instance.input):
            inputs.add(fingerprint(use.instance.input))
    names = tuple(dict.fromkeys((*before.sources, *sources)))
    return TrainingRecord(
        names, frozenset(tasks), frozenset(instances), before.unknown, frozenset(inputs)
    )


def read_training_record(folder: Path) -> TrainingRecord | None:
    """Return the record in a model's directory, or None if there is none that can be read."""
    try:
        return msgspec.json.decode((folder / TRAINING_RECORD).read_bytes(), type=TrainingRecord)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
