"""Settings records: named values, each with a line of help, bounds and flags.

A settings record is a frozen dataclass. `setting` makes its fields, and `part` makes a field that
is itself a settings record. For users, the fields of a part are fields of the whole: in a YAML
file, as keywords, and as flags of a command. `table` returns all settings of a record.

Example:
    >>> @dataclass(frozen=True)
    ... class Limits:
    ...     requests: Annotated[int, msgspec.Meta(ge=1)] = setting(10, "Requests in all.")
    >>> @dataclass(frozen=True)
    ... class Work:
    ...     seed: int = setting(42, SEED)
    ...     limits: Limits = part(Limits)
    >>> work = make_settings(Work, {"requests": 3}, "work.yaml")
    >>> work.limits.requests, flatten(work)
    (3, {'seed': 42, 'requests': 3})
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Annotated, Any, Self, TypeVar, get_type_hints

import msgspec

from seedstep.errors import InputError, short_line, unknown_name
from seedstep.values import convert_value

__all__ = [
    "SEED",
    "Count",
    "NotNegative",
    "Place",
    "Setting",
    "SettingsRecord",
    "change_settings",
    "flatten",
    "make_settings",
    "part",
    "setting",
    "table",
    "unset_fields",
]

Count = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]

SEED = "Seed of every random choice."
"""The help of a seed."""

_SETTING = "seedstep.setting"
_PART = "seedstep.part"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Changes of a field in a part of a settings record; None leaves it unchanged.

    `name` is its name in files, keywords and flags. A list that is `single` takes one value.
    """

    help: str | None = None
    name: str | None = None
    flags: tuple[str, ...] | None = None
    single: bool = False


@dataclass(frozen=True, slots=True)
class _About:
    help: str | Callable[[], str]
    name: str | None
    flags: tuple[str, ...] | None
    metavar: str | None
    keys: type | None
    combine: Callable[[Any, dict[str, Any]], Any] | None
    later: bool
    separated: bool
    each: Callable[[str], object] | None


@dataclass(frozen=True, slots=True)
class _Part:
    kind: type
    places: Mapping[str, Place | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: a field of a settings record or of one of its parts.

    `flags` are the names of its flag, if they do not follow from `name`; a name without dashes is
    an argument. `metavar` is the name of the value in the help of the flag. For a mapping, `keys`
    is a record whose fields are the keys, each with a flag; `combine` makes the value from them and
    from what the setting's own flag gives, or None; that flag exists only then. `path` has the
    attributes that lead to the value. A setting that is `later` was added after version 0.1.0;
    while it has its default it is not written, so that files of earlier runs do not change. The
    flag of one that is `separated` has all values of a list, with commas between them. `each` is
    called with each text of the value, and raises InputError for one that can't be used. A list
    that is `single` takes one value: the record's check refuses several. `about` is its help, or a
    function that returns the help of now.
    """

    name: str
    about: str | Callable[[], str]
    kind: Any
    default: Any
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    keys: type | None = None
    combine: Callable[[Any, dict[str, Any]], Any] | None = None
    path: tuple[str, ...] = ()
    later: bool = False
    separated: bool = False
    each: Callable[[str], object] | None = None
    single: bool = False

    @property
    def help(self) -> str:
        """The line that says what it is."""
        return self.about if isinstance(self.about, str) else self.about()


class SettingsRecord:
    """The base class of settings records that are not only parts of others."""

    __slots__ = ()

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return settings with these values, which are named as in a file, and defaults.

        Raises:
            InputError: a name is not known or a value does not fit.
        """
        return make_settings(cls, values, "settings")

    @classmethod
    def as_begun(cls, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the configuration of a run with what its settings meant when it began."""
        return stored

    @classmethod
    def complete(cls, values: Mapping[str, Any], source: str) -> Mapping[str, Any]:
        """Return the values with those that follow from them; `source` is their origin."""
        return values

    def check(self, source: str) -> None:
        """Raise InputError if values do not go together; `source` is their origin."""


def setting(
    default: Any,
    help: str | Callable[[], str],  # noqa: A002 - as typer and argparse call it
    *,
    name: str | None = None,
    flags: tuple[str, ...] | None = None,
    metavar: str | None = None,
    keys: type | None = None,
    combine: Callable[[Any, dict[str, Any]], Any] | None = None,
    later: bool = False,
    separated: bool = False,
    each: Callable[[str], object] | None = None,
) -> Any:
    """Return a field for a settings record.

    `default` may be a type, such as `dict`, which is called for each record. `help` may be a
    function, which is called where a flag is made: so it knows what was added to a table. `name` is
    the name in files, keywords and flags, if it differs from that of the attribute. `Setting`
    describes the other arguments.
    """
    about = _About(help, name, flags, metavar, keys, combine, later, separated, each)
    metadata = {_SETTING: about}
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def part(kind: type, **places: Place | None) -> Any:
    """Return a field that is a settings record, whose fields become those of the whole record.

    `places` has changes of fields, by attribute. A field that is None keeps its default, and is not
    a setting of the whole record.

    Raises:
        TypeError: the record has no such field.
    """
    if unknown := set(places) - {each.name for each in fields(kind)}:
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    return field(default_factory=kind, metadata={_PART: _Part(kind, MappingProxyType(places))})


def table(kind: type) -> Mapping[str, Setting]:
    """Return all settings of a record by name, with those of its parts, in order."""
    if kind not in _TABLES:
        found = _settings(kind, {})
        by_name = {each.name: each for each in found}
        if len(by_name) < len(found):
            twice = next(
                name for name, count in Counter(each.name for each in found).items() if count > 1
            )
            raise TypeError(f"{kind.__name__} has two settings named '{twice}'")
        _TABLES[kind] = MappingProxyType(by_name)
    return _TABLES[kind]


def unset_fields(kind: type) -> list[str]:
    """Return the fields of a dataclass that neither `setting` nor `part` has made."""
    made = (_SETTING, _PART)
    return [each.name for each in fields(kind) if not any(name in each.metadata for name in made)]


_TABLES: dict[type, Mapping[str, Setting]] = {}  # the cache of `table`


def _settings(kind: type, places: Mapping[str, Place | None]) -> list[Setting]:
    types = get_type_hints(kind, include_extras=True)
    found = []
    for each in fields(kind):
        if embedded := each.metadata.get(_PART):
            inner = _settings(embedded.kind, embedded.places)
            found += [replace(below, path=(each.name, *below.path)) for below in inner]
        elif each.name not in places or places[each.name] is not None:
            about = each.metadata[_SETTING]
            found.append(_setting_of(each, types[each.name], about, places.get(each.name)))
    return found


def _setting_of(each: Any, kind: Any, about: _About, place: Place | None) -> Setting:
    place = place or Place()
    default = each.default if each.default is not MISSING else each.default_factory()
    return Setting(
        place.name or about.name or each.name,
        place.help or about.help,
        kind,
        default,
        (about.flags if place.flags is None else place.flags) or (),
        about.metavar,
        about.keys,
        about.combine,
        (each.name,),
        about.later,
        about.separated,
        about.each,
        place.single,
    )


def make_settings(
    kind: type[T], values: Mapping[str, Any], source: str, *, check: bool = True
) -> T:
    """Return a settings record with these values, and defaults.

    `source` is the origin of the values, for error messages. Without `check`, values are not
    checked for whether they go together, as those of a run that is only read were before.

    Raises:
        InputError: a name is not known or a value does not fit.
    """
    is_record = issubclass(kind, SettingsRecord)
    if is_record:
        values = kind.complete(values, source)  # type: ignore[attr-defined]  # mypy loses the class
    known = table(kind)
    for name, value in values.items():
        if name not in known:
            raise _of_a_flag(name, value, known, source) or unknown_name(
                "setting", name, known, source
            )
    nested: dict[str, Any] = {}
    for name, value in values.items():
        found = known[name]
        *above, last = found.path
        inner = nested
        for attribute in above:
            inner = inner.setdefault(attribute, {})
        where = f"{source}, setting '{name}'"
        inner[last] = convert_value(value, found.kind, where)
        if found.each:
            _check_each(found.each, inner[last], where)
    settings = _built(kind, nested)
    if check and isinstance(settings, SettingsRecord):
        settings.check(source)
    return settings


def _of_a_flag(
    name: str, value: object, known: Mapping[str, Setting], source: str
) -> InputError | None:
    """Return the error for the name of a flag that only stands for a part of a setting, or None."""
    for each in known.values():
        if each.keys and each.combine and name in table(each.keys):
            part = short_line(str(each.combine(None, {name: value})))
            what = f"{source}: '{name}' is a flag of the command line, not a setting"
            return InputError(what, f"write {each.name}: {part}")
    return None


def _check_each(check: Callable[[str], object], value: object, where: str) -> None:
    """Check each text of a value, also inside lists and mappings."""
    if isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            _check_each(check, inner, where)
    elif isinstance(value, str):
        try:
            check(value)
        except InputError as error:
            raise InputError(f"{where}: {error.what}", error.remedy) from None


def _built(kind: type[T], values: dict[str, Any]) -> T:
    for each in fields(kind):  # type: ignore[arg-type]  # all are dataclasses
        if (embedded := each.metadata.get(_PART)) and each.name in values:
            values[each.name] = _built(embedded.kind, values[each.name])
    return kind(**values)


def flatten(settings: Any, *, whole: bool = False) -> dict[str, Any]:
    """Return the values of a settings record by name, as for a YAML or JSON file.

    Settings that are `later` and have their default are left out, except with `whole`.
    """
    nested = asdict(settings)
    flat = {}
    for name, found in table(type(settings)).items():
        value: Any = nested
        for attribute in found.path:
            value = value[attribute]
        if whole or not found.later or value != found.default:
            flat[name] = value
    return flat


def change_settings(settings: T, **values: Any) -> T:
    """Return the settings with other values, given by name, which are not checked."""
    for name, value in values.items():
        settings = _changed(settings, table(type(settings))[name].path, value)
    return settings


def _changed(record: Any, path: tuple[str, ...], value: Any) -> Any:
    first, *others = path
    inner = _changed(getattr(record, first), tuple(others), value) if others else value
    return replace(record, **{first: inner})
