"""Functions of entries that fail, and what becomes of them."""

from typing import Any

import pytest

from seedstep.errors import EntryError

__all__ = ["broken", "refused", "returns"]


def broken(*given: Any) -> Any:
    raise ValueError("the reason\nin two lines")


def returns(value: Any) -> Any:
    return lambda *given: value


def refused(told: str) -> Any:
    """What ends in an error that names the entry, its own cause with it."""
    return pytest.raises(EntryError, match=told)
