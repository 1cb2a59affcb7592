"""Compare the instructions of a bootstrap by meaning, beside ROUGE-L, where that is asked for.

A text is embedded once, when it is read; what is known then is decided about in the order of the
items, as novelty is. Not from the papers.

Example::

    meanings = await Meanings.begin(encoder, 0.8, seeds)
    await meanings.read(["Order the numbers by size."])
    fault, neighbor = meanings.judge("Order the numbers by size.")
"""

from collections.abc import Sequence

import numpy as np

from seedstep.bootstrap.filters import Fault, SiftedInstances
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
        self._read: dict[str, Vector | Failure] = {}

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

    async def read(self, texts: Sequence[str], priority: Priority = (0,)) -> None:
        """Embed texts, about which is decided later.

        Raises:
            ModelError: the encoder can't be asked, or is another one than before.
            BudgetReached: the budget is spent.
        """
        found = await self._encoder.embed(texts, priority)
        for text, vector in zip(texts, found, strict=True):
            self._read[text] = vector if isinstance(vector, Failure) else unit_rows(vector[None])[0]

    def judge(self, text: str) -> tuple[Fault | None, Neighbor | None]:
        """Return the fault of an instruction that was read, and the nearest known one."""
        vector = self._read.get(text)
        if vector is None:
            return None, None
        if isinstance(vector, Failure):
            return ("request_failed", f"the embedding: {vector.detail}"), None
        overlap = self._contamination.overlap(vector) if self._contamination else None
        neighbor = self._index.nearest(vector)
        if overlap:
            return ("contaminated", overlap.detail), neighbor
        if neighbor and neighbor.score >= self._threshold:
            return ("same_meaning", f"cosine {neighbor.score:.2f} with {neighbor.id}"), neighbor
        return None, neighbor

    def decided(self, candidate_id: str, text: str, *, accepted: bool) -> None:
        """Add an accepted instruction to the known ones."""
        vector = self._read.get(text)
        if accepted and vector is not None and not isinstance(vector, Failure):
            self._index.add(candidate_id, vector)

    def forget(self, texts: Sequence[str]) -> None:
        """Forget texts that were read, and decided about."""
        for text in texts:
            self._read.pop(text, None)

    async def sift(
        self, kept: SiftedInstances, least_tokens: int, priority: Priority = (0,)
    ) -> SiftedInstances:
        return kept

    async def _all(self, items: Sequence[tuple[str, str]]) -> Vector:
        """Embed items (name, text), each text once."""
        places: dict[str, int] = {}
        for _, text in items:
            places.setdefault(text, len(places))
        vectors = await self._encoder.embed(list(places))
        for name, text in items:
            found = vectors[places[text]]
            if isinstance(found, Failure):
                what = f"'{name}' can't be embedded by {self._encoder.name}: {found.detail}"
                raise ModelError(what, "use an encoder that takes longer texts, such as minilm")
        rows = np.array([vectors[place] for place in places.values()], np.float32)
        return unit_rows(rows)[[places[text] for _, text in items]]
