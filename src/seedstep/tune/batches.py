"""The order of examples, and their way into steps, passes and processes.

All follow from the seed, the epoch and the names of tasks and instances. A step has the same
examples however many processes and passes share it, and whenever training was interrupted.

Example::

    for step in length_grouped(pairs, batch=16, seed=42, epoch=0):
        passes = divided(step, parts=4)
"""

from collections.abc import Sequence

from seedstep.encode import TokenPair
from seedstep.encode.draws import draw

__all__ = ["divided", "length_grouped"]

NEIGHBOURS = 50
"""Batches whose examples are sorted by length among themselves, as transformers does."""


def length_grouped(
    pairs: Sequence[TokenPair], *, batch: int, seed: int, epoch: int
) -> list[list[int]]:
    """The places of the examples of each step. Those of a step are of a like length, the longest
    first; steps come in random order, but one that is not full is the last.
    """
    chances, lengths = [], []
    for pair in pairs:
        chances.append(draw(1 << 64, "order", seed, epoch, pair.task, pair.instance))
        lengths.append(len(pair.prompt) + len(pair.target))
    by_chance = sorted(range(len(pairs)), key=chances.__getitem__)
    steps = []
    for start in range(0, len(by_chance), NEIGHBOURS * batch):
        some = by_chance[start : start + NEIGHBOURS * batch]
        some.sort(key=lengths.__getitem__, reverse=True)
        steps += [some[first : first + batch] for first in range(0, len(some), batch)]
    full = [step for step in steps if len(step) == batch]
    return sorted(full, key=lambda step: min(chances[place] for place in step)) + [
        step for step in steps if len(step) < batch
    ]


def divided(step: Sequence[int], parts: int) -> list[list[int]]:
    """The examples of a step in so many parts of a like length, some of which may be empty."""
    size, more = divmod(len(step), parts)
    divided = []
    start = 0
    for number in range(parts):
        end = start + size + (number < more)
        divided.append(list(step[start:end]))
        start = end
    return divided
