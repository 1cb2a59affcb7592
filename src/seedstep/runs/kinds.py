"""The runs of the stages that make one record for each task, and the tasks that runs have.

Example::

    tasks = read_run_tasks(Path("runs/first"))  # a tuple of tasks with instances
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from seedstep.data import Task, TaskChoice, TaskFiles
from seedstep.errors import InputError
from seedstep.evaluate.judge import Judged, JudgeSettings, SystemAnswers
from seedstep.infer.distill import DistilledTask, DistillSettings
from seedstep.runs.database import Database
from seedstep.runs.directory import open_database, stage_of
from seedstep.runs.grown import read_grown_tasks
from seedstep.runs.places import CONFIG, stored_values
from seedstep.runs.run import Run
from seedstep.runs.tasks import TaskRecords, read_entries
from seedstep.steps import ExampleSet, ExamplesSettings, StepsSettings, WrittenSteps

__all__ = [
    "DistillRun",
    "ExamplesInputs",
    "ExamplesRun",
    "JudgeInputs",
    "JudgeRun",
    "StepsRun",
    "load_choice",
    "read_distilled_tasks",
    "read_run_tasks",
]


@dataclass(frozen=True, slots=True)
class JudgeInputs(TaskFiles):
    """The inputs of a judge: a task for each instance, the answers of each system, a rubric."""

    answers: tuple[SystemAnswers, ...] = ()
    rubric: str = ""


@dataclass(frozen=True, slots=True)
class ExamplesInputs(TaskFiles):
    """The inputs of generated examples: tasks, and the steps of each, by the task's id.

    `language` is the one in which the steps were asked for, if one was named.
    """

    instructions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    language: str | None = None


StepsRun = Run[StepsSettings, TaskFiles, TaskRecords[WrittenSteps]]
"""A run of step-by-step instructions."""

ExamplesRun = Run[ExamplesSettings, ExamplesInputs, TaskRecords[ExampleSet]]
"""A run of examples generated from step-by-step instructions."""

DistillRun = Run[DistillSettings, TaskFiles, TaskRecords[DistilledTask]]
"""A run of outputs that were written anew."""

JudgeRun = Run[JudgeSettings, JudgeInputs, TaskRecords[Judged]]
"""A run of verdicts, whose tasks are instances."""


def read_distilled_tasks(database: Database) -> Iterator[Task]:
    """Yield the tasks whose outputs were written anew, with their new outputs, in their order."""
    for entry in read_entries(database, DistilledTask):
        made = entry.result
        if made.instances:
            yield Task(
                entry.task,
                entry.definition,
                made.instances,
                made.is_classification,
                category=entry.category,
                positive_examples=made.positive_examples,
                negative_examples=made.negative_examples,
            )


READERS: Mapping[str, Callable[[Database], Iterable[Task]]] = MappingProxyType(
    {"bootstrap": read_grown_tasks, "distill": read_distilled_tasks}
)
"""How the tasks of a run are read, by its stage; runs of other stages have no instances."""


MAKES: Mapping[str, str] = MappingProxyType(
    {
        "steps": "instructions",
        "examples": "generated examples",
        "predict": "answers of systems",
        "judge": "verdicts",
        "review": "labels",
    }
)
"""What a run of a stage has that makes no tasks."""


def read_run_tasks(path: Path) -> tuple[Task, ...] | None:
    """Return the finished tasks of a run with their instances; None if `path` is no run.

    Raises:
        InputError: the run's stage makes no tasks, or it has none yet.
        RunError: the run can't be read.
    """
    stage = stage_of(path)
    if not stage:
        return None
    if stage not in READERS:
        made = MAKES.get(stage, "other records")
        what = f"{path} is a run of `seedstep {stage}`: it has {made}, and no tasks with instances"
        of = stored_values(path, CONFIG).get("tasks")
        its = f", such as its own: {of}" if isinstance(of, str) else ""
        raise InputError(what, f"name a bootstrap's run, one of `distill`, or task files{its}")
    with open_database(path, stage) as database:
        tasks = tuple(READERS[stage](database))
    if not tasks:
        raise InputError(f"{path} has no finished tasks yet", f"let `seedstep {stage}` make some")
    return tasks


def load_choice(choice: TaskChoice) -> TaskFiles:
    """Return the chosen tasks of files or of a run, with the chosen instances of each.

    Raises:
        InputError: no tasks are named, or one can't be read.
        RunError: a run can't be read.
    """
    grown = read_run_tasks(Path(choice.path)) if choice.path else None
    if grown is None:
        return choice.load()
    if choice.split is not None:
        raise InputError(f"{choice.path}: a run has no splits", "leave the split out")
    return TaskFiles(choice.choose(grown), ())
