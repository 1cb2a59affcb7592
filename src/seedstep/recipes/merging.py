"""Merge shards: runs of bootstraps that grew side by side in, one run of a bootstrap out.

The tasks of all shards are taken in the order of round, shard and item. A task is kept if it is as
novel as in one run: its ROUGE-L with each seed, and with each task kept before it, is below the
threshold, and so is its cosine, if the shards compare by meaning. So what is kept does not depend
on which shard ended first, nor on the order in which they are named. The merged run is the pool of
the next round, and is merged with its shards.

Example::

    merged = merge_runs(["round-1/shard-1", "round-1/shard-2"], "round-1/merged")
    print(merged.kept, merged.dropped)
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import nextafter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from seedstep.bootstrap.pool import MIN_INPUT_TOKENS
from seedstep.bootstrap.rules import same_wording
from seedstep.data import StrPath, new_folder, paths_of
from seedstep.data.records import Tabulated
from seedstep.errors import InputError, RunError
from seedstep.novelty import (
    Decisions,
    NamedText,
    Neighbor,
    TokenNumbers,
    decide,
    decide_on_ray,
    encode,
    nearest_known,
    ranks,
    ray_cluster,
    tell_nearness,
)
from seedstep.recipes.meaning import Semantic, decide_texts, stored_vectors
from seedstep.recipes.merge_sources import MergeSource, merge_sources
from seedstep.recipes.tasks import in_thread
from seedstep.runs import Run, digest
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE
from seedstep.runs.merges import (
    MERGED,
    Merge,
    Rejection,
    Renaming,
    copy_generations,
    finished_inputs,
    finished_instructions,
    merge_of,
)
from seedstep.runs.places import CONFIG, write_config
from seedstep.settings import change_settings
from seedstep.stages import BOOTSTRAP
from seedstep.stages.bootstrap import contamination_of
from seedstep.text import TOKENIZERS

__all__ = ["MergeReport", "merge_runs", "merge_runs_async"]

UNMERGED = ("shard", "round", "pool", "pool_fingerprint", "max_requests", "max_tokens", "max_usd")
"""What a merged run does not take over from its shards."""


@dataclass(frozen=True, slots=True)
class MergeReport(Tabulated):
    """A merged run: what it was made of, and how many tasks were kept, or dropped by reason."""

    merge: Merge
    kept: int
    dropped: Counter[str]

    def to_records(self) -> list[dict[str, Any]]:
        """Return plain rows, one for each run that was merged, in the order of their tasks."""
        left_out = ("tokens", "by_batch")
        return [
            {name: value for name, value in asdict(shard).items() if name not in left_out}
            for shard in self.merge.shards
        ]


def merge_runs(
    runs: StrPath | Sequence[StrPath],
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
        MissingExtraError: Ray, or the encoder by which the runs compare meanings, is not installed.
        ModelError: that encoder can't be asked.
        RunError: a source is no run of a bootstrap, works still, or is damaged (`StoreError`); or
            there is another run at `out`.
    """
    paths = paths_of(runs)
    with merge_sources(paths, partial=partial, different=different) as (sources, merge):
        return _Merging(sources, merge, ray, partitions).write(Path(out))


merge_runs_async = in_thread(merge_runs)


class _Merging:
    """The work of a merge: what is decided about the tasks of all sources, and the new run."""

    def __init__(
        self,
        sources: Sequence[MergeSource],
        merge: Merge,
        ray: str | None,
        partitions: int,
    ) -> None:
        self._merge = merge
        self._ray = ray
        self._partitions = partitions
        self._rejected: dict[str, Rejection] = {}
        self._bad: dict[tuple[str, int], tuple[str, str]] = {}
        self._first = min(sources, key=lambda source: (source.part, source.place))
        tokens = {source.settings.tokens for source in sources}
        self._tokens = tokens.pop() if len(tokens) == 1 else "unicode"
        self._sources, self._seeds, self._seeds_of_some = _with_seeds(sources)

    def write(self, out: Path) -> MergeReport:
        """Decide on all tasks, and write the run."""
        tasks = [
            (source.names.of(name), text)
            for source in self._sources
            for name, text in finished_instructions(source.database)
        ]
        if self._merge.differences:
            self._decontaminate(tasks)
        self._decide(self._left(tasks))
        self._decide_by_meaning(self._left(tasks))
        kept = self._left(tasks)
        if not kept:
            raise InputError("no task is left to merge", "run the shards to their end")
        self._require_pools(kept)
        counts = Counter(map(_shard_of, kept))
        counted = (replace(shard, kept=counts[shard.prefix]) for shard in self._merge.shards)
        merge = replace(self._merge, shards=tuple(counted))
        config = {
            **{
                name: value
                for name, value in self._first.run.config.items()
                if name not in (*UNMERGED, MERGED)
            },
            "tasks": len(kept),
            MERGED: msgspec.json.decode(msgspec.json.encode(merge)),
        }
        dropped = Counter(reason for (reason, _), _ in self._rejected.values())
        report = MergeReport(merge, len(kept), dropped)
        if out.exists():
            _require_same(out, merge)
            return report
        with new_folder(out) as folder:
            write_config(folder, CONFIG, config)
            self._copy(folder / DATABASE)
        return report

    def _left(self, tasks: Sequence[NamedText]) -> list[NamedText]:
        """Return the tasks that are not rejected yet."""
        return [task for task in tasks if task[0] not in self._rejected]

    def _decontaminate(self, tasks: Sequence[NamedText]) -> None:
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
        for source in self._sources:
            for task, position, text in finished_inputs(source.database):
                name = source.names.of(task)
                is_long = len(tokenizer(text)) >= MIN_INPUT_TOKENS
                overlap = contamination.overlap(text) if is_long else None
                if overlap:
                    self._bad[name, position] = "contaminated", overlap.detail
                left[name] += not overlap
        overlaps = contamination.overlaps([text for _, text in tasks])
        for (name, _), overlap in zip(tasks, overlaps, strict=True):
            if overlap:
                self._rejected[name] = ("contaminated", overlap.detail), None
            elif not left[name]:
                self._rejected[name] = ("no_good_instance", ""), None

    def _decide(self, tasks: Sequence[NamedText]) -> None:
        """Reject the tasks that are not novel beside the seeds and those kept before them."""
        self._rejected |= self._near_seeds(tasks)
        tasks = self._left(tasks)
        decisions = self._decisions([text for _, text in tasks])
        tokenizer = TOKENIZERS[self._tokens]
        wordings = {same_wording(text): name for name, text in self._seeds.items()}
        for place, (task, text) in enumerate(tasks):
            nearest, score = int(decisions.nearest.numbers[place]), decisions.nearest.scores[place]
            if not decisions.kept[place]:
                self._rejected[task] = _not_novel(tasks[nearest][0], float(score))
            elif not tokenizer(text):  # it has no tokens that could be compared
                first = wordings.setdefault(same_wording(text), task)
                if first != task:
                    self._rejected[task] = ("not_novel", f"the wording of {first}"), None

    def _decide_by_meaning(self, tasks: Sequence[NamedText]) -> None:
        """Reject the tasks that are others kept before them in other words.

        So are those that are a seed of another run. The embeddings of tasks are in the shards; what
        is in none is embedded now, as are such seeds.
        """
        (encoder, *others) = {source.settings.semantic for source in self._sources}
        if encoder is None or others:
            return
        settings = self._first.settings
        runs = [self._first.run, *(source.run for source in self._sources)]
        strictest = min(source.settings.semantic_threshold for source in self._sources)
        how = Semantic(encoder, strictest, settings.semantic_base_url, settings.model.in_flight)
        seeds = self._seeds_of_some
        vectors = stored_vectors(
            how,
            [text for _, text in (*tasks, *seeds)],
            [(run.identity_of("semantic_base_url"), run.ledger) for run in runs],
        )
        found = decide_texts(how, [text for _, text in tasks], seeds, vectors=vectors)
        nearest = found.decisions.nearest
        for row in np.flatnonzero(~found.decisions.kept).tolist():
            if overlap := found.overlaps[row]:
                near, score = overlap.item, overlap.score or 0.0
            else:
                near, score = tasks[int(nearest.numbers[row])][0], float(nearest.scores[row])
            detail = tell_nearness(near, score, "cosine")
            self._rejected[tasks[row][0]] = ("same_meaning", detail), Neighbor(near, score)

    @property
    def _threshold(self) -> float:
        """The score from which a task is not novel; the released code keeps the threshold's own."""
        settings = [source.settings for source in self._sources]
        strictest = min(each.novelty_threshold for each in settings)
        released = all(each.fidelity == "released" for each in settings)
        return nextafter(strictest, 2.0) if released else strictest

    def _near_seeds(self, tasks: Sequence[NamedText]) -> dict[str, Rejection]:
        vocabulary = TokenNumbers(TOKENIZERS[self._tokens])
        seeds = vocabulary.number(self._seeds.values())
        texts = vocabulary.number(text for _, text in tasks)
        places = ranks(seeds.counts(len(vocabulary)) + texts.counts(len(vocabulary)))
        near = nearest_known(encode(seeds, places), encode(texts, places), self._threshold)
        names = list(self._seeds)
        return {
            tasks[row][0]: _not_novel(names[near.numbers[row]], float(near.scores[row]))
            for row in np.flatnonzero(near.numbers >= 0).tolist()
        }

    def _decisions(self, texts: Sequence[str]) -> Decisions:
        if self._ray:
            with ray_cluster(self._ray):
                return decide_on_ray(texts, self._tokens, self._threshold, self._partitions)
        vocabulary = TokenNumbers(TOKENIZERS[self._tokens])
        numbered = vocabulary.number(texts)
        return decide(encode(numbered, ranks(numbered.counts(len(vocabulary)))), self._threshold)

    def _require_pools(self, kept: Sequence[NamedText]) -> None:
        """Check that each round was grown from what is kept of the rounds before it."""
        if self._merge.differences:
            return
        of_round = {shard.prefix: shard.round for shard in self._merge.shards}
        for source in self._sources:
            stamp = source.run.config.get("pool_fingerprint")
            number = source.place[0]
            before = (task for task in kept if of_round[_shard_of(task)] < number)
            if stamp and number > 1 and stamp != digest(before):
                what = f"{source.run.path} was grown from another pool than the rounds before it"
                raise InputError(
                    what, f"merge it with the shards or the run of {source.settings.pool}"
                )

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


def _with_seeds(
    sources: Sequence[MergeSource],
) -> tuple[list[MergeSource], dict[str, str], list[NamedText]]:
    """Return the sources, the seeds of all, and those that not all have.

    Tasks were not compared with seeds that their source does not have. Another text of a known id
    gets another id, which its source knows then.
    """
    named, seeds, having = list(sources), dict[str, str](), Counter[str]()
    for place in sorted(range(len(named)), key=lambda place: bool(named[place].names.prefix)):
        source, others = named[place], set[str]()
        definitions = source.run.records.seed_definitions()
        having.update({text for _, text in definitions})
        for name, text in definitions:
            if seeds.get(name, text) != text:
                others.add(name)
                name = f"{source.names.prefix}{name}"
            seeds.setdefault(name, text)
        if others:
            pool = (Renaming(source.names.prefix, others), *source.names.pool)
            named[place] = replace(source, names=replace(source.names, pool=pool))
    return named, seeds, [each for each in seeds.items() if having[each[1]] < len(named)]


def _placed(merge: Merge) -> Merge:
    """Return a merge with the whole paths of its runs, however they were named."""
    shards = (replace(each, run=os.path.realpath(each.run)) for each in merge.shards)
    return replace(merge, shards=tuple(shards))


def _not_novel(neighbor: str, score: float) -> Rejection:
    return ("not_novel", tell_nearness(neighbor, score)), Neighbor(neighbor, score)


def _shard_of(task: NamedText) -> str:
    """Return how the ids of the tasks of its shard begin."""
    return task[0].rpartition("g")[0]


def _require_same(out: Path, merge: Merge) -> None:
    """Check that the run at `out` is the same merge."""
    with Run.read(BOOTSTRAP, out) as run:
        kept = merge_of(run.config)
        if kept is None or _placed(kept) != _placed(merge):
            raise RunError(f"{out} exists, and was merged from other runs", "name another --out")
