"""Charts of lines over time or steps, and the ring chart of verbs and their objects.

Example::

    line_chart("loss", "Loss", [ChartLine("training", points)], ("step", "loss"))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, log, pi, sin
from typing import Any

from seedstep.evaluate.intervals import Value
from seedstep.report.charts.style import LIGHT, NARROW_ROW, SERIES, is_narrow, label, name_rows
from seedstep.report.parsing import Verb
from seedstep.report.records import Chart, Table, number
from seedstep.report.statistics import thinned

__all__ = ["ChartLine", "line_chart", "ring_chart", "size_chart"]

SIZE = (4.8, 2.7)
DASHES = ("-", "--", "-.", ":")
TABLE_POINTS = 20
FEW_POINTS = 30
"""The most points of a line that are marked."""


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A line: its name, and at least one point (x, y), in the order of x.

    A `faint` line is drawn lighter than the others.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    faint: bool = False


def line_chart(
    name: str,
    title: str,
    lines: Sequence[ChartLine],
    units: tuple[str, str],
) -> Chart:
    """Return a chart of lines with common axes; its table has up to 20 points of each line."""

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
        axes.set_ylim(bottom=0)
        if len(lines) > 1:
            axes.legend()

    alt = " ".join(
        f"{label(line.name)}: from {number(first)} to {number(last)} {units[1]}."
        for line in lines
        for first, last in [(line.points[0][1], line.points[-1][1])]
    )
    rows = tuple(
        (line.name, number(x), number(y))
        for line in lines
        for x, y in thinned(line.points, TABLE_POINTS)
    )
    return Chart(name, title, alt, SIZE, draw, Table(title, ("line", *units), rows))


def size_chart(name: str, title: str, found: Mapping[int, Value], units: tuple[str, str]) -> Chart:
    """Return a chart of values with intervals by a size above zero, whose axis is logarithmic."""
    sizes = sorted(size for size, value in found.items() if value.value is not None)
    points = [(size, found[size]) for size in sizes]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_xscale("log")
        values = [value.value for _, value in points]
        axes.plot(sizes, values, color=SERIES[0], marker="o", markersize=4)
        for size, value in points:
            if value.low is not None and value.high is not None:
                axes.plot([size, size], [value.low, value.high], color=SERIES[0], alpha=0.5)
        named = _apart(sizes, 0.18 if is_narrow(figure) else 0.1)
        axes.set_xticks(named, [f"{size:,}" for size in named])
        axes.set_xticks([], minor=True)
        axes.set_xlabel(units[0])
        axes.set_ylabel(units[1])

    shown = [number(value.value) for _, value in points]
    alt = f"From {shown[0]} with {sizes[0]:,} {units[0]} to {shown[-1]} with {sizes[-1]:,}."
    rows = tuple(
        (f"{size:,}", number(value.value), number(value.low), number(value.high))
        for size, value in points
    )
    head = (*units, "95% interval from", "to")
    return Chart(name, title, alt, SIZE, draw, Table(title, head, rows, names=0))


def _apart(sizes: Sequence[int], share: float) -> list[int]:
    """Return the sizes that are apart by this share of a logarithmic axis, the largest first."""
    least = share * log(sizes[-1] / sizes[0])
    named: list[int] = []
    for size in reversed(sizes):
        if not named or log(named[-1] / size) >= least:
            named.append(size)
    return named


RINGS_SIZE = (6.4, 6.4)
INNER, MIDDLE, OUTER = 0.22, 0.62, 1.0
"""The radii of the ring chart: of the hole, of the inner ring, of the outer ring."""

LEAST_ANGLE = 0.05
"""The smallest angle, in radians, of a segment with a label: below it labels would overlap."""


def ring_chart(name: str, title: str, verbs: Sequence[Verb]) -> Chart:
    """Return a chart of verbs (inner ring) and their objects (outer ring).

    There is at least one verb. The segment of a verb is as wide as the segments of its objects; the
    table has all numbers. A narrow chart has bars in place of the rings.
    """

    def draw(figure: Any) -> None:
        if is_narrow(figure):
            _verb_bars(figure.subplots(), verbs)
            return
        axes = figure.subplots(subplot_kw={"aspect": "equal"})
        axes.set_axis_off()
        axes.set_xlim(-OUTER, OUTER)
        axes.set_ylim(-OUTER, OUTER)
        total = sum(count for verb in verbs for _, count in verb.nouns)
        angle = pi / 2
        for place, verb in enumerate(verbs):
            colour = SERIES[place % len(SERIES)]
            begin = angle
            for noun, count in verb.nouns:
                end = angle - 2 * pi * count / total
                _segment(axes, (MIDDLE, OUTER), (angle, end), noun, colour, 0.18)
                angle = end
            _segment(axes, (INNER, MIDDLE), (begin, angle), verb.verb, colour, 0.42)

    first = verbs[0]
    alt = (
        f"{len(verbs)} verbs with their most common objects. The most common verb is "
        f"{label(first.verb)}, with {label(first.nouns[0][0])} most often."
    )
    rows = tuple(
        (verb.verb, ", ".join(f"{noun} {n:,}" for noun, n in verb.nouns), f"{verb.count:,}")
        for verb in verbs
    )
    table = Table(title, ("verb", "most common objects", "instructions"), rows, names=2)
    narrow = 0.4 + NARROW_ROW * len(verbs)
    return Chart(name, title, alt, RINGS_SIZE, draw, table, narrow)


def _verb_bars(axes: Any, verbs: Sequence[Verb]) -> None:
    """Draw a bar for each verb, divided into its objects, which are named beside it."""
    for place, verb in enumerate(verbs):
        start = 0
        for _, count in verb.nouns:
            axes.barh(
                place,
                count,
                left=start,
                height=0.4,
                color=SERIES[place % len(SERIES)],
                edgecolor=LIGHT["surface"],
            )
            start += count
    objects = [label(", ".join(noun for noun, _ in verb.nouns), OBJECTS) for verb in verbs]
    name_rows(axes, [verb.verb for verb in verbs], objects)
    axes.set_xlabel("instructions")
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)


OBJECTS = 36
"""The most characters of the objects of a verb in a narrow chart."""


def _segment(
    axes: Any,
    radii: tuple[float, float],
    angles: tuple[float, float],
    text: str,
    colour: str,
    alpha: float,
) -> None:
    """Draw a segment of a ring, clockwise between two angles, with its text along the radius."""
    from matplotlib.patches import Wedge

    inner, outer = radii
    begin, end = angles
    degrees = (180 * end / pi, 180 * begin / pi)
    place = ((0, 0), outer, *degrees)
    axes.add_patch(Wedge(*place, width=outer - inner, color=colour, alpha=alpha, linewidth=0))
    axes.add_patch(
        Wedge(*place, width=outer - inner, fill=False, edgecolor=LIGHT["surface"], linewidth=1)
    )
    if begin - end < LEAST_ANGLE:
        return
    middle, radius = (begin + end) / 2, (inner + outer) / 2
    turned = 180 * middle / pi % 360
    axes.text(
        radius * cos(middle),
        radius * sin(middle),
        label(text)[:14],
        rotation=turned + 180 if 90 < turned < 270 else turned,
        rotation_mode="anchor",
        ha="center",
        va="center",
        fontsize=8,
    )
