"""Read tasks to tune on from runs, exports, task files or JSON lines; join steps and examples.

`gather` reads all sources of a tuning and draws the examples. `with_steps` joins step-by-step
instructions to tasks, `with_examples` generated examples in place of those that the tasks have
(appendix C and Table 8 of the second paper).

Example::

    tasks = load_source(make_source("runs/first"), limit=100).tasks
    tasks = with_examples(tasks, Path("runs/examples"), "ranked")
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from seedstep.data import (
    BadLine,
    Example,
    Problem,
    Task,
    TaskList,
    has_rows,
    load_rows,
    load_tasks,
    read_jsonl,
    seed_tasks,
)
from seedstep.data.choice import drawn_instances
from seedstep.data.files import exported_format
from seedstep.data.records import placed, raise_first
from seedstep.data.row_forms import EXPORTED_ROWS, RowSource, exported_rows, load_row_forms
from seedstep.data.sources import LONGEST_LINE
from seedstep.data.written_tasks import TextOrTexts, steps_of
from seedstep.encode import Encoding, make_encoding, named_layout
from seedstep.encode.settings import ExamplesChoice
from seedstep.errors import InputError
from seedstep.inputs.labels import accepted_tasks
from seedstep.llm.models import either
from seedstep.runs import TUNE_CONFIG, open_database, read_entries, stage_of
from seedstep.runs.directory import LOCK, digest
from seedstep.runs.places import GIVEN, without_directory
from seedstep.steps import SUPERNI, ExampleSet, WrittenSteps, superni_instructions
from seedstep.steps.records import Judgement, SuperniInstruction
from seedstep.tune import Mixture, SourcePart, TuneSettings, TuneSource, mix, usable

__all__ = [
    "Choose",
    "StepsLine",
    "TuningInputs",
    "about_examples",
    "candidates_of",
    "chosen_examples",
    "encodings_of",
    "gather",
    "judgements_of",
    "load_source",
    "read_steps",
    "with_examples",
    "with_generated",
    "with_steps",
]


SEEDS = "seeds"
"""The source of the seed tasks that come with seedstep, unless tasks are in a path of that name."""


def load_source(
    source: TuneSource, *, limit: int | None = None, skip_bad: bool = False
) -> TaskList:
    """Return the tasks of a source, each with its first `limit` instances, which all have ids.

    With `skip_bad`, bad tasks are left out, and their problems are returned.

    Raises:
        InputError: the source can't be read, has no tasks, or has bad ones.
        RunError: a run can't be read.
    """
    path = Path(source.path)
    if rows := RowSource.parse(source.path):
        return load_row_forms(rows, source.split, limit=limit, skip_bad=skip_bad)
    if source.path == SEEDS and (not path.exists() or _is_tuning(path)):
        tasks = tuple(replace(task, instances=task.instances[:limit]) for task in seed_tasks())
        return _no_split(source, TaskList(tasks))
    name = exported_format(path)
    if (rows_file := exported_rows(path)) != path:
        return _no_split(source, load_rows(rows_file, limit=limit, skip_bad=skip_bad))
    if name and not (path / "tasks").is_dir():
        what = f"{path} is an export in the format '{name}', which can't be read"
        remedy = f"name the run itself, or an export with rows in {either(EXPORTED_ROWS)}"
        raise InputError(what, remedy)
    if not path.is_dir() and path.suffix != ".json" and has_rows(path):
        return _no_split(source, load_rows(path, limit=limit, skip_bad=skip_bad))
    return load_tasks(path, source.split, limit=limit, skip_bad=skip_bad)


def _is_tuning(path: Path) -> bool:
    """Return whether a directory is that of a tuning, which may have begun a moment ago."""
    return path.is_dir() and (
        (path / TUNE_CONFIG).is_file() or {file.name for file in path.iterdir()} <= {LOCK, GIVEN}
    )


def _no_split(source: TuneSource, found: TaskList) -> TaskList:
    if source.split is not None:
        raise InputError(f"{source.path}: only a directory has splits", "leave the split out")
    return found


Both = tuple[tuple[str, ...], tuple[str, ...]]
"""The steps of a task, and its steps before they were refined."""


class StepsLine(msgspec.Struct, frozen=True):
    """A line of an export of instructions, or a line with `text` in place of `steps`."""

    task: str
    steps: TextOrTexts = ()
    unrefined: TextOrTexts = ()
    text: str = ""

    @property
    def written(self) -> TextOrTexts:
        """What is written: the text, or the steps if there is none."""
        return self.text if self.text.strip() else self.steps


def with_steps(tasks: Iterable[Task], path: Path) -> tuple[Task, ...]:
    """Return the tasks with the steps in `path`: a run of `seedstep steps`, or JSON lines of it.

    `superni` means the instructions that come with seedstep, unless there is a file of that name. A
    task without steps in `path` is unchanged.

    Raises:
        InputError: a line is wrong, or none of the tasks has steps there.
        RunError: a directory is no such run.
    """
    if str(path) == SUPERNI and not path.exists():
        lines = _both(superni_instructions().items())
    else:
        lines = _both(_written(path)) if path.is_dir() else _both_of_file(path)
    found = {task: both for task, both in lines if any(both)}
    tasks = tuple(tasks)
    if not any(task.id in found for task in tasks):
        what = f"{path}: no step-by-step instructions of these tasks"
        raise InputError(what, "check that it was made for them: `task` is a task's id")
    joined = []
    for task in tasks:
        steps, unrefined = found.get(task.id, ((), ()))
        unrefined = unrefined or task.unrefined_steps
        joined.append(replace(task, steps=steps or task.steps, unrefined_steps=unrefined))
    return tuple(joined)


def _both(
    found: Iterable[tuple[str, WrittenSteps | SuperniInstruction]],
) -> Iterator[tuple[str, Both]]:
    return ((task, (written.steps, written.unrefined)) for task, written in found)


def _written(path: Path) -> Iterator[tuple[str, WrittenSteps]]:
    """Yield the tasks of a run of `seedstep steps`, with what was written for them."""
    with open_database(path, "steps") as database:
        for entry in read_entries(database, WrittenSteps):
            yield entry.task, entry.result


def candidates_of(path: Path) -> dict[str, dict[int, tuple[str, ...]]]:
    """Return further first versions of the instructions in a run of `seedstep steps`, by task.

    They have the numbers that the run shows, from 2. Other sources of instructions have none. A
    version that is there already is left out, and the others keep their numbers.
    """
    if not path.is_dir():
        return {}
    found: dict[str, dict[int, tuple[str, ...]]] = {}
    for task, result in _written(path):
        seen = {(), result.steps, result.unrefined}
        versions = found[task] = {}
        for number, candidate in enumerate(result.candidates, start=2):
            if candidate.steps not in seen:
                seen.add(candidate.steps)
                versions[number] = candidate.steps
    return found


def judgements_of(path: Path) -> dict[str, Judgement]:
    """Return a judge's judgements of the instructions in a run of `seedstep steps`, by task.

    Raises:
        InputError: `path` is no such run, or it had no judge.
    """
    written = _written(path) if path.is_dir() else ()
    found = {task: result.judgement for task, result in written if result.judgement}
    if not found:
        raise InputError(f"{path} has no judgements", "name runs of `seedstep steps --judge MODEL`")
    return found


def _both_of_file(path: Path) -> Iterator[tuple[str, Both]]:
    found = list(read_steps(path))
    raise_first([line for line in found if isinstance(line, Problem)])
    for line in found:
        if isinstance(line, StepsLine):
            yield line.task, (steps_of(line.written), steps_of(line.unrefined))


def read_steps(path: Path, tasks: Collection[str] | None = None) -> Iterator[StepsLine | Problem]:
    """Yield the lines of a file of instructions, and a problem in place of each that is wrong.

    With `tasks`, a line has to be of one of them, and have an instruction.
    """
    seen: dict[str, int] = {}
    for number, line in read_jsonl(path, StepsLine, LONGEST_LINE):
        if isinstance(line, BadLine):
            yield from placed(path, number, [line])
        elif tasks is not None and line.task not in tasks:
            yield Problem(path, number, "task", f"there is no task '{line.task}'", "correct it")
        elif tasks is not None and not steps_of(line.written):
            yield Problem(path, number, "text", "empty", "write `text` or `steps`")
        elif (first := seen.setdefault(line.task, number)) != number:
            yield Problem(path, number, "task", f"the same as in line {first}", "remove one")
        else:
            yield line


BUDGETS = ("max_source", "max_target")
"""The options of a tuning's encoding that also apply to a source with another encoding."""


@dataclass(frozen=True, slots=True)
class TuningInputs:
    """The inputs of a tuning: the mixture, a fingerprint of its sources, and what was left out.

    `encodings` has the encodings of the training sources, by name.
    """

    mixture: Mixture
    encodings: dict[str, Encoding]
    fingerprint: str
    left_out: tuple[str, ...]


def gather(settings: TuneSettings) -> TuningInputs:
    """Read all sources of a tuning, and draw the examples that are used.

    Raises:
        InputError: there is no source, or one can't be used.
    """
    if not settings.data:
        raise InputError("no data to tune on", "add --data PATH, a run or a directory of tasks")
    loaded = [
        _load(settings, source, limit)
        for sources, limit in (
            (settings.data, settings.used.limit_instances),
            (settings.held_out_data, settings.held_out_instances),
        )
        for source in sources
    ]
    parts, notes = _joined(settings, [part for part, _ in loaded])
    trained = len(settings.data)
    mixture = mix(
        parts[:trained],
        parts[trained:],
        seed=settings.training.seed,
        held_out=settings.held_out,
        held_out_instances=settings.held_out_instances,
        limit_tasks=settings.used.limit_tasks,
        covering=settings.draw == "covering",
    )
    named = [source.encoding or settings.encoding.name for source in settings.data]
    return TuningInputs(
        mixture,
        {name: part.encoding for name, part in zip(named, parts, strict=False)},
        digest(parts),
        (*(fault for _, faults in loaded for fault in faults), *notes),
    )


def _load(
    settings: TuneSettings, source: TuneSource, limit: int | None
) -> tuple[SourcePart, list[str]]:
    seed = settings.used.instances_seed
    first = limit if seed is None else None
    from_files = load_source(source, limit=first, skip_bad=settings.used.skip_bad)
    shown = replace(source, path=without_directory(source.path))
    tasks, rejected = accepted_tasks(from_files.tasks, settings.reviewed, "data")
    if seed is not None:
        tasks = tuple(drawn_instances(task, limit, seed) for task in tasks)
    encoding = _encoding(settings, source)
    if from_files.whole_prompts and not named_layout(encoding.layout).bare:
        what = f"{source} has whole prompts, which this encoding would put into another prompt"
        raise InputError(what, "name the encoding plain, or chat-plain: SOURCE@plain")
    part = SourcePart(shown, tasks, encoding)
    part, faults = usable(part, skip_bad=settings.used.skip_bad)
    return part, [*(problem.what for problem in from_files.problems), *rejected, *faults]


def encodings_of(settings: TuneSettings) -> dict[str, Encoding]:
    """Return the encodings of a tuning's sources, by name, in the order of the sources."""
    if not settings.data:
        return {settings.encoding.name: settings.encoding.make()}
    return {
        source.encoding or settings.encoding.name: _encoding(settings, source)
        for source in settings.data
    }


def _encoding(settings: TuneSettings, source: TuneSource) -> Encoding:
    options = settings.encoding.options
    if source.encoding is None:
        return settings.encoding.make()
    return make_encoding(
        source.encoding, {name: options[name] for name in BUDGETS if name in options}
    )


def _joined(
    settings: TuneSettings, parts: Sequence[SourcePart]
) -> tuple[list[SourcePart], list[str]]:
    """Return the parts with the steps and examples that the settings name joined, and notes."""
    tasks = tuple(task for part in parts for task in part.tasks)
    notes = []
    if settings.steps is not None:
        tasks = with_steps(tasks, Path(settings.steps))
    tasks = with_generated(tasks, settings.generated)
    if settings.generated.run is not None:
        notes = list(filter(None, [about_examples(tasks, settings.generated.choose)]))
    accepted, rejected = accepted_tasks(tasks, settings.reviewed, "steps")
    kept, following = set(map(id, accepted)), iter(tasks)
    joined = [
        replace(part, tasks=tuple(task for task in own if id(task) in kept))
        for part in parts
        for own in [islice(following, len(part.tasks))]
    ]
    return joined, [*notes, *rejected]


Choose = Literal["ranked", "drawn"]
"""Which two of a task's generated examples are used."""


def with_generated(tasks: Iterable[Task], generated: ExamplesChoice) -> tuple[Task, ...]:
    """Return the tasks with the generated examples that settings name, or as they are without any.

    Raises:
        InputError: the settings choose among examples and name none; or raised by `with_examples`.
        RunError: raised by `with_examples`.
    """
    if generated.run is not None:
        return with_examples(tasks, Path(generated.run), generated.choose)
    if generated.choose != ExamplesChoice().choose:
        what = f"`choose` is {generated.choose}, but no run of examples is named"
        raise InputError(what, "name a run of `seedstep examples` as `examples`, or leave it out")
    return tuple(tasks)


def with_examples(tasks: Iterable[Task], run: Path, choose: Choose) -> tuple[Task, ...]:
    """Return the tasks with the chosen examples of a run of `seedstep examples`.

    A task for which the run has none gets none: examples of two origins would not be told apart.

    Raises:
        InputError: the run is one of another stage, or has no chosen examples of these tasks.
        RunError: `run` is no run.
    """
    tasks = tuple(tasks)
    if (stage := stage_of(run)) not in ("", "examples"):
        what = f"{run} is a run of `seedstep {stage}`, which has no generated examples"
        raise InputError(what, "name a run of `seedstep examples`")
    with open_database(run, "examples") as database:
        made = {entry.task: entry.result for entry in read_entries(database, ExampleSet)}
    found = {task.id: chosen_examples(made[task.id], choose) for task in tasks if task.id in made}
    if not any(found.values()):
        if found:
            what = f"{run}: none of these tasks has {choose} examples there"
            raise InputError(what, f"`seedstep show {run} --rejected` says why")
        what = f"{run}: its examples are of other tasks"
        raise InputError(what, "name the run that was made for these: `task` is a task's id")
    return tuple(replace(task, positive_examples=found.get(task.id, ())) for task in tasks)


def chosen_examples(made: ExampleSet, choose: Choose) -> tuple[Example, ...]:
    """Return the examples of a task that were drawn or ranked best, in that order."""
    places = made.drawn if choose == "drawn" else made.ranked
    return tuple(made.candidates[place] for place in places)


def about_examples(tasks: Sequence[Task], choose: Choose) -> str:
    """Return how many tasks with generated examples have none, or "" if all have some."""
    bare = sum(not task.positive_examples for task in tasks)
    return f"{bare:,} of {len(tasks):,} tasks have no {choose} examples to show" if bare else ""
