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
        tasks += [found.task for found in generation.candidates if not found.reason]
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import count
from types import MappingProxyType
from typing import Any

from seedstep.bootstrap import parse
from seedstep.bootstrap.axes import Cell, draw_values, parse_axes
from seedstep.bootstrap.filters import (
    FILTERS,
    Filter,
    reasons_of,
)
from seedstep.bootstrap.gate_kinds import parse_gates
from seedstep.bootstrap.gates import Gate, GateModel, GateModels, check_gates, pass_gates
from seedstep.bootstrap.instances import (
    CandidateReply,
    labeled_inputs,
    says_classification,
    worked_examples,
)
from seedstep.bootstrap.pool import Meanings, Pool
from seedstep.bootstrap.prompting import BootstrapPrompts, make_prompts
from seedstep.bootstrap.records import Candidate, Generation, RejectedInstance
from seedstep.bootstrap.settings import BootstrapSettings
from seedstep.bootstrap.steering import Steering, TaskDemand, Turnstile
from seedstep.data import Instance, Task
from seedstep.data.records import with_instance_ids
from seedstep.llm import Answer, Engine, Failure, Reply, Request
from seedstep.llm.embeddings import Encoder
from seedstep.llm.pacing import in_order
from seedstep.novelty import Contamination, NamedText, Vector
from seedstep.text import answer as text_of
from seedstep.text import is_refusal, single_spaced

__all__ = ["bootstrap"]

NO_MODELS: Mapping[str, GateModel] = MappingProxyType({})

LONGEST_UNREAD = 1000
"""The most characters that are stored of a rejected text that is no instruction."""

LONGEST_QUOTE = 100
"""The most characters of a reply that a detail quotes."""


async def bootstrap(
    settings: BootstrapSettings,
    seeds: Sequence[Task],
    engine: Engine,
    contamination: Contamination | None = None,
    filters: Sequence[Filter] = FILTERS,
    gates: Sequence[Gate] = (),
    retired: Iterable[Generation] = (),
    gate_models: Mapping[str, GateModel] = NO_MODELS,
    encoder: Encoder | None = None,
    earlier: Sequence[Task] = (),
) -> AsyncGenerator[Generation]:
    """Yield retired generations until `settings.tasks` tasks are finished, or no more come.

    `retired` are the first generations, as they were yielded before with the same settings: they
    are taken as they are, and nothing of them is asked again.

    `filters` are applied in their order. Tasks that are too similar to the evaluation sets of
    `contamination` are rejected, too. Instances have to pass the gates of the settings, and then
    `gates`. `gate_models` has the models of gates that don't ask the run's, by their names. With an
    `encoder`, instructions are compared by meaning, too. The tasks in `earlier` are known and shown
    like those that are finished, and not counted.

    The last generation ends with the task that completes the number. If there are fewer tasks,
    `settings.patience` generations in a row have produced none.

    Raises:
        ModelError: the model can't be asked, or no longer.
        StoreError: an answer can't be stored.
        BudgetReached: the budget is spent; all complete generations were yielded.
    """
    settings = settings.for_seeds(seeds)
    pool = Pool(seeds, settings, contamination, filters, earlier)
    gates = (*parse_gates(settings.gates), *gates)
    check_gates(gates, reasons_of(filters))
    prompts = make_prompts(settings)
    models = GateModels(GateModel(engine, prompts.converses), gate_models)
    axes = await draw_values(parse_axes(settings.axes), prompts.values, engine)
    steering = Steering(axes, settings.chance, settings.window)
    meanings = await _meanings(settings, pool.begun_with, contamination, encoder)
    work = _Work(settings, engine, prompts, pool, gates, models, meanings, steering)
    barren = 0
    async with aclosing(_all_in_order(retired, work)) as generations:
        async for whole in generations:
            generation = _up_to(whole, settings.tasks - len(pool.finished))
            barren = 0 if work.finish(generation) else barren + 1
            yield generation
            if len(pool.finished) == settings.tasks or barren == settings.patience:
                return


async def _all_in_order(retired: Iterable[Generation], work: "_Work") -> AsyncGenerator[Generation]:
    """Yield the generations that were retired before, and then new ones."""
    accepted, first = [], 0
    for generation in retired:
        asked = (each for each in generation.candidates if each.classification_request)
        accepted += [(candidate.task.id, candidate.task.definition) for candidate in asked]
        first = generation.index + 1
        yield generation
    if work.meanings:
        await work.meanings.remember(accepted)
    items = work.items(first, accepted)
    async with aclosing(in_order(items, work.window)) as generations:
        async for generation in generations:
            yield generation


async def _meanings(
    settings: BootstrapSettings,
    known: Sequence[NamedText],
    contamination: Contamination | None,
    encoder: Encoder | None,
) -> Meanings | None:
    if encoder is None:
        return None
    items = contamination.items if contamination else ()
    return await Meanings.begin(encoder, settings.semantic_threshold, known, items)


def _up_to(generation: Generation, wanted: int) -> Generation:
    """Return the generation without the candidates after its `wanted`-th finished task."""
    for place, candidate in enumerate(generation.candidates):
        if wanted == 0:
            return replace(generation, candidates=generation.candidates[:place])
        wanted -= not candidate.reason
    return generation


class _Work:
    """The state that items share: the pool, the order of decisions, and the expected demand."""

    def __init__(
        self,
        settings: BootstrapSettings,
        engine: Engine,
        prompts: BootstrapPrompts,
        pool: Pool,
        gates: Sequence[Gate],
        models: GateModels,
        meanings: Meanings | None,
        steering: Steering,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._prompts = prompts
        self._pool = pool
        self._gates = gates
        self._models = models
        self.meanings = meanings
        self._steering = steering
        self._finished_in: list[int] = []

    @property
    def window(self) -> int:
        """How many items are worked on side by side."""
        return self._settings.window

    def finish(self, generation: Generation) -> int:
        """Let later items show the tasks of a generation, and return how many there are."""
        tasks = [
            replace(candidate.task, instances=())
            for candidate in generation.candidates
            if not candidate.reason
        ]
        self._pool.finished += tasks
        self._finished_in += [generation.index] * len(tasks)
        self._steering.retire(generation.cell, [task.is_classification for task in tasks])
        return len(tasks)

    def items(
        self, first: int, accepted: Sequence[NamedText]
    ) -> Iterator[Coroutine[Any, Any, Generation]]:
        """Yield items from the number `first`, after those that accepted some instructions.

        Each is to be taken when the item was retired that is the window before it.
        """
        self._pool.remember(accepted)
        self._start, self._turn = Turnstile(first), Turnstile(first)
        self._demand = TaskDemand(self._settings.tasks - len(self._pool.finished))
        for index in count(first):
            known = bisect_right(self._finished_in, index - self.window)
            yield self.item(index, self._pool.sample(index, known), self._steering.choose(index))

    async def item(self, index: int, shown: Sequence[Task], cell: Cell) -> Generation:
        """Send a generation request, and do everything that follows from its reply."""
        request = self._prompts.generation(shown, self._settings.place.first_draw + index, cell)
        await self._start.wait_for_turn(index)
        await self._demand.reserve()
        self._start.release(index)
        answer = await self._engine.ask(request, (index, 0))
        found = self._read(answer, len(shown) + 1)
        vectors = await self._embed(found, index)
        await self._turn.wait_for_turn(index)
        candidates = self._decide(index, answer, found, vectors)
        self._turn.release(index)
        self._demand.generated(sum(not candidate.reason for candidate in candidates))
        done = await asyncio.gather(*(self._complete(index, each, cell) for each in candidates))
        failure = answer.detail if isinstance(answer, Failure) else ""
        ids = tuple(task.id for task in shown)
        return Generation(index, self._engine.key(request), ids, failure, tuple(done), cell)

    def _read(self, answer: Answer, first: int) -> list[parse.ListedInstruction]:
        """Return the instructions of a reply, which may have faults."""
        if isinstance(answer, Failure) or not answer.text.strip():
            return []
        found = parse.read_instructions(
            answer.text, first=first if self._prompts.continues_list else 0, cut=answer.cut
        )
        dropped = answer.cut and self._settings.fidelity == "released"
        return [replace(item, fault="cut_list") if dropped else item for item in found]

    async def _embed(
        self, found: Sequence[parse.ListedInstruction], index: int
    ) -> Mapping[str, Vector | Failure]:
        """Return the embeddings of the instructions that have no fault, if they are needed."""
        if self.meanings is None:
            return {}
        good = [item.text for item in found if not item.fault and not self._pool.fault(item.text)]
        return await self.meanings.read(good, (index, 0))

    def _decide(
        self,
        index: int,
        answer: Answer,
        found: Sequence[parse.ListedInstruction],
        vectors: Mapping[str, Vector | Failure],
    ) -> list[Candidate]:
        """Accept or reject the instructions of a reply, one after the other."""
        if isinstance(answer, Failure):
            return []
        prefix = self._settings.place.prefix
        if not answer.text.strip():
            none = Task(f"{prefix}g{index}.1", "", ())
            return [Candidate(none, "empty_reply", _ended(answer))]
        candidates = []
        for number, item in enumerate(found, start=1):
            name = f"{prefix}g{index}.{number}"
            if item.fault:
                task = Task(name, item.text[:LONGEST_UNREAD], ())
                candidates.append(Candidate(task, item.fault, _ended(answer)))
            else:
                candidates.append(self._judge(name, item.text, vectors.get(item.text)))
        return candidates

    def _judge(self, name: str, text: str, vector: Vector | Failure | None) -> Candidate:
        """Accept or reject an instruction; compare it by meaning if there is an embedding of it."""
        last, meaning = None, None
        if self.meanings and vector is not None:
            last, meaning = self.meanings.judge(vector)
        fault, neighbor = self._pool.judge(name, text, last)
        if self.meanings and vector is not None and not fault:
            self.meanings.add(name, vector)
        reason, detail = fault or ("", "")
        return Candidate(Task(name, text, ()), reason, detail, neighbor, meaning=meaning)

    async def _complete(self, index: int, candidate: Candidate, cell: Cell) -> Candidate:
        """Classify an accepted instruction, ask for its instances and sift them."""
        if candidate.reason:
            return candidate
        done = await self._instances(index, await self._classify(index, candidate), cell)
        done = await self._pass_gates(index, done)
        self._demand.completed(good=not done.reason)
        return replace(done, task=with_instance_ids(done.task))

    async def _classify(self, index: int, candidate: Candidate) -> Candidate:
        request = self._prompts.classification(candidate.task.definition)
        answer = await self._engine.ask(request, (index, 1))
        asked = replace(candidate, classification_request=self._engine.key(request))
        if isinstance(answer, Failure):
            return replace(asked, reason="request_failed", detail=answer.detail)
        released = self._settings.fidelity == "released"
        said = says_classification(answer.text, cut=answer.cut, released=released)
        if said is None:
            detail = _unread(answer)
            return replace(asked, reason="classification_unreadable", detail=detail)
        return replace(asked, task=replace(asked.task, is_classification=said))

    async def _instances(self, index: int, candidate: Candidate, cell: Cell) -> Candidate:
        if candidate.reason:
            return candidate
        request, answer = await self._ask_instances(index, candidate.task, cell)
        asked = replace(candidate, instances_request=self._engine.key(request))
        if isinstance(answer, Failure):
            return replace(asked, reason="request_failed", detail=answer.detail)
        kept = self._pool.sift(asked, self._read_instances(answer, candidate.task))
        if self.meanings:
            kept = await self.meanings.sift(kept, self._pool.is_long, (index, 2))
        if kept.task.instances:
            return self._pool.draw(kept)
        if kept.rejected_instances:
            return replace(kept, reason="no_good_instance")
        return replace(kept, reason="no_instance", detail=_unread(answer))

    async def _pass_gates(self, index: int, candidate: Candidate) -> Candidate:
        """Reject the instances that do not pass; where none is left, the task by the last gate."""
        if candidate.reason or not self._gates:
            return candidate
        task, again = candidate.task, self._pool.sift_again

        def passes(instance: Instance) -> bool:
            alone = replace(candidate, task=replace(task, instances=(instance,)))
            return bool(again(alone).task.instances)

        done = await asyncio.gather(
            *(
                pass_gates(
                    self._gates,
                    self._models,
                    task.definition,
                    instance,
                    tokens=self._settings.tokens,
                    priority=(index, 3),
                    sift=passes,
                )
                for instance in task.instances
            )
        )
        bad = [each for each in done if isinstance(each, RejectedInstance)]
        good = [each for each in done if not isinstance(each, RejectedInstance)]
        kept = candidate.keep((instance for instance, _ in good), bad)
        if any(note for _, note in good):  # outputs of two instances may have become the same
            kept = again(kept)
            left = list(kept.task.instances)
            good = [each for each in good if each[0] in left[:1] and left.pop(0)]
        notes = tuple(note for _, note in good)
        reason = "" if good else kept.rejected_instances[-1].reason
        return replace(kept, reason=reason, notes=notes if any(notes) else ())

    def _read_instances(self, answer: Reply, task: Task) -> CandidateReply:
        text, asked, cut = answer.text, task.definition, answer.cut
        if self._prompts.answers_tasks:
            said = text_of(text).strip()
            return CandidateReply(asked, (Instance("", (said,)),) if said else (), cut)
        if task.is_classification:
            released = self._settings.fidelity == "released"
            return labeled_inputs(text, asked, cut=cut, keep_labels=released)
        bare = self._prompts.takes_bare_outputs
        return worked_examples(text, asked, cut=cut, may_be_bare=bare)

    async def _ask_instances(self, index: int, task: Task, cell: Cell) -> tuple[Request, Answer]:
        request = self._prompts.instances(
            task.definition, is_classification=task.is_classification, cell=cell
        )
        return request, await self._engine.ask(request, (index, 2))


def _ended(answer: Reply) -> str:
    """Return how a reply ended, where it did not end by itself; else an empty text."""
    if answer.cut:
        return f"cut at its length limit, after {answer.completion_tokens} tokens"
    return "" if answer.ending == "finished" else f"it ended with '{answer.finish_reason}'"


def _unread(answer: Reply) -> str:
    """Return a detail about a reply that does not have the requested content."""
    text = single_spaced(answer.text)
    if not text:
        what = "the reply is empty"
    elif is_refusal(text):
        what = f"a refusal: {text[:LONGEST_QUOTE]}"
    else:
        what = f"the reply: {text[:LONGEST_QUOTE]}"
    return "; ".join(filter(None, (what, _ended(answer))))
