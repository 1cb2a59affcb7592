"""More manners of servers: words for ends, parts in streams, errors about parameters."""

import json
from contextlib import suppress
from typing import Any

import pytest

from seedstep.llm.exchange import LONGEST_REPLY
from seedstep.llm.records import ending_of
from seedstep.llm.replies import BodyError, read_body
from support.asking import asked, asked_chat, engine_on, failure, reply
from support.scripted_server import Fault, ScriptedServer, in_turn


@pytest.mark.parametrize(
    ("word", "ending"),
    [
        ("FINISH_REASON_MAX_TOKENS", "cut"),
        ("FinishReason.MAX_TOKENS", "cut"),
        ("maxTokens", "cut"),
        ("FINISH_REASON_STOP", "finished"),
        ("FINISH_REASON_SAFETY", "withheld"),
        ("contentFilter", "withheld"),
        ("truncated", "cut"),
        ("USER_CANCEL", "broken_off"),
        ("maxtokens", "cut"),
        ("max-output-tokens", "cut"),
        ("context_window_full", "cut"),
        ("incomplete: max_output_tokens", "cut"),
        ("output_token_limit_reached", "cut"),
        ("safety_settings_triggered", "withheld"),
        ("flagged_by_policy", "withheld"),
        ("deadline_exceeded", "broken_off"),
        ("rate_limit_exceeded", "broken_off"),
        ("client_disconnected", "broken_off"),
        ("stop_string_found", "finished"),
        ("cutoff", "cut"),
        ("thinking_budget_exhausted", "cut"),
        ("hit_max", "cut"),
        ("worker_died", "broken_off"),
        ("connection reset", "broken_off"),
        ("self_harm", "withheld"),
        ("something else", "unknown"),
        ("tool_calls", "unknown"),
        ("123", "unknown"),
    ],
)
def test_words_for_an_end(word: str, ending: str) -> None:
    assert ending_of(word) == ending


@pytest.mark.parametrize(
    ("fields", "ending"),
    [
        ({"finish_reason": {"type": "length"}}, "cut"),
        ({"finish_reason": {"kind": 1}}, "unknown"),
        ({"finishReason": "MAX_TOKENS"}, "cut"),
        ({"done_reason": "length"}, "cut"),
        ({"message": {"content": "Four", "finish_reason": "length"}}, "cut"),
        ({"finish_reason": None, "finish_details": {"type": "max_tokens"}}, "cut"),
        ({"finish_reason": "stop", "truncated": True}, "cut"),
        ({"finish_reason": "stop", "stop_reason": "length"}, "finished"),
        ({"finish_reason": ["length"]}, "cut"),
        ({"finish_reason": 1}, "unknown"),
        ({"stop_reason": "max_tokens"}, "cut"),
        ({"finish_reason": "", "stop_reason": "max_tokens"}, "cut"),
        ({"finish_reason": "stop", "native_finish_reason": "MAX_TOKENS"}, "cut"),
        ({"finish_reason": "stop", "stop_reason": "###"}, "finished"),
        ({"finish_reason": "stop", "stop_reason": None}, "finished"),
    ],
)
def test_where_an_end_stands(fields: dict[str, Any], ending: str) -> None:
    choice = {"message": {"content": "Four"}, **fields}
    assert read_body(json.dumps({"choices": [choice]}).encode()).ending == ending


def test_an_end_may_stand_beside_the_choices() -> None:
    record = {"choices": [{"text": "Four", "finish_reason": None}], "finish_reason": "length"}
    assert read_body(json.dumps(record).encode()).ending == "cut"


OUTPUT = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
    {"type": "message", "content": [{"type": "output_text", "text": "Blue"}]},
]
SHAPES: dict[str, tuple[Any, str, str, str]] = {
    "choices-as-an-object": ({"choices": {"message": {"content": "Blue"}}}, "Blue", "", "finished"),
    "choices-by-number": ({"choices": {"0": {"text": "Blue"}}}, "Blue", "", "finished"),
    "text-with-a-value": (
        {"choices": [{"message": {"content": [{"type": "text", "text": {"value": "Blue"}}]}}]},
        "Blue", "", "finished",
    ),
    "a-number": ({"choices": [{"message": {"content": 42}}]}, "42", "", "finished"),
    "read-as-json": (
        {"choices": [{"message": {"content": {"is_classification": True}}}]},
        '{"is_classification": true}', "", "finished",
    ),
    "responses": ({"output": OUTPUT, "status": "completed"}, "Blue", "Hm.", "finished"),
    "responses-cut": (
        {
            "output": OUTPUT,
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
        },
        "Blue", "Hm.", "cut",
    ),
    "candidates": (
        {
            "candidates": [
                {
                    "content": {"parts": [{"text": "Hm.", "thought": True}, {"text": "Blue"}]},
                    "finishReason": "MAX_TOKENS",
                }
            ]
        },
        "Blue", "Hm.", "cut",
    ),
    "a-message-alone": (
        {"message": {"content": "Blue"}, "done_reason": "length"},
        "Blue", "", "cut",
    ),
    "a-list-of-events": (
        [
            {"choices": [{"delta": {"content": "Bl"}}]},
            {"choices": [{"delta": {"content": "ue"}, "finish_reason": "length"}]},
        ],
        "Blue", "", "cut",
    ),
    "content-alone": (
        {"content": [{"type": "text", "text": "Blue"}], "stop_reason": "max_tokens"},
        "Blue", "", "cut",
    ),
    "generated-text": ([{"generated_text": "Blue"}], "Blue", "", "finished"),
}  # fmt: skip


@pytest.mark.parametrize(("record", "text", "thoughts", "ending"), SHAPES.values(), ids=SHAPES)
def test_a_reply_of_another_shape_is_read(
    record: Any, text: str, thoughts: str, ending: str
) -> None:
    body = read_body(json.dumps(record).encode())
    assert (body.text, body.thoughts, body.ending) == (text, thoughts, ending)


NO_REPLY = {
    "a-text-as-choice": b'{"choices": ["x"]}',
    "a-text-as-choice-in-a-stream": b'data: {"choices": ["x"]}\n\ndata: [DONE]\n\n',
    "choices-of-other-things": b'data: {"choices": {"a": 1}}\n\ndata: [DONE]\n\n',
    "a-text-as-change": b'data: {"choices": [{"delta": "x"}]}\n\ndata: [DONE]\n\n',
    "errors": b'{"errors": [{"message": "x"}], "choices": [{"text": "half"}]}',
    "deep-parts": b'{"choices": [{"message": {"content": ' + b"[" * 900 + b"]" * 900 + b"}}]}",
}


@pytest.mark.parametrize("data", NO_REPLY.values(), ids=NO_REPLY)
def test_a_malformed_body_is_no_reply_and_no_traceback(data: bytes) -> None:
    with suppress(BodyError):
        assert read_body(data).text is None


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"error": {"message": "x", "code": "9" * 5000}}).encode(),
        b'{"choices": [{"finish_reason": %s%s}]}' % (b"[" * 950, b"]" * 950),
        b'{"error": %s%s}' % (b"[" * 950, b"]" * 950),
    ],
    ids=["a-long-code", "a-nested-reason", "a-nested-error"],
)
async def test_a_body_of_harmful_values_is_no_reply_and_asked_for_again(data: bytes) -> None:
    with ScriptedServer(in_turn(Fault(body=data))) as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(asked("a"))).attempts == 2


def test_a_text_that_is_too_long_to_be_kept_is_not_searched_for_thoughts() -> None:
    text = "<think>" * (LONGEST_REPLY // 7 + 1)
    assert read_body(json.dumps({"choices": [{"text": text}]}).encode()).text == text


def test_an_error_beside_a_choice_of_a_stream_is_one() -> None:
    with pytest.raises(BodyError, match="lost"):
        read_body(stream({"delta": {"content": "a"}, "error": {"message": "lost"}}))


def test_an_error_of_nothing_is_none() -> None:
    record = {"choices": [{"text": "Blue"}], "error": {"code": 0, "message": ""}}
    assert read_body(json.dumps(record).encode()).text == "Blue"


def test_a_separator_of_lines_inside_a_text_ends_no_line_of_a_stream() -> None:
    event = {"choices": [{"delta": {"content": "a\u2028b\x85c"}, "finish_reason": "stop"}]}
    data = f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\ndata: [DONE]\r\n\r\n".encode()
    assert read_body(data).text == "a\u2028b\x85c"


def test_events_on_lines_of_their_own_are_a_stream() -> None:
    events = [{"content": "Bl"}, {"content": "ue"}]
    lines = [json.dumps({"choices": [{"delta": delta}]}) for delta in events]
    last = json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    assert read_body("\n".join([*lines, last]).encode()).text == "Blue"


def test_what_a_stream_says_of_other_choices_is_left_out() -> None:
    other = {"index": 1, "delta": {"content": "Red"}}
    ends = {"index": 0, "delta": {"content": "Blue"}, "finish_reason": "stop"}
    assert read_body(stream(other, ends)).text == "Blue"


# What is paid

LONG = "many words of a long text " * 20


def body_of(content: object, ending: str = "stop", **fields: Any) -> Fault:
    choice = {"message": {"content": content}, "finish_reason": ending}
    return Fault(body=json.dumps({"choices": [choice], **fields}).encode())


@pytest.mark.parametrize(
    ("usage", "prompt", "least", "most"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 515}, 10, 505, 505),
        ({"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}, 10, 100, 200),
        ({"prompt_tokens": 10, "completion_tokens": 120, "total_tokens": 3}, 10, 120, 120),
        ({"prompt_tokens": 10, "completion_tokens": 120, "total_tokens": 10**15}, 10, 120, 120),
        ({"prompt_tokens": 0, "input_tokens": 12, "output_tokens": 90}, 12, 90, 90),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 50,
                "completion_tokens_details": {"reasoning_tokens": 400},
            },
            10, 450, 450,
        ),
    ],
)  # fmt: skip
async def test_the_larger_plausible_count_is_taken(
    usage: dict[str, Any], prompt: int, least: int, most: int
) -> None:
    with ScriptedServer(in_turn(body_of(LONG, usage=usage))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
    assert answer.prompt_tokens == prompt
    assert least <= answer.completion_tokens <= most


async def test_a_stream_that_broke_off_is_paid() -> None:
    event = {"choices": [{"delta": {"content": LONG}}]}
    broken = Fault(body=f"data: {json.dumps(event)}\n\n".encode())
    with ScriptedServer(in_turn(broken)) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked_chat("a")))
    assert answer.attempts == 2
    assert answer.lost_completion_tokens >= len(LONG) // 8
    assert answer.lost_prompt_tokens > 0


@pytest.mark.parametrize("content", [None, "", " \n\n"])
async def test_a_message_cut_before_its_first_character_is_paid_twice_at_most(
    content: str | None,
) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 16}
    with ScriptedServer(lambda number, sent: body_of(content, "length", usage=usage)) as server:
        async with engine_on(server) as engine:
            failed = failure(await engine.ask(asked_chat("a")))
            again = failure(await engine.ask(asked_chat("b")))
    assert (failed.reason, failed.attempts) == ("used_up_by_thinking", 2)
    assert (again.reason, again.attempts) == ("used_up_by_thinking", 1)
    limits = [sent["max_tokens"] for sent in server.bodies]
    assert limits[0] == 16 < limits[1] == limits[2]


async def test_what_was_paid_and_holds_no_text_is_not_asked_for_again() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 16}
    with ScriptedServer(lambda number, sent: body_of(None, "tool_calls", usage=usage)) as server:
        async with engine_on(server) as engine:
            failed = failure(await engine.ask(asked_chat("a")))
    assert (failed.reason, failed.attempts) == ("malformed_reply", 1)
    assert "tool_calls" in failed.detail
    assert failed.lost_completion_tokens == 16


@pytest.mark.parametrize("choices", [[], None])
async def test_what_was_paid_and_has_no_choice_is_not_asked_for_again(choices: Any) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 16}
    body = json.dumps({"choices": choices, "usage": usage}).encode()
    with ScriptedServer(lambda number, sent: Fault(body=body)) as server:
        async with engine_on(server) as engine:
            failed = failure(await engine.ask(asked_chat("a")))
    assert (failed.reason, failed.attempts) == ("malformed_reply", 1)
    assert failed.lost_completion_tokens == 16


def test_an_error_inside_a_message_is_no_reply() -> None:
    choice = {"message": {"content": "half", "error": {"message": "lost"}}, "finish_reason": "stop"}
    with pytest.raises(BodyError, match="lost"):
        read_body(json.dumps({"choices": [choice]}).encode())


def stream(*events: dict[str, Any]) -> bytes:
    """A body of events."""
    return "".join(f"data: {json.dumps({'choices': [event]})}\n\n" for event in events).encode()


def test_parts_in_a_stream_are_read() -> None:
    body = read_body(
        stream(
            {"delta": {"content": [{"type": "thinking", "thinking": "Two twos."}]}},
            {"delta": {"content": "4"}},
            {"delta": {"content": [{"type": "text", "text": "2"}]}, "finish_reason": "stop"},
        )
    )
    assert (body.text, body.thoughts) == ("42", "Two twos.")


def test_a_whole_message_at_the_end_of_a_stream_counts() -> None:
    last = {"message": {"content": "hello"}, "finish_reason": "stop"}
    assert read_body(stream({"delta": {"content": "he"}}, last)).text == "hello"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("Hello ", "world"), "Hello world"),
        (("Hello", "Hello world"), "Hello world"),
        (("", "Hello", ""), "Hello"),
    ],
)
def test_parts_of_a_stream_may_stand_in_messages(texts: tuple[str, ...], said: str) -> None:
    events = [{"message": {"content": text}} for text in texts]
    assert read_body(stream(*events, {"delta": {}, "finish_reason": "stop"})).text == said


def test_a_message_without_text_at_the_end_of_a_stream_takes_no_place() -> None:
    last = {"message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
    assert read_body(stream({"delta": {"content": "he"}}, last)).text == "he"


def test_a_message_beside_an_empty_content_is_read() -> None:
    choice = {"content": "", "message": {"content": "Blue"}, "finish_reason": "stop"}
    assert read_body(json.dumps({"choices": [choice]}).encode()).text == "Blue"


def test_counts_behind_the_end_of_a_stream_of_nulls_are_read() -> None:
    end = {"choices": [{"delta": {"content": "42"}, "finish_reason": "stop"}], "usage": None}
    counts = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}
    body = read_body("".join(f"data: {json.dumps(event)}\n\n" for event in (end, counts)).encode())
    assert (body.text, body.prompt_tokens, body.completion_tokens) == ("42", 9, 5)
