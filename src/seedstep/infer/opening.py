"""Open a system (a served model, a checkpoint, a baseline), and yield its answers.

Example::

    async for answers in answer_tasks(settings, work, ledger=ledger, spent=Spent()):
        await run.records.record(system, answers)
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from seedstep.encode import ChatFrame
from seedstep.infer.predict import (
    InstanceAnswer,
    Opened,
    TaskWork,
    about_checkpoint,
    ask_checkpoint,
    ask_server,
    copy_answers,
    fitting_tokenizer,
    load_system,
)
from seedstep.infer.settings import PredictSettings
from seedstep.infer.workers import in_workers
from seedstep.llm import Budget, Engine, Ledger, Pricing, Spent, open_model

__all__ = ["answer_tasks"]


def answer_tasks(
    settings: PredictSettings,
    work: Sequence[TaskWork],
    *,
    ledger: Ledger,
    spent: Spent,
    identity_url: str | None = None,
    opened: Opened = lambda _stats, _note: None,
    frames: MutableMapping[str, ChatFrame] | None = None,
    pricing: Pricing | None = None,
) -> AsyncGenerator[list[InstanceAnswer]]:
    """Open the system of some settings, and yield its answers, batch by batch.

    Replies of a served model are kept in `ledger` under `identity_url`, and `spent` counts what
    they take. `opened` is called before the first answer. `frames` are what chat templates wrote
    when they were first used, which may contain a date; what one writes now is added. `pricing` is
    that of what is spent, or else the settings' own.

    Raises:
        SeedstepError: the model can't be opened or asked, or a reply can't be kept.
        BudgetReached: the budget is spent; all before the first that is missing were yielded.
    """
    if settings.kind == "baseline":
        return _in_thread(copy_answers(settings, work))
    if settings.kind == "checkpoint":
        known = {} if frames is None else frames
        if settings.model.workers > 1 and work:
            return _of_workers(settings, work, known, opened)
        return _of_checkpoint(settings, work, opened, known)
    limits = (settings.budget, spent, pricing or settings.pricing)
    return _of_server(settings, work, ledger, limits, identity_url, opened)


async def _of_server(
    settings: PredictSettings,
    work: Sequence[TaskWork],
    ledger: Ledger,
    limits: tuple[Budget, Spent, Pricing],
    identity_url: str | None,
    opened: Opened,
) -> AsyncGenerator[list[InstanceAnswer]]:
    fit = fitting_tokenizer(settings)
    model = settings.model
    async with (
        open_model(model.name, model.base_url, model.in_flight, identity_url) as endpoint,
        Engine(
            endpoint, ledger, model.in_flight, *limits, model.reasoning_options, model.sending
        ) as engine,
    ):
        await engine.check()
        opened(engine.stats, "")
        async with aclosing(ask_server(settings, work, engine, fit)) as answers:
            async for batch in answers:
                yield batch


async def _of_checkpoint(
    settings: PredictSettings,
    work: Sequence[TaskWork],
    opened: Opened,
    frames: MutableMapping[str, ChatFrame],
) -> AsyncGenerator[list[InstanceAnswer]]:
    checkpoint, tokenizer = await asyncio.to_thread(load_system, settings, frames)
    opened(None, about_checkpoint(settings, work, checkpoint, tokenizer))
    answers = ask_checkpoint(settings, work, checkpoint, tokenizer)
    async with aclosing(_in_thread(answers)) as batches:
        async for batch in batches:
            yield batch


async def _in_thread(
    batches: Iterator[list[InstanceAnswer]],
) -> AsyncGenerator[list[InstanceAnswer]]:
    """Yield batches that are computed in a thread, so that the event loop handles signals."""
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch


TaskPart = tuple[TaskWork, tuple[int, int]]
"""A task, and which of its batches: the number of the part, of how many parts."""


@dataclass(frozen=True, slots=True)
class _Answering:
    """The job of workers that predict. `frames` are what chat templates write."""

    settings: PredictSettings
    first: TaskWork
    frames: dict[str, ChatFrame]

    def open(self) -> tuple[Any, Callable[[TaskPart, int], Iterator[list[InstanceAnswer]]]]:
        """Load the checkpoint; tell what templates write, and why no prefix is shared."""
        settings, frames = self.settings, dict(self.frames)
        checkpoint, tokenizer = load_system(settings, frames)
        note = about_checkpoint(settings, [self.first], checkpoint, tokenizer)

        def answer(part: TaskPart, done: int) -> Iterator[list[InstanceAnswer]]:
            task, (number, of) = part
            left = (number + done * of, of)
            return ask_checkpoint(settings, [task], checkpoint, tokenizer, left)

        return (frames, note), answer


async def _of_workers(
    settings: PredictSettings,
    work: Sequence[TaskWork],
    frames: MutableMapping[str, ChatFrame],
    opened: Opened,
) -> AsyncGenerator[list[InstanceAnswer]]:
    """Yield the answers of a checkpoint, batch by batch, as the workers have them.

    Tasks are divided by the batches that one process would make of them, so that the answers are
    the same but for rounding.
    """
    job = _Answering(settings, work[0], dict(frames))

    def begun(told: tuple[dict[str, ChatFrame], str]) -> _Answering:
        frames.update(told[0])  # what a template writes now, all workers shall write
        opened(None, told[1])
        return replace(job, frames=dict(frames))

    parts = [(part[0].task.id, part) for part in _parts(settings, work)]
    async with aclosing(in_workers(job, parts, settings.model.workers, begun)) as results:
        async for _, batch in results:
            yield batch


def _parts(settings: PredictSettings, work: Sequence[TaskWork]) -> Iterator[TaskPart]:
    for task in work:
        number = min(settings.model.workers, -(-len(task.instances) // settings.batch))
        yield from ((task, (part, number)) for part in range(number))
