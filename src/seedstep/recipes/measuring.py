"""Measure which step-by-step instructions help a model, and select the best one of each task.

The second paper names this as future work (section 6).

Example::

    measure_steps(["superni"], Path("measured.jsonl"), {"tasks": "natural-instructions"})
    select_steps(["superni"], Path("best.jsonl"), by="measured", measured=Path("measured.jsonl"))
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from seedstep.data import Task, TaskChoice, write_in_parts
from seedstep.data.choice import order_key
from seedstep.encode import ENCODINGS, StepsKind
from seedstep.errors import InputError
from seedstep.evaluate.measured import (
    NONE,
    OTHER,
    SHUFFLED,
    MeasuredHeader,
    MeasuredTask,
    MeasuredVersion,
    opened_measurements,
    read_measured,
)
from seedstep.infer.likelihood import MeasureSettings, ScoringModel
from seedstep.infer.workers import in_workers
from seedstep.inputs import with_steps
from seedstep.inputs.tasks import candidates_of, judgements_of
from seedstep.llm.checkpoints import fingerprint_of
from seedstep.recipes.tasks import finish
from seedstep.runs.directory import digest
from seedstep.settings import make_settings
from seedstep.steps import SUPERNI, TaskText, check, parse, render

__all__ = ["MeasureProgress", "Selected", "measure_steps", "select_steps"]

FORMAT = 1
"""The version of the file of measurements."""

REFINED = "refined"
UNREFINED = "unrefined"

EVALUATED = 100
"""How many instances, from the first, SUPER-NATURALINSTRUCTIONS' evaluation uses of a task."""

Version = tuple[str, Task, StepsKind]
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
    of `MeasureSettings`. The same call continues measurements that were stopped.

    Raises:
        InputError: a setting or source does not fit, or `out` was begun with others.
        RunError: `out` can't be written.
        MissingExtraError: the model needs a package that is not installed.
        ModelError: the model is not there, or can't be read.
    """
    settings = make_settings(MeasureSettings, asked, "settings")
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


Given = tuple[Task, Sequence[Version]]
"""A task, and the versions of its instruction."""


def _measure_all(
    settings: MeasureSettings, left: Sequence[Given], keep: Callable[[MeasuredTask, str], None]
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

    settings: MeasureSettings

    def open(self) -> tuple[None, Callable[[Given, int], Iterator[tuple[MeasuredTask, str]]]]:
        """Load the model; return what measures a task, and says why no prefix is shared."""
        model = ScoringModel.load(self.settings.model, bf16=self.settings.bf16)

        def measure(given: Given, done: int) -> Iterator[tuple[MeasuredTask, str]]:
            if not done:
                yield _measured(model, *given, self.settings), model.note

        return None, measure


def _measured(
    model: ScoringModel, task: Task, versions: Sequence[Version], settings: MeasureSettings
) -> MeasuredTask:
    encoding = ENCODINGS[settings.encoding]
    found = {}
    for name, shown, steps in versions:
        scored = model.score(shown, replace(encoding, steps=steps), seed=settings.seed)
        found[name] = MeasuredVersion(
            scored.nats, scored.tokens, scored.shortened, _fingerprint(shown, steps)
        )
    ids = tuple(instance.id for instance in task.instances)
    return MeasuredTask(task.id, task.category, ids, found)


def _fingerprint(task: Task, kind: StepsKind) -> str:
    """Return what stands for the steps in a prompt; empty for none."""
    return "" if kind == "none" else digest([_steps_of(task, kind), kind == "shuffled"])


def _header(settings: MeasureSettings, versions: Sequence[Sequence[Version]]) -> MeasuredHeader:
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
) -> list[list[Version]]:
    """Return the versions to measure on each task; those of the first source also shuffled and
    exchanged with another task's.
    """
    named = _named(sources)
    joined = [_Source.read(name, tasks, source) for name, source in named]
    first = joined[0].tasks
    others = _others(first, seed)
    return [
        [
            (NONE, task, "none"),
            *(version for source in joined for version in source.versions(place)),
            *_beside(first[place], others),
        ]
        for place, task in enumerate(tasks)
    ]


def _named(sources: Sequence[str | os.PathLike[str]]) -> list[tuple[str, str]]:
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
class _Source:
    """Tasks with the instructions of a source. `prefix` is put before the names of versions."""

    prefix: str
    tasks: tuple[Task, ...]
    candidates: Mapping[str, Mapping[int, tuple[str, ...]]]

    @classmethod
    def read(cls, prefix: str, tasks: Sequence[Task], source: str) -> "_Source":
        bare = [replace(task, steps=(), unrefined_steps=()) for task in tasks]
        return cls(prefix, with_steps(bare, Path(source)), candidates_of(Path(source)))

    def versions(self, place: int) -> Iterator[Version]:
        """Yield the versions of a task's instruction, the refined one last."""
        task = self.tasks[place]
        if task.unrefined_steps and task.unrefined_steps != task.steps:
            yield f"{self.prefix}{UNREFINED}", task, "unrefined"
        for number, steps in self.candidates.get(task.id, {}).items():
            yield f"{self.prefix}candidate {number}", replace(task, steps=steps), "refined"
        if task.steps:
            yield f"{self.prefix}{REFINED}", task, "refined"


def _beside(task: Task, others: Mapping[str, tuple[str, ...]]) -> Iterator[Version]:
    if len(set(task.steps)) > 1:
        yield SHUFFLED, task, "shuffled"
    if task.id in others:
        yield OTHER, replace(task, steps=others[task.id]), "refined"


def _others(tasks: Sequence[Task], seed: int) -> dict[str, tuple[str, ...]]:
    """Return for each task the instruction of another one, which is used once, if there is one.

    The assignment depends on the seed and the names.
    """
    with_some = [task for task in tasks if task.steps]
    with_some.sort(key=lambda task: order_key("another task", seed, task.id))
    if len(with_some) < 2:
        return {}
    following = [*with_some[1:], with_some[0]]
    return {task.id: other.steps for task, other in zip(with_some, following, strict=True)}


SelectBy = Literal["measured", "judge", "checks"]


@dataclass(frozen=True, slots=True)
class Selected:
    """The number of tasks by selected version, and of tasks without a value to select by.

    These keep the first version of `refined`, else of `unrefined`.
    """

    counts: Mapping[str, int]
    undecided: int
    without: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A version of an instruction, and its value: more is better, None means not known."""

    name: str
    steps: tuple[str, ...]
    value: float | None

    @property
    def is_refined(self) -> bool:
        return self.name.rpartition(": ")[2] == REFINED


def select_steps(
    sources: Sequence[str | os.PathLike[str]],
    out: Path,
    *,
    by: SelectBy,
    tasks: TaskChoice,
    measured: Path | None = None,
    evaluated: int = EVALUATED,
) -> Selected:
    """Keep the best version of each task's instruction, as JSON lines that `--steps` takes.

    `by` measured: what made the references likeliest, by a file of `measure_steps`; by judge: what
    a model judged correct and complete in runs of `seedstep steps --judge`; by checks: what has
    the fewest faults. Of equal ones the refined one of the first source is kept. The first
    `evaluated` instances of a task are those that an evaluation uses: measurements on any of them
    are refused.

    Raises:
        InputError: there is nothing to select by, or it was measured on evaluated instances.
        RunError: `out` can't be written.
    """
    loaded = replace(tasks, limit_instances=1).load().tasks
    named = _named(sources)
    for path in (*(Path(source) for _, source in named), *((measured,) if measured else ())):
        if path.resolve() == out.resolve():
            raise InputError(f"{out} is what is selected from", "name another file after --out")
    joined = [_Source.read(name, loaded, source) for name, source in named]
    values = _values(by, named, measured, evaluated)
    counts: Counter[str] = Counter()
    undecided = without = 0
    lines = []
    for place, task in enumerate(loaded):
        found = [
            _Candidate(name, _steps_of(shown, kind), values(name, shown, kind))
            for source in joined
            for name, shown, kind in source.versions(place)
        ]
        if not found:
            without += 1
            continue
        found.sort(key=lambda candidate: not candidate.is_refined)
        known = [candidate for candidate in found if candidate.value is not None]
        best = max(known, key=lambda candidate: candidate.value or 0.0, default=found[0])
        undecided += not known
        counts[best.name] += 1
        lines.append(_line(task, best, by))
    if lines and undecided == len(lines):
        what = f"nothing is known of any of these instructions by which to select ({by})"
        raise InputError(what, "name the runs or files that were measured or judged")
    write_in_parts(out, lines)
    return Selected(counts, undecided, without)


def _steps_of(task: Task, kind: StepsKind) -> tuple[str, ...]:
    return task.unrefined_steps if kind == "unrefined" else task.steps


def _line(task: Task, best: _Candidate, by: str) -> bytes:
    line = {
        "task": task.id,
        "category": task.category,
        "definition": task.definition,
        "steps": best.steps,
        "text": render(best.steps),
        "selected": {"version": best.name, "by": by, "value": best.value},
    }
    return msgspec.json.encode(line) + b"\n"


Valued = Callable[[str, Task, StepsKind], float | None]
"""A function of a version's name, task and kind that returns its value, or None."""


def _values(
    by: SelectBy,
    named: Sequence[tuple[str, str]],
    measured: Path | None,
    evaluated: int,
) -> Valued:
    if by == "checks":
        return _fewest_faults
    if by == "judge":
        return _judged(named)
    if measured is None:
        raise InputError("nothing was measured", "add --measured FILE of `seedstep steps measure`")
    return _likeliest(measured, evaluated)


def _fewest_faults(_: str, task: Task, kind: StepsKind) -> float:
    return -len(check(parse(render(_steps_of(task, kind))), TaskText.of(task)))


def _judged(named: Sequence[tuple[str, str]]) -> Valued:
    found = {f"{prefix}{REFINED}": judgements_of(Path(source)) for prefix, source in named}

    def value(name: str, task: Task, _: StepsKind) -> float | None:
        judgement = found.get(name, {}).get(task.id)
        if judgement is None or judgement.correct is None:
            return None
        return 2.0 * judgement.correct + bool(judgement.complete)

    return value


def _likeliest(measured: Path, evaluated: int) -> Valued:
    header, tasks = read_measured(measured)
    if header.skip < evaluated:
        what = (
            f"{measured}: measured on instances from number {header.skip + 1:,} on, and the first "
            f"{evaluated:,} are those that an evaluation uses"
        )
        remedy = (
            f"measure with --skip {evaluated}, or say with --evaluated how many of the first your "
            "evaluation uses"
        )
        raise InputError(what, remedy)
    means = {
        (task.task, version.steps): version.mean
        for task in tasks
        for name, version in task.versions.items()
        if version.steps and name not in (SHUFFLED, OTHER)
    }

    def value(name: str, task: Task, kind: StepsKind) -> float | None:
        mean = means.get((task.id, _fingerprint(task, kind)))
        return None if mean is None else -mean

    return value
