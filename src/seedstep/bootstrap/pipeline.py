"""The bootstrap: generate, classify, make instances, filter (Self-Instruct, section 2.2).

An item is a generation request and everything that follows from its reply. Items are started in
order, processed concurrently, and retired strictly in order: the request of item i is built from
the tasks that were finished when item i - window was retired. So the order in which replies arrive
does not change the data.

A reply without the requested content rejects the candidate with a named reason; nothing is guessed.

Inside an item, an accepted instruction is classified and given instances at once. Instructions are
accepted in order, as the decision depends on all instructions before.

Example::

    async for generation in bootstrap(settings, seeds, engine):
        tasks += [found.task for found in generation.candidates if found.task]
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import count

from seedstep.bootstrap import parse
from seedstep.bootstrap.filters import (
    FILTERS,
    Fault,
    Filter,
    SiftedInstances,
    check_filters,
    instruction_fault,
    is_novel,
    sift_instances,
)
from seedstep.bootstrap.prompting import Prompts, make_prompts
from seedstep.bootstrap.records import Candidate, Generation, RejectedInstance
from seedstep.bootstrap.rules import CandidateReply, same_wording
from seedstep.bootstrap.settings import BootstrapSettings
from seedstep.data import Instance, Task
from seedstep.data.choice import generator
from seedstep.llm import Answer, Engine, Failure, Reply, Request
from seedstep.llm.pacing import in_order
from seedstep.novelty import Contamination, Neighbor, NoveltyIndex
from seedstep.text import TOKENIZERS, is_refusal

__all__ = [
    "Pool",
    "bootstrap",
]

DEMONSTRATIONS = 8
MACHINE_DEMONSTRATIONS = 2
"""How many of the 8 instructions in a prompt are machine-generated (section 2.2)."""


MOST_DRAWN = 5
"""The most instances of a task in the released code, which draws them at random from more."""

LONGEST_UNREAD = 1000
"""The most characters that are stored of a rejected text that is no instruction."""

LONGEST_QUOTE = 100
"""The most characters of a reply that a detail quotes."""

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
    ) -> None:
        """Begin with the seed tasks. New tasks must not be similar to those of `contamination`.

        Raises:
            InputError: two filters have one name.
        """
        check_filters(filters)
        settings = settings.for_seeds(seeds)
        self._filters = tuple(filters)
        self.finished: list[Task] = []
        self._seeds = tuple(seeds)
        self._settings = settings
        self._english = settings.tokens == "latin"
        self._contamination = contamination
        self._tokenizer = TOKENIZERS[settings.tokens]
        self._index = NoveltyIndex(self._tokenizer)
        self._wordings: dict[str, str] = {}
        for task in seeds:
            self._index.add(task.id, task.definition)
            self._wordings.setdefault(same_wording(task.definition), task.id)

    def sample(self, index: int) -> tuple[Task, ...]:
        """Return the demonstrations of request `index`: 6 seed and 2 finished tasks, shuffled.

        If fewer tasks are finished, more seed tasks are used. The choice depends only on the run's
        seed, the index and the pool.
        """
        chance = generator(f"{self._settings.seed}:{index}")
        machine = chance.sample(self.finished, min(MACHINE_DEMONSTRATIONS, len(self.finished)))
        human = min(DEMONSTRATIONS - len(machine), len(self._seeds))
        shown = machine + chance.sample(self._seeds, human)
        chance.shuffle(shown)
        return tuple(shown)

    def judge(self, candidate_id: str, instruction: str) -> tuple[Fault | None, Neighbor | None]:
        """Accept an instruction and add it to the pool, or return its fault."""
        settings = self._settings
        fault = instruction_fault(
            instruction,
            self._filters,
            english=self._english,
            extra=settings.extra_filters,
            fidelity=settings.fidelity,
        )
        if fault:
            return fault, None
        if self._contamination and (overlap := self._contamination.overlap(instruction)):
            return ("contaminated", overlap.detail), None
        neighbor = self._index.nearest(instruction)
        if neighbor and not is_novel(neighbor, settings.novelty_threshold, settings.fidelity):
            return ("not_novel", f"ROUGE-L {neighbor.score:.2f} with {neighbor.id}"), neighbor
        wording = same_wording(instruction)
        if not neighbor and wording in self._wordings:  # it has no tokens that could be compared
            return ("not_novel", f"the wording of {self._wordings[wording]}"), None
        self._index.add(candidate_id, instruction)
        self._wordings.setdefault(wording, candidate_id)
        return None, neighbor

    def sift(self, reply: CandidateReply) -> SiftedInstances:
        """Divide the instances of a reply into good ones and rejected or contaminated ones."""
        settings = self._settings
        kept = sift_instances(
            reply, self._filters, fidelity=settings.fidelity, extra=settings.extra_filters
        )
        return self._decontaminate(kept)

    def _decontaminate(self, kept: SiftedInstances) -> SiftedInstances:
        """Reject the instances whose input is too similar to an evaluation set."""
        if not self._contamination:
            return kept
        instances, rejected = [], list(kept.rejected)
        for instance in kept.instances:
            is_long = len(self._tokenizer(instance.input)) >= MIN_INPUT_TOKENS
            overlap = self._contamination.overlap(instance.input) if is_long else None
            if overlap:
                rejected.append(_rejected(instance, "contaminated", overlap.detail))
            else:
                instances.append(instance)
        return SiftedInstances(tuple(instances), tuple(rejected))

    def draw(self, candidate_id: str, kept: SiftedInstances) -> SiftedInstances:
        """Keep five random instances if there are more, as the released code does."""
        number = len(kept.instances)
        if self._settings.fidelity != "released" or number <= MOST_DRAWN:
            return kept
        chance = generator(f"{self._settings.seed}:{candidate_id}")
        drawn = set(chance.sample(range(number), MOST_DRAWN))
        left = [kept.instances[place] for place in range(number) if place not in drawn]
        return SiftedInstances(
            tuple(kept.instances[place] for place in sorted(drawn)),
            (*kept.rejected, *(_rejected(instance, "beyond_five") for instance in left)),
        )


def _rejected(instance: Instance, reason: str, detail: str = "") -> RejectedInstance:
    return RejectedInstance(instance.input, instance.output, reason, detail)


async def bootstrap(
    settings: BootstrapSettings,
    seeds: Sequence[Task],
    engine: Engine,
    contamination: Contamination | None = None,
    filters: Sequence[Filter] = FILTERS,
) -> AsyncGenerator[Generation]:
    """Yield retired generations until `settings.tasks` tasks are finished, or no more come.

    `filters` are applied in their order. Tasks that are too similar to the evaluation sets of
    `contamination` are rejected, too.

    The last generation ends with the task that completes the number. If there are fewer tasks,
    `settings.patience` generations in a row have produced none.

    Raises:
        ModelError: the model can't be asked, or no longer.
        StoreError: an answer can't be stored.
        BudgetReached: the budget is spent; all complete generations were yielded.
    """
    pool = Pool(seeds, settings, contamination, filters)
    work = _Work(settings, engine, make_prompts(settings), pool)
    barren = 0
    items = (work.item(index, pool.sample(index)) for index in count())
    async with aclosing(in_order(items, settings.window)) as retired:
        async for whole in retired:
            generation = _up_to(whole, settings.tasks - len(pool.finished))
            tasks = [task for candidate in generation.candidates if (task := candidate.task)]
            pool.finished += tasks
            barren = 0 if tasks else barren + 1
            yield generation
            if len(pool.finished) == settings.tasks or barren == settings.patience:
                return


def _up_to(generation: Generation, wanted: int) -> Generation:
    """Return the generation without the candidates after its `wanted`-th finished task."""
    kept: list[Candidate] = []
    for candidate in generation.candidates:
        if wanted == 0:
            break
        wanted -= candidate.task is not None
        kept.append(candidate)
    return replace(generation, candidates=tuple(kept))


class _Work:
    """The state that items share: the pool, the order of decisions, and the expected demand."""

    def __init__(
        self, settings: BootstrapSettings, engine: Engine, prompts: Prompts, pool: Pool
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._prompts = prompts
        self._pool = pool
        self._gate = _Turnstile()
        self._turn = _Turnstile()
        self._demand = _Demand(settings.tasks)

    async def item(self, index: int, shown: Sequence[Task]) -> Generation:
        """Send a generation request, and do everything that follows from its reply."""
        request = self._prompts.generation(shown, index)
        await self._gate.of(index)
        await self._demand.rises()
        self._gate.passes(index)
        answer = await self._engine.ask(request, (index, 0))
        await self._turn.of(index)
        candidates = self._decide(index, answer, len(shown) + 1)
        self._turn.passes(index)
        self._demand.generated(sum(not candidate.reason for candidate in candidates))
        done = await asyncio.gather(*(self._complete(index, each) for each in candidates))
        failure = answer.detail if isinstance(answer, Failure) else ""
        ids = tuple(task.id for task in shown)
        return Generation(index, self._engine.key(request), ids, failure, tuple(done))

    def _decide(self, index: int, answer: Answer, first: int) -> list[Candidate]:
        """Accept or reject the instructions of a reply, one after the other."""
        if isinstance(answer, Failure):
            return []
        if not answer.text.strip():
            return [Candidate(f"g{index}.1", "", "empty_reply", _ended(answer))]
        found = parse.read_instructions(
            answer.text, first=first if self._prompts.continues_list else 0, cut=answer.cut
        )
        dropped = answer.cut and self._settings.fidelity == "released"
        candidates = []
        for number, item in enumerate(found, start=1):
            name = f"g{index}.{number}"
            fault = "cut_list" if dropped else item.fault
            if fault:
                text = item.text[:LONGEST_UNREAD]
                candidates.append(Candidate(name, text, fault, _ended(answer)))
                continue
            rejected, neighbor = self._pool.judge(name, item.text)
            reason, detail = rejected or ("", "")
            candidates.append(Candidate(name, item.text, reason, detail, neighbor))
        return candidates

    async def _complete(self, index: int, candidate: Candidate) -> Candidate:
        """Classify an accepted instruction, ask for its instances and sift them."""
        if candidate.reason:
            return candidate
        done = await self._instances(index, await self._classify(index, candidate))
        self._demand.completed(good=not done.reason)
        return done

    async def _classify(self, index: int, candidate: Candidate) -> Candidate:
        request = self._prompts.classification(candidate.instruction)
        answer = await self._engine.ask(request, (index, 1))
        asked = replace(candidate, classification_request=self._engine.key(request))
        if isinstance(answer, Failure):
            return replace(asked, reason="request_failed", detail=answer.detail)
        released = self._settings.fidelity == "released"
        said = parse.says_classification(answer.text, cut=answer.cut, released=released)
        if said is None:
            detail = _unread(answer)
            return replace(asked, reason="classification_unreadable", detail=detail)
        return replace(asked, is_classification=said)

    async def _instances(self, index: int, candidate: Candidate) -> Candidate:
        if candidate.reason:
            return candidate
        request, answer = await self._ask_instances(index, candidate)
        asked = replace(candidate, instances_request=self._engine.key(request))
        if isinstance(answer, Failure):
            return replace(asked, reason="request_failed", detail=answer.detail)
        found = self._read_instances(answer, is_classification=candidate.is_classification)
        kept = self._pool.sift(CandidateReply(candidate.instruction, found))
        kept = self._pool.draw(candidate.id, kept)
        reason = "" if kept.instances else "no_good_instance" if kept.rejected else "no_instance"
        return replace(
            asked,
            reason=reason,
            detail=_unread(answer) if reason == "no_instance" else "",
            instances=kept.instances,
            rejected_instances=kept.rejected,
        )

    def _read_instances(
        self, answer: Reply, *, is_classification: bool
    ) -> tuple[parse.RawInstance, ...]:
        if is_classification:
            released = self._settings.fidelity == "released"
            return parse.labeled_inputs(answer.text, cut=answer.cut, keep_labels=released)
        bare = self._prompts.takes_bare_outputs
        return parse.worked_examples(answer.text, cut=answer.cut, may_be_bare=bare)

    async def _ask_instances(self, index: int, candidate: Candidate) -> tuple[Request, Answer]:
        request = self._prompts.instances(
            candidate.instruction, is_classification=candidate.is_classification
        )
        return request, await self._engine.ask(request, (index, 2))


def _ended(answer: Reply) -> str:
    """Return how a reply ended, where it did not end by itself; else an empty text."""
    if answer.cut:
        return f"cut at its length limit, after {answer.completion_tokens} tokens"
    return "" if answer.ending == "finished" else f"it ended with '{answer.finish_reason}'"


def _unread(answer: Reply) -> str:
    """Return a detail about a reply that does not have the requested content."""
    text = " ".join(answer.text.split())
    if not text:
        what = "the reply is empty"
    elif is_refusal(text):
        what = f"a refusal: {text[:LONGEST_QUOTE]}"
    else:
        what = f"the reply: {text[:LONGEST_QUOTE]}"
    return "; ".join(filter(None, (what, _ended(answer))))


class _Turnstile:
    """Lets items pass in their order."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, asyncio.Event] = {}

    async def of(self, index: int) -> None:
        """Wait until all items before `index` have passed."""
        if index != self._next:
            await self._waiting.setdefault(index, asyncio.Event()).wait()

    def passes(self, index: int) -> None:
        """Let the item after `index` pass."""
        self._next = index + 1
        if event := self._waiting.pop(self._next, None):
            event.set()


class _Demand:
    """Delays requests for new instructions while those in flight may be enough.

    This saves requests at the end of a run. The data does not depend on it: it decides when a
    request is sent, not what the request contains.
    """

    def __init__(self, wanted: int) -> None:
        self._missing = wanted
        self._risen = asyncio.Event()

    async def rises(self) -> None:
        """Wait until more tasks are needed, and expect one task from the next request."""
        while self._missing <= 0:
            self._risen.clear()
            await self._risen.wait()
        self._missing -= 1

    def generated(self, accepted: int) -> None:
        """Note that a request gave `accepted` instructions, each of which may become a task."""
        self._change(1 - accepted)

    def completed(self, *, good: bool) -> None:
        """Note that an instruction became a task, or did not."""
        self._change(0 if good else 1)

    def _change(self, missing: int) -> None:
        self._missing += missing
        if self._missing > 0:
            self._risen.set()
