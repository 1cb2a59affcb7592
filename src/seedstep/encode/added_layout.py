"""Check a layout that a user adds to the table, and name it in the errors of its functions.

Layouts of seedstep's own are not changed. A layout is tried with a few elements and inputs, which
shows whether it writes the input, and whether it still writes as before.

Example::

    LAYOUTS["qa"] = checked_layout(layout)
"""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from seedstep.data import Example
from seedstep.encode.elements import Elements
from seedstep.encode.layouts import FIDELITY, Layout, Pair
from seedstep.entries import (
    FUNCTION,
    LINE,
    MAYBE_FUNCTION,
    TEXT,
    TEXTS,
    TRUTH,
    FieldKind,
    guarded,
    is_text,
    require_fields,
)
from seedstep.errors import EntryError, InputError

__all__ = ["LAYOUT_STAMP", "checked_layout", "fingerprint_of_layout"]

LAYOUT_STAMP = "layout_fingerprint"
"""The entry of a run with the fingerprint of how a layout that was added writes."""

MOST_STOPS = 4
"""How many texts before which an answer ends the OpenAI API takes."""

_FITS = ("safe", FIDELITY)
_STOPS = FieldKind(
    f"a tuple of {MOST_STOPS} texts at the most, none of them empty",
    lambda found: TEXTS.fits(found) and all(found) and len(found) <= MOST_STOPS,
)

_FIELDS: Mapping[str, FieldKind] = MappingProxyType(
    {
        "meaning": LINE,
        "head": FUNCTION,
        "tail": FUNCTION,
        "prompt": MAYBE_FUNCTION,
        "whole": MAYBE_FUNCTION,
        "fits": FieldKind(
            "a tuple of 'safe'",
            lambda found: TEXTS.fits(found) and bool(found) and set(found) <= {*_FITS},
        ),
        "stop_texts": _STOPS,
        "stop_after_examples": _STOPS,
        "in_template": TRUTH,
        "leaves_out_copies": TRUTH,
        "bare": TRUTH,
    }
)
"""What the fields of a layout have to be."""

_PAIR = FieldKind(
    "a Pair of two texts, the prompt and the target",
    lambda found: isinstance(found, Pair) and is_text(found.prompt) and is_text(found.completion),
)

_GOOD = Example("d c", "c d", "c is before d")
_BAD = Example("f e", "f e", "e is before f")
_ELEMENTS = (
    Elements("sort", "Sort them.", ("Read.", "Sort."), True, (_GOOD,), (_BAD,), True),
    Elements(None, "Sort them.", (), False, (), (), False),
)
_INPUTS = ("b a", "2, 1\n3")
"""The elements and inputs with which layouts are tried."""


def checked_layout(layout: Layout) -> Layout:
    """Return a layout whose fields were checked, with its name in the errors of its functions.

    Raises:
        EntryError: a field can't be used, or it has two ways to write prompts.
        InputError: it shows no input, or has the fit "fidelity".
    """
    entry = f"the layout '{layout.name}'"
    require_fields(entry, layout, _FIELDS)
    ways = [" and ".join(way) for way in layout.ways]
    if len(ways) > 1:
        raise EntryError(f"{entry} has {' as well as '.join(ways)}", "give it one of them")
    if not layout.shows_input:
        raise InputError(f"{entry} shows no input", "give it a tail, a prompt, or a whole")
    if FIDELITY in layout.fits:
        what = f"{entry} can't have the fit fidelity, which is Tk-Instruct's own"
        raise InputError(what, "leave it out of `fits`")
    layout = _guarded(entry, layout)
    if any(first is not None and first == second for first, second in _tried(layout)):
        what = f"{entry} shows no input: it writes one prompt for two inputs"
        raise InputError(what, f"write the input in {ways[0]}")
    return layout


def fingerprint_of_layout(layout: Layout) -> str:
    """Return a fingerprint of how a layout writes.

    It is that of prompts with a few elements: what these don't show may change without being
    noticed.
    """
    return sha256(repr((_tried(layout), layout.in_template)).encode()).hexdigest()[:16]


def _guarded(entry: str, layout: Layout) -> Layout:
    kinds = {"whole": _PAIR}
    functions: dict[str, Any] = {}
    for field in (name for way in layout.ways for name in way):
        kind = kinds.get(field, TEXT)
        function = getattr(layout, field)
        functions[field] = guarded(f"`{field}` of {entry}", function, kind.wanted, kind.fits)
    return replace(layout, **functions)


def _tried(layout: Layout) -> list[list[str | None]]:
    """Return what a layout writes with each of the elements, for each of the inputs.

    It is None where a function of the layout fails, as it may do with these only.
    """
    return [[_written(layout, parts, text) for text in _INPUTS] for parts in _ELEMENTS]


def _written(layout: Layout, parts: Elements, text: str) -> str | None:
    try:
        if layout.whole:
            return str(layout.whole(parts.definition or "", text, "a b", "42 0"))
        return layout.written(parts, text)
    except EntryError:
        return None
