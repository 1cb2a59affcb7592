"""Axes along which new tasks are spread: how they are written, their values, and their sentences.

Axes are not from the papers, and there are none unless they are asked for. An axis has values with
target shares. A cell has a value of each axis; `seedstep.bootstrap.steering` chooses those that
requests ask for.

Example::

    >>> (axis,) = parse_axes({"difficulty": {"easy": 0.7, "hard": 0.3}})
    >>> axis.name, dict(axis.shares)
    ('difficulty', {'easy': 0.7, 'hard': 0.3})
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isclose
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedstep.bootstrap.parse import read_values
from seedstep.data import read_yaml
from seedstep.errors import InputError, unknown_name
from seedstep.llm import Failure, Reply, Request
from seedstep.prompts import axis_wording
from seedstep.text import single_spaced
from seedstep.values import is_finite

if TYPE_CHECKING:
    from seedstep.llm import Engine

__all__ = [
    "CLASSIFICATION",
    "YES_AND_NO",
    "Axis",
    "AxisValue",
    "Cell",
    "axes_of",
    "cell_lines",
    "cell_text",
    "draw_values",
    "named_in",
    "parse_axes",
    "values_purpose",
]

AxisValue = tuple[str, str]
"""The name of an axis, with a value."""

Cell = tuple[AxisValue, ...]
"""What a request asks for: the name of each axis, with a value. Empty without axes."""

MOST_DRAWN = 100
"""The most values that a model is asked for."""

LONGEST = 200
"""The most characters of a name or a value."""

CLASSIFICATION = "classification"
YES_AND_NO = ("yes", "no")

SLACK = 0.005
"""How far the sum of shares may be from 1."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis, with the shares of its values, which add up to 1.

    Where the model names the values, `drawn` is how many it is asked for, and there are no shares
    before it has answered. `line` is the user's own sentence for prompts, with `{value}` in it.
    """

    name: str
    shares: Mapping[str, float]
    drawn: int = 0
    line: str = ""


def axes_of(given: object) -> object:
    """Return the mapping of axes in a file, or as it was given; values of axes become texts.

    Raises:
        InputError: the file can't be read, has no axes, or one with a fault.
    """
    if isinstance(given, str | PathLike):
        axes = axes_of(read_yaml(Path(given)))
        if not isinstance(axes, Mapping) or not axes:
            raise InputError(f"{given}: no axes", "write one on each line, such as `topic: 10`")
        parse_axes(axes, str(given))  # a fault is that of the file, wherever it was named
        return axes
    if not isinstance(given, Mapping):
        return given
    return {_text(name): _plain(content) for name, content in given.items()}


def _plain(content: object) -> object:
    if isinstance(content, Mapping):
        return {
            _text(key): _plain(value) if key == "values" else value
            for key, value in content.items()
        }
    return list(map(_text, content)) if isinstance(content, list | tuple) else content


def _text(value: object) -> object:
    """Return a key or a value as text: YAML reads yes and no as booleans, and 10 as a number."""
    if isinstance(value, bool):
        return YES_AND_NO[not value]
    return str(value) if isinstance(value, int | float) else value


def parse_axes(written: Mapping[str, Any], source: str = "axes") -> tuple[Axis, ...]:
    """Return the axes of a setting, in an order that does not depend on how they are written.

    The values of an axis are a list, for equal shares; a mapping of values and shares; or a number,
    where the model names so many. With a `line` for prompts, they stand under `values`.

    Raises:
        InputError: an axis or a value is there twice, or shares or keys do not fit.
    """
    places = {name: place for place, name in enumerate((*axis_wording(None).names, CLASSIFICATION))}
    axes = []
    for written_name, content in written.items():
        name = _named(written_name, source)
        known = name.casefold()
        axes.append(_axis(known if known in places else name, content, source))
    _require_single([axis.name for axis in axes], f"{source}: the axis")
    return tuple(sorted(axes, key=lambda axis: (places.get(axis.name, len(places)), axis.name)))


def _named(name: object, where: str) -> str:
    text = single_spaced(name) if isinstance(name, str) else ""
    if not 0 < len(text) <= LONGEST:
        what = f"{where}: {str(name)[:50]!r} is no name or value"
        raise InputError(what, f"write a text of 1 to {LONGEST} characters")
    return text


def _axis(name: str, content: object, source: str) -> Axis:
    where = f"{source}, axis '{name}'"
    line = ""
    if isinstance(content, Mapping) and ("values" in content or "line" in content):
        for key in content:
            if key not in ("values", "line"):
                raise unknown_name("key", key, ("values", "line"), where)
        line = content.get("line", "")
        if line and not (isinstance(line, str) and "{value}" in line):
            raise InputError(f"{where}: its line has no {{value}}", "write {value} into it")
        content = content.get("values")
    if isinstance(content, int) and not isinstance(content, bool):
        if not 2 <= content <= MOST_DRAWN or name == CLASSIFICATION:
            what = f"{where}: the model can't name {content} values"
            remedy = "write yes and no" if name == CLASSIFICATION else f"write 2 to {MOST_DRAWN}"
            raise InputError(what, remedy)
        return Axis(name, {}, content, line)
    shares = _shares(content, where)
    if name == CLASSIFICATION:
        for value in shares:
            if value not in YES_AND_NO:
                raise unknown_name("value", value, YES_AND_NO, where)
    return Axis(name, shares, 0, line)


def _shares(content: object, where: str) -> dict[str, float]:
    """Return the shares of values, which are written as a list or a mapping."""
    if not isinstance(content, list | Mapping) or not content:
        remedy = "write a list of values, values with shares, or how many the model shall name"
        raise InputError(f"{where}: no values", remedy)
    values = [_named(value, where) for value in content]
    _require_single(values, f"{where}: the value")
    if isinstance(content, list):
        return dict.fromkeys(values, 1 / len(values))
    shares = list(content.values())
    for value, share in zip(values, shares, strict=True):
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if not (is_number and is_finite(share) and share > 0):
            what = f"{where}: the share of '{value}' is not a number above 0"
            raise InputError(what, "write one such as 0.3, or leave the value out")
    total = sum(shares)
    whole = next((sure for sure in (1, 100) if isclose(total, sure, rel_tol=SLACK)), None)
    if whole is None:
        remedy = "make that 1 (or 100), or write a list of values for equal shares"
        raise InputError(f"{where}: the shares add up to {total:g}", remedy)
    return {value: share / total for value, share in zip(values, shares, strict=True)}


def _require_single(names: Sequence[str], what: str) -> None:
    seen = set()
    for name in names:
        if name.casefold() in seen:
            raise InputError(f"{what} '{name}' is there twice", "leave one out")
        seen.add(name.casefold())


def values_purpose(axis: str) -> str:
    """Return the purpose of the request for the values of an axis."""
    return f"values of {axis}"


async def draw_values(
    axes: Sequence[Axis], request_of: Callable[[Axis], Request], engine: "Engine"
) -> tuple[Axis, ...]:
    """Return the axes with values that the model named, where none were given.

    Raises:
        InputError: the model does not name two values of an axis.
    """
    asked = [axis for axis in axes if not axis.shares]
    answers = await asyncio.gather(*(engine.ask(request_of(axis)) for axis in asked))
    drawn = {}
    for axis, answer in zip(asked, answers, strict=True):
        if isinstance(answer, Failure):
            raise _not_named(axis, answer.detail)
        drawn[axis.name] = named_in(answer, axis)
        if len(drawn[axis.name].shares) < 2:
            raise _not_named(axis, f"the reply: {single_spaced(answer.text)[:100]}")
    return tuple(drawn.get(axis.name, axis) for axis in axes)


def named_in(reply: Reply, axis: Axis) -> Axis:
    """Return an axis with equal shares of the values that a reply names, if it names any."""
    values = read_values(reply.text, cut=reply.cut)[: axis.drawn]
    return replace(axis, shares={value: 1 / len(values) for value in values})


def _not_named(axis: Axis, detail: str) -> InputError:
    what = f"the model named no values for the axis '{axis.name}' ({detail})"
    return InputError(what, "write them under `axes`, and start a new run")


def cell_text(cell: Cell) -> str:
    """Return a cell for people, such as `topic: law, difficulty: hard`."""
    return ", ".join(f"{name}: {value}" for name, value in cell)


def cell_lines(cell: Cell, axes: Sequence[Axis], language: str | None) -> tuple[str, ...]:
    """Return the sentences of a prompt that ask for a cell, in the language if there are any."""
    wording = axis_wording(language)
    own = {axis.name: axis.line for axis in axes}
    lines = []
    for name, value in cell:
        key = f"{name} {value}" if name == CLASSIFICATION else name
        line = own.get(name) or wording.lines.get(key) or wording.own.replace("{name}", name)
        lines.append(line.replace("{value}", value))
    return tuple(lines)
