"""Two systems by category: what each scores, and the difference with its interval.

Step-by-Step Instruction Tuning, Figure 3 (appendix D), with intervals added.

Example::

    difference_chart("categories", "Scores by category", comparison.categories, ("tuned", "base"))
"""

from collections.abc import Mapping
from typing import Any

from seedstep.evaluate.compare import Difference
from seedstep.report.charts.colours import LIGHT, SERIES
from seedstep.report.charts.style import label
from seedstep.report.records import Chart, Table
from seedstep.report.tables import METRIC_NAMES

__all__ = ["difference_chart", "difference_row"]

WIDTH = 6.4
ROW = 0.3
MARGIN = 1.0
HEAD = ("tasks", "instances", "metric")


def difference_chart(
    name: str, title: str, found: Mapping[str, Difference], systems: tuple[str, str]
) -> Chart:
    """A row for each name, of which there is at least one; points are from 0 to 100."""
    names = tuple(found)
    first, second = map(label, systems)

    def draw(figure: Any) -> None:
        scores, differences = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        for place, one in enumerate(found.values()):
            _draw_row(scores, differences, place, one)
        marks = scores.get_lines()[1:3]
        scores.legend(marks, (second, first), loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        scores.set_xlim(-3, 103)
        scores.set_xlabel("points")
        scores.set_yticks(range(len(names)), [label(one) for one in names])
        scores.set_ylim(len(names) - 0.4, -0.6)
        differences.axvline(0, color=LIGHT["muted"], linewidth=1)
        differences.set_xlabel("difference (95% interval)")
        for axes in (scores, differences):
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)

    better = sum((one.difference.value or 0) > 0 for one in found.values())
    alt = f"{first} scores more than {second} in {better} of {len(names)} rows."
    head = ("", *HEAD, first, second, "difference", "95% interval")
    rows = tuple((one, *difference_row(found[one])) for one in names)
    size = (WIDTH, MARGIN + ROW * len(names))
    return Chart(name, title, alt, size, draw, Table(title, head, rows))


def difference_row(one: Difference) -> tuple[str, ...]:
    """A difference as cells of a table, after its name."""
    value = one.difference
    if value.low is None or value.high is None:
        interval = value.reason or "none"
    else:
        interval = f"{value.low:+.1f} to {value.high:+.1f}"
    return (
        f"{one.tasks:,}",
        f"{one.instances:,}",
        METRIC_NAMES[one.metric],
        f"{one.first:.1f}",
        f"{one.second:.1f}",
        "" if value.value is None else f"{value.value:+.1f}",
        interval,
    )


def _draw_row(scores: Any, differences: Any, place: int, one: Difference) -> None:
    scores.plot([one.second, one.first], [place, place], color=LIGHT["grid"], linewidth=3)
    scores.plot(one.second, place, "o", color=SERIES[5], markersize=6, fillstyle="none")
    scores.plot(one.first, place, "D", color=SERIES[0], markersize=5)
    value = one.difference
    if value.value is None:
        return
    if value.low is not None and value.high is not None:
        differences.plot([value.low, value.high], [place, place], color=SERIES[0])
    differences.plot(value.value, place, "D", color=SERIES[0], markersize=5)
