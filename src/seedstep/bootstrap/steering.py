"""The requests of a bootstrap for instructions: when each is made, and what it asks for.

The items of a bootstrap go on one after the other, and while more tasks are needed. Along the axes
of `seedstep.bootstrap.axes`, each request asks for tasks of a cell: the one whose values are most
under their shares. What becomes of the requests decides, in the order in which they are retired, so
that the choice never depends on which reply comes first.

Example::

    >>> from seedstep.bootstrap.axes import parse_axes
    >>> (axis,) = parse_axes({"difficulty": {"easy": 0.7, "hard": 0.3}})
    >>> steering = Steering([axis], seed=1)
    >>> [dict(steering.choose(index))["difficulty"] for index in range(5)]
    ['easy', 'hard', 'easy', 'easy', 'hard']
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product

from seedstep.bootstrap.axes import (
    CLASSIFICATION,
    YES_AND_NO,
    Axis,
    AxisValue,
    Cell,
)
from seedstep.data.choice import order_key

__all__ = ["TRIES", "Coverage", "Steering", "TaskDemand", "Turnstile", "ValueCoverage"]

TRIES = 8
"""After so many requests in a row without a task, a value, a pair or a cell is set aside."""


@dataclass(frozen=True, slots=True)
class ValueCoverage:
    """A value of an axis: its share, the tasks that have it, and the requests that asked for it.

    A value that is `aside` is not asked for any more; the others have its share.
    """

    axis: str
    value: str
    wanted: float
    tasks: int
    requests: int
    aside: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was wanted, and what came: values, what is aside of cells, and the number of tasks."""

    values: tuple[ValueCoverage, ...]
    aside: tuple[Cell, ...]
    tasks: int


class Steering:
    """Chooses the cell of each request by what became of the requests before it."""

    def __init__(self, axes: Sequence[Axis], seed: int | str, window: int = 1) -> None:
        """Begin without requests.

        `seed` decides between values that are equally wanted. Request i is chosen by what was
        retired up to request i - `window`, even if more was.
        """
        self._axes = tuple(axes)
        self._seed = seed
        self._window = window
        self._cells: list[Cell] = []
        self._labels: list[Sequence[bool]] = []
        self._placed = 0
        self._chosen: Counter[Cell] = Counter()
        self._got: Counter[Cell] = Counter()
        self._asked: Counter[Cell] = Counter()
        self._in_vain: Counter[Cell] = Counter()
        self._aside: dict[Cell, None] = {}
        self._requests = 0
        self._tasks = 0

    def choose(self, index: int) -> Cell:
        """Return the cell of the next request, `index`: what is most under its share."""
        if not self._axes:
            return ()
        self._count(index - self._window + 1)
        for cell in self._cells[self._placed :]:
            self._chosen.update(cell[:length] for length in range(len(cell) + 1))
        self._placed = len(self._cells)
        expected = (self._tasks + 1) / (self._requests + 1)
        cells = self._preferred(index, expected, self._aside)
        anyway = self._preferred(index, expected, ())  # where all cells are set aside
        cell = next(chain(cells, anyway))
        self._cells.append(cell)
        return cell

    def retire(self, cell: Cell, labels: Sequence[bool]) -> None:
        """Note the finished tasks of the next request, which an earlier process may have chosen.

        `labels` says of each task whether the model takes it for a classification task.
        """
        if not self._axes:
            return
        if len(self._labels) == len(self._cells):
            self._cells.append(cell)
        self._labels.append(labels)

    def _count(self, requests: int) -> None:
        """Take into account what became of the first requests, so many of them."""
        for place in range(self._requests, min(requests, len(self._labels))):
            self._add(self._cells[place], self._labels[place])

    def _add(self, cell: Cell, labels: Sequence[bool]) -> None:
        self._requests += 1
        self._tasks += len(labels)
        filled = [_filled(cell, is_classification=label) for label in labels]
        for found in filled:
            self._got.update((pair,) for pair in found)
        for part in _parts(cell):
            self._asked[part] += 1
            if any(set(part) <= set(found) for found in filled):
                self._in_vain[part] = 0
                self._aside.pop(part, None)
            else:
                self._in_vain[part] += 1
                if self._in_vain[part] >= TRIES and self._may_go(part):
                    self._aside[part] = None

    def coverage(self) -> Coverage:
        """Return what was wanted, and what came of all that was retired."""
        self._count(len(self._labels))
        values = tuple(
            ValueCoverage(
                axis.name,
                value,
                share,
                self._got[part],
                self._asked[part],
                part in self._aside,
            )
            for axis in self._axes
            for value, share in axis.shares.items()
            for part in [((axis.name, value),)]
        )
        cells = (
            part
            for part in self._aside
            if len(part) > 1 and not any(set(other) < set(part) for other in self._aside)
        )
        return Coverage(values, tuple(cells), self._tasks)

    def _may_go(self, part: Cell) -> bool:
        """Return whether a part of a cell is not aside yet, and its axis keeps another value."""
        if part in self._aside:
            return False
        if len(part) > 1:
            return True
        ((name, value),) = part
        axis = next(axis for axis in self._axes if axis.name == name)
        return any(other != value for other in self._shares(axis))

    def _shares(self, axis: Axis) -> dict[str, float]:
        """Return the shares of values that are not aside, with the shares of those that are."""
        left = {
            value: share
            for value, share in axis.shares.items()
            if ((axis.name, value),) not in self._aside
        }
        whole = sum(left.values())
        return {value: share / whole for value, share in left.items()}

    def _preferred(self, index: int, expected: float, aside: Collection[Cell]) -> Iterator[Cell]:
        """Yield the cells that have no part aside, those most wanted first."""
        under_way = self._cells[self._requests :]
        total = self._tasks + expected * (len(under_way) + 1)
        coming = Counter(pair for cell in under_way for pair in cell)
        shares = {
            (axis.name, value): share
            for axis in self._axes
            for value, share in self._shares(axis).items()
        }
        missing = {
            pair: share * total - self._got[(pair,)] - expected * coming[pair]
            for pair, share in shares.items()
        }
        keys = {pair: order_key(self._seed, index, *pair) for pair in shares}

        def cells(begun: Cell, left: Sequence[Sequence[AxisValue]]) -> Iterator[Cell]:
            if not left and begun not in aside:
                yield begun
            if not left or _none_fits(left, aside):
                return

            def order(pair: AxisValue) -> tuple[float, bytes]:
                chosen = self._chosen[begun] + 1
                beside = shares[pair] * chosen - self._chosen[(*begun, pair)]
                return -round(missing[pair] + expected * beside, 9), keys[pair]

            for pair in sorted(left[0], key=order):
                later = [
                    [other for other in axis if (pair, other) not in aside] for axis in left[1:]
                ]
                yield from cells((*begun, pair), later)

        values = [[pair for pair in shares if pair[0] == axis.name] for axis in self._axes]
        yield from cells((), values)


def _none_fits(left: Sequence[Sequence[AxisValue]], aside: Collection[Cell]) -> bool:
    """Return whether all values of an axis, or all pairs of values of two axes, are aside."""
    if not all(left):
        return True
    return any(
        all(pair in aside for pair in product(first, second))
        for first, second in combinations(left, 2)
    )


def _filled(cell: Cell, *, is_classification: bool) -> Cell:
    """Return the cell that a task fills, whichever was asked for."""
    said = YES_AND_NO[not is_classification]
    return tuple((name, said if name == CLASSIFICATION else value) for name, value in cell)


def _parts(cell: Cell) -> Iterator[Cell]:
    """Yield what may be aside of a cell: its values, pairs of them, and the whole cell."""
    for size in sorted({1, 2, len(cell)}):
        yield from combinations(cell, size)


class Turnstile:
    """Lets items pass in their order."""

    def __init__(self, first: int) -> None:
        """Let the item `first` pass first."""
        self._next = first
        self._waiting: dict[int, asyncio.Event] = {}

    async def wait_for_turn(self, index: int) -> None:
        """Wait until all items before `index` have passed."""
        if index != self._next:
            await self._waiting.setdefault(index, asyncio.Event()).wait()

    def release(self, index: int) -> None:
        """Let the item after `index` pass: `index` has passed."""
        self._next = index + 1
        if event := self._waiting.pop(self._next, None):
            event.set()


class TaskDemand:
    """Delays requests for new instructions while those in flight may be enough.

    This saves requests at the end of a run. The data does not depend on it: it decides when a
    request is sent, not what the request contains.
    """

    def __init__(self, wanted: int) -> None:
        """Begin with so many tasks that are missing."""
        self._missing = wanted
        self._risen = asyncio.Event()

    async def reserve(self) -> None:
        """Wait until more tasks are needed, and expect one task from the next request."""
        while self._missing <= 0:
            self._risen.clear()
            await self._risen.wait()
        self._missing -= 1

    def generated(self, accepted: int) -> None:
        """Note that a request gave `accepted` instructions, each of which may become a task."""
        self._change(1 - accepted)

    def completed(self, *, good: bool) -> None:
        """Note that an instruction became a task, or did not."""
        self._change(0 if good else 1)

    def _change(self, missing: int) -> None:
        self._missing += missing
        if self._missing > 0:
            self._risen.set()
