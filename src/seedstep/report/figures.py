"""Scores drawn as bars with their intervals (the extra `report`).

Overall, and by category as in figure 3 of Step-by-Step Instruction Tuning. Each figure is written
as SVG and as PNG.

Example::

    done = evaluate_systems(sources, tasks=chosen, grouping="category")
    save_figures(done.systems, Path("plots"))
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from seedstep.data import write_atomically
from seedstep.errors import RunError
from seedstep.evaluate import Metric, category_metric
from seedstep.evaluate.intervals import Value
from seedstep.evaluate.measured import Evaluated
from seedstep.report.charts.colours import LIGHT, SERIES
from seedstep.report.charts.style import drawing
from seedstep.report.tables import METRIC_NAMES, NO_CATEGORY, one_line

__all__ = ["category_figure", "drawn", "overall_figure", "save_figures"]

Format = Literal["svg", "png"]
FORMATS: tuple[Format, ...] = ("svg", "png")
DOTS_PER_INCH = 200
GROUP_WIDTH = 0.8
"""Of the space between two groups of bars, which 1 is."""

LONGEST_NAME = 44

Drawing = Callable[[Sequence[Evaluated]], Any]
"""From systems to a figure of matplotlib."""


def save_figures(systems: Sequence[Evaluated], folder: Path) -> tuple[Path, ...]:
    """Write `overall` and, where tasks have categories, `categories`; returns the files.

    Raises:
        MissingExtraError: matplotlib is not installed.
        RunError: the directory can't be written.
    """
    drawings = {"overall": overall_figure}
    if any(one.groups for one in systems):
        drawings["categories"] = category_figure
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: {error.strerror}", "name a directory you can write") from None
    paths = []
    for name, draw in drawings.items():
        for form in FORMATS:
            paths.append(folder / f"{name}.{form}")
            write_atomically(paths[-1], drawn(draw, systems, form))
    return tuple(paths)


def drawn(draw: Drawing, systems: Sequence[Evaluated], form: Format) -> bytes:
    """One of the figures below, as the bytes of an image.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    image = io.BytesIO()
    with drawing("seedstep"):
        dateless = {"Date": None} if form == "svg" else {}
        draw(systems).savefig(image, format=form, dpi=DOTS_PER_INCH, metadata=dateless)
    return image.getvalue()


def overall_figure(systems: Sequence[Evaluated]) -> Any:
    """ROUGE-L and exact match of each system over all instances."""
    metrics: tuple[Metric, ...] = ("rouge_l", "exact_match")
    figure, axes = _canvas(7.5, 1.2 + 0.62 * len(systems))
    for number, metric in enumerate(metrics):
        places = [place + _offset(number, len(metrics)) for place in range(len(systems))]
        values = [one.overall.of(metric) for one in systems]
        axes.barh(
            places,
            [value.value for value in values],
            height=GROUP_WIDTH / len(metrics),
            xerr=_whiskers(values),
            label=METRIC_NAMES[metric],
            color=SERIES[number],
            error_kw=_WHISKER,
        )
        for place, value in zip(places, values, strict=True):
            end = max(value.value or 0.0, value.high or 0.0)
            axes.text(end + 0.8, place, f"{value.value:.1f}", va="center", fontsize=8)
    axes.set_yticks(range(len(systems)), [_label(one.name) for one in systems])
    axes.invert_yaxis()
    axes.set_xlim(0, min(108, 1.15 * _highest(systems, metrics) + 3))
    axes.set_xlabel("score, with 95% intervals over tasks")
    axes.grid(axis="y", visible=False)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def category_figure(systems: Sequence[Evaluated]) -> Any:
    """The published metric of each category, a bar for each system."""
    names = sorted(
        {name for one in systems for name in one.groups},
        key=lambda name: (category_metric(name) != "rouge_l", name),
    )
    figure, axes = _canvas(_width(len(names), len(systems)), 4.6)
    for number, system in enumerate(systems):
        values = [_category_value(system, name) for name in names]
        axes.bar(
            [place + _offset(number, len(systems)) for place in range(len(names))],
            [value.value or 0.0 for value in values],
            width=GROUP_WIDTH / len(systems),
            yerr=_whiskers(values),
            label=_label(system.name),
            color=SERIES[number % len(SERIES)],
            error_kw=_WHISKER,
        )
    axes.set_xticks(range(len(names)), [_category_label(name) for name in names])
    axes.tick_params(axis="x", length=0, labelsize=8, rotation=40)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(0, 100)
    axes.set_ylabel("score, with 95% intervals over tasks")
    axes.grid(axis="x", visible=False)
    columns = min(len(systems), 3)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns)
    return figure


_WHISKER = {"ecolor": LIGHT["ink"], "elinewidth": 0.9, "capsize": 2.0}


def _canvas(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _width(groups: int, bars: int) -> float:
    """Inches for groups of bars: a page, unless names of many groups need more."""
    wanted = 1.5 + groups * (0.35 + 0.19 * bars)
    return max(7.0, min(wanted, 14.0), 1.5 + 0.45 * groups)


def _offset(number: int, count: int) -> float:
    """Where in its group a bar stands, from the middle."""
    return (number - (count - 1) / 2) * GROUP_WIDTH / count


def _whiskers(values: Sequence[Value]) -> list[list[float]]:
    """How far intervals reach below and above their values; nothing where there is none."""
    reach = [_reach(one) for one in values]
    return [[below for below, _ in reach], [above for _, above in reach]]


def _reach(one: Value) -> tuple[float, float]:
    if one.value is None or one.low is None or one.high is None:
        return float("nan"), float("nan")
    return max(0.0, one.value - one.low), max(0.0, one.high - one.value)


def _highest(systems: Sequence[Evaluated], metrics: Sequence[Metric]) -> float:
    values = [one.overall.of(metric) for one in systems for metric in metrics]
    return max(max(one.value or 0.0, one.high or 0.0) for one in values)


def _category_value(system: Evaluated, category: str) -> Value:
    found = system.groups.get(category)
    if found is None:
        return Value(None, None, None, "not scored on it")
    return found.of(category_metric(category))


def _category_label(category: str) -> str:
    return f"{_label(category) or NO_CATEGORY}\n({METRIC_NAMES[category_metric(category)]})"


def _label(name: str) -> str:
    shown = one_line(name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"
