"""The report as one HTML page: no scripts, nothing loaded from elsewhere.

What was written by others is escaped by the template, freed of characters that turn or hide text,
and cut where it is very long. A content security policy forbids everything but the page's own
styles, should anything get through all the same.

Example::

    page = render_page("first run", parts, drawn)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from seedstep.report.charts import DARK, LIGHT, DrawnChart
from seedstep.report.records import ReportPart
from seedstep.text import visible

__all__ = ["CELL", "TEXT", "Shown", "render_page", "shown"]

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


def render_page(title: str, parts: Sequence[ReportPart], drawn: Mapping[str, DrawnChart]) -> bytes:
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
