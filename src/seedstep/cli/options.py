"""Make the flags of a command from settings records, and settings from flags and a file.

Example::

    @with_settings(BootstrapSettings)
    def command(asked: GivenSettings, out: Out = None) -> None:
        settings = make_settings(BootstrapSettings, asked, COMMAND_LINE)
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

import typer

from seedstep.data import parse_yaml, read_yaml
from seedstep.errors import InputError
from seedstep.runs import Failed, Removed
from seedstep.settings import Setting, make_settings, table

__all__ = [
    "COMMAND_LINE",
    "Against",
    "FailedTasks",
    "GivenSettings",
    "Out",
    "RemovedTasks",
    "SameModel",
    "names_of",
    "option_of",
    "required",
    "with_settings",
]

GivenSettings = dict[str, Any]
"""The settings that a user gave, by name. `with_settings` passes them to a command."""

COMMAND_LINE = "the command line"
"""The source of settings that flags gave, for error messages."""

Against = Annotated[
    list[str] | None,
    typer.Option(
        help="The system that the others are compared with; may be given several times. Default: "
        "the first is compared with each of the others.",
        metavar="NAME",
    ),
]
Out = Annotated[Path | None, typer.Option(help="The run's directory, made if needed.")]
SameModel = Annotated[
    bool, typer.Option("--same-model", help="Go on with a run at another --base-url: same model.")
]

RemovedTasks = Annotated[
    Removed,
    typer.Option(
        "--removed",
        help="Results of tasks that left the list. keep: keep them. drop: set them aside until "
        "their task is back.",
    ),
]

FailedTasks = Annotated[
    Failed,
    typer.Option(
        "--failed",
        help="keep: leave what failed as it is. again: send its requests once more, each with a "
        "new draw.",
    ),
]

_CONFIG = "config"
_OUT = "out"
_Config = Annotated[Path | None, typer.Option(help="Settings in a YAML file.")]

Make = Callable[[Mapping[str, Any], str], object]


def required(out: Path | None) -> Path:
    """Return the directory of a run.

    Raises:
        InputError: `--out` was not given.
    """
    if out is None:
        raise InputError("no directory for the run", "add --out DIR")
    return out


class _Entry(Protocol):
    """An entry of a table from which users choose by name."""

    @property
    def meaning(self) -> str:
        """The meaning of the entry, in a few words."""


def names_of(table: Mapping[str, _Entry]) -> Any:
    """Return the type of a flag whose values are the names of a table's entries."""
    return Literal[tuple(table)]


def option_of(table: Mapping[str, _Entry], what: str, *flags: str) -> Any:
    """Return a flag whose values are the names of a table's entries, with their meanings."""
    meanings = "; ".join(f"{name} ({entry.meaning})" for name, entry in table.items())
    return typer.Option(*flags, help=f"{what}: {meanings}.")


def with_settings(
    *kinds: type, make: Make | None = None, config: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that replaces the parameter `asked` of a command by flags for settings.

    The command is called with the settings that the flags and the file after `--config` give as
    `asked`; without `config` there is no such flag. `make` checks them by making a settings record,
    and raises InputError if they don't fit; by default it is the first of `kinds`.
    """
    flags = [flag for kind in kinds for found in table(kind).values() for flag in _flags(found)]
    check: Make = make or (lambda values, source: make_settings(kinds[0], values, source))

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            from seedstep.runs.places import encoding_as_begun

            file = given.pop(_CONFIG) if config else None
            others = {key: given[key] for key in given if key not in parameters}
            with encoding_as_begun(given.get(_OUT)):
                named = _collected(flags, given)
                command(asked=_asked(check, file, named), **others)

        parameters = {flag.parameter for flag in flags}
        signature = _signature(command, flags, config=config)
        run.__signature__ = signature  # type: ignore[attr-defined]  # typer reads it
        run.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
        return run

    return decorate


@dataclass(frozen=True, slots=True)
class _Flag:
    """A flag of a command. `key` is set if the flag gives one key of a mapping."""

    setting: Setting
    parameter: str
    names: tuple[str, ...]
    annotation: Any
    key: str = ""


def _flags(found: Setting) -> list[_Flag]:
    """Return the flag of a setting, or the flags of its keys if it is a mapping with known keys."""
    own = [] if found.keys and not found.combine else [_flag(found, found)]
    keys = table(found.keys).values() if found.keys else ()
    return [*own, *(_flag(found, key, key=key.name) for key in keys)]


def _flag(found: Setting, shown: Setting, *, key: str = "") -> _Flag:
    kind = str if shown.separated else _flag_type(shown.kind)
    names = shown.flags or (f"--{shown.name.replace('_', '-')}",)
    default = _default_of_key(found, shown) if key else _default(shown)
    help_text = f"{shown.help}{default}"
    if not names[0].startswith("--"):
        info: Any = typer.Argument(help=help_text, metavar=names[0], show_default=False)
        return _Flag(found, shown.name, names, Annotated[kind | None, info])
    if get_origin(kind) is list and not shown.single:
        help_text += " May be given several times."
    written = (
        [f"{name}/--no-{name.removeprefix('--')}" for name in names] if kind is bool else names
    )
    info = typer.Option(*written, help=help_text, metavar=_metavar(shown), show_default=False)
    parameter = names[0].removeprefix("--").replace("-", "_")
    return _Flag(found, parameter, names, Annotated[kind | None, info], key)


def _flag_type(kind: Any) -> Any:
    """Return the type of a flag's value for a setting of this type."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _flag_type(get_args(kind)[0])
    if origin in (Union, UnionType):
        *_, inner = (each for each in get_args(kind) if each is not NoneType)
        return _flag_type(inner)  # of "a value, or a list of them" the list
    if origin in (list, tuple):
        return list[_flag_type(get_args(kind)[0])]  # type: ignore[misc]  # made while it runs
    if origin is dict or is_dataclass(kind):
        return str
    return kind


def _metavar(shown: Setting) -> str | None:
    if shown.single and shown.metavar is None:
        (item,) = get_args(_flag_type(shown.kind))
        return f"<{item.__name__}>"
    is_mapping = get_origin(shown.kind) is dict
    return "YAML" if is_mapping and shown.metavar is None else shown.metavar


def _default(shown: Setting) -> str:
    """Return a sentence about the default, or "" if there is none or the help mentions it."""
    if "Default:" in shown.help or shown.default is None:
        return ""
    if isinstance(shown.default, bool):
        return f" Default: {'yes' if shown.default else 'no'}."
    if isinstance(shown.default, str | int | float):
        return f" Default: {shown.default}."
    return ""


def _default_of_key(found: Setting, shown: Setting) -> str:
    """Return a sentence about the default of a key of a mapping."""
    if "Default:" in shown.help or found.keys is None:
        return ""
    return f" Default: the {found.keys.__name__.lower()}'s own."


def _signature(
    command: Callable[..., None], flags: list[_Flag], *, config: bool
) -> inspect.Signature:
    """Return the signature of a command with flags in place of `asked`."""
    given = [
        inspect.Parameter(
            flag.parameter, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=flag.annotation
        )
        for flag in flags
    ]
    if config:
        given.append(
            inspect.Parameter(
                _CONFIG, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_Config
            )
        )
    parameters = []
    for each in inspect.signature(command).parameters.values():
        one_or_more = given if each.name == "asked" else [each]
        parameters += [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in one_or_more
        ]
    return inspect.Signature(parameters)


def _collected(flags: list[_Flag], given: Mapping[str, Any]) -> GivenSettings:
    """Return the settings that flags give. A flag that is None or an empty list was not given."""
    named: GivenSettings = {}
    keys: dict[str, dict[str, Any]] = {}
    for flag in flags:
        value = given[flag.parameter]
        if value in (None, [], ()):
            continue
        if flag.key:
            keys.setdefault(flag.setting.name, {})[flag.key] = value
        elif get_origin(flag.setting.kind) is dict and flag.setting.metavar != "FILE":
            named[flag.setting.name] = _mapping(flag, value)
        elif flag.setting.separated:
            named[flag.setting.name] = _parts(flag, value)
        elif isinstance(value, list) and len(value) == 1 and _takes_one(flag.setting.kind):
            named[flag.setting.name] = value[0]
        else:
            named[flag.setting.name] = value
    for found in {flag.setting.name: flag.setting for flag in flags if flag.setting.keys}.values():
        if found.combine and (found.name in named or found.name in keys):
            named[found.name] = found.combine(named.get(found.name), keys.get(found.name, {}))
        elif found.name in keys:
            named[found.name] = keys[found.name]
    return named


def _takes_one(kind: Any) -> bool:
    """Return whether a setting is a text, or a list of them."""
    return get_origin(kind) in (Union, UnionType) and str in get_args(kind)


def _parts(flag: _Flag, text: str) -> list[Any]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if _flag_type(flag.setting.kind) != list[int]:
        return parts
    if not all(part.isdecimal() for part in parts):
        what = f"{flag.names[0]} {text}: not a number"
        raise InputError(what, f"write {flag.names[0]} 60, or {flag.names[0]} 60,20,20")
    return [int(part) for part in parts]


def _mapping(flag: _Flag, text: str) -> dict[str, Any]:
    try:
        value = parse_yaml(text, flag.names[0])
    except InputError:
        value = None
    if not isinstance(value, dict):
        what = f"{flag.names[0]} {text}: not `name: value` in braces"
        raise InputError(what, f"write it as in: {flag.setting.help}")
    return value


def _asked(make: Make, config: Path | None, named: GivenSettings) -> GivenSettings:
    """Return the settings that a file and the flags give; a mapping is added to that of the file.

    Raises:
        InputError: the file can't be read, or a setting of the file or the flags does not fit.
    """
    asked = read_yaml(config) if config else {}
    make(asked, str(config))
    for name, value in named.items():
        in_file = asked.get(name)
        asked[name] = _joined(in_file, value)
    make(asked, COMMAND_LINE)
    return asked


def _joined(below: object, above: object) -> object:
    """Return what is `above`; of two mappings all that is in either, joined in the same way."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    added = {name: _joined(below.get(name), value) for name, value in above.items()}
    return {**below, **added}
