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
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from seedstep.data.choice import generator
from seedstep.encode.elements import Elements, tk_instruct_head, tk_instruct_tail
from seedstep.errors import UnknownEncodingError, unknown_name
from seedstep.plugins import PLUGINS

__all__ = [
    "FIDELITY",
    "LAYOUTS",
    "Layout",
    "Pair",
    "encode_pair",
    "named_layout",
]


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
    template. `fits` are the values of `Encoding.fit` that the layout supports. The functions return
    the same text for the same elements, always.

    A model may go on writing after its answer: the answer ends before the first of the
    `stop_texts`. If the prompt shows examples, `stop_after_examples` take their place, if there are
    any. Both are at most four, as many as the OpenAI API takes. With `leaves_out_copies` a tuning
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

    @property
    def ways(self) -> list[tuple[str, ...]]:
        """The functions with which it writes prompts: one way, or several by mistake."""
        has_parts = self.head is not _no_text or self.tail is not _no_text
        given = {("head", "tail"): has_parts, ("prompt",): self.prompt, ("whole",): self.whole}
        return [way for way, is_given in given.items() if is_given]

    def stops(self, *, examples: bool) -> tuple[str, ...]:
        """Return the texts before which an answer ends, to a prompt with examples or without."""
        return (examples and self.stop_after_examples) or self.stop_texts

    def written(self, elements: Elements, text: str) -> str:
        """Return the prompt for an input, of a layout that takes elements."""
        if self.prompt:
            return self.prompt(elements, text)
        return self.head(elements) + self.tail(text)


def unknown_encoding(
    kind: str, name: object, known: Iterable[str], where: str = ""
) -> UnknownEncodingError:
    """Return the error for an encoding or a layout that is not there; a module may add it."""
    error = unknown_name(kind, name, known, where)
    return UnknownEncodingError(error.what, f"{error.remedy}; {PLUGINS} names modules with others")


def named_layout(name: str) -> Layout:
    """Return the layout of this name.

    Raises:
        UnknownEncodingError: no layout has this name.
    """
    if name not in LAYOUTS:
        raise unknown_encoding("layout", name, LAYOUTS)
    return LAYOUTS[name]


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
            tk_instruct_head,
            tk_instruct_tail,
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
            tk_instruct_head,
            tk_instruct_tail,
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
