"""Reports that tests write, and what stands in their pages."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import html5lib

from seedstep.evaluate import METRICS
from seedstep.evaluate.intervals import Value
from seedstep.evaluate.systems import Difference
from seedstep.report.bars import (
    bar_chart,
    difference_chart,
    histogram_chart,
    interval_chart,
    share_chart,
)
from seedstep.report.figures import ChartLine, line_chart, size_chart
from seedstep.report.parsing import Verb, ring_chart
from seedstep.report.records import Chart
from seedstep.report.statistics import words_histogram
from seedstep.report.style import DrawnChart, drawing
from support.command_line import Outcome, seedstep

__all__ = [
    "HEAD",
    "HTML",
    "SCORES",
    "WrittenReport",
    "charts_of_each_kind",
    "differences",
    "drawn_without_images",
    "report",
    "rows",
    "titles",
    "words",
]

HTML = "{http://www.w3.org/1999/xhtml}"


def report(*args: object) -> tuple[Outcome, Any]:
    """Write a report to the directory given last; how that went, and the page."""
    done = seedstep("report", *args[:-1], "--out", args[-1])
    assert done.code == 0, done.err
    text = (Path(str(args[-1])) / "index.html").read_text()
    return done, html5lib.HTMLParser(strict=True).parse(text)


def titles(page: Any) -> list[str]:
    return [heading.text for heading in page.iter(f"{HTML}h3")]


def words(page: Any) -> str:
    return " ".join("".join(page.itertext()).split())


def rows(page: Any, caption: str) -> list[list[str]]:
    """The rows of the table with this caption."""
    (table,) = (
        table for table in page.iter(f"{HTML}table") if table.find(f"{HTML}caption").text == caption
    )
    return [[cell.text or "" for cell in row] for row in table.iter(f"{HTML}tr")]


DRAWN: set[str] = set()
"""What this process has drawn without images. What is the same would be drawn as before."""


def drawn_without_images(chart: Chart, name: str) -> DrawnChart:
    """Draw a chart without its images and its exact layout, which take most of a report's time."""
    from matplotlib.figure import Figure

    shown = _all_of(chart)
    if shown not in DRAWN or "..." in shown:  # numbers may have been left out
        with drawing(chart.name):
            figure = Figure(figsize=chart.size)
            chart.draw(figure)
            figure.draw_without_rendering()
        DRAWN.add(shown)
    image = f'<svg role="img" aria-label="{name}"></svg>'
    return DrawnChart(image.encode(), b"", image, image)


def _all_of(chart: Chart) -> str:
    """Return all that the drawing of a chart depends on: its code, and what that refers to."""
    draw: Any = chart.draw
    closure = [cell.cell_contents for cell in draw.__closure__ or ()]
    return repr((chart.name, chart.size, draw.__code__, draw.__defaults__, closure))


@dataclass(frozen=True)
class WrittenReport:
    """A report that tests read, how writing it went, and its page."""

    folder: Path
    done: Outcome
    page: Any


HEAD = ("system", "answers")
SCORES = Value(2.0, -1.0, 5.0)


def differences(*names: str) -> dict[str, Difference]:
    return {name: Difference(METRICS[0], 10, 8, 52.0, 50.0, SCORES, 5, 3, 2) for name in names}


def charts_of_each_kind(*names: str) -> list[Chart]:
    """A chart of each kind with these labels."""
    histograms = {name: words_histogram([1, 2, 3, 50]) for name in names}
    points = ((0.0, 1.0), (5.0, 3.0))
    verbs = [Verb(name, 3, ((name, 2), ("list", 1))) for name in names]
    return [
        bar_chart("bars", names[0], dict.fromkeys(names, 3), ("label", "tasks")),
        histogram_chart("histogram", names[0], histograms, "words", "texts"),
        line_chart(
            "lines", names[0], [ChartLine(name, points) for name in names], ("step", "loss")
        ),
        ring_chart("rings", names[0], verbs),
        difference_chart("differences", names[0], differences(*names), (names[0], names[-1])),
        share_chart("shares", names[0], {name: {"yes": 3, "no": 1} for name in names}, HEAD),
        size_chart("sizes", names[0], {30: SCORES, 175: SCORES}, (names[0], names[-1])),
        interval_chart("intervals", names[0], dict.fromkeys(names, SCORES), "points"),
    ]
