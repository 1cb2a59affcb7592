"""Replies that are not what they seem: how they ended, thoughts, other shapes, what they cost."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedstep.llm import Engine, MemoryLedger, Message, Request, Sampling, Schema
from seedstep.llm.budget import Budget, Spent
from seedstep.llm.faults import PAID_ATTEMPTS
from seedstep.llm.records import ENDINGS, Reasoning, ending_of
from seedstep.llm.replies import BodyError, read_body
from seedstep.text import split_thoughts
from support.asking import asked_chat, endpoint_of, engine_on, failure, reply
from support.command_line import seedstep
from support.scripted_server import Fault, ScriptedServer, in_turn


def chat(content: Any, finish_reason: str | None = "stop", **others: Any) -> bytes:
    """The body of a chat reply; `others` are further fields of the message, `usage` of the body."""
    usage = others.pop("usage", {"prompt_tokens": 3, "completion_tokens": 7})
    message = {"role": "assistant", "content": content, **others}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


# How it ended


@pytest.mark.parametrize(
    ("word", "ending"),
    [
        *ENDINGS.items(),
        ("MAX_TOKENS", "cut"),
        ("Content-Filter", "withheld"),
        ("FINISH_REASON_NEW", "unknown"),
        ("", "finished"),
        ("KV_CACHE_FULL", "cut"),
        ("repetition_detected", "cut"),
        ("no_capacity", "broken_off"),
        ("stopped_by_user", "broken_off"),
        ("sexual_content", "withheld"),
    ],
)
def test_the_word_for_an_end_is_known_in_any_case(word: str, ending: str) -> None:
    assert ending_of(word) == ending
    assert ending_of(word.upper()) == ending


@pytest.mark.parametrize("word", ["length", "max_tokens", "MAX_TOKENS", "model_length"])
async def test_a_cut_reply_is_kept_as_cut(word: str) -> None:
    with ScriptedServer(in_turn(Fault(body=chat("Rank pale rivers for", word)))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
    assert answer.cut
    assert answer.finish_reason == word


BROKEN_OFF = {
    "abort": chat("Rank pale rivers for", "abort"),
    "error": chat("Rank", "ERROR"),
    "error-beside-the-choice": json.dumps(
        {
            "choices": [{"message": {"content": "Rank"}, "finish_reason": "stop"}],
            "error": {"message": "the worker went away", "code": 502},
        }
    ).encode(),
    "error-in-the-choice": json.dumps(
        {"choices": [{"message": {"content": "Rank"}, "error": {"message": "gone"}}]}
    ).encode(),
    "stream-without-an-end": b'data: {"choices": [{"delta": {"content": "Rank"}}]}\n\n',
}


@pytest.mark.parametrize("body", BROKEN_OFF.values(), ids=BROKEN_OFF)
async def test_a_reply_that_was_broken_off_is_asked_for_again(body: bytes) -> None:
    with ScriptedServer(in_turn(Fault(body=body))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
    assert answer.attempts == 2
    assert "Rank" not in answer.text


@pytest.mark.parametrize("others", [0, 3], ids=["the-last-one", "beside-others"])
async def test_a_reply_that_always_breaks_off_is_paid_for_a_few_times(
    others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no other request is left that shows that the server is well."""
    monkeypatch.setattr("seedstep.llm.engine.backoff", lambda attempt: 0.01)
    broken = chat("Rank", "abort")

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault(body=broken) if "lost" in str(body) else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            reply(await engine.ask(asked_chat("a")))
            asking = [engine.ask(asked_chat(f"b{number}")) for number in range(others)]
            failed, *_ = await asyncio.gather(engine.ask(asked_chat("lost")), *asking)
    failed = failure(failed)
    assert (failed.reason, failed.attempts) == ("broken_off", PAID_ATTEMPTS)
    assert failed.lost_completion_tokens == 7 * PAID_ATTEMPTS


@pytest.mark.parametrize("word", ["content_filter", "SAFETY", "recitation", "refusal", "blacklist"])
async def test_a_withheld_reply_is_a_failure_of_its_request_also_with_some_text(word: str) -> None:
    with ScriptedServer(in_turn(Fault(body=chat("Rank pale", word)))) as server:
        async with engine_on(server) as engine:
            failed = failure(await engine.ask(asked_chat("a")))
            assert reply(await engine.ask(asked_chat("b"))).attempts == 1
    assert (failed.reason, failed.attempts) == ("content_filter", 1)
    assert failed.lost_completion_tokens == 7


async def test_an_unknown_end_is_kept_and_told() -> None:
    with ScriptedServer(in_turn(Fault(body=chat("Rank.", "novel_reason")))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
    assert (answer.text, answer.finish_reason, answer.ending) == (
        "Rank.",
        "novel_reason",
        "unknown",
    )


# Used up by thinking

USED_UP = {
    "empty": chat("", "length", reasoning_content="Hm, let me see."),
    "null": chat(None, "length", reasoning="Hm, let me see."),
    "counted": chat(
        "",
        "max_tokens",
        usage={
            "prompt_tokens": 3,
            "completion_tokens": 32,
            "completion_tokens_details": {"reasoning_tokens": 32},
        },
    ),
    "in-the-text": chat("<think>Hm, let me", "length"),
}


@pytest.mark.parametrize("body", USED_UP.values(), ids=USED_UP)
async def test_where_thoughts_took_all_tokens_there_is_room_from_then_on(body: bytes) -> None:
    with ScriptedServer(in_turn(Fault(body=body))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
            assert reply(await engine.ask(asked_chat("b"))).attempts == 1
    assert answer.attempts == 2
    limits = [sent["max_tokens"] for sent in server.bodies]
    assert limits[0] == asked_chat("a").sampling.max_tokens
    assert limits[1] == limits[2] >= limits[0] + 1000
    assert answer.lost_completion_tokens > 0


@pytest.mark.parametrize("body", USED_UP.values(), ids=USED_UP)
async def test_room_that_is_not_enough_is_a_named_failure_after_one_attempt(body: bytes) -> None:
    with ScriptedServer(lambda number, sent: Fault(body=body)) as server:
        async with Engine(
            endpoint_of(server), MemoryLedger(), 1, reasoning=Reasoning(room=100)
        ) as engine:
            failed = failure(await engine.ask(asked_chat("a")))
    assert (failed.reason, failed.attempts) == ("used_up_by_thinking", 1)
    assert "room" in failed.detail
    assert str(failed.lost_completion_tokens) in failed.detail
    assert server.bodies[0]["max_tokens"] == asked_chat("a").sampling.max_tokens + 100


async def test_effort_and_further_fields_are_sent_and_change_the_key() -> None:
    reasoning = Reasoning("low", 0, {"chat_template_kwargs": {"enable_thinking": False}})
    with ScriptedServer() as server:
        async with Engine(endpoint_of(server), MemoryLedger(), 1, reasoning=reasoning) as engine:
            reply(await engine.ask(asked_chat("a")))
            key = engine.key(asked_chat("a"))
        async with engine_on(server) as plain:
            assert plain.key(asked_chat("a")) != key
    (body,) = server.bodies
    assert body["reasoning_effort"] == "low"
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


def test_without_settings_for_reasoning_the_key_is_that_of_version_0_1_0() -> None:
    request = Request("any", (Message("user", "Hi"),), Sampling(16), Schema("s", {}), 3)
    assert request.key("openai:http://127.0.0.1/v1", "m") == "e15abcc3accd54ac4b0eb3358f17e17c"


# Thoughts in the text

THOUGHTS = {
    "think": ("<think>\nHm.\n</think>\n\nBlue", "Blue", "Hm."),
    "thinking": ("<thinking>Hm.</thinking>Blue", "Blue", "Hm."),
    "upper-case": ("<THINK>Hm.</THINK> Blue", "Blue", "Hm."),
    "brackets": ("[THINK]Hm.[/THINK]Blue", "Blue", "Hm."),
    "channels": (
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Blue"
        "<|return|>",
        "Blue",
        "analysis Hm. assistant",
    ),
    "channels-without-marks": ("analysisHm.assistantfinalBlue", "Blue", "Hm."),
    "opened-in-the-prompt": ("Hm.\n</think>\n\nBlue", "Blue", "Hm."),
    "twice": ("<think>Hm.</think>\n<think>Oh.</think>\nBlue", "Blue", "Hm.\nOh."),
    "not-closed": ("<think>Hm, 1. Read", "", "Hm, 1. Read"),
    "channel-not-closed": ("<|channel|>analysis<|message|>Hm.", "", "analysis Hm."),
    "none": (" Blue, I think \n", " Blue, I think \n", ""),
    "a-tag-in-an-answer": ("Write <b> and <think> there.", "Write <b> and <think> there.", ""),
}


@pytest.mark.parametrize(("text", "said", "thoughts"), THOUGHTS.values(), ids=THOUGHTS)
def test_thoughts_are_told_apart(text: str, said: str, thoughts: str) -> None:
    found, thought = split_thoughts(text)
    assert found == said
    assert " ".join(thought.split()) == " ".join(thoughts.split())


@pytest.mark.parametrize("name", ["think", "brackets", "channels"])
async def test_thoughts_are_kept_beside_the_reply(name: str) -> None:
    text, said, _ = THOUGHTS[name]
    with ScriptedServer(in_turn(Fault(body=chat(text)))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
    assert answer.text == said
    assert "Hm." in answer.thoughts


# Other shapes

SHAPES = {
    "parts": chat([{"type": "text", "text": "Blue"}, {"type": "text", "text": "bell"}]),
    "parts-with-thoughts": chat(
        [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, "Bluebell"]
    ),
    "stream": b"".join(
        b"data: %s\n\n" % json.dumps({"choices": [choice]}).encode()
        for choice in (
            {"delta": {"role": "assistant", "content": "Blue"}},
            {"delta": {"content": "bell"}, "finish_reason": None},
            {"delta": {}, "finish_reason": "stop"},
        )
    )
    + b"data: [DONE]\n\n",
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
async def test_other_shapes_of_a_reply_are_read(body: bytes) -> None:
    with ScriptedServer(in_turn(Fault(body=body))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
    assert (answer.text, answer.attempts) == ("Bluebell", 1)


@pytest.mark.parametrize("status", [200, 400])
async def test_an_error_inside_a_list_is_read_and_not_asked_again(status: int) -> None:
    told = [{"error": {"code": 400, "message": "User location is not served.", "status": "X"}}]
    fault = Fault(status, json.dumps(told).encode())
    with ScriptedServer(in_turn(fault)) as server:
        async with engine_on(server) as engine:
            failed = failure(await engine.ask(asked_chat("a")))
    assert (failed.reason, failed.attempts) == ("refused", 1)
    assert "User location is not served." in failed.detail


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b'{"choices": 1}', b"data: 1\n\n", b"\xff"])
def test_what_is_no_reply_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(BodyError):
        read_body(data)


# Keys


@pytest.mark.parametrize("key", ["none", "x", "sk-secret-0123456789"])
async def test_the_text_of_a_reply_is_never_altered(key: str) -> None:
    text = f"If there is none, the examples x and {key} stay as they are."
    with ScriptedServer(in_turn(Fault(body=chat(text)))) as server:
        endpoint = replace(endpoint_of(server), key=key)
        async with Engine(endpoint, MemoryLedger(), 1) as engine:
            assert reply(await engine.ask(asked_chat("a"))).text == text


# Counting


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": 9}, None]
)
async def test_a_count_of_nothing_for_something_is_not_believed(usage: object) -> None:
    with ScriptedServer(in_turn(Fault(body=chat("word " * 40, usage=usage)))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
    assert answer.estimated
    assert answer.completion_tokens >= 40
    assert answer.prompt_tokens > 0


async def test_what_unreadable_replies_cost_counts_towards_the_budget() -> None:
    spent = Spent()
    body = json.dumps(
        {"choices": [{"finish_reason": "abort", "message": {"content": "Rank"}}],
         "usage": {"prompt_tokens": 100, "completion_tokens": 400}}
    ).encode()  # fmt: skip
    with ScriptedServer(in_turn(Fault(body=body), Fault(body=body))) as server:
        budget = Budget(max_tokens=100_000)
        async with Engine(endpoint_of(server), MemoryLedger(), 1, budget, spent) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
    assert (answer.lost_prompt_tokens, answer.lost_completion_tokens) == (200, 800)
    assert spent.total_tokens == 1000 + answer.prompt_tokens + answer.completion_tokens


# Settings


def test_a_run_is_asked_in_the_manner_of_its_settings(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text('{"definition": "Name it.", "instances": [{"input": "", "output": "x"}]}\n')
    manner = "{effort: low, room: 300, extra: {top_k: 5}}"
    with ScriptedServer(lambda number, body: Fault(body=chat("Blue"))) as server:
        flags = ("--tasks", tasks, "--model", "openai:m", "--base-url", server.url)
        done = seedstep("predict", "--out", tmp_path / "run", *flags, "--reasoning", manner)
        assert done.code == 0, done.err
        assert (
            "no setting 'efort'"
            in seedstep(
                "predict", "--out", tmp_path / "other", *flags, "--reasoning", "{efort: low}"
            ).err
        )
    (body,) = server.bodies
    assert (body["reasoning_effort"], body["top_k"], body["max_tokens"]) == ("low", 5, 128 + 300)
