"""What changes over time or steps.

Example::

    line_chart("loss", "Loss", [Line("training", points)], ("step", "loss"))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedstep.report.charts.colours import SERIES
from seedstep.report.charts.style import label
from seedstep.report.numbers import number
from seedstep.report.records import Chart, Table
from seedstep.report.statistics import thinned

__all__ = ["Line", "line_chart"]

SIZE = (4.8, 2.7)
DASHES = ("-", "--", "-.", ":")
TABLE_POINTS = 20
FEW_POINTS = 30
"""Points that are marked one by one."""


@dataclass(frozen=True, slots=True)
class Line:
    """A name, and points (x, y) in the order of x, of which there is at least one.

    A `faint` line stays behind the others.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    faint: bool = False


def line_chart(
    name: str, title: str, lines: Sequence[Line], units: tuple[str, str], *, from_zero: bool = True
) -> Chart:
    """Lines against common axes; the table has up to 20 points of each."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for place, line in enumerate(lines):
            points = thinned(line.points)
            axes.plot(
                *zip(*points, strict=True),
                color=SERIES[place % len(SERIES)],
                linestyle=DASHES[place % len(DASHES)],
                marker="o" if len(points) <= FEW_POINTS else "",
                markersize=3,
                alpha=0.4 if line.faint else 1,
                label=label(line.name),
            )
        axes.set_xlabel(units[0])
        axes.set_ylabel(units[1])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, place: number(value))
        axes.margins(x=0.02)
        if from_zero:
            axes.set_ylim(bottom=0)
        if len(lines) > 1:
            axes.legend()

    alt = " ".join(
        f"{label(one.name)}: from {number(first)} to {number(last)} {units[1]}."
        for one in lines
        for first, last in [(one.points[0][1], one.points[-1][1])]
    )
    rows = tuple(
        (line.name, number(x), number(y))
        for line in lines
        for x, y in thinned(line.points, TABLE_POINTS)
    )
    return Chart(name, title, alt, SIZE, draw, Table(title, ("line", *units), rows))
