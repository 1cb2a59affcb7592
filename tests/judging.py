"""A judge for the tests: a script for a server, which decides by the prompt alone."""

import json
import re
from typing import Any

from scripted_server import Fault
from step_server import chat

__all__ = ["by_length", "prompt_of", "shown_texts"]


def prompt_of(body: dict[str, Any]) -> str:
    return str(body["messages"][0]["content"])


def shown_texts(prompt: str) -> list[str]:
    """The response of a rating, or the two predictions of a preference."""
    told = prompt.partition("\n\nAll of the above that follows")[0]
    if "Prediction of Model A:\n" in told:
        both = told.partition("Prediction of Model A:\n")[2]
        return re.split("\n\nPrediction of Model B:\n", both)
    return [told.partition("\n\nResponse:\n")[2]]


def by_length(number: int, body: dict[str, Any]) -> Fault:
    """Long answers are good; of equally long ones the one shown first is better.

    An answer that says so has no verdict: "prose" gets talk, "late" talk the first time.
    """
    prompt = prompt_of(body)
    texts = shown_texts(prompt)
    if "prose" in texts or ("late" in texts and body["temperature"] == 0):
        return chat("Both have their merits.")
    if "refused" in texts:
        return Fault(400)
    if len(texts) == 1:
        return chat(json.dumps({"rating": "DCBA"[min(3, len(texts[0]) // 3)]}))
    better = "Model A" if len(texts[0]) >= len(texts[1]) else "Model B"
    return chat(json.dumps({"better": better}))
