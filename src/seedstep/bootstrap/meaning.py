"""Compare the instructions of a bootstrap by meaning, beside ROUGE-L, where that is asked for.

Each text is embedded once, when the reply with it is read. Whether an instruction is accepted is
decided in the order of the items, as for novelty. This is not in the papers.

Example::

    meanings = await Meanings.begin(encoder, 0.8, seeds)
    vectors = await meanings.read(["Order the numbers by size."])
    fault, neighbor = meanings.judge(vectors["Order the numbers by size."])
"""

from collections.abc import Callable, Sequence

import numpy as np

from seedstep.bootstrap.filters import Fault, SiftedInstances
from seedstep.bootstrap.pool import rejected
from seedstep.data import Task
from seedstep.errors import ModelError
from seedstep.llm import Failure
from seedstep.llm.embeddings import Encoder
from seedstep.llm.pacing import Priority
from seedstep.novelty import MeaningContamination, MeaningIndex, Neighbor, Vector, unit_rows

__all__ = ["Meanings"]


class Meanings:
    """The embeddings of the instructions in a pool, and of the items of evaluation sets."""

    def __init__(self, encoder: Encoder, threshold: float) -> None:
        """Use `begin`. From a cosine of `threshold` two instructions ask for the same."""
        self._encoder = encoder
        self._threshold = threshold
        self._index = MeaningIndex()
        self._contamination: MeaningContamination | None = None

    @classmethod
    async def begin(
        cls,
        encoder: Encoder,
        threshold: float,
        seeds: Sequence[Task],
        items: Sequence[tuple[str, str]] = (),
    ) -> "Meanings":
        """Embed the seed tasks, and the `items` (name, text) of evaluation sets.

        Raises:
            ModelError: one of them can't be embedded, or the encoder can't be asked.
            BudgetReached: the budget is spent.
        """
        made = cls(encoder, threshold)
        vectors = await made._all([(task.id, task.definition) for task in seeds])
        for task, vector in zip(seeds, vectors, strict=True):
            made._index.add(task.id, vector)
        texts = [(name, text) for name, text in items if text.strip()]
        if texts:
            made._contamination = MeaningContamination(texts, await made._all(texts), threshold)
        return made

    async def read(
        self, texts: Sequence[str], priority: Priority = (0,)
    ) -> dict[str, Vector | Failure]:
        """Return the embeddings of texts, about which is decided later.

        Raises:
            ModelError: the encoder can't be asked, or is another one than before.
            BudgetReached: the budget is spent.
        """
        texts = list(dict.fromkeys(texts))
        found = await self._encoder.embed(texts, priority, alone=True)
        return {
            text: vector if isinstance(vector, Failure) else unit_rows(vector[None])[0]
            for text, vector in zip(texts, found, strict=True)
        }

    def judge(self, vector: Vector | Failure) -> tuple[Fault | None, Neighbor | None]:
        """Return the fault of an instruction, and the nearest known one."""
        fault = self._too_close(vector)
        neighbor = None if isinstance(vector, Failure) else self._index.nearest(vector)
        if fault:
            return fault, neighbor
        if neighbor and neighbor.score >= self._threshold:
            return ("same_meaning", f"cosine {neighbor.score:.2f} with {neighbor.id}"), neighbor
        return None, neighbor

    def add(self, candidate_id: str, vector: Vector | Failure) -> None:
        """Add an accepted instruction to the known ones."""
        assert not isinstance(vector, Failure)
        self._index.add(candidate_id, vector)

    async def remember(self, known: Sequence[tuple[str, str]]) -> None:
        """Add instructions with their ids, in their order, that were accepted before.

        Raises:
            ModelError: one of them can't be embedded, or the encoder can't be asked, or is another
                one than before.
            BudgetReached: the budget is spent.
        """
        vectors = await self.read([text for _, text in known])
        for candidate_id, text in known:
            self._require(candidate_id, vectors[text])
            self.add(candidate_id, vectors[text])

    async def sift(
        self, kept: SiftedInstances, is_long: Callable[[str], bool], priority: Priority = (0,)
    ) -> SiftedInstances:
        """Reject the instances with a long input that is too close to an evaluation set.

        Raises:
            ModelError: the encoder can't be asked, or is another one than before.
            BudgetReached: the budget is spent.
        """
        if not self._contamination:
            return kept
        long = [each.input for each in kept.instances if is_long(each.input)]
        read = await self.read(long, priority)
        instances, bad = [], list(kept.rejected)
        for instance in kept.instances:
            fault = self._too_close(read.get(instance.input))
            if fault:
                bad.append(rejected(instance, *fault))
            else:
                instances.append(instance)
        return SiftedInstances(tuple(instances), tuple(bad))

    def _too_close(self, vector: Vector | Failure | None) -> Fault | None:
        """Return the fault of a text that is too close to an evaluation set, or was not read."""
        if isinstance(vector, Failure):
            return "request_failed", f"the embedding: {vector.detail}"
        if vector is None or not self._contamination:
            return None
        overlap = self._contamination.overlap(vector)
        return ("contaminated", overlap.detail) if overlap else None

    async def _all(self, items: Sequence[tuple[str, str]]) -> Vector:
        """Embed items (name, text), each text once."""
        places: dict[str, int] = {}
        for _, text in items:
            places.setdefault(text, len(places))
        vectors = await self._encoder.embed(list(places))
        for name, text in items:
            self._require(name, vectors[places[text]])
        rows = np.array([vectors[place] for place in places.values()], np.float32)
        return unit_rows(rows)[[places[text] for _, text in items]]

    def _require(self, name: str, found: Vector | Failure) -> None:
        """Raise ModelError if a text that is known was not embedded."""
        if isinstance(found, Failure):
            what = f"'{name}' can't be embedded by {self._encoder.name}: {found.detail}"
            raise ModelError(what, "use an encoder that takes longer texts, such as minilm")
