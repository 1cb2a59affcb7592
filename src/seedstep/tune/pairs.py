"""The examples of each step of an encoder-decoder model, by length, for each process.

All follows from the seed, the epoch and the names of tasks and instances. A step has the same
examples however many processes and passes share it, and whenever training was interrupted.

Example::

    work = StepPairs(data, training, processes=2).step(0)
    work.passes[process]  # lists of pairs; every process has as many
"""

from collections.abc import Sequence

from seedstep.encode import TokenPair
from seedstep.encode.draws import draw
from seedstep.tune.records import Training, TuningData
from seedstep.tune.steps import Work

__all__ = ["StepPairs", "length_grouped"]

NEIGHBOURS = 50
"""Batches whose examples are sorted by length among themselves, as transformers does."""


class StepPairs:
    """The steps of a tuning, of which there are as many in each epoch."""

    def __init__(self, data: TuningData, training: Training, processes: int) -> None:
        """Nothing is planned before it is asked for."""
        self._data = data
        self._training = training
        self._processes = processes
        self._epoch: tuple[int, Sequence[TokenPair], list[list[int]]] | None = None
        self._pass = max(1, training.batch // (training.accumulate * processes))
        self.per_epoch = -(-len(data.training(0)) // training.batch)
        whole = self.per_epoch * training.epochs
        self.number = min(whole, training.max_steps or whole)

    def step(self, number: int) -> Work:
        """The work of the step with this number, from 0."""
        epoch, place = divmod(number, self.per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            pairs = self._data.training(epoch)
            one = self._training
            plan = length_grouped(pairs, batch=one.batch, seed=one.seed, epoch=epoch)
            self._epoch = epoch, pairs, plan
        _, pairs, plan = self._epoch
        return self.work([pairs[one] for one in plan[place]])

    def work(self, pairs: Sequence[TokenPair]) -> Work:
        """Examples as passes, as many in every process; the last ones may be empty."""
        by_length = sorted(pairs, key=_tokens, reverse=True)
        passes = [
            tuple(by_length[start : start + self._pass])
            for start in range(0, len(by_length), self._pass)
        ]
        passes += [()] * (-len(passes) % self._processes)
        return Work(
            passes=tuple(tuple(passes[one :: self._processes]) for one in range(self._processes)),
            examples=len(pairs),
            targets=sum(len(pair.target) for pair in pairs),
            tokens=sum(map(_tokens, pairs)),
            row_tokens=sum(len(one) * max(map(_tokens, one), default=0) for one in passes),
            longest=max(map(_tokens, pairs)),
        )


def length_grouped(
    pairs: Sequence[TokenPair], *, batch: int, seed: int, epoch: int
) -> list[list[int]]:
    """The places of the examples of each step, which are of a like length.

    Steps come in random order, but one that is not full is the last.
    """
    chances, lengths = [], []
    for pair in pairs:
        chances.append(draw(1 << 64, "order", seed, epoch, pair.task, pair.instance))
        lengths.append(_tokens(pair))
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


def _tokens(pair: TokenPair) -> int:
    return len(pair.prompt) + len(pair.target)
