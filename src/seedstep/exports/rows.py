"""The rows of most formats: an instance with its task."""

from dataclasses import dataclass

__all__ = ["ExportRow"]


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One instance with its task."""

    id: str
    instruction: str
    input: str
    output: str
    is_classification: bool

    @property
    def request(self) -> str:
        """Instruction and input as one message."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction
