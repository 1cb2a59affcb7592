"""Charts, made from plain numbers, and the style in which they are drawn."""

from seedstep.report.charts.bars import (
    bar_chart,
    difference_chart,
    histogram_chart,
    interval_chart,
    share_chart,
)
from seedstep.report.charts.curves import ChartLine, line_chart, ring_chart, size_chart
from seedstep.report.charts.style import DARK, LIGHT, DrawnChart, render

__all__ = [
    "DARK",
    "LIGHT",
    "ChartLine",
    "DrawnChart",
    "bar_chart",
    "difference_chart",
    "histogram_chart",
    "interval_chart",
    "line_chart",
    "render",
    "ring_chart",
    "share_chart",
    "size_chart",
]
