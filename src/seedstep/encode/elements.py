"""The elements of Tk-Instruct's prompts, byte for byte, and the step-by-step instruction.

Tk-Instruct (Wang et al., 2022) writes `Definition: …`, ` Positive Example 1 -` and so on, each
text stripped and closed with a full stop where it does not end with punctuation. The second paper
(section 3.4) starts from Tk-Instruct's checkpoints and code and adds `Step by Step Instruction: …`
before the definition, or after it (Table 4). Its printed template shows the order of the elements,
not their white space, which therefore is Tk-Instruct's here. Steps are joined by spaces, as Tables
9 to 12 show them.

Example::

    parts = Elements.of(task, Encoding(steps="refined"), seed=42)
    parts.head(parts.all) + input_text("2 3")
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass

from seedstep.data import Example, Task
from seedstep.encode.records import Encoding
from seedstep.steps import canonical, shuffled

__all__ = ["Elements", "Kept", "input_text", "steps_of"]


@dataclass(frozen=True, slots=True)
class Kept:
    """How many of a prompt's steps and examples are in it, the first ones."""

    steps: int
    positive: int
    negative: int


@dataclass(frozen=True, slots=True)
class Elements:
    """What the prompts of a task have in common, as texts. `name` and `definition` may be empty."""

    name: str
    definition: str
    steps: tuple[str, ...]
    prepend: bool
    positive: tuple[str, ...]
    negative: tuple[str, ...]

    @staticmethod
    def of(task: Task, encoding: Encoding, *, seed: int) -> "Elements":
        """The elements that an encoding asks for; `seed` decides the order of shuffled steps."""
        positive = task.positive_examples[: encoding.positive]
        negative = task.negative_examples[: encoding.negative]
        return Elements(
            f"{task.id}. " if encoding.task_name else "",
            _closed(f"Definition: {task.definition.strip()}") + "\n\n"
            if encoding.definition
            else "",
            steps_of(task, encoding, seed=seed),
            encoding.position == "prepend",
            _examples("Positive", positive, explanations=encoding.explanations),
            _examples("Negative", negative, explanations=encoding.explanations),
        )

    @property
    def all(self) -> Kept:
        """All steps and examples."""
        return Kept(len(self.steps), len(self.positive), len(self.negative))

    def instruction(self, steps: int) -> str:
        """The definition, with the first `steps` steps before or after it."""
        numbered = _steps_text(self.steps[:steps])
        return numbered + self.definition if self.prepend else self.definition + numbered

    def head(self, kept: Kept) -> str:
        """Everything before the input."""
        examples = self.positive[: kept.positive] + self.negative[: kept.negative]
        return self.name + self.instruction(kept.steps) + "".join(examples)


def input_text(text: str) -> str:
    """The input, and the place for the answer."""
    return _closed(f"Now complete the following example -\nInput: {text.strip()}") + "\nOutput: "


def steps_of(task: Task, encoding: Encoding, *, seed: int) -> tuple[str, ...]:
    """The steps that an encoding asks for, empty where the task has none."""
    if encoding.steps == "none":
        return ()
    if encoding.steps == "unrefined":
        return canonical(task.unrefined_steps)
    steps = canonical(task.steps)
    return steps if encoding.steps == "refined" else shuffled(steps, run_seed=seed, task_id=task.id)


def _steps_text(steps: Sequence[str]) -> str:
    if not steps:
        return ""
    lines = (f"{number}. {' '.join(step.split())}" for number, step in enumerate(steps, start=1))
    return _closed(f"Step by Step Instruction: {' '.join(lines)}") + "\n\n"


def _examples(kind: str, examples: Sequence[Example], *, explanations: bool) -> tuple[str, ...]:
    return tuple(
        _example(f" {kind} Example {number} -\n", one, explanations=explanations)
        for number, one in enumerate(examples, start=1)
    )


def _example(title: str, example: Example, *, explanations: bool) -> str:
    text = title + _closed(f"Input: {example.input.strip()}") + "\n"
    text += _closed(f" Output: {example.output.strip()}") + "\n"
    if explanations:
        text += _closed(f" Explanation: {example.explanation.strip()}") + "\n"
    return text + "\n"


def _closed(text: str) -> str:
    """A text that ends with ASCII punctuation, a full stop if need be."""
    return text if text[-1] in string.punctuation else f"{text}."
