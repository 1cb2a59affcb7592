"""Write the outputs of instances anew by another model; instructions and inputs are kept.

Self-Instruct, section 4.5 and Figure 7: data whose outputs a stronger model had written tuned a
better model. The paper prints no prompt for it. In chat style a model is asked as the instruction
and the input stand in an export of conversations: one message, a blank line between them. In
completion style it is asked by the prompt of the paper's evaluations.

Example::

    async for distilled in rewrite_outputs(DistillSettings.of(model="openai:m"), tasks, engine):
        print(distilled.instances, distilled.left_out)
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from seedstep.data import Example, Instance, Task
from seedstep.encode import ENCODINGS, encode_task
from seedstep.encode.layouts import named_layout
from seedstep.llm import (
    Budget,
    Failure,
    Message,
    Preview,
    Request,
    Sampling,
    Spent,
)
from seedstep.llm.models import either, forms_of
from seedstep.llm.pacing import in_order
from seedstep.llm.records import estimated_tokens, tokens_of
from seedstep.llm.settings import AskedModel, AskingSettings, sampling_setting
from seedstep.settings import Count, Place, part, setting
from seedstep.text import is_refusal, plain_text

if TYPE_CHECKING:
    from seedstep.llm import Engine

__all__ = [
    "DISTILL_SAMPLING",
    "LEFT_OUT",
    "PURPOSE",
    "DistillSettings",
    "DistilledTask",
    "LeftOut",
    "preview_outputs",
    "rewrite_outputs",
]

PURPOSE = "output"
"""What the requests are for."""

FRAME = "self-instruct-fixed"
"""The encoding by which a model in completion style is asked."""

PLAIN = "plain"
"""The same for prompts that are whole already."""

DISTILL_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Greedy, as the outputs of the bootstrap are; 1,024 tokens as in the paper's evaluations.
    {PURPOSE: Sampling(max_tokens=1024)}
)

LEFT_OUT = MappingProxyType(
    {
        "request_failed": "the model refused the request, or could not answer it",
        "empty": "the reply is empty",
        "cut": "the reply was cut at its length limit",
        "refusal": "the reply is a refusal",
    }
)
"""Why an instance has no new output, and is left out."""


@dataclass(frozen=True, slots=True)
class DistillSettings(AskingSettings):
    """The settings of the stage that writes outputs anew."""

    SAMPLING: ClassVar[Mapping[str, Sampling]] = DISTILL_SAMPLING

    source: str | None = setting(
        None,
        "The instances: a bootstrap's run, an export, or any source that `seedstep tune` takes.",
        flags=("SOURCE",),
    )
    model: AskedModel = part(
        AskedModel,
        name=Place(
            help="The model that writes the outputs: "
            f"{either(forms_of(lambda provider: provider.is_asked))}."
        ),
    )
    prompt_style: Literal["auto", "completion", "chat"] = setting(
        "auto",
        "chat, completion, or auto: chat for openai:NAME, completion for local and gguf:PATH, the "
        "recording's own for replay:FILE.",
        flags=("--style", "--prompt-style"),
    )
    limit: Count | None = setting(None, "Number of tasks, the first ones. Default: all.")
    limit_instances: Count | None = setting(
        None, "Instances of each task, the first ones. Default: all."
    )
    skip_bad: bool = setting(False, "Go on without tasks and lines that can't be read.")
    seed: int = setting(42, "Seed by which an export draws templates.")
    budget: Budget = part(Budget)
    sampling: dict[str, Any] = sampling_setting(DISTILL_SAMPLING, "{output: {temperature: 0.7}}")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An instance without a new output. `reason` is one of `LEFT_OUT`; `request` is a key."""

    instance: str
    reason: str
    detail: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class DistilledTask:
    """A task's instances with their new outputs, and those that are left out.

    `before` has the old output of each instance, in the order of `instances`. `failure` is
    "no_outputs" where all instances are left out.
    """

    task_id: str
    instances: tuple[Instance, ...] = ()
    before: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    is_classification: bool = False
    positive_examples: tuple[Example, ...] = ()
    negative_examples: tuple[Example, ...] = ()
    failure: str = ""

    @property
    def changed(self) -> int:
        """How many outputs differ from the old ones."""
        return sum(
            instance.output != before
            for instance, before in zip(self.instances, self.before, strict=True)
        )


def rewrite_outputs(
    settings: DistillSettings,
    tasks: Iterable[Task],
    engine: "Engine",
    *,
    whole_prompts: bool = False,
) -> AsyncGenerator[DistilledTask]:
    """Yield the first `settings.limit` tasks with new outputs, in order.

    Definitions that are `whole_prompts` are sent as they stand.

    Raises:
        ModelError: the model can't be asked.
        StoreError: an answer can't be kept.
        BudgetReached: the budget is spent. All tasks before the first incomplete one were yielded.
    """
    items = (
        _rewritten(settings, PLAIN if whole_prompts else FRAME, task, engine, place)
        for place, task in enumerate(islice(tasks, settings.limit))
    )
    return in_order(items, settings.model.ahead)


async def _rewritten(
    settings: DistillSettings, frame: str, task: Task, engine: "Engine", place: int
) -> DistilledTask:
    written = await asyncio.gather(
        *(
            _output(engine, _request(settings, frame, task, instance), instance, (place, number))
            for number, instance in enumerate(task.instances)
        )
    )
    kept = [
        (old, new)
        for old, new in zip(task.instances, written, strict=True)
        if isinstance(new, Instance)
    ]
    return DistilledTask(
        task.id,
        tuple(new for _, new in kept),
        tuple(old.output for old, _ in kept),
        tuple(new for new in written if isinstance(new, LeftOut)),
        task.is_classification,
        task.positive_examples,
        task.negative_examples,
        failure="" if kept else "no_outputs",
    )


async def _output(
    engine: "Engine", request: Request, instance: Instance, priority: tuple[int, int]
) -> Instance | LeftOut:
    answer = await engine.ask(request, priority)
    key = engine.key(request)
    if isinstance(answer, Failure):
        detail = plain_text(answer.detail or answer.reason)
        return LeftOut(instance.id, "request_failed", detail, key)
    said = plain_text(answer.text).strip()
    reason = "cut" if answer.cut else "" if said else "empty"
    if reason or is_refusal(said):
        return LeftOut(instance.id, reason or "refusal", request=key)
    return replace(instance, outputs=(said,))


def _request(settings: DistillSettings, frame: str, task: Task, instance: Instance) -> Request:
    sampling = settings.sampling_of(PURPOSE)
    if settings.style == "chat":
        text = "\n\n".join(filter(None, (task.definition, instance.input)))
        return Request(PURPOSE, (Message("user", text),), sampling)
    encoding = ENCODINGS[frame]
    if "stop" not in settings.sampling.get(PURPOSE, {}):
        sampling = replace(sampling, stop=named_layout(encoding.layout).stop_texts)
    return Request(PURPOSE, encode_task(task, instance, encoding).prompt, sampling)


def preview_outputs(
    settings: DistillSettings, tasks: Sequence[Task], *, whole_prompts: bool = False
) -> Preview:
    """Return the first request and an estimate for all; new outputs count as long as the old."""
    chosen = tasks[: settings.limit]
    spent = Spent()
    first: tuple[Request, ...] = ()
    for task in chosen:
        for instance in task.instances:
            frame = PLAIN if whole_prompts else FRAME
            request = _request(settings, frame, task, instance)
            first = first or (request,)
            spent.add(PURPOSE, tokens_of(request), estimated_tokens(instance.output))
    counts = {PURPOSE: sum(len(task.instances) for task in chosen)}
    return Preview(first, counts, spent.tokens)
