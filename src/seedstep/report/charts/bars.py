"""Charts of bars: counts by name, distributions, shares, and differences of two systems.

Example::

    bar_chart("rejected", "Rejected instructions", Counter(not_novel=12), ("reason", "count"))
"""

from collections.abc import Mapping
from typing import Any

from seedstep.evaluate.compare import Difference
from seedstep.evaluate.intervals import Value
from seedstep.report.charts.style import LIGHT, SERIES, label
from seedstep.report.records import Chart, Table, number
from seedstep.report.statistics import Histogram

__all__ = [
    "bar_chart",
    "difference_chart",
    "difference_row",
    "histogram_chart",
    "interval_chart",
    "share_chart",
]

WIDTH = 4.8
ROW = 0.26
MARGIN = 0.55
PANEL = 1.75
PANEL_CHARACTERS = 45

BARS = 15
ROWS = 100
"""The most rows of a chart's table: data may have as many labels as instances."""


def bar_chart(name: str, title: str, counts: Mapping[str, int], head: tuple[str, str]) -> Chart:
    """Return a chart of the 15 highest counts, the highest first; its table has the 100 highest."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ordered[:BARS]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(shown))
        bars = axes.barh(places, [count for _, count in shown], color=SERIES[0], height=0.7)
        axes.bar_label(bars, [f"{count:,}" for _, count in shown], padding=3)
        axes.set_yticks(places, [label(what) for what, _ in shown])
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
    rows = tuple((what, f"{count:,}") for what, count in ordered[:ROWS])
    caption = (
        title if len(rows) == len(ordered) else f"{title}, the first {ROWS} of {len(ordered):,}"
    )
    return Chart(name, title, alt, size, draw, Table(caption, head, rows))


def histogram_chart(
    name: str, title: str, panels: Mapping[str, Histogram], unit: str, counted: str
) -> Chart:
    """Return a chart of histograms, one below the other; a line marks each mean.

    `unit` is the unit of the values, `counted` says what is counted in the bins. The table leaves
    out empty bins.
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
        ticks = [tick for tick in axes.get_xticks() if tick <= last - 2 * found.width]
        labels = [f"{tick:,.0f}" for tick in ticks]
        axes.set_xticks([*ticks, last + found.width / 2], [*labels, f"{last:,}+"])


def _bin(found: Histogram, place: int) -> str:
    start, end = place * found.width, (place + 1) * found.width
    if found.open and place == len(found.counts) - 1:
        return f"{number(start)} or more"
    if isinstance(found.width, int):
        return number(start) if found.width == 1 else f"{start:,} to {end - 1:,}"
    return f"{start:.2f} to {end:.2f}"


SHARES_WIDTH = 4.8
SHARES_ROW = 0.34
SHARES_MARGIN = 0.85
LEAST_SHARE = 9.0
"""The smallest share, in percent, that has a text: below it texts would overlap."""


def share_chart(
    name: str, title: str, wholes: Mapping[str, Mapping[str, int]], head: tuple[str, str]
) -> Chart:
    """Return a chart with a bar of 100% for each whole, divided into its parts.

    There is at least one whole, and all wholes have the same parts. If all counts of a whole are
    zero, its bar is empty. The table has counts and shares.
    """
    parts = tuple(next(iter(wholes.values())))
    shares = {whole: _percent(counts) for whole, counts in wholes.items()}

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(wholes))
        starts = [0.0 for _ in places]
        for place, part in enumerate(parts):
            widths = [share[part] for share in shares.values()]
            bars = axes.barh(
                places,
                widths,
                left=starts,
                height=0.7,
                color=SERIES[place % len(SERIES)],
                edgecolor=LIGHT["surface"],
                label=part,
            )
            texts = [f"{part} {share:.0f}%" if share >= LEAST_SHARE else "" for share in widths]
            axes.bar_label(bars, texts, label_type="center", color=LIGHT["surface"], fontsize=8)
            starts = [start + width for start, width in zip(starts, widths, strict=True)]
        axes.set_yticks(places, [label(whole) for whole in wholes])
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel(f"% of the {head[1]}")
        axes.grid(visible=False)
        axes.tick_params(axis="y", length=0)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(parts))

    alt = " ".join(
        f"{label(whole)}: {', '.join(f'{part} {share:.0f}%' for part, share in found.items())}."
        for whole, found in shares.items()
    )
    rows = tuple(
        (whole, part, f"{counts[part]:,}", f"{shares[whole][part]:.1f}")
        for whole, counts in wholes.items()
        for part in parts
    )
    table = Table(title, (head[0], "", head[1], "%"), rows, names=2)
    return Chart(
        name, title, alt, (SHARES_WIDTH, SHARES_MARGIN + SHARES_ROW * len(wholes)), draw, table
    )


def _percent(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {part: 100 * count / total if total else 0.0 for part, count in counts.items()}


DIFFERENCES_WIDTH = 6.4
DIFFERENCES_ROW = 0.3
DIFFERENCES_MARGIN = 1.0
HEAD = ("tasks", "instances", "metric")


def difference_chart(
    name: str, title: str, found: Mapping[str, Difference], systems: tuple[str, str]
) -> Chart:
    """Return a chart with a row for each name: the scores of two systems, and their difference.

    There is at least one name. Scores are in points from 0 to 100.
    """
    names = tuple(found)
    first, second = map(label, systems)

    def draw(figure: Any) -> None:
        scores, differences = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        for place, difference in enumerate(found.values()):
            _draw_row(scores, differences, place, difference)
        marks = scores.get_lines()[1:3]
        scores.legend(marks, (second, first), loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        scores.set_xlim(-3, 103)
        scores.set_xlabel("points")
        scores.set_yticks(range(len(names)), [label(what) for what in names])
        scores.set_ylim(len(names) - 0.4, -0.6)
        differences.axvline(0, color=LIGHT["muted"], linewidth=1)
        differences.set_xlabel("difference (95% interval)")
        for axes in (scores, differences):
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)

    better = sum((difference.difference.value or 0) > 0 for difference in found.values())
    alt = f"{first} scores more than {second} in {better} of {len(names)} rows."
    head = ("", *HEAD, first, second, "difference", "95% interval")
    rows = tuple((what, *difference_row(found[what])) for what in names)
    size = (DIFFERENCES_WIDTH, DIFFERENCES_MARGIN + DIFFERENCES_ROW * len(names))
    return Chart(name, title, alt, size, draw, Table(title, head, rows))


def interval_chart(name: str, title: str, found: Mapping[str, Value], unit: str) -> Chart:
    """Return a chart of differences, a point with its interval for each name, and a line at zero.

    `unit` says what the differences are in, and of what.
    """
    names = tuple(found)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=LIGHT["muted"], linewidth=1)
        for place, value in enumerate(found.values()):
            if value.value is None:
                continue
            sure = value.low is not None and value.high is not None
            if sure:
                axes.plot([value.low, value.high], [place, place], color=SERIES[0], linewidth=2)
            axes.plot(value.value, place, "D", color=SERIES[0], markersize=6)
            axes.annotate(
                f"{value.value:+.1f}",
                (value.value, place),
                (0, 7),
                textcoords="offset points",
                ha="center",
            )
        axes.set_yticks(range(len(names)), [label(what) for what in names])
        axes.set_ylim(len(names) - 0.4, -0.7)
        axes.margins(x=0.1)
        axes.set_xlabel(unit)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)

    above = sum((value.value or 0) > 0 for value in found.values())
    alt = f"{above} of {len(names)} differences are above zero."
    rows = tuple((what, *_interval_cells(value)) for what, value in found.items())
    size = (DIFFERENCES_WIDTH, MARGIN + 0.42 * len(names))
    head = ("", "difference", "95% interval")
    return Chart(name, title, alt, size, draw, Table(title, head, rows))


def _interval_cells(value: Value) -> tuple[str, str]:
    if value.low is None or value.high is None:
        interval = value.reason or "none"
    else:
        interval = f"{value.low:+.1f} to {value.high:+.1f}"
    return "" if value.value is None else f"{value.value:+.1f}", interval


def difference_row(difference: Difference) -> tuple[str, ...]:
    """Return a difference as the cells of a table's row, without its name."""
    return (
        f"{difference.tasks:,}",
        f"{difference.instances:,}",
        difference.metric.title,
        f"{difference.first:.1f}",
        f"{difference.second:.1f}",
        *_interval_cells(difference.difference),
    )


def _draw_row(scores: Any, differences: Any, place: int, difference: Difference) -> None:
    scores.plot(
        [difference.second, difference.first], [place, place], color=LIGHT["grid"], linewidth=3
    )
    scores.plot(difference.second, place, "o", color=SERIES[5], markersize=6, fillstyle="none")
    scores.plot(difference.first, place, "D", color=SERIES[0], markersize=5)
    value = difference.difference
    if value.value is None:
        return
    if value.low is not None and value.high is not None:
        differences.plot([value.low, value.high], [place, place], color=SERIES[0])
    differences.plot(value.value, place, "D", color=SERIES[0], markersize=5)
