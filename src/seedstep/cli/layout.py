"""Lay out tables in the width of a terminal.

A table that is too wide is made narrower in steps: long names are folded, then intervals are put
below their values, then names are folded further. If that is not enough, the columns are divided
into several tables below each other, each with the first column. Figures and intervals are never
broken. Widths are counted in cells of the terminal: a Chinese character takes two.

Example::

    >>> for line in table_lines(Rows((("tuned", "34.9 [22.3, 49.9]"),), ("system", "score")), 24):
    ...     print(line.text)
    system             score
    tuned               34.9
                [22.3, 49.9]
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from rich.cells import cell_len, chop_cells

from seedstep.runs import Rows

__all__ = ["TableLine", "fold", "table_lines"]

GAP = "  "
"""What is between two columns."""

LONGEST_NAME = 40
"""The width at which the names of rows are folded in every terminal."""

LONGEST_TITLE = 13
"""The width at which the title of a column is folded, unless its cells are wider."""

READABLE = 20
"""The width below which texts are folded only after figures and intervals have been."""

NARROWEST = 10
"""The width below which texts are never folded."""

_FIGURE = re.compile(r"[-+$(]?[0-9]|-?$")
_UNIT = re.compile(r"\[[-+.,\d\s]*\]\S*|\S+")
"""What is kept together: an interval, or a word."""

_PART = re.compile(r"[^_/.:-]*[_/.:-]+|[^_/.:-]+")
"""Where a word is broken that is longer than its column: after signs that join words."""


@dataclass(frozen=True, slots=True)
class TableLine:
    """A line of a table, and whether it belongs to the head."""

    text: str
    is_head: bool = False


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of cells: its title, whether it holds text, its width, and its least width."""

    title: str
    cells: tuple[str, ...]
    is_text: bool
    width: int
    least: int


def table_lines(table: Rows, width: int) -> Iterator[TableLine]:
    """Yield the lines of a table that is at most `width` cells wide, if that is possible."""
    columns = _columns(table)
    for number, part in enumerate(_parts(columns, width)):
        if number:
            yield TableLine("")
        yield from _lines(_narrowed(part, width), has_head=bool(table.head))


def _columns(table: Rows) -> list[_Column]:
    count = len(table.head) or max((len(row) for row in table.rows), default=0)
    rows = [row + ("",) * (count - len(row)) for row in table.rows]
    titles = table.head or ("",) * count
    return [
        _column(place, title, tuple(row[place] for row in rows), has_head=bool(table.head))
        for place, title in enumerate(titles)
    ]


def _column(place: int, title: str, cells: tuple[str, ...], *, has_head: bool) -> _Column:
    is_text = not (has_head and place and all(map(_FIGURE.match, cells)))
    title_word = min(max(map(cell_len, title.split()), default=0), LONGEST_TITLE)
    widest = max((cell_len(line) for cell in cells for line in cell.split("\n")), default=0)
    if has_head and not place:
        widest = min(widest, LONGEST_NAME)
    width = max(widest, min(cell_len(title), LONGEST_TITLE))
    if is_text:
        least = min(width, max(NARROWEST, title_word))
    else:
        units = (cell_len(unit) for cell in cells for unit in _UNIT.findall(cell))
        least = max(title_word, *units, 0)
    return _Column(title, cells, is_text, width, least)


def _parts(columns: list[_Column], width: int) -> Iterator[list[_Column]]:
    """Divide the columns into tables that can be made narrow enough; each has the first column."""
    part = columns[:1]
    for column in columns[1:]:
        if len(part) > 1 and _total([*part, column], least=True) > width:
            yield part
            part = columns[:1]
        part.append(column)
    yield part


def _total(columns: Sequence[_Column], *, least: bool = False) -> int:
    widths = (column.least if least else column.width for column in columns)
    return sum(widths) + len(GAP) * (len(columns) - 1)


def _narrowed(columns: list[_Column], width: int) -> list[_Column]:
    """Return the columns with widths that fit, as far as possible."""
    columns = list(columns)
    for texts, floor in ((True, READABLE), (False, 0), (True, 0)):
        while (excess := _total(columns) - width) > 0:
            wide = [
                place
                for place, column in enumerate(columns)
                if column.is_text == texts and column.width > max(column.least, floor)
            ]
            if not wide:
                break
            place = max(wide, key=lambda place: columns[place].width)
            column = columns[place]
            others = [columns[other].width for other in wide if other != place]
            step = column.width - max(column.least, floor, *others, column.width - excess)
            columns[place] = replace(column, width=column.width - max(step, 1))
    return columns


def _lines(columns: Sequence[_Column], *, has_head: bool) -> Iterator[TableLine]:
    if has_head:
        for text in _folded([column.title for column in columns], columns):
            yield TableLine(text, is_head=True)
    for row in zip(*(column.cells for column in columns), strict=True):
        for text in _folded(row, columns):
            yield TableLine(text)


def _folded(cells: Sequence[str], columns: Sequence[_Column]) -> Iterator[str]:
    """Yield the lines of a row."""
    parts = [fold(cell, column.width) for cell, column in zip(cells, columns, strict=True)]
    for row in zip_longest(*parts, fillvalue=""):
        line = GAP.join(_aligned(cell, column) for cell, column in zip(row, columns, strict=True))
        yield line.rstrip()


def _aligned(cell: str, column: _Column) -> str:
    room = " " * (column.width - cell_len(cell))
    return cell + room if column.is_text else room + cell


def fold(text: str, width: int) -> list[str]:
    """Return the lines of a text that are at most `width` cells wide.

    Its own line breaks, and spaces at the start of a line, are kept. A word is broken only if it is
    wider than a line.
    """
    return [line for part in text.split("\n") for line in _folded_line(part, width)]


def _folded_line(text: str, width: int) -> list[str]:
    if cell_len(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip(" "))]
    room = max(width - len(indent), 1)
    lines = [""]
    for unit in _UNIT.findall(text):
        joined = f"{lines[-1]} {unit}" if lines[-1] else unit
        if cell_len(joined) <= room:
            lines[-1] = joined
        else:
            broken = _broken(unit, room)
            lines[-1:] = [lines[-1], *broken] if lines[-1] else broken
    return [indent + line for line in lines]


def _broken(word: str, width: int) -> list[str]:
    """Return the parts of a word that are at most `width` cells wide."""
    lines = [""]
    for part in _PART.findall(word):
        for piece in chop_cells(part, width):
            if cell_len(lines[-1] + piece) <= width:
                lines[-1] += piece
            else:
                lines.append(piece)
    return lines
