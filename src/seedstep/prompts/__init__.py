"""Prompt files, whose placeholders are filled in literally and once.

A placeholder is `{{name}}`. What looks like one inside a value stays as it is.

Example::

    >>> render("completion/classification", demonstrations="", instruction="Sort.")[-33:]
    'Task: Sort.\\nIs it classification?'
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal, TypeVar

import msgspec

from seedstep.data import Example, Task, seed_tasks

__all__ = [
    "CHAT_LANGUAGES",
    "AxisWording",
    "ChatFrames",
    "Demonstration",
    "axis_wording",
    "chat_frames",
    "demonstrations",
    "exchanges",
    "fill",
    "fingerprint",
    "heading",
    "render",
    "steps_wording",
]

_FOLDERS = {
    "axes": ("axes",),
    "bootstrap": ("chat", "completion"),
    "dialogue": ("dialogue",),
    "gates": ("gates",),
    "judge": ("judge",),
    "steps": ("steps",),
}
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A seed task as the classification and instance prompts show it.

    `label` is the name of the input's field, such as `Sentence`. It is None where the input is
    empty or has labels of its own. The first of the `examples` is the seed's own instance, or a
    shorter one like it.
    """

    task: Task
    label: str | None
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class AxisWording:
    """The sentences in a language that ask for what the axes of a bootstrap say.

    `also` has other names of the language, `names` what axes are called, `lines` a sentence for
    each, and `own` and `own_name` what axes without one have. `values` asks for values, `within`
    adds a topic, and `json` the form of the answer. `from_here` stands in a list, before what
    follows.
    """

    also: tuple[str, ...]
    names: Mapping[str, str]
    lines: Mapping[str, str]
    own: str
    own_name: str
    from_here: str
    values: str
    within: str
    json: str


@dataclass(frozen=True, slots=True)
class ChatFrames:
    """The chat prompts of a bootstrap in a language other than English.

    `also` has other names of the language. `generation`, `classification`, `input_first` and
    `output_first` are as the prompt files of these names, but `generation` has places for a `topic`
    and for the parts `subject`, `difficulty` and `length`, which an axis takes the place of.
    """

    also: tuple[str, ...]
    generation: str
    topic: str
    subject: str
    difficulty: str
    length: str
    classification: str
    input_first: str
    output_first: str

    @property
    def fingerprint(self) -> str:
        """A hash of the prompts."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class StepsWording:
    """The sentences that ask for step-by-step instructions and for examples in a language."""

    also: tuple[str, ...]
    turn: str
    examples: str


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    label: str | None
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class _Demonstrations:
    classification: tuple[str, ...]
    input_first: tuple[_Entry, ...]
    output_first: tuple[_Entry, ...]


def render(name: str, **values: str) -> str:
    """Return the prompt file `name` with each `{{placeholder}}` replaced by its value."""
    return fill(_template(name), **values)


def fill(template: str, **values: str) -> str:
    """Return a template with each `{{placeholder}}` replaced by its value."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def heading(name: str) -> str:
    """Return the text of a prompt file before its demonstrations."""
    return _template(name).partition("{{demonstrations}}")[0].strip()


@cache
def demonstrations() -> Mapping[str, tuple[Demonstration, ...]]:
    """Return the fixed demonstrations by prompt, made from the project's seed tasks.

    `classification` has 12 classification tasks and 19 others (Self-Instruct, section 2.2),
    `input_first` 11 tasks, and `output_first` 16 classification tasks.
    """
    tasks = {task.id: task for task in seed_tasks()}
    text = (resources.files("seedstep.prompts") / "demonstrations.json").read_bytes()
    chosen = msgspec.json.decode(text, type=_Demonstrations)

    def entries(group: tuple[_Entry, ...]) -> tuple[Demonstration, ...]:
        return tuple(Demonstration(tasks[entry.id], entry.label, entry.examples) for entry in group)

    return MappingProxyType(
        {
            "classification": tuple(
                Demonstration(tasks[task_id], None, ()) for task_id in chosen.classification
            ),
            "input_first": entries(chosen.input_first),
            "output_first": entries(chosen.output_first),
        }
    )


@cache
def exchanges() -> tuple[tuple[str, str], ...]:
    """Return the tasks and answers with which every request in the style `dialogue` begins."""
    text = (resources.files("seedstep.prompts") / "dialogue" / "shown.json").read_bytes()
    return msgspec.json.decode(text, type=tuple[tuple[str, str], ...])


@cache
def axis_wording(language: str | None) -> AxisWording:
    """Return the sentences about axes in a language, in English if there are none in it."""
    known = _in_languages("axes/wording.json", AxisWording)
    return _of_language(known, language) or known["English"]


def chat_frames(language: str | None) -> ChatFrames | None:
    """Return the chat prompts in a language; None if there are none but the English ones."""
    return _of_language(_in_languages("languages/chat.json", ChatFrames), language)


def steps_wording(language: str) -> StepsWording | None:
    """Return the sentences that ask for steps and examples in a language; None for English.

    Where there are none in the language, they are in English.
    """
    known = _in_languages("languages/steps.json", StepsWording)
    english = known["English"]
    found = _of_language(known, language) if language.strip() else english
    if found is english:
        return None
    return found or StepsWording(
        (),
        english.turn.replace("{language}", language),
        english.examples.replace("{language}", language),
    )


T = TypeVar("T", bound=AxisWording | ChatFrames | StepsWording)


@cache
def _in_languages(file: str, kind: type[T]) -> dict[str, T]:
    text = (resources.files("seedstep.prompts") / file).read_bytes()
    return msgspec.json.decode(text, type=dict[str, kind])  # type: ignore[valid-type]


def _of_language(known: Mapping[str, T], language: str | None) -> T | None:
    asked = (language or "").strip().casefold()
    for name, found in known.items():
        if asked in (other.casefold() for other in (name, *found.also)):
            return found
    return None


@cache
def fingerprint(
    stage: Literal["axes", "bootstrap", "dialogue", "gates", "judge", "steps"] = "bootstrap",
    only: tuple[str, ...] = (),
) -> str:
    """Return a hash of the prompt files of a stage, of axes, or of gates, or of `only` some.

    A run goes on only with the files that it began with.
    """
    folder = resources.files("seedstep.prompts")
    files = [folder / "demonstrations.json"] if stage == "bootstrap" else []
    for name in _FOLDERS[stage]:
        its_files = sorted((folder / name).iterdir(), key=lambda file: file.name)
        files += [file for file in its_files if not only or file.name in only]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _template(name: str) -> str:
    text = (resources.files("seedstep.prompts") / f"{name}.txt").read_text("utf-8")
    return text if name.startswith("completion/") else text.removesuffix("\n")


CHAT_LANGUAGES = tuple(_in_languages("languages/chat.json", ChatFrames))
"""The languages besides English in which there are chat prompts."""
