r"""The elements of a task that its prompts share, and their text as Tk-Instruct labels them.

Section 3.4 of the second paper. A layout gets `Elements`, and may write them as it likes.

Example::

    >>> tk_instruct_tail("b, a")
    'Now complete the following example -\nInput: b, a.\nOutput: '
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seedstep.data import Example, Instance, Task
from seedstep.steps import canonical, shuffled
from seedstep.text import single_spaced

if TYPE_CHECKING:
    from seedstep.encode.encodings import Encoding

__all__ = [
    "Elements",
    "KeptElements",
    "name_of",
    "steps_of",
    "tk_instruct_examples",
    "tk_instruct_head",
    "tk_instruct_instruction",
    "tk_instruct_tail",
]


def name_of(instance: Instance) -> str:
    """Return the id of an instance, or its input where it has no id."""
    return instance.id or instance.input


@dataclass(frozen=True, slots=True)
class KeptElements:
    """How many steps and examples a prompt contains, counted from the first of each."""

    steps: int
    positive: int
    negative: int


@dataclass(frozen=True, slots=True)
class Elements:
    """The parts that all prompts of a task share.

    `name` and `definition` are None where the encoding does not show them. With `steps_first` the
    steps stand before the definition. Examples are shown with their `explanations`, or without.
    """

    name: str | None
    definition: str | None
    steps: tuple[str, ...]
    steps_first: bool
    positive: tuple[Example, ...]
    negative: tuple[Example, ...]
    explanations: bool

    @staticmethod
    def of(task: Task, encoding: "Encoding", *, seed: int) -> "Elements":
        """Return the elements that an encoding asks for; shuffled steps depend on `seed`."""
        return Elements(
            task.id if encoding.task_name else None,
            task.definition if encoding.definition else None,
            steps_of(task, encoding, seed=seed),
            encoding.position == "prepend",
            task.positive_examples[: encoding.positive],
            task.negative_examples[: encoding.negative],
            encoding.explanations,
        )

    @property
    def all(self) -> KeptElements:
        """All steps and examples."""
        return KeptElements(len(self.steps), len(self.positive), len(self.negative))

    def first(self, kept: KeptElements) -> "Elements":
        """Return the elements with the first steps and examples only."""
        return replace(
            self,
            steps=self.steps[: kept.steps],
            positive=self.positive[: kept.positive],
            negative=self.negative[: kept.negative],
        )


def steps_of(task: Task, encoding: "Encoding", *, seed: int) -> tuple[str, ...]:
    """Return the steps that an encoding asks for; an empty tuple if the task has none."""
    if encoding.steps == "none":
        return ()
    if encoding.steps == "unrefined":
        return canonical(task.unrefined_steps)
    steps = canonical(task.steps)
    return steps if encoding.steps == "refined" else shuffled(steps, run_seed=seed, task_id=task.id)


def tk_instruct_instruction(elements: Elements) -> str:
    """Return the definition, with the steps before or after it."""
    text = ""
    if elements.definition is not None:
        text = _closed(f"Definition: {elements.definition.strip()}") + "\n\n"
    steps = _steps_text(elements.steps)
    return steps + text if elements.steps_first else text + steps


def tk_instruct_examples(elements: Elements) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts of positive and of negative examples."""
    return (
        _examples("Positive", elements.positive, explanations=elements.explanations),
        _examples("Negative", elements.negative, explanations=elements.explanations),
    )


def tk_instruct_head(elements: Elements) -> str:
    """Return the text before the input, with all elements."""
    name = "" if elements.name is None else f"{elements.name}. "
    positive, negative = tk_instruct_examples(elements)
    return name + tk_instruct_instruction(elements) + "".join(positive + negative)


def tk_instruct_tail(text: str) -> str:
    """Return the text from the input up to the answer."""
    return _closed(f"Now complete the following example -\nInput: {text.strip()}") + "\nOutput: "


def _steps_text(steps: Sequence[str]) -> str:
    if not steps:
        return ""
    lines = (f"{number}. {single_spaced(step)}" for number, step in enumerate(steps, start=1))
    return _closed(f"Step by Step Instruction: {' '.join(lines)}") + "\n\n"


def _examples(kind: str, examples: Sequence[Example], *, explanations: bool) -> tuple[str, ...]:
    return tuple(
        _example(f" {kind} Example {number} -\n", example, explanations=explanations)
        for number, example in enumerate(examples, start=1)
    )


def _example(title: str, example: Example, *, explanations: bool) -> str:
    text = title + _closed(f"Input: {example.input.strip()}") + "\n"
    text += _closed(f" Output: {example.output.strip()}") + "\n"
    if explanations:
        text += _closed(f" Explanation: {example.explanation.strip()}") + "\n"
    return text + "\n"


def _closed(text: str) -> str:
    """Return the text, with a full stop added unless it ends with ASCII punctuation."""
    return text if text[-1] in string.punctuation else f"{text}."
