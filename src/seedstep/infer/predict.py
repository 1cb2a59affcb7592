"""Two baselines that read no definition (Wang et al. 2022): what copying alone would score.

Published for the English test set: copying the input of the instance 14.20 ROUGE-L, copying the
output of a demonstration 28.54. The released script copies the first positive example's output,
the paper says that of a random one.

Example::

    inputs = {one.id: one.input for one in task.instances}
    predictions = [*copy_inputs(task.id, inputs)]
    predictions = [*copy_demonstrations(task.id, inputs, task.positive_examples)]
"""

from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from seedstep.data import Instance, Prediction, Task
from seedstep.encode import Dropped, Encoded, HfTokenizer, TaskEncoder, decoder_texts, tokenize
from seedstep.errors import InputError
from seedstep.infer.settings import COPY_INPUT, SystemSettings
from seedstep.llm import Engine, Failure, Message, Request
from seedstep.llm.order import AHEAD, in_order
from seedstep.text.cleaning import plain_text

__all__ = [
    "Answer",
    "HasOutput",
    "TaskWork",
    "ask_checkpoint",
    "ask_server",
    "copy_answers",
    "copy_demonstrations",
    "copy_inputs",
]


class HasOutput(Protocol):
    """What a positive example needs to be copied from."""

    @property
    def output(self) -> str:
        """The text to copy."""


def copy_inputs(task: str, inputs: Mapping[str, str]) -> Iterator[Prediction]:
    """The input of each instance as its prediction. `inputs` are by instance id."""
    for instance, text in inputs.items():
        yield Prediction(task, instance, text)


def copy_demonstrations(
    task: str,
    instances: Iterable[str],
    demonstrations: Sequence[HasOutput],
    seed: int | None = None,
) -> Iterator[Prediction]:
    """A demonstration's output as the prediction for each instance id.

    It is the first one's, or with a `seed` a random one's, which depends on seed and instance
    id alone. Without demonstrations the predictions are failed ones.
    """
    for instance in instances:
        if demonstrations:
            place = 0 if seed is None else _drawn(seed, instance, len(demonstrations))
            yield Prediction(task, instance, demonstrations[place].output)
        else:
            yield Prediction(task, instance, "", failed="the task has no demonstration")


def _drawn(seed: int, instance: str, choices: int) -> int:
    key = f"{seed} {instance}".encode("utf-8", "surrogatepass")
    return int.from_bytes(sha256(key).digest()) % choices


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
    for one in work:
        places = {instance.id: place for place, instance in one.instances}
        yield [
            Answer(places[copied.instance], copied.text.strip(), copied.failed)
            for copied in _copied(settings, one)
        ]


def _copied(settings: SystemSettings, work: TaskWork) -> Iterator[Prediction]:
    inputs = {instance.id: instance.input for _, instance in work.instances}
    if settings.model == COPY_INPUT:
        return copy_inputs(work.task.id, inputs)
    return copy_demonstrations(work.task.id, inputs, work.task.positive_examples, settings.seed)
