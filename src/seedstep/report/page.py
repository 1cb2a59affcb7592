"""The report as one HTML page: no scripts, nothing loaded from elsewhere.

What was written by others is escaped by the template, freed of characters that turn or hide text,
and cut where it is very long. A content security policy forbids everything but the page's own
styles, should anything get through all the same.

Example::

    page = render_page("first run", parts, drawn)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from seedstep.report.charts import DARK, LIGHT, Drawn
from seedstep.text import visible

__all__ = [
    "CELL",
    "TEXT",
    "Block",
    "Chart",
    "Field",
    "Paragraph",
    "Part",
    "Section",
    "Shown",
    "Specimen",
    "Specimens",
    "Table",
    "number",
    "render_page",
    "shown",
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
class Part:
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


TEXT = 3000
"""Characters of a text that are shown; what is longer says how long it is."""

CELL = 120
"""Characters of a table's cell, a label, or a title."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as it is shown, and a note where it was cut."""

    text: str
    note: str = ""


def shown(text: str, most: int = TEXT) -> Shown:
    """A text, harmless and not too long."""
    if len(text) <= most:
        return Shown(visible(text))
    return Shown(visible(text[:most]) + " …", f"{most:,} of {len(text):,} characters are shown")


def render_page(title: str, parts: Sequence[Part], drawn: Mapping[str, Drawn]) -> bytes:
    """The page; `drawn` has the charts of a part by its number, from 1, and the chart's name."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("seedstep.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.filters["cell"] = lambda text: shown(text, CELL).text
    environment.filters["kind"] = lambda block: type(block).__name__.lower()
    text = environment.get_template("page.html").render(
        title=title,
        parts=parts,
        drawn={name: Markup(one.inline) for name, one in drawn.items()},  # noqa: S704 - ours
        light=LIGHT,
        dark=DARK,
        version=metadata.version("seedstep"),
    )
    return text.encode()
