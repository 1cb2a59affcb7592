"""The kinds of charts, each made from plain numbers, and how they are drawn."""

from seedstep.report.charts.bars import bar_chart, histogram_chart
from seedstep.report.charts.colours import DARK, LIGHT
from seedstep.report.charts.differences import difference_chart
from seedstep.report.charts.lines import Line, line_chart
from seedstep.report.charts.rings import ring_chart
from seedstep.report.charts.shares import share_chart
from seedstep.report.charts.style import Drawn, render

__all__ = [
    "DARK",
    "LIGHT",
    "Drawn",
    "Line",
    "bar_chart",
    "difference_chart",
    "histogram_chart",
    "line_chart",
    "render",
    "ring_chart",
    "share_chart",
]
