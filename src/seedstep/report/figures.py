"""Draw figures of scores, gains and losses, and charts of lines over time, steps or sizes.

`save_figures` draws the scores of systems, over all instances and by category; `plot_losses` draws
the losses of a tuning.

Example::

    line_chart("loss", "Loss", [ChartLine("training", points)], ("step", "loss"))
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log
from pathlib import Path
from typing import Any, Literal

from seedstep.data import folder_with, write_atomically
from seedstep.errors import InputError
from seedstep.evaluate import Metric, category_metric
from seedstep.evaluate.gains import NONE, GainRow, MeasuredTask, gain_rows
from seedstep.evaluate.intervals import Value, about_intervals
from seedstep.evaluate.metrics import compared_metrics
from seedstep.evaluate.systems import NO_CATEGORY, EvaluatedSystem
from seedstep.report.records import Chart, Table, number
from seedstep.report.statistics import thinned
from seedstep.report.style import LIGHT, SERIES, drawing, is_narrow, label, render
from seedstep.text import one_line, shortened
from seedstep.tune.records import read_losses

__all__ = [
    "ChartLine",
    "category_figure",
    "drawn",
    "gain_figure",
    "line_chart",
    "loss_chart",
    "overall_figure",
    "plot_losses",
    "save_figures",
    "save_gains",
    "size_chart",
    "smoothed",
]


FigureFormat = Literal["svg", "png"]
FORMATS: tuple[FigureFormat, ...] = ("svg", "png")
DOTS_PER_INCH = 200
GROUP_WIDTH = 0.8
"""The width of a group of bars, as a part of the distance between two groups."""

LONGEST_NAME = 44


def save_figures(systems: Sequence[EvaluatedSystem], folder: Path) -> tuple[Path, ...]:
    """Write the figures `overall` and, if tasks have categories, `categories`; return their paths.

    Raises:
        MissingExtraError: matplotlib is not installed.
        RunError: the directory can't be written.
    """
    drawings = {"overall": overall_figure}
    if any(system.groups for system in systems):
        drawings["categories"] = category_figure
    images = {
        f"{name}.{form}": drawn(draw, systems, form)
        for name, draw in drawings.items()
        for form in FORMATS
    }
    return _write_images(images, folder)


def _write_images(images: Mapping[str, bytes], folder: Path) -> tuple[Path, ...]:
    with folder_with(folder, images) as partial:
        for name, image in images.items():
            write_atomically(partial / name, image)
    return tuple(folder / name for name in images)


def drawn(draw: Callable[[Any], Any], shown: Any, form: FigureFormat) -> bytes:
    """Return a figure, such as `overall_figure` of some systems, as the bytes of an image.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    image = io.BytesIO()
    with drawing("seedstep"):
        dateless = {"Date": None} if form == "svg" else {}
        draw(shown).savefig(image, format=form, dpi=DOTS_PER_INCH, metadata=dateless)
    return image.getvalue()


def overall_figure(systems: Sequence[EvaluatedSystem]) -> Any:
    """Draw the scores of each system over all instances, by the metrics that comparisons show."""
    metrics = compared_metrics(systems[0].scores.metrics)
    figure, axes = _canvas(7.5, 1.2 + 0.62 * len(systems))
    for rank, metric in enumerate(metrics):
        places = [place + _offset(rank, len(metrics)) for place in range(len(systems))]
        values = [system.overall.of(metric.name) for system in systems]
        axes.barh(
            places,
            [value.value for value in values],
            height=GROUP_WIDTH / len(metrics),
            xerr=_whiskers(values),
            label=metric.title,
            color=SERIES[rank % len(SERIES)],
            error_kw=_WHISKER,
        )
        for place, value in zip(places, values, strict=True):
            end = max(value.value or 0.0, value.high or 0.0)
            axes.text(end + 0.8, place, f"{value.value:.1f}", va="center", fontsize=8)
    axes.set_yticks(range(len(systems)), [_label(system.name) for system in systems])
    axes.invert_yaxis()
    axes.set_xlim(0, min(108, 1.15 * _highest(systems, metrics) + 3))
    axes.set_xlabel("score, with 95% intervals over tasks")
    axes.grid(axis="y", visible=False)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def category_figure(systems: Sequence[EvaluatedSystem]) -> Any:
    """Draw the scores in each category by its published metric, with a bar for each system."""
    known = systems[0].scores.metrics
    found = {name for system in systems for name in system.groups}
    metrics = {name: category_metric(name, known) for name in found}
    names = sorted(found, key=lambda name: (known.index(metrics[name]), name))
    figure, axes = _canvas(_width(len(names), len(systems)), 4.6)
    for rank, system in enumerate(systems):
        values = [_category_value(system, name, metrics[name]) for name in names]
        axes.bar(
            [place + _offset(rank, len(systems)) for place in range(len(names))],
            [value.value or 0.0 for value in values],
            width=GROUP_WIDTH / len(systems),
            yerr=_whiskers(values),
            label=_label(system.name),
            color=SERIES[rank % len(SERIES)],
            error_kw=_WHISKER,
        )
    axes.set_xticks(range(len(names)), [_category_label(name, metrics[name]) for name in names])
    axes.tick_params(axis="x", length=0, labelsize=8, rotation=40)
    for tick in axes.get_xticklabels():
        tick.set(ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(0, 100)
    axes.set_ylabel("score, with 95% intervals over tasks")
    axes.grid(axis="x", visible=False)
    columns = min(len(systems), 3)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns)
    return figure


def save_gains(tasks: Sequence[MeasuredTask], folder: Path, seed: int) -> tuple[Path, ...]:
    """Write what instructions are worth, `gains-overall` and `gains-categories`.

    Raises:
        MissingExtraError: matplotlib is not installed.
        RunError: the directory can't be written.
    """
    images: dict[str, bytes] = {}
    for name, by in GAIN_FIGURES:
        rows = [row for row in gain_rows(tasks, by=by, seed=seed) if row.version != NONE]
        images |= {f"{name}.{form}": drawn(gain_figure, rows, form) for form in FORMATS}
    return _write_images(images, folder)


GAIN_FIGURES: tuple[tuple[str, Literal["overall", "category"]], ...] = (
    ("gains-overall", "overall"),
    ("gains-categories", "category"),
)


def gain_figure(rows: Sequence[GainRow]) -> Any:
    """By how much likelier references are with each version, a group of points for each group."""
    groups = list(dict.fromkeys(row.group for row in rows))
    versions = list(dict.fromkeys(row.version for row in rows))
    figure, axes = _canvas(7.5, 1.2 + 0.17 * len(groups) * (len(versions) + 1))
    for rank, version in enumerate(versions):
        found = [row for row in rows if row.version == version]
        axes.errorbar(
            [row.gain.value for row in found],
            [groups.index(row.group) + _offset(rank, len(versions)) for row in found],
            xerr=_whiskers([row.gain for row in found]),
            fmt="o",
            markersize=4,
            color=SERIES[rank % len(SERIES)],
            elinewidth=1.2,
            label=_label(version),
        )
    axes.axvline(0, color=LIGHT["muted"], linewidth=1)
    axes.set_yticks(range(len(groups)), [_label(group or "all tasks") for group in groups])
    axes.set_ylim(len(groups) - 0.4, -0.6)
    about = about_intervals(row.gain for row in rows)
    axes.set_xlabel(f"references likelier by, nats a token, {about}")
    axes.grid(axis="y", visible=False)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return figure


_WHISKER = {"ecolor": LIGHT["ink"], "elinewidth": 0.9, "capsize": 2.0}


def _canvas(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure of this size, in inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _width(groups: int, bars: int) -> float:
    """Return the width of a figure in inches: that of a page, or more for many groups of bars."""
    wanted = 1.5 + groups * (0.35 + 0.19 * bars)
    return max(7.0, min(wanted, 14.0), 1.5 + 0.45 * groups)


def _offset(rank: int, count: int) -> float:
    """Return the position of a bar relative to the middle of its group."""
    return (rank - (count - 1) / 2) * GROUP_WIDTH / count


def _whiskers(values: Sequence[Value]) -> list[list[float]]:
    """Return how far each interval extends below and above its value; nan without an interval."""
    reach = [_reach(value) for value in values]
    return [[below for below, _ in reach], [above for _, above in reach]]


def _reach(value: Value) -> tuple[float, float]:
    if value.value is None or value.low is None or value.high is None:
        return float("nan"), float("nan")
    return max(0.0, value.value - value.low), max(0.0, value.high - value.value)


def _highest(systems: Sequence[EvaluatedSystem], metrics: Sequence[Metric]) -> float:
    values = [system.overall.of(metric.name) for system in systems for metric in metrics]
    return max(max(value.value or 0.0, value.high or 0.0) for value in values)


def _category_value(system: EvaluatedSystem, category: str, metric: Metric) -> Value:
    found = system.groups.get(category)
    if found is None:
        return Value(None, None, None, "not scored on it")
    return found.of(metric.name)


def _category_label(category: str, metric: Metric) -> str:
    return f"{_label(category) or NO_CATEGORY}\n({metric.title})"


def _label(name: str) -> str:
    return shortened(one_line(name), LONGEST_NAME - 1)


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


def line_chart(name: str, title: str, lines: Sequence[ChartLine], units: tuple[str, str]) -> Chart:
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


SMOOTHED_OVER = 0.02
"""The half-life of the exponential mean, as a part of all steps."""

MANY_STEPS = 30
"""With more steps than this, a smoothed line is drawn, too."""

LossCurve = Mapping[int, float]
"""The loss by optimiser step, in order."""


def loss_chart(training: LossCurve, held_out: LossCurve) -> Chart | None:
    """Return a chart of the losses of a tuning, or None if no step was taken yet."""
    steps = {step: loss for step, loss in training.items() if isfinite(loss)}
    lines = [ChartLine("training", tuple(steps.items()), faint=len(steps) > MANY_STEPS)]
    if lines[0].faint:
        means = zip(steps, smoothed([*steps.values()]), strict=True)
        lines.append(ChartLine("training, smoothed", tuple(means)))
    measured = tuple((step, loss) for step, loss in held_out.items() if isfinite(loss))
    lines.append(ChartLine("held-out tasks", measured))
    drawn = [line for line in lines if line.points]
    title = "Mean loss of a target token"
    return line_chart("losses", title, drawn, ("step", "loss (nats)")) if drawn else None


def plot_losses(metrics: Path, out_stem: Path) -> None:
    """Draw the losses in the file `metrics`; write the figure to `out_stem` with .png and .svg.

    Raises:
        InputError: the file can't be read, or holds no losses.
        MissingExtraError: matplotlib is not installed.
        RunError: the pictures can't be written.
    """
    chart = loss_chart(*read_losses(metrics))
    if chart is None:
        raise InputError(f"{metrics}: no losses", "name the metrics.jsonl of a tuning")
    drawn = render(chart, "losses")
    for ending, image in (("png", drawn.png), ("svg", drawn.svg)):
        write_atomically(out_stem.with_name(f"{out_stem.name}.{ending}"), image)


def smoothed(values: Sequence[float]) -> list[float]:
    """Return the exponential mean up to each value, corrected for its start."""
    keep = 0.5 ** (1 / max(1.0, SMOOTHED_OVER * len(values)))
    total, weight, means = 0.0, 0.0, []
    for value in values:
        total = keep * total + value
        weight = keep * weight + 1
        means.append(total / weight)
    return means
