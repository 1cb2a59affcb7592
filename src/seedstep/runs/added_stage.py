"""Check a stage that a user adds to the table, and name it in the errors of its functions.

Stages of seedstep's own are not changed.

Example::

    check_stage(COUNT)
    STAGES.entries["count"] = StageEntry(guarded_stage(COUNT))
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from seedstep.entries import (
    FUNCTION,
    FUNCTIONS_BY_NAME,
    MAYBE_FUNCTION,
    PAIRS,
    TEXT,
    TEXTS,
    TRUTH,
    FieldKind,
    guarded,
    is_mapping,
    require_fields,
    require_name,
)
from seedstep.errors import EntryError
from seedstep.llm.settings import AskingSettings
from seedstep.settings import unset_fields

if TYPE_CHECKING:
    from seedstep.runs.stage import Stage

__all__ = ["check_stage", "guarded_stage"]

_ALWAYS = (
    *("load", "records", "rows", "settled", "stamps", "first_stamps", "asking", "reconcile"),
    *("made", "check", "keep", "header", "status", "listed", "rejected", "shown"),
)
_PERHAPS = ("tasks", "card", "labels", "work", "contents", "unanswered")

_FIELDS: Mapping[str, FieldKind] = MappingProxyType(
    {
        **dict.fromkeys(_ALWAYS, FUNCTION),
        **dict.fromkeys(_PERHAPS, MAYBE_FUNCTION),
        **dict.fromkeys(("noun", "makes", "config"), TEXT),
        **dict.fromkeys(("asks_model", "has_database"), TRUTH),
        **dict.fromkeys(("questions", "places", "changeable", "sections", "beside"), TEXTS),
        "lists": PAIRS,
        "columns": FieldKind(
            f"{PAIRS.wanted}, or None", lambda found: found is None or PAIRS.fits(found)
        ),
        "model_checks": FUNCTIONS_BY_NAME,
    }
)
"""What the fields of a stage have to be."""


_ANY = FieldKind("anything", lambda found: True)
_MAPPING = FieldKind("a dict", is_mapping)
_LIST = FieldKind(
    "a list, or yield its entries",
    lambda found: isinstance(found, Iterable) and not isinstance(found, str),
)

_RETURNS: Mapping[str, FieldKind] = MappingProxyType(
    {
        **dict.fromkeys((*_ALWAYS, *_PERHAPS), _ANY),
        **dict.fromkeys(("stamps", "first_stamps", "contents", "labels"), _MAPPING),
        **dict.fromkeys(("rows", "tasks", "unanswered"), _LIST),
        **dict.fromkeys(("card", "asking"), TEXT),
    }
)
"""What the functions of a stage have to return, as far as it is checked here."""

_BLOCKS = ("status", "listed", "rejected", "shown")
"""The functions that make blocks, which are checked where they are called."""


def check_stage(stage: "Stage[Any, Any, Any]") -> None:
    """Check the name, the settings and the other fields of a stage.

    Raises:
        EntryError: one can't be used.
    """
    require_name("add_stage", stage.name)
    require_fields(f"the stage '{stage.name}'", stage, _FIELDS)
    _require_settings(stage)


def _require_settings(stage: "Stage[Any, Any, Any]") -> None:
    """Check that the settings of a stage are a record of settings.

    Raises:
        EntryError: they are something else, or none of a model that is to be asked.
    """
    kind: Any = stage.settings
    where = f"`settings` of the stage '{stage.name}'"
    shown = getattr(kind, "__name__", type(kind).__name__)
    if not isinstance(kind, type) or not is_dataclass(kind):
        raise EntryError(
            f"{where}: {shown} is no class of a dataclass", "write @dataclass above it"
        )
    for name in unset_fields(kind):
        what = f"{where}: the field '{name}' of {shown} is no setting"
        raise EntryError(what, f'write {name}: ... = setting(default, "What it is."), or part(...)')
    if stage.asks_model and not issubclass(kind, AskingSettings):
        what = f"{where}: with asks_model=True, {shown} has to be an AskingSettings"
        raise EntryError(what, "derive it from seedstep.llm.settings.AskingSettings")


def guarded_stage(stage: "Stage[Any, Any, Any]") -> "Stage[Any, Any, Any]":
    """Return a stage whose name is in the errors of its functions; the usual ones are kept."""
    usual = {field.name: field.default for field in fields(stage)}
    changed: dict[str, Any] = {}
    for name, kind in _RETURNS.items():
        function = getattr(stage, name)
        if function is not None and function is not usual[name] and name not in _BLOCKS:
            entry = f"`{name}` of the stage '{stage.name}'"
            changed[name] = guarded(entry, function, kind.wanted, kind.fits)
    return replace(stage, **changed)
