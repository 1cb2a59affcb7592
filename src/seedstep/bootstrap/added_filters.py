"""Check the filters that a user passes to a bootstrap, and name them in errors of their functions.

Filters of seedstep's own are not changed.

Example::

    filters = guarded_filters(check_filters([*FILTERS, mine]))
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from inspect import isawaitable
from types import MappingProxyType
from typing import Any

from seedstep.bootstrap.filters import (
    FILTERS,
    OUTCOMES,
    Filter,
    InstanceFilter,
    InstructionFilter,
)
from seedstep.bootstrap.rules import RuleResult
from seedstep.entries import (
    FUNCTION,
    LINE,
    MAYBE_FUNCTION,
    TRUTH,
    FieldKind,
    as_entries,
    choice_of,
    guarded,
    is_text,
    require_record,
)
from seedstep.errors import InputError

__all__ = ["changed_filters", "check_filters", "guarded_filters"]


def check_filters(filters: Iterable[Filter] | Filter) -> tuple[Filter, ...]:
    """Return filters, or one alone, as a tuple; no two of them have the same name.

    Raises:
        InputError: two filters have the same name, or a filter has the name of another reason.
        EntryError: something else is given than filters, or a field of one can't be used.
    """
    entries: tuple[Filter, ...] = as_entries("filters", filters, *_KINDS)
    known = set(OUTCOMES)
    for entry in entries:
        kinds = {name: kind for name, kind in _FIELDS.items() if hasattr(entry, name)}
        require_record("filter", entry, kinds)
        if entry.name in known:
            raise InputError(f"the name '{entry.name}' stands for two reasons", "rename the filter")
        known.add(entry.name)
    return entries


def guarded_filters(filters: Iterable[Filter]) -> tuple[Filter, ...]:
    """Return filters of which those that are not seedstep's own are named in their errors."""
    return tuple(entry if entry in FILTERS else _guarded_filter(entry) for entry in filters)


def _guarded_filter(entry: Filter) -> Filter:
    names = [name for name in _FUNCTIONS if getattr(entry, name, None) is not None]
    functions: dict[str, Any] = {
        name: _guarded_find(f"the filter '{entry.name}'", getattr(entry, name)) for name in names
    }
    return replace(entry, **functions)


def _guarded_find(entry: str, find: Callable[..., Any]) -> Callable[..., RuleResult]:
    """Return a filter's function that is named in its errors, and returns a text or a truth."""
    checked = guarded(entry, find, "True where it rejects, or a detail for people", _is_finding)

    def found(*given: Any) -> RuleResult:
        finding = checked(*given)
        return finding if isinstance(finding, str) else bool(finding)

    return found


_KINDS: tuple[type[Any], ...] = (InstructionFilter, InstanceFilter)
_FUNCTIONS = ("find", "in_other_languages", "as_released")
"""The fields of filters that are functions."""

_FIELDS: Mapping[str, FieldKind] = MappingProxyType(
    {
        **dict.fromkeys(("meaning", "seed_remedy", "advice"), LINE),
        **dict.fromkeys(("english_only", "extra", "for_seeds", "by_words"), TRUTH),
        **dict.fromkeys(_FUNCTIONS, MAYBE_FUNCTION),
        "find": FUNCTION,
        "style": choice_of("completion", "turns", "dialogue", "chat", None),
    }
)
"""What the fields of filters have to be, besides their name."""


def _is_finding(found: object) -> bool:
    """Return whether a filter may return this: a text, or what is true or false."""
    if isinstance(found, str):
        return is_text(found)
    return not isawaitable(found) and bool(found) in (True, False)  # `bool` of an array raises


def changed_filters(filters: Sequence[Filter]) -> dict[str, str] | None:
    """Return the meanings of filters by name, or None if the filters are those of `FILTERS`."""
    return None if tuple(filters) == FILTERS else {entry.name: entry.meaning for entry in filters}
