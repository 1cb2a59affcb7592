"""Measure which step-by-step instructions help a model: versions of them, and how they do.

The second paper names this as future work (section 6).

Example::

    measure_steps(["superni"], Path("measured.jsonl"), {"tasks": "natural-instructions"})
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from seedstep.data import Task
from seedstep.data.choice import order_key
from seedstep.encode import ENCODINGS, StepsKind
from seedstep.errors import InputError
from seedstep.evaluate.gains import (
    NONE,
    OTHER,
    REFINED,
    SHUFFLED,
    MeasuredHeader,
    MeasuredTask,
    MeasuredVersion,
    opened_measurements,
)
from seedstep.infer.likelihood import MeasureStepsSettings, ScoringModel
from seedstep.infer.workers import in_workers
from seedstep.inputs import with_steps
from seedstep.inputs.tasks import candidates_of
from seedstep.llm.checkpoints import fingerprint_of
from seedstep.recipes.tasks import finish
from seedstep.runs.directory import digest
from seedstep.settings import make_settings
from seedstep.steps import SUPERNI

__all__ = [
    "MeasureProgress",
    "VersionSource",
    "fingerprint",
    "measure_steps",
    "named_sources",
    "steps_of",
]

FORMAT = 1
"""The version of the file of measurements."""

UNREFINED = "unrefined"

MeasuredSteps = tuple[str, Task, StepsKind]
"""A name, the task with the steps, and the kind of its steps that is in the prompt."""


@dataclass(slots=True)
class MeasureProgress:
    """The progress of measuring: `done` of `wanted` tasks; `too_few` have no instance left."""

    wanted: int
    done: int = 0
    too_few: int = 0
    without_steps: int = 0
    note: str = ""


def measure_steps(
    sources: Sequence[str | os.PathLike[str]],
    out: Path,
    asked: Mapping[str, Any],
    watch: Callable[[MeasureProgress], object] | None = None,
) -> MeasureProgress:
    """Measure versions of the instructions of tasks, and write a line for each task to `out`.

    `sources` are runs of `seedstep steps`, exported JSON lines, or `superni`. `asked` are settings
    of `MeasureStepsSettings`. The same call continues measurements that were stopped.

    Raises:
        InputError: a setting or source does not fit, or `out` was begun with others.
        RunError: `out` can't be written.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model is not there, or can't be read.
    """
    settings = make_settings(MeasureStepsSettings, asked, "settings")
    choice = replace(settings.tasks, limit_instances=settings.skip + settings.instances)
    loaded = choice.load().tasks
    tasks = [
        replace(task, instances=task.instances[settings.skip :])
        for task in loaded
        if len(task.instances) > settings.skip
    ]
    if not tasks:
        what = f"no task has more than the {settings.skip:,} instances that are left out"
        raise InputError(what, "lower --skip")
    versions = _versions(tasks, sources, settings.seed)
    header = _header(settings, versions)
    progress = MeasureProgress(len(tasks), too_few=len(loaded) - len(tasks))
    progress.without_steps = sum(len(found) == 1 for found in versions)
    with opened_measurements(out, header) as (file, done):
        progress.done = len(done)

        def keep(line: MeasuredTask, note: str) -> None:
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
            progress.done += 1
            progress.note = note
            if watch:
                watch(progress)

        pairs = zip(tasks, versions, strict=True)
        left = [(task, found) for task, found in pairs if task.id not in done]
        _measure_all(settings, left, keep)
    return progress


Given = tuple[Task, Sequence[MeasuredSteps]]
"""A task, and the versions of its instruction."""


def _measure_all(
    settings: MeasureStepsSettings, left: Sequence[Given], keep: Callable[[MeasuredTask, str], None]
) -> None:
    """Measure tasks, here or in workers, and keep what was measured in their order."""
    if not left:
        return
    if settings.workers == 1:
        _, measure = _Measuring(settings).open()
        for given in left:
            for result in measure(given, 0):
                keep(*result)
        return

    async def measure_beside() -> None:
        waiting: dict[int, tuple[MeasuredTask, str]] = {}
        following = 0
        work = [(task.id, (task, found)) for task, found in left]
        job = _Measuring(settings)
        async with aclosing(in_workers(job, work, settings.workers)) as results:
            async for place, result in results:
                waiting[place] = result
                while following in waiting:
                    keep(*waiting.pop(following))
                    following += 1

    finish(measure_beside())


@dataclass(frozen=True, slots=True)
class _Measuring:
    """The job of workers that measure."""

    settings: MeasureStepsSettings

    def open(self) -> tuple[None, Callable[[Given, int], Iterator[tuple[MeasuredTask, str]]]]:
        """Load the model; return what measures a task, and says why no prefix is shared."""
        model = ScoringModel.load(self.settings.model, bf16=self.settings.bf16)

        def measure(given: Given, done: int) -> Iterator[tuple[MeasuredTask, str]]:
            if not done:
                yield _measured(model, *given, self.settings), model.note

        return None, measure


def _measured(
    model: ScoringModel,
    task: Task,
    versions: Sequence[MeasuredSteps],
    settings: MeasureStepsSettings,
) -> MeasuredTask:
    encoding = ENCODINGS[settings.encoding]
    found = {}
    for name, shown, steps in versions:
        scored = model.score(shown, replace(encoding, steps=steps), seed=settings.seed)
        found[name] = MeasuredVersion(
            scored.nats, scored.tokens, scored.shortened, fingerprint(shown, steps)
        )
    ids = tuple(instance.id for instance in task.instances)
    return MeasuredTask(task.id, task.category, ids, found)


def fingerprint(task: Task, kind: StepsKind) -> str:
    """Return what stands for the steps in a prompt; empty for none."""
    return "" if kind == "none" else digest([steps_of(task, kind), kind == "shuffled"])


def _header(
    settings: MeasureStepsSettings, versions: Sequence[Sequence[MeasuredSteps]]
) -> MeasuredHeader:
    names = dict.fromkeys(name for found in versions for name, _, _ in found)
    shown = (
        (name, steps, task.id, task.definition, task.steps, task.unrefined_steps, task.instances)
        for found in versions
        for name, task, steps in found
    )
    return MeasuredHeader(
        FORMAT,
        settings.model,
        fingerprint_of(settings.model),
        settings.encoding,
        settings.seed,
        settings.skip,
        settings.instances,
        settings.bf16,
        tuple(names),
        digest(shown),
    )


def _versions(
    tasks: Sequence[Task], sources: Sequence[str | os.PathLike[str]], seed: int
) -> list[list[MeasuredSteps]]:
    """Return the versions to measure on each task; those of the first source also shuffled and
    exchanged with another task's.
    """
    given = named_sources(sources)
    joined = [VersionSource.read(name, tasks, source) for name, source in given]
    first = joined[0].tasks
    others = exchanged(first, seed)
    return [
        [
            (NONE, task, "none"),
            *(version for source in joined for version in source.versions(place)),
            *_beside(first[place], others),
        ]
        for place, task in enumerate(tasks)
    ]


def named_sources(sources: Sequence[str | os.PathLike[str]]) -> list[tuple[str, str]]:
    """Return sources with the prefixes of their versions' names; a single source has none."""
    if not sources:
        raise InputError("no instructions to measure", f"name a run of steps, or {SUPERNI}")
    paths = [os.fspath(source) for source in sources]
    resolved = Counter(str(Path(path).resolve()) for path in paths)
    if twice := [path for path in paths if resolved[str(Path(path).resolve())] > 1]:
        raise InputError(f"{twice[0]} is there twice", "name each source once")
    if len(paths) == 1:
        return [("", paths[0])]
    names = [Path(path).name for path in paths]
    whole = Counter(names)
    prefixes = [
        f"{name if whole[name] == 1 else path}: " for name, path in zip(names, paths, strict=True)
    ]
    return list(zip(prefixes, paths, strict=True))


@dataclass(frozen=True, slots=True)
class VersionSource:
    """Tasks with the instructions of a source. `prefix` is put before the names of versions."""

    prefix: str
    tasks: tuple[Task, ...]
    candidates: Mapping[str, Mapping[int, tuple[str, ...]]]

    @classmethod
    def read(cls, prefix: str, tasks: Sequence[Task], source: str) -> "VersionSource":
        """Join the instructions of a source to tasks.

        Raises:
            InputError: the source can't be read.
        """
        bare = [replace(task, steps=(), unrefined_steps=()) for task in tasks]
        return cls(prefix, with_steps(bare, Path(source)), candidates_of(Path(source)))

    def versions(self, place: int) -> Iterator[MeasuredSteps]:
        """Yield the versions of a task's instruction, the refined one last."""
        task = self.tasks[place]
        if task.unrefined_steps and task.unrefined_steps != task.steps:
            yield f"{self.prefix}{UNREFINED}", task, "unrefined"
        for number, steps in self.candidates.get(task.id, {}).items():
            yield f"{self.prefix}candidate {number}", replace(task, steps=steps), "refined"
        if task.steps:
            yield f"{self.prefix}{REFINED}", task, "refined"


def steps_of(task: Task, kind: StepsKind) -> tuple[str, ...]:
    """Return the steps of a task that are in a prompt of this kind."""
    return task.unrefined_steps if kind == "unrefined" else task.steps


def _beside(task: Task, others: Mapping[str, tuple[str, ...]]) -> Iterator[MeasuredSteps]:
    if len(set(task.steps)) > 1:
        yield SHUFFLED, task, "shuffled"
    if task.id in others:
        yield OTHER, replace(task, steps=others[task.id]), "refined"


def exchanged(tasks: Sequence[Task], seed: int) -> dict[str, tuple[str, ...]]:
    """Return for each task the instruction of another one, which is used once, if there is one.

    The assignment depends on the seed and the names.
    """
    with_some = [task for task in tasks if task.steps]
    with_some.sort(key=lambda task: order_key("another task", seed, task.id))
    if len(with_some) < 2:
        return {}
    following = [*with_some[1:], with_some[0]]
    return {task.id: other.steps for task, other in zip(with_some, following, strict=True)}
