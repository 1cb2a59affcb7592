"""Print to the terminal: data without control characters, and tables in its width.

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

The streams are prepared so that a command ends in order when the reader of its output goes away.

Example::

    console.print(plain(task.definition))
"""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from types import MappingProxyType
from typing import Any

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from seedstep.data.records import Accuracy
from seedstep.interruption import OutputGone
from seedstep.runs import Blocks, Line, Rows, Rule, Words
from seedstep.runs.blocks import Look, duration
from seedstep.text import visible

__all__ = [
    "QUIET_SECONDS",
    "TableLine",
    "console",
    "duration",
    "errors",
    "fold",
    "line_width",
    "output_status",
    "plain",
    "prepare_streams",
    "print_accuracies",
    "print_blocks",
    "print_rows",
    "reader_has_gone",
    "table_lines",
    "when_reader_goes",
]


GAP = "  "
"""What is between two columns."""

LONGEST_NAME = 40
"""The width at which the names of rows are folded in every terminal."""

LONGEST_TITLE = 13
"""The width at which the title of a column is folded, unless its cells are wider."""

QUIET_SECONDS = 15
"""The longest time, in seconds, without a line of output where there is no terminal."""

READABLE = 20
"""The width below which texts are folded only after figures and intervals have been."""

NARROWEST = 10
"""The width below which texts are never folded."""

_FIGURE = re.compile(r"[-+$(]?[0-9](?!.* [a-z]+ [a-z]+ [a-z])|-?$")
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


def prepare_streams() -> None:
    """Prepare the output streams.

    Standard output ends the command when its reader has gone away, and neither stream fails at a
    character that the terminal lacks.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout = _forgiving(sys.stdout)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def when_reader_goes(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` when the reader of standard output goes away, instead of ending at once."""
    _Output.stop = stop
    try:
        yield
    finally:
        _Output.stop = None


def reader_has_gone() -> bool:
    """Return whether the reader of standard output has gone away."""
    return _Output.has_gone


def output_status() -> int:
    """Return the exit status that the output asks for: 1 if it could not be written."""
    return int(_Output.is_broken)


def _forgiving(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    raw = _Output(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, line_buffering=stream.line_buffering
    )


class _Output(io.FileIO):
    """Standard output that is redirected to nowhere when its reader has gone away."""

    has_gone = False
    is_broken = False
    stop: Callable[[], object] | None = None

    def write(self, data: object) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]  # bytes, as io has it
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            _Output.has_gone = True
            if not isinstance(error, BrokenPipeError):
                _Output.is_broken = True
                errors.print(plain(f"error: the output can't be written: {error.strerror}", "red"))
            if _Output.stop is None:
                raise OutputGone(output_status()) from None
            _Output.stop()
            return super().write(data)  # type: ignore[arg-type]  # to nowhere


_COMMAND = re.compile(r"(?:^|[ `])seedstep [a-z]+ [^ ]|[$] ")
"""A command with arguments, or a line of a shell."""


class _Terminal(Console):
    """A console on which lines that are not cut are wrapped between words by a terminal's width.

    What is copied from the terminal is left as it is: commands below or inside a text, prompts and
    replies of several lines, and lines with an address or path that is wider than the terminal.
    Files have lines of any length.
    """

    def print(self, *objects: Any, soft_wrap: bool | None = None, **how: Any) -> None:
        """Print as `Console.print`; `soft_wrap` stands for lines that are not cut."""
        if soft_wrap and self.is_terminal and not any(map(self._is_copied, objects)):
            soft_wrap = False
        super().print(*objects, soft_wrap=soft_wrap, **how)

    def _is_copied(self, shown: object) -> bool:
        text = str(shown).strip("\n")
        has_wide_word = any(cell_len(word) > self.width for word in text.split())
        return "\n" in text or has_wide_word or _COMMAND.search(text) is not None


console = _Terminal(highlight=False)
errors = _Terminal(stderr=True, highlight=False)


def plain(text: str, style: str = "") -> Text:
    """Return an untrusted text for the terminal, without markup, escape codes, direction marks."""
    return Text(visible(text), style=style)


STYLES: Mapping[Look, str] = MappingProxyType(
    {
        "": "",
        "bold": "bold",
        "dim": "dim",
        "good": "bold green",
        "warning": "yellow",
        "error": "red",
        "added": "green",
        "removed": "red strike",
    }
)
MARKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"added": ("{+", "+}"), "removed": ("[-", "-]")}
)
"""The signs around a text where there are no colours."""


def print_blocks(blocks: Blocks) -> None:
    """Print the blocks that describe a run."""
    for block in blocks:
        match block:
            case Line(parts):
                console.print(Text.assemble(*map(_styled, parts)), soft_wrap=True)
            case Rule(title, light):
                characters = "·" if light else "─"
                console.rule(plain(title), align="left", characters=characters)
            case Rows():
                print_rows(block)


def _styled(words: Words) -> Text:
    before, after = ("", "") if console.color_system else MARKS.get(words.look, ("", ""))
    return plain(f"{before}{words.text}{after}", STYLES[words.look])


def line_width() -> int:
    """Return the width at which lines are cut: the terminal's, or COLUMNS. Files take any."""
    return console.width if console.is_terminal or "COLUMNS" in os.environ else sys.maxsize


def print_rows(table: Rows) -> None:
    """Print a table in the width of the terminal, as `seedstep.cli.terminal` lays it out."""
    if table.title:
        console.print(plain(table.title, "italic"))
    for line in table_lines(table, console.width):
        console.print(plain(line.text, "bold" if line.is_head else ""), soft_wrap=True)


def print_accuracies(what: str, found: Mapping[str, Accuracy], title: str) -> None:
    """Print a table of precision and recall; `what` is the title of the column of names."""
    rows = []
    for name, row in found.items():
        shares = ("-" if share is None else f"{share:.2f}" for share in (row.precision, row.recall))
        rows.append((name, *shares, f"{row.right:,}", f"{row.wrong:,}", f"{row.missed:,}"))
    head = (what, "precision", "recall", "right", "wrong", "missed")
    print_rows(Rows(tuple(rows), head, title))
