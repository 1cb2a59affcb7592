"""Limits of tokens that are too large for a server: what is sent instead, and what is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from seedstep.llm import Request, Sampling
from seedstep.llm.faults import ServerError
from seedstep.llm.parameters import Parameters
from support.asking import asked, engine_on, failure, reply
from support.command_line import seedstep
from support.predicting import word_model, write_word_tasks
from support.scripted_server import Fault, ScriptedServer, error

SENT = 5120
TOLD = {
    f"max_tokens is too large: {SENT}. This model supports at most 4096 completion tokens, "
    f"whereas you provided {SENT}.": 4096,
    "Invalid max_tokens value, the valid range of max_tokens is [1, 4096]": 4096,
    "Range of max_tokens should be [1, 2048]": 2048,
    f"max_tokens: {SENT} > 4096, which is the maximum allowed number of output tokens": 4096,
    "`max_tokens` must be less than or equal to `4,096`, which is less than the `context_window`": (
        4096
    ),
    f"'max_tokens' or 'max_completion_tokens' is too large: {SENT}. This model's maximum context "
    f"length is 4096 tokens and your request has 120 input tokens ({SENT} > 4096 - 120).": 3976,
    "This model's maximum context length is 4096 tokens. However, you requested 5240 tokens (120 in"
    f" the messages, {SENT} in the completion).": 3976,
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 120 `inputs` tokens and "
    f"{SENT} `max_new_tokens`": 3976,
    f"Requested token count exceeds the model's maximum context length of 4096 tokens: 120 tokens "
    f"from the input messages and {SENT} tokens for the completion.": 3976,
}


def given_way(message: str) -> int | None:
    """The limit that is sent after an error; None if the request is refused."""
    request = Request("test", "Hi", Sampling(SENT))
    body: dict[str, Any] = {"model": "m", "prompt": "Hi", "max_tokens": SENT}
    parameters = Parameters()
    if not parameters.give_way(request, ServerError(400, message, "", ""), body):
        return None
    limit = parameters.adapt(request, body)["max_tokens"]
    assert isinstance(limit, int)
    return limit


@pytest.mark.parametrize(("message", "limit"), TOLD.items())
def test_the_limit_that_an_error_names_is_sent(message: str, limit: int) -> None:
    assert given_way(message) == limit


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large",
        "max_tokens must be at least 1",
        "This model's maximum context length is 4096 tokens, your prompt has 5000 input tokens.",
        "maximum context length is 4096 tokens; you requested 4090 in the messages, "
        "5120 in the completion",
        "temperature must be at most 1",
        "max_tokens must be at most 8192",
    ],
)
def test_what_names_no_smaller_limit_is_refused(message: str) -> None:
    assert given_way(message) is None


async def test_a_limit_is_learnt_once_and_told() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        too_large = body["max_tokens"] > 1000
        return Fault(400, error("max_tokens must be at most 1000")) if too_large else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            first = reply(await engine.ask(asked("a", Sampling(4000))))
            later = reply(await engine.ask(asked("b", Sampling(3000))))
            short = reply(await engine.ask(asked("c", Sampling(500))))
    assert [body["max_tokens"] for body in server.bodies] == [4000, 1000, 1000, 500]
    assert first.left_out == later.left_out == ("max_tokens above 1000",)
    assert short.left_out == ()


async def test_what_the_context_leaves_is_found_for_each_request() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        prompt = len(json.dumps(body["prompt"]))
        if prompt + body["max_tokens"] <= 4096:
            return None
        told = (
            f"This model's maximum context length is 4096 tokens. However, you requested "
            f"{prompt + body['max_tokens']} tokens ({prompt} in the messages, "
            f"{body['max_tokens']} in the completion)."
        )
        return Fault(400, error(told))

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            first = reply(await engine.ask(asked("a", Sampling(4096))))
            later = reply(await engine.ask(asked("b" * 100, Sampling(4096))))
            whole = failure(await engine.ask(asked("c" * 5000, Sampling(16))))
    assert first.left_out == later.left_out == ("max_tokens beyond its context",)
    assert whole.reason == "refused"
    limits = [body["max_tokens"] for body in server.bodies]
    assert limits[0] == limits[2] == 4096
    assert limits[3] < limits[1] < 4096


def test_the_status_of_a_run_tells_of_it(tmp_path: Path) -> None:
    answers = word_model()

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        if body["max_tokens"] > 1000:
            return Fault(400, error("max_tokens must be at most 1000"))
        return answers(number, body)

    tasks = write_word_tasks(tmp_path, tasks=1, instances=3)
    with ScriptedServer(script) as server:
        asked = ("--model", "openai:m", "--base-url", server.url, "--max-new-tokens", 2000)
        made = seedstep("steps", "--tasks", tasks, *asked, "--out", tmp_path / "steps")
    assert made.code in (0, 1), made.err
    said = seedstep("status", tmp_path / "steps").words
    assert "the server does not take max_tokens above 1000: lowered in" in said
