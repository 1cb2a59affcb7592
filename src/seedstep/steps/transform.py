"""Steps in another order, to measure what their order is worth (section 5, shuffled steps).

Example::

    shuffled(("Read it.", "Think.", "Say it."), run_seed=42, task_id="task002")
"""

import hashlib
from collections.abc import Sequence

__all__ = ["shuffled"]


def shuffled(steps: Sequence[str], *, run_seed: int, task_id: str) -> tuple[str, ...]:
    """A permutation of the steps that reads differently, each such one equally likely.

    It depends on the seed and the task alone, and is the same on every machine and with every
    version of Python. Steps are told apart by their texts: if all are equal, or there is just
    one, they come back as they are.
    """
    original = tuple(steps)
    order = original
    attempt = 0
    while order == original and len(set(original)) > 1:
        order = _permuted(original, f"{run_seed} {attempt} {task_id}")
        attempt += 1
    return order


def _permuted(steps: Sequence[str], seed: str) -> tuple[str, ...]:
    """Fisher and Yates's shuffle, its choices taken from hashes."""
    rest = list(steps)
    for last in range(len(rest) - 1, 0, -1):
        digest = hashlib.sha256(f"{last} {seed}".encode(errors="surrogatepass")).digest()
        chosen = int.from_bytes(digest) % (last + 1)
        rest[last], rest[chosen] = rest[chosen], rest[last]
    return tuple(rest)
