"""What the tests of gates share: servers that score texts, engines, and what was rejected."""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, cast

from seedstep.bootstrap import GateModel
from seedstep.bootstrap.gates import GateModels
from seedstep.llm import Engine, Reply, Request
from support.growing import Outcome
from support.scripted_server import Fault

__all__ = ["Noting", "models_of", "number", "rejected_by", "scoring"]


def number(text: str, most: int) -> int:
    """A number from 0 up to `most`, less one, that depends on a text alone."""
    return sha256(text.encode()).digest()[0] % most


def rejected_by(made: Outcome, gate: str) -> list[tuple[str, str, str, str]]:
    """Instruction, input, output and detail of what a gate rejected."""
    return [
        (candidate.task.definition, bad.instance.input, bad.instance.output, bad.detail)
        for generation in made.generations
        for candidate in generation.candidates
        for bad in candidate.rejected_instances
        if bad.reason == gate
    ]


def scoring(value: Callable[[str], float]) -> Callable[[int, dict[str, Any]], Fault | None]:
    """A server that gives the log-probabilities of the texts it is sent, word by word."""

    def script(_: int, body: dict[str, Any]) -> Fault | None:
        if "echo" not in body:
            return None
        text = str(body["prompt"])
        start = text.index("\nOutput:") + len("\nOutput:")
        words = [text[:5], text[5:start], *(f" {word}" for word in text[start:].split(" ")[1:])]
        words.append(" more")
        offsets = [sum(map(len, words[:place])) for place in range(len(words))]
        target = [-value(text)] * (len(words) - 3)
        found = {
            "tokens": words,
            "token_logprobs": [None, -9.0, *target, -0.1],
            "text_offset": offsets,
        }
        choice = {"text": text + " more", "finish_reason": "length", "logprobs": found}
        usage = {"prompt_tokens": 9, "completion_tokens": 1}
        return Fault(body=json.dumps({"choices": [choice], "usage": usage}).encode())

    return script


class Noting:
    """Stands for an engine: keeps what it is asked, and says what it is told to."""

    def __init__(self, said: str) -> None:
        self.said = said
        self.asked: list[Request] = []

    async def ask(self, request: Request, priority: tuple[int, ...]) -> Reply:
        self.asked.append(request)
        return Reply(self.said, "stop", 1, 1)


def models_of(engine: Noting) -> GateModels:
    """The models of gates that all ask this engine."""
    return GateModels(GateModel(cast("Engine", engine), converses=True))
