"""The pool of a bootstrap: the tasks that requests show, and all instructions so far.

`Pool` compares new instructions with those by ROUGE-L; `Meanings` by meaning, beside it, where that
is asked for, which is not in the papers.

Example::

    pool = Pool(seeds, settings)
    fault, neighbor = pool.judge("g0.1", "Sort the numbers from small to large.")
    meanings = await Meanings.begin(encoder, 0.8, pool.begun_with)
    vectors = await meanings.read(["Order the numbers by size."])
    fault, neighbor = meanings.judge(vectors["Order the numbers by size."])
"""

from collections.abc import Callable, Sequence

import numpy as np

from seedstep.bootstrap.added_filters import check_filters, guarded_filters
from seedstep.bootstrap.filters import FILTERS, Filter
from seedstep.bootstrap.instances import CandidateReply
from seedstep.bootstrap.records import Candidate, Fault, RejectedInstance
from seedstep.bootstrap.rules import same_wording, too_hard
from seedstep.bootstrap.settings import BootstrapSettings
from seedstep.bootstrap.sifting import instruction_fault, sift_instances
from seedstep.data import Task
from seedstep.data.choice import generator
from seedstep.errors import ModelError
from seedstep.llm import Failure
from seedstep.llm.embeddings import Encoder
from seedstep.llm.pacing import Priority
from seedstep.novelty import (
    Contamination,
    MeaningContamination,
    MeaningIndex,
    NamedText,
    Neighbor,
    NoveltyIndex,
    Vector,
    tell_nearness,
    unit_rows,
)
from seedstep.text import TOKENIZERS, count_words

__all__ = ["Meanings", "Pool", "is_novel"]

SHORT = 15
"""The most words of a seed task that is easy."""

MOST_DRAWN = 5
"""The most instances of a task in the released code, which draws them at random from more."""

MIN_INPUT_TOKENS = 8
"""The fewest tokens of an input that is compared with evaluation sets: "yes" is no copy."""


class Pool:
    """The tasks that requests show, and the instructions with which new ones are compared."""

    def __init__(
        self,
        seeds: Sequence[Task],
        settings: BootstrapSettings,
        contamination: Contamination | None = None,
        filters: Sequence[Filter] = FILTERS,
        earlier: Sequence[Task] = (),
    ) -> None:
        """Begin with the seed tasks, and tasks that were grown `earlier`.

        New tasks must not be similar to those of `contamination`.

        Raises:
            InputError: two filters have one name.
        """
        settings = settings.for_seeds(seeds)
        self._filters = guarded_filters(check_filters(filters))
        self.finished: list[Task] = []
        prompts = settings.prompts
        self._seeds = (_easy(seeds) if prompts.easy else ()) or tuple(seeds)
        self._settings = settings
        self._english = settings.tokens == "latin"
        self._contamination = contamination
        self._tokenizer = TOKENIZERS[settings.tokens]
        self._index = NoveltyIndex(self._tokenizer)
        self._wordings: dict[str, str] = {}
        self._unread: list[NamedText] = []
        self._earlier = tuple(earlier)
        self.begun_with = (
            *((task.id, task.definition) for task in (*seeds, *earlier)),
            *prompts.known.items(),
        )
        """The ids and instructions of all that is known before the first request."""
        self.remember(self.begun_with)

    def remember(self, known: Sequence[NamedText]) -> None:
        """Add instructions with their ids, in their order, that were accepted before."""
        self._index.add_all(known)
        self._unread += known

    def sample(self, index: int, finished: int | None = None) -> tuple[Task, ...]:
        """Return the demonstrations of request `index`: 6 seed and 2 finished tasks, shuffled.

        How many they are depends on the prompt style. Of the finished tasks, the first `finished`
        are drawn from, by default all. If fewer tasks are finished, more seed tasks are used. The
        choice depends only on the run's seed, the index and the pool.
        """
        whole, most = self._settings.prompts.shown
        chance = generator(f"{self._settings.chance}:{index}")
        grown = len(self._earlier) + (len(self.finished) if finished is None else finished)
        drawn = chance.sample(range(grown), min(most, grown))
        machine = [self._grown(place) for place in drawn]
        human = min(whole - len(machine), len(self._seeds))
        shown = machine + chance.sample(self._seeds, human)
        chance.shuffle(shown)
        return tuple(shown)

    def _grown(self, place: int) -> Task:
        before = len(self._earlier)
        return self._earlier[place] if place < before else self.finished[place - before]

    def fault(self, instruction: str) -> Fault | None:
        """Return what the filters find wrong with an instruction, whatever is in the pool."""
        settings = self._settings
        return instruction_fault(
            instruction,
            self._filters,
            english=self._english,
            extra=settings.extra_filters,
            fidelity=settings.fidelity,
            style=settings.style,
        )

    def judge(
        self, candidate_id: str, instruction: str, last: Fault | None = None
    ) -> tuple[Fault | None, Neighbor | None]:
        """Accept an instruction and add it to the pool, or return its fault.

        `last` is a fault that was found otherwise, for an instruction that has no other.
        """
        settings = self._settings
        if fault := self.fault(instruction):
            return fault, None
        if self._contamination and (overlap := self._contamination.overlap(instruction)):
            return ("contaminated", overlap.detail), None
        neighbor = self._index.nearest(instruction)
        if neighbor and not is_novel(neighbor, settings.novelty_threshold, settings.fidelity):
            return ("not_novel", tell_nearness(neighbor.id, neighbor.score)), neighbor
        same = None if neighbor else self._same_wording(instruction)
        if same:  # it has no tokens that could be compared
            return ("not_novel", f"the wording of {same}"), None
        if last:
            return last, neighbor
        self.remember([(candidate_id, instruction)])
        return None, neighbor

    def _same_wording(self, instruction: str) -> str | None:
        """Return the id of the first known instruction with the same wording, if there is one."""
        for text_id, text in self._unread:
            self._wordings.setdefault(same_wording(text), text_id)
        self._unread.clear()
        return self._wordings.get(same_wording(instruction))

    def sift(self, candidate: Candidate, reply: CandidateReply) -> Candidate:
        """Divide the instances of a reply into good ones and rejected or contaminated ones."""
        return self._decontaminate(self._filtered(candidate, reply))

    def sift_again(self, candidate: Candidate) -> Candidate:
        """Divide good instances again, of some of which a gate has replaced the output."""
        task = candidate.task
        return self._filtered(candidate, CandidateReply(task.definition, task.instances))

    def _filtered(self, candidate: Candidate, reply: CandidateReply) -> Candidate:
        settings = self._settings
        return sift_instances(
            candidate,
            reply,
            self._filters,
            english=self._english,
            fidelity=settings.fidelity,
            extra=settings.extra_filters,
            style=settings.style,
        )

    def is_long(self, text: str) -> bool:
        """Return whether an input is long enough to be compared with evaluation sets."""
        return len(self._tokenizer(text)) >= MIN_INPUT_TOKENS

    def _decontaminate(self, candidate: Candidate) -> Candidate:
        """Reject the instances whose input is too similar to an evaluation set."""
        if not self._contamination:
            return candidate
        instances, bad = [], []
        for instance in candidate.task.instances:
            long = self.is_long(instance.input)
            overlap = self._contamination.overlap(instance.input) if long else None
            if overlap:
                bad.append(RejectedInstance(instance, "contaminated", overlap.detail))
            else:
                instances.append(instance)
        return candidate.keep(instances, bad)

    def draw(self, candidate: Candidate) -> Candidate:
        """Keep five random instances if there are more, as the released code does."""
        instances = candidate.task.instances
        if self._settings.fidelity != "released" or len(instances) <= MOST_DRAWN:
            return candidate
        chance = generator(f"{self._settings.seed}:{candidate.task.id}")
        drawn = set(chance.sample(range(len(instances)), MOST_DRAWN))
        return candidate.keep(
            (each for place, each in enumerate(instances) if place in drawn),
            (
                RejectedInstance(each, "beyond_five")
                for place, each in enumerate(instances)
                if place not in drawn
            ),
        )


def is_novel(neighbor: Neighbor | None, threshold: float, fidelity: str) -> bool:
    """Return whether an instruction with this nearest neighbour is novel.

    The paper keeps scores below the threshold; the released code rejects scores above it.
    """
    if neighbor is None:
        return True
    return neighbor.score <= threshold if fidelity == "released" else neighbor.score < threshold


def _easy(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the short tasks that need no input, and nothing that very small models get wrong."""
    return tuple(
        task
        for task in tasks
        if count_words(task.definition) <= SHORT
        and not any(each.input for each in task.instances)
        and not too_hard(task.definition)
    )


class Meanings:
    """The embeddings of the instructions in a pool, and of the items of evaluation sets.

    Each text is embedded once, when the reply with it is read. Whether an instruction is accepted
    is decided in the order of the items, as for novelty.
    """

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
        known: Sequence[NamedText],
        items: Sequence[NamedText] = (),
    ) -> "Meanings":
        """Embed the instructions (id, text) in a pool, and the `items` of evaluation sets.

        Raises:
            ModelError: a text can't be embedded, or the encoder can't be asked.
            BudgetReached: the budget is spent.
        """
        made = cls(encoder, threshold)
        for (name, _), vector in zip(known, await made._all(known), strict=True):
            made._index.add(name, vector)
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
            detail = tell_nearness(neighbor.id, neighbor.score, "cosine")
            return ("same_meaning", detail), neighbor
        return None, neighbor

    def add(self, candidate_id: str, vector: Vector | Failure) -> None:
        """Add an accepted instruction to the known ones."""
        assert not isinstance(vector, Failure)
        self._index.add(candidate_id, vector)

    async def remember(self, known: Sequence[NamedText]) -> None:
        """Add instructions with their ids, in their order, that were accepted before.

        Raises:
            ModelError: an instruction can't be embedded, the encoder can't be asked, or is another
                one than before.
            BudgetReached: the budget is spent.
        """
        vectors = await self.read([text for _, text in known])
        for candidate_id, text in known:
            self._require(candidate_id, vectors[text])
            self.add(candidate_id, vectors[text])

    async def sift(
        self, candidate: Candidate, is_long: Callable[[str], bool], priority: Priority = (0,)
    ) -> Candidate:
        """Reject the instances with a long input that is too close to an evaluation set.

        Raises:
            ModelError: the encoder can't be asked, or is another one than before.
            BudgetReached: the budget is spent.
        """
        if not self._contamination:
            return candidate
        found = candidate.task.instances
        long = [each.input for each in found if is_long(each.input)]
        read = await self.read(long, priority)
        instances, bad = [], []
        for instance in found:
            fault = self._too_close(read.get(instance.input))
            if fault:
                bad.append(RejectedInstance(instance, *fault))
            else:
                instances.append(instance)
        return candidate.keep(instances, bad)

    def _too_close(self, vector: Vector | Failure | None) -> Fault | None:
        """Return the fault of a text that is too close to an evaluation set, or was not read."""
        if isinstance(vector, Failure):
            return "request_failed", f"the embedding: {vector.detail}"
        if vector is None or not self._contamination:
            return None
        overlap = self._contamination.overlap(vector)
        return ("contaminated", overlap.detail) if overlap else None

    async def _all(self, items: Sequence[NamedText]) -> Vector:
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
