"""What a tuning is about to do, counted before its first step.

The effective batch is told because it changes a result when it changes in silence: a user of
Tk-Instruct's released script got 49 in place of 54 ROUGE-L on other hardware.

Example::

    print(survey(data, training, processes=1).steps)
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest

from seedstep.encode.elements import steps_of
from seedstep.errors import InputError
from seedstep.tune.data import EncodedData, TokenPairs
from seedstep.tune.mixing import Use
from seedstep.tune.records import Training

__all__ = [
    "LONGEST",
    "EffectiveBatch",
    "Preflight",
    "rank_and_processes",
    "require_context",
    "survey",
]

LONGEST = 3
"""Examples that are named because they are the longest."""


@dataclass(frozen=True, slots=True)
class EffectiveBatch:
    """The examples of an optimiser step: per process and pass, passes, processes."""

    per_device: int
    accumulate: int
    processes: int

    @property
    def examples(self) -> int:
        """All examples of a step."""
        return self.per_device * self.accumulate * self.processes


@dataclass(frozen=True, slots=True)
class Preflight:
    """Counts of an epoch's examples (the first one's), and what the tuning does with them.

    `lost` says how many examples had to be shortened, by the field of `Dropped`, `without_steps`
    how many tasks lack the step-by-step instruction that their encoding asks for. `longest` are
    (task, instance, tokens), `sources` (source, tasks, examples); `steps` are all of the tuning.
    """

    tasks: int
    examples: int
    duplicates: int
    held_out_tasks: int
    held_out_examples: int
    prompt_tokens: int
    target_tokens: int
    lost: dict[str, int]
    without_steps: int
    longest: tuple[tuple[str, str, int], ...]
    batch: EffectiveBatch
    epochs: int
    steps: int
    sources: tuple[tuple[str, int, int], ...]


def survey(data: EncodedData, training: Training, processes: int) -> Preflight:
    """Count what there is.

    Raises:
        InputError: the batch can't be divided among processes and passes.
    """
    pairs = data.training(0)
    batch = _effective(training, processes)
    steps = -(-len(pairs) // batch.examples) * training.epochs
    lengths = [pairs.lengths(place) for place in range(len(pairs))]
    held_out = data.mixture.held_out
    return Preflight(
        tasks=len({use.task.id for use in data.mixture.training}),
        examples=len(pairs),
        duplicates=data.mixture.duplicates,
        held_out_tasks=len({use.task.id for use in held_out}),
        held_out_examples=len(held_out),
        prompt_tokens=sum(prompt for prompt, _ in lengths),
        target_tokens=sum(target for _, target in lengths),
        lost=pairs.losses,
        without_steps=_without_steps(data.mixture.training),
        longest=_longest(pairs),
        batch=batch,
        epochs=training.epochs,
        steps=min(steps, training.max_steps or steps),
        sources=data.mixture.counts,
    )


def rank_and_processes() -> tuple[int, int]:
    """Which process this is, from 0, of how many that tune together."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def require_context(data: EncodedData, tokens: int | None) -> None:
    """Make sure that every example fits into the model's context, if that has a limit.

    Raises:
        InputError: the longest example is longer.
    """
    for pairs in (data.training(0), data.held_out):
        for task, instance, length in _longest(pairs)[:1]:
            if tokens is not None and length > tokens:
                raise InputError(
                    f"task {task}, instance {instance}: {length:,} tokens with its target, but "
                    f"the model's context has {tokens:,}",
                    "lower --max-source, so that with --max-target it fits",
                )


def _effective(training: Training, processes: int) -> EffectiveBatch:
    passes = training.accumulate * processes
    if training.batch % passes:
        raise InputError(
            f"a batch of {training.batch} can't be divided into {training.accumulate} passes of "
            f"{processes} processes",
            "choose --batch and --accumulate so that it can",
        )
    return EffectiveBatch(training.batch // passes, training.accumulate, processes)


def _without_steps(uses: Iterable[Use]) -> int:
    """Tasks without the steps that their encoding asks for."""
    return len(
        {
            use.task.id
            for use in uses
            if use.encoding.steps != "none" and not steps_of(use.task, use.encoding, seed=0)
        }
    )


def _longest(pairs: TokenPairs) -> tuple[tuple[str, str, int], ...]:
    places = nlargest(LONGEST, range(len(pairs)), key=lambda place: sum(pairs.lengths(place)))
    return tuple((*pairs.name(place), sum(pairs.lengths(place))) for place in places)
