"""Make the requests of the four steps, in four prompt styles (Self-Instruct, appendix A.4).

`completion` has the paper's prompts, for base models. `turns` shows their blocks as turns of a
conversation, for small instruction-tuned models, which follow few-shot turns better than long texts
or JSON. `chat` describes the task and asks for JSON, for capable models. In `dialogue` a very small
chat model writes what a user would ask next, and answers it.

The demonstrations for the generation of instructions come from the growing pool; all others are
fixed.

Example::

    >>> prompts = make_prompts(BootstrapSettings.of(prompt_style="chat"))
    >>> prompts.classification("Sort the list of words.").purpose
    'classification'
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import msgspec

from seedstep.bootstrap.axes import Axis, Cell, cell_lines, parse_axes, values_purpose
from seedstep.bootstrap.settings import BootstrapSettings
from seedstep.data import Instance, Task
from seedstep.llm import Message, Request, Schema
from seedstep.prompts import Demonstration, axis_wording, demonstrations, exchanges, heading, render

__all__ = [
    "ChatPrompts",
    "CompletionPrompts",
    "DialoguePrompts",
    "Prompts",
    "TurnsPrompts",
    "make_prompts",
    "one_line",
]


WITHOUT_INPUT = (
    (
        "Which of these is no fruit? (a) plum (b) carrot (c) pear (d) fig. Give the letter.",
        "(b)",
    ),
    ("Is a spider an insect? Answer yes or no.", "no"),
)
"""Classification tasks without an input, for the output-first prompt of the released code."""


def one_line(instruction: str) -> str:
    """Return an instruction as a demonstration shows it: on one line, with no colon at its end."""
    return " ".join(instruction.split()).rstrip(":")


@dataclass(frozen=True)
class _AxisPrompts:
    """What prompts of all styles say about axes."""

    settings: BootstrapSettings

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
        return f"{text} {wording.within.replace('{topic}', one_line(self.settings.topic))}"

    def _values(self, axis: Axis, request: Request) -> Request:
        """Return a request for instructions as one for the values of an axis."""
        tokens = VALUES_TOKENS + VALUE_TOKENS * axis.drawn
        sampling = replace(request.sampling, max_tokens=tokens)
        return replace(request, purpose=values_purpose(axis.name), sampling=sampling, draw=0)


@dataclass(frozen=True)
class CompletionPrompts(_AxisPrompts):
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
        numbered = [item.format(n, one_line(task.definition)) for n, task in enumerate(shown, 1)]
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
            instruction=one_line(instruction),
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
            Demonstration(Task("", instruction, (), True), None, (Instance("", (label,)),))
            for instruction, label in WITHOUT_INPUT
        ]
    for demonstration in shown:
        question = _question(approach, demonstration.task.definition)
        yield question, answers[approach](demonstration)


def _question(approach: str, instruction: str) -> str:
    question = "\nIs it classification?" if approach == "classification" else ""
    return f"Task: {one_line(instruction)}{question}"


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
            turns += [_turn("user", one_line(task.definition)), _turn("assistant", "Done.")]
        text = "".join((*turns, "<|im_start|>user\n"))
        return Request("generation", text, self.settings.sampling_of("generation"), draw=draw)

    def classification(self, instruction: str) -> Request:
        """Return the request of step 2, with fewer demonstrations than the paper's."""
        turns = [(_question("classification", task.definition), task) for task in _few_tasks()]
        shown = [(question, "Yes" if task.is_classification else "No") for question, task in turns]
        system = heading("completion/classification")
        asked = _question("classification", instruction)
        return self._conversation("classification", "classification", system, shown, asked)

    def instances(self, instruction: str, *, is_classification: bool, cell: Cell = ()) -> Request:
        """Return the request of step 3: the task itself, as a user writes it."""
        asked = one_line(instruction)
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


MAX_NEW_INSTRUCTIONS = 7
"""How many instructions a chat model is asked for: items 9 to 15 of the paper's list (Table 5)."""

STEERED_INSTRUCTIONS = 3
"""How many it is asked for in a cell: fewer, so that short runs meet their shares, too."""

VALUES_TOKENS = 200
VALUE_TOKENS = 40
"""How many tokens the values of an axis may have in all, and for each of them."""

MAX_INSTANCES = 5
"""How many instances a chat model is asked for, as the released code stops at `Example 6`."""

SHOWN = {"classification": 6, "input_first": 4, "output_first": 4}
"""How many fixed demonstrations are shown; for classification, half of them are such tasks."""


ALIKE = ", as different as possible from these and from one another in subject, in what"
DIFFERENT = ", as different as possible from these and from one another in what"
LAST_RULE = "\n- Write the tasks only. Do not solve them."
SHOWN_NEXT = "\n\nHere are tasks with examples in the form that is wanted."
"""Parts of the chat prompts that a topic, a language or a cell changes.

The prompt files stay as they are, as runs go on only with the files that they began with.
"""


END_OF_SHOWN = "\n\nWrite "
AT_ODDS = (
    ("topic", " in subject, in what", " in what"),
    ("difficulty", ", easy and hard", ""),
    ("length", ", short and long", ""),
)
"""What the chat prompt asks for after the tasks that it shows, and what an axis puts in place."""


@dataclass(frozen=True)
class ChatPrompts(_AxisPrompts):
    """The style `chat`: one message of the user, with the JSON schema of the answer."""

    continues_list: ClassVar[bool] = False
    takes_bare_outputs: ClassVar[bool] = False
    answers_tasks: ClassVar[bool] = False
    converses: ClassVar[bool] = True

    def values(self, axis: Axis) -> Request:
        """Return the request for the values of an axis."""
        text = f"{self._wanted_values(axis)}\n\n{axis_wording(self.settings.language).json}"
        answer = {"values": _list(_TEXT)}
        return self._values(axis, self._request("", "generation", text, answer))

    def generation(self, shown: Sequence[Task], draw: int, cell: Cell = ()) -> Request:
        """Return the request of step 1: new tasks unlike those shown, which are of a cell."""
        numbered = [f"{n}. {one_line(task.definition)}" for n, task in enumerate(shown, start=1)]
        text = render(
            "chat/generation",
            demonstrations="\n".join(numbered),
            count=str(len(shown)),
            wanted=str(STEERED_INSTRUCTIONS if cell else MAX_NEW_INSTRUCTIONS),
        )
        if self.settings.topic:
            about = f" about {one_line(self.settings.topic)}{DIFFERENT}"
            text = about.join(text.rsplit(ALIKE, 1))
        if self.settings.language:
            line = f"\n- Every task is written in {one_line(self.settings.language)}."
            text = f"{LAST_RULE}{line}".join(text.rsplit(LAST_RULE, 1))
        if cell:
            text = self._steered(text, cell)
        return self._request("generation", "generation", text, {"tasks": _list(_TEXT)}, draw)

    def _steered(self, text: str, cell: Cell) -> str:
        """Return a prompt that asks for tasks of a cell, and for nothing at odds with it."""
        shown, mark, wanted = text.rpartition(END_OF_SHOWN)
        for name, words, others in AT_ODDS:
            if name in dict(cell):
                wanted = wanted.replace(words, others, 1)
        lines = "".join(f"\n- {line}" for line in self._lines(cell))
        return f"{shown}{mark}{wanted.replace(LAST_RULE, LAST_RULE + lines, 1)}"

    def classification(self, instruction: str) -> Request:
        """Return the request of step 2: whether a task is a classification task."""
        text = render(
            "chat/classification",
            demonstrations="\n\n".join(_questions()),
            instruction=one_line(instruction),
        )
        answer = {"is_classification": {"type": "boolean"}}
        return self._request("classification", "classification", text, answer)

    def instances(self, instruction: str, *, is_classification: bool, cell: Cell = ()) -> Request:
        """Return the request of step 3: instances, output-first for classification tasks.

        They are in the language of the cell, if it has one.
        """
        approach = "output_first" if is_classification else "input_first"
        fields = ("label", "input") if is_classification else ("input", "output")
        shown = demonstrations()[approach][: SHOWN[approach]]
        text = render(
            f"chat/{approach}",
            demonstrations="\n\n".join(_example(each, fields) for each in shown),
            instruction=one_line(instruction),
            wanted=str(MAX_INSTANCES),
        )
        if language := dict(cell).get("language", self.settings.language):
            line = f"\n- All texts are in {one_line(language)}, except where the task"
            text = text.replace(SHOWN_NEXT, f"{line} asks for another language.{SHOWN_NEXT}", 1)
        answer = {"examples": _list(_object(dict.fromkeys(fields, _TEXT)))}
        return self._request("instances", approach, text, answer)

    def _request(
        self, purpose: str, name: str, text: str, answer: dict[str, Any], draw: int = 0
    ) -> Request:
        schema = Schema(next(iter(answer)), _object(answer))
        sampling = self.settings.sampling_of(name)
        return Request(purpose, (Message("user", text),), sampling, schema, draw)


def _few_tasks() -> list[Task]:
    """Return classification tasks and other tasks in turn."""
    shown = demonstrations()["classification"]
    half = SHOWN["classification"] // 2
    tasks = [demonstration.task for demonstration in shown]
    yes = [task for task in tasks if task.is_classification][:half]
    no = [task for task in tasks if not task.is_classification][:half]
    return list(itertools.chain(*zip(yes, no, strict=True)))


def _questions() -> list[str]:
    """Return classification tasks and other tasks in turn, each with its answer."""
    return [
        f"Task: {one_line(task.definition)}\n{_json({'is_classification': task.is_classification})}"
        for task in _few_tasks()
    ]


def _example(shown: Demonstration, fields: tuple[str, str]) -> str:
    examples = []
    for instance in shown.examples:
        values = {"input": instance.input, "output": instance.output, "label": instance.output}
        examples.append({name: values[name] for name in fields})
    return f"Task: {one_line(shown.task.definition)}\n{_json({'examples': examples})}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_TEXT = {"type": "string"}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object as strict servers need it: all fields required, no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


Prompts = CompletionPrompts | TurnsPrompts | DialoguePrompts | ChatPrompts


def make_prompts(settings: BootstrapSettings) -> Prompts:
    """Return the prompts of the settings' style."""
    styles: dict[str, type[Prompts]] = {
        "completion": CompletionPrompts,
        "turns": TurnsPrompts,
        "dialogue": DialoguePrompts,
        "chat": ChatPrompts,
    }
    return styles[settings.style](settings)
