"""Groups of commands whose modules are imported when a command is used.

Example::

    class Commands(CommandTable):
        entries = (CommandEntry("bootstrap", "Grow"), CommandEntry("status", "Runs"))
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

__all__ = ["CommandEntry", "CommandTable"]

_PACKAGE = "seedstep.cli"


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command: its name, the group in which it is listed, and its module in this package.

    A module of the command's name has a function `command`, or an `app` with commands of its own.
    A module of several commands has `NAME_command` for each.
    """

    name: str
    group: str
    module: str = ""


class _Loaded(Mapping[str, Any]):
    """A mapping of commands by name that imports those of a table at the first use."""

    def __init__(self, entries: tuple[CommandEntry, ...], others: Mapping[str, Any]) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._found: dict[str, Any] = dict(others)
        self._names = list(dict.fromkeys((*self._entries, *others)))

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            self._found[name] = _load(self._entries[name])
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class CommandTable(TyperGroup):
    """A group of the commands in `entries`, and of commands that are added to it."""

    entries: ClassVar[tuple[CommandEntry, ...]] = ()

    def __init__(self, **attributes: Any) -> None:
        """Take the attributes of a group of typer, with the commands that were added to it."""
        super().__init__(**attributes)
        self.commands = _Loaded(self.entries, self.commands)  # type: ignore[assignment]
        _hide_types_of_flags(self)


def _load(entry: CommandEntry) -> Any:
    module = import_module(f"{_PACKAGE}.{entry.module or entry.name}")
    names = (f"{entry.name}_command", "app", "command")
    found = next(getattr(module, name) for name in names if hasattr(module, name))
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(entry.name)(found)
        command = get_command(alone)
    _hide_types_of_flags(command)
    command.name = entry.name
    command.rich_help_panel = entry.group
    return command


def _hide_types_of_flags(command: Any) -> None:
    """Change the help of a command and its subcommands: show no type for flags without a value."""
    parameters_of = command.get_params

    def get_params(context: Any) -> Any:
        parameters = parameters_of(context)
        for parameter in parameters:
            if getattr(parameter, "is_flag", False) and parameter.metavar is None:
                parameter.metavar = ""
        return parameters

    command.get_params = get_params
    for below in (
        () if isinstance(command, CommandTable) else getattr(command, "commands", {}).values()
    ):
        _hide_types_of_flags(below)
