"""What a system answers to the instances of tasks: a served model, a checkpoint, or a baseline.

Example::

    for answers in copy_answers(settings, work):
        print([answer.text for answer in answers])
"""

from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from seedstep.data import Instance, Task
from seedstep.encode import Dropped, Encoded, HfTokenizer, TaskEncoder, decoder_texts, tokenize
from seedstep.errors import InputError
from seedstep.infer.settings import SystemSettings
from seedstep.llm import Engine, Failure, Message, ModelRef, Request
from seedstep.llm.order import AHEAD, in_order
from seedstep.text.cleaning import plain_text

__all__ = [
    "Answer",
    "TaskWork",
    "ask_checkpoint",
    "ask_server",
    "copy_answers",
]


NOTHING_TO_COPY = "the task has no demonstration"
"""Why a baseline has no answer."""

if TYPE_CHECKING:
    from seedstep.infer.generate import Checkpoint, GeneratedText


@dataclass(frozen=True, slots=True)
class TaskWork:
    """A task with those of its instances that are to be predicted, by their places in the run."""

    task: Task
    instances: tuple[tuple[int, Instance], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system answered to the instance at a place.

    `failed` says why there is no answer; `cut` is an answer that reached its length limit,
    `shortened` one to a prompt of which something had to be left out.
    """

    place: int
    text: str
    failed: str = ""
    cut: bool = False
    shortened: bool = False


async def ask_server(
    settings: SystemSettings,
    work: Iterable[TaskWork],
    engine: Engine,
    tokenizer: HfTokenizer | None = None,
) -> AsyncGenerator[list[Answer]]:
    """Yield the answers of a served model, one by one in order.

    With a tokenizer, prompts are fitted to the encoding's `max_source`.

    Raises:
        ModelError: the model can't be asked, or no longer.
        StoreError: an answer can't be kept.
        BudgetReached: the budget is spent; all before the first that is missing were yielded.
    """
    asking = _asking(settings, work, engine, tokenizer)
    async with aclosing(in_order(asking, AHEAD * settings.in_flight)) as answers:
        async for answer in answers:
            yield [answer]


def _asking(
    settings: SystemSettings,
    work: Iterable[TaskWork],
    engine: Engine,
    tokenizer: HfTokenizer | None,
) -> Iterator[Coroutine[Any, Any, Answer]]:
    encoding = settings.encoding
    if encoding.layout == "chat":  # the server has the template
        encoding = replace(encoding, layout="tk-instruct")
    for one in work:
        encoder = TaskEncoder(one.task, encoding, tokenizer)
        for place, instance in one.instances:
            yield _ask(settings, encoder, place, instance, engine)


async def _ask(
    settings: SystemSettings, encoder: TaskEncoder, place: int, instance: Instance, engine: Engine
) -> Answer:
    try:
        encoded = encoder.encode(instance)
    except InputError as error:
        return Answer(place, "", failed=error.what)
    text, _ = decoder_texts(encoded)
    prompt = (Message("user", text.rstrip()),) if settings.style == "chat" else text
    answer = await engine.ask(Request("prediction", prompt, settings.prediction), (place,))
    if isinstance(answer, Failure):
        return Answer(place, "", failed=plain_text(f"{answer.reason}: {answer.detail}"))
    said = plain_text(answer.text).strip()
    return Answer(place, said, cut=answer.cut, shortened=_is_shortened(encoded))


def ask_checkpoint(
    settings: SystemSettings,
    work: Iterable[TaskWork],
    checkpoint: "Checkpoint",
    tokenizer: HfTokenizer,
) -> Iterator[list[Answer]]:
    """Yield the answers of a model that is loaded into this process, batch by batch, task by task.

    Raises:
        InputError: the tokenizer has no end-of-sequence token, or for chat no template.
    """
    for one in work:
        encoder = TaskEncoder(one.task, settings.encoding, tokenizer)
        asked: list[tuple[int, Encoded]] = []
        failed: list[Answer] = []
        for place, instance in one.instances:
            try:
                asked.append((place, encoder.encode(instance)))
            except InputError as error:
                failed.append(Answer(place, "", failed=error.what))
        if failed:
            yield failed
        decoder_only = checkpoint.is_decoder_only
        pairs = [tokenize(one, tokenizer, decoder_only=decoder_only) for _, one in asked]
        for batch in checkpoint.answers([pair.prompt for pair in pairs]):
            yield [_answered(*asked[at], one) for at, one in batch]


def _answered(place: int, encoded: Encoded, one: "GeneratedText") -> Answer:
    said = plain_text(one.text).strip()
    return Answer(place, said, cut=one.cut, shortened=_is_shortened(encoded))


def _is_shortened(encoded: Encoded) -> bool:
    return replace(encoded.dropped, target_tokens=0) != Dropped()


def copy_answers(settings: SystemSettings, work: Iterable[TaskWork]) -> Iterator[list[Answer]]:
    """Yield what a baseline copies, task by task."""
    ref = ModelRef.parse(settings.model)
    copy = ref.provider.copies[ref.name]
    for task_work in work:
        copied = [
            (place, copy(task_work.task, instance, settings.seed))
            for place, instance in task_work.instances
        ]
        yield [
            Answer(place, "", failed=NOTHING_TO_COPY)
            if text is None
            else Answer(place, text.strip())
            for place, text in copied
        ]
