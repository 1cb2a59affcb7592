"""Requests that show demonstrations and want no JSON: `completion`, `turns` and `dialogue`.

Example::

    >>> from seedstep.bootstrap import BootstrapSettings
    >>> prompts = DialoguePrompts(BootstrapSettings.of(prompt_style="dialogue"))
    >>> prompts.generation([], draw=0).prompt[-17:]
    '<|im_start|>user\\n'
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from seedstep.bootstrap.axes import Axis, Cell, cell_lines, parse_axes, values_purpose
from seedstep.data import Example, Task
from seedstep.llm import Message, Request
from seedstep.prompts import (
    Demonstration,
    axis_wording,
    demonstrations,
    exchanges,
    heading,
    render,
)
from seedstep.text import single_spaced

if TYPE_CHECKING:
    from seedstep.bootstrap.settings import BootstrapSettings

__all__ = [
    "AxisPrompts",
    "CompletionPrompts",
    "DialoguePrompts",
    "TurnsPrompts",
    "as_shown",
    "few_tasks",
]


VALUES_TOKENS = 200
VALUE_TOKENS = 40
"""How many tokens the values of an axis may have in all, and for each of them."""

FEW = 3
"""How many classification tasks, and how many others, a prompt with few of them shows."""


WITHOUT_INPUT = (
    (
        "Which of these is no fruit? (a) plum (b) carrot (c) pear (d) fig. Give the letter.",
        "(b)",
    ),
    ("Is a spider an insect? Answer yes or no.", "no"),
)
"""Classification tasks without an input, for the output-first prompt of the released code."""


def as_shown(instruction: str) -> str:
    """Return an instruction as a demonstration shows it: on one line, with no colon at its end."""
    return single_spaced(instruction).rstrip(":")


@dataclass(frozen=True)
class AxisPrompts:
    """What prompts of all styles say about axes."""

    settings: "BootstrapSettings"

    def _lines(self, cell: Cell) -> tuple[str, ...]:
        return cell_lines(cell, parse_axes(self.settings.axes), self.settings.language)

    def _wanted_values(self, axis: Axis) -> str:
        """Return a text that asks for the values of an axis."""
        wording = axis_wording(self.settings.language)
        text = wording.values.replace("{count}", str(axis.drawn))
        own = wording.own_name.replace("{name}", axis.name)
        text = text.replace("{names}", wording.names.get(axis.name, own))
        if not self.settings.topic:
            return text
        return f"{text} {wording.within.replace('{topic}', as_shown(self.settings.topic))}"

    def _values(self, axis: Axis, request: Request) -> Request:
        """Return a request for instructions as one for the values of an axis."""
        tokens = VALUES_TOKENS + VALUE_TOKENS * axis.drawn
        sampling = replace(request.sampling, max_tokens=tokens)
        return replace(request, purpose=values_purpose(axis.name), sampling=sampling, draw=0)


@dataclass(frozen=True)
class CompletionPrompts(AxisPrompts):
    """The style `completion`: texts that a base model continues (Tables 5 to 8)."""

    continues_list: ClassVar[bool] = True
    takes_bare_outputs: ClassVar[bool] = False
    answers_tasks: ClassVar[bool] = False
    converses: ClassVar[bool] = False

    def values(self, axis: Axis) -> Request:
        """Return the request for the values of an axis: continue a list of them."""
        sampling = self.settings.sampling_of("generation")
        text = f"{self._wanted_values(axis)}\n1."
        return self._values(axis, Request("", text, replace(sampling, stop=("\n\n",))))

    def generation(self, shown: Sequence[Task], draw: int, cell: Cell = ()) -> Request:
        """Return the request of step 1: continue a list of tasks, which are those of a cell."""
        as_tasks = self.settings.numbering == "task"
        item = "Task {}: {}" if as_tasks else "{}. {}"
        numbered = [item.format(n, as_shown(task.definition)) for n, task in enumerate(shown, 1)]
        if cell:
            from_here = axis_wording(self.settings.language).from_here
            numbered += [from_here, *(f"- {line}" for line in self._lines(cell))]
        following = str(len(shown) + 1)
        text = render(
            "completion/generation",
            demonstrations="\n".join(numbered),
            next=f"Task {following}" if as_tasks else following,
        )
        if as_tasks:  # the file is that of the released code, with a full stop
            text = f"{text.removesuffix('.')}:"
        return Request("generation", text, self.settings.sampling_of("generation"), draw=draw)

    def classification(self, instruction: str) -> Request:
        """Return the request of step 2: whether a task is a classification task."""
        return self._framed("classification", "classification", instruction)

    def instances(self, instruction: str, *, is_classification: bool, cell: Cell = ()) -> Request:
        """Return the request of step 3: instances, output-first for classification tasks."""
        approach = "output_first" if is_classification else "input_first"
        return self._framed("instances", approach, instruction)

    def _shown(self, approach: str) -> Iterator[tuple[str, str]]:
        return _exchanges(approach, released=self.settings.fidelity == "released")

    def _framed(self, purpose: str, approach: str, instruction: str) -> Request:
        separator = " " if approach == "classification" else "\n"
        blocks = [f"{question}{separator}{answer}" for question, answer in self._shown(approach)]
        text = render(
            f"completion/{approach}",
            demonstrations="\n\n".join(blocks),
            instruction=as_shown(instruction),
        )
        return Request(purpose, text, self.settings.sampling_of(approach))


@dataclass(frozen=True)
class TurnsPrompts(CompletionPrompts):
    """The style `turns`: each fixed demonstration is a user's question and the model's answer.

    The generation of instructions is still a list to continue, which small chat models do well. A
    chat model that only answers the task has written the output for an empty input.
    """

    takes_bare_outputs: ClassVar[bool] = True
    converses: ClassVar[bool] = True

    def _framed(self, purpose: str, approach: str, instruction: str) -> Request:
        messages = [Message("system", heading(f"completion/{approach}"))]
        for question, answer in self._shown(approach):
            messages += [Message("user", question), Message("assistant", answer)]
        messages.append(Message("user", _question(approach, instruction)))
        return Request(purpose, tuple(messages), self.settings.sampling_of(approach))


def _exchanges(approach: str, *, released: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the fixed demonstrations of a prompt as pairs of question and answer.

    In the `released` code, the output-first prompt has two demonstrations without an input.
    """
    answers = {
        "classification": _is_it,
        "input_first": _worked_examples,
        "output_first": _labeled_inputs,
    }
    shown = list(demonstrations()[approach])
    if released and approach == "output_first":
        shown[-len(WITHOUT_INPUT) :] = [
            Demonstration(Task("", instruction, (), True), None, (Example("", label),))
            for instruction, label in WITHOUT_INPUT
        ]
    for demonstration in shown:
        question = _question(approach, demonstration.task.definition)
        yield question, answers[approach](demonstration)


def _question(approach: str, instruction: str) -> str:
    question = "\nIs it classification?" if approach == "classification" else ""
    return f"Task: {as_shown(instruction)}{question}"


def _is_it(shown: Demonstration) -> str:
    return "Yes" if shown.task.is_classification else "No"


def _worked_examples(shown: Demonstration) -> str:
    lines = []
    for number, example in enumerate(shown.examples, start=1):
        if example.input:
            lines += [f"Example {number}", _field(shown, example.input)]
        lines.append(f"Output: {example.output}")
    return "\n".join(lines)


def _labeled_inputs(shown: Demonstration) -> str:
    lines = []
    for example in shown.examples:
        lines.append(f"Class label: {example.output}")
        if example.input:
            lines.append(_field(shown, example.input))
    return "\n".join(lines)


def _field(shown: Demonstration, text: str) -> str:
    """Return an input after the name of its field, unless it contains names of fields."""
    return f"{shown.label}: {text}" if shown.label else text


BRIEFLY = "Answer correctly and briefly."
_MARK = re.compile(r"<\|im_(?:start|end)\|>")


def _turn(role: str, text: str) -> str:
    """Return a turn of a conversation in ChatML, the format of SmolLM2, Qwen and others."""
    return f"<|im_start|>{role}\n{_MARK.sub(' ', text)}<|im_end|>\n"


@dataclass(frozen=True)
class DialoguePrompts(CompletionPrompts):
    """The style `dialogue`, for chat models that are too small for the other styles.

    Not from the papers. A conversation with simple tasks and short answers goes on with the tasks
    shown, and the model writes the user's next turn, as in Magpie (Xu et al. 2024), where nothing
    is shown. So a request yields one instruction. Its output is what the model answers after the
    same simple tasks; there is no input.
    """

    answers_tasks: ClassVar[bool] = True
    converses: ClassVar[bool] = True

    def generation(self, shown: Sequence[Task], draw: int, cell: Cell = ()) -> Request:
        """Return the request of step 1: write the next turn of a user who asked these tasks."""
        turns = [_turn("system", BRIEFLY)]
        for question, answer in exchanges():
            turns += [_turn("user", question), _turn("assistant", answer)]
        if cell:
            from_here = axis_wording(self.settings.language).from_here
            lines = (from_here, *(f"- {line}" for line in self._lines(cell)))
            turns.append(_turn("system", "\n".join(lines)))
        for task in shown:
            turns += [_turn("user", as_shown(task.definition)), _turn("assistant", "Done.")]
        text = "".join((*turns, "<|im_start|>user\n"))
        return Request("generation", text, self.settings.sampling_of("generation"), draw=draw)

    def classification(self, instruction: str) -> Request:
        """Return the request of step 2, with fewer demonstrations than the paper's."""
        turns = [(_question("classification", task.definition), task) for task in few_tasks()]
        shown = [(question, "Yes" if task.is_classification else "No") for question, task in turns]
        system = heading("completion/classification")
        asked = _question("classification", instruction)
        return self._conversation("classification", "classification", system, shown, asked)

    def instances(self, instruction: str, *, is_classification: bool, cell: Cell = ()) -> Request:
        """Return the request of step 3: the task itself, as a user writes it."""
        asked = as_shown(instruction)
        return self._conversation("instances", "input_first", BRIEFLY, exchanges(), asked)

    def _conversation(
        self,
        purpose: str,
        name: str,
        system: str,
        answered: Iterable[tuple[str, str]],
        asked: str,
    ) -> Request:
        messages = [Message("system", system)]
        for question, answer in answered:
            messages += [Message("user", question), Message("assistant", answer)]
        messages.append(Message("user", asked))
        return Request(purpose, tuple(messages), self.settings.sampling_of(name))


def few_tasks() -> list[Task]:
    """Return as many classification tasks as other tasks, in turn."""
    shown = demonstrations()["classification"]
    tasks = [demonstration.task for demonstration in shown]
    yes = [task for task in tasks if task.is_classification][:FEW]
    no = [task for task in tasks if not task.is_classification][:FEW]
    return list(itertools.chain(*zip(yes, no, strict=True)))
