"""The types of what functions take."""

import inspect
import typing
from collections.abc import Callable
from typing import Any, get_type_hints

__all__ = ["inside", "parameters"]


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of what a function takes, its keywords included."""
    hints = get_type_hints(function)
    hints.pop("return", None)
    for each in inspect.signature(function).parameters.values():
        if each.kind is each.VAR_KEYWORD:
            hints |= get_type_hints(typing.get_args(hints.pop(each.name))[0])
    return hints


def inside(kind: Any) -> list[Any]:
    """A type and all types that it is made of, those that a callable takes left out."""
    if typing.get_origin(kind) is Callable:
        return [kind]
    return [kind, *(part for each in typing.get_args(kind) for part in inside(each))]
