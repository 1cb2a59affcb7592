"""What a report is made of. Sections are records; how they look is the page's business.

All texts are as they were found: the page and the charts make them harmless.

Example::

    >>> table = Table("Lengths", ("of", "words"), (("definitions", "12"),))
    >>> Section("Lengths", (Paragraph("In words."), table)).title
    'Lengths'
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Block",
    "Chart",
    "Field",
    "Paragraph",
    "ReportPart",
    "Section",
    "Specimen",
    "Specimens",
    "Table",
    "number",
]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A remark of ours."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head. The first `names` columns are texts, the others numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with its numbers.

    `name` is that of its files, made of letters and hyphens, and no data. `alt` says in a sentence
    what is to be seen. `size` is width and height in inches. `draw` puts it on a matplotlib figure.
    """

    name: str
    title: str
    alt: str
    size: tuple[float, float]
    draw: Callable[[Any], None]
    table: Table


@dataclass(frozen=True, slots=True)
class Field:
    """A text of a specimen under its label; two that are `half` wide stand side by side."""

    label: str
    text: str
    half: bool = False


@dataclass(frozen=True, slots=True)
class Specimen:
    """Something that was written, to be read as it is."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Specimens:
    """Some of them, folded away under a line that says what they are."""

    summary: str
    items: tuple[Specimen, ...]


Block = Paragraph | Table | Chart | Specimens


@dataclass(frozen=True, slots=True)
class Section:
    """What a report says about one subject. `left_out` says what is missing, and how to get it."""

    title: str
    blocks: tuple[Block, ...]
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class ReportPart:
    """What a report says about one run. `facts` are (name, value)."""

    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def number(value: float | None) -> str:
    """Whole numbers whole, others with three digits, or with all of those before the point."""
    if value is None:
        return ""
    is_whole = value == int(value) or abs(value) >= 100
    return f"{value:,.0f}" if is_whole else f"{value:.3g}"
