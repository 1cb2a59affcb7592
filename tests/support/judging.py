"""A judge for the tests: a script for a server, which decides by the prompt alone."""

import json
import re
from pathlib import Path
from typing import Any

from seedstep.evaluate.judge import Judged
from seedstep.recipes import judge
from support.answer_files import right, write_predictions, write_tasks
from support.scripted_server import Fault, ScriptedServer
from support.step_server import chat

__all__ = ["Answered", "by_length", "prompt_of", "shown_texts"]


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


class Answered:
    """Tasks, two systems, and how they are judged."""

    def __init__(self, folder: Path, server: ScriptedServer, **texts: str) -> None:
        self.folder = folder
        self.tasks = write_tasks(folder / "tasks.jsonl")
        good = {**right(), **{name.replace("_", "-"): text for name, text in texts.items()}}
        poor = dict.fromkeys(right(), "no")
        self.systems = (
            str(write_predictions(folder / "secret-good.jsonl", good)),
            str(write_predictions(folder / "secret-poor.jsonl", poor)),
        )
        self.asked: dict[str, Any] = {
            "sources": self.systems,
            "tasks": str(self.tasks),
            "model": "openai:scripted",
            "base_url": server.url,
        }

    def judged(self, name: str = "run", **settings: Any) -> tuple[Judged, ...]:
        with judge(self.folder / name, **self.asked, **settings) as run:
            return tuple(entry.result for entry in run.entries())

    def flags(self) -> tuple[object, ...]:
        served = ("--model", "openai:scripted", "--base-url", self.asked["base_url"])
        return ("judge", *self.systems, "--tasks", self.tasks, *served)
