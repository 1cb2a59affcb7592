"""Axes along which new tasks are spread, and the choice of what each request asks for.

Axes are not from the papers, and there are none unless they are asked for. An axis has values with
target shares. A cell has a value of each axis. Each request for instructions asks for tasks of a
cell: the one whose values are most under their shares. What becomes of the requests decides, in
the order in which they are retired, so that the choice never depends on which reply comes first.

Example::

    >>> (axis,) = parse_axes({"difficulty": {"easy": 0.7, "hard": 0.3}})
    >>> steering = Steering([axis], seed=1)
    >>> [dict(steering.choose(index))["difficulty"] for index in range(5)]
    ['easy', 'hard', 'easy', 'easy', 'hard']
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from math import isclose
from os import PathLike
from pathlib import Path
from typing import Any

from seedstep.bootstrap.parse import read_values
from seedstep.data import read_yaml
from seedstep.data.choice import order_key
from seedstep.errors import InputError, unknown_name
from seedstep.llm import Engine, Failure, Reply, Request
from seedstep.prompts import axis_wording
from seedstep.settings import is_finite

__all__ = [
    "TRIES",
    "Axis",
    "Cell",
    "Coverage",
    "Steering",
    "ValueCoverage",
    "axes_of",
    "cell_lines",
    "cell_text",
    "draw_values",
    "named_in",
    "parse_axes",
    "values_purpose",
]

Cell = tuple[tuple[str, str], ...]
"""What a request asks for: the name of each axis, with a value. Empty without axes."""

TRIES = 8
"""After so many requests in a row without a task, a value, a pair or a cell is set aside."""

MOST_DRAWN = 100
"""The most values that a model is asked for."""

LONGEST = 200
"""The most characters of a name or a value."""

CLASSIFICATION = "classification"
YES_AND_NO = ("yes", "no")

SLACK = 0.005
"""How far the sum of shares may be from 1."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis, with the shares of its values, which add up to 1.

    Where the model names the values, `drawn` is how many it is asked for, and there are no shares
    before it has answered. `line` is the user's own sentence for prompts, with `{value}` in it.
    """

    name: str
    shares: Mapping[str, float]
    drawn: int = 0
    line: str = ""


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


def axes_of(given: object) -> object:
    """Return the mapping of axes in a file, or as it was given; values of axes become texts.

    Raises:
        InputError: the file can't be read, or has no axes.
    """
    if isinstance(given, str | PathLike):
        axes = read_yaml(Path(given))
        if not axes:
            raise InputError(f"{given}: no axes", "write one on each line, such as `topic: 10`")
        given = axes
    if not isinstance(given, Mapping):
        return given
    return {_text(name): _plain(content) for name, content in given.items()}


def _plain(content: object) -> object:
    if isinstance(content, Mapping):
        return {
            _text(key): _plain(value) if key == "values" else value
            for key, value in content.items()
        }
    return list(map(_text, content)) if isinstance(content, list | tuple) else content


def _text(value: object) -> object:
    """Return a key or a value as text: YAML reads yes and no as booleans, and 10 as a number."""
    if isinstance(value, bool):
        return YES_AND_NO[not value]
    return str(value) if isinstance(value, int | float) else value


def parse_axes(written: Mapping[str, Any], source: str = "axes") -> tuple[Axis, ...]:
    """Return the axes of a setting, in an order that does not depend on how they are written.

    The values of an axis are a list, for equal shares; a mapping of values and shares; or a number,
    where the model names so many. With a `line` for prompts, they stand under `values`.

    Raises:
        InputError: an axis or a value is there twice, or shares or keys do not fit.
    """
    places = {name: place for place, name in enumerate((*axis_wording(None).names, CLASSIFICATION))}
    axes = []
    for written_name, content in written.items():
        name = _named(written_name, source)
        known = name.casefold()
        axes.append(_axis(known if known in places else name, content, source))
    _require_single([axis.name for axis in axes], f"{source}: the axis")
    return tuple(sorted(axes, key=lambda axis: (places.get(axis.name, len(places)), axis.name)))


def _named(name: object, where: str) -> str:
    text = " ".join(name.split()) if isinstance(name, str) else ""
    if not 0 < len(text) <= LONGEST:
        what = f"{where}: {str(name)[:50]!r} is no name or value"
        raise InputError(what, f"write a text of 1 to {LONGEST} characters")
    return text


def _axis(name: str, content: object, source: str) -> Axis:
    where = f"{source}, axis '{name}'"
    line = ""
    if isinstance(content, Mapping) and ("values" in content or "line" in content):
        for key in content:
            if key not in ("values", "line"):
                raise unknown_name("key", key, ("values", "line"), where)
        line = content.get("line", "")
        if line and not (isinstance(line, str) and "{value}" in line):
            raise InputError(f"{where}: its line has no {{value}}", "write {value} into it")
        content = content.get("values")
    if isinstance(content, int) and not isinstance(content, bool):
        if not 2 <= content <= MOST_DRAWN or name == CLASSIFICATION:
            what = f"{where}: the model can't name {content} values"
            remedy = "write yes and no" if name == CLASSIFICATION else f"write 2 to {MOST_DRAWN}"
            raise InputError(what, remedy)
        return Axis(name, {}, content, line)
    shares = _shares(content, where)
    if name == CLASSIFICATION:
        for value in shares:
            if value not in YES_AND_NO:
                raise unknown_name("value", value, YES_AND_NO, where)
    return Axis(name, shares, 0, line)


def _shares(content: object, where: str) -> dict[str, float]:
    """Return the shares of values, which are written as a list or a mapping."""
    if not isinstance(content, list | Mapping) or not content:
        remedy = "write a list of values, values with shares, or how many the model shall name"
        raise InputError(f"{where}: no values", remedy)
    values = [_named(value, where) for value in content]
    _require_single(values, f"{where}: the value")
    if isinstance(content, list):
        return dict.fromkeys(values, 1 / len(values))
    shares = list(content.values())
    for value, share in zip(values, shares, strict=True):
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if not (is_number and is_finite(share) and share > 0):
            what = f"{where}: the share of '{value}' is not a number above 0"
            raise InputError(what, "write one such as 0.3, or leave the value out")
    total = sum(shares)
    whole = next((sure for sure in (1, 100) if isclose(total, sure, rel_tol=SLACK)), None)
    if whole is None:
        remedy = "make that 1 (or 100), or write a list of values for equal shares"
        raise InputError(f"{where}: the shares add up to {total:g}", remedy)
    return {value: share / total for value, share in zip(values, shares, strict=True)}


def _require_single(names: Sequence[str], what: str) -> None:
    seen = set()
    for name in names:
        if name.casefold() in seen:
            raise InputError(f"{what} '{name}' is there twice", "leave one out")
        seen.add(name.casefold())


def values_purpose(axis: str) -> str:
    """Return the purpose of the request for the values of an axis."""
    return f"values of {axis}"


async def draw_values(
    axes: Sequence[Axis], request_of: Callable[[Axis], Request], engine: Engine
) -> tuple[Axis, ...]:
    """Return the axes with values that the model named, where none were given.

    Raises:
        InputError: the model does not name two values of an axis.
    """
    asked = [axis for axis in axes if not axis.shares]
    answers = await asyncio.gather(*(engine.ask(request_of(axis)) for axis in asked))
    drawn = {}
    for axis, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Failure):
            raise _not_named(axis, answer.detail)
        drawn[axis.name] = named_in(answer, axis)
        if len(drawn[axis.name].shares) < 2:
            raise _not_named(axis, f"the reply: {' '.join(answer.text.split())[:100]}")
    return tuple(drawn.get(axis.name, axis) for axis in axes)


def named_in(reply: Reply, axis: Axis) -> Axis:
    """Return an axis with equal shares of the values that a reply names, if it names any."""
    values = read_values(reply.text, cut=reply.cut)[: axis.drawn]
    return replace(axis, shares={value: 1 / len(values) for value in values})


def _not_named(axis: Axis, detail: str) -> InputError:
    what = f"the model named no values for the axis '{axis.name}' ({detail})"
    return InputError(what, "write them under `axes`, and start a new run")


def cell_text(cell: Cell) -> str:
    """Return a cell for people, such as `topic: law, difficulty: hard`."""
    return ", ".join(f"{name}: {value}" for name, value in cell)


def cell_lines(cell: Cell, axes: Sequence[Axis], language: str | None) -> tuple[str, ...]:
    """Return the sentences of a prompt that ask for a cell, in the language if there are any."""
    wording = axis_wording(language)
    own = {axis.name: axis.line for axis in axes}
    lines = []
    for name, value in cell:
        key = f"{name} {value}" if name == CLASSIFICATION else name
        line = own.get(name) or wording.lines.get(key) or wording.own.replace("{name}", name)
        lines.append(line.replace("{value}", value))
    return tuple(lines)


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
        self._aside: list[Cell] = []
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
        cells = self._preferred((), index, expected, self._aside)
        anyway = self._preferred((), index, expected, ())  # where all cells are set aside
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
                self._aside = [other for other in self._aside if other != part]
            else:
                self._in_vain[part] += 1
                if self._in_vain[part] >= TRIES and self._may_go(part):
                    self._aside.append(part)

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

    def _preferred(
        self, begun: Cell, index: int, expected: float, aside: Sequence[Cell]
    ) -> Iterator[Cell]:
        """Yield the cells that begin so and have no part aside, those most wanted first."""
        if any(set(part) <= set(begun) for part in aside):
            return
        if len(begun) == len(self._axes):
            yield begun
            return
        axis = self._axes[len(begun)]
        under_way = self._cells[self._requests :]
        total = self._tasks + expected * (len(under_way) + 1)
        coming = Counter(pair for cell in under_way for pair in cell)

        def order(item: tuple[str, float]) -> tuple[float, bytes]:
            value, share = item
            pair = (axis.name, value)
            missing = share * total - self._got[(pair,)] - expected * coming[pair]
            beside = share * (self._chosen[begun] + 1) - self._chosen[(*begun, pair)]
            key = order_key(self._seed, index, axis.name, value)
            return -round(missing + expected * beside, 9), key

        for value, _ in sorted(self._shares(axis).items(), key=order):
            yield from self._preferred((*begun, (axis.name, value)), index, expected, aside)


def _filled(cell: Cell, *, is_classification: bool) -> Cell:
    """Return the cell that a task fills, whichever was asked for."""
    said = YES_AND_NO[not is_classification]
    return tuple((name, said if name == CLASSIFICATION else value) for name, value in cell)


def _parts(cell: Cell) -> Iterator[Cell]:
    """Yield what may be aside of a cell: its values, pairs of them, and the whole cell."""
    for size in sorted({1, 2, len(cell)}):
        yield from combinations(cell, size)
