"""Models that reason, with the manners of a hosted server, of vLLM and of Ollama.

The answers are those of another script. What is asked is checked as these servers do.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from support.scripted_server import Fault, chat_text

__all__ = ["MANNERS", "THOUGHTS", "with_manners"]

THOUGHTS = "Hm, let me think about <that> at length."
REFUSED = ("max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty", "stop")
"""What the hosted model does not take."""

NEEDED = 500
"""The tokens that a thought takes."""

Answers = Callable[[int, dict[str, Any]], Fault | None]


def with_manners(answers: Answers) -> Answers:
    """Return a script in which some models reason, by the name in the request."""

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        manner = MANNERS.get(body["model"])
        return manner(body, _text(answers, number, body)) if manner else answers(number, body)

    return script


def _text(answers: Answers, number: int, body: dict[str, Any]) -> str:
    fault = answers(number, body)
    if fault is None or fault.body is None:
        return chat_text(str(body["messages"][0]["content"]))
    return str(json.loads(fault.body)["choices"][0]["message"]["content"])


def _reply(message: Mapping[str, Any], finish: str, thought: int, limit: int) -> Fault:
    usage = {
        "prompt_tokens": 50,
        "completion_tokens": min(thought + 20, limit),
        "completion_tokens_details": {"reasoning_tokens": min(thought, limit)},
    }
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return Fault(body=json.dumps({"choices": [choice], "usage": usage}).encode())


def _hosted(body: dict[str, Any], text: str) -> Fault:
    for name in REFUSED:
        if name in body:
            hint = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            message = f"Unsupported parameter: '{name}' is not supported with this model.{hint}"
            error = {"error": {"message": message, "param": name, "code": "unsupported_parameter"}}
            return Fault(status=400, body=json.dumps(error).encode())
    limit = body["max_completion_tokens"]
    needed = NEEDED if body.get("reasoning_effort") == "low" else 4 * NEEDED
    if limit <= needed:
        return _reply({"content": ""}, "length", limit, limit)
    return _reply({"content": text}, "stop", needed, limit)


def _vllm(body: dict[str, Any], text: str) -> Fault:
    limit = body["max_tokens"]
    if not body.get("chat_template_kwargs", {}).get("enable_thinking", True):
        return _reply({"content": text}, "stop", 0, limit)
    if limit <= NEEDED:
        return _reply({"content": None, "reasoning_content": THOUGHTS}, "length", limit, limit)
    return _reply({"content": text, "reasoning_content": THOUGHTS}, "stop", NEEDED, limit)


def _vllm_without_parser(body: dict[str, Any], text: str) -> Fault:
    limit = body["max_tokens"]
    if limit <= NEEDED:
        return _reply({"content": f"<think>\n{THOUGHTS}"}, "length", 0, limit)
    return _reply({"content": f"<think>\n{THOUGHTS}\n</think>\n\n{text}"}, "stop", 0, limit)


def _ollama(body: dict[str, Any], text: str) -> Fault:
    limit = body["max_tokens"]
    if body.get("reasoning_effort") == "none":
        return _reply({"content": text}, "stop", 0, limit)
    if limit <= NEEDED:
        return _reply({"content": "", "reasoning": THOUGHTS}, "length", limit, limit)
    return _reply({"content": text, "reasoning": THOUGHTS}, "stop", NEEDED, limit)


MANNERS: Mapping[str, Callable[[dict[str, Any], str], Fault]] = {
    "gpt-5-mini": _hosted,
    "Qwen/Qwen3-8B": _vllm,
    "my-own-finetune": _vllm_without_parser,
    "qwen3:8b": _ollama,
}
"""The models of the page on reasoning, and one that is not known to reason."""
