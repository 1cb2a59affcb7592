"""The records of a report: parts, sections, and the blocks of a section.

Texts are unchanged; the page and the charts clean them.

Example::

    >>> table = Table("Lengths", ("of", "words"), (("definitions", "12"),))
    >>> Section("Lengths", (Paragraph("In words."), table)).title
    'Lengths'
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "Certainty",
    "Chart",
    "Field",
    "Headline",
    "Paragraph",
    "ReportBlock",
    "ReportPart",
    "Section",
    "Specimen",
    "Specimens",
    "Table",
    "number",
]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of text that seedstep wrote, not from data."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table: a caption, a head, and rows. The first `names` columns are texts, others numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with a table of its numbers.

    `name` is the name of its files, of letters and hyphens, and never from data. `alt` describes
    the figure in a sentence. `size` is width and height in inches. `draw` draws it on a figure of
    matplotlib: on one of this size, and for phones on a narrow one, which is `narrow_height`
    inches high, by default as high as the other.
    """

    name: str
    title: str
    alt: str
    size: tuple[float, float]
    draw: Callable[[Any], None]
    table: Table
    narrow_height: float | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A text of a specimen, with a label. Two fields that are `half` wide are side by side."""

    label: str
    text: str
    half: bool = False


@dataclass(frozen=True, slots=True)
class Specimen:
    """An item of the data, such as a task, with its texts to read."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Specimens:
    """A list of specimens, folded under a line that says what they are."""

    summary: str
    items: tuple[Specimen, ...]


ReportBlock = Paragraph | Table | Chart | Specimens


Certainty = Literal["better", "worse", "unsure", "none"]
"""Whether the interval of a comparison is above zero, below it, or holds it; `none` where there is
no comparison."""


@dataclass(frozen=True, slots=True)
class Headline:
    """A sentence or two that answer a question, for the first screen of a report.

    `asked` is the question, `found` the answer with its interval, `certainty` how sure it is.
    `compares` has the run and the name of each system that a comparison is of. Of those that
    compare the same systems, in either order, the page shows the first.
    """

    asked: str
    found: str
    certainty: Certainty = "none"
    compares: frozenset[tuple[Path, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """A section about one subject. `left_out` says what is missing, and what to do about it.

    `headlines` are shown on the first screen, before all parts, with the `figure`.
    """

    title: str
    blocks: tuple[ReportBlock, ...]
    left_out: str = ""
    headlines: tuple[Headline, ...] = ()
    figure: Chart | None = None


@dataclass(frozen=True, slots=True)
class ReportPart:
    """A part about one run, or the runs of one stage. `facts` are tuples (name, value)."""

    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def number(value: float | None) -> str:
    """Format a number: whole numbers and those from 100 on without decimals, else three digits."""
    if value is None:
        return ""
    is_whole = value == int(value) or abs(value) >= 100
    return f"{value:,.0f}" if is_whole else f"{value:.3g}"
