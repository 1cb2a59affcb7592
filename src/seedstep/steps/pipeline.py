"""The stage that writes step-by-step instructions and has them judged (sections 3.1 to 3.3).

The judge's prompt quotes the guidelines of the paper's annotators (appendix E, "Analysis of the
quality of the step-by-step instruction"). Its answer is JSON, or two lines `Correct: yes` and
`Complete: no`. If it can't be read, the model is asked once more; then the judgement is missing,
with the reason.

Example::

    >>> parse_judgement('{"correct": true, "complete": false}')
    (True, False)

The turns of a task are asked one after the other. Tasks are worked on in parallel, and results come
in the order of the tasks. The last reply is parsed and checked. As long as there are faults, a
further turn names them, at most `settings.repairs` times. The version with the fewest faults is
kept. A task that fails is a result too, and doesn't stop the others.

Example::

    async for written in write_steps(StepsSettings(model="openai:m"), tasks, engine):
        print(written.task_id, written.steps or written.failure)
"""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import TYPE_CHECKING

from seedstep.data import Example, Task
from seedstep.llm import Message, Preview, Request, Sampling, Schema, Spent, tokens_of
from seedstep.llm.pacing import in_order
from seedstep.prompts import render
from seedstep.steps.checks import CHECKS, Check, Finding, check, repair_request
from seedstep.steps.conversation import (
    CANDIDATE,
    EXAMPLES,
    TURNS,
    Chat,
    Conversation,
    Drafts,
    ScriptTurn,
    completion_prompt,
    make_talk,
    paper_script,
)
from seedstep.steps.examples import generate_prompt, rank_prompt
from seedstep.steps.parsing import ParsedSteps
from seedstep.steps.parsing import render as render_steps
from seedstep.steps.records import (
    FAILURES,
    QUESTIONS,
    CandidateSteps,
    Judgement,
    Turn,
    WrittenSteps,
)
from seedstep.steps.settings import ExamplesSettings, StepsSettings
from seedstep.text import answer, json_object

if TYPE_CHECKING:
    from seedstep.llm import Engine

__all__ = [
    "judge",
    "judge_prompt",
    "parse_judgement",
    "preview_examples",
    "preview_steps",
    "write_steps",
]


SCHEMA = Schema(
    "judgement",
    {
        "type": "object",
        "properties": {name: {"type": "boolean"} for name in QUESTIONS},
        "required": list(QUESTIONS),
        "additionalProperties": False,
    },
)

UNREAD = "the answer could not be read, twice"

LONGEST_ANSWER = 20_000
"""The most characters of an answer. A longer one doesn't answer a question with yes or no."""

_LINES = {
    name: re.compile(
        rf"^[ \t]*(?:[-*•][ \t]+)?(?:\*\*)?{name}(?:\*\*)?:(?:\*\*)?[ \t]*(?:\*\*)?(yes|no)\b"
        r"(?:\*\*)?[.]?[ \t]*$",
        re.IGNORECASE | re.MULTILINE,
    )
    for name in QUESTIONS
}


async def judge(
    task: Task, steps: Sequence[str], sampling: Sampling, engine: "Engine", place: int = 0
) -> Judgement:
    """Ask a model about the steps of a task, at most twice."""
    chat = Chat(engine, place)
    for prompt in (judge_prompt(task, steps), render("steps/judge_again")):
        turn = await chat.say(ScriptTurn("judge", prompt), sampling, SCHEMA)
        if turn.failure:
            return Judgement(None, None, turn.request, turn.failure)
        found = parse_judgement(turn.reply, cut=turn.cut)
        if found:
            return Judgement(*found, turn.request)
    return Judgement(None, None, turn.request, UNREAD)


def judge_prompt(task: Task, steps: Sequence[str]) -> str:
    """Return the annotators' guidelines with a task, up to two examples of it, and the steps."""
    shown = [
        f"Positive example {number}:\nInput: {example.input}\nOutput: {example.output}\n\n"
        for number, example in enumerate(task.positive_examples[:EXAMPLES], start=1)
    ]
    return render(
        "steps/judge",
        task_definition=task.definition,
        examples="".join(shown),
        instruction_content=render_steps(steps),
    )


def parse_judgement(reply: str, *, cut: bool = False) -> tuple[bool, bool] | None:
    """Return (correct, complete); None unless both are answered, each once and with yes or no.

    The last line of a reply that was `cut` at its length limit may go on, and answers nothing.
    """
    text = answer(reply).strip()[:LONGEST_ANSWER]
    if text.startswith("{"):
        return _of_json(text)
    text = text.rpartition("\n")[0] if cut else text
    found = [pattern.findall(text) for pattern in _LINES.values()]
    if [len(answers) for answers in found] != [1, 1]:
        return None
    correct, complete = (answers[0].lower() == "yes" for answers in found)
    return correct, complete


def _of_json(text: str) -> tuple[bool, bool] | None:
    record = json_object(text) or {}
    correct, complete = (record.get(name) for name in QUESTIONS)
    if isinstance(correct, bool) and isinstance(complete, bool):
        return correct, complete
    return None


def write_steps(
    settings: StepsSettings,
    tasks: Iterable[Task],
    engine: "Engine",
    judge_engine: "Engine | None" = None,
    checks: Mapping[str, Check] = CHECKS,
) -> AsyncGenerator[WrittenSteps]:
    """Yield the result of each of the first `settings.limit` tasks, in their order.

    What the `checks` find is repaired. With a `judge_engine`, the instructions are also judged.

    Raises:
        ModelError: the model can't be asked.
        StoreError: an answer can't be kept.
        BudgetReached: the budget is spent. All tasks before the first incomplete one were yielded.
    """
    items = (
        _write(settings, task, engine, judge_engine, place, checks)
        for place, task in enumerate(islice(tasks, settings.limit))
    )
    return in_order(items, settings.model.ahead)


async def _write(
    settings: StepsSettings,
    task: Task,
    engine: "Engine",
    judge_engine: "Engine | None",
    place: int,
    checks: Mapping[str, Check],
) -> WrittenSteps:
    talk = make_talk(settings, task, engine, place)
    last = await talk.write()
    versions: list[_Version] = []
    while not last.failure:
        parsed = talk.read(last)
        versions.append(_Version(len(talk.turns) - 1, parsed, check(parsed, task, checks)))
        if versions[-1].is_good or len(versions) > settings.repairs:
            break
        faults = [repair_request(finding, checks) for finding in versions[-1].findings]
        last = await talk.repair(faults)
    written = _written(task, talk, versions, last)
    if settings.candidates > 1:
        written = replace(written, candidates=await _candidates(settings, talk))
    if judge_engine is None or written.failure:
        return written
    sampling = settings.sampling_of("judge")
    return replace(
        written, judgement=await judge(task, written.steps, sampling, judge_engine, place)
    )


async def _candidates(
    settings: StepsSettings, talk: Conversation | Drafts
) -> tuple[CandidateSteps, ...]:
    """Ask for all first versions but the first."""
    found = []
    for number in range(1, settings.candidates):
        turn = await talk.candidate(number)
        if turn.failure:
            found.append(CandidateSteps(turn.request, failure="request_failed"))
            continue
        parsed = talk.read(turn)
        found.append(CandidateSteps(turn.request, _procedure(parsed), parsed.reason))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Version:
    """The reply of turn number `turn`, parsed and checked."""

    turn: int
    parsed: ParsedSteps
    findings: Sequence[Finding]

    @property
    def is_good(self) -> bool:
        return not (self.parsed.reason or self.findings)


def _procedure(parsed: ParsedSteps) -> tuple[str, ...]:
    return () if parsed.reason else parsed.steps


def _written(
    task: Task, talk: Conversation | Drafts, versions: Sequence[_Version], last: Turn
) -> WrittenSteps:
    """Return the result of a task: its best version, or why there is none."""
    asked = [turn.name for turn in talk.turns]
    first = talk.turns[0]
    best = _best(versions)
    failure, detail = ("", "") if best else _failure(versions, last)
    return WrittenSteps(
        task.id,
        tuple(talk.turns),
        left_out=tuple(name for name in TURNS if name not in asked),
        unrefined=() if first.failure else _procedure(talk.read(first)),
        steps=best.parsed.steps if best else (),
        findings=tuple(best.findings) if best else (),
        failure=failure,
        detail=detail,
        chosen=best.turn if best else -1,
        repairs=asked.count("repair"),
    )


def _best(versions: Sequence[_Version]) -> _Version | None:
    """Return the version with the fewest faults, the latest of equals."""
    procedures = [version for version in versions if not version.parsed.reason]
    return min(reversed(procedures), key=lambda version: len(version.findings), default=None)


def _failure(versions: Sequence[_Version], last: Turn) -> tuple[str, str]:
    """Return the name of what went wrong, and a sentence about it."""
    if not versions:
        return "request_failed", f"{last.name}: {last.failure}"
    reason = versions[-1].parsed.reason
    return reason, FAILURES[reason]


INSTRUCTION_TOKENS = 160
"""The assumed mean length of an instruction, which is what each turn replies (Table 1)."""

JUDGEMENT_TOKENS = 15
EXAMPLE_TOKENS = 60
RANKED = 2


def preview_steps(settings: StepsSettings, tasks: Iterable[Task]) -> Preview:
    """Return the turns of the first task, and an estimate for all tasks if nothing needs repair.

    A turn is shown without the earlier ones, with which it is sent.
    """
    tasks = tuple(islice(tasks, settings.limit))
    asked = [_turns(settings, task) for task in tasks]
    counts = Counter(turn.purpose for turns in asked for turn in turns)
    spent = Spent()
    for turns in asked:
        for turn, prompt in zip(turns, _sent(turns), strict=True):
            spent.add(turn.purpose, prompt, INSTRUCTION_TOKENS)
    if more := settings.candidates - 1:
        counts[CANDIDATE] = more * len(tasks)
        for turns in asked:
            spent.add(CANDIDATE, more * tokens_of(turns[0]), more * INSTRUCTION_TOKENS)
    if settings.judge is not None:
        counts["judge"] = len(tasks)
        for task in tasks:
            request = _request(settings, "judge", judge_prompt(task, ()))
            spent.add("judge", tokens_of(request) + INSTRUCTION_TOKENS, JUDGEMENT_TOKENS)
    return Preview(tuple(asked[0]) if asked else (), dict(counts), spent.tokens)


def _turns(settings: StepsSettings, task: Task) -> list[Request]:
    if settings.style == "chat":
        script = paper_script(task, settings.refine, settings.language)
        return [_request(settings, "conversation", line.prompt, line.name) for line in script]
    sampling = settings.sampling_of("completion")
    return [Request("obtain", completion_prompt(task, settings.language), sampling)]


def _request(
    settings: StepsSettings | ExamplesSettings, sampling: str, prompt: str, purpose: str = ""
) -> Request:
    messages = (Message("user", prompt),)
    return Request(purpose or sampling, messages, settings.sampling_of(sampling))


def _sent(turns: Sequence[Request]) -> list[int]:
    """Tokens of the prompts of a task: a turn is sent with the earlier ones and their replies."""
    prompts = accumulate(map(tokens_of, turns))
    return [prompt + INSTRUCTION_TOKENS * place for place, prompt in enumerate(prompts)]


def preview_examples(
    settings: ExamplesSettings,
    tasks: Iterable[tuple[Task, Sequence[str]]],
    language: str | None = None,
) -> Preview:
    """Return both requests of the first task with its steps, and an estimate for all tasks.

    The second request shows stand-ins for the examples that the first asks for.
    """
    tasks = tuple(islice(tasks, settings.limit))
    stand_ins = [Example(f"[input {n + 1}]", f"[output {n + 1}]") for n in range(settings.count)]
    shown = tuple(
        request
        for task, steps in tasks[:1]
        for request in _generate_and_rank(settings, task, steps, stand_ins, language)
    )
    empty = [
        request
        for task, steps in tasks
        for request in _generate_and_rank(settings, task, steps, (), language)
    ]
    spent = Spent()
    for request in empty:
        spent.add(request.purpose, tokens_of(request), 0)
    examples = EXAMPLE_TOKENS * len(tasks)
    spent.add("generate", 0, settings.count * examples)
    spent.add("rank", settings.count * examples, RANKED * examples)
    return Preview(shown, dict(Counter(request.purpose for request in empty)), spent.tokens)


def _generate_and_rank(
    settings: ExamplesSettings,
    task: Task,
    steps: Sequence[str],
    candidates: Sequence[Example],
    language: str | None,
) -> tuple[Request, Request]:
    return (
        _request(settings, "generate", generate_prompt(settings, task, steps, language)),
        _request(settings, "rank", rank_prompt(candidates, steps)),
    )
