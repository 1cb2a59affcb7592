"""Import what a package offers at its first use: its stub says which module has which name.

So the command line, and programs that use little of seedstep, start fast. The stub `__init__.pyi`
is what type checkers read, too. A name in it must not be that of a module of the package, which
Python would put in its place.

Example::

    __getattr__, __dir__, __all__ = public_names(__name__)
"""

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["public_names"]


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
