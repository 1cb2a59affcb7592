"""The records that all rooms share.

Example::

    Task("seed_001", "Translate the sentence into French.", (Instance("Hello.", ("Bonjour.",)),))
"""

from dataclasses import dataclass

__all__ = ["Instance", "Task"]


@dataclass(frozen=True, slots=True)
class Instance:
    """One input, which may be empty, with one or more reference outputs."""

    input: str
    outputs: tuple[str, ...]

    @property
    def output(self) -> str:
        """The first reference output."""
        return self.outputs[0]


@dataclass(frozen=True, slots=True)
class Task:
    """A definition (Self-Instruct calls it the instruction) with its instances."""

    id: str
    definition: str
    instances: tuple[Instance, ...]
    is_classification: bool = False
    name: str = ""
