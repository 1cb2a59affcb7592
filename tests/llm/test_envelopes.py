"""Replies inside the envelopes of gateways, and in the shapes of servers behind them."""

import json
import re
from typing import Any

import pytest

from seedstep.llm.replies import BodyError, read_body

USAGE = {"prompt_tokens": 3, "completion_tokens": 7}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
REPLY = {"choices": [CHOICE], "usage": USAGE}
ENVELOPES: dict[str, Any] = {
    "data": {"code": 0, "msg": "ok", "data": REPLY},
    "result": {"result": REPLY, "success": True, "errors": []},
    "response": {"response": REPLY},
    "output.choices": {"output": {"choices": REPLY["choices"]}, "usage": REPLY["usage"]},
    "list-in-data": {"data": [REPLY]},
    "three-deep": {"data": {"result": {"output": REPLY}}},
    "body-as-text": {"statusCode": 200, "body": json.dumps(REPLY)},
    "output.text": {"output": {"text": "Hi", "finish_reason": "stop"}, "usage": REPLY["usage"]},
    "outputs": {"outputs": [{"text": "Hi", "finish_reason": "stop"}], "usage": REPLY["usage"]},
    "text": {"text": "Hi", "finish_reason": "COMPLETE", "usage": REPLY["usage"]},
    "response-as-text": {
        "response": "Hi",
        "done_reason": "stop",
        "prompt_eval_count": 3,
        "eval_count": 7,
    },
    "converse": {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 7},
    },
}


@pytest.mark.parametrize("body", ENVELOPES.values(), ids=ENVELOPES)
def test_a_reply_inside_an_envelope_is_read(body: dict[str, Any]) -> None:
    found = read_body(json.dumps(body).encode())
    assert (found.text, found.ending) == ("Hi", "finished")
    assert (found.prompt_tokens, found.completion_tokens) == (3, 7)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"data": {"error": {"message": "quota", "code": 429}}}, "quota"),
        ({"data": None, "code": 500, "msg": "busy"}, "busy"),
        ({"data": {"text": "Hi"}}, "{'data': {'text': 'Hi'}}"),
        ({"data": {"data": {"data": {"data": {"data": REPLY}}}}}, "{'data'"),
        ({"body": "no JSON"}, "{'body': 'no JSON'}"),
    ],
)
def test_an_envelope_without_a_reply_is_an_error(body: dict[str, Any], message: str) -> None:
    with pytest.raises(BodyError, match=re.escape(message)):
        read_body(json.dumps(body).encode())


def test_a_message_with_a_role_alone_has_no_text() -> None:
    choice = {"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}
    usage = {"promptTokenCount": 3, "thoughtsTokenCount": 20}
    found = read_body(json.dumps({"candidates": [choice], "usageMetadata": usage}).encode())
    assert (found.text, found.used_up_by_thinking) == (None, True)
    for message in ({"role": "assistant"}, {"role": "assistant", "refusal": None}):
        body = json.dumps({"choices": [{"content": message, "finish_reason": "stop"}]})
        assert read_body(body.encode()).text is None


COUNTED: dict[str, Any] = {
    "x_groq": {"choices": [CHOICE], "x_groq": {"usage": USAGE}},
    "in the choice": {"choices": [{**CHOICE, "usage": USAGE}]},
    "nested": {**REPLY, "usage": {"tokens": {"input_tokens": 3, "output_tokens": 7}}},
    "meta": {
        "choices": [CHOICE],
        "meta": {"billed_units": {"input_tokens": 3, "output_tokens": 7}},
    },
}


@pytest.mark.parametrize("body", COUNTED.values(), ids=COUNTED)
def test_tokens_are_counted_wherever_the_server_says_them(body: dict[str, Any]) -> None:
    found = read_body(json.dumps(body).encode())
    assert (found.text, found.prompt_tokens, found.completion_tokens) == ("Hi", 3, 7)


def test_comments_and_lines_of_other_streams_are_read() -> None:
    assert read_body(b": PROCESSING\n\n: PROCESSING\n\n" + json.dumps(REPLY).encode()).text == "Hi"
    lines = [
        {"message": {"role": "assistant", "content": "H"}, "done": False},
        {"message": {"content": "i"}, "done": True, "done_reason": "length", "eval_count": 7},
    ]
    found = read_body("\n".join(map(json.dumps, lines)).encode())
    assert (found.text, found.ending, found.completion_tokens) == ("Hi", "cut", 7)
    with pytest.raises(BodyError, match="died"):
        read_body(b'event: error\ndata: {"message": "died", "code": 500}\n\n')


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "no", "type": "invalid_request_error"}, 400),
        ({"message": "no", "code": "context_length_exceeded"}, 400),
        ({"message": "no", "status": "FAILED_PRECONDITION"}, 400),
        ({"message": "no", "status": "RESOURCE_EXHAUSTED"}, 429),
        ({"message": "no", "status": "UNAVAILABLE"}, 429),
        ({"message": "no", "type": "server_error"}, 0),
    ],
)
def test_the_kind_of_an_error_tells_whose_fault_it_is(error: dict[str, str], code: int) -> None:
    with pytest.raises(BodyError) as told:
        read_body(json.dumps([{"error": error}]).encode())
    assert told.value.code == code


def test_an_end_inside_an_envelope_counts() -> None:
    cut = {"choices": [{**CHOICE, "finish_reason": "length"}]}
    assert read_body(json.dumps({"result": cut}).encode()).ending == "cut"


PARTS: dict[str, tuple[list[Any], str, str]] = {
    "text": ([{"type": "text", "text": "Hi"}], "Hi", ""),
    "thinking": (
        [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "Hi"}],
        "Hi",
        "x",
    ),
    "output_text": ([{"type": "output_text", "text": "Hi", "annotations": []}], "Hi", ""),
}


@pytest.mark.parametrize(("parts", "said", "thoughts"), PARTS.values(), ids=PARTS)
def test_parts_that_a_gateway_writes_into_the_text_are_read(
    parts: list[Any], said: str, thoughts: str
) -> None:
    message = {"role": "assistant", "content": json.dumps(parts)}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": USAGE}
    found = read_body(json.dumps(body).encode())
    assert (found.text, found.thoughts) == (said, thoughts)


@pytest.mark.parametrize(
    "text",
    [
        '[{"type": "cat", "text": "Hi"}]',
        '[{"type": "text", "text": "Hi", "style": "bold"}]',
        '[{"type": "text", "text": "Hi"}] and more',
        '[{"a": "type"}]',
        "[]",
    ],
)
def test_a_list_that_is_the_answer_stays(text: str) -> None:
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    assert read_body(json.dumps(body).encode()).text == text
