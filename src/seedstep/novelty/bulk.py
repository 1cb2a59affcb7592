"""Decide which texts of a whole file are novel, here or on a Ray cluster (Self-Instruct, 2.2).

The decisions are the same as if the texts were taken one after the other, and each was compared
with all texts kept before it. A range of texts is settled in halves: the first half is settled, its
kept texts are compared with the second half, and then the second half is settled. A range with few
pairs to compare is compared with itself at once. This limits memory, and of a million variations of
a sentence only the kept one is compared with the others. On a cluster, each worker holds a
`Partition` of consecutive texts.

Example::

    decisions = decide(encode(numbered, places), threshold=0.7)
    novel = [text for text, kept in zip(corpus, decisions.kept) if kept]
"""

import socket
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedstep.errors import InputError, MissingExtraError, SeedstepError, first_line
from seedstep.novelty.join import MAX_KEYS, Matches, join, key_counts
from seedstep.novelty.texts import IndexedTexts, Sequenced, TokenNumbers, encode
from seedstep.text import TOKENIZERS

__all__ = [
    "Decisions",
    "KeptTexts",
    "Nearest",
    "Settling",
    "TellSettled",
    "decide",
    "decide_on_ray",
    "nearest_known",
    "ray_cluster",
]

FEW_HITS = 1 << 20
HITS_PER_TEXT = 64
"""A range with at most so many equal keys, per text or in total, is compared with itself."""

TellSettled = Callable[[int], None]
"""A function that is called now and then with the number of texts that are settled."""

NearScores = Mapping[int, Mapping[int, float]]
"""For each text, its scores with other texts, where they reach the threshold."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The most similar known text of each of n texts, the first of equals: two arrays (n,).

    `numbers` is -1 and `scores` is 0 where no ROUGE-L F1 reaches the threshold.
    """

    numbers: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def none(cls, count: int) -> "Nearest":
        """Return the record for `count` texts for which nothing was found yet."""
        return cls(np.full(count, -1, np.int64), np.zeros(count))

    def improve(
        self, rows: NDArray[np.int64], numbers: NDArray[np.int64], scores: NDArray[np.float64]
    ) -> None:
        """Take over what is nearer for these rows, or as near with a smaller number.

        Where a row stands several times, its nearest must come last.
        """
        tied = (scores == self.scores[rows]) & (numbers < self.numbers[rows])
        better = np.flatnonzero((scores > self.scores[rows]) | tied)
        self.numbers[rows[better]] = numbers[better]
        self.scores[rows[better]] = scores[better]


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions about n texts: `kept` (n,), and the nearest text kept before each."""

    kept: NDArray[np.bool_]
    nearest: Nearest


def decide(texts: IndexedTexts, threshold: float, tell: TellSettled | None = None) -> Decisions:
    """Keep each text whose score with every text kept before it is below the threshold."""
    work = Settling(texts, threshold, tell=tell)
    work.settle(0, len(texts))
    return work.decisions


def nearest_known(known: IndexedTexts, texts: IndexedTexts, threshold: float) -> Nearest:
    """Return each text's nearest known text, by its row, where a score reaches the threshold."""
    known_rows, _ = _distinct(known)
    rows, places = _distinct(texts)
    found = Nearest.none(len(rows))
    for pairs in join(known.take(known_rows), texts.take(rows), threshold):
        order = np.lexsort((-pairs.ones, pairs.scores))
        found.improve(pairs.others[order], known_rows[pairs.ones[order]], pairs.scores[order])
    return Nearest(found.numbers[places], found.scores[places])


def _distinct(texts: IndexedTexts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows where sequences come first, in order, and each text's place there."""
    first: dict[Sequenced, int] = {}
    places = [first.setdefault(sequence, len(first)) for sequence in texts.sequences]
    _, rows = np.unique(places, return_index=True)
    return rows, np.array(places, np.int64)


@dataclass(frozen=True, slots=True)
class KeptTexts:
    """Kept texts with their numbers, in ascending order: (n,)."""

    texts: IndexedTexts
    numbers: NDArray[np.int64]


class Settling:
    """Texts that are being decided."""

    def __init__(
        self,
        texts: IndexedTexts,
        threshold: float,
        *,
        first: int = 0,
        tell: TellSettled | None = None,
    ) -> None:
        """Take texts. `first` is the number of the first one, where they are a part of many."""
        self.decisions = Decisions(np.zeros(len(texts), np.bool_), Nearest.none(len(texts)))
        self._texts = texts
        self._threshold = threshold
        self._first = first
        self._tell = tell

    def __len__(self) -> int:
        return len(self._texts)

    def meet(self, kept: KeptTexts, start: int, end: int) -> None:
        """Compare the texts from `start` to `end` with texts that were kept before them."""
        found = nearest_known(kept.texts, self._texts.part(start, end), self._threshold)
        numbers = np.append(kept.numbers, -1)[found.numbers]  # -1 stays -1
        self.decisions.nearest.improve(np.arange(start, end), numbers, found.scores)

    def kept(self, start: int, end: int) -> KeptTexts:
        """Return what is kept of the texts from `start` to `end`, which must be decided."""
        rows = start + np.flatnonzero(self.decisions.kept[start:end])
        return KeptTexts(self._texts.take(rows), rows + self._first)

    def settle(self, start: int, end: int) -> None:
        """Decide the texts from `start` to `end`. All texts before them must be decided."""
        if start == end:
            return
        texts = self._texts.part(start, end)
        rows, places = _distinct(texts)
        near = self._near(texts.take(rows))
        if near is not None:
            self._resolve(start, places.tolist(), near)
            if self._tell:
                self._tell(end)
            return
        middle = (start + end) // 2
        self.settle(start, middle)
        self.meet(self.kept(start, middle), middle, end)
        self.settle(middle, end)

    def _near(self, texts: IndexedTexts) -> NearScores | None:
        """Return the scores between distinct texts; None if they have too many pairs."""
        if int(key_counts(texts, self._threshold).sum()) > MAX_KEYS and len(texts) > 1:
            return None
        matches = Matches(texts, texts, self._threshold)
        if matches.hits > max(FEW_HITS, HITS_PER_TEXT * len(texts)) and len(texts) > 1:
            return None
        near: dict[int, dict[int, float]] = defaultdict(dict)
        for pairs in matches.pairs():
            columns = (pairs.ones.tolist(), pairs.others.tolist(), pairs.scores.tolist())
            for first, second, score in zip(*columns, strict=True):
                near[first][second] = near[second][first] = score
        return near

    def _resolve(self, start: int, places: Sequence[int], near: NearScores) -> None:
        """Decide one text after the other. `places` says what `near` calls each of them."""
        kept, nearest = self.decisions.kept, self.decisions.nearest
        rows: dict[int, int] = {}
        for row, text in enumerate(places, start):
            options = [
                (near[text][neighbor], -rows[neighbor])
                for neighbor in near.get(text, ())
                if neighbor in rows
            ]
            if text in rows:
                options.append((1.0, -rows[text]))
            if options:
                score, minus = max(options)
                if score > nearest.scores[row]:
                    nearest.scores[row], nearest.numbers[row] = score, self._first - minus
            if nearest.scores[row] < self._threshold:
                kept[row] = True
                if self._texts.sequences[row]:  # a text without tokens is similar to none
                    rows[text] = row


CONNECT_SECONDS = 10.0
_START_ONE = "start one there, or use local"


class Partition:
    """Consecutive texts, held by a worker. `first` is the number of the first of them."""

    def __init__(self, texts: Sequence[str], first: int, tokens: str, threshold: float) -> None:
        self._raw = texts
        self._tokenizer = TOKENIZERS[tokens]
        self._first = first
        self._threshold = threshold

    def counts(self) -> Counter[str]:
        """Return how often each token stands in the texts."""
        return Counter(token for text in self._raw for token in self._tokenizer(text))

    def encode(self, tokens: Sequence[str]) -> None:
        """Encode the texts. `tokens` are those of all partitions, the rarest first."""
        vocabulary = TokenNumbers(self._tokenizer, tokens)
        texts = encode(vocabulary.number(self._raw))
        self._work = Settling(texts, self._threshold, first=self._first)
        self._raw = ()

    def meet(self, kept: KeptTexts) -> None:
        """Compare all texts with what an earlier partition kept."""
        self._work.meet(kept, 0, len(self._work))

    def settle(self) -> KeptTexts:
        """Decide all texts, and return what is kept."""
        self._work.settle(0, len(self._work))
        return self._work.kept(0, len(self._work))

    def decisions(self) -> Decisions:
        """Return what was decided about the texts. The numbers count through all partitions."""
        return self._work.decisions


@contextmanager
def ray_cluster(address: str) -> Iterator[None]:
    """Connect to a cluster while the block runs; the address "local" starts one on this machine.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: nothing answers at the address, or none could be started.
        SeedstepError: a worker was lost while the block ran.
    """
    ray = _import_ray()
    is_local = address == "local"
    try:
        _require_answer(address)
        ray.init(
            address=None if is_local else address,
            include_dashboard=False if is_local else None,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except Exception as error:  # also a bare one, where Ray takes more than 30 s to start
        ray.shutdown()
        what = f"no Ray cluster at {address}: {first_line(error)}"
        remedy = "run it again when this machine is less busy" if is_local else _START_ONE
        raise InputError(what, remedy) from None
    try:
        yield
    except ray.exceptions.RayError as error:
        what = f"the Ray cluster failed: {first_line(error)}"
        raise SeedstepError(what, "give its workers more memory, or use more partitions") from None
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Connect to a host and port once. Ray itself tries for minutes, and then ends the process."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise MissingExtraError("Ray", extra="ray") from None
    return ray


def decide_on_ray(
    texts: Sequence[str],
    tokens: str,
    threshold: float,
    partitions: int,
    tell: TellSettled | None = None,
) -> Decisions:
    """Decide as `decide` does, in partitions on the cluster that this process is connected to.

    `tokens` names the tokenisation.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    ray = _import_ray()
    firsts = np.linspace(0, len(texts), partitions + 1).astype(int).tolist()
    spans = list(pairwise(firsts))
    remote = ray.remote(Partition)
    workers = [remote.remote(texts[start:end], start, tokens, threshold) for start, end in spans]
    counts: Counter[str] = Counter()
    for counted in [worker.counts.remote() for worker in workers]:
        counts.update(ray.get(counted))
    rarest_first = ray.put([token for token, _ in reversed(counts.most_common())])
    for worker in workers:
        worker.encode.remote(rarest_first)
    for number, worker in enumerate(workers):
        kept = worker.settle.remote()  # each worker does what it is asked in that order
        for later in workers[number + 1 :]:
            later.meet.remote(kept)
    done = []
    for decided, (_, end) in zip(
        [worker.decisions.remote() for worker in workers], spans, strict=True
    ):
        done.append(ray.get(decided))
        if tell:
            tell(end)
    return Decisions(
        np.concatenate([decisions.kept for decisions in done]),
        Nearest(
            np.concatenate([decisions.nearest.numbers for decisions in done]),
            np.concatenate([decisions.nearest.scores for decisions in done]),
        ),
    )
