"""The run directories of step-by-step instructions, and of generated examples.

Example::

    with StepsRun.start(Path("runs/steps"), {"tasks": "my_tasks.jsonl"}) as run: ...
"""

from dataclasses import replace
from pathlib import Path

from seedstep.data import Example, Task, TaskFiles, load_tasks
from seedstep.errors import InputError
from seedstep.llm.settings import require_price
from seedstep.runs.bootstrap import BootstrapRun
from seedstep.runs.directory import stage_of
from seedstep.runs.tasks import TaskRun
from seedstep.steps import (
    ExampleSet,
    ExamplesSettings,
    StepsSettings,
    WrittenSteps,
    make_examples_settings,
    make_steps_settings,
)

__all__ = [
    "ExamplesRun",
    "StepsRun",
]

EXAMPLES = 2
"""Instances of a machine-generated task that serve as its positive examples."""


class StepsRun(TaskRun[StepsSettings, WrittenSteps]):
    """A run directory of step-by-step instructions."""

    stage = "steps"
    record_type = WrittenSteps
    make_settings = staticmethod(make_steps_settings)

    @staticmethod
    def load(settings: StepsSettings) -> TaskFiles:
        """All tasks of the settings, or the machine-generated ones of a bootstrap.

        Raises:
            InputError: none are named, or one can't be read.
        """
        require_price(settings)
        if settings.tasks is None:
            raise InputError("no tasks", "add --tasks PATH")
        path = Path(settings.tasks)
        if stage_of(path) == BootstrapRun.stage:
            return TaskFiles(_grown(path), ())
        return load_tasks(path, settings.split, settings.track, limit=0, skip_bad=settings.skip_bad)


class ExamplesRun(TaskRun[ExamplesSettings, ExampleSet]):
    """A run directory of examples generated from step-by-step instructions."""

    stage = "examples"
    record_type = ExampleSet
    make_settings = staticmethod(make_examples_settings)

    @staticmethod
    def load(settings: ExamplesSettings) -> TaskFiles:
        """The tasks of a run of instructions that have one.

        Raises:
            InputError: no such run is named, or it has no instruction yet.
        """
        require_price(settings)
        with StepsRun.read(_named(settings)) as run:
            done = {entry.task for entry in run.entries() if entry.result.steps}
            tasks = tuple(task for task in run.tasks().tasks if task.id in done)
        if not tasks:
            raise InputError(f"{settings.steps} has no instructions yet", "write some first")
        return TaskFiles(tasks, ())

    def instructions(self) -> dict[str, tuple[str, ...]]:
        """The steps of each task, by its id."""
        return self.steps_of(self.settings)

    @staticmethod
    def steps_of(settings: ExamplesSettings) -> dict[str, tuple[str, ...]]:
        """The steps of each task of the run that the settings name.

        Raises:
            InputError: they name none.
        """
        with StepsRun.read(_named(settings)) as run:
            return {entry.task: entry.result.steps for entry in run.entries()}


def _named(settings: ExamplesSettings) -> Path:
    if settings.steps is None:
        raise InputError("no step-by-step instructions", "add --steps RUN")
    return Path(settings.steps)


def _grown(path: Path) -> tuple[Task, ...]:
    """The machine-generated tasks of a bootstrap; their first instances serve as examples."""
    with BootstrapRun.read(path) as run:
        return tuple(
            replace(
                task,
                instances=(),
                positive_examples=tuple(
                    Example(one.input, one.output) for one in task.instances[:EXAMPLES]
                ),
            )
            for task in run.tasks()
        )
