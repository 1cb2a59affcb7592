"""How the parts of a task become a prompt: Self-Instruct's templates and Tk-Instruct's layout.

Example::

    pair = encode_pair("Sort the list.", "b, a", "a, b", key="42 0")
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass

from seedstep.data import Example, Instance, Task
from seedstep.data.choices import generator
from seedstep.encode.encodings import Encoding
from seedstep.steps import canonical, shuffled

__all__ = [
    "Elements",
    "KeptElements",
    "Pair",
    "encode_pair",
    "input_text",
    "name_of",
    "steps_of",
]


def name_of(instance: Instance) -> str:
    """What tells an instance from others of its task."""
    return instance.id or instance.input


@dataclass(frozen=True, slots=True)
class KeptElements:
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
    def all(self) -> KeptElements:
        """All steps and examples."""
        return KeptElements(len(self.steps), len(self.positive), len(self.negative))

    def instruction(self, steps: int) -> str:
        """The definition, with the first `steps` steps before or after it."""
        numbered = _steps_text(self.steps[:steps])
        return numbered + self.definition if self.prepend else self.definition + numbered

    def head(self, kept: KeptElements) -> str:
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


TEMPLATES_WITH_INPUT = (
    "{instruction}\nInput: {input}\nOutput:",
    "{instruction}\n\nInput: {input}\n\nOutput:",
    "Task: {instruction}\nInput: {input}\nOutput:",
    "{instruction}\n\n{input}\n\nOutput:",
    "{instruction}\n\n{input}\n\n",
    "{instruction}\n{input}\n\n",
    "Task: {instruction}\n\n{input}\n\n",
)
TEMPLATES_WITHOUT_INPUT = (
    "{instruction} Output:",
    "{instruction}\nOutput:",
    "{instruction}\n\nOutput:",
    "{instruction}\n",
    "{instruction}\n\n",
    "Task: {instruction}\n\n",
)

_LABEL = re.compile(r"^[^\W\d][\w ]{0,30}:(?:[ \t]+|$)", re.MULTILINE)
_PLACE = re.compile(r"\{(instruction|input)\}")


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and the completion to learn."""

    prompt: str
    completion: str


def encode_pair(
    instruction: str, input_text: str, output: str, *, key: str, end_of_text: str = ""
) -> Pair:
    """Join an instruction, an input that may be empty, and an output.

    With probability 0.5 a label that is the only one in the input (`Sentence: …`) is dropped and
    blank lines in the input close up. The completion starts with a space where the prompt ends
    with `Output:`, and ends with `end_of_text`.
    """
    chance = generator(key)
    templates = TEMPLATES_WITH_INPUT if input_text else TEMPLATES_WITHOUT_INPUT
    template = chance.choice(templates)
    if chance.random() < 0.5:
        input_text = _bare(input_text)
    values = {"instruction": instruction, "input": input_text}
    prompt = _PLACE.sub(lambda match: values[match[1]], template)
    space = " " if prompt.endswith("Output:") else ""
    return Pair(prompt, f"{space}{output}{end_of_text}")


def _bare(text: str) -> str:
    if len(_LABEL.findall(text)) == 1:
        text = _LABEL.sub("", text)
    return re.sub(r"\n{2,}", "\n", text)
