"""Import names, and compile patterns, at their first use; let Python's collector work less.

So the command line, and programs that use little of seedstep, start fast. Which module has which
name of a package is said in its stub `__init__.pyi`, which type checkers read, too. A name in it
must not be that of a module of the package, which Python would put in its place.

Example::

    __getattr__, __dir__, __all__ = public_names(__name__)

Example::

    >>> late_pattern("[a-z]+").findall("two words")
    ['two', 'words']
"""

import ast
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re

    import regex

__all__ = ["collector_at_rest", "collector_seldom", "late_pattern", "late_regex", "public_names"]


def public_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return the `__getattr__`, `__dir__` and `__all__` of a package that has a stub."""
    module = sys.modules[package]
    stub = ast.parse(Path(str(module.__file__)).with_suffix(".pyi").read_bytes())
    homes = {
        alias.name: statement.module
        for statement in stub.body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        found = getattr(import_module(homes[name]), name)
        setattr(module, name, found)
        return found

    return find, lambda: sorted({*vars(module), *homes}), sorted(homes)


class _LatePattern:
    """Stands for a pattern, which it compiles when one of its methods is first used."""

    def __init__(self, library: str, text: str, flags: int) -> None:
        self._library, self.pattern, self._flags = library, text, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked before `__init__` where one is copied or unpickled
            raise AttributeError(name)
        compiled = import_module(self._library).compile(self.pattern, self._flags)
        for method in ("match", "fullmatch", "search", "sub", "split", "findall", "finditer", name):
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


def late_pattern(text: str, flags: int = 0) -> "re.Pattern[str]":
    """Return a pattern of the module `re` that is compiled when it is first used."""
    return _LatePattern("re", text, flags)  # type: ignore[return-value]


def late_regex(text: str, flags: int = 0) -> "regex.Pattern[str]":
    """Return a pattern of the module `regex` that is compiled when it is first used."""
    return _LatePattern("regex", text, flags)  # type: ignore[return-value]


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Keep Python's collector of cycles off where much is made that stays.

    It would look at all of it again and again: in a tenth of the time of an import, and half of
    that of reading many tasks.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


SELDOM = 10_000
"""How many new objects make the collector look for cycles in a `collector_seldom` context."""

_usual: list[tuple[int, int, int]] = []
_seldom = Lock()


@contextmanager
def collector_seldom() -> Iterator[None]:
    """Let Python's collector of cycles begin after more new objects than usual.

    Where many tasks wait, it looks at all of them again and again: a sixth of the processor's time
    with 512 requests in flight. Contexts may overlap; the last to end brings back what was before.
    """
    with _seldom:
        usual = gc.get_threshold()
        _usual.append(usual)
        gc.set_threshold(usual[0] and max(SELDOM, usual[0]), *usual[1:])  # 0 is never
    try:
        yield
    finally:
        with _seldom:
            first = _usual[0]
            _usual.pop()
            if not _usual:
                gc.set_threshold(*first)
