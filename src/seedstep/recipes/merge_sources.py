"""The runs of a merge: opened, in their order, and checked for whether they can be merged.

Example::

    with merge_sources([Path("a"), Path("b")], partial=True, different=True) as (sources, merge):
        print(merge.missing, merge.differences)
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import msgspec

from seedstep.bootstrap import BootstrapSettings, parse_shard
from seedstep.errors import InputError, RunBusyError
from seedstep.runs import BootstrapRun, Run, digest
from seedstep.runs.database import Database
from seedstep.runs.merges import MERGED, Merge, MergedShard, Renaming, merge_of
from seedstep.stages import BOOTSTRAP

__all__ = ["MergeSource", "merge_sources"]

OWN = (
    *("seeds", "decontaminate", "base_url", "identity_url", "shard", "round", "pool"),
    *("semantic_base_url", "semantic_identity_url"),
)
"""What differs between shards of one configuration, besides what a run may change on going on.

Seeds and evaluation sets are compared by their fingerprints.
"""

BY_MEANING = "tasks of different shards were not compared by meaning"
"""The note on a merge of shards that use different encoders."""

AFTER_ALL = 1 << 30
"""The place of a merged run among the shards of its last round."""


@dataclass(frozen=True, slots=True)
class MergeSource:
    """A run to merge. `place` orders the runs of one configuration, `part` is the latter's hash."""

    run: BootstrapRun
    place: tuple[int, int]
    part: str
    shards: tuple[MergedShard, ...]
    missing: tuple[str, ...] = ()
    names: Renaming = field(default_factory=Renaming)

    @property
    def database(self) -> Database:
        """The database of the run."""
        return self.run.database

    @property
    def settings(self) -> BootstrapSettings:
        """The settings of the run."""
        return self.run.settings

    @property
    def is_merged(self) -> bool:
        """Whether it is a merged run itself."""
        return self.place[1] == AFTER_ALL


@contextmanager
def merge_sources(
    runs: Sequence[Path], *, partial: bool, different: bool
) -> Iterator[tuple[list[MergeSource], Merge]]:
    """Open runs, and the pool of the first round of them; yield them in their order.

    The merge that is yielded with them has the tasks that a merged source kept, and none of others.

    Raises:
        InputError: they can't be merged: of two configurations, one number twice, one missing.
        RunError: a source is no run of a bootstrap, works still, or is damaged (`StoreError`).
    """
    with ExitStack() as stack:
        sources = [_opened(stack, run) for run in runs]
        sources = _with_pool(stack, sources)
        differences = _differences(sources)
        if differences and not different:
            raise _of_another(sources, differences)
        sources = _in_order(sources)
        missing = _missing(sources)
        if missing and not partial:
            raise InputError(f"{', '.join(missing)}", "run them to their end, or add --partial")
        if len({source.settings.semantic for source in sources}) > 1:
            missing += (BY_MEANING,)
        shards = tuple(shard for source in sources for shard in source.shards)
        yield sources, Merge(shards, missing, differences)


def _opened(stack: ExitStack, path: Path) -> MergeSource:
    run = stack.enter_context(Run.read(BOOTSTRAP, path))
    if run.is_running():
        raise RunBusyError(f"another process works on {path}", "wait until it has ended")
    stack.enter_context(run.snapshot())
    run.database.require_whole()
    merge = merge_of(run.config)
    part = digest([_compared(run.config)])
    if merge:
        return MergeSource(run, (merge.last_round, AFTER_ALL), part, merge.shards, merge.missing)
    settings, status, spent = run.settings, run.status(), run.spent()
    shard = MergedShard(
        str(path),
        settings.place.prefix,
        settings.shard,
        settings.round,
        settings.seed,
        str(settings.model),
        status.finished,
        0,
        run.records.has_ended(),
        spent.requests,
        {name: (tokens.prompt, tokens.completion) for name, tokens in spent.tokens.items()},
        {
            name: (tokens.batch_prompt, tokens.batch_completion)
            for name, tokens in spent.tokens.items()
            if tokens.batch_prompt or tokens.batch_completion
        },
    )
    return MergeSource(run, (settings.round, settings.place.number), part, (shard,))


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a configuration that shards have in common."""
    ignored = {*BOOTSTRAP.changeable, *OWN, "pool_fingerprint", MERGED}
    return {name: value for name, value in sorted(config.items()) if name not in ignored}


def _with_pool(stack: ExitStack, sources: Sequence[MergeSource]) -> list[MergeSource]:
    """Return the sources with the pool that the first round was grown from."""
    first = min((source.place for source in sources), default=(1, 0))
    pools = {source.settings.pool for source in sources if source.place[0] == first[0]} - {None}
    is_known = any(source.is_merged for source in sources)
    if first[0] == 1 or is_known or not pools:
        return list(sources)
    return [*sources, *(_opened(stack, Path(str(pool))) for pool in sorted(map(str, pools)))]


def _differences(sources: Sequence[MergeSource]) -> tuple[str, ...]:
    """Return the names of the entries in which configurations differ."""
    found = [_compared(source.run.config) for source in sources]
    names = dict.fromkeys(name for values in found for name in values)
    return tuple(
        name for name in names if any(each.get(name) != found[0].get(name) for each in found)
    )


def _of_another(sources: Sequence[MergeSource], differences: Sequence[str]) -> InputError:
    """Return the error for runs that differ, which names the first one that does."""
    first, name = sources[0].run, differences[0]
    other = next(
        source.run for source in sources if source.run.config.get(name) != first.config.get(name)
    )
    values = f"{other.config.get(name)!r} there, {first.config.get(name)!r} in {first.path}"
    what = f"{other.path} is of another configuration than {first.path} ({name}: {values})"
    return InputError(what[:500], "leave it out, or add --different to merge them all the same")


def _in_order(sources: Sequence[MergeSource]) -> list[MergeSource]:
    """Return the sources by round, number and configuration, with ids that differ.

    Raises:
        InputError: two are of one number, or of a round that is merged already.
    """
    ordered = sorted(sources, key=lambda source: (source.place, source.part))
    known: dict[tuple[object, ...], MergeSource] = {}
    for source in ordered:
        key = (source.place, source.part)
        if key in known:
            what = f"{known[key].run.path} and {source.run.path} are the same shard"
            raise InputError(what, "name each once; a run without --shard counts as one")
        known[key] = source
    for merged in (source for source in ordered if source.is_merged):
        for other in ordered:
            if other is not merged and other.part == merged.part and other.place < merged.place:
                what = (
                    f"{merged.run.path} has shards of round {other.place[0]}, as {other.run.path}"
                )
                raise InputError(
                    what, "name either the merged run and later shards, or only shards"
                )
    _require_apart(ordered)
    return _named(ordered)


def _named(ordered: Sequence[MergeSource]) -> list[MergeSource]:
    """Return sources with ids that differ: from the second configuration on, they begin with `p2`.

    Numbers that ids of a merged run have are left out, also where two are of one configuration.
    """
    known = {shard.prefix for source in ordered for shard in source.shards}
    taken = {int(number[1]) for number in map(_NUMBERED.match, known) if number}
    free = (f"p{number}" for number in count(2) if number not in taken)
    parts = dict.fromkeys(sorted(source.part for source in ordered))
    prefixes = dict(zip(parts, chain([""], free), strict=False))
    used: set[str] = set()
    found: list[MergeSource] = []
    for source in ordered:
        prefix = prefixes[source.part]
        if any(f"{prefix}{shard.prefix}" in used for shard in source.shards):
            prefix = next(free)
        found.append(_renamed(source, prefix, _pool_of(source, found)))
        used |= {shard.prefix for shard in found[-1].shards}
    return found


def _require_apart(sources: Sequence[MergeSource]) -> None:
    """Check that no run is in another of them already, so that its cost would be counted twice.

    A run is known by the name of its directory, its settings, and what it has spent: directories
    may have moved since they were merged.

    Raises:
        InputError: a run is part of another one.
    """
    merged_in: dict[bytes, Path] = {}
    for source in sources:
        for shard in source.shards:
            alike = replace(shard, run=Path(shard.run).name, prefix="", kept=0)
            key = msgspec.json.encode(alike, order="sorted")
            if other := merged_in.get(key):
                what = f"{shard.run} is in both {other} and {source.run.path}"
                raise InputError(what, "leave one of them out")
            merged_in[key] = source.run.path


_NUMBERED = re.compile(r"p(\d{1,9})")


def _pool_of(source: MergeSource, before: Sequence[MergeSource]) -> tuple[Renaming, ...]:
    """Return the names of the tasks that a source was grown from, among the sources before it.

    They are those of the run that it names as its pool, or of the shards of its configuration.
    """
    if not source.settings.pool:
        return ()
    path = os.path.realpath(source.settings.pool)
    named = [each for each in before if os.path.realpath(each.run.path) == path]
    earlier = [each for each in before if each.place[0] < source.place[0]]
    alike = [each for each in earlier if each.part == source.part]
    return tuple(each.names for each in named or alike if each.names.changes)


def _renamed(source: MergeSource, prefix: str, pool: tuple[Renaming, ...]) -> MergeSource:
    """Return a source whose ids begin with a prefix, and which names those of its pool anew."""
    if not prefix:
        return replace(source, names=Renaming(pool=pool)) if pool else source
    ids = {row[0] for row in source.database.rows("SELECT id FROM candidates")}
    shards = tuple(replace(each, prefix=f"{prefix}{each.prefix}") for each in source.shards)
    return replace(source, names=Renaming(prefix, ids, pool), shards=shards)


def _missing(sources: Sequence[MergeSource]) -> tuple[str, ...]:
    """Return what is missing: shards that are not there, and those that have not ended.

    Raises:
        InputError: shards of one round are of different counts.
    """
    said = [name for source in sources for name in source.missing if name != BY_MEANING]
    rounds: dict[tuple[str, int], dict[int, MergeSource]] = {}
    for source in sources:
        if not source.is_merged:
            rounds.setdefault((source.part, source.place[0]), {})[source.place[1]] = source
    for (_, number), found in sorted(rounds.items(), key=lambda item: item[0][1]):
        counts = {
            parse_shard(each.settings.shard, "shard")[1]
            for each in found.values()
            if each.settings.shard
        }
        if len(counts) > 1:
            what = f"round {number} has shards of {' and of '.join(map(str, sorted(counts)))}"
            raise InputError(what, "merge shards of one count")
        said += [
            f"shard {place}/{max(counts)} of round {number} is missing"
            for place in range(1, max(counts, default=0) + 1)
            if place not in found
        ]
    for source in sources:
        (shard, *_) = source.shards
        if not source.is_merged and not shard.complete:
            wanted = source.settings.tasks
            name = f"shard {shard.shard}" if shard.shard else "a run"
            said.append(f"{name} of round {shard.round} has {shard.finished} of {wanted} tasks")
    return tuple(said)
