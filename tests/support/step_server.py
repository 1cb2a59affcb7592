"""A strong chat model for the stages of step-by-step instructions, as a script for a server.

What it says depends on the conversation alone. A task's number, which its definition holds, tells
how it behaves: `MANNERS`, in turn.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from seedstep import Task
from seedstep.data import Example
from support.scripted_server import Fault, Script

MANNERS = (
    "plain",
    "chatty",
    "iterates",
    "plain",
    "prose",
    "cut",
    "stubborn",
    "plain",
    "refuses",
    "worse",
    "refused",
    "plain",
)
STEPS = (
    "Read the report from beginning to end.",
    "Find out what happened to the boat, and where.",
    "Think of a title that says it in a few words.",
    "Write the title.",
)
LOOP = "Repeat this process for every report in the dataset."
REFUSAL = "I'm sorry, but I can't help with that."
REFUSED = Fault(400)


def boat_task(number: int) -> Task:
    """A task of our own; the server reads the number."""
    return Task(
        f"task{number}",
        f"You are given a report about boat {number}. Write a title for it.",
        (),
        category="Title Generation",
        positive_examples=(
            Example(f"The ferry {number} ran aground.", "Ferry aground"),
            Example("A rowing club won its third race.", "Club wins again"),
        ),
    )


def manner_of(number: int) -> str:
    return MANNERS[number % len(MANNERS)]


def chat(text: str, finish_reason: str = "stop") -> Fault:
    """A whole chat reply."""
    message = {"role": "assistant", "content": text}
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": len(text.split())},
    }
    return Fault(body=json.dumps(body).encode())


def numbered(*steps: str) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))


def strong_model(number: int, body: dict[str, Any]) -> Fault:
    """The reply to a conversation, or a refusal of the request."""
    said = [message["content"] for message in body["messages"]]
    found = re.search(r"boat (\d+)", said[0])
    assert found
    manner = manner_of(int(found[1]))
    turn = len(said) // 2
    last = said[-1]
    if manner == "refuses":
        return chat(REFUSAL)
    if manner == "refused" and last.startswith("Refine your instruction according"):
        return REFUSED
    if last.startswith("Something is wrong"):
        return _repaired(manner, last)
    if last.startswith("Output"):
        return _final(manner)
    return chat(numbered(f"In version {turn}, read the report.", *STEPS[1:]))


def _final(manner: str) -> Fault:
    if manner in ("iterates", "stubborn", "worse"):
        return chat(numbered(*STEPS, LOOP))
    if manner == "prose":
        return chat("The instruction above is already refined.")
    if manner == "cut":
        return chat(numbered("Read the report.", "Find out what ha"), "length")
    text = numbered(*STEPS)
    return chat(f"Sure! Here it is:\n\n{text}\n\nLet me know!" if manner == "chatty" else text)


def _repaired(manner: str, asked: str) -> Fault:
    if manner == "stubborn":
        return chat(numbered(*STEPS, LOOP))
    if manner == "worse":
        return chat(numbered(*STEPS, LOOP, STEPS[0], "Search the web for the boat's name."))
    if manner == "iterates":
        assert LOOP in asked, "the turn names the fault"
    return chat(numbered(*STEPS))


def with_trouble(model: Callable[[int, dict[str, Any]], Fault]) -> Script:
    """Every third conversation is in trouble once: too many requests, or an error."""
    seen: set[str] = set()

    def script(number: int, body: dict[str, Any]) -> Fault:
        text = json.dumps(body, sort_keys=True)
        known = text in seen
        seen.add(text)
        if known or len(text) % 3:
            return model(number, body)
        return Fault(429) if len(text) % 2 else Fault(500)

    return script


def slowly(model: Callable[[int, dict[str, Any]], Fault], most: float) -> Script:
    """Every reply comes after a time of up to `most` seconds, other than before."""

    chance = Random()
    return lambda number, body: replace(model(number, body), delay=chance.uniform(0, most))
