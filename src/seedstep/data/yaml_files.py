"""Read and write YAML files, which may be broken, huge or hostile.

A file has plain values: texts, numbers, dates, lists and mappings. It has at most
`reading.MOST_BYTES`, and at most `MOST_VALUES` values and characters when its aliases are expanded,
so that a few lines can't expand to gigabytes.

Example:
    >>> parse_yaml("tasks: 20", "demo.yaml")
    {'tasks': 20}
    >>> parse_yaml("seed: 2020-13-45", "demo.yaml")
    Traceback (most recent call last):
        ...
    seedstep.errors.InputError: demo.yaml, line 1: month must be in 1..12. Correct the value.
"""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from seedstep.data.files import write_atomically
from seedstep.data.reading import read_text
from seedstep.errors import InputError, first_line

__all__ = ["parse_yaml", "read_yaml", "write_yaml"]

MOST_VALUES = 4 << 20
"""The most values and characters of a file, with its aliases expanded."""

MOST_DIGITS = 300
"""The most characters of a number, a date, or a yes or no."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; an empty file is an empty mapping.

    Raises:
        InputError: the file is not there, is not YAML, or is no mapping.
    """
    values = parse_yaml(read_text(path), str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a list of settings", "write `name: value` on each line")
    return values


def write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    """Write a YAML file atomically."""
    text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)
    if any(mark in text for mark in "\x85\u2028\u2029"):  # read again as other line ends
        text = yaml.safe_dump(dict(values), sort_keys=False)
    write_atomically(path, text.encode())


def parse_yaml(text: str, where: str) -> Any:
    """Parse a YAML text. `where` is its origin, for error messages.

    Raises:
        InputError: it is not YAML, has a value that can't be used, or is too large or too deep.
    """
    return deepcopy(_parsed(text, where))


@lru_cache(maxsize=16)  # a command reads the configuration of its run several times
def _parsed(text: str, where: str) -> Any:
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        place, problem = error.problem_mark or error.context_mark, error.problem
    except yaml.YAMLError:  # characters that YAML does not have
        place, problem = None, "not YAML"
    except RecursionError:
        place, problem = _place(loader), "nested too deeply"
    except Exception as error:  # PyYAML raises errors of many kinds for what it can't make
        place, problem = _place(loader), first_line(error)
    line = f", line {place.line + 1}" if place else ""
    remedy = "correct the value" if isinstance(loader, _Loader) and loader.parsed else _CORRECT
    raise InputError(f"{where}{line}: {(problem or 'not YAML')[:_SHOWN]}", remedy)


_CORRECT = "correct the file"
_SHORT = ("bool", "float", "int", "timestamp")
_SHOWN = 200
"""How many characters of PyYAML's message an error shows."""


def _place(loader: "_Loader | None") -> Any:
    return loader.get_mark() if loader else None


class _Loader(yaml.SafeLoader):
    """A loader of plain values, whose errors have the line."""

    parsed = False

    def get_single_node(self) -> Any:
        """Return the tree of the text, after a check that it is not too large."""
        node = super().get_single_node()
        if node is not None:
            _require_size(node, {})
        self.parsed = True
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Return the value of a node."""
        kind = node.tag.rpartition(":")[2]
        if kind in _SHORT and len(node.value) > MOST_DIGITS:
            raise _unusable(node, f"{kind} with more than {MOST_DIGITS} characters")
        try:
            value = super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:
            said = isinstance(error, ValueError | OverflowError)
            problem = first_line(error) if said else f"not a value of type {kind}"
            raise _unusable(node, problem) from None
        if isinstance(value, str) and not value.isascii() and _has_surrogate(value):
            raise _unusable(node, "half a character (a lone surrogate)")
        return value


def _unusable(node: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _require_single(mapping: Any) -> None:
    """Raise yaml.MarkedYAMLError if a mapping has a key twice: all but the last would be lost."""
    seen = set()
    for key, _ in mapping.value:
        if isinstance(key, yaml.ScalarNode) and not key.tag.endswith(":merge"):
            if (key.tag, key.value) in seen:
                raise _unusable(key, f"'{key.value}' is there twice")
            seen.add((key.tag, key.value))


def _require_size(node: Any, sizes: dict[int, int]) -> int:
    """Return the number of values and characters of a tree, with its aliases expanded.

    `sizes` has the sizes of nodes that are known, and 0 for those that are being counted.

    Raises:
        yaml.MarkedYAMLError: the tree is too large, or a value contains itself.
    """
    known = sizes.get(id(node))
    if known == 0:
        raise _unusable(node, "an alias of what it is part of")
    if known is None:
        sizes[id(node)] = 0
        if isinstance(node, yaml.ScalarNode):
            known = 1 + len(node.value)
        else:
            parts = node.value
            if isinstance(node, yaml.MappingNode):
                _require_single(node)
                parts = [part for pair in parts for part in pair]
            known = 1 + sum(_require_size(part, sizes) for part in parts)
        sizes[id(node)] = known
    if known > MOST_VALUES:
        raise _unusable(node, "too large with its aliases written out")
    return known
