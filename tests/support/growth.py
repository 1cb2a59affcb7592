"""Whatever reads a reply, and texts that make slow readers slow: runs of marks behind openings."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

from seedstep.bootstrap.instances import labeled_inputs, says_classification, worked_examples
from seedstep.bootstrap.parse import read_instructions
from seedstep.data import Instance, Task
from seedstep.evaluate.judge import preference_question, rating_question, read_verdict
from seedstep.llm.replies import read_body
from seedstep.steps.checks import check
from seedstep.steps.examples import parse_examples
from seedstep.steps.parsing import parse
from seedstep.steps.pipeline import parse_judgement
from seedstep.text import answer, is_refusal, loops, one_line, plain_text, visible, without_marks

__all__ = ["OPENINGS", "READERS", "UNITS", "TooSlow", "seconds_of", "texts"]

TASK = Task("t", "Answer yes or no. Then explain in 10 words.", (Instance("a", ("yes",), "t-0"),))
Reader = Callable[[str], Any]
READERS: Mapping[str, Reader] = {
    "instructions": partial(read_instructions, first=9),
    "instructions of a chat": read_instructions,
    "classification": says_classification,
    "input first": worked_examples,
    "input first, bare": partial(worked_examples, may_be_bare=True),
    "output first": labeled_inputs,
    "steps": parse,
    "checks of steps": lambda text: check(parse(text), TASK),
    "examples": parse_examples,
    "judgement": parse_judgement,
    "rating": lambda text: read_verdict(text, rating_question(TASK, "a")),
    "preference": lambda text: read_verdict(text, preference_question(TASK, "a", "b")),
    "answer": answer,
    "refusal": is_refusal,
    "loops": loops,
    "plain text": plain_text,
    "one line": one_line,
    "visible": visible,
    "without marks": without_marks,
    "body": lambda text: _body(text.encode("utf-8", "replace")),
}

OPENINGS = (
    "",
    "## Example 1",
    "Example 1",
    "Example 1:",
    "**Example 1**",
    "Input:",
    "**Input**",
    "Output:",
    "**Output:**",
    "Class label:",
    "Input: a\nOutput: b\n",
    "1.",
    "1. ",
    "**1.",
    "Step 1:",
    "- ",
    "Yes",
    "No",
    "Answer:",
    "```\n",
    "<think>",
    "</think>",
    "[THINK]",
    "(",
    '"',
    "[",
    '{"tasks": [',
    '{"examples": [',
    '{"is_classification"',
    "I can't",
    "1. Read\n2. Answer\n",
    "If ",
    "e.g.",
    "Rating",
    "Better:",
    "data: ",
    '{"choices": [',
    "<|channel|>",
    "<|channel|>analysis<|message|>",
    "analysis",
    "Is it a classification task? ",
    "A",
    "1. If the answer is ",
    "1. Say '",
)
UNITS = (
    "*",
    "#",
    " ",
    "\t",
    "\n",
    "\r",
    "-",
    "_",
    "`",
    "=",
    ".",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "<",
    ">",
    "|",
    "\\",
    "/",
    "0",
    "9",
    "1.",
    "1. ",
    "a",
    "a ",
    "A",
    "* ",
    " *",
    "**",
    "\n\n",
    " \n",
    "\n ",
    "\n*",
    "\n#",
    "\n- ",
    "\n1. ",
    "\n1",
    "Input: ",
    "Output: ",
    "\nInput: ",
    "\nOutput: ",
    "\nExample 1",
    "\nExample ",
    "Example ",
    "\nStep 1: ",
    "\nClass label: ",
    "\n```",
    "```",
    "<think>",
    "</think>",
    "<|channel|>",
    "<|channel|>final<|message|>",
    "analysis",
    "assistantfinal",
    "yes ",
    "no ",
    "yes or no ",
    "Answer: ",
    "\n|",
    "| ",
    "{}",
    "[]",
    "[1,",
    '{"a":',
    '",',
    "\u3000",
    "\u200b",
    "\xa0",
    "。",
    "、",
    "第一步",
    "é",
    "e\u0301",
    "\u202e",
    "\ud800",
    "e.g. ",
    ". ",
    "? ",
    "! ",
    "if ",
    ", ",
    "; ",
    "“",
    "”",
    "'a' ",
    '"a" ',
    "step ",
    "input ",
    "word\n",
    "a\n",
    "the next ",
    "\ndata: {}",
    "each ",
    "1 ",
    "1) ",
    "(1) ",
    "\n  1. ",
    "\nA. ",
    "i. ",
    "xx xx ",
    "no input",
    "<noinput>",
)


def _body(data: bytes) -> Any:
    try:
        return read_body(data)
    except Exception as error:  # a body that holds no reply is an error by name
        if type(error).__name__ == "BodyError":
            return None
        raise


def texts(size: int) -> Iterator[tuple[str, str, str]]:
    """Yield each opening, each unit, and the unit `size` characters long behind the opening."""
    for opening in OPENINGS:
        for unit in UNITS:
            yield opening, unit, opening + unit * (size // len(unit)) + "x"


class TooSlow(Exception):  # noqa: N818 - it is no fault of the test's
    """A reader did not end in its time."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def seconds_of(reader: Reader, text: str, most: float) -> float:
    """Return the processor's seconds that a reader takes, at the most `most`.

    A reader that takes more than a tenth of that is run again, and the lesser time counts: the
    collection of another test's garbage may fall into the first.
    """
    first = _seconds_of(reader, text, most)
    return first if first < most / 10 else min(first, _seconds_of(reader, text, most))


def _seconds_of(reader: Reader, text: str, most: float) -> float:
    started = time.process_time()
    try:
        with _limited(most):
            reader(text)
    except TooSlow:
        return most
    return time.process_time() - started
