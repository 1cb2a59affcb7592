"""Requests to capable instruction-tuned models: a description, some demonstrations, JSON back.

Example::

    ChatPrompts(Settings()).classification("Sort the list of words.")
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from seedstep.bootstrap.prompting.frames import one_line
from seedstep.bootstrap.settings import Settings
from seedstep.data import Task
from seedstep.llm import Message, Request, Schema
from seedstep.prompts import Demonstration, demonstrations, render

__all__ = ["ChatPrompts"]

MAX_NEW_INSTRUCTIONS = 7
"""As many as the paper's list takes, from 9 to 15 (section 2.2, Table 5)."""

MAX_INSTANCES = 5
"""As many as the paper's stop string lets through (Table 4)."""

SHOWN = {"classification": 6, "input_first": 4, "output_first": 4}
"""Fixed demonstrations shown; half of those for classification are, half are not."""


@dataclass(frozen=True)
class ChatPrompts:
    """One user message each, with the JSON schema of the answer."""

    settings: Settings
    continues_list: ClassVar[bool] = False
    takes_bare_outputs: ClassVar[bool] = False

    def generation(self, shown: Sequence[Task], draw: int) -> Request:
        """Step 1: new tasks unlike those shown."""
        numbered = [f"{n}. {one_line(task.definition)}" for n, task in enumerate(shown, start=1)]
        text = render(
            "chat/generation",
            demonstrations="\n".join(numbered),
            count=str(len(shown)),
            wanted=str(MAX_NEW_INSTRUCTIONS),
        )
        return self._request("generation", "generation", text, {"tasks": _list(_TEXT)}, draw)

    def classification(self, instruction: str) -> Request:
        """Step 2: is it a classification task?"""
        text = render(
            "chat/classification",
            demonstrations="\n\n".join(_questions()),
            instruction=one_line(instruction),
        )
        answer = {"is_classification": {"type": "boolean"}}
        return self._request("classification", "classification", text, answer)

    def instances(self, instruction: str, *, is_classification: bool) -> Request:
        """Step 3: instances, output-first for classification and input-first otherwise."""
        approach = "output_first" if is_classification else "input_first"
        fields = ("label", "input") if is_classification else ("input", "output")
        shown = demonstrations()[approach][: SHOWN[approach]]
        text = render(
            f"chat/{approach}",
            demonstrations="\n\n".join(_example(one, fields) for one in shown),
            instruction=one_line(instruction),
            wanted=str(MAX_INSTANCES),
        )
        answer = {"examples": _list(_object(dict.fromkeys(fields, _TEXT)))}
        return self._request("instances", approach, text, answer)

    def _request(
        self, purpose: str, name: str, text: str, answer: dict[str, Any], draw: int = 0
    ) -> Request:
        schema = Schema(next(iter(answer)), _object(answer))
        sampling = self.settings.sampling_of(name)
        return Request(purpose, (Message("user", text),), sampling, schema, draw)


def _questions() -> list[str]:
    """Classification tasks and others in turn, each with its answer."""
    shown = demonstrations()["classification"]
    half = SHOWN["classification"] // 2
    yes = [one.task for one in shown if one.task.is_classification][:half]
    no = [one.task for one in shown if not one.task.is_classification][:half]
    return [
        f"Task: {one_line(task.definition)}\n{_json({'is_classification': task.is_classification})}"
        for task in itertools.chain(*zip(yes, no, strict=True))
    ]


def _example(one: Demonstration, fields: tuple[str, str]) -> str:
    examples = []
    for instance in one.examples:
        values = {"input": instance.input, "output": instance.output, "label": instance.output}
        examples.append({name: values[name] for name in fields})
    return f"Task: {one_line(one.task.definition)}\n{_json({'examples': examples})}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_TEXT = {"type": "string"}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object schema as strict servers want it: all fields required, no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
