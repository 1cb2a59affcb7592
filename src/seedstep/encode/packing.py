"""Pack the examples of a decoder-only model into rows that store a shared prefix once.

All prompts of a task (section 3.4 of the second paper) begin with the same step-by-step
instruction, definition and examples. A row contains this prefix once, followed by the rest of each
instance. An instance attends to the prefix and to itself, and its positions continue from the end
of the prefix. A model that has no state besides attention therefore computes the same as with one
example in each row.

    row       p0 p1 p2 | a0 a1 | b0 b1 b2
    position   0  1  2    3  4    3  4  5
    sees       causal   p, a     p, b

The last token of a target is predicted, but no token is predicted from it, so it is not in the row.

Example::

    >>> pairs = [TokenPair("t", f"t-{n}", (1, 2, 3, 4, n), (9,)) for n in (5, 6)]
    >>> groups = group_pairs(pairs, share=8, row_tokens=64)
    >>> [make_row(members).tokens.tolist() for members in pack(groups, row_tokens=64)]
    [[1, 2, 3, 4, 5, 6]]
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from seedstep.encode.settings import TokenPair

__all__ = ["IGNORED", "PackedGroup", "PackedRow", "group_pairs", "make_row", "pack", "visible"]

IGNORED = -100
"""The label of a position from which nothing is predicted."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PackedGroup:
    """Examples that share one copy of the first `prefix` tokens of their prompts."""

    pairs: tuple[TokenPair, ...]
    prefix: int

    @property
    def tokens(self) -> int:
        """The number of tokens that the group takes in a row."""
        return self.prefix + sum(pair.read_tokens - self.prefix for pair in self.pairs)


@dataclass(frozen=True, slots=True)
class PackedRow:
    """A row: its tokens, the position of each, and the label to predict from it (or IGNORED).

    `segment` is the number of the prefix or instance that a token belongs to. `parent` is the
    segment of that instance's prefix; for a token of a prefix it is the prefix itself.
    """

    tokens: IntArray
    positions: IntArray
    labels: IntArray
    segment: IntArray
    parent: IntArray

    def __len__(self) -> int:
        return len(self.tokens)


def group_pairs(pairs: Iterable[TokenPair], *, share: int, row_tokens: int) -> list[PackedGroup]:
    """Group examples of the same task, at most `share` in a group.

    A group is divided if two groups with longer prefixes take fewer tokens, or if it is longer than
    `row_tokens`. A group of one example may be longer.
    """
    tasks: dict[str, list[TokenPair]] = {}
    for pair in pairs:
        tasks.setdefault(pair.task, []).append(pair)
    return [
        group
        for members in tasks.values()
        for group in _divided(sorted(members, key=lambda pair: pair.prompt), share, row_tokens)
    ]


def pack(groups: Sequence[PackedGroup], *, row_tokens: int) -> list[list[PackedGroup]]:
    """Divide groups among rows of at most `row_tokens` by best fit, the longest group first.

    A group that is longer has a row of its own.
    """
    rows: list[list[PackedGroup]] = []
    room: list[int] = []
    for group in sorted(groups, key=lambda group: -group.tokens):
        fitting = [place for place, left in enumerate(room) if left >= group.tokens]
        if fitting:
            best = min(fitting, key=lambda place: room[place])
            rows[best].append(group)
            room[best] -= group.tokens
        else:
            rows.append([group])
            room.append(row_tokens - group.tokens)
    return rows


def make_row(groups: Sequence[PackedGroup]) -> PackedRow:
    """Return the row that contains these groups, one after the other."""
    tokens: list[int] = []
    positions: list[int] = []
    labels: list[int] = []
    segment: list[int] = []
    parent: list[int] = []
    number = 0

    def add(ids: Sequence[int], predicts: Sequence[int], start: int, own: int, root: int) -> None:
        tokens.extend(ids)
        labels.extend(predicts)
        positions.extend(range(start, start + len(ids)))
        segment.extend([own] * len(ids))
        parent.extend([root] * len(ids))

    for group in groups:
        start, root = group.prefix, number
        prefix = group.pairs[0].prompt[:start]
        add(prefix, [IGNORED] * start, 0, root, root)
        for own, pair in enumerate(group.pairs, root + 1):
            rest = pair.prompt[start:]
            predicts = [IGNORED] * (len(rest) - 1) + list(pair.target)
            add((*rest, *pair.target[:-1]), predicts, start, own, root)
        number = root + len(group.pairs) + 1
    columns = (tokens, positions, labels, segment, parent)
    return PackedRow(*(np.array(column, dtype=np.int64) for column in columns))


def visible(row: PackedRow) -> NDArray[np.bool_]:
    """Return the attention mask of a row: [query, key] is True where the query sees the key."""
    seen = row.segment[None, :]
    known: NDArray[np.bool_] = (seen == row.segment[:, None]) | (seen == row.parent[:, None])
    return known & np.tri(len(row), dtype=np.bool_)


def _divided(pairs: Sequence[TokenPair], share: int, row_tokens: int) -> list[PackedGroup]:
    """Divide examples, sorted by their prompts, into groups."""
    common = [_common(*two) for two in pairwise(pairs)]
    if not common:
        return [PackedGroup(tuple(pairs), 0)]
    whole = PackedGroup(tuple(pairs), min(common))
    if len(pairs) > share or whole.tokens > row_tokens:
        cut = len(pairs) // 2
    else:
        cut = common.index(whole.prefix) + 1
        saved = sum(min(part) * len(part) for part in (common[: cut - 1], common[cut:]) if part)
        if saved <= whole.prefix * len(common):
            return [whole]
    halves = pairs[:cut], pairs[cut:]
    return [group for half in halves for group in _divided(half, share, row_tokens)]


def _common(first: TokenPair, second: TokenPair) -> int:
    """Count the first tokens that two prompts share.

    The last token of a prompt is never shared: the target's first token is predicted from it.
    """
    limit = min(len(first.prompt), len(second.prompt)) - 1
    different = np.flatnonzero(np.not_equal(first.prompt[:limit], second.prompt[:limit]))
    return int(different[0]) if different.size else limit
