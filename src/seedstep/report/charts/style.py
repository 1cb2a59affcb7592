"""One style for all charts, and their three forms: in the page, as SVG, as PNG.

A chart is drawn once with the light colours. In the page each of them becomes a CSS variable, so
that the chart follows the reader's colour scheme.

Example::

    drawn = render(chart, "1-lengths")
    drawn.svg, drawn.png, drawn.inline
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from seedstep.errors import MissingExtraError
from seedstep.report.charts.colours import LIGHT
from seedstep.report.charts.inline import inline
from seedstep.report.records import Chart
from seedstep.text import visible

__all__ = ["Drawn", "drawing", "label", "render"]

LABEL_CHARACTERS = 30
"""Of a label; the table has it whole."""

TITLE_CHARACTERS = 120

PNG_DOTS = 200
"""An inch."""

_RC = MappingProxyType(
    {
        "font.family": "sans-serif",
        "font.size": 9.0,
        "text.parse_math": False,  # a dollar sign in a text is no formula
        "text.color": LIGHT["ink"],
        "axes.labelcolor": LIGHT["muted"],
        "axes.edgecolor": LIGHT["muted"],
        "axes.facecolor": LIGHT["surface"],
        "axes.titlesize": 9.0,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "axes.formatter.limits": (-5, 12),  # no powers of ten
        "axes.formatter.useoffset": False,
        "grid.color": LIGHT["grid"],
        "grid.linewidth": 0.7,
        "figure.facecolor": LIGHT["surface"],
        "legend.frameon": False,
        "xtick.color": LIGHT["muted"],
        "ytick.color": LIGHT["muted"],
        "ytick.labelcolor": LIGHT["ink"],
        "lines.linewidth": 1.6,
        "svg.fonttype": "none",
    }
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart as the contents of an SVG and a PNG file, and as markup for a page."""

    svg: bytes
    png: bytes
    inline: str


def label(text: str, most: int = LABEL_CHARACTERS) -> str:
    """A text of others as a chart's label: on one line, harmless, not too long."""
    line = visible(" ".join(text[: 20 * most].split()))
    return line if len(line) <= most else line[: most - 1] + "…"


@contextmanager
def drawing(salt: str) -> Iterator[None]:
    """The style of all charts. Characters that the font lacks are drawn as boxes.

    Ids within an SVG file follow from what is drawn and the `salt`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingExtraError("a figure", "pip install 'seedstep[report]'") from None
    style: Any = {**_RC, "svg.hashsalt": salt}
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def render(chart: Chart, name: str) -> Drawn:
    """Draw a chart that its page knows by `name`. The same chart gives the same bytes.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    title = label(chart.title, TITLE_CHARACTERS)
    with drawing(chart.name):
        from matplotlib.figure import Figure

        figure = Figure(figsize=chart.size, layout="constrained")
        chart.draw(figure)
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Title": title})
        figure.savefig(png, format="png", dpi=PNG_DOTS, metadata={"Software": None})
    described = f"{title}. {visible(chart.alt)}"
    markup = inline(svg.getvalue(), name, described, chart.size[0])
    return Drawn(svg.getvalue(), png.getvalue(), markup)
