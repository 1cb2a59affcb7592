"""The command line: a group of the commands in `COMMANDS`, and the entry point that runs them.

A command's module is imported when the command is used, not when it is listed. An error that users
can correct is printed as a line. A command that is stopped, by a signal or as the reader of its
output goes away, ends in order, and prints how to continue.
"""

import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_command_name, get_group, solve_typer_info_defaults

from seedstep import __version__
from seedstep.cli.commands import COMMANDS, CommandEntry, refuse_taken_names
from seedstep.cli.terminal import (
    console,
    errors,
    output_status,
    plain,
    prepare_streams,
    reader_has_gone,
    when_reader_goes,
)
from seedstep.errors import MOST_WHAT, InputError, SeedstepError, short_line
from seedstep.interruption import let_commands_handle
from seedstep.lazy import collector_at_rest
from seedstep.plugins import load_plugins

__all__ = [
    "COMMANDS",
    "INTERRUPTED",
    "WAITING",
    "UsageError",
    "app",
    "main",
    "run_to_the_end",
    "stop_flag",
    "stopped_status",
]

T = TypeVar("T")

UsageError: Any = typer.BadParameter.__mro__[1]
"""The error of a command line that is wrong, of the click that typer uses."""


class _Loaded(Mapping[str, Any]):
    """A mapping of commands by name that imports those of `COMMANDS` at the first use."""

    def __init__(self, others: Mapping[str, Any]) -> None:
        self._entries = {entry.name: entry for entry in COMMANDS}
        self._found: dict[str, Any] = dict(others)
        self._names = list(dict.fromkeys((*self._entries, *others)))

    def listed(self) -> dict[str, Any]:
        """Return commands that only have a name, a group and a line, for those not imported yet."""
        return {name: self._found.get(name) or _listed(self._entries[name]) for name in self}

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            self._found[name] = _load(self._entries[name])
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class CommandTable(TyperGroup):
    """A group of the commands in `COMMANDS`, and of commands that are added to it."""

    def __init__(self, **attributes: Any) -> None:
        """Take the attributes of a group of typer, with the commands that were added to it."""
        super().__init__(**attributes)
        self.commands = self._loaded = _Loaded(self.commands)  # type: ignore[assignment]
        _adapt(self)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, for which no command is imported."""
        with self._listing():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the names that complete a text, for which no command is imported."""
        with self._listing():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        self.commands = self._loaded.listed()
        yield
        self.commands = self._loaded  # type: ignore[assignment]


def _listed(entry: CommandEntry) -> Any:
    return TyperCommand(entry.name, help=entry.line, rich_help_panel=entry.group)


def _load(entry: CommandEntry) -> Any:
    home = f"{__name__}.{entry.module or entry.name}"
    names = (f"{entry.name.replace('-', '_')}_command", "app", "command")
    try:
        with collector_at_rest():  # what is imported stays
            module = import_module(home)
        found = next(getattr(module, name) for name in names if hasattr(module, name))
    except (ModuleNotFoundError, StopIteration) as error:
        if isinstance(error, ModuleNotFoundError) and error.name != home:
            raise
        what = f"the command '{entry.name}' is not in {home}"
        raise InputError(what, f"call its function `{names[0]}` there") from None
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(entry.name)(found)
        command = get_command(alone)
    _adapt(command)
    command.name = entry.name
    command.rich_help_panel = entry.group
    return command


def _adapt(command: Any) -> None:
    """Change a command and its subcommands: a help with room for texts, and errors of the command
    line in plain words, with long values cut.
    """

    def in_plain_words(function: Any) -> Any:
        def called(*given: Any, **named: Any) -> Any:
            try:
                return function(*given, **named)
            except UsageError as error:
                error.message = short_line(_in_plain_words(error.message), MOST_WHAT)
                raise

        return called

    _adapt_help(command)
    for name in ("make_context", "resolve_command"):
        if hasattr(command, name):
            setattr(command, name, in_plain_words(getattr(command, name)))
    for below in (
        () if isinstance(command, CommandTable) else getattr(command, "commands", {}).values()
    ):
        _adapt(below)


def _adapt_help(command: Any) -> None:
    parameters_of, help_of, text = command.get_params, command.format_help, command.help

    def format_help(context: Any, formatter: Any) -> None:
        command.get_params = lambda of: [_for_help(each, of) for each in parameters_of(of)]
        command.help = _without_markup(text)
        try:
            help_of(context, formatter)
        finally:
            command.get_params, command.help = parameters_of, text

    command.format_help = format_help


def _without_markup(text: str | None) -> str | None:
    """Return a help text in which brackets are no markup: `[semantic]` would be left out."""
    from rich.markup import escape

    return escape(text) if text else text


def _for_help(parameter: Any, context: Any) -> Any:
    """Return a parameter that leaves room for texts in the help, and whose brackets are kept.

    Names, second names of flags, and types have a column each, as wide as their longest line: so
    both names of a flag are written as one, choices below each other, and no type of flags.
    """
    shown = copy(parameter)
    shown.help = _without_markup(getattr(parameter, "help", None))
    if getattr(parameter, "is_flag", False) and parameter.metavar is None:
        shown.metavar = ""
    if getattr(parameter, "secondary_opts", None):
        shown.opts = [f"--[no-]{name.removeprefix('--')}" for name in parameter.opts]
        shown.secondary_opts = []
    type_of = getattr(parameter, "display_type_rich", None)  # not in earlier versions of typer
    written = type_of(ctx=context) if type_of and shown.metavar is None else None
    if written and "|" in written and len(written) > MOST_TYPE:
        shown.metavar = written.replace("|", "|\n")
    return shown


MOST_TYPE = 12
"""The most characters of choices that are written in one line."""


_PLAIN_WORDS = (
    (r"^Value error, ", ""),
    (r"^Input should be a valid integer\b.*", "not a whole number"),
    (r"^Input should be a valid number\b.*", "not a number"),
    (r"^Input should be greater than or equal to (\S+)$", r"must be \1 or more"),
    (r"^Input should be less than or equal to (\S+)$", r"must be \1 or less"),
    (r"^Input should be ", "must be "),
)
"""What pydantic says of a value on the command line, which typer repeats, and how we say it."""


def _in_plain_words(message: str) -> str:
    for words, plainer in _PLAIN_WORDS:
        message = re.sub(words, plainer, message, flags=re.DOTALL)
    return message


app = typer.Typer(cls=CommandTable, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(asked: bool) -> None:
    if asked:
        console.print(f"seedstep {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Instruction-tuning data from a few seed tasks, and step-by-step instructions."""


INTERRUPTED = 130
"""The exit status of a command that a signal stopped."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

WAITING = "Stopping: requests in flight are waited for. Ctrl-C again drops them."


def run_to_the_end(
    work: Coroutine[Any, Any, T],
    again: str,
    out: Path | None = None,
    stopping: Callable[[], str] = lambda: WAITING,
) -> T:
    """Run a coroutine to its end, or until a signal or the loss of the output's reader stops it.

    `again` is the command that continues the work; it is printed before the process exits, after
    the batches of the run in `out` that go on without it. `stopping` returns what is printed when
    a signal comes: what becomes of the work that is not done.
    """
    import asyncio  # here, as listing the commands does not need it

    return asyncio.run(_run(work, again, out, stopping))


async def _run(
    work: Coroutine[Any, Any, T], again: str, out: Path | None, stopping: Callable[[], str]
) -> T:
    import asyncio

    from seedstep.runs.batches import open_batches

    task = asyncio.create_task(work)
    stopped = False
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def stop() -> None:
        nonlocal stopped
        _let_go(terminals)
        if stopped:
            drop()
        else:
            stopped = True
            task.cancel()
            teller = console if console.is_terminal else errors  # above the live display
            teller.print(f"\n{stopping()}")

    def drop() -> None:
        """Cancel the work, again and again until it ends."""
        task.cancel()
        loop.call_later(0.1, drop)

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it is under nohup
            loop.add_signal_handler(number, stop)
    try:
        with when_reader_goes(lambda: loop.call_soon_threadsafe(task.cancel)):
            return await task
    except asyncio.CancelledError:
        for note in open_batches(out) if out else ():
            errors.print(plain(note), soft_wrap=True)
        errors.print(
            f"Stopped. All replies are kept; go on with: {again}",
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(stopped_status()) from None


def stopped_status() -> int:
    """Return the exit status of a command that was stopped: 0 if the output has no reader."""
    return output_status() if reader_has_gone() else INTERRUPTED


def _let_go(terminals: Sequence[int]) -> None:
    """Redirect the output to nowhere if its terminal has gone away."""
    for number in terminals:
        if not os.isatty(number):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


@contextmanager
def stop_flag(notice: str) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether a signal came; `notice` is printed when it does.

    A second signal interrupts the process.
    """
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        errors.print(f"\n{notice}", markup=False)

    with ExitStack() as restored:
        restored.enter_context(when_reader_goes(stop))
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                restored.callback(signal.signal, number, signal.signal(number, stop))
        yield lambda: asked


def _added_to(group: Any) -> Iterator[str]:
    """Yield the names of the commands that were added, of which typer would take the last."""
    for command in group.registered_commands:
        yield command.name or get_command_name(command.callback.__name__)
    for below in group.registered_groups:
        name = solve_typer_info_defaults(below).name
        yield from (name,) if name else _added_to(below.typer_instance)


def _require_text(words: Sequence[str]) -> None:
    """Refuse arguments that no file could hold, such as names of files in other encodings."""
    for word in words:
        if "\0" in word or any("\ud800" <= character <= "\udfff" for character in word):
            shown = word.replace("\0", "�").encode("utf-8", "replace").decode()
            raise InputError(f"'{short_line(shown)}' is not UTF-8 text", "write it in UTF-8")


def _end(error: SeedstepError) -> NoReturn:
    errors.print(plain(f"error: {error}", style="red"), soft_wrap=True)
    sys.exit(1)


def main() -> None:
    """Run a command; exit with 1 after an error that users can correct, 130 after Ctrl-C."""
    prepare_streams()
    let_commands_handle()
    try:
        _require_text(sys.argv)
        load_plugins()
        refuse_taken_names(_added_to(app))
        app()
    except SeedstepError as error:
        _end(error)
    except OSError as error:  # of a path, wherever it is looked at
        where = error.filename or "the system"
        _end(InputError(f"{where}: {error.strerror or error}", "check the path and its rights"))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except SystemExit as ended:
        raise SystemExit(ended.code or output_status()) from None
