"""Draw the instances that a tuning uses in each epoch, and record which ones a model was tuned on.

Every choice follows from the seed and the ids of tasks and instances. It is therefore the same in
every process, on every machine, and when a tuning is continued.

Example::

    mixture = mix([SourcePart(source, tasks, encoding)], seed=42, held_out=10)

The record of a model's training data has fingerprints, by which test data that were trained on are
known, independently of ids: a task by its definition, an instance by its definition and input, and
by its input alone if that is long enough. A model that is tuned again keeps those of its earlier
tunings.

Example::

    record = training_record(gathered.mixture.training, ("suite:train",), before=None)
    (folder / TRAINING_RECORD).write_bytes(record.encoded())
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from seedstep.data import Instance, Task
from seedstep.data.choice import draw
from seedstep.encode import Encoding, named_layout
from seedstep.errors import InputError
from seedstep.llm.checkpoints import TRAINING_RECORD
from seedstep.text import single_spaced
from seedstep.tune.settings import TuneSource

__all__ = [
    "TRAINING_RECORD",
    "InstanceUse",
    "Mixture",
    "SourcePart",
    "TrainingRecord",
    "mix",
    "read_training_record",
    "training_record",
    "usable",
]


TaskInstance = tuple[Task, Instance]


@dataclass(frozen=True, slots=True)
class SourcePart:
    """The tasks of a source, and how they are encoded."""

    source: TuneSource
    tasks: tuple[Task, ...]
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class InstanceUse:
    """A use of an instance in an epoch. A second use of the same instance has another id."""

    task: Task
    instance: Instance
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class Mixture:
    """The examples that are trained on in each epoch, and those that are held out.

    `counts` has tuples (source, tasks, examples in an epoch). `duplicates` counts the examples that
    Self-Instruct's rule left out: those with the same instruction, input and output.
    """

    training: tuple[InstanceUse, ...]
    held_out: tuple[InstanceUse, ...]
    counts: tuple[tuple[str, int, int], ...]
    duplicates: int


def usable(part: SourcePart, *, skip_bad: bool) -> tuple[SourcePart, list[str]]:
    """Remove tasks without instances and instances without targets; return the rest, and messages.

    The messages name what was removed.

    Raises:
        InputError: some are unusable and `skip_bad` is False, or nothing is left.
    """
    faults = list(_faults(part))
    if faults and not skip_bad:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise InputError(faults[0] + more, "correct the data, or add --skip-bad")
    tasks = [
        replace(
            task, instances=tuple(instance for instance in task.instances if _has_targets(instance))
        )
        for task in part.tasks
    ]
    left = tuple(task for task in tasks if task.instances)
    if not left:
        raise InputError(f"{part.source}: nothing to train on", "name another source")
    return replace(part, tasks=left), faults


def mix(
    parts: Sequence[SourcePart],
    held_out_parts: Sequence[SourcePart] = (),
    *,
    seed: int,
    held_out: int = 0,
    held_out_instances: int | None = None,
    limit_tasks: int | None = None,
    covering: bool = False,
) -> Mixture:
    """Draw the examples of an epoch.

    First, `held_out` tasks of `parts` are drawn, which are not trained on; the tasks of
    `held_out_parts` are added to them. Where a source has a count, `covering` draws an example of
    each task first.

    Raises:
        InputError: a source has fewer examples than its count, or nothing is left.
    """
    named = _apart([*parts, *held_out_parts])
    parts, others = named[: len(parts)], named[len(parts) :]
    kept = _drawn((task.id for part in parts for task in part.tasks), held_out, seed)
    training: list[InstanceUse] = []
    counts: list[tuple[str, int, int]] = []
    seen: set[tuple[object, ...]] = set()
    duplicates = 0
    for part in parts:
        every = _choices(part, kept, limit_tasks, seed)
        layout = named_layout(part.encoding.layout)
        distinct = list(_distinct(every, seen)) if layout.leaves_out_copies else every
        duplicates += len(every) - len(distinct)
        uses = [
            InstanceUse(task, instance, part.encoding)
            for task, instance in _amount(part.source, distinct, seed, covering=covering)
        ]
        counts.append((str(part.source), len({use.task.id for use in uses}), len(uses)))
        training += uses
    if not training:
        raise InputError("no data is left to train on", "hold out fewer tasks, or add --data")
    apart = [(part, task) for part in parts for task in part.tasks if task.id in kept]
    apart += [(part, task) for part in others for task in part.tasks]
    held = (
        InstanceUse(task, instance, part.encoding)
        for part, task in apart
        for instance in task.instances[:held_out_instances]
    )
    return Mixture(tuple(training), tuple(held), tuple(counts), duplicates)


def _choices(
    part: SourcePart, kept: frozenset[str], limit: int | None, seed: int
) -> list[TaskInstance]:
    """Return the instances of a part, without the tasks that are held out."""
    tasks = [task for task in part.tasks if task.id not in kept]
    chosen = _drawn((task.id for task in tasks), limit, seed)
    return [(task, instance) for task in tasks if task.id in chosen for instance in task.instances]


def _faults(part: SourcePart) -> Iterator[str]:
    for task in part.tasks:
        where = f"{part.source}, task {task.id}"
        if not task.instances:
            yield f"{where}: has no instances"
        for instance in task.instances:
            if not _has_targets(instance):
                yield f"{where}, instance {instance.id}: has no target"


def _has_targets(instance: Instance) -> bool:
    return bool(instance.outputs) and all(output.strip() for output in instance.outputs)


def _apart(parts: Sequence[SourcePart]) -> list[SourcePart]:
    """Return the parts with task ids changed so that no two parts share one."""
    seen: set[str] = set()
    apart = []
    for number, part in enumerate(parts, start=1):
        tasks = tuple(
            replace(task, id=f"{number}:{task.id}") if task.id in seen else task
            for task in part.tasks
        )
        seen |= {task.id for task in tasks}
        apart.append(replace(part, tasks=tasks))
    return apart


def _drawn(names: Iterable[str], number: int | None, seed: int) -> frozenset[str]:
    """Draw so many of the names by the seed; return all for None."""
    by_chance = sorted(set(names), key=lambda name: _rank(seed, name))
    return frozenset(by_chance[:number])


def _distinct(
    choices: Iterable[TaskInstance], seen: set[tuple[object, ...]]
) -> Iterator[TaskInstance]:
    for task, instance in choices:
        content = (task.definition, instance.input, instance.outputs)
        if content not in seen:
            seen.add(content)
            yield task, instance


def _amount(
    source: TuneSource, choices: Sequence[TaskInstance], seed: int, *, covering: bool
) -> list[TaskInstance]:
    """Return as many examples as the source asks for; one that is used twice is there twice."""
    if source.count is not None:
        if source.count > len(choices):
            what = f"{source}: has {len(choices):,} of the {source.count:,} examples asked for"
            raise InputError(what, "ask for fewer, or use some more often with =xWEIGHT")
        if covering:
            return _covering(source, choices, source.count, seed)
        return _some(choices, source.count, seed)
    weight = 1.0 if source.weight is None else source.weight
    times = int(weight)
    whole = [_again(choice, number) for number in range(1, times + 1) for choice in choices]
    rest = _some(choices, round((weight - times) * len(choices)), seed)
    return whole + [_again(choice, times + 1) for choice in rest]


def _some(choices: Sequence[TaskInstance], count: int, seed: int) -> list[TaskInstance]:
    """Draw so many examples by the seed, and return them in their order."""
    by_chance = sorted(
        range(len(choices)),
        key=lambda place: _rank(seed, choices[place][0].id, choices[place][1].id),
    )
    return [choices[place] for place in sorted(by_chance[:count])]


def _covering(
    source: TuneSource, choices: Sequence[TaskInstance], count: int, seed: int
) -> list[TaskInstance]:
    """Draw an example of each task, and the others from all that are left."""
    by_chance = sorted(choices, key=lambda choice: _rank(seed, choice[0].id, choice[1].id))
    firsts = {task.id: (task.id, instance.id) for task, instance in reversed(by_chance)}
    if count < len(firsts):
        what = f"{source}: {count:,} examples can't cover its {len(firsts):,} tasks"
        raise InputError(what, "ask for more, or leave `draw: covering` out")
    chosen = set(firsts.values())
    for task, instance in by_chance:
        if len(chosen) == count:
            break
        chosen.add((task.id, instance.id))
    return [choice for choice in choices if (choice[0].id, choice[1].id) in chosen]


def _again(choice: TaskInstance, number: int) -> TaskInstance:
    """Return an example for its n-th use in an epoch, with an id of its own."""
    task, instance = choice
    return choice if number == 1 else (task, replace(instance, id=f"{instance.id}#{number}"))


def _rank(seed: int, *names: str) -> int:
    return draw(1 << 64, "use", seed, *names)


DIGITS = 16
"""The number of hexadecimal digits of a fingerprint."""


LONG_INPUT = 12
"""The fewest characters of an input by which an instance is known. Shorter ones occur by chance."""


ONE_TEXT = tuple(
    form
    for whole in ("{0} {1}", "{0} Input: {1}", "Task: {0} {1}", "Task: {0} Input: {1}", "{1} {0}")
    for form in (whole, f"{whole} Output:")
)
"""How data have a definition and an input in one text; white space does not count."""


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
        """Return whether an instance with this definition and input was trained on.

        It is also known where the data had both as one text, as pairs of prompts and answers have.
        """
        joined = (form.format(definition, text) for form in ONE_TEXT)
        forms = ((definition, text), *((whole, "") for whole in joined))
        return any(fingerprint(*form) in self.instances for form in forms)

    def has_input(self, text: str) -> bool:
        """Return whether this input was trained on, with any definition, if it is long enough."""
        return is_long(text) and fingerprint(text) in self.inputs


def is_long(text: str) -> bool:
    """Return whether an input is long enough to be known without its definition."""
    return len(single_spaced(text)) >= LONG_INPUT


def fingerprint(*texts: str) -> str:
    """Return a fingerprint of texts that does not depend on case and white space."""
    normal = "\0".join(single_spaced(text.casefold()) for text in texts)
    return hashlib.sha256(normal.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def training_record(
    uses: Iterable[InstanceUse], sources: Iterable[str], before: TrainingRecord | None
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
