"""The stage that generates positive examples from step-by-step instructions (appendix C).

A model is asked for some harder examples, by the step-by-step instruction; then, in a request of
its own, for the best two of them. Two are also drawn at random, for the paper's comparison. Tasks
are worked on side by side, and retired in their order.

The prompts are the paper's; without a category they speak of "the given task".

Example::

    async for made in generate_examples(ExamplesSettings(), [(task, written.steps)], engine):
        best = [made.candidates[one] for one in made.ranked]
"""

import hashlib
import random
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import replace
from itertools import islice

from seedstep.data import Example, Task
from seedstep.llm import Engine
from seedstep.llm.order import AHEAD, in_order
from seedstep.prompts import render
from seedstep.steps.conversation import Chat, Line, named_category
from seedstep.steps.example_replies import BEST, best_two, parse_examples, written_examples
from seedstep.steps.parse import render as render_steps
from seedstep.steps.records import FAILURES, ExampleSet, Turn
from seedstep.steps.settings import ExamplesSettings

__all__ = ["draw_two", "generate_examples", "generate_prompt", "rank_prompt"]


def generate_examples(
    settings: ExamplesSettings, tasks: Iterable[tuple[Task, Sequence[str]]], engine: Engine
) -> AsyncGenerator[ExampleSet]:
    """Yield the examples of each task with its steps, in order; the first `settings.limit`.

    Raises:
        ModelError: the model can't be asked, or no longer.
        StoreError: an answer can't be kept.
        BudgetReached: the budget is spent; all tasks before the first incomplete one were yielded.
    """
    items = (
        _examples_of(settings, task, steps, engine, place)
        for place, (task, steps) in enumerate(islice(tasks, settings.limit))
    )
    return in_order(items, AHEAD * settings.in_flight)


async def _examples_of(
    settings: ExamplesSettings, task: Task, steps: Sequence[str], engine: Engine, place: int
) -> ExampleSet:
    prompt = generate_prompt(settings, task, steps)
    chat = Chat(engine, place)
    turn = await chat.say(Line("generate", prompt), settings.sampling_of("generate"))
    made = ExampleSet(task.id, (turn,))
    if turn.failure:
        return replace(made, failure="request_failed", detail=turn.failure)
    candidates = parse_examples(turn.reply, cut=turn.cut)[: settings.count]
    if len(candidates) < BEST:
        return replace(
            made, candidates=candidates, failure="no_examples", detail=FAILURES["no_examples"]
        )
    drawn = draw_two(len(candidates), settings.seed, task.id)
    made = replace(made, candidates=candidates, drawn=drawn)
    return _ranked(made, await _rank(settings, candidates, steps, engine, place))


async def _rank(
    settings: ExamplesSettings,
    candidates: Sequence[Example],
    steps: Sequence[str],
    engine: Engine,
    place: int,
) -> Turn:
    line = Line("rank", rank_prompt(candidates, steps))
    return await Chat(engine, place).say(line, settings.sampling_of("rank"))


def generate_prompt(settings: ExamplesSettings, task: Task, steps: Sequence[str]) -> str:
    """Asks for examples of a task."""
    return render(
        "steps/harder_examples",
        generated_example_num=str(settings.count),
        task_category=named_category(task),
        instruction_content=render_steps(steps),
    )


def rank_prompt(candidates: Sequence[Example], steps: Sequence[str]) -> str:
    """Asks for the best two of some examples."""
    return render(
        "steps/rank",
        example_content=written_examples(candidates),
        instruction_content=render_steps(steps),
    )


def _ranked(made: ExampleSet, turn: Turn) -> ExampleSet:
    best = () if turn.failure else best_two(turn.reply, made.candidates)
    failure = "request_failed" if turn.failure else "" if best else "unmatched"
    return replace(made, turns=(*made.turns, turn), ranked=best, ranking_failure=failure)


def draw_two(number: int, seed: int, task_id: str) -> tuple[int, ...]:
    """Two of so many examples at random, by run and task; alike on every machine."""
    digest = hashlib.sha256(f"{seed}\0{task_id}".encode()).digest()
    return tuple(random.Random(digest).sample(range(number), BEST))  # noqa: S311 - no secret
