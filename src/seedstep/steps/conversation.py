"""The paper's conversation, and the frame for models that continue a text (sections 3.1 and 3.2).

The conversation has five turns: obtain an instruction, refine it for a single example, refine it
with two positive examples, refine it to speak of no specific examples, and output it. Each turn is
sent with all earlier ones. The prompts are the paper's, word for word; its line breaks around the
two examples are not known.

- Without a category, the first prompt speaks of "the given task", and so does its last line.
- With fewer than two positive examples, the turn that shows them is left out.
- Instructions in another language than English are asked for in one more sentence of each turn.
- The completion frame is this project's own. It shows tasks with their instructions, and is one
  request. Nothing is refined, since models that continue a text can't do that.

What a task says is put in literally and once: `{{task_definition}}` in a definition stays as it is.

Example::

    script = paper_script(task, "full")
    [turn.name for turn in script]  # ["obtain", "single", "examples", "general", "output"]
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seedstep.data import Task
from seedstep.llm import Failure, Message, Request, Sampling, Schema
from seedstep.prompts import render, steps_wording
from seedstep.steps.parsing import ParsedSteps, parse
from seedstep.steps.records import Turn
from seedstep.steps.settings import StepsSettings
from seedstep.text import is_refusal, script_of, single_spaced, split_thoughts

if TYPE_CHECKING:
    from seedstep.llm import Engine

__all__ = [
    "CANDIDATE",
    "TURNS",
    "Chat",
    "Conversation",
    "Drafts",
    "ScriptTurn",
    "completion_prompt",
    "language_of",
    "make_talk",
    "named_category",
    "paper_script",
    "repair_prompt",
]

TURNS = ("obtain", "single", "examples", "general", "output")
"""The paper's turns, in their order."""

CANDIDATE = "candidate"
"""The purpose of a request for another first version."""

EXAMPLES = 2
"""How many positive examples the third turn shows."""

THAT_OF_TASK = "the language of the task"
"""Stands for a language of which only the script is known."""

OWN_WORDS = {
    "obtain": "Do not contain the step of iterating through the dataset.",
    "examples": "The refined instruction should be simple and easy to understand, without any "
    "specific examples.",
}
"""Where a prompt of the paper's ends in what the task says, the last words before."""

_FIRST_NUMBER = re.compile(r"\s*1[.)]\s")


@dataclass(frozen=True, slots=True)
class ScriptTurn:
    """The name and the prompt of a turn."""

    name: str
    prompt: str


def language_of(task: Task, language: str | None) -> str:
    """Return the language in which a task's instruction is asked for; empty for English.

    If none is named, the task's script tells it, unless that is of Latin letters.
    """
    script = script_of([task.definition])
    if language is not None or script.is_latin:
        return single_spaced(language or "")
    return THAT_OF_TASK if script.language == "unknown" else script.language


def paper_script(task: Task, refine: str, language: str | None = None) -> tuple[ScriptTurn, ...]:
    """Return the turns for a task; only the first where `refine` is "none"."""
    wording = steps_wording(language_of(task, language))
    turns = _script(task, refine)
    return tuple(_in_language(turn, wording.turn) for turn in turns) if wording else turns


def _in_language(turn: ScriptTurn, line: str) -> ScriptTurn:
    """Return a turn with a sentence behind its own words, before those of the task."""
    own = OWN_WORDS.get(turn.name, turn.prompt)
    said, end, more = turn.prompt.partition(own)
    return replace(turn, prompt=f"{said}{end} {line}{more}")


def _script(task: Task, refine: str) -> tuple[ScriptTurn, ...]:
    obtain = ScriptTurn("obtain", _obtain(task))
    if refine == "none":
        return (obtain,)
    shown = [ScriptTurn("examples", _with_examples(task))] if _has_examples(task) else []
    return (
        obtain,
        ScriptTurn("single", render("steps/single")),
        *shown,
        ScriptTurn("general", render("steps/general")),
        ScriptTurn("output", render("steps/output")),
    )


def named_category(task: Task) -> str:
    """Return a task's category for a prompt: "the given task" if it has none."""
    return task.category or "given"


def _obtain(task: Task) -> str:
    name = "obtain" if task.category else "obtain_without_category"
    return render(f"steps/{name}", task_category=task.category, task_definition=task.definition)


def _has_examples(task: Task) -> bool:
    return len(task.positive_examples) >= EXAMPLES


def _with_examples(task: Task) -> str:
    first, second = task.positive_examples[:EXAMPLES]
    return render(
        "steps/examples",
        example1_input=first.input,
        example1_output=first.output,
        example2_input=second.input,
        example2_output=second.output,
    )


def repair_prompt(faults: Sequence[str], language: str = "") -> str:
    """Return the prompt that names the faults of the last version and asks to correct them."""
    listed = "\n".join(f"- {single_spaced(fault)}" for fault in faults)
    wording = steps_wording(language)
    return render("steps/repair", faults=listed) + (f" {wording.turn}" if wording else "")


def completion_prompt(task: Task, language: str | None = None) -> str:
    """Return the few-shot frame with a task, its white space collapsed. It ends in `1.`."""
    category = single_spaced(task.category)
    asked = language_of(task, language)
    prompt = render(
        "steps/completion",
        category_line=f"Category: {category}\n" if category else "",
        task_definition=single_spaced(task.definition),
    )
    if not steps_wording(asked):
        return prompt
    return f" in {asked}:\n1.".join(prompt.rsplit(":\n1.", 1))


@dataclass
class Chat:
    """A conversation that grows. Each turn is sent with all earlier ones.

    `place` orders it among the others that wait for the engine. After a failure it can't go on.
    A reply is sent with later turns without its thoughts, and an empty one never: then the next
    turn is joined to what was not answered.
    """

    engine: "Engine"
    place: int
    turns: list[Turn] = field(default_factory=list)
    _messages: tuple[Message, ...] = ()
    _unanswered: str = ""

    async def say(self, line: ScriptTurn, sampling: Sampling, schema: Schema | None = None) -> Turn:
        """Add a turn, and return it with the reply."""
        content = "\n\n".join(filter(None, (self._unanswered, line.prompt)))
        asked = (*self._messages, Message("user", content))
        request = Request(line.name, asked, sampling, schema)
        turn = await ask(self.engine, request, line.prompt, (self.place, len(self.turns)))
        said, _ = split_thoughts(turn.reply)
        self._unanswered = "" if said.strip() else content
        if said.strip():
            self._messages = (*asked, Message("assistant", said))
        self.turns.append(turn)
        return turn


async def ask(engine: "Engine", request: Request, prompt: str, priority: tuple[int, ...]) -> Turn:
    """Send a request, and return the turn with its reply or failure."""
    answer = await engine.ask(request, priority)
    key = engine.key(request)
    if isinstance(answer, Failure):
        return Turn(request.purpose, key, prompt, failure=answer.detail or answer.reason)
    return Turn(request.purpose, key, prompt, answer.text, answer.cut)


@dataclass
class Conversation:
    """The turns of a task in chat style."""

    settings: StepsSettings
    task: Task
    chat: Chat

    @property
    def turns(self) -> list[Turn]:
        """The turns that were asked so far."""
        return self.chat.turns

    async def write(self) -> Turn:
        """Ask the paper's turns, and return the last one or the one that failed."""
        for line in paper_script(self.task, self.settings.refine, self.settings.language):
            turn = await self._say(line)
            if turn.failure:
                break
        return turn

    async def repair(self, faults: Sequence[str]) -> Turn:
        """Ask to correct the last version."""
        language = language_of(self.task, self.settings.language)
        return await self._say(ScriptTurn("repair", repair_prompt(faults, language)))

    async def candidate(self, number: int) -> Turn:
        """Ask the first turn once more, as a conversation of its own."""
        prompt = paper_script(self.task, "none", self.settings.language)[0].prompt
        sampling = self.settings.sampling_of("conversation")
        request = Request(CANDIDATE, (Message("user", prompt),), sampling, draw=number)
        return await ask(self.chat.engine, request, prompt, (self.chat.place, len(self.turns)))

    def read(self, turn: Turn) -> ParsedSteps:
        """Return the steps of a turn's reply."""
        return parse(turn.reply, cut=turn.cut)

    async def _say(self, line: ScriptTurn) -> Turn:
        return await self.chat.say(line, self.settings.sampling_of("conversation"))


@dataclass
class Drafts:
    """The draws of a task in completion style."""

    settings: StepsSettings
    task: Task
    engine: "Engine"
    place: int
    turns: list[Turn] = field(default_factory=list)

    async def write(self) -> Turn:
        """Ask for the first draw."""
        return await self._draw("obtain")

    async def repair(self, faults: Sequence[str]) -> Turn:
        """Ask for another draw. The model is not told why."""
        return await self._draw("repair")

    async def candidate(self, number: int) -> Turn:
        """Ask for another draw, which is none of those that repair."""
        prompt = completion_prompt(self.task, self.settings.language)
        draw = self.settings.repairs + number
        request = Request(CANDIDATE, prompt, self.settings.sampling_of("completion"), draw=draw)
        return await ask(self.engine, request, prompt, (self.place, len(self.turns)))

    def read(self, turn: Turn) -> ParsedSteps:
        """Return the steps of a draw, which goes on after the prompt's number or repeats it."""
        said, _ = split_thoughts(turn.reply)
        is_whole = _FIRST_NUMBER.match(said) or not said.strip() or is_refusal(said)
        text = said if is_whole else f"1.{said}"
        return parse(text, cut=turn.cut)

    async def _draw(self, name: str) -> Turn:
        prompt = completion_prompt(self.task, self.settings.language)
        draw = len(self.turns)
        request = Request(name, prompt, self.settings.sampling_of("completion"), draw=draw)
        self.turns.append(await ask(self.engine, request, prompt, (self.place, draw)))
        return self.turns[-1]


def make_talk(
    settings: StepsSettings, task: Task, engine: "Engine", place: int
) -> Conversation | Drafts:
    """Return the conversation or the draws of a task, as the settings' prompt style asks."""
    if settings.style == "chat":
        return Conversation(settings, task, Chat(engine, place))
    return Drafts(settings, task, engine, place)
