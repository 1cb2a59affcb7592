"""The requests of the four steps, in both prompt styles (Self-Instruct, appendix A.4).

`completion` has the paper's frames; `chat` asks an instruction-tuned model for JSON, with
demonstrations in that form. The demonstrations of instruction generation come from the growing
pool; the others are fixed.

Example::

    Prompts(Settings(), "completion").classification("Sort the list of words.")
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from seedstep.bootstrap.settings import CHAT_SAMPLING, PAPER_SAMPLING, Settings, override
from seedstep.data import Task
from seedstep.llm import Message, Request, Sampling, Schema
from seedstep.prompts import Demonstration, demonstrations, render

__all__ = ["MAX_INSTANCES", "Prompts", "one_line"]

MAX_NEW_INSTRUCTIONS = 7
"""A request's list goes from 9 to 15 (section 2.2, Table 5)."""

MAX_INSTANCES = 5
"""Examples a task; the sixth is a stop string (Table 4)."""

CHAT_DEMONSTRATIONS = {"classification": 3, "input_first": 4, "output_first": 4}
"""Fixed demonstrations shown in chat style; of each answer, for classification."""


def one_line(instruction: str) -> str:
    """An instruction as a demonstration shows it: white space collapsed, no colon at the end."""
    return " ".join(instruction.split()).rstrip(":")


@dataclass(frozen=True)
class Prompts:
    """Builds requests. `style` is `completion` or `chat`."""

    settings: Settings
    style: str

    def generation(self, shown: Sequence[Task], draw: int) -> Request:
        """Step 1: continue a list of tasks."""
        numbered = [f"{n}. {one_line(task.definition)}" for n, task in enumerate(shown, start=1)]
        return self._request(
            "generation",
            "generation",
            "tasks",
            draw,
            demonstrations="\n".join(numbered),
            count=str(len(shown)),
            next=str(len(shown) + 1),
            wanted=str(MAX_NEW_INSTRUCTIONS),
        )

    def classification(self, instruction: str) -> Request:
        """Step 2: is it a classification task?"""
        return self._request(
            "classification",
            "classification",
            "is_classification",
            demonstrations=self._classification_demonstrations,
            instruction=instruction,
        )

    def instances(self, instruction: str, *, is_classification: bool) -> Request:
        """Step 3: instances, output-first for classification and input-first otherwise."""
        approach = "output_first" if is_classification else "input_first"
        return self._request(
            "instances",
            approach,
            "label" if is_classification else "output",
            demonstrations=self._worked_demonstrations[approach],
            instruction=instruction,
            wanted=str(MAX_INSTANCES),
        )

    def _request(
        self, purpose: str, name: str, answer: str, draw: int = 0, **values: str
    ) -> Request:
        text = render(f"{self.style}/{name}", **values)
        sampling = self._sampling[name]
        if self.style == "completion":
            return Request(purpose, text, sampling, draw=draw)
        return Request(purpose, (Message("user", text),), sampling, _schema(answer), draw)

    @cached_property
    def _sampling(self) -> dict[str, Sampling]:
        table = CHAT_SAMPLING if self.style == "chat" else PAPER_SAMPLING
        own = self.settings.sampling
        return {name: override(default, own.get(name, {})) for name, default in table.items()}

    @cached_property
    def _classification_demonstrations(self) -> str:
        shown = demonstrations()["classification"]
        if self.style == "completion":
            blocks = [_question(one.task, "Yes" if _positive(one) else "No") for one in shown]
            return "\n\n".join(blocks)
        count = CHAT_DEMONSTRATIONS["classification"]
        yes = [one for one in shown if _positive(one)][:count]
        no = [one for one in shown if not _positive(one)][:count]
        blocks = []
        for one in itertools.chain(*zip(yes, no, strict=True)):
            answer = _json({"is_classification": _positive(one)})
            blocks.append(f"Task: {one_line(one.task.definition)}\n{answer}")
        return "\n\n".join(blocks)

    @cached_property
    def _worked_demonstrations(self) -> dict[str, str]:
        shown = demonstrations()
        if self.style == "completion":
            return {
                "input_first": "\n\n".join(map(_input_first, shown["input_first"])),
                "output_first": "\n\n".join(map(_output_first, shown["output_first"])),
            }
        return {
            approach: "\n\n".join(
                _json_block(one, answer) for one in shown[approach][: CHAT_DEMONSTRATIONS[approach]]
            )
            for approach, answer in (("input_first", "output"), ("output_first", "label"))
        }


def _positive(one: Demonstration) -> bool:
    return one.task.is_classification


def _question(task: Task, answer: str) -> str:
    return f"Task: {one_line(task.definition)}\nIs it classification? {answer}"


def _fields(one: Demonstration, text: str) -> str:
    """An input with its field's name before it, on lines of its own; nothing for an empty one."""
    if not text:
        return ""
    return f"{one.label}: {text}\n" if one.label else f"{text}\n"


def _input_first(one: Demonstration) -> str:
    lines = [f"Task: {one_line(one.task.definition)}\n"]
    for number, example in enumerate(one.examples, start=1):
        heading = f"Example {number}\n" if example.input else ""
        lines.append(f"{heading}{_fields(one, example.input)}Output: {example.output}\n")
    return "".join(lines).removesuffix("\n")


def _output_first(one: Demonstration) -> str:
    lines = [f"Task: {one_line(one.task.definition)}\n"]
    lines += [f"Class label: {ex.output}\n{_fields(one, ex.input)}" for ex in one.examples]
    return "".join(lines).removesuffix("\n")


def _json_block(one: Demonstration, answer: str) -> str:
    """A demonstration as a chat model shall answer: the label first where the output is one."""
    examples = []
    for example in one.examples:
        pair = {"input": example.input, answer: example.output}
        if answer == "label":
            pair = dict(reversed(pair.items()))
        examples.append(pair)
    return f"Task: {one_line(one.task.definition)}\n{_json({'examples': examples})}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _schema(answer: str) -> Schema:
    """The JSON schema of a chat reply, within what strict servers take."""
    text = {"type": "string"}
    if answer == "is_classification":
        return Schema(answer, _object({answer: {"type": "boolean"}}))
    if answer == "tasks":
        return Schema(answer, _object({answer: {"type": "array", "items": text}}))
    fields = {"label": text, "input": text} if answer == "label" else {"input": text, answer: text}
    return Schema("examples", _object({"examples": {"type": "array", "items": _object(fields)}}))


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
