"""The order of examples, and their way into steps, passes and processes.

All follow from the seed, the epoch and the names of tasks and instances. A step has the same
examples however many processes and passes share it, and whenever training was interrupted.

Example::

    feed = Feed(data, training, processes=2, rank=0)
    for places in feed:
        ...
"""

import os
from collections.abc import Iterator, Sequence

from seedstep.encode import TokenPair
from seedstep.encode.draws import draw
from seedstep.tune.records import Training, TuningData

__all__ = ["Feed", "divided", "length_grouped", "rank_and_processes"]

NEIGHBOURS = 50
"""Batches whose examples are sorted by length among themselves, as transformers does."""


class Feed:
    """The passes of one process through an epoch, each a list of places among its examples.

    A pass may be empty, so that all processes have as many.
    """

    def __init__(self, data: TuningData, training: Training, *, processes: int, rank: int) -> None:
        """Of epoch 0, until `epoch` is set."""
        self.epoch = 0
        self._data = data
        self._training = training
        self._processes = processes
        self._rank = rank
        self._examples = len(data.training(0))
        self._planned: tuple[int, list[list[int]]] = (-1, [])

    @property
    def steps(self) -> int:
        """Optimiser steps of an epoch."""
        return -(-self._examples // self._training.batch)

    def pair(self, place: int) -> TokenPair:
        """The example at a place of the epoch."""
        return self._data.training(self.epoch)[place]

    def size(self, step: int) -> tuple[int, int]:
        """Examples and tokens of a step of the epoch, over all processes."""
        pairs = [self.pair(place) for place in self._plan()[step]]
        return len(pairs), sum(len(pair.prompt) + len(pair.target) for pair in pairs)

    def __len__(self) -> int:
        return self.steps * self._training.accumulate

    def __iter__(self) -> Iterator[list[int]]:
        for step in self._plan():
            parts = divided(step, self._training.accumulate * self._processes)
            yield from parts[self._rank :: self._processes]

    def _plan(self) -> list[list[int]]:
        if self._planned[0] != self.epoch:
            one = self._training
            pairs = self._data.training(self.epoch)
            plan = length_grouped(pairs, batch=one.batch, seed=one.seed, epoch=self.epoch)
            self._planned = self.epoch, plan
        return self._planned[1]


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


def rank_and_processes() -> tuple[int, int]:
    """Which process this is, from 0, of how many that tune together."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
