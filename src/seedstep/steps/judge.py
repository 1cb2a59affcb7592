"""Ask a model whether a step-by-step instruction is correct, and whether it is complete.

The prompt quotes the guidelines of the paper's annotators (appendix E, "Analysis of the quality of
the step-by-step instruction"). The answer is JSON, or two lines `Correct: yes` and `Complete: no`.
If it can't be read, the model is asked once more; then the judgement is missing, with the reason.

Example::

    >>> parse_judgement('{"correct": true, "complete": false}')
    (True, False)
"""

import re
from collections.abc import Sequence

from seedstep.data import Task
from seedstep.llm import Engine, Sampling, Schema
from seedstep.prompts import render
from seedstep.steps.conversation import EXAMPLES, Chat, ScriptTurn
from seedstep.steps.parse import render as render_steps
from seedstep.steps.records import Judgement
from seedstep.text import answer, json_object

__all__ = ["judge", "judge_prompt", "parse_judgement"]

QUESTIONS = ("correct", "complete")

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
    task: Task, steps: Sequence[str], sampling: Sampling, engine: Engine, place: int = 0
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
