"""Plan which examples each optimiser step uses, and divide them among processes and passes.

The plan follows from hash(seed, epoch, task, instance) alone. Every process and every resumed run
therefore makes the same plan, without a global random generator.

Example::

    batches = batches_of(pairs, seed=42, epoch=0, batch=16, share=8)
    parts = divide(batches[0], parts=2, share=8, row_tokens=4096)  # one for each of 2 processes
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from seedstep.data.choice import draw, order_key
from seedstep.encode import TokenPair
from seedstep.encode.packing import IGNORED, PackedGroup, PackedRow, group_pairs, make_row, pack
from seedstep.tune.records import Training, TuningData

__all__ = [
    "Pass",
    "PlannedRows",
    "StepPairs",
    "StepPlan",
    "StepRows",
    "StepWork",
    "batches_of",
    "divide",
    "length_grouped",
]


def batches_of(
    pairs: Sequence[TokenPair], *, seed: int, epoch: int, batch: int, share: int
) -> list[list[int]]:
    """Return the places of the examples of each step; all but the last step have `batch` examples.

    `share` instances of a task stay together, but no more than half a batch, so that a step uses
    several tasks. Instances that don't fit into a batch begin the next one.
    """
    share = min(share, max(1, batch // 2))
    tasks: dict[str, list[tuple[bytes, int]]] = {}
    for place, pair in enumerate(pairs):
        chance = order_key(seed, epoch, pair.task, pair.instance)
        tasks.setdefault(pair.task, []).append((chance, place))
    bundles: list[tuple[bytes, list[int]]] = []
    for members in tasks.values():
        members.sort()
        for start in range(0, len(members), share):
            bundle = members[start : start + share]
            bundles.append((bundle[0][0], [place for _, place in bundle]))
    bundles.sort()
    order = [place for _, bundle in bundles for place in bundle]
    return [order[start : start + batch] for start in range(0, len(order), batch)]


def divide(
    pairs: Sequence[TokenPair], *, parts: int, share: int, row_tokens: int
) -> list[list[PackedGroup]]:
    """Divide a step's examples into parts of about as many tokens each.

    A part is one pass of one process. It is empty only if there are fewer examples than parts.
    """
    groups = group_pairs(pairs, share=share, row_tokens=row_tokens)
    while len(groups) < min(parts, len(pairs)):
        largest = max((group for group in groups if len(group.pairs) > 1), key=_tokens)
        groups.remove(largest)
        half = -(-len(largest.pairs) // 2)
        groups += group_pairs(largest.pairs, share=half, row_tokens=row_tokens)
    divided: list[list[PackedGroup]] = [[] for _ in range(parts)]
    for group in sorted(groups, key=lambda group: -group.tokens):
        min(divided, key=lambda part: sum(map(_tokens, part))).append(group)
    return divided


def _tokens(group: PackedGroup) -> int:
    return group.tokens


Pass = tuple[PackedRow, ...]
"""The rows of one forward and backward pass."""

_NOTHING = np.zeros(1, dtype=np.int64)
EMPTY: Pass = (PackedRow(_NOTHING, _NOTHING, np.full(1, IGNORED), _NOTHING, _NOTHING),)
"""A pass without labels, for a process that has fewer passes than others in a step."""


@dataclass(frozen=True, slots=True)
class PlannedRows:
    """How examples are put into rows.

    With `share` 1 a row is one example, and the rows of a pass are padded to the longest. Otherwise
    several groups are put into one row, as long as it has at most `joined_tokens`.
    """

    share: int
    row_tokens: int
    joined_tokens: int


@dataclass(frozen=True, slots=True)
class StepWork:
    """An optimiser step: the passes of each process, and counts over all processes.

    `targets` counts target tokens, `tokens` all tokens of the examples, `row_tokens` the tokens
    that the model computes. `longest` is the length of the longest example.
    """

    passes: tuple[tuple[Any, ...], ...]
    examples: int
    targets: int
    tokens: int
    row_tokens: int
    longest: int

    @classmethod
    def of(
        cls, passes: tuple[tuple[Any, ...], ...], pairs: Sequence[TokenPair], row_tokens: int
    ) -> Self:
        """Return the step that trains on these examples, in these passes."""
        lengths = list(map(_tokens_pairs, pairs))
        targets = sum(len(pair.target) for pair in pairs)
        return cls(passes, len(pairs), targets, sum(lengths), row_tokens, max(lengths))


class StepPlan(ABC):
    """The steps of a tuning. All epochs have the same number."""

    def __init__(self, data: TuningData, training: Training, processes: int) -> None:
        """An epoch is planned when its first step is."""
        self._data = data
        self._training = training
        self._processes = processes
        self._epoch: tuple[int, Sequence[TokenPair], list[list[int]]] | None = None
        self.per_epoch = -(-len(data.training(0)) // training.batch)
        whole = self.per_epoch * training.epochs
        self.number = min(whole, training.max_steps or whole)

    def step(self, number: int) -> StepWork:
        """Return the work of the step with this number, from 0."""
        epoch, place = divmod(number, self.per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            pairs = self._data.training(epoch)
            self._epoch = epoch, pairs, self._batches(pairs, epoch)
        _, pairs, batches = self._epoch
        return self.work([pairs[number] for number in batches[place]])

    @abstractmethod
    def work(self, pairs: Sequence[TokenPair]) -> StepWork:
        """Divide examples into passes, the same number for every process."""

    @abstractmethod
    def _batches(self, pairs: Sequence[TokenPair], epoch: int) -> list[list[int]]:
        """Return the places of the examples of each step of an epoch."""


class StepRows(StepPlan):
    """The steps of a decoder-only tuning, on packed rows."""

    def __init__(
        self, data: TuningData, training: Training, rows: PlannedRows, processes: int
    ) -> None:
        """`rows` says how long rows are."""
        super().__init__(data, training, processes)
        self._rows = rows

    def _batches(self, pairs: Sequence[TokenPair], epoch: int) -> list[list[int]]:
        seed, batch = self._training.seed, self._training.batch
        return batches_of(pairs, seed=seed, epoch=epoch, batch=batch, share=self._rows.share)

    def work(self, pairs: Sequence[TokenPair]) -> StepWork:
        """Divide examples into passes, the same number for every process."""
        parts = divide(
            pairs,
            parts=self._processes * self._training.accumulate,
            share=self._rows.share,
            row_tokens=self._rows.row_tokens,
        )
        lists = [
            [
                rows
                for part in parts[process :: self._processes]
                for rows in _passes(part, self._rows)
            ]
            for process in range(self._processes)
        ]
        most = max(map(len, lists))
        passes = tuple((EMPTY,) * (most - len(own)) + tuple(own) for own in lists)
        row_tokens = sum(len(row) for own in lists for rows in own for row in rows)
        return StepWork.of(passes, pairs, row_tokens)


def _passes(groups: Sequence[PackedGroup], rows: PlannedRows) -> list[Pass]:
    if rows.share > 1:
        return [(make_row(row),) for row in pack(groups, row_tokens=rows.joined_tokens)]
    passes: list[list[PackedRow]] = []
    for row in sorted((make_row([group]) for group in groups), key=len):
        if passes and len(row) * (len(passes[-1]) + 1) <= rows.joined_tokens:
            passes[-1].append(row)
        else:
            passes.append([row])
    return [tuple(rows) for rows in passes]


NEIGHBOURS = 50
"""How many batches are sorted by length together, as transformers does."""


class StepPairs(StepPlan):
    """The steps of an encoder-decoder tuning, on pairs of prompt and target."""

    def _batches(self, pairs: Sequence[TokenPair], epoch: int) -> list[list[int]]:
        training = self._training
        return length_grouped(pairs, batch=training.batch, seed=training.seed, epoch=epoch)

    def work(self, pairs: Sequence[TokenPair]) -> StepWork:
        """Divide examples into passes, the same number for every process; the last may be empty."""
        size = max(1, self._training.batch // (self._training.accumulate * self._processes))
        ordered = sorted(pairs, key=_tokens_pairs, reverse=True)
        passes = [tuple(ordered[start : start + size]) for start in range(0, len(ordered), size)]
        passes += [()] * (-len(passes) % self._processes)
        row_tokens = sum(len(own) * max(map(_tokens_pairs, own), default=0) for own in passes)
        shared = tuple(tuple(passes[at :: self._processes]) for at in range(self._processes))
        return StepWork.of(shared, pairs, row_tokens)


def length_grouped(
    pairs: Sequence[TokenPair], *, batch: int, seed: int, epoch: int
) -> list[list[int]]:
    """Return the places of the examples of each step, which are of similar length.

    Steps come in random order, except that a step that is not full is the last.
    """
    chances, lengths = [], []
    for pair in pairs:
        chances.append(draw(1 << 64, "order", seed, epoch, pair.task, pair.instance))
        lengths.append(_tokens_pairs(pair))
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


def _tokens_pairs(pair: TokenPair) -> int:
    return len(pair.prompt) + len(pair.target)
