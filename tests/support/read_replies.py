"""What the tests of parsed replies share: the instances and instructions found, in short."""

from seedstep.bootstrap.instances import CandidateReply
from seedstep.bootstrap.parse import read_instructions
from seedstep.data import Instance

__all__ = ["Pairs", "as_pairs", "instructions", "pair"]

Pairs = list[tuple[str, str]]


def pair(text: str, output: str) -> Instance:
    return Instance(text, (output,))


def as_pairs(found: CandidateReply) -> Pairs:
    return [(instance.input, instance.output) for instance in found.instances]


def instructions(text: str, *, continues: bool, cut: bool = False) -> tuple[str, ...]:
    """The instructions that can be used."""
    found = read_instructions(text, first=9 if continues else 0, cut=cut)
    return tuple(example.text for example in found if not example.fault)
