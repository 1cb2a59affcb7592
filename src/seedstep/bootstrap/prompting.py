"""The prompt styles, and the requests of the four steps in each (Self-Instruct, appendix A.4).

`completion` has the paper's prompts, for base models. `turns` shows their blocks as turns of a
conversation, for small instruction-tuned models, which follow few-shot turns better than long texts
or JSON. `chat` describes the task and asks for JSON, for capable models. In `dialogue` a very small
chat model writes what a user would ask next, and answers it.

`STYLES` is the table of what differs between them beside the prompts themselves. The demonstrations
for the generation of instructions come from the growing pool; all others are fixed.

Example::

    >>> STYLES["chat"].sampling["generation"].temperature, STYLES["dialogue"].shown
    (1.0, (3, 1))
    >>> from seedstep.bootstrap import BootstrapSettings
    >>> prompts = make_prompts(BootstrapSettings.of(prompt_style="chat"))
    >>> prompts.classification("Sort the list of words.").purpose
    'classification'
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from seedstep.bootstrap.axes import Axis, Cell
from seedstep.bootstrap.few_shot import (
    AxisPrompts,
    CompletionPrompts,
    DialoguePrompts,
    TurnsPrompts,
    as_shown,
    few_tasks,
)
from seedstep.data import Task
from seedstep.llm import Message, Request, Sampling, Schema
from seedstep.prompts import (
    ChatFrames,
    Demonstration,
    axis_wording,
    chat_frames,
    demonstrations,
    exchanges,
    fill,
    render,
)

if TYPE_CHECKING:
    from seedstep.bootstrap.settings import BootstrapSettings

__all__ = [
    "PAPER_SAMPLING",
    "STYLES",
    "TASK_STOPS",
    "BootstrapPrompts",
    "ChatPrompts",
    "CompletionPrompts",
    "DialoguePrompts",
    "PromptStyle",
    "TurnsPrompts",
    "as_shown",
    "make_prompts",
]

PAPER_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Appendix A.2, Table 4. From the released code are the stop `Example 6`, 350 tokens for
    # input-first instances (Table 4 has 300), and the stop `Task` for classification (Table 4:
    # `Task:`). A stop string stands at the start of a line, so that an instruction may contain
    # "16." or "Task:".
    {
        "generation": Sampling(
            max_tokens=1024,
            temperature=0.7,
            top_p=0.5,
            presence_penalty=2.0,
            stop=("\n\n", "\n16.", "\n16 ."),
        ),
        "classification": Sampling(max_tokens=3, stop=("\n", "Task")),
        "input_first": Sampling(
            max_tokens=350, presence_penalty=1.5, stop=("\nExample 6", "\nTask:")
        ),
        "output_first": Sampling(
            max_tokens=300, presence_penalty=1.5, stop=("\nExample 6", "\nTask:")
        ),
    }
)

TASK_STOPS = ("\n\n", "\nTask 16")
"""The stop strings of a list of instructions that is numbered as in Table 5."""

CHAT_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Not from the paper. A chat reply is JSON and ends by itself; penalties would break it.
    {
        "generation": Sampling(max_tokens=1024, temperature=1.0, top_p=0.95),
        "classification": Sampling(max_tokens=32),
        "input_first": Sampling(max_tokens=2048),
        "output_first": Sampling(max_tokens=2048),
    }
)


DIALOGUE_SAMPLING: Mapping[str, Sampling] = MappingProxyType(
    # Not from the papers. A reply is one turn: an instruction on one line, or a short answer.
    {
        "generation": Sampling(max_tokens=60, temperature=0.6, top_p=0.9, stop=("\n",)),
        "classification": PAPER_SAMPLING["classification"],
        "input_first": Sampling(max_tokens=120, frequency_penalty=0.5),
        "output_first": Sampling(max_tokens=120, frequency_penalty=0.5),
    }
)

REPLY_TOKENS: Mapping[str, int] = MappingProxyType(
    {"generation": 150, "classification": 3, "instances": 150}
)
TURN_TOKENS: Mapping[str, int] = MappingProxyType(
    {"generation": 15, "classification": 3, "instances": 40}
)
"""The assumed mean number of tokens of replies, by purpose of the request, and of turns."""


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """A prompt style: the parameters of its requests, and what is not as in the paper.

    `shown` is how many tasks a generation request shows, and how many of these at most are
    machine-generated; seeds are `easy` ones, if there are any. `exchanges` returns the tasks and
    answers with which every request begins. `files` are the prompt files of this style alone.
    `numbers_lists` says whether the model continues a list whose numbering can be chosen.
    `accepted_each` is the assumed number of accepted instructions a request, and `reply_tokens` the
    assumed mean length of replies, by purpose.
    """

    sampling: Mapping[str, Sampling]
    shown: tuple[int, int] = (8, 2)
    easy: bool = False
    exchanges: Callable[[], tuple[tuple[str, str], ...]] = tuple
    files: Literal["dialogue"] | None = None
    numbers_lists: bool = True
    accepted_each: float = 2.0
    reply_tokens: Mapping[str, int] = field(default_factory=lambda: REPLY_TOKENS)

    @property
    def known(self) -> dict[str, str]:
        """The tasks with which every request begins, by ids."""
        return {f"shown_{n}": task for n, (task, _) in enumerate(self.exchanges(), start=1)}


STYLES: Mapping[str, PromptStyle] = MappingProxyType(
    {
        "completion": PromptStyle(PAPER_SAMPLING),
        "turns": PromptStyle(PAPER_SAMPLING),
        "dialogue": PromptStyle(
            DIALOGUE_SAMPLING,
            shown=(3, 1),
            easy=True,
            exchanges=exchanges,
            files="dialogue",
            numbers_lists=False,
            accepted_each=0.7,
            reply_tokens=TURN_TOKENS,
        ),
        "chat": PromptStyle(CHAT_SAMPLING, numbers_lists=False),
    }
)
"""The prompt styles by name."""


MAX_NEW_INSTRUCTIONS = 7
"""How many instructions a chat model is asked for: items 9 to 15 of the paper's list (Table 5)."""

STEERED_INSTRUCTIONS = 3
"""How many it is asked for in a cell: fewer, so that short runs meet their shares, too."""

MAX_INSTANCES = 5
"""How many instances a chat model is asked for, as the released code stops at `Example 6`."""

SHOWN = 4
"""How many fixed demonstrations of instances are shown."""


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
class ChatPrompts(AxisPrompts):
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
        numbered = [f"{n}. {as_shown(task.definition)}" for n, task in enumerate(shown, start=1)]
        values = {
            "demonstrations": "\n".join(numbered),
            "count": str(len(shown)),
            "wanted": str(STEERED_INSTRUCTIONS if cell else MAX_NEW_INSTRUCTIONS),
        }
        frames = chat_frames(self.settings.language)
        text = self._translated(frames, values, cell) if frames else self._english(values, cell)
        return self._request("generation", "generation", text, {"tasks": _list(_TEXT)}, draw)

    def _translated(self, frames: ChatFrames, values: Mapping[str, str], cell: Cell) -> str:
        """Return the prompt for new tasks in another language."""
        topic = self.settings.topic
        steered = {name for name, _ in cell} | ({"topic"} if topic else set())
        kept = {"topic": "subject", "difficulty": "difficulty", "length": "length"}
        parts = {
            part: "" if axis in steered else getattr(frames, part) for axis, part in kept.items()
        }
        about = frames.topic.replace("{topic}", as_shown(topic)) if topic else ""
        lines = "".join(f"\n- {line}" for line in self._lines(cell))
        return fill(frames.generation, **values, **parts, topic=about, cell=lines)

    def _english(self, values: Mapping[str, str], cell: Cell) -> str:
        """Return the prompt for new tasks in English, which may ask for another language."""
        text = render("chat/generation", **values)
        if self.settings.topic:
            about = f" about {as_shown(self.settings.topic)}{DIFFERENT}"
            text = about.join(text.rsplit(ALIKE, 1))
        if self.settings.language:
            line = f"\n- Every task is written in {as_shown(self.settings.language)}."
            text = f"{LAST_RULE}{line}".join(text.rsplit(LAST_RULE, 1))
        return self._steered(text, cell) if cell else text

    def _framed(self, name: str, **values: str) -> str:
        """Return a prompt of one of the later steps, in the language if there is one in it."""
        frames = chat_frames(self.settings.language)
        return fill(getattr(frames, name), **values) if frames else render(f"chat/{name}", **values)

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
        text = self._framed(
            "classification",
            demonstrations="\n\n".join(_questions()),
            instruction=as_shown(instruction),
        )
        answer = {"is_classification": {"type": "boolean"}}
        return self._request("classification", "classification", text, answer)

    def instances(self, instruction: str, *, is_classification: bool, cell: Cell = ()) -> Request:
        """Return the request of step 3: instances, output-first for classification tasks.

        They are in the language of the cell, if it has one. Prompts in the language of the settings
        ask for it themselves.
        """
        approach = "output_first" if is_classification else "input_first"
        fields = ("label", "input") if is_classification else ("input", "output")
        shown = demonstrations()[approach][:SHOWN]
        text = self._framed(
            approach,
            demonstrations="\n\n".join(_example(each, fields) for each in shown),
            instruction=as_shown(instruction),
            wanted=str(MAX_INSTANCES),
        )
        if language := dict(cell).get("language", self.settings.language):
            line = f"\n- All texts are in {as_shown(language)}, except where the task"
            text = text.replace(SHOWN_NEXT, f"{line} asks for another language.{SHOWN_NEXT}", 1)
        answer = {"examples": _list(_object(dict.fromkeys(fields, _TEXT)))}
        return self._request("instances", approach, text, answer)

    def _request(
        self, purpose: str, name: str, text: str, answer: dict[str, Any], draw: int = 0
    ) -> Request:
        schema = Schema(next(iter(answer)), _object(answer))
        sampling = self.settings.sampling_of(name)
        return Request(purpose, (Message("user", text),), sampling, schema, draw)


def _questions() -> list[str]:
    """Return classification tasks and other tasks in turn, each with its answer."""
    return [
        f"Task: {as_shown(task.definition)}\n{_json({'is_classification': task.is_classification})}"
        for task in few_tasks()
    ]


def _example(shown: Demonstration, fields: tuple[str, str]) -> str:
    examples = []
    for example in shown.examples:
        values = {"input": example.input, "output": example.output, "label": example.output}
        examples.append({name: values[name] for name in fields})
    return f"Task: {as_shown(shown.task.definition)}\n{_json({'examples': examples})}"


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


BootstrapPrompts = CompletionPrompts | TurnsPrompts | DialoguePrompts | ChatPrompts


def make_prompts(settings: "BootstrapSettings") -> BootstrapPrompts:
    """Return the prompts of the settings' style."""
    styles: dict[str, type[BootstrapPrompts]] = {
        "completion": CompletionPrompts,
        "turns": TurnsPrompts,
        "dialogue": DialoguePrompts,
        "chat": ChatPrompts,
    }
    return styles[settings.style](settings)
