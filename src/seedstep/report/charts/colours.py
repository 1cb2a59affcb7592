"""The colours of charts and of the page, for light and for dark.

Those of series differ in lightness too, and can be told apart by the colour-blind (after Okabe and
Ito); each has a contrast of at least 4.5 with its surface. Nothing is told by colour alone.

Example::

    LIGHT["series-1"], DARK["series-1"]
"""

from types import MappingProxyType

__all__ = ["DARK", "LIGHT", "SERIES"]

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
