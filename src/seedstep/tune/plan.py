"""Which examples an optimiser step sees, and how they are divided among processes and passes.

All of it follows from hash(seed, epoch, task, instance), so that every process and every resumed
run comes to the same plan without asking a global generator.

Example::

    batches = batches_of(pairs, seed=42, epoch=0, batch=16, share=8)
    parts = divide(batches[0], parts=2, share=8, row_tokens=4096)  # one for each of 2 processes
"""

from collections.abc import Sequence
from hashlib import blake2b

from seedstep.encode import TokenPair
from seedstep.encode.packing import Group, group_pairs

__all__ = ["batches_of", "divide"]


def batches_of(
    pairs: Sequence[TokenPair], *, seed: int, epoch: int, batch: int, share: int
) -> list[list[int]]:
    """The places of the examples of each step; all but the last step have `batch` of them.

    `share` instances of a task stay together, but no more than half a batch, so that a step sees
    several tasks. What a batch can't take opens the next one.
    """
    share = min(share, max(1, batch // 2))
    tasks: dict[str, list[tuple[bytes, int]]] = {}
    for place, pair in enumerate(pairs):
        chance = _chance(seed, epoch, pair.task, pair.instance)
        tasks.setdefault(pair.task, []).append((chance, place))
    bundles: list[tuple[bytes, list[int]]] = []
    for members in tasks.values():
        members.sort()
        for start in range(0, len(members), share):
            bundle = members[start : start + share]
            bundles.append((bundle[0][0], [place for _, place in bundle]))
    bundles.sort()
    order = [place for _, bundle in bundles for place in bundle]
    return [order[start : start + batch] for start in range(0, len(order), batch)]


def divide(
    pairs: Sequence[TokenPair], *, parts: int, share: int, row_tokens: int
) -> list[list[Group]]:
    """Divide a step's examples into parts of about as many tokens each.

    A part is one pass of one process. It is empty only if there are fewer examples than parts.
    """
    groups = group_pairs(pairs, share=share, row_tokens=row_tokens)
    while len(groups) < min(parts, len(pairs)):
        largest = max((group for group in groups if len(group.pairs) > 1), key=_tokens)
        groups.remove(largest)
        half = -(-len(largest.pairs) // 2)
        groups += group_pairs(largest.pairs, share=half, row_tokens=row_tokens)
    divided: list[list[Group]] = [[] for _ in range(parts)]
    for group in sorted(groups, key=lambda group: -group.tokens):
        min(divided, key=lambda part: sum(map(_tokens, part))).append(group)
    return divided


def _tokens(group: Group) -> int:
    return group.tokens


def _chance(seed: int, epoch: int, task: str, instance: str) -> bytes:
    text = f"{seed}\0{epoch}\0{task}\0{instance}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
