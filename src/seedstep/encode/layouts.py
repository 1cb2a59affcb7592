r"""The layouts: how the elements of a task and an input become the text of a prompt.

`LAYOUTS` has all layouts: Tk-Instruct's labelled elements, Self-Instruct's random templates, and
the model's own chat template. `seedstep.encode.add_layout` adds one of your own::

    def head(elements: Elements) -> str:
        shown = (f"Q: {example.input}\nA: {example.output}\n\n" for example in elements.positive)
        return f"{elements.definition}\n\n" + "".join(shown)

    add_layout(Layout("qa", "questions and answers", head, lambda text: f"Q: {text}\nA: "))
    encode_task(task, task.instances[0], Encoding("qa"))

Example::

    >>> pair = encode_pair("Sort the list.", "b, a", "a, b", key="42 0")
    >>> pair.prompt, pair.completion
    ('Sort the list.\n\nb, a\n\nOutput:', ' a, b')
"""

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seedstep.data import Example, Instance, Task
from seedstep.data.choice import generator
from seedstep.entries import guarded, is_text
from seedstep.errors import unknown_name
from seedstep.steps import canonical, shuffled
from seedstep.text import single_spaced

if TYPE_CHECKING:
    from seedstep.encode.encodings import Encoding

__all__ = [
    "FIDELITY",
    "LAYOUTS",
    "Elements",
    "KeptElements",
    "Layout",
    "Pair",
    "encode_pair",
    "name_of",
    "named_layout",
    "steps_of",
    "tk_instruct_examples",
    "tk_instruct_instruction",
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


FIDELITY = "fidelity"
"""The fit that follows Tk-Instruct's released code (see `Encoding.fit`)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and the completion to learn."""

    prompt: str
    completion: str


def _no_text(of: object) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to write prompts.

    `meaning` is a line for the help of commands. `head` returns the text of a prompt before the
    input, `tail` the rest of it, with the input and up to the answer. A layout whose prompts don't
    begin alike, such as those with the definition after the input, has a `prompt` in place of
    these, called with all elements and the input. A layout that has no place for examples and steps
    has a `whole`: called with the definition, an input, an answer and a key for random choices, it
    returns the prompt and the answer. With `in_template` a prompt is a message in the model's chat
    template. `fits` are the values of `Encoding.fit` that the layout supports.

    A model may go on writing after its answer: the answer ends before the first of the `stop_texts`
    or, if the prompt shows examples, of `stop_after_examples`. With `leaves_out_copies` a tuning
    uses an instance once, even if it is in the data several times. A `bare` one shows definition
    and input alone, as they stand.
    """

    name: str
    meaning: str
    head: Callable[[Elements], str] = _no_text
    tail: Callable[[str], str] = _no_text
    prompt: Callable[[Elements, str], str] | None = None
    whole: Callable[[str, str, str, str], Pair] | None = None
    in_template: bool = False
    fits: tuple[str, ...] = ("safe",)
    stop_texts: tuple[str, ...] = ()
    stop_after_examples: tuple[str, ...] = ()
    leaves_out_copies: bool = False
    bare: bool = False

    @property
    def takes_parts(self) -> bool:
        """Whether there is a place for examples and steps."""
        return self.whole is None and not self.bare

    @property
    def shows_input(self) -> bool:
        """Whether there is a place for the input."""
        return bool(self.prompt or self.whole) or self.tail is not _no_text

    def written(self, elements: Elements, text: str) -> str:
        """Return the prompt for an input, of a layout that takes elements."""
        if self.prompt:
            return self.prompt(elements, text)
        return self.head(elements) + self.tail(text)


def guarded_layout(layout: Layout) -> Layout:
    """Return a layout whose name is in the errors of its functions."""
    entry = f"the layout '{layout.name}'"
    prompt, whole = layout.prompt, layout.whole
    return replace(
        layout,
        head=guarded(entry, layout.head, "a text", is_text),
        tail=guarded(entry, layout.tail, "a text", is_text),
        prompt=prompt and guarded(entry, prompt, "a text", is_text),
        whole=whole and guarded(entry, whole, "a Pair of prompt and target", _is_pair),
    )


def _is_pair(found: object) -> bool:
    return isinstance(found, Pair)


def named_layout(name: str) -> Layout:
    """Return the layout of this name.

    Raises:
        InputError: no layout has this name.
    """
    if name not in LAYOUTS:
        raise unknown_name("layout", name, LAYOUTS)
    return LAYOUTS[name]


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


def _tk_instruct_head(elements: Elements) -> str:
    name = "" if elements.name is None else f"{elements.name}. "
    positive, negative = tk_instruct_examples(elements)
    return name + tk_instruct_instruction(elements) + "".join(positive + negative)


def _tk_instruct_tail(text: str) -> str:
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


def _from_template(definition: str, text: str, answer: str, key: str) -> Pair:
    return encode_pair(definition, text, answer, key=key)


def _bare_head(elements: Elements) -> str:
    return elements.definition or ""


def _bare_tail(text: str) -> str:
    return f"\n\n{text}" if text else ""


def _fixed(definition: str, text: str, answer: str, key: str) -> Pair:
    """Write the prompt with which all published answers of Self-Instruct were made."""
    text = text.strip()
    asked = f"{definition}\n\nInput: {text}" if text else definition
    return Pair(f"{asked}\nOutput:", f" {answer}")


_AFTER_EXAMPLES = ("\n\n", "\nInput:", "\nNow complete", "\n Positive Example")

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "tk-instruct",
            "Tk-Instruct's labelled elements",
            _tk_instruct_head,
            _tk_instruct_tail,
            fits=("safe", FIDELITY),
            stop_texts=("\nDefinition:", "\nInput:", "\nNow complete"),
            stop_after_examples=_AFTER_EXAMPLES,
        ),
        Layout(
            "self-instruct",
            "one of Self-Instruct's templates, drawn at random",
            whole=_from_template,
            stop_texts=("\nTask:", "\nInput:", "\nOutput:"),
            leaves_out_copies=True,
        ),
        Layout(
            "self-instruct-fixed",
            "Self-Instruct's prompt of its evaluations, which is the same for all",
            whole=_fixed,
            stop_texts=("\nTask:", "\nInput:", "\nOutput:"),
            leaves_out_copies=True,
        ),
        Layout(
            "chat",
            "as tk-instruct, as a message in the model's own chat template",
            _tk_instruct_head,
            _tk_instruct_tail,
            in_template=True,
        ),
        Layout(
            "plain",
            "the definition, a blank line and the input, as they stand",
            _bare_head,
            _bare_tail,
            bare=True,
        ),
        Layout(
            "chat-plain",
            "as plain, as a message in the model's own chat template",
            _bare_head,
            _bare_tail,
            in_template=True,
            bare=True,
        ),
    )
}
"""All layouts, by name."""
