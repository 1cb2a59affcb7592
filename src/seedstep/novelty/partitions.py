"""The decisions of `decide` on a Ray cluster, for more texts than one machine holds.

Each partition of the texts is held by a worker of its own. A partition is settled once it was
compared with what all partitions before it kept; meanwhile the partitions after it are compared
with the same texts, in parallel. A worker holds its partition, what one other partition kept, and
the numbers of the tokens, which are the same for all.

Example::

    with ray_cluster("auto"):
        decisions = decide_on_ray(corpus, "latin", threshold=0.7, partitions=16)
"""

import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from seedstep.errors import InputError, MissingExtraError, SeedstepError, first_line
from seedstep.novelty.bulk import Decisions, KeptTexts, Nearest, Settling, TellSettled
from seedstep.novelty.texts import TokenNumbers, encode
from seedstep.text import TOKENIZERS

__all__ = ["decide_on_ray", "ray_cluster"]

CONNECT_SECONDS = 10.0


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
        InputError: nothing answers at the address.
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
    except (OSError, ValueError, RuntimeError) as error:
        what = f"no Ray cluster at {address}: {first_line(error)}"
        raise InputError(what, "start one there, or use local") from None
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
        raise MissingExtraError("Ray", "pip install 'seedstep[ray]'") from None
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
