"""More manners of servers: words for ends, parts in streams, errors about parameters."""

import json
from typing import Any

import pytest

from seedstep.llm.exchange import ServerError
from seedstep.llm.parameters import Parameters
from seedstep.llm.records import Request, Sampling
from seedstep.llm.replies import BodyError, ending_of, read_body
from seedstep.text import split_thoughts


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
        ("something else", "unknown"),
        ("123", "unknown"),
    ],
)
def test_words_for_an_end(word: str, ending: str) -> None:
    assert ending_of(word) == ending


@pytest.mark.parametrize(
    ("fields", "ending"),
    [
        ({"finish_reason": {"type": "length"}}, "unknown"),
        ({"finish_reason": ["length"]}, "cut"),
        ({"finish_reason": 1}, "unknown"),
        ({"stop_reason": "max_tokens"}, "cut"),
        ({"finish_reason": "stop", "native_finish_reason": "MAX_TOKENS"}, "cut"),
        ({"finish_reason": "stop", "stop_reason": "###"}, "finished"),
        ({"finish_reason": "stop", "stop_reason": None}, "finished"),
    ],
)
def test_where_an_end_stands(fields: dict[str, Any], ending: str) -> None:
    choice = {"message": {"content": "Four"}, **fields}
    assert read_body(json.dumps({"choices": [choice]}).encode()).ending == ending


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
    ("message", "param", "name"),
    [
        ("temperature is not supported", "", "temperature"),
        ("stop is not supported", "", "stop"),
        ("Argument not supported on this model: stop", "", "stop"),
        ("seed: unknown field", "", "seed"),
        ("Invalid parameter: seed", "", "seed"),
        ("temperature must be 1 for this model", "", "temperature"),
        ("`temperature` may only be set to 1 when thinking is enabled", "", "temperature"),
        ("stop sequences are not supported", "", "stop"),
        ("Paramètre inconnu", "seed", "seed"),
        ("This can't be used", "body.stop", "stop"),
    ],
)
def test_the_parameter_that_an_error_names_is_left_out(message: str, param: str, name: str) -> None:
    request = Request("test", "Hi", Sampling(16))
    body = {"model": "m", "temperature": 0.5, "stop": ["x"], "seed": 1, "top_p": 0.9}
    parameters = Parameters()
    assert parameters.give_way(request, ServerError(400, message, "", param), body)
    assert parameters.left_out(request) == {name}


@pytest.mark.parametrize("message", ["temperature must be between 0 and 2", "the prompt is bad"])
def test_other_errors_are_not_about_parameters(message: str) -> None:
    request = Request("test", "Hi", Sampling(16))
    error = ServerError(400, message, "", "")
    assert not Parameters().give_way(request, error, {"model": "m", "temperature": 0.5})


@pytest.mark.parametrize(
    "text",
    [
        "<longcat_think>a</longcat_think>42",
        "\ufeff<think>a</think>42",
        "\u200b<think>a</think>42",
        "<mm:think>a</mm:think>42",
    ],
)
def test_more_marks_of_thoughts(text: str) -> None:
    assert split_thoughts(text) == ("42", "a")
