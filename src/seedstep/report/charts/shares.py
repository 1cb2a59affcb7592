"""What parts a whole has, a whole a bar: such as the answers of each system on each level.

Self-Instruct, Figure 6; Step-by-Step Instruction Tuning, section 5.4.

Example::

    share_chart("levels", "Ratings", {"base": {"A": 3, "B": 1}}, ("system", "answers"))
"""

from collections.abc import Mapping
from typing import Any

from seedstep.report.charts.colours import LIGHT, SERIES
from seedstep.report.charts.style import label
from seedstep.report.records import Chart, Table

__all__ = ["share_chart"]

WIDTH = 4.8
ROW = 0.34
MARGIN = 0.85
LEAST_SHARE = 9.0
"""Percent below which a part has no text: it would lie on its neighbour's."""


def share_chart(
    name: str, title: str, wholes: Mapping[str, Mapping[str, int]], head: tuple[str, str]
) -> Chart:
    """A bar of 100% for each whole, of which there is at least one; all have the same parts.

    A whole without anything has an empty bar. The table has counts and shares.
    """
    parts = tuple(next(iter(wholes.values())))
    shares = {whole: _percent(counts) for whole, counts in wholes.items()}

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(wholes))
        starts = [0.0 for _ in places]
        for number, part in enumerate(parts):
            widths = [one[part] for one in shares.values()]
            bars = axes.barh(
                places,
                widths,
                left=starts,
                height=0.7,
                color=SERIES[number % len(SERIES)],
                edgecolor=LIGHT["surface"],
                label=part,
            )
            texts = [f"{part} {one:.0f}%" if one >= LEAST_SHARE else "" for one in widths]
            axes.bar_label(bars, texts, label_type="center", color=LIGHT["surface"], fontsize=8)
            starts = [start + width for start, width in zip(starts, widths, strict=True)]
        axes.set_yticks(places, [label(one) for one in wholes])
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
    return Chart(name, title, alt, (WIDTH, MARGIN + ROW * len(wholes)), draw, table)


def _percent(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {part: 100 * count / total if total else 0.0 for part, count in counts.items()}
