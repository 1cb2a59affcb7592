"""The rows of each optimiser step, for each process.

Example::

    work = StepRows(data, training, processes=2).step(0)
    work.passes[process]  # lists of rows; every process has as many
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from seedstep.encode import TokenPair
from seedstep.encode.packing import IGNORED, Group, Row, make_row, pack
from seedstep.tune.plan import batches_of, divide
from seedstep.tune.records import Training, TuningData

__all__ = ["Pass", "Rows", "StepRows", "Steps", "Work"]

Pass = tuple[Row, ...]
"""Rows that go through the model together."""

_NOTHING = np.zeros(1, dtype=np.int64)
EMPTY: Pass = (Row(_NOTHING, _NOTHING, np.full(1, IGNORED), _NOTHING, _NOTHING),)
"""A pass in which nothing is learned, for a process that has to wait for others."""


@dataclass(frozen=True, slots=True)
class Rows:
    """How examples become rows.

    With `share` 1 a row is one example, and rows of a pass are filled up to the longest. Else
    groups of a task are put into one row as long as that has no more than `joined_tokens`.
    """

    share: int
    row_tokens: int
    joined_tokens: int


@dataclass(frozen=True, slots=True)
class Work:
    """A step: the passes of each process, and what there is in it over all processes.

    `tokens` are those of the examples, `row_tokens` those that the model computes, `longest` those
    of the longest example.
    """

    passes: tuple[tuple[Any, ...], ...]
    examples: int
    targets: int
    tokens: int
    row_tokens: int
    longest: int


class Steps(Protocol):
    """The steps of a tuning."""

    @property
    def per_epoch(self) -> int:
        """How many an epoch has."""

    @property
    def number(self) -> int:
        """All of them."""

    def step(self, number: int) -> Work:
        """The work of the step with this number, from 0."""


class StepRows:
    """The steps of a tuning, of which there are as many in each epoch."""

    def __init__(self, data: TuningData, training: Training, rows: Rows, processes: int) -> None:
        """Nothing is planned before it is asked for."""
        self._data = data
        self._training = training
        self._rows = rows
        self._processes = processes
        self._epoch: tuple[int, Sequence[TokenPair], list[list[int]]] | None = None
        self.per_epoch = -(-len(data.training(0)) // training.batch)
        whole = self.per_epoch * training.epochs
        self.number = min(whole, training.max_steps or whole)

    def step(self, number: int) -> Work:
        """The work of the step with this number, from 0."""
        epoch, place = divmod(number, self.per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            pairs = self._data.training(epoch)
            training = self._training
            batches = batches_of(
                pairs,
                seed=training.seed,
                epoch=epoch,
                batch=training.batch,
                share=self._rows.share,
            )
            self._epoch = epoch, pairs, batches
        _, pairs, batches = self._epoch
        return self.work([pairs[one] for one in batches[place]])

    def work(self, pairs: Sequence[TokenPair]) -> Work:
        """Examples as passes, as many in every process."""
        parts = divide(
            pairs,
            parts=self._processes * self._training.accumulate,
            share=self._rows.share,
            row_tokens=self._rows.row_tokens,
        )
        lists = [
            [one for part in parts[process :: self._processes] for one in _passes(part, self._rows)]
            for process in range(self._processes)
        ]
        most = max(map(len, lists))
        return Work(
            passes=tuple((EMPTY,) * (most - len(own)) + tuple(own) for own in lists),
            examples=len(pairs),
            targets=sum(len(pair.target) for pair in pairs),
            tokens=sum(len(pair.prompt) + len(pair.target) for pair in pairs),
            row_tokens=sum(len(row) for own in lists for one in own for row in one),
            longest=max(len(pair.prompt) + len(pair.target) for pair in pairs),
        )


def _passes(groups: Sequence[Group], rows: Rows) -> list[Pass]:
    if rows.share > 1:
        return [(make_row(row),) for row in pack(groups, row_tokens=rows.joined_tokens)]
    passes: list[list[Row]] = []
    for row in sorted((make_row([group]) for group in groups), key=len):
        if passes and len(row) * (len(passes[-1]) + 1) <= rows.joined_tokens:
            passes[-1].append(row)
        else:
            passes.append([row])
    return [tuple(one) for one in passes]
