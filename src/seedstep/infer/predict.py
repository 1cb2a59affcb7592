"""Predict answers to the instances of tasks: by a served model, a checkpoint, or a baseline.

Example::

    for answers in copy_answers(settings, work):
        print([answer.text for answer in answers])
"""

from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    MutableMapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from seedstep.data import Instance, Task
from seedstep.encode import (
    ChatFrame,
    Dropped,
    Encoded,
    HfTokenizer,
    TaskEncoder,
    decoder_texts,
    tokenize,
)
from seedstep.entries import guarded
from seedstep.errors import EntryError, InputError
from seedstep.infer.asking import load_checkpoint
from seedstep.infer.settings import PredictSettings
from seedstep.llm import (
    Engine,
    EngineStats,
    Failure,
    KeptAnswers,
    Message,
    Preview,
    Request,
    Spent,
    estimated_tokens,
    tokens_of,
)
from seedstep.llm.checkpoints import checkpoint_of, computing_type, load_tokenizer
from seedstep.llm.pacing import in_order
from seedstep.llm.wire import THINKING
from seedstep.text.characters import plain_text

__all__ = [
    "PURPOSE",
    "InstanceAnswer",
    "Opened",
    "TaskWork",
    "about_checkpoint",
    "ask_checkpoint",
    "ask_server",
    "copy_answers",
    "fitting_tokenizer",
    "load_system",
    "preview_answers",
]

PURPOSE = "prediction"
"""What the requests to a served model are for."""

if TYPE_CHECKING:
    from seedstep.infer.generate import Checkpoint, GeneratedText


@dataclass(frozen=True, slots=True)
class TaskWork:
    """A task, and its instances that are to be predicted, by their places in the run."""

    task: Task
    instances: tuple[tuple[int, Instance], ...]


@dataclass(frozen=True, slots=True)
class InstanceAnswer:
    """A system's answer to the instance at a place.

    `failed` says why there is no answer. `cut` says that the answer reached its length limit,
    `shortened` that its prompt was shortened. `thoughts` were removed from the text of a
    checkpoint; those of a served model are stored with its replies.
    """

    place: int
    text: str
    failed: str = ""
    cut: bool = False
    shortened: bool = False
    thoughts: str = ""


Opened = Callable[[EngineStats | None, str], None]
"""Called when a system is ready, with the engine's counts if it is served, and a note or ""."""


async def ask_server(
    settings: PredictSettings,
    work: Iterable[TaskWork],
    engine: Engine,
    tokenizer: HfTokenizer | None = None,
) -> AsyncGenerator[list[InstanceAnswer]]:
    """Yield the answers of a served model, one at a time, in order.

    With a tokenizer, prompts are fitted to the encoding's `max_source`.

    Raises:
        EntryError: a layout of the user's own can't write a prompt.
        ModelError: the model can't be asked, or no longer.
        StoreError: an answer can't be stored.
        BudgetReached: the budget is spent; all answers before the first missing one were yielded.
    """
    asking = _asking(settings, work, engine, tokenizer)
    async with aclosing(in_order(asking, settings.model.ahead)) as answers:
        async for answer in answers:
            yield [answer]


def _asking(
    settings: PredictSettings,
    work: Iterable[TaskWork],
    engine: Engine,
    tokenizer: HfTokenizer | None,
) -> Iterator[Coroutine[Any, Any, InstanceAnswer]]:
    for task_work in work:
        encoder = TaskEncoder(task_work.task, settings.encoding, tokenizer, in_template=False)
        for place, instance in task_work.instances:
            yield _ask(settings, encoder, place, instance, engine)


async def _ask(
    settings: PredictSettings, encoder: TaskEncoder, place: int, instance: Instance, engine: Engine
) -> InstanceAnswer:
    try:
        encoded = encoder.encode(instance)
    except EntryError:
        raise
    except InputError as error:
        return InstanceAnswer(place, "", failed=error.what)
    answer = await engine.ask(_request(settings, encoded), (place,))
    if isinstance(answer, Failure):
        return InstanceAnswer(place, "", failed=plain_text(f"{answer.reason}: {answer.detail}"))
    said = plain_text(answer.text).strip()
    return InstanceAnswer(place, said, cut=answer.cut, shortened=_is_shortened(encoded))


def _request(settings: PredictSettings, encoded: Encoded) -> Request:
    text, _ = decoder_texts(encoded)
    prompt = (Message("user", text.rstrip()),) if settings.style == "chat" else text
    return Request(PURPOSE, prompt, settings.prediction)


def preview_answers(
    settings: PredictSettings, work: Iterable[TaskWork], kept: KeptAnswers | None = None
) -> Preview:
    """Return the first prompt to a model, and an estimate for all of one that is served.

    `kept` says which requests to a served model are sent. Answers count as long as the first
    reference. Prompts to a checkpoint are shown before they are fitted to its `max_source` or put
    into its template; only the first of them is made.
    """
    spent, sent = Spent(), 0
    requests = _previewed(settings, work)
    if kept is None:
        return Preview(tuple(request for request, _ in islice(requests, 1)), {}, spent.tokens)
    first: Request | None = None
    for request, instance in requests:
        if kept.sends(request):
            first, sent = first or request, sent + 1
            spent.add(PURPOSE, tokens_of(request), estimated_tokens(instance.output))
    return Preview((first,) if first else (), {PURPOSE: sent} if sent else {}, spent.tokens)


def _previewed(
    settings: PredictSettings, work: Iterable[TaskWork]
) -> Iterator[tuple[Request, Instance]]:
    fit = fitting_tokenizer(settings) if settings.kind == "server" else None
    for task_work in work if settings.kind != "baseline" else ():
        encoder = TaskEncoder(task_work.task, settings.encoding, fit, in_template=False)
        for _, instance in task_work.instances:
            try:
                encoded = encoder.encode(instance)
            except EntryError:
                raise
            except InputError:  # a failed prediction then
                continue
            yield _request(settings, encoded), instance


def fitting_tokenizer(settings: PredictSettings) -> HfTokenizer | None:
    """Return the tokenizer by which prompts to a served model are fitted, if one is named."""
    return HfTokenizer(load_tokenizer(settings.tokenizer)) if settings.tokenizer else None


def ask_checkpoint(
    settings: PredictSettings,
    work: Iterable[TaskWork],
    checkpoint: "Checkpoint",
    tokenizer: HfTokenizer,
    part: tuple[int, int] = (0, 1),
) -> Iterator[list[InstanceAnswer]]:
    """Yield the answers of a model that is loaded into this process, batch by batch, task by task.

    Of each task's batches, `part` (number, of how many) names those that are computed: (1, 3) every
    third from the second on. What can't be asked is told with the first batch.

    Raises:
        EntryError: a layout of the user's own can't write a prompt.
        InputError: the tokenizer has no end-of-sequence token, or no template for the layout chat.
    """
    for task_work in work:
        asked, failed = _prompts(settings, task_work, checkpoint, tokenizer)
        failed = [] if part[0] else failed
        for batch in checkpoint.answers([prompt for _, _, prompt in asked], part):
            yield [*failed, *(_answered(*asked[at][:2], written) for at, written in batch)]
            failed = []
        if failed:
            yield failed


def _prompts(
    settings: PredictSettings, work: TaskWork, checkpoint: "Checkpoint", tokenizer: HfTokenizer
) -> tuple[list[tuple[int, Encoded, tuple[int, ...]]], list[InstanceAnswer]]:
    """Return the prompts of a task's instances, with their places; and what can't be asked."""
    encoder = TaskEncoder(work.task, settings.encoding, tokenizer)
    asked, failed = [], []
    for place, instance in work.instances:
        try:
            encoded = encoder.encode(instance)
        except EntryError:
            raise
        except InputError as error:
            failed.append(InstanceAnswer(place, "", failed=error.what))
            continue
        pair = tokenize(encoded, tokenizer, decoder_only=checkpoint.is_decoder_only)
        if fault := checkpoint.fault(pair.prompt):
            failed.append(InstanceAnswer(place, "", failed=fault))
        else:
            asked.append((place, encoded, pair.prompt))
    return asked, failed


def _answered(place: int, encoded: Encoded, written: "GeneratedText") -> InstanceAnswer:
    said, thoughts = plain_text(written.text).strip(), plain_text(written.thoughts)
    if written.used_up_by_thinking:
        used = (
            f"{THINKING}: all {written.tokens:,} tokens of the answer went into the model's "
            "thoughts; raise `room` under `reasoning`"
        )
        return InstanceAnswer(place, "", failed=used, thoughts=thoughts)
    return InstanceAnswer(place, said, "", written.cut, _is_shortened(encoded), thoughts)


def _is_shortened(encoded: Encoded) -> bool:
    return replace(encoded.dropped, target_tokens=0) != Dropped()


_COPIED = "a text, or None where it has none to copy"
"""What the function of a model that copies has to return."""


def _is_copied(found: object) -> bool:
    return found is None or isinstance(found, str)


def copy_answers(
    settings: PredictSettings, work: Iterable[TaskWork]
) -> Iterator[list[InstanceAnswer]]:
    """Yield the answers of a baseline, task by task."""
    ref = settings.model.ref
    copy = guarded(f"the model '{ref}'", ref.provider.copies[ref.name], _COPIED, _is_copied)
    for task_work in work:
        copied = [
            (place, copy(task_work.task, instance, settings.seed))
            for place, instance in task_work.instances
        ]
        yield [
            InstanceAnswer(place, "", failed="the task has no demonstration")
            if text is None
            else InstanceAnswer(place, text.strip())
            for place, text in copied
        ]


def about_checkpoint(
    settings: PredictSettings,
    work: Sequence[TaskWork],
    checkpoint: "Checkpoint",
    tokenizer: HfTokenizer,
) -> str:
    """Return a note on the type in which a checkpoint computes, if it isn't the one asked for, and
    on why no prefix is shared, with the tokens that this costs; or "".
    """
    note = computing_type(bf16=settings.bf16)[1]
    if not checkpoint.note:
        return note
    from seedstep.infer.generate import common_length

    prompts = [prompt for _, _, prompt in _prompts(settings, work[0], checkpoint, tokenizer)[0]]
    whole = sum(map(len, prompts))
    once = whole - common_length(prompts) * max(0, len(prompts) - 1)
    alone = "" if checkpoint.takes_padding else ", beside others of the same length only"
    sharing = (
        f"{checkpoint_of(settings.model.name)}: {checkpoint.note}, so each prompt is read from its "
        f"beginning{alone}: {whole / max(1, once):.1f} times as many tokens of prompts as with a "
        f"shared prefix ({whole:,} for {once:,} in the first task)"
    )
    return "; ".join(filter(None, (note, sharing)))


def load_system(
    settings: PredictSettings, frames: MutableMapping[str, ChatFrame]
) -> tuple["Checkpoint", HfTokenizer]:
    """Load the checkpoint of a system, and its tokenizer. `frames` are as in `answer_tasks`."""
    return load_checkpoint(
        settings.model.name,
        frames,
        in_chat=settings.style == "chat",
        bf16=settings.bf16,
        new_tokens=settings.max_new_tokens,
        stop=settings.stop_texts,
        batch=settings.batch,
        room=settings.model.reasoning_options.room,
    )
