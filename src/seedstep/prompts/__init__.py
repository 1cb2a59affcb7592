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
from typing import Literal

import msgspec

from seedstep.data import Instance, Task, seed_tasks

__all__ = [
    "AxisWording",
    "Demonstration",
    "axis_wording",
    "demonstrations",
    "exchanges",
    "fingerprint",
    "heading",
    "render",
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
    examples: tuple[Instance, ...]


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
class _Example:
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    label: str | None
    examples: tuple[_Example, ...]


@dataclass(frozen=True, slots=True)
class _Demonstrations:
    classification: tuple[str, ...]
    input_first: tuple[_Entry, ...]
    output_first: tuple[_Entry, ...]


def render(name: str, **values: str) -> str:
    """Return the prompt file `name` with each `{{placeholder}}` replaced by its value."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], _template(name))


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

    def instances(entry: _Entry) -> tuple[Instance, ...]:
        return tuple(Instance(example.input, (example.output,)) for example in entry.examples)

    def entries(group: tuple[_Entry, ...]) -> tuple[Demonstration, ...]:
        return tuple(
            Demonstration(tasks[entry.id], entry.label, instances(entry)) for entry in group
        )

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
    asked = (language or "").strip().casefold()
    text = (resources.files("seedstep.prompts") / "axes" / "wording.json").read_bytes()
    known = msgspec.json.decode(text, type=dict[str, AxisWording])
    for name, wording in known.items():
        if asked in (other.casefold() for other in (name, *wording.also)):
            return wording
    return known["English"]


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
