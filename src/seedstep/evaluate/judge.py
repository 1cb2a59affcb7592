"""Have a model judge answers: rate them on four levels, or say which of two is better.

A rating is on the levels of Self-Instruct (section 4.4), with the reference shown (appendix B.1).
A preference asks the question of the annotators of Step-by-Step Instruction Tuning (appendix E,
"Comparison between our model and the baseline model"), once in each order. If the two texts are
equal, the model is not asked. No prompt names a system. If a verdict can't be read, the model is
asked once more, with another draw; if that can't be read either, the verdict is missing.

Example::

    async for judged in judge_answers(settings, instances, answers, engine):
        print(judged.instance, [verdict.label for verdict in judged.verdicts])
"""

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from seedstep.data import Task
from seedstep.evaluate.scores import SystemChoice
from seedstep.llm import (
    Budget,
    Failure,
    Message,
    Preview,
    Request,
    Sampling,
    Schema,
    Spent,
    tokens_of,
)
from seedstep.llm.pacing import in_order
from seedstep.llm.settings import AskedModel, AskingSettings, sampling_setting
from seedstep.prompts import render
from seedstep.settings import SEED, Count, part, setting
from seedstep.text import answer, json_object

if TYPE_CHECKING:
    from seedstep.llm import Engine

__all__ = [
    "FIRST",
    "SAME",
    "SECOND",
    "JudgeSettings",
    "JudgeVerdict",
    "Judged",
    "Question",
    "SystemAnswers",
    "judge_answers",
    "preference_question",
    "preview_verdicts",
    "rating_question",
    "read_verdict",
]

SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Not from the papers. The second request needs a temperature above 0: at 0 the model would give
    # the same answer again.
    {"verdict": Sampling(max_tokens=1024), "again": Sampling(max_tokens=1024, temperature=0.7)}
)


@dataclass(frozen=True, slots=True)
class JudgeSettings(AskingSettings):
    """The settings of a judge. Models are always asked in the form of a conversation."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = SAMPLING

    model: AskedModel = part(AskedModel)
    systems: SystemChoice = part(SystemChoice)
    limit: Count | None = setting(None, "Number of instances, the first ones. Default: all.")
    seed: int = setting(42, SEED)
    mode: Literal["rating", "pairwise"] = setting(
        "rating",
        "rating: each answer on Self-Instruct's levels A to D, beside the reference. "
        "pairwise: the first system against each of the others, in both orders.",
    )
    against: str | None = setting(
        None,
        "Compare each other system with this one in pairs; wins count for the other system. "
        "Default: compare the first system with each of the others.",
        metavar="NAME",
        later=True,
    )
    rubric: str | None = setting(
        None,
        "A text file with your own rubric. For ratings it says what each of the levels A to D "
        "means, in place of Self-Instruct's; for pairs it says what makes an answer better.",
        metavar="FILE",
        later=True,
    )
    budget: Budget = part(Budget)
    sampling: dict[str, Any] = sampling_setting(
        SAMPLING,
        "{verdict: {temperature: 0.5}}",
        drawn=("verdict",),
        long=("verdict", "again"),
    )


SHOWN_REFERENCES = 5
SHOWN_EXAMPLES = 2
"""How many positive examples of the task are shown, as to the paper's annotators."""

LONGEST = 20_000
"""The most characters of a reply that may be a verdict."""

FIRST, SECOND, SAME = "first", "second", "same"
"""The labels of a preference: the first or second text as shown, or neither, is better."""

UNREAD = "the verdict could not be read, twice"


SystemAnswers = Mapping[str, Mapping[str, str]]
"""The answers of each system by instance id. A missing answer counts as an empty text."""


@dataclass(frozen=True, slots=True)
class JudgeVerdict:
    """A verdict on one system, or on two systems in the order in which they were `shown`.

    `label` is a level from A to D, or FIRST, SECOND or SAME. If there is no verdict it is empty,
    and `failure` says why. `requests` has the keys of the requests, `replies` the unchanged
    replies; both are empty if the texts are equal, as the model is not asked then.
    """

    shown: tuple[str, ...]
    label: str
    requests: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts on all answers to an instance. `failure` is set if all verdicts are missing."""

    instance: str
    task: str
    verdicts: tuple[JudgeVerdict, ...]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about an instance: the prompt, the name of the answer, and its labels.

    `labels` maps each text that a reply may have, in lower case, to its label.
    """

    purpose: str
    prompt: str
    name: str
    options: tuple[str, ...]
    labels: Mapping[str, str]


def judge_answers(
    settings: JudgeSettings,
    instances: Iterable[Task],
    answers: SystemAnswers,
    engine: "Engine",
    rubric: str = "",
) -> AsyncGenerator[Judged]:
    """Yield the verdicts on the first `settings.limit` instances, in their order.

    `rubric` is the text of a rubric of the user's own. Each item of `instances` is a task with one
    instance: its `id` is the id of the instance, its `name` that of the task. A preference is
    between the first of `answers` and each of the others, or each other one and that of
    `settings.against`.

    Raises:
        ModelError: the model can't be asked, or no longer.
        StoreError: an answer can't be kept.
        BudgetReached: the budget is spent; all instances before the first incomplete one were
            yielded.
    """
    items = (
        _judged(settings, task, answers, rubric, engine, place)
        for place, task in enumerate(islice(instances, settings.limit))
    )
    return in_order(items, settings.model.ahead)


async def _judged(
    settings: JudgeSettings,
    task: Task,
    answers: SystemAnswers,
    rubric: str,
    engine: "Engine",
    place: int,
) -> Judged:
    verdicts = []
    for shown, question in _asked(settings, task, answers, rubric):
        if question is None:
            verdicts.append(JudgeVerdict(shown, SAME))
        else:
            verdicts.append(await _ask(settings, shown, question, engine, place))
    failure = "" if any(verdict.label for verdict in verdicts) else "no_verdict"
    return Judged(task.id, task.name, tuple(verdicts), failure)


def _asked(
    settings: JudgeSettings, task: Task, answers: SystemAnswers, rubric: str
) -> Iterator[tuple[tuple[str, ...], Question | None]]:
    """Yield the systems that a question shows, and the question; None if the texts are equal."""
    texts = {name: found.get(task.id, "") for name, found in answers.items()}
    if settings.mode == "rating":
        for name, text in texts.items():
            yield (name,), rating_question(task, text, rubric)
        return
    for pair in _pairs(tuple(texts), settings.against):
        for shown in (pair, pair[::-1]):
            first, second = (texts[name] for name in shown)
            is_equal = first.strip() == second.strip()
            yield shown, None if is_equal else preference_question(task, first, second, rubric)


def _pairs(names: Sequence[str], against: str | None) -> list[tuple[str, str]]:
    """Return the systems to compare: the first with each other one, or each with `against`."""
    if against is not None and against in names:
        return [(name, against) for name in names if name != against]
    return [(names[0], other) for other in names[1:]]


async def _ask(
    settings: JudgeSettings,
    shown: tuple[str, ...],
    question: Question,
    engine: "Engine",
    place: int,
) -> JudgeVerdict:
    """Ask at most twice. The draws depend on the seed, so that another seed is another judge."""
    keys: list[str] = []
    replies: list[str] = []
    for number, sampling in enumerate(("verdict", "again")):
        request = _request(settings, question, sampling, number)
        keys.append(engine.key(request))
        reply = await engine.ask(request, (place, number))
        if isinstance(reply, Failure):
            failure = reply.detail or reply.reason
            return JudgeVerdict(shown, "", tuple(keys), tuple(replies), failure)
        replies.append(reply.text)
        if label := read_verdict(reply.text, question, cut=reply.cut):
            return JudgeVerdict(shown, label, tuple(keys), tuple(replies))
    return JudgeVerdict(shown, "", tuple(keys), tuple(replies), UNREAD)


def _request(settings: JudgeSettings, question: Question, sampling: str, number: int) -> Request:
    schema = {
        "type": "object",
        "properties": {question.name: {"type": "string", "enum": list(question.options)}},
        "required": [question.name],
        "additionalProperties": False,
    }
    return Request(
        question.purpose,
        (Message("user", question.prompt),),
        settings.sampling_of(sampling),
        Schema(question.purpose, schema),
        draw=2 * settings.seed + number,
    )


VERDICT_TOKENS = 10
"""The tokens of a verdict, for estimates."""


def preview_verdicts(
    settings: JudgeSettings,
    instances: Iterable[Task],
    answers: SystemAnswers,
    rubric: str = "",
) -> Preview:
    """Return the first request of a judge and an estimate for all, without repetitions."""
    spent, first = Spent(), dict[str, Request]()
    counts: Counter[str] = Counter()
    for task in islice(instances, settings.limit):
        for _, question in _asked(settings, task, answers, rubric):
            if question is not None:
                request = _request(settings, question, "verdict", 0)
                first.setdefault(request.purpose, request)
                counts[request.purpose] += 1
                spent.add(request.purpose, tokens_of(request), VERDICT_TOKENS)
    return Preview(tuple(first.values()), dict(counts), spent.tokens)


RATING_HEAD = (
    "You are given an instruction, an instance input, target outputs as a reference, and the "
    "response of a model. Rate the response by this rubric, on a level from A (best) to D:\n\n"
)
PREFERENCE_HEAD = (
    "You are given an example that consists of a task definition, positive examples, an instance "
    "input, and two predictions from two evaluated models (Model A and Model B). Please carefully "
    'read the given example and determine by the rubric below which prediction is better ("Model '
    'A" or "Model B"). If you can not determine which prediction to select, pick the "Same" '
    "option.\n\n"
)
"""What stands before a user's own rubric, in place of the beginning of the prompt files."""


def _with_rubric(prompt: str, head: str, rubric: str, material: str) -> str:
    """Return a prompt with a rubric in place of all that stands before the `material`."""
    if not rubric:
        return prompt
    _, found, rest = prompt.partition(f"\n\n{material}\n")
    return f"{head}{rubric}{found}{rest}"


def rating_question(task: Task, response: str, rubric: str = "") -> Question:
    """Return the question on which level a response is. Up to 5 references are shown."""
    (instance,) = task.instances
    shown = [f"Target output:\n{output}\n\n" for output in instance.outputs[:SHOWN_REFERENCES]]
    prompt = render(
        "judge/rating",
        task_definition=task.definition,
        instance_input=instance.input,
        references="".join(shown),
        response=response,
    )
    prompt = _with_rubric(prompt, RATING_HEAD, rubric, "Instruction:")
    return Question("rating", prompt, "rating", tuple("ABCD"), _LEVELS)


def preference_question(task: Task, first: str, second: str, rubric: str = "") -> Question:
    """Return the question which of two predictions is better."""
    (instance,) = task.instances
    shown = [
        f"Positive example {number}:\nInput: {example.input}\nOutput: {example.output}\n\n"
        for number, example in enumerate(task.positive_examples[:SHOWN_EXAMPLES], start=1)
    ]
    prompt = render(
        "judge/preference",
        task_definition=task.definition,
        examples="".join(shown),
        instance_input=instance.input,
        prediction_a=first,
        prediction_b=second,
    )
    prompt = _with_rubric(prompt, PREFERENCE_HEAD, rubric, "Task definition:")
    return Question("preference", prompt, "better", ("Model A", "Model B", "Same"), _CHOICES)


_LEVELS = MappingProxyType(
    {f"{before}{level.lower()}": level for level in "ABCD" for before in ("", "rating-")}
)
_CHOICES = MappingProxyType(
    {"model a": FIRST, "a": FIRST, "model b": SECOND, "b": SECOND, "same": SAME}
)
_AROUND = " \t\"'`*_.:-•"
"""The characters that may surround a verdict in a line."""


def read_verdict(reply: str, question: Question, *, cut: bool = False) -> str:
    """Return the label in a reply, which ends with JSON, has a line `Rating: B`, or is a label.

    The label is empty if the reply has none, or several. If the reply was `cut` at its length
    limit, its last line is incomplete and is not read.
    """
    text = answer(reply).strip()
    if len(text) > LONGEST:
        return ""
    values = []
    if (begin := text.find("{")) >= 0:
        value = (json_object(text[begin:].rstrip("`\n ")) or {}).get(question.name)
        if isinstance(value, str):
            values, text, cut = [value], text[:begin], False
        elif begin == 0:
            return ""
    lines = text.splitlines()[: -1 if cut else None]
    if len(lines) == 1 and not values and (label := _label(lines[0], question)):
        return label
    named = [line.partition(":") for line in lines]
    values += [value for name, _, value in named if name.strip(_AROUND).lower() == question.name]
    return _label(values[0], question) if len(values) == 1 else ""


def _label(text: str, question: Question) -> str:
    return question.labels.get(text.strip(_AROUND).lower(), "")
