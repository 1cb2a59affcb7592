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
from importlib.util import find_spec
from pathlib import Path

from seedstep.data import evaluation_items, require_ours, whole_folder
from seedstep.errors import InputError, MissingExtraError
from seedstep.report.charts import DARK, LIGHT, DrawnChart, render
from seedstep.report.contents import (
    SECTIONS,
    ReportContext,
    ReportSection,
    TellDone,
    TestSets,
    parts_of,
    split_against,
)
from seedstep.report.records import Chart, ReportPart
from seedstep.report.statistics import NamedText
from seedstep.text import visible

__all__ = [
    "CELL",
    "TEXT",
    "Report",
    "Shown",
    "render_page",
    "shown",
    "write_report",
]

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
        drawn={name: Markup(chart.inline) for name, chart in drawn.items()},  # noqa: S704 - ours
        light=LIGHT,
        dark=DARK,
        version=metadata.version("seedstep"),
    )
    return text.encode()


MARKER = ".seedstep-report.json"
PAGE = "index.html"
FIGURES = "figures"


@dataclass(frozen=True, slots=True)
class Report:
    """The page that was written, how many figures lie beside it, and what was left out."""

    page: Path
    figures: int
    notes: tuple[str, ...]


def write_report(
    runs: Sequence[Path],
    out: Path,
    test_sets: Sequence[Path] = (),
    tell: TellDone = lambda doing: None,
    sections: Sequence[ReportSection] = SECTIONS,
    against: Sequence[str | Path] = (),
) -> Report:
    """Write a report into a new directory, an empty one, or that of an earlier report.

    Seeds and tasks are compared with the instructions of `test_sets`, systems that predicted with
    the one that `against` names, or else the first with each of the others. Test sets under
    `against`, where they stood in 0.1.0, are taken as such. `sections` are those that there may be.

    Raises:
        RunError: a run can't be read, or `out` holds other files or can't be written.
        InputError: no run is named, there is no such system, or a test set can't be read.
        MissingExtraError: matplotlib or Jinja2 is not installed.
    """
    if not runs:
        raise InputError("no run to report on", "name one or more run directories")
    _require_installed()
    require_ours(out, MARKER)
    baseline, earlier = split_against(runs, [against] if isinstance(against, str) else against)
    named: TestSets = {
        f"{path.resolve().name} ({number})": [
            NamedText(*item) for item in evaluation_items(path, inputs=False)
        ]
        for number, path in enumerate((*test_sets, *earlier), start=1)
    }
    parts = parts_of(runs, sections, ReportContext(named, tell, baseline))
    tell("drawing")
    drawn = _drawn(parts)
    title = ", ".join(path.resolve().name for path in runs)
    page = render_page(title, parts, drawn)
    with whole_folder(out, MARKER) as folder:
        (folder / PAGE).write_bytes(page)
        (folder / FIGURES).mkdir()
        for name, chart in drawn.items():
            (folder / FIGURES / f"{name}.svg").write_bytes(chart.svg)
            (folder / FIGURES / f"{name}.png").write_bytes(chart.png)
    notes = [section.left_out for part in parts for section in part.sections if section.left_out]
    return Report(out / PAGE, len(drawn), tuple(dict.fromkeys(notes)))


def _require_installed() -> None:
    """Before the work, not after it."""
    if not all(map(find_spec, ("jinja2", "matplotlib"))):
        raise MissingExtraError("a report", "pip install 'seedstep[report]'")


def _drawn(parts: Sequence[ReportPart]) -> dict[str, DrawnChart]:
    """The charts by the names of their files: the number of the part, and the chart's name."""
    charts = {
        f"{number}-{block.name}": block
        for number, part in enumerate(parts, start=1)
        for section in part.sections
        for block in section.blocks
        if isinstance(block, Chart)
    }
    return {name: render(chart, name) for name, chart in charts.items()}
