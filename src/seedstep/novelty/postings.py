"""Count the tokens that a text has in common with each of many known texts.

For each element (see `texts`), the rows of the known texts that have it are kept in ascending
order. Of a new text's elements, all rows are taken together, and how often a row stands there is
the exact number of tokens that the two texts have in common, as multisets. An element that stands
in many texts has a column as well, a byte for each text, which is quicker to add than its rows.

Example::

    >>> postings = Postings()
    >>> postings.add(elements([1, 2, 2, 3]))
    >>> postings.add(elements([3, 4]))
    >>> postings.common(elements([2, 2, 3]), 2).tolist()
    [3, 1]
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Postings", "elements"]

_OCCURRENCE = 1 << 32
"""The difference between elements that are occurrences of one token."""

MANY_ROWS = 1024
SHARE = 64
"""An element has a column if at least MANY_ROWS texts have it, and at least one text in SHARE."""

MOST_COLUMNS = 256
"""The most columns, each of which takes a byte a text. The first elements to qualify get them."""

ROOM = 4096
"""Columns have room for so many texts at first, later for twice as many each time."""

MOST_HITS = 1 << 16
"""Rows are counted in parts of about so many, so that they fit into a processor's cache."""


@dataclass(slots=True)
class _Column:
    """Which texts have an element: 1 for the first `done` of its rows, and 0 elsewhere."""

    marks: NDArray[np.uint8]
    done: int = 0


def elements(tokens: Sequence[int]) -> Sequence[int]:
    """Return the elements of a text, by its token numbers: an element for each token.

    A token that stands in the text for the first time is its own element.
    """
    if len(set(tokens)) == len(tokens):
        return tokens
    before: dict[int, int] = {}
    found = []
    for token in tokens:
        found.append(token + before.get(token, 0))
        before[token] = before.get(token, 0) + _OCCURRENCE
    return found


class Postings:
    """The rows of the known texts that have an element, for each element."""

    def __init__(self) -> None:
        """Begin with no texts."""
        self._count = 0
        self._rows: dict[int, array[int]] = {}
        self._columns: dict[int, _Column] = {}
        self._room = ROOM

    def add(self, new: Sequence[int]) -> None:
        """Add a text by its elements. Its row is the number of texts before it."""
        rows, row = self._rows, self._count
        for element in new:
            if element in rows:
                rows[element].append(row)
            else:
                rows[element] = array("i", (row,))
        self._count += 1
        if self._count > self._room:
            self._room *= 2
            self._columns.clear()

    def common(self, new: Sequence[int], count: int) -> NDArray[np.unsignedinteger]:
        """Return how many of a text's elements each of the first `count` texts has: (count,)."""
        found = np.zeros(count, np.min_scalar_type(len(new)))
        sparse = []
        for element in new:
            rows = self._rows.get(element)
            if rows is None:
                continue
            if column := self._column(element, rows):
                found += column.marks[:count]
            else:
                sparse.append(rows if count == self._count else rows[: bisect_left(rows, count)])
        increment = found.dtype.type(1)
        for part in _parts(sparse):
            np.add.at(found, np.frombuffer(b"".join(part), np.int32), increment)
        return found

    def _column(self, element: int, rows: "array[int]") -> _Column | None:
        """Return the column of an element, with all its rows; None if it has none."""
        column = self._columns.get(element)
        if column is None:
            if len(rows) < MANY_ROWS or len(rows) * SHARE < self._count:
                return None
            if len(self._columns) == MOST_COLUMNS:
                return None
            column = self._columns[element] = _Column(np.zeros(self._room, np.uint8))
        if column.done < len(rows):
            column.marks[np.frombuffer(rows[column.done :], np.int32)] = 1
            column.done = len(rows)
        return column


def _parts(postings: "list[array[int]]") -> "Iterator[list[array[int]]]":
    """Yield the postings in parts with few rows together, or one with many."""
    part, size = [], 0
    for rows in postings:
        part.append(rows)
        size += len(rows)
        if size >= MOST_HITS:
            yield part
            part, size = [], 0
    if part:
        yield part
