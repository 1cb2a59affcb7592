"""Open a system (a served model, a checkpoint, a baseline), and yield its answers.

Example::

    async for answers in answer_tasks(settings, work, ledger=ledger, spent=Spent()):
        await run.records.record(system, answers)
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, MutableMapping, Sequence
from contextlib import aclosing

from seedstep.encode import ChatFrame
from seedstep.infer.division import answer_in_workers
from seedstep.infer.predict import (
    Answer,
    Opened,
    TaskWork,
    about_checkpoint,
    ask_checkpoint,
    ask_server,
    copy_answers,
    fitting_tokenizer,
    load_system,
)
from seedstep.infer.settings import SystemSettings
from seedstep.llm import Budget, Engine, Ledger, Pricing, Spent, open_model

__all__ = ["answer_tasks"]


def answer_tasks(
    settings: SystemSettings,
    work: Sequence[TaskWork],
    *,
    ledger: Ledger,
    spent: Spent,
    identity_url: str | None = None,
    opened: Opened = lambda _stats, _note: None,
    frames: MutableMapping[str, ChatFrame] | None = None,
    pricing: Pricing | None = None,
) -> AsyncGenerator[list[Answer]]:
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
            return answer_in_workers(settings, work, known, opened)
        return _of_checkpoint(settings, work, opened, known)
    limits = (settings.budget, spent, pricing or settings.pricing)
    return _of_server(settings, work, ledger, limits, identity_url, opened)


async def _of_server(
    settings: SystemSettings,
    work: Sequence[TaskWork],
    ledger: Ledger,
    limits: tuple[Budget, Spent, Pricing],
    identity_url: str | None,
    opened: Opened,
) -> AsyncGenerator[list[Answer]]:
    fit = fitting_tokenizer(settings)
    model = settings.model
    async with (
        open_model(model.name, model.base_url, model.in_flight, identity_url) as endpoint,
        Engine(endpoint, ledger, model.in_flight, *limits, model.manner, model.sending) as engine,
    ):
        await engine.check()
        opened(engine.stats, "")
        async with aclosing(ask_server(settings, work, engine, fit)) as answers:
            async for batch in answers:
                yield batch


async def _of_checkpoint(
    settings: SystemSettings,
    work: Sequence[TaskWork],
    opened: Opened,
    frames: MutableMapping[str, ChatFrame],
) -> AsyncGenerator[list[Answer]]:
    checkpoint, tokenizer = await asyncio.to_thread(load_system, settings, frames)
    opened(None, about_checkpoint(settings, work, checkpoint, tokenizer))
    answers = ask_checkpoint(settings, work, checkpoint, tokenizer)
    async with aclosing(_in_thread(answers)) as batches:
        async for batch in batches:
            yield batch


async def _in_thread(batches: Iterator[list[Answer]]) -> AsyncGenerator[list[Answer]]:
    """Yield batches that are computed in a thread, so that the event loop handles signals."""
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch
