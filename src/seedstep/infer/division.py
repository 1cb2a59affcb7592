"""Predict with a checkpoint in several processes: tasks are divided by their batches.

The batches are those that one process would make of a task, so that the answers are the same but
for rounding.

Example::

    async for answers in answer_in_workers(settings, work, frames, opened):
        await run.records.record(system, answers)
"""

from collections.abc import AsyncGenerator, Callable, Iterator, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from seedstep.encode import ChatFrame
from seedstep.infer.predict import (
    Answer,
    Opened,
    TaskWork,
    about_checkpoint,
    ask_checkpoint,
    load_system,
)
from seedstep.infer.settings import SystemSettings
from seedstep.infer.workers import in_workers

__all__ = ["answer_in_workers"]

Part = tuple[TaskWork, tuple[int, int]]
"""A task, and which of its batches: the number of the part, of how many parts."""


@dataclass(frozen=True, slots=True)
class _Answering:
    """The job of workers that predict. `frames` are what chat templates write."""

    settings: SystemSettings
    first: TaskWork
    frames: dict[str, ChatFrame]

    def open(self) -> tuple[Any, Callable[[Part, int], Iterator[list[Answer]]]]:
        """Load the checkpoint; tell what templates write, and why no prefix is shared."""
        settings, frames = self.settings, dict(self.frames)
        checkpoint, tokenizer = load_system(settings, frames)
        note = about_checkpoint(settings, [self.first], checkpoint, tokenizer)

        def answer(part: Part, done: int) -> Iterator[list[Answer]]:
            task, (number, of) = part
            left = (number + done * of, of)
            return ask_checkpoint(settings, [task], checkpoint, tokenizer, left)

        return (frames, note), answer


async def answer_in_workers(
    settings: SystemSettings,
    work: Sequence[TaskWork],
    frames: MutableMapping[str, ChatFrame],
    opened: Opened,
) -> AsyncGenerator[list[Answer]]:
    """Yield the answers of a checkpoint, batch by batch, as the workers have them.

    Raises:
        SeedstepError: as `in_workers`.
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


def _parts(settings: SystemSettings, work: Sequence[TaskWork]) -> Iterator[Part]:
    for task in work:
        number = min(settings.model.workers, -(-len(task.instances) // settings.batch))
        yield from ((task, (part, number)) for part in range(number))
