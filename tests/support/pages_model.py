"""A model that answers whatever the commands of the documentation ask, as a script for a server."""

import json
from typing import Any

from support.growing import SIGNS, text_of
from support.reasoning_models import with_manners
from support.scripted_server import Fault
from support.step_server import chat, numbered

__all__ = ["any_model"]

STEPS = numbered(
    "Read the definition and the input.",
    "Find what the input says about it.",
    "Write the answer.",
)
EXAMPLES = [f"Input: Report {n} is late.\nOutput: Late report {n}" for n in range(1, 6)]

BEGINNINGS = {
    "Give me": "\n\n".join(f"{example}\nExplanation: It says so." for example in EXAMPLES),
    "Name 6 topics": json.dumps({"values": ["law", "food", "sport", "sea", "art", "work"]}),
    "Rank": "\n\n".join((EXAMPLES[3], EXAMPLES[0])),
    "You are given an instruction, an instance input": json.dumps({"rating": "B"}),
    "You are given an example that consists": json.dumps({"better": "Model A"}),
    "You are given a task definition": json.dumps({"correct": True, "complete": True}),
}
"""How the last turn begins, and what is said to it."""


def _answers(number: int, body: dict[str, Any]) -> Fault | None:
    """The reply to a request; of a bootstrap the server's own."""
    text = text_of(body)
    if "input" in body:
        return None  # embeddings
    if any(text.startswith(signs) for signs in SIGNS.values()):
        return None
    last = body["messages"][-1]["content"]
    for beginning, reply in BEGINNINGS.items():
        if last.startswith(beginning):
            return chat(reply)
    return chat(STEPS if text.startswith("Please provide") else "The answer")


any_model = with_manners(_answers)
"""The model. Those of its names that the page on reasoning speaks of have the manners of theirs."""
