"""Shards: bootstraps that grow side by side, each with ids, choices and draws of its own.

Example:
    >>> ShardPlace.of("3/16", 2)
    ShardPlace(number=3, count=16, round=2)
    >>> ShardPlace.of("3/16", 2).prefix, ShardPlace.of(None, 1).prefix
    ('r2s3', '')
"""

import re
from dataclasses import dataclass
from typing import Self

from seedstep.errors import InputError

__all__ = ["ShardPlace", "check_shard", "parse_shard", "require_draws"]

DRAWS = 100_000
"""How many draws a shard has before those of the next one begin."""

MOST_DRAW = 1 << 31
"""A bound of draws, which are sent to servers as seeds."""

MOST_SHARDS = MOST_DRAW // DRAWS - 1
"""The most shards, over all rounds, that have draws of their own."""

_SHARD = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})", re.ASCII)


def parse_shard(text: str, where: str) -> tuple[int, int]:
    """Return the number of a shard, from 1, and the count of shards.

    Raises:
        InputError: the text is not as in 3/16; `where` names its place.
    """
    found = _SHARD.fullmatch(text)
    if not found or int(found[1]) > int(found[2]):
        raise InputError(f"{where}: '{text}' is no shard", "write NUMBER/COUNT, from 1/16 to 16/16")
    return int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True)
class ShardPlace:
    """The number of a shard, from 1, among how many, and its round. A run that is none has 0."""

    number: int
    count: int
    round: int

    @classmethod
    def of(cls, shard: str | None, number: int) -> Self:
        """Return the place that the settings `shard` and `round` say."""
        return cls(*(parse_shard(shard, "shard") if shard else (0, 0)), number)

    @property
    def chance(self) -> str:
        """What is added to the seed, so that each shard makes random choices of its own."""
        return f":{self.number}/{self.count}:{self.round}" if self.number else ""

    @property
    def prefix(self) -> str:
        """How the ids of candidates begin, such as `r2s3` for the third shard of round 2."""
        return f"r{self.round}s{self.number}" if self.number else ""

    @property
    def first_draw(self) -> int:
        """The number of the first draw, so that equal requests of two shards are two draws."""
        if not self.number:
            return 0
        return ((self.round - 1) * self.count + self.number) * DRAWS


def require_draws(count: int, rounds: int, where: str) -> None:
    """Raise InputError if so many shards in so many rounds can't have draws of their own."""
    if count * rounds > MOST_SHARDS:
        remedy = f"have at most {MOST_SHARDS:,} in all rounds: fewer of them with more --tasks"
        raise InputError(f"{where}: {count:,} shards are too many for {rounds:,} rounds", remedy)


def check_shard(shard: str | None, number: int, pool: str | None, source: str) -> None:
    """Raise InputError if the settings of a shard do not go together; `source` is their origin."""
    if shard is not None:
        _, count = parse_shard(shard, f"{source}, setting 'shard'")
        require_draws(count, number, f"{source}, setting 'shard'")
    if number > 1 and not (shard and pool):
        what = f"{source}, setting 'round': round {number} needs a shard and a pool"
        remedy = "add --shard NUMBER/COUNT, and --pool with the merged round before"
        raise InputError(what, remedy)
