"""Check the entries that users add to tables, and what the functions of these entries return.

What is seedstep's own is not checked. The error of what is not is an `EntryError`, which names the
entry and says what is wanted.

Example::

    >>> double = guarded("the entry 'double'", lambda value: 2 * value, "a number", is_number)
    >>> double(2)
    4
    >>> as_entries("metrics", print, int)
    Traceback (most recent call last):
        ...
    seedstep.errors.EntryError: metrics: print is no int. Pass an int.
"""

import errno
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Final, Generic, ParamSpec, TypeVar, cast

from seedstep.errors import EntryError, RunError, SeedstepError, first_line, short_line
from seedstep.interruption import OutputGone

__all__ = [
    "FUNCTION",
    "FUNCTIONS_BY_NAME",
    "LINE",
    "MAYBE_FUNCTION",
    "PAIRS",
    "TEXT",
    "TEXTS",
    "TRUTH",
    "WORDS",
    "FieldKind",
    "Guarded",
    "as_entries",
    "choice_of",
    "guarded",
    "is_mapping",
    "is_number",
    "is_text",
    "named_in_errors",
    "require_entry",
    "require_fields",
    "require_name",
    "require_record",
    "require_return",
]

P = ParamSpec("P")
T = TypeVar("T")


def as_entries(where: str, given: object, *kinds: type[T]) -> tuple[T, ...]:
    """Return entries of some kinds as a tuple; one alone is a tuple of one.

    Raises:
        EntryError: something else is given, such as a function alone; `where` names the argument.
    """
    is_list = isinstance(given, Iterable) and not isinstance(given, (str, Mapping, *kinds))
    entries = tuple(cast("Iterable[T]", given)) if is_list else (cast("T", given),)
    for entry in entries:
        require_entry(where, entry, *kinds)
    return entries


def require_entry(where: str, entry: object, *kinds: type) -> None:
    """Check that an entry is of one of some kinds.

    Raises:
        EntryError: it is something else; `where` names the argument.
    """
    if not isinstance(entry, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        made = " or ".join(map(_call_of, kinds))
        article = "an" if names[0].lower() in "aeiou" else "a"
        raise EntryError(f"{where}: {_shown(entry)} is no {names}", f"pass {article} {made}")


def _call_of(kind: type) -> str:
    """Return how an entry is made: the name of its class, with the fields that it has to have."""
    if not is_dataclass(kind):
        return kind.__name__
    needed = (
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    )
    return f"{kind.__name__}({', '.join(needed)})"


def require_return(entry: str, wanted: str, found: object, *, fits: bool) -> None:
    """Check what a function of an entry returned.

    Raises:
        EntryError: it does not fit; `wanted` says what does.
    """
    if not fits:
        raise EntryError(f"{entry} returned {_shown(found)}", f"return {wanted}")


@contextmanager
def named_in_errors(entry: str) -> Iterator[None]:
    """Name an entry in what is raised while its function runs.

    Raises:
        EntryError: the function raised an error that is not for users, or ends the program; what
            it raised is the cause.
        RunError: the disk is full, or faulty.
    """
    try:
        yield
    except (SeedstepError, OutputGone):
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            place = f" ({error.filename})" if error.filename else ""
            what = f"{entry} could not go on: {error.strerror}{place}"
            raise RunError(what, "free space, or check the disk, and run it again") from error
        kind, line = type(error).__name__, first_line(error)
        reason = kind if line == kind else f"{kind}: {line}"
        what = f"{entry} raised {reason}"
        raise EntryError(what, "correct its function, or leave it out") from error


_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""The errors of the system that are no fault of a function."""


@dataclass(frozen=True, slots=True)
class Guarded(Generic[P, T]):
    """A function of an entry that is called as before, and whose errors and returns are told."""

    entry: str
    function: Callable[P, T]
    wanted: str
    fits: Callable[[Any], bool]

    def __call__(self, *args: P.args, **named: P.kwargs) -> T:
        """Call it.

        Raises:
            EntryError: it raised an error, or what it returned does not fit.
        """
        with named_in_errors(self.entry):
            found = self.function(*args, **named)
        require_return(self.entry, self.wanted, found, fits=_fits(self.fits, found))
        return cast("T", self._yielded(found)) if isinstance(found, Generator) else found

    def _yielded(self, found: Generator[Any, Any, Any]) -> Iterator[Any]:
        """Yield what a generator yields; its function runs while it does."""
        with named_in_errors(self.entry):
            yield from found


def _fits(fits: Callable[[Any], bool], found: object) -> bool:
    """Return whether something fits; what can't even be looked at does not."""
    try:
        return fits(found)
    except (Exception, SystemExit):
        return False


def guarded(
    entry: str, function: Callable[P, T], wanted: str, fits: Callable[[Any], bool]
) -> Callable[P, T]:
    """Return a function that raises an EntryError where this one raises, or returns what not fits.

    `wanted` says what it has to return, and `fits` returns whether something is that.
    """
    return function if isinstance(function, Guarded) else Guarded(entry, function, wanted, fits)


def is_text(found: object) -> bool:
    """Return whether a value is a text that can be stored: a lone surrogate can not."""
    return isinstance(found, str) and (found.isascii() or _LONE_SURROGATE.search(found) is None)


def is_number(found: object) -> bool:
    """Return whether a value is a number, of Python or of NumPy."""
    return hasattr(found, "__float__") and not isinstance(found, str)


def is_mapping(found: object) -> bool:
    """Return whether a value is a mapping, such as a dict."""
    return isinstance(found, Mapping)


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _is_list(found: object) -> bool:
    return isinstance(found, tuple | list)


def _is_name(found: object) -> bool:
    return isinstance(found, str) and re.fullmatch(r"\w[\w-]*", found) is not None


@dataclass(frozen=True, slots=True)
class FieldKind:
    """What a field of an entry has to be: in words for messages, and as a function."""

    wanted: str
    fits: Callable[[Any], bool]


TEXT: Final = FieldKind("a text", is_text)
LINE: Final = FieldKind(
    "a text of one line", lambda found: is_text(found) and len(found.splitlines()) < 2
)
WORDS: Final = FieldKind(
    "a text of one line that is not empty", lambda found: LINE.fits(found) and bool(found.strip())
)
TEXTS: Final = FieldKind(
    "a tuple of texts, such as ('a',)", lambda found: _is_list(found) and all(map(is_text, found))
)
PAIRS: Final = FieldKind(
    "a tuple of pairs of texts, such as (('a', 'b'),)",
    lambda found: (
        _is_list(found)
        and all(_is_list(pair) and len(pair) == 2 and all(map(is_text, pair)) for pair in found)
    ),
)
FUNCTION: Final = FieldKind("a function", callable)
MAYBE_FUNCTION: Final = FieldKind(
    "a function, or None", lambda found: found is None or callable(found)
)
FUNCTIONS_BY_NAME: Final = FieldKind(
    "a dict of functions by name",
    lambda found: (
        is_mapping(found)
        and all(is_text(name) and callable(function) for name, function in found.items())
    ),
)


def choice_of(*values: object) -> FieldKind:
    """Return the kind of a field that is one of some values."""
    return FieldKind(
        " or ".join(map(repr, values)), lambda found: any(found == value for value in values)
    )


TRUTH: Final = choice_of(True, False)


def require_name(where: str, name: object) -> None:
    """Check a name under which an entry is added to a table.

    Raises:
        EntryError: it has other characters than letters, digits, - and _, or none, or begins with
            -; `where` says what has it.
    """
    if not _is_name(name):
        remedy = "use letters, digits, - and _, and no - at the beginning"
        raise EntryError(f"{where}: {_shown(name)} is no name", remedy)


def require_record(kind: str, record: Any, kinds: Mapping[str, FieldKind]) -> None:
    """Check the name of an entry, which may be any text, and other fields; `kind` is a word for it.

    Raises:
        EntryError: one is something else.
    """
    require_fields(f"a {kind}", record, {"name": WORDS})
    require_fields(f"the {kind} '{record.name}'", record, kinds)


def require_fields(entry: str, record: object, kinds: Mapping[str, FieldKind]) -> None:
    """Check that fields of an entry are what they have to be.

    Raises:
        EntryError: one is something else.
    """
    for name, kind in kinds.items():
        value = getattr(record, name)
        if not _fits(kind.fits, value):
            raise EntryError(f"`{name}` of {entry} is {_shown(value)}", f"give it {kind.wanted}")


def _shown(value: object) -> str:
    """Return a value in a few words: a class or function by its name, others as `repr` has them."""
    try:
        text = str(getattr(value, "__name__", "") or repr(value))
    except (Exception, SystemExit):
        text = object.__repr__(value)
    return short_line(f"the class {text}" if isinstance(value, type) else text)
