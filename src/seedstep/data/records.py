"""The records that all rooms share.

Example::

    Task("seed_001", "Translate the sentence into French.", (Instance("Hello.", ("Bonjour.",)),))
"""

from dataclasses import dataclass

__all__ = ["Example", "Instance", "Task"]


@dataclass(frozen=True, slots=True)
class Instance:
    """One input, which may be empty, with one or more reference outputs.

    `id` is unique within its task; empty where instances are not told apart.
    """

    input: str
    outputs: tuple[str, ...]
    id: str = ""

    @property
    def output(self) -> str:
        """The first reference output."""
        return self.outputs[0]


@dataclass(frozen=True, slots=True)
class Example:
    """A demonstration that belongs to a task: what to do (positive), or not to do (negative)."""

    input: str
    output: str
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A definition (Self-Instruct calls it the instruction) with its examples and instances.

    `steps` is the task's step-by-step instruction, `unrefined_steps` what it was before its
    refining; both are empty where there is none.
    """

    id: str
    definition: str
    instances: tuple[Instance, ...]
    is_classification: bool = False
    name: str = ""
    category: str = ""
    positive_examples: tuple[Example, ...] = ()
    negative_examples: tuple[Example, ...] = ()
    steps: tuple[str, ...] = ()
    unrefined_steps: tuple[str, ...] = ()
