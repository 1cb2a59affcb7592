"""Choices that look random and follow from names and numbers alone.

Runs, encodings and tunings draw demonstrations, templates, references and orders. Each choice
depends on a seed and on the names of what it is about, so that it is the same on every machine, in
every process, and when a run goes on.

Example::

    >>> draw(3, "reference", 42, 0, "task001", "task001-7")
    2
    >>> generator("42:7").sample(range(100), 2)
    [62, 99]
"""

import json
import random
from hashlib import blake2b, sha256

__all__ = ["draw", "draw_from", "generator", "key", "order_key"]


def key(*parts: str | int) -> str:
    """Return the parts as one text. Different parts make different texts."""
    return json.dumps(parts)


def draw(choices: int, *parts: str | int) -> int:
    """Return a number from 0 to `choices` - 1 that depends on the parts alone."""
    return draw_from(key(*parts), choices)


def draw_from(text: str | bytes, choices: int) -> int:
    """Return a number from 0 to `choices` - 1, each equally likely, by the hash of a text."""
    return int.from_bytes(sha256(_bytes(text)).digest()) % choices


def order_key(*parts: str | int) -> bytes:
    """Return what to sort by for an order at random that depends on the parts alone."""
    return blake2b(_bytes("\0".join(map(str, parts))), digest_size=8).digest()


def generator(seed: str | bytes | int) -> random.Random:
    """Return a generator of random numbers. It is predictable: use it for no secret."""
    return random.Random(seed)  # noqa: S311


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
