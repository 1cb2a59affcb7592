"""Choices that are the same on every machine, in every worker, and after a resume.

Example::

    draw(3, "reference", 42, 0, "task001", "task001-7")  # 0, 1 or 2
"""

import hashlib
import json

from seedstep.data import Instance

__all__ = ["draw", "key", "name_of"]


def key(*parts: str | int) -> str:
    """The parts as one text; different parts make different texts."""
    return json.dumps(parts)


def draw(choices: int, *parts: str | int) -> int:
    """A number from 0 to `choices` - 1, each equally likely, that depends on the parts alone."""
    return int.from_bytes(hashlib.sha256(key(*parts).encode()).digest()) % choices


def name_of(instance: Instance) -> str:
    """What tells an instance from others of its task."""
    return instance.id or instance.input
