"""The colours of charts and of the page, light and dark, and the drawing of charts.

The colours of series differ in lightness, too, and the colour-blind can tell them apart (after
Okabe and Ito). Each has a contrast of at least 4.5 with its surface. No chart uses colour as the
only difference. `render` draws a chart as SVG, as PNG, and twice as markup for the page: for wide
screens, and for phones, where the names of rows stand above them.

Example::

    >>> LIGHT["series-1"], DARK["series-1"]
    ('#0b63a5', '#63b3ee')
"""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import fill
from types import MappingProxyType
from typing import Any

from seedstep.errors import MissingExtraError
from seedstep.report.records import Chart
from seedstep.text import shortened, visible

__all__ = [
    "DARK",
    "LIGHT",
    "NARROW_ROW",
    "SERIES",
    "DrawnChart",
    "drawing",
    "inline",
    "is_narrow",
    "label",
    "name_rows",
    "render",
]

LIGHT = MappingProxyType(
    {
        "surface": "#fefefe",
        "ink": "#1c2126",
        "muted": "#5b656f",
        "grid": "#dfe3e7",
        "series-1": "#0b63a5",
        "series-2": "#c04f04",
        "series-3": "#0a7a5c",
        "series-4": "#8b3f90",
        "series-5": "#8f6503",
        "series-6": "#4b5763",
    }
)
DARK = MappingProxyType(
    {
        "surface": "#15191d",
        "ink": "#eceff2",
        "muted": "#a3adb7",
        "grid": "#343b42",
        "series-1": "#63b3ee",
        "series-2": "#ff9d5c",
        "series-3": "#52d0a4",
        "series-4": "#dc9ae1",
        "series-5": "#e3c04b",
        "series-6": "#b4bfca",
    }
)
SERIES = tuple(colour for name, colour in LIGHT.items() if name.startswith("series"))


LABEL_CHARACTERS = 30
"""The most characters of a label. The chart's table has the whole text."""

TITLE_CHARACTERS = 120

PNG_DOTS = 200
"""Dots per inch of PNG files."""

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
        "figure.autolayout": False,
        "figure.constrained_layout.use": False,
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
class DrawnChart:
    """A drawn chart: the contents of an SVG and a PNG file, and markup for a page.

    `inline` is for wide screens, `narrow` for phones.
    """

    svg: bytes
    png: bytes
    inline: str
    narrow: str


def label(text: str, most: int = LABEL_CHARACTERS) -> str:
    """Return a text from data as a chart's label: on one line, cleaned, and cut if it is long."""
    return visible(shortened(text, most - 1))


NARROW = 3.5
"""The width in inches of charts for phones, on which an inch is about 100 pixels."""

NARROW_ROW = 0.42
"""The height in inches of a row with its name above it."""

NAMED = 50
"""The most characters of a name above a row with its value."""

NARROW_CHARACTERS = 44
"""The most characters in a line of an axis's label in a narrow chart."""


def is_narrow(figure: Any) -> bool:
    """Return whether a figure is drawn for phones."""
    return bool(figure.get_figwidth() <= NARROW)


def name_rows(axes: Any, names: Sequence[str], values: Sequence[str] = ()) -> None:
    """Name the rows of a chart, which are at 0, 1 and so on from above.

    The names stand at the side. In a narrow chart they stand above the rows, with the `values`.
    """
    texts = list(map(label, names))
    if is_narrow(axes.figure):
        axes.set_yticks([])
        where = axes.get_yaxis_transform()
        if values:
            rooms = [NAMED - len(value) for value in values]
            texts = [label(*named) for named in zip(names, rooms, strict=True)]
            texts = [f"{text}: {value}" for text, value in zip(texts, values, strict=True)]
        for place, text in enumerate(texts):
            named = axes.text(0.01, place - 0.27, text, transform=where, va="bottom", fontsize=8)
            named.set_in_layout(False)  # it takes no room from the chart
    else:
        axes.set_yticks(range(len(texts)), texts)
    axes.set_ylim(len(texts) - 0.4, -0.75)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


@contextmanager
def drawing(salt: str) -> Iterator[None]:
    """Apply the style of all charts. Characters that the font lacks are drawn as boxes.

    The ids in an SVG file depend only on what is drawn and on the `salt`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingExtraError("a figure", extra="report") from None
    style: Any = {**_RC, "svg.hashsalt": salt}
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def render(chart: Chart, name: str) -> DrawnChart:
    """Draw a chart, whose page refers to it by `name`. The same chart gives the same bytes.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    title = label(chart.title, TITLE_CHARACTERS)
    with drawing(chart.name):
        from matplotlib.figure import Figure

        figure = Figure(figsize=chart.size, dpi=PNG_DOTS, layout="constrained")
        chart.draw(figure)
        _lay_out(figure)
        svg, png, small = io.BytesIO(), io.BytesIO(), io.BytesIO()
        metadata = {"Date": None, "Title": title}
        figure.savefig(svg, format="svg", metadata=metadata)
        figure.savefig(png, format="png", metadata={"Software": None})
        height = chart.narrow_height or chart.size[1]
        figure = Figure(figsize=(NARROW, height), dpi=PNG_DOTS, layout="constrained")
        chart.draw(figure)
        for axes in figure.axes:
            unit = label(axes.get_xlabel(), TITLE_CHARACTERS)
            axes.set_xlabel(fill(unit, NARROW_CHARACTERS))
        _lay_out(figure)
        figure.savefig(small, format="svg", metadata=metadata)
    described = f"{title}. {visible(chart.alt)}"
    return DrawnChart(
        svg.getvalue(),
        png.getvalue(),
        inline(svg.getvalue(), name, described, chart.size[0]),
        inline(small.getvalue(), f"{name}-narrow", described, NARROW),
    )


def _lay_out(figure: Any) -> None:
    """Give each part of a figure its place, once: `savefig` would do so for each file, and draw
    the figure twice for it.
    """
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine(None)


MOST_PIXELS = 115
"""The most pixels of an inch of a chart in a page."""

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_DROPPED = frozenset({f"{{{_SVG}}}metadata", f"{{{_SVG}}}style", f"{{{_SVG}}}title"})

_VARIABLES = {colour: f"var(--{name})" for name, colour in LIGHT.items()}
_COLOUR = re.compile("#[0-9a-f]{6}")
_FONTS = re.compile("font-family: [^;]*;? ?")
_REFERENCE = re.compile(r"#([\w-]+)")


def inline(svg: bytes, name: str, described: str, width: float) -> str:
    """Return the markup of an SVG file for a page.

    `name` is put before all ids. Screen readers read `described`.
    """
    ET.register_namespace("", _SVG)
    root = ET.fromstring(svg)  # noqa: S314 - written by matplotlib just now
    for parent in [*root.iter()]:
        for child in [element for element in parent if element.tag in _DROPPED]:
            parent.remove(child)
    for element in root.iter():
        _adapt(element, name)
    _keep_ids(root)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-label", described)
    root.set("style", f"max-width: {round(MOST_PIXELS * width)}px")
    return ET.tostring(root, encoding="unicode")


def _adapt(element: ET.Element, name: str) -> None:
    """Change the colours, fonts and ids of an element to those of the page."""
    if style := element.get("style"):
        style = _COLOUR.sub(lambda found: _VARIABLES.get(found[0], found[0]), style)
        element.set("style", _FONTS.sub("", style))
    if own := element.get("id"):
        element.set("id", f"{name}-{own}")
    if target := element.attrib.pop(_XLINK, ""):
        element.set("href", f"#{name}-{target[1:]}")
    if clip := element.get("clip-path"):
        element.set("clip-path", clip.replace("#", f"#{name}-"))


def _keep_ids(root: ET.Element) -> None:
    """Remove ids to which no element refers."""
    named = {
        found
        for element in root.iter()
        for value in (element.get("href"), element.get("clip-path"))
        for found in _REFERENCE.findall(value or "")
    }
    for element in root.iter():
        if element.get("id") not in named:
            element.attrib.pop("id", None)
