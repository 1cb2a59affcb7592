"""The paper's frames: as one text to continue, or as turns of a conversation.

Example::

    CompletionPrompts(Settings()).instances("Name a river.", is_classification=False)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from seedstep.bootstrap.settings import Settings
from seedstep.data import Task
from seedstep.llm import Message, Request
from seedstep.prompts import Demonstration, demonstrations, heading, render

__all__ = ["CompletionPrompts", "TurnsPrompts", "one_line"]


def one_line(instruction: str) -> str:
    """An instruction as a demonstration shows it: white space collapsed, no colon at the end."""
    return " ".join(instruction.split()).rstrip(":")


@dataclass(frozen=True)
class CompletionPrompts:
    """Texts that a base model continues (Tables 5 to 8)."""

    settings: Settings
    continues_list: ClassVar[bool] = True
    takes_bare_outputs: ClassVar[bool] = False

    def generation(self, shown: Sequence[Task], draw: int) -> Request:
        """Step 1: continue a list of tasks."""
        numbered = [f"{n}. {one_line(task.definition)}" for n, task in enumerate(shown, start=1)]
        text = render(
            "completion/generation",
            demonstrations="\n".join(numbered),
            next=str(len(shown) + 1),
        )
        return Request("generation", text, self.settings.sampling_of("generation"), draw=draw)

    def classification(self, instruction: str) -> Request:
        """Step 2: is it a classification task?"""
        return self._framed("classification", "classification", instruction)

    def instances(self, instruction: str, *, is_classification: bool) -> Request:
        """Step 3: instances, output-first for classification and input-first otherwise."""
        approach = "output_first" if is_classification else "input_first"
        return self._framed("instances", approach, instruction)

    def _framed(self, purpose: str, approach: str, instruction: str) -> Request:
        separator = " " if approach == "classification" else "\n"
        blocks = [f"{question}{separator}{answer}" for question, answer in _exchanges(approach)]
        text = render(
            f"completion/{approach}",
            demonstrations="\n\n".join(blocks),
            instruction=one_line(instruction),
        )
        return Request(purpose, text, self.settings.sampling_of(approach))


@dataclass(frozen=True)
class TurnsPrompts(CompletionPrompts):
    """The frames as conversations: each fixed demonstration is a question and its answer.

    Instruction generation stays a list to continue, which small chat models do well. A chat
    model that just answers the task has written the output for an empty input.
    """

    takes_bare_outputs: ClassVar[bool] = True

    def _framed(self, purpose: str, approach: str, instruction: str) -> Request:
        messages = [Message("system", heading(f"completion/{approach}"))]
        for question, answer in _exchanges(approach):
            messages += [Message("user", question), Message("assistant", answer)]
        messages.append(Message("user", _question(approach, instruction)))
        return Request(purpose, tuple(messages), self.settings.sampling_of(approach))


def _exchanges(approach: str) -> Iterator[tuple[str, str]]:
    """The fixed demonstrations of a frame, each as what is asked and what is answered."""
    answers = {
        "classification": _is_it,
        "input_first": _worked_examples,
        "output_first": _labeled_inputs,
    }
    for one in demonstrations()[approach]:
        yield _question(approach, one.task.definition), answers[approach](one)


def _question(approach: str, instruction: str) -> str:
    question = "\nIs it classification?" if approach == "classification" else ""
    return f"Task: {one_line(instruction)}{question}"


def _is_it(one: Demonstration) -> str:
    return "Yes" if one.task.is_classification else "No"


def _worked_examples(one: Demonstration) -> str:
    lines = []
    for number, example in enumerate(one.examples, start=1):
        if example.input:
            lines += [f"Example {number}", _field(one, example.input)]
        lines.append(f"Output: {example.output}")
    return "\n".join(lines)


def _labeled_inputs(one: Demonstration) -> str:
    lines = []
    for example in one.examples:
        lines += [f"Class label: {example.output}", _field(one, example.input)]
    return "\n".join(lines)


def _field(one: Demonstration, text: str) -> str:
    """An input behind its field's name, unless it has names of its own."""
    return f"{one.label}: {text}" if one.label else text
