"""What the tests of parsed replies share: the instances and instructions found, in short."""

from seedstep.bootstrap.instances import RawInstance
from seedstep.bootstrap.parse import read_instructions

__all__ = ["Pairs", "as_pairs", "instructions"]

Pairs = list[tuple[str, str]]


def as_pairs(found: tuple[RawInstance, ...]) -> Pairs:
    return [(one.input, one.output) for one in found]


def instructions(text: str, *, continues: bool, cut: bool = False) -> tuple[str, ...]:
    """The instructions that can be used."""
    found = read_instructions(text, first=9 if continues else 0, cut=cut)
    return tuple(one.text for one in found if not one.fault)
