"""An SVG file of matplotlib's as a part of a page.

Colours become CSS variables, fonts the page's own, ids unique within the page.

Example::

    inline(svg, "1-lengths", "Lengths in words. Mean 15.9.", width=4.8)
"""

import re
import xml.etree.ElementTree as ET

from seedstep.report.charts.colours import LIGHT

__all__ = ["inline"]

PIXELS = (66, 115)
"""The least and the most that an inch of a chart takes, so that its labels can be read: a phone
shows all of most charts, and scrolls the wider ones."""

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_DROPPED = frozenset({f"{{{_SVG}}}metadata", f"{{{_SVG}}}style", f"{{{_SVG}}}title"})

_VARIABLES = {colour: f"var(--{name})" for name, colour in LIGHT.items()}
_COLOUR = re.compile("#[0-9a-f]{6}")
_FONTS = re.compile("font-family: [^;]*;? ?")
_REFERENCE = re.compile(r"#([\w-]+)")


def inline(svg: bytes, name: str, described: str, width: float) -> str:
    """The markup; `name` begins all ids, `described` is read out to those who don't see it."""
    ET.register_namespace("", _SVG)
    root = ET.fromstring(svg)  # noqa: S314 - written by matplotlib just now
    for parent in [*root.iter()]:
        for child in [one for one in parent if one.tag in _DROPPED]:
            parent.remove(child)
    for element in root.iter():
        _adapt(element, name)
    _keep_ids(root)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-label", described)
    least, most = (round(one * width) for one in PIXELS)
    root.set("style", f"min-width: {least}px; max-width: {most}px")
    return ET.tostring(root, encoding="unicode")


def _adapt(element: ET.Element, name: str) -> None:
    """Colours, fonts and ids of one element."""
    if style := element.get("style"):
        style = _COLOUR.sub(lambda found: _VARIABLES.get(found[0], found[0]), style)
        element.set("style", _FONTS.sub("", style))
    if one := element.get("id"):
        element.set("id", f"{name}-{one}")
    if target := element.attrib.pop(_XLINK, ""):
        element.set("href", f"#{name}-{target[1:]}")
    if clip := element.get("clip-path"):
        element.set("clip-path", clip.replace("#", f"#{name}-"))


def _keep_ids(root: ET.Element) -> None:
    """Leave out ids that nothing refers to."""
    named = {
        found
        for element in root.iter()
        for value in (element.get("href"), element.get("clip-path"))
        for found in _REFERENCE.findall(value or "")
    }
    for element in root.iter():
        if element.get("id") not in named:
            element.attrib.pop("id", None)
