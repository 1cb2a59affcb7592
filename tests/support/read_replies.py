"""What the tests of parsed replies share: the instances and instructions found, in short."""

from seedstep.bootstrap.instances import RawInstance
from seedstep.bootstrap.parse import read_instructions

__all__ = ["Pairs", "as_pairs", "instructions"]

Pairs = list[tuple[str, str]]


def as_pairs(found: tuple[RawInstance, ...]) -> Pairs:
    return [(raw.input, raw.output) for raw in found]


def instructions(text: str, *, continues: bool, cut: bool = False) -> tuple[str, ...]:
    """The instructions that can be used."""
    found = read_instructions(text, first=9 if continues else 0, cut=cut)
    return tuple(example.text for example in found if not example.fault)
