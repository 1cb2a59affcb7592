"""Self-Instruct's randomised templates for tuning (section 2.3 and the released code).

One of 7 templates with an input, or of 6 without, is chosen by chance, so that the tuned model
does not depend on one format. The chance is the caller's: same key, same choice.

Example::

    encode_pair("Name a colour.", "", "Blue", key="42:g0.1:0").prompt  # "Name a colour.\\n\\n"
"""

import random
import re
from dataclasses import dataclass

__all__ = ["Pair", "encode_pair"]

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
    chance = random.Random(key)  # noqa: S311
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
