"""The blocks of text in which a stage describes its runs: lines, tables, and rules between them.

The command line prints them, and the report and the review app show them.

Example::

    >>> labelled("tasks", "12").parts[1].text
    '12'
    >>> duration(725)
    '12:05'
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from seedstep.data.records import as_html, html_table

__all__ = [
    "Block",
    "Blocks",
    "Line",
    "Look",
    "Rows",
    "Rule",
    "Words",
    "blocks_html",
    "duration",
    "labelled",
    "line",
    "most_frequent_first",
]

Look = Literal["", "bold", "dim", "good", "warning", "error", "added", "removed"]
"""The style of a text. Where there are no colours, `added` and `removed` are marked by signs."""


@dataclass(frozen=True, slots=True)
class Words:
    """A part of a line, and its style."""

    text: str
    look: Look = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A text of several parts. It may contain line breaks."""

    parts: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal line with a title. A `light` rule divides the text below another rule."""

    title: str
    light: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of texts. Without a `head` it is a list of names and values."""

    rows: tuple[tuple[str, ...], ...]
    head: tuple[str, ...] = ()
    title: str = ""


Block = Line | Rule | Rows
Blocks = Iterable[Block]


def line(text: str, look: Look = "") -> Line:
    """Return a line of one part."""
    return Line((Words(text, look),))


def labelled(label: str, text: str, look: Look = "bold") -> Line:
    """Return a line of a label and a text."""
    return Line((Words(f"{label}: ", look), Words(text)))


def most_frequent_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return names with their counts, the highest first, equal ones in the order of the names."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def duration(seconds: float) -> str:
    """Format seconds as 0:42, 12:05 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def blocks_html(blocks: Blocks) -> str:
    """Return blocks as HTML, with all texts escaped."""
    return "".join(map(_block_html, blocks))


def _block_html(block: Block) -> str:
    match block:
        case Line(parts):
            return f"<div>{''.join(as_html(part.text) for part in parts)}</div>"
        case Rule(title):
            return f"<h4>{as_html(title)}</h4>"
        case Rows(rows, head, title):
            return html_table(head, rows, title)
