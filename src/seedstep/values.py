"""Convert what users give to the types of settings: a run to its path, a text to a list of one.

Example:
    >>> convert_value("base", tuple[str, ...], "my.yaml, setting 'names'")
    ('base',)
    >>> convert_value("3", int, "my.yaml, 'seed'")
    Traceback (most recent call last):
    ...
    seedstep.errors.InputError: my.yaml, 'seed': expected `int`, got `str`. Correct the value.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

import msgspec

from seedstep.errors import InputError

__all__ = ["convert_value", "is_finite", "plain_paths", "read_once", "texts_of", "wrong_value"]

_SEVERAL_TEXTS = (list[str], tuple[str, ...], tuple[str, ...] | None)
"""Types of settings that are several texts."""


def texts_of(given: Any) -> Any:
    """Return the texts or paths that are given, of which there may be a single one, in a list.

    Anything else is returned as it is.
    """
    if isinstance(given, str | os.PathLike):
        return [given]
    return list(given) if isinstance(given, Iterable) and not isinstance(given, Mapping) else given


def read_once(given: Any) -> Any:
    """Return what is given, an iterator, which can be read once only, as a list."""
    return list(given) if isinstance(given, Iterator) else given


def convert_value(value: object, kind: Any, where: str) -> Any:
    """Convert a value to this type. `where` ends with the name of the setting in quotes.

    A path, or what stands for one such as a run, becomes its text. Where several texts are wanted,
    a single one may be given.

    Raises:
        InputError: the value does not fit.
    """
    value = plain_paths(texts_of(value) if kind in _SEVERAL_TEXTS else value)
    if any("\0" in text for text in _texts_in(value)):
        raise InputError(f"{where}: has a null character", "remove it")
    try:
        converted = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise wrong_value(where, error) from None
    for place in _not_finite(value):
        what = f"{where.removesuffix(chr(39))}{place}': is no number, or one that is too large"
        raise InputError(what, "correct the value")
    return converted


def _texts_in(value: object) -> Iterator[str]:
    """Yield a text, or those of a list, which may be paths."""
    found = value if isinstance(value, list | tuple) else [value]
    yield from (text for text in found if isinstance(text, str))


def _not_finite(value: object) -> Iterator[str]:
    """Yield the places in a value, such as `.a`, of numbers that no float can stand for."""
    if isinstance(value, int | float) and not is_finite(value):
        yield ""
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from (f".{name}{place}" for place in _not_finite(inner))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from (f"[{number}]{place}" for place in _not_finite(inner))


def is_finite(number: float) -> bool:
    """Return whether a number is one that a floating-point number can stand for."""
    try:
        return isfinite(number)
    except OverflowError:  # an integer that is too large
        return False


def plain_paths(value: object) -> object:
    """Return a value with texts in place of paths, also inside lists and mappings."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {name: plain_paths(inner) for name, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(map(plain_paths, value))
    return list(map(plain_paths, value)) if isinstance(value, list) else value


def wrong_value(where: str, error: Exception) -> InputError:
    """Return the error for a value that does not fit.

    `where` ends with the name of the setting in quotes; the place inside the value is added to it.
    """
    text, _, path = str(error).partition(" - at `$")
    place = f"{where.removesuffix(chr(39))}{path.removesuffix('`')}'"
    return InputError(f"{place}: {text[:1].lower() + text[1:]}", "correct the value")
