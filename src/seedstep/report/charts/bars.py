"""Counts by name, and distributions.

Example::

    bar_chart("rejected", "Rejected instructions", Counter(not_novel=12), ("reason", "count"))
"""

from collections.abc import Mapping
from typing import Any

from seedstep.report.charts.colours import LIGHT, SERIES
from seedstep.report.charts.style import label
from seedstep.report.numbers import number
from seedstep.report.records import Chart, Table
from seedstep.report.statistics import Histogram

__all__ = ["bar_chart", "histogram_chart"]

WIDTH = 4.8
ROW = 0.26
MARGIN = 0.55
PANEL = 1.75
PANEL_CHARACTERS = 45

BARS = 15
ROWS = 100
"""Of a table; labels can be as many as instances."""


def bar_chart(name: str, title: str, counts: Mapping[str, int], head: tuple[str, str]) -> Chart:
    """The 15 highest counts, the highest first; the table has 100."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    shown = ordered[:BARS]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(shown))
        bars = axes.barh(places, [count for _, count in shown], color=SERIES[0], height=0.7)
        axes.bar_label(bars, [f"{count:,}" for _, count in shown], padding=3)
        axes.set_yticks(places, [label(one) for one, _ in shown])
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(head[1])
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.xaxis.set_major_formatter("{x:,.0f}")

    first, count = shown[0]
    alt = f"{len(shown)} of {len(ordered):,} bars; the longest is {label(first)} with {count:,}."
    size = (WIDTH, MARGIN + ROW * len(shown))
    rows = tuple((one, f"{count:,}") for one, count in ordered[:ROWS])
    caption = (
        title if len(rows) == len(ordered) else f"{title}, the first {ROWS} of {len(ordered):,}"
    )
    return Chart(name, title, alt, size, draw, Table(caption, head, rows))


def histogram_chart(
    name: str, title: str, panels: Mapping[str, Histogram], unit: str, counted: str
) -> Chart:
    """Distributions one below the other; `unit` is that of the values, `counted` what they are of.

    A line marks each mean. The table leaves out empty bins.
    """

    def draw(figure: Any) -> None:
        for axes, (what, found) in zip(
            figure.subplots(len(panels), squeeze=False)[:, 0], panels.items(), strict=True
        ):
            _draw_panel(axes, what, found)
            axes.set_ylabel(counted)
        axes.set_xlabel(unit)

    alt = " ".join(
        f"{label(what)}: mean {number(found.mean)}, median {number(found.median)} {unit}."
        for what, found in panels.items()
    )
    rows = tuple(
        (what, _bin(found, place), f"{count:,}")
        for what, found in panels.items()
        for place, count in enumerate(found.counts)
        if count
    )
    table = Table(title, ("of", unit, counted), rows, names=2)
    return Chart(name, title, alt, (WIDTH, 0.3 + PANEL * len(panels)), draw, table)


def _draw_panel(axes: Any, what: str, found: Histogram) -> None:
    starts = [place * found.width for place in range(len(found.counts))]
    axes.bar(
        starts,
        found.counts,
        width=found.width,
        align="edge",
        color=SERIES[0],
        edgecolor=LIGHT["surface"],
        linewidth=0.6,
    )
    end = len(starts) * found.width
    axes.axvline(min(found.mean, end), color=SERIES[1], linestyle="--")
    axes.set_title(f"{label(what, PANEL_CHARACTERS)} (mean {number(found.mean)})")
    axes.set_xlim(0, end)
    axes.grid(axis="x", visible=False)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.get_major_locator().set_params(integer=isinstance(found.width, int), nbins=7)
    if found.open:
        last = starts[-1]
        ticks = [one for one in axes.get_xticks() if one <= last - 2 * found.width]
        labels = [f"{one:,.0f}" for one in ticks]
        axes.set_xticks([*ticks, last + found.width / 2], [*labels, f"{last:,}+"])


def _bin(found: Histogram, place: int) -> str:
    start, end = place * found.width, (place + 1) * found.width
    if found.open and place == len(found.counts) - 1:
        return f"{number(start)} or more"
    if isinstance(found.width, int):
        return number(start) if found.width == 1 else f"{start:,} to {end - 1:,}"
    return f"{start:.2f} to {end:.2f}"
