"""Charts of bars: counts by name, distributions, shares, and differences of two systems.

Example::

    bar_chart("rejected", "Rejected instructions", Counter(not_novel=12), ("reason", "count"))
"""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from seedstep.evaluate.intervals import Value, shown
from seedstep.evaluate.systems import Difference
from seedstep.report.records import Chart, Table, number
from seedstep.report.statistics import Histogram
from seedstep.report.style import LIGHT, NARROW_ROW, SERIES, is_narrow, label, name_rows
from seedstep.runs.blocks import most_frequent_first

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
NARROW_TITLE = 40
"""The most characters in a line of a panel's title in a narrow chart."""

BARS = 15
ROWS = 100
"""The most rows of a chart's table: data may have as many labels as instances."""


def bar_chart(name: str, title: str, counts: Mapping[str, int], head: tuple[str, str]) -> Chart:
    """Return a chart of the 15 highest counts, the highest first; its table has the 100 highest."""
    ordered = most_frequent_first(counts)
    drawn = ordered[:BARS]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(drawn))
        height = 0.4 if is_narrow(figure) else 0.7
        bars = axes.barh(places, [count for _, count in drawn], color=SERIES[0], height=height)
        axes.bar_label(bars, [f"{count:,}" for _, count in drawn], padding=3)
        name_rows(axes, [what for what, _ in drawn])
        axes.margins(x=0.15)
        axes.set_xlabel(head[1])
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.xaxis.set_major_formatter("{x:,.0f}")

    first, count = drawn[0]
    alt = f"{len(drawn)} of {len(ordered):,} bars; the longest is {label(first)} with {count:,}."
    size = (WIDTH, MARGIN + ROW * len(drawn))
    rows = tuple((what, f"{count:,}") for what, count in ordered[:ROWS])
    caption = (
        title if len(rows) == len(ordered) else f"{title}, the first {ROWS} of {len(ordered):,}"
    )
    table = Table(caption, head, rows)
    return Chart(name, title, alt, size, draw, table, _narrow_height(len(drawn)))


def _narrow_height(rows: int) -> float:
    return MARGIN + NARROW_ROW * (rows + 0.15)


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
    title = f"{label(what, PANEL_CHARACTERS)} (mean {number(found.mean)})"
    axes.set_title(fill(title, NARROW_TITLE) if is_narrow(axes.figure) else title)
    axes.set_xlim(0, end)
    axes.grid(axis="x", visible=False)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    bins = 5 if is_narrow(axes.figure) else 7
    axes.xaxis.get_major_locator().set_params(integer=isinstance(found.width, int), nbins=bins)
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
LEGEND = 28
"""The most characters of the names in one line of a narrow chart's legend."""

LEAST_SHARE = (2.0, 2.5)
"""The smallest share, in percent a character, that has a text; in a narrow chart the second."""


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
        least = LEAST_SHARE[is_narrow(figure)]
        places = range(len(wholes))
        starts = [0.0 for _ in places]
        for place, part in enumerate(parts):
            widths = [share[part] for share in shares.values()]
            bars = axes.barh(
                places,
                widths,
                left=starts,
                height=0.5 if is_narrow(figure) else 0.7,
                color=SERIES[place % len(SERIES)],
                edgecolor=LIGHT["surface"],
                label=part,
            )
            texts = [f"{part} {share:.0f}%" for share in widths]
            texts = [
                text if share >= least * len(text) else ""
                for text, share in zip(texts, widths, strict=True)
            ]
            axes.bar_label(bars, texts, label_type="center", color=LIGHT["surface"], fontsize=8)
            starts = [start + width for start, width in zip(starts, widths, strict=True)]
        name_rows(axes, list(wholes))
        axes.set_xlim(0, 100)
        axes.set_xlabel(f"% of the {head[1]}")
        axes.grid(visible=False)
        columns = max(1, LEGEND // max(map(len, parts))) if is_narrow(figure) else len(parts)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)

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
    size = (SHARES_WIDTH, SHARES_MARGIN + SHARES_ROW * len(wholes))
    narrow = _narrow_height(len(wholes)) + 0.4
    return Chart(name, title, alt, size, draw, table, narrow)


def _percent(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {part: 100 * count / total if total else 0.0 for part, count in counts.items()}


DIFFERENCES_WIDTH = 6.4
DIFFERENCES_ROW = 0.3
DIFFERENCES_MARGIN = 1.0
LEAST_SPAN = 1.0
"""How many points an axis of differences shows at least on each side of zero."""

HEAD = ("tasks", "instances", "metric")


def difference_chart(
    name: str, title: str, found: Mapping[str, Difference], systems: tuple[str, str]
) -> Chart:
    """Return a chart with a row for each name: the scores of two systems, and their difference.

    There is at least one name. Scores are in points from 0 to 100. A narrow chart has the
    differences as numbers.
    """
    names = tuple(found)
    first, second = map(label, systems)

    def draw(figure: Any) -> None:
        if is_narrow(figure):
            scores, differences = figure.subplots(), None
        else:
            scores, differences = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
            differences.axvline(0, color=LIGHT["muted"], linewidth=1)
            differences.set_xlabel("difference (95% interval)")
        for place, difference in enumerate(found.values()):
            _draw_scores(scores, place, difference)
            if differences:
                _draw_interval(differences, place, difference.difference)
        marks = scores.get_lines()[1:3]
        columns = 1 if not differences and len(first + second) > LEGEND else 2
        texts = (second, first)
        scores.legend(marks, texts, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)
        scores.set_xlim(-3, 103)
        scores.set_xlabel("points" if differences else "points; beside the names the difference")
        name_rows(scores, names, [shown(it.difference, sign="+") for it in found.values()])
        if differences:
            differences.grid(axis="y", visible=False)
            differences.tick_params(axis="y", length=0)

    better = sum((difference.difference.value or 0) > 0 for difference in found.values())
    alt = f"{first} scores more than {second} in {better} of {len(names)} rows."
    head = ("", *HEAD, first, second, "difference", "95% interval")
    rows = tuple((what, *difference_row(found[what])) for what in names)
    size = (DIFFERENCES_WIDTH, DIFFERENCES_MARGIN + DIFFERENCES_ROW * len(names))
    narrow = _narrow_height(len(names)) + 0.25
    return Chart(name, title, alt, size, draw, Table(title, head, rows), narrow)


def interval_chart(name: str, title: str, found: Mapping[str, Value], unit: str) -> Chart:
    """Return a chart of differences, a point with its interval for each name, and a line at zero.

    `unit` says what the differences are in, and of what.
    """
    names = tuple(found)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.axvline(0, color=LIGHT["muted"], linewidth=1)
        for place, value in enumerate(found.values()):
            _draw_interval(axes, place, value)
            if value.value is not None and not is_narrow(figure):
                told, where = f"{value.value:+.1f}", (value.value, place)
                axes.annotate(told, where, (0, 7), textcoords="offset points", ha="center")
        name_rows(axes, names, [shown(value, sign="+") for value in found.values()])
        axes.margins(x=0.1)
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -LEAST_SPAN), max(high, LEAST_SPAN))
        axes.set_xlabel(unit)

    above = sum((value.value or 0) > 0 for value in found.values())
    alt = f"{above} of {len(names)} differences are above zero."
    rows = tuple((what, *_interval_cells(value)) for what, value in found.items())
    size = (DIFFERENCES_WIDTH, MARGIN + 0.42 * len(names))
    table = Table(title, ("", "difference", "95% interval"), rows)
    return Chart(name, title, alt, size, draw, table, _narrow_height(len(names)) + 0.15)


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


def _draw_scores(scores: Any, place: int, difference: Difference) -> None:
    scores.plot(
        [difference.second, difference.first], [place, place], color=LIGHT["grid"], linewidth=3
    )
    scores.plot(difference.second, place, "o", color=SERIES[5], markersize=6, fillstyle="none")
    scores.plot(difference.first, place, "D", color=SERIES[0], markersize=5)


def _draw_interval(axes: Any, place: int, value: Value) -> None:
    if value.value is None:
        return
    if value.low is not None and value.high is not None:
        axes.plot([value.low, value.high], [place, place], color=SERIES[0])
    axes.plot(value.value, place, "D", color=SERIES[0], markersize=5)
