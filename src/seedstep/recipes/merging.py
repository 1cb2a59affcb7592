"""Merge shards: runs of bootstraps that grew side by side in, one run of a bootstrap out.

The tasks of all shards are taken in the order of round, shard and item. A task is kept if it is as
novel as in one run: its ROUGE-L with each seed, and with each task kept before it, is below the
threshold. So what is kept does not depend on which shard ended first, nor on the order in which
they are named. The merged run is the pool of the next round, and is merged with its shards.

Example::

    merged = merge_runs(["round-1/shard-1", "round-1/shard-2"], "round-1/merged")
    print(merged.kept, merged.dropped)
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import nextafter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from seedstep.bootstrap import BootstrapSettings, parse_shard
from seedstep.bootstrap.pool import MIN_INPUT_TOKENS
from seedstep.bootstrap.rules import same_wording
from seedstep.data import StrPath, new_folder
from seedstep.errors import InputError, RunBusyError, RunError
from seedstep.novelty import (
    Decisions,
    TokenNumbers,
    decide,
    decide_on_ray,
    encode,
    nearest_known,
    ranks,
    ray_cluster,
)
from seedstep.runs import BootstrapRun, Run, digest
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE
from seedstep.runs.merges import (
    MERGED,
    FinishedText,
    Merge,
    MergedShard,
    RejectedInMerge,
    Renaming,
    copy_generations,
    finished_texts,
    merge_of,
    require_whole_rows,
)
from seedstep.runs.places import CONFIG, write_config
from seedstep.settings import change_settings
from seedstep.stages import BOOTSTRAP
from seedstep.stages.bootstrap import contamination_of
from seedstep.text import TOKENIZERS

__all__ = ["MergeReport", "merge_runs"]

OWN = ("seeds", "decontaminate", "base_url", "identity_url", "shard", "round", "pool")
"""What differs between shards of one configuration, besides what a run may change on going on.

Seeds and evaluation sets are compared by their fingerprints.
"""

UNMERGED = ("shard", "round", "pool", "pool_fingerprint", "max_requests", "max_tokens", "max_usd")
"""What a merged run does not take over from its shards."""

BY_MEANING = "tasks of different shards were not compared by meaning"
"""What a merge of shards that compare by meaning lacks."""

AFTER_ALL = 1 << 30
"""The place of a merged run among the shards of its last round."""


@dataclass(frozen=True, slots=True)
class MergeReport:
    """A merged run: what it was made of, and how many tasks were kept, or dropped by reason."""

    merge: Merge
    kept: int
    dropped: Counter[str]


@dataclass(frozen=True, slots=True)
class _Source:
    """A run to merge. `place` orders the runs of one configuration, `part` is the latter's hash."""

    run: BootstrapRun
    place: tuple[int, int]
    part: str
    shards: tuple[MergedShard, ...]
    missing: tuple[str, ...] = ()
    names: Renaming = field(default_factory=Renaming)

    @property
    def database(self) -> Database:
        return self.run.database

    @property
    def settings(self) -> BootstrapSettings:
        return self.run.settings

    @property
    def is_merged(self) -> bool:
        return self.place[1] == AFTER_ALL


def merge_runs(
    runs: Sequence[StrPath],
    out: StrPath,
    *,
    partial: bool = False,
    different: bool = False,
    ray: str | None = None,
    partitions: int = 8,
) -> MergeReport:
    """Merge runs into a new one. The pool of the first round that is named is merged, too.

    With `partial`, shards may be missing or not finished. With `different`, the runs may differ in
    seed, model and other settings. `ray` is the address of a Ray cluster that decides on novelty,
    in so many `partitions`. A run at `out` that was merged from the same stays as it is.

    Raises:
        InputError: the runs can't be merged: of two configurations, one number twice, one missing.
        RunError: one is no run of a bootstrap, works still, or is damaged (`StoreError`); or there
            is another run at `out`.
    """
    with ExitStack() as stack:
        sources = [_opened(stack, Path(run)) for run in runs]
        sources = _with_pool(stack, sources)
        differences = _differences(sources)
        if differences and not different:
            raise _of_another(sources, differences)
        sources = _in_order(sources)
        missing = _missing(sources)
        if missing and not partial:
            raise InputError(f"{', '.join(missing)}", "run them to their end, or add --partial")
        if any(source.settings.semantic for source in sources):
            missing += (BY_MEANING,)
        return _Merging(sources, missing, differences, ray, partitions).write(Path(out))


def _opened(stack: ExitStack, path: Path) -> _Source:
    run = stack.enter_context(Run.read(BOOTSTRAP, path))
    if run.is_running():
        raise RunBusyError(f"another process works on {path}", "wait until it has ended")
    require_whole_rows(run.database)
    merge = merge_of(run.config)
    part = digest([_compared(run.config)])
    if merge:
        return _Source(run, (merge.last_round, AFTER_ALL), part, merge.shards, merge.missing)
    settings, status, spent = run.settings, run.status(), run.spent()
    number = parse_shard(settings.shard, str(path))[0] if settings.shard else 0
    shard = MergedShard(
        str(path),
        settings.prefix,
        settings.shard,
        settings.round,
        settings.seed,
        str(settings.model),
        status.finished,
        0,
        run.records.has_ended(),
        spent.requests,
        {name: (tokens.prompt, tokens.completion) for name, tokens in spent.tokens.items()},
    )
    return _Source(run, (settings.round, number), part, (shard,))


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a configuration that shards have in common."""
    ignored = {*BOOTSTRAP.changeable, *OWN, "pool_fingerprint", MERGED}
    return {name: value for name, value in sorted(config.items()) if name not in ignored}


def _with_pool(stack: ExitStack, sources: Sequence[_Source]) -> list[_Source]:
    """Return the sources with the pool that the first round was grown from."""
    first = min((source.place for source in sources), default=(1, 0))
    pools = {source.settings.pool for source in sources if source.place[0] == first[0]} - {None}
    is_known = any(source.is_merged for source in sources)
    if first[0] == 1 or is_known or not pools:
        return list(sources)
    return [*sources, *(_opened(stack, Path(str(pool))) for pool in sorted(map(str, pools)))]


def _differences(sources: Sequence[_Source]) -> tuple[str, ...]:
    """Return the names of the entries in which configurations differ."""
    found = [_compared(source.run.config) for source in sources]
    names = dict.fromkeys(name for values in found for name in values)
    return tuple(
        name for name in names if any(each.get(name) != found[0].get(name) for each in found)
    )


def _of_another(sources: Sequence[_Source], differences: Sequence[str]) -> InputError:
    """Return the error for runs that differ, which names the first one that does."""
    first, name = sources[0].run, differences[0]
    other = next(
        source.run for source in sources if source.run.config.get(name) != first.config.get(name)
    )
    values = f"{other.config.get(name)!r} there, {first.config.get(name)!r} in {first.path}"
    what = f"{other.path} is of another configuration than {first.path} ({name}: {values})"
    return InputError(what[:500], "leave it out, or add --different to merge them all the same")


def _in_order(sources: Sequence[_Source]) -> list[_Source]:
    """Return the sources by round, number and configuration, with ids that differ.

    Raises:
        InputError: two are of one number, or of a round that is merged already.
    """
    ordered = sorted(sources, key=lambda source: (source.place, source.part))
    known: dict[tuple[object, ...], _Source] = {}
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
                raise InputError(what, "name the merged run with shards of later rounds, or shards")
    parts = list(dict.fromkeys(sorted(source.part for source in ordered)))
    return [_named(source, parts.index(source.part)) for source in ordered]


def _named(source: _Source, part: int) -> _Source:
    """Return a source whose ids begin with the number of its configuration, from the second on."""
    if not part:
        return source
    prefix = f"p{part + 1}"
    ids = {row[0] for row in source.database.rows("SELECT id FROM candidates")}
    shards = tuple(replace(each, prefix=f"{prefix}{each.prefix}") for each in source.shards)
    return replace(source, names=Renaming(prefix, ids), shards=shards)


def _missing(sources: Sequence[_Source]) -> tuple[str, ...]:
    """Return what is missing: shards that are not there, and those that have not ended.

    Raises:
        InputError: shards of one round are of different counts.
    """
    said = [name for source in sources for name in source.missing if name != BY_MEANING]
    rounds: dict[tuple[str, int], dict[int, _Source]] = {}
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


class _Merging:
    """The work of a merge: what is decided about the tasks of all sources, and the new run."""

    def __init__(
        self,
        sources: Sequence[_Source],
        missing: tuple[str, ...],
        differences: tuple[str, ...],
        ray: str | None,
        partitions: int,
    ) -> None:
        self._sources = sources
        self._missing = missing
        self._differences = differences
        self._ray = ray
        self._partitions = partitions
        self._rejected: dict[str, RejectedInMerge] = {}
        self._bad: dict[tuple[str, int], RejectedInMerge] = {}
        self._first = min(sources, key=lambda source: (source.part, source.place))
        tokens = {source.settings.tokens for source in sources}
        self._tokens = tokens.pop() if len(tokens) == 1 else "unicode"
        self._seeds = self._all_seeds()

    def write(self, out: Path) -> MergeReport:
        """Decide on all tasks, and write the run."""
        tasks = list(self._finished(inputs=False))
        if self._differences:
            self._decontaminate(tasks)
        self._decide([task for task in tasks if task.task not in self._rejected])
        kept = [task for task in tasks if task.task not in self._rejected]
        if not kept:
            raise InputError("no task is left to merge", "run the shards to their end")
        self._require_pools(kept)
        merge = self._merge(kept)
        config = {
            **{
                name: value
                for name, value in self._first.run.config.items()
                if name not in (*UNMERGED, MERGED)
            },
            "tasks": len(kept),
            MERGED: msgspec.json.decode(msgspec.json.encode(merge)),
        }
        report = MergeReport(
            merge, len(kept), Counter(found.reason for found in self._rejected.values())
        )
        if out.exists():
            _require_same(out, merge)
            return report
        with new_folder(out) as folder:
            write_config(folder, CONFIG, config)
            self._copy(folder / DATABASE)
        return report

    def _finished(self, *, inputs: bool) -> Iterator[FinishedText]:
        for source in self._sources:
            for found in finished_texts(source.database, inputs=inputs):
                yield replace(found, task=source.names.of(found.task))

    def _all_seeds(self) -> dict[str, str]:
        """Return the seeds of all sources; another text of a known id gets another id."""
        found: dict[str, str] = {}
        for source in self._sources:
            for name, text in source.run.records.seed_definitions():
                if found.get(name, text) != text:
                    name = f"{source.names.prefix}{name}"
                found.setdefault(name, text)
        return found

    def _decontaminate(self, tasks: Sequence[FinishedText]) -> None:
        """Reject what is too close to an evaluation set of any of the runs."""
        sets = dict.fromkeys(
            path for source in self._sources for path in source.settings.decontaminate
        )
        strictest = min(source.settings.decontamination_threshold for source in self._sources)
        settings = change_settings(
            self._first.settings,
            decontaminate=list(sets),
            decontamination_threshold=strictest,
            tokens=self._tokens,
        )
        if not (contamination := contamination_of(settings)):
            return
        tokenizer = TOKENIZERS[self._tokens]
        left = Counter[str]()
        for found in self._finished(inputs=True):
            is_long = len(tokenizer(found.text)) >= MIN_INPUT_TOKENS
            if is_long and (overlap := contamination.overlap(found.text)):
                bad = RejectedInMerge("contaminated", overlap.detail)
                self._bad[found.task, found.position] = bad
            left[found.task] += (found.task, found.position) not in self._bad
        overlaps = contamination.overlaps([task.text for task in tasks])
        for task, overlap in zip(tasks, overlaps, strict=True):
            if overlap:
                self._rejected[task.task] = RejectedInMerge("contaminated", overlap.detail)
            elif not left[task.task]:
                self._rejected[task.task] = RejectedInMerge("no_good_instance")

    def _decide(self, tasks: Sequence[FinishedText]) -> None:
        """Reject the tasks that are not novel beside the seeds and those kept before them."""
        known = self._near_seeds(tasks)
        tasks = [task for task in tasks if task.task not in known]
        decisions = self._decisions([task.text for task in tasks])
        tokenizer = TOKENIZERS[self._tokens]
        wordings = {same_wording(text): name for name, text in self._seeds.items()}
        for place, task in enumerate(tasks):
            nearest, score = int(decisions.nearest.numbers[place]), decisions.nearest.scores[place]
            if not decisions.kept[place]:
                known[task.task] = _not_novel(tasks[nearest].task, float(score))
            elif not tokenizer(task.text):  # it has no tokens that could be compared
                first = wordings.setdefault(same_wording(task.text), task.task)
                if first != task.task:
                    known[task.task] = RejectedInMerge("not_novel", f"the wording of {first}")
        self._rejected |= known

    @property
    def _threshold(self) -> float:
        """The score from which a task is not novel; the released code keeps the threshold's own."""
        settings = [source.settings for source in self._sources]
        strictest = min(each.novelty_threshold for each in settings)
        released = all(each.fidelity == "released" for each in settings)
        return nextafter(strictest, 2.0) if released else strictest

    def _near_seeds(self, tasks: Sequence[FinishedText]) -> dict[str, RejectedInMerge]:
        vocabulary = TokenNumbers(TOKENIZERS[self._tokens])
        seeds = vocabulary.number(self._seeds.values())
        texts = vocabulary.number([task.text for task in tasks])
        places = ranks(seeds.counts(len(vocabulary)) + texts.counts(len(vocabulary)))
        near = nearest_known(encode(seeds, places), encode(texts, places), self._threshold)
        names = list(self._seeds)
        return {
            tasks[row].task: _not_novel(names[near.numbers[row]], float(near.scores[row]))
            for row in np.flatnonzero(near.numbers >= 0).tolist()
        }

    def _decisions(self, texts: Sequence[str]) -> Decisions:
        if self._ray:
            with ray_cluster(self._ray):
                return decide_on_ray(texts, self._tokens, self._threshold, self._partitions)
        vocabulary = TokenNumbers(TOKENIZERS[self._tokens])
        numbered = vocabulary.number(texts)
        return decide(encode(numbered, ranks(numbered.counts(len(vocabulary)))), self._threshold)

    def _require_pools(self, kept: Sequence[FinishedText]) -> None:
        """Check that each round was grown from what is kept of the rounds before it."""
        if self._differences:
            return
        of_round = {each.prefix: each.round for source in self._sources for each in source.shards}
        for source in self._sources:
            stamp = source.run.config.get("pool_fingerprint")
            number = source.place[0]
            before = ([task.task, task.text] for task in kept if of_round[_shard_of(task)] < number)
            if stamp and number > 1 and stamp != digest(before):
                what = f"{source.run.path} was grown from another pool than the rounds before it"
                raise InputError(
                    what, f"merge it with the shards or the run of {source.settings.pool}"
                )

    def _merge(self, kept: Sequence[FinishedText]) -> Merge:
        counts = Counter(map(_shard_of, kept))
        shards = [shard for source in self._sources for shard in source.shards]
        counted = tuple(replace(shard, kept=counts[shard.prefix]) for shard in shards)
        return Merge(counted, self._missing, self._differences)

    def _copy(self, path: Path) -> None:
        target = Database.open(path)
        try:
            target.write_now("INSERT INTO seeds VALUES (?, ?)", list(self._seeds.items()))
            first = 0
            for source in self._sources:
                first = copy_generations(
                    source.database, target, first, source.names, self._rejected, self._bad
                )
        finally:
            target.close()


def _not_novel(neighbor: str, score: float) -> RejectedInMerge:
    return RejectedInMerge("not_novel", f"ROUGE-L {score:.2f} with {neighbor}", neighbor, score)


def _shard_of(task: FinishedText) -> str:
    """Return how the ids of the tasks of its shard begin."""
    return task.task.rpartition("g")[0]


def _require_same(out: Path, merge: Merge) -> None:
    """Check that the run at `out` is the same merge."""
    with Run.read(BOOTSTRAP, out) as run:
        if merge_of(run.config) != merge:
            raise RunError(f"{out} is there, and of other shards", "name another --out")
