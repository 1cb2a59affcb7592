"""What of a task an encoding shows before the input: its definition, steps and examples.

Example::

    Elements.of(task, ENCODINGS["steps"], seed=42).first(KeptElements(3, 1, 0))
"""

from dataclasses import dataclass, replace

from seedstep.data import Example, Instance, Task
from seedstep.encode.encodings import Encoding
from seedstep.steps import canonical, shuffled

__all__ = ["Elements", "KeptElements", "name_of", "steps_of"]


def name_of(instance: Instance) -> str:
    """What tells an instance from others of its task."""
    return instance.id or instance.input


@dataclass(frozen=True, slots=True)
class KeptElements:
    """How many of a prompt's steps and examples are in it, the first ones."""

    steps: int
    positive: int
    negative: int


@dataclass(frozen=True, slots=True)
class Elements:
    """What the prompts of a task have in common.

    `name` and `definition` are None where the encoding does not show them. With `steps_first` the
    steps stand before the definition. Examples are shown with their `explanations`, or without.
    """

    name: str | None
    definition: str | None
    steps: tuple[str, ...]
    steps_first: bool
    positive: tuple[Example, ...]
    negative: tuple[Example, ...]
    explanations: bool

    @staticmethod
    def of(task: Task, encoding: Encoding, *, seed: int) -> "Elements":
        """Return the elements that an encoding asks for; shuffled steps depend on `seed`."""
        return Elements(
            task.id if encoding.task_name else None,
            task.definition if encoding.definition else None,
            steps_of(task, encoding, seed=seed),
            encoding.position == "prepend",
            task.positive_examples[: encoding.positive],
            task.negative_examples[: encoding.negative],
            encoding.explanations,
        )

    @property
    def all(self) -> KeptElements:
        """All steps and examples."""
        return KeptElements(len(self.steps), len(self.positive), len(self.negative))

    def first(self, kept: KeptElements) -> "Elements":
        """Return the elements with the first steps and examples only."""
        return replace(
            self,
            steps=self.steps[: kept.steps],
            positive=self.positive[: kept.positive],
            negative=self.negative[: kept.negative],
        )


def steps_of(task: Task, encoding: Encoding, *, seed: int) -> tuple[str, ...]:
    """The steps that an encoding asks for, empty where the task has none."""
    if encoding.steps == "none":
        return ()
    if encoding.steps == "unrefined":
        return canonical(task.unrefined_steps)
    steps = canonical(task.steps)
    return steps if encoding.steps == "refined" else shuffled(steps, run_seed=seed, task_id=task.id)
