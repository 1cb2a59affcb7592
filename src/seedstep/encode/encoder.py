"""A task's instances as prompts and targets that fit a budget of tokens.

The second paper's section 3.4, and Tk-Instruct's released code for `fit="fidelity"`: it adds
examples while all fits, and cuts what is still too long at its end, so that the input may be lost.

Example::

    encoder = TaskEncoder(task, ENCODINGS["steps"], tokenizer)
    encoded = [encoder.encode(instance, seed=42, epoch=0) for instance in task.instances]
"""

from collections.abc import Iterator
from dataclasses import replace

from seedstep.data import Instance, Task
from seedstep.data.choices import draw, key
from seedstep.encode.budget import LengthBudget
from seedstep.encode.encodings import Dropped, Encoded, Encoding, TextTokenizer, check_encoding
from seedstep.encode.layouts import (
    Elements,
    KeptElements,
    encode_pair,
    input_text,
    name_of,
)

__all__ = ["TaskEncoder", "encode_task"]


def encode_task(
    task: Task,
    instance: Instance,
    encoding: Encoding,
    tokenizer: TextTokenizer | None = None,
    *,
    seed: int = 42,
    epoch: int = 0,
) -> Encoded:
    """One instance of a task. For several, a `TaskEncoder` reads what they share only once.

    Raises:
        InputError: as `TaskEncoder` and its `encode`.
    """
    return TaskEncoder(task, encoding, tokenizer).encode(instance, seed=seed, epoch=epoch)


class TaskEncoder:
    """Makes prompts and targets of a task's instances.

    Without a tokenizer nothing is dropped or cut.
    """

    def __init__(
        self, task: Task, encoding: Encoding, tokenizer: TextTokenizer | None = None
    ) -> None:
        """Raise InputError if the encoding's parts don't go together, or it is "chat" and the
        tokenizer has no chat template.
        """
        check_encoding(encoding)
        self._task = task
        self._encoding = encoding
        self._budget = LengthBudget(task.id, encoding, tokenizer)
        self._elements: dict[int, Elements] = {}

    def encode(self, instance: Instance, *, seed: int = 42, epoch: int = 0) -> Encoded:
        """The prompt, and as target one of the references, drawn by seed, epoch and names.

        Raises:
            InputError: nothing of the input fits behind the definition ("safe").
        """
        name = name_of(instance)
        chosen = draw(len(instance.outputs), "reference", seed, epoch, self._task.id, name)
        target = instance.outputs[chosen]
        if self._encoding.fit == "fidelity":
            return self._as_released(instance, target, self._parts(seed))
        if self._encoding.layout == "self-instruct":
            chance = key("template", seed, epoch, self._task.id, name)
            prompt, target, dropped = self._templated(instance.input, target, chance)
        else:
            prompt, dropped = self._safe(instance.input.strip(), self._parts(seed))
        target, lost = self._budget.cut_target(prompt, target)
        dropped = replace(dropped, target_tokens=lost)
        chat = self._encoding.layout == "chat"
        return Encoded(self._task.id, instance.id, prompt, target, dropped, chat)

    def _parts(self, seed: int) -> Elements:
        if seed not in self._elements:
            self._elements[seed] = Elements.of(self._task, self._encoding, seed=seed)
        return self._elements[seed]

    def _templated(self, text: str, target: str, chance: str) -> tuple[str, str, Dropped]:
        """One of Self-Instruct's templates, with an input that is cut if need be."""

        def prompt(text: str) -> str:
            return encode_pair(self._task.definition, text, target, key=chance).prompt

        text, lost = self._budget.cut_input(prompt, text)
        pair = encode_pair(self._task.definition, text, target, key=chance)
        return pair.prompt, pair.completion, Dropped(input_tokens=lost)

    def _safe(self, text: str, parts: Elements) -> tuple[str, Dropped]:
        """Drop examples, then steps, then the end of the input, until the prompt fits."""
        tail = self._budget.counted(input_text(text))
        for kept in _fewer_and_fewer(parts.all):
            head = parts.head(kept)
            if self._budget.fits(head, tail):
                return self._budget.framed(head + tail.text), _dropped(parts, kept)
        head = parts.head(KeptElements(0, 0, 0))

        def prompt(text: str) -> str:
            return self._budget.framed(head + input_text(text))

        text, lost = self._budget.cut_input(prompt, text)
        return prompt(text), replace(_dropped(parts, KeptElements(0, 0, 0)), input_tokens=lost)

    def _as_released(self, instance: Instance, target: str, parts: Elements) -> Encoded:
        """Tk-Instruct's way: its test joins examples with spaces, and forgets the task's name."""
        tail = self._budget.counted(input_text(instance.input))
        steps = parts.all.steps
        tried = parts.instruction(steps)
        fitting = [0, 0]
        for kind, examples in enumerate((parts.positive, parts.negative)):
            earlier = tried
            for number, example in enumerate(examples, start=1):
                if not self._budget.fits(tried + example, tail):
                    break
                fitting[kind] = number
                tried = earlier + " ".join(examples[:number])
        kept = KeptElements(steps, *fitting)
        prompt, lost = self._budget.cut_as_released(parts.head(kept) + tail.text)
        over = self._budget.target_tokens_over(target)
        dropped = replace(_dropped(parts, kept), cut_tokens=lost, target_tokens=over)
        limits = (self._encoding.max_source, self._encoding.max_target)
        return Encoded(self._task.id, instance.id, prompt, target, dropped, limits=limits)


def _fewer_and_fewer(kept: KeptElements) -> Iterator[KeptElements]:
    """All, then one example less at a time, negative ones first, then one step less."""
    yield kept
    for negative in reversed(range(kept.negative)):
        yield replace(kept, negative=negative)
    for positive in reversed(range(kept.positive)):
        yield KeptElements(kept.steps, positive, 0)
    for steps in reversed(range(kept.steps)):
        yield KeptElements(steps, 0, 0)


def _dropped(parts: Elements, kept: KeptElements) -> Dropped:
    everything = parts.all
    return Dropped(
        positive=everything.positive - kept.positive,
        negative=everything.negative - kept.negative,
        steps=everything.steps - kept.steps,
    )
