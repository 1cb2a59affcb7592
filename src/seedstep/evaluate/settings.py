"""What is evaluated, compared and judged: the predictions of systems for some tasks.

Example::

    SystemChoice(sources=("runs/predict",), tasks=TaskChoice("natural-instructions", "test"))
"""

from dataclasses import dataclass
from pathlib import Path

from seedstep.data import TaskChoice
from seedstep.errors import InputError
from seedstep.settings import Place, SettingsRecord, part, setting

__all__ = ["ScoringSettings", "SystemChoice"]


@dataclass(frozen=True, slots=True)
class SystemChoice:
    """Runs and files of predictions, which systems in them, and the tasks that were predicted."""

    sources: tuple[str, ...] = setting(
        (), "Runs of `seedstep predict`, and files of predictions.", flags=("SOURCE...",)
    )
    names: tuple[str, ...] = setting(
        (), "Which predictions of the runs. Default: all.", flags=("--name",)
    )
    tasks: TaskChoice = part(
        TaskChoice,
        path=Place(help="The tasks that were predicted. Needed for files; runs have their own."),
        split=Place(help="Split of a directory, such as test."),
        limit_tasks=None,
        limit_instances=Place(help="Use the first so many instances of each task."),
        skip_bad=None,
    )

    @property
    def paths(self) -> tuple[Path, ...]:
        """The sources."""
        return tuple(map(Path, self.sources))

    @property
    def given_tasks(self) -> TaskChoice | None:
        """The tasks, where they are named; else the runs' own."""
        return self.tasks if self.tasks.path is not None else None


@dataclass(frozen=True, slots=True)
class ScoringSettings(SettingsRecord):
    """What `seedstep evaluate` and `seedstep compare` score, and in which words."""

    systems: SystemChoice = part(SystemChoice)
    tokenizer: str = setting(
        "",
        "For the cross-lingual track: gpt2, or a directory with its tokenizer.json. Default: "
        "rouge-score's words, stemmed.",
    )

    def check(self, source: str) -> None:
        """Raise InputError if a split or a number of instances is asked for of no tasks."""
        tasks = self.systems.tasks
        if tasks.path is None and (tasks.split is not None or tasks.limit_instances is not None):
            raise InputError("no tasks to take a split or instances of", "add --tasks PATH")
