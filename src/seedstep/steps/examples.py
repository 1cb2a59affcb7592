"""Positive examples generated from step-by-step instructions (appendix C).

A model is asked for harder examples by the step-by-step instruction, and in a second request for
the best two of them. Two are also drawn at random, for the paper's comparison. Tasks are worked on
in parallel, and results come in the order of the tasks.

The prompts are the paper's. Without a category they speak of "the given task".

Example::

    async for made in generate_examples(ExamplesSettings(), [(task, written.steps)], engine):
        best = [made.candidates[place] for place in made.ranked]
"""

import hashlib
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from rapidfuzz import fuzz

from seedstep.data import Example, Task
from seedstep.data.choice import generator
from seedstep.llm.pacing import in_order
from seedstep.prompts import render, steps_wording
from seedstep.steps.conversation import Chat, ScriptTurn, language_of, named_category
from seedstep.steps.parsing import render as render_steps
from seedstep.steps.records import FAILURES, ExampleSet, Turn
from seedstep.steps.settings import ExamplesSettings
from seedstep.text import answer, is_refusal, plain_text, single_spaced
from seedstep.text.closings import is_closing, is_note, speaks_to_asker

if TYPE_CHECKING:
    from seedstep.llm import Engine

__all__ = [
    "best_two",
    "draw_two",
    "generate_examples",
    "generate_prompt",
    "parse_examples",
    "rank_prompt",
    "written_examples",
]

FIELDS = ("input", "output", "explanation")

SAME = 85.0
"""The similarity by edits, of 100, from which two examples count as the same."""

LONGEST_COMPARED = 4000
"""How many characters of an example are compared."""

MOST_COMPARED = 50
"""How many examples of a ranking are read."""

BEST = 2

_BOLD = r"(?:\*\*|__)?+"
_BEFORE = (
    r"[ \t]*+(?:>[ \t]*+)?+(?:[-*•+][ \t]++)?+(?:#{1,6}[ \t]*+)?+(?:\d{1,3}[.)][ \t]++)?+" + _BOLD
)
_NUMBERED = r"example[ \t]*+#?\d{0,3}+"
_FIELD = re.compile(
    rf"{_BEFORE}(?:{_NUMBERED}[ \t]*+[-–:.]?+[ \t]*+)?+(?P<name>{'|'.join(FIELDS)})"
    rf"[ \t]*+#?\d{{0,3}}+[ \t]*+{_BOLD}[ \t]*+[:：]{_BOLD}[ \t]*+(?P<text>.*)",
    re.IGNORECASE,
)
_HEADING = re.compile(
    rf"{_BEFORE}(?:{_NUMBERED})?+[ \t]*+[:.)-]?+{_BOLD}[:.]?+[ \t]*+"
    r"|[ \t]*+[-*_=]{3,}[ \t]*+",
    re.IGNORECASE,
)
_NUMBER = re.compile(rf"{_BOLD}\d{{1,3}}[.)]{_BOLD}[ \t]*")
_LETTER = re.compile(
    r"(?:dear|hello|hi|hey|to|subject|greetings|good (?:morning|afternoon|evening))\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\bexample[ \t]*#?(\d{1,3})\b", re.IGNORECASE)


def parse_examples(reply: str, *, cut: bool = False) -> tuple[Example, ...]:
    """Return the examples of a reply that have an input and an output, each input once.

    If the reply was `cut` at its length limit, its last example is left out.
    """
    found = list(_sections(answer(reply).split("\n")))
    kept: dict[str, Example] = {}
    for section in found[:-1] if cut else found:
        texts = [_joined(section.get(name, ())) for name in FIELDS]
        if texts[0] and texts[1]:
            kept.setdefault(single_spaced(texts[0]), Example(*texts))
    return tuple(kept.values())


def _sections(lines: Iterable[str]) -> Iterator[dict[str, list[str]]]:
    """Yield the lines of each example by field. An input begins an example."""
    example: dict[str, list[str]] = {}
    field: list[str] = []
    found = [(line, _FIELD.fullmatch(line)) for line in lines]
    last = max((place for place, (_, match) in enumerate(found) if match), default=0)
    for place, (line, match) in enumerate(found):
        if match:
            name = match["name"].lower()
            if name == "input" and example:
                _drop_number(field)
                yield example
                example = {}
            field = [match["text"]]
            example.setdefault(name, field)
        elif (_HEADING.fullmatch(line) and line.strip()) or (
            field and _is_talk(line, field, in_last=place > last, explains="explanation" in example)
        ):
            field = []
        else:
            field.append(line)
    if example:
        yield example


def _drop_number(field: list[str]) -> None:
    """Remove the number of the next example, where it stands on a line of its own."""
    if len(field) > 1 and _NUMBER.fullmatch(field[-1]):
        field.pop()


def _is_talk(line: str, field: Sequence[str], *, in_last: bool, explains: bool) -> bool:
    """Return whether a line below a field is talk after the examples.

    An output may be a letter with the same words: there they are talk below the last field only,
    and not if it begins as letters do.
    """
    if explains and not field[-1].strip():
        return is_closing(line) or is_note(line)
    if not in_last or _LETTER.match(next(filter(None, map(str.strip, field)), "")):
        return False
    if explains:
        return speaks_to_asker(line)
    return not field[-1].strip() and (is_closing(line) or is_note(line))


def _joined(lines: Iterable[str]) -> str:
    return plain_text("\n".join(lines)).strip()


def written_examples(examples: Sequence[Example]) -> str:
    """Return the examples as the ranking prompt shows them, numbered and in their structure."""
    texts = []
    for number, example in enumerate(examples, start=1):
        lines = [f"Example {number}:", f"Input: {example.input}", f"Output: {example.output}"]
        texts.append("\n".join([*lines, *_explained(example)]))
    return "\n\n".join(texts)


def _explained(example: Example) -> list[str]:
    return [f"Explanation: {example.explanation}"] if example.explanation else []


def best_two(reply: str, candidates: Sequence[Example], *, cut: bool = False) -> tuple[int, ...]:
    """Return the indices of the two candidates that a ranking names, the best first.

    They are matched by content. Where the reply shows no example at all, `Example 3` counts too.
    Nothing is returned where fewer than two are named, or the reply is a refusal. What stands last
    in a reply that was `cut` at its length limit does not count.
    """
    said = answer(reply)
    if is_refusal(said):
        return ()
    shown = parse_examples(reply, cut=cut)[:MOST_COMPARED]
    if shown:
        named: Iterable[int | None] = (_nearest(example, candidates) for example in shown)
    else:
        mentions = [match for match in _NAMED.finditer(said) if not cut or match.end() < len(said)]
        named = (int(match[1]) - 1 for match in mentions)
    found: list[int] = []
    for place in named:
        if place is not None and place in range(len(candidates)) and place not in found:
            found.append(place)
        if len(found) == BEST:
            return tuple(found)
    return ()


def _nearest(shown: Example, candidates: Sequence[Example]) -> int | None:
    """Return the candidate that is most like an example; None if none is near."""
    text = _compared(shown)
    scores = [fuzz.ratio(text, _compared(candidate), score_cutoff=SAME) for candidate in candidates]
    best = max(range(len(scores)), key=scores.__getitem__, default=None)
    return best if best is not None and scores[best] else None


def _compared(example: Example) -> str:
    text = f"{example.input[:LONGEST_COMPARED]}\n{example.output[:LONGEST_COMPARED]}"
    return single_spaced(text.casefold())


def generate_examples(
    settings: ExamplesSettings,
    tasks: Iterable[tuple[Task, Sequence[str]]],
    engine: "Engine",
    language: str | None = None,
) -> AsyncGenerator[ExampleSet]:
    """Yield the examples of the first `settings.limit` tasks with their steps, in order.

    They are asked for in a language as instructions are, see `language_of`.

    Raises:
        ModelError: the model can't be asked.
        StoreError: an answer can't be kept.
        BudgetReached: the budget is spent. All tasks before the first incomplete one were yielded.
    """
    items = (
        _examples_of(settings, task, steps, engine, place, language)
        for place, (task, steps) in enumerate(islice(tasks, settings.limit))
    )
    return in_order(items, settings.model.ahead)


async def _examples_of(
    settings: ExamplesSettings,
    task: Task,
    steps: Sequence[str],
    engine: "Engine",
    place: int,
    language: str | None,
) -> ExampleSet:
    prompt = generate_prompt(settings, task, steps, language)
    chat = Chat(engine, place)
    turn = await chat.say(ScriptTurn("generate", prompt), settings.sampling_of("generate"))
    made = ExampleSet(task.id, (turn,))
    if turn.failure:
        return replace(made, failure="request_failed", detail=turn.failure)
    candidates = parse_examples(turn.reply, cut=turn.cut)[: settings.count]
    if len(candidates) < BEST:
        failure = "no_examples" if answer(turn.reply).strip() else "empty"
        return replace(made, candidates=candidates, failure=failure, detail=FAILURES[failure])
    drawn = draw_two(len(candidates), settings.seed, task.id)
    made = replace(made, candidates=candidates, drawn=drawn)
    return _ranked(made, await _rank(settings, candidates, steps, engine, place))


async def _rank(
    settings: ExamplesSettings,
    candidates: Sequence[Example],
    steps: Sequence[str],
    engine: "Engine",
    place: int,
) -> Turn:
    line = ScriptTurn("rank", rank_prompt(candidates, steps))
    return await Chat(engine, place).say(line, settings.sampling_of("rank"))


def generate_prompt(
    settings: ExamplesSettings, task: Task, steps: Sequence[str], language: str | None = None
) -> str:
    """Return the prompt that asks for examples of a task."""
    wording = steps_wording(language_of(task, language))
    prompt = render(
        "steps/harder_examples",
        generated_example_num=str(settings.count),
        task_category=named_category(task),
        instruction_content=render_steps(steps),
    )
    return f"{prompt}\n\n{wording.examples}" if wording else prompt


def rank_prompt(candidates: Sequence[Example], steps: Sequence[str]) -> str:
    """Return the prompt that asks for the best two of some examples."""
    return render(
        "steps/rank",
        example_content=written_examples(candidates),
        instruction_content=render_steps(steps),
    )


def _ranked(made: ExampleSet, turn: Turn) -> ExampleSet:
    best = () if turn.failure else best_two(turn.reply, made.candidates, cut=turn.cut)
    if turn.failure:
        failure = "request_failed"
    elif best:
        failure = ""
    else:
        failure = "unmatched" if turn.reply.strip() else "empty"
    return replace(made, turns=(*made.turns, turn), ranked=best, ranking_failure=failure)


def draw_two(number: int, seed: int, task_id: str) -> tuple[int, ...]:
    """Draw two of `number` examples by run and task, the same on every machine."""
    digest = hashlib.sha256(f"{seed}\0{task_id}".encode()).digest()
    return tuple(generator(digest).sample(range(number), BEST))
