"""The protocol: replies that are none, refusals, and servers that take less."""

from dataclasses import replace
from typing import Any

import pytest

from seedstep.errors import DeniedError, ModelError
from seedstep.llm import MemoryLedger, Reply, Sampling, Schema
from seedstep.llm.exchange import LONGEST_REPLY
from support.asking import asked, asked_chat, engine_on, failure, for_named, reply
from support.scripted_server import Fault, Script, ScriptedServer, completion, error, in_turn

SAMPLING = Sampling(16, 0.7, 0.5, 0.1, 0.2, ("\n\n",))

pytestmark = pytest.mark.usefixtures("no_backoff")


# What is sent


async def test_a_text_goes_to_completions_with_every_parameter() -> None:
    with ScriptedServer() as server:
        async with engine_on(server) as engine:
            await engine.ask(asked("a", SAMPLING, draw=5))
    assert server.paths == ["/v1/completions"]
    assert server.bodies == [
        {
            "model": "some-model",
            "prompt": "Come up with a series of tasks:\na",
            "max_tokens": 16,
            "temperature": 0.7,
            "top_p": 0.5,
            "frequency_penalty": 0.1,
            "presence_penalty": 0.2,
            "stop": ["\n\n"],
            "seed": 5,
        }
    ]


async def test_a_conversation_goes_to_chat_with_its_schema() -> None:
    request = replace(asked_chat("a"), schema=Schema("tasks", {"type": "object"}))
    with ScriptedServer() as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(request)).text.startswith('{"tasks":')
    assert server.paths == ["/v1/chat/completions"]
    (body,) = server.bodies
    assert body["messages"] == [{"role": "user", "content": "Here are a"}]
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "tasks", "strict": True, "schema": {"type": "object"}},
    }
    assert not {"prompt", "stop"} & set(body)


# What comes back


async def test_a_reply_is_read_whole() -> None:
    choice = {"text": " one\n", "finish_reason": "length"}
    body = completion("", choices=[choice], usage={"prompt_tokens": 5, "completion_tokens": 2})
    with ScriptedServer(in_turn(Fault(body=body))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked("a")))
    assert answer == Reply(" one\n", "length", 5, 2, seconds=answer.seconds)
    assert answer.cut


ODD_BUT_FINE = {
    "empty-text": completion(""),
    "no-usage": completion("é", usage=None),
    "empty-usage": completion("é", usage={}),
    "null-tokens": completion("é", usage={"prompt_tokens": None, "completion_tokens": None}),
    "float-tokens": completion("é", usage={"prompt_tokens": 3.0, "completion_tokens": 1.0}),
    "negative-tokens": completion("é", usage={"prompt_tokens": -1, "completion_tokens": -1}),
    "huge-tokens": completion("é", usage={"prompt_tokens": 10**30}),
    "usage-is-a-text": completion("é", usage="much"),
    "surrogate": completion("a\ud800b"),
    "null-finish-reason": b'{"choices": [{"text": "x", "finish_reason": null}]}',
    "surrogate-finish-reason": b'{"choices": [{"text": "x", "finish_reason": "\\ud800"}]}',
    "further-fields": completion("x", id=7, system_fingerprint=None, choices_2=[[]]),
    "utf-8-mark": b"\xef\xbb\xbf" + completion("x"),
}


@pytest.mark.parametrize("body", ODD_BUT_FINE.values(), ids=ODD_BUT_FINE)
async def test_a_reply_with_a_text_is_kept_and_can_be_stored(body: bytes) -> None:
    """What is paid for is not asked again because of its trimmings."""
    with ScriptedServer(in_turn(Fault(body=body))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked("a")))
    assert answer.attempts == 1
    assert (answer.text + answer.finish_reason).encode("utf-8")
    for tokens in (answer.prompt_tokens, answer.completion_tokens):
        assert 0 <= tokens < 2**63


async def test_tokens_are_estimated_where_the_server_counts_none() -> None:
    body = completion("x" * 400)
    with ScriptedServer(in_turn(Fault(body=body))) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked("a" * 400)))
    assert answer.estimated
    assert 50 <= answer.completion_tokens <= 200
    assert 50 <= answer.prompt_tokens <= 200


NO_REPLY = {
    "empty": b" ",
    "html": b"<html>",
    "cut": completion("text")[:-5],
    "not-utf-8": b'{"choices": [{"text": "\xff"}]}',
    "null": b"null",
    "list": b"[]",
    "number": b"1e999",
    "no-choices": b"{}",
    "null-choices": b'{"choices": null}',
    "empty-choices": b'{"choices": []}',
    "choices-is-a-text": b'{"choices": "text"}',
    "choice-is-null": b'{"choices": [null]}',
    "no-text": b'{"choices": [{}]}',
    "null-text": completion(None),
    "text-is-a-number": completion(1),
    "event-stream-without-an-end": b'data: {"choices": [{"text": "x"}]}\n\n',
    "error-with-200": error("model overloaded"),
    "deep": b'{"choices": ' + b"[" * 200_000,
    "long-number": completion("x").replace(b"0", b"1" * 5000),
}


@pytest.mark.parametrize("body", NO_REPLY.values(), ids=NO_REPLY)
async def test_a_body_without_a_text_is_asked_again_then_a_failure(body: bytes) -> None:
    with ScriptedServer(in_turn(Fault(body=body))) as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(asked("a"))).attempts == 2
            server.script = lambda number, _: Fault(body=body)
            failed = failure(await engine.ask(asked("b")))
    assert failed.reason == "malformed_reply"
    assert len(failed.detail) < 400


CHAT_WITHOUT_TEXT: tuple[object, ...] = (None, {}, {"content": None}, {"content": [1]}, "text")


@pytest.mark.parametrize("message", CHAT_WITHOUT_TEXT, ids=str)
async def test_a_chat_reply_without_text_is_none(message: object) -> None:
    body = completion("", choices=[{"message": message}])
    with ScriptedServer(lambda number, _: Fault(body=body)) as server:
        async with engine_on(server) as engine:
            assert failure(await engine.ask(asked_chat("a"))).reason == "malformed_reply"


@pytest.mark.parametrize("status", [200, 400])
async def test_a_reply_larger_than_the_limit_is_not_read(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.exchange.MAX_REPLY_BYTES", 1 << 20)
    large = Fault(status, body=completion("x" * (1 << 20)))
    within = Fault(status=200, body=completion("x" * (1 << 19)))
    with ScriptedServer(in_turn(large, within)) as server:
        async with engine_on(server) as engine:
            failed = failure(await engine.ask(asked("a")))
            assert len(reply(await engine.ask(asked("b"))).text) == 1 << 19
    assert (failed.reason, failed.attempts) == ("too_large", 1)
    assert "1 MiB" in failed.detail


async def test_a_text_that_takes_long_to_read_is_a_named_failure() -> None:
    """By its length, which all runs see alike, and not by a clock."""
    usage = {"prompt_tokens": 7, "completion_tokens": 9}
    long = Fault(body=completion("*" * (LONGEST_REPLY + 1), usage=usage))
    within = Fault(body=completion("*" * LONGEST_REPLY))
    ledger = MemoryLedger()
    with ScriptedServer(in_turn(long, within)) as server:
        async with engine_on(server, ledger) as engine:
            failed = failure(await engine.ask(asked("a")))
            assert len(reply(await engine.ask(asked("b"))).text) == LONGEST_REPLY
            assert failure(await engine.ask(asked("a"))) == failed
        assert server.requests == 2
    assert (failed.reason, failed.attempts) == ("too_large", 1)
    assert f"{LONGEST_REPLY + 1:,} characters" in failed.detail
    assert failed.lost_prompt_tokens == 7, "it is paid for"


# Refusals

CONTEXT = (
    "This model's maximum context length is 4097 tokens. However, you requested 4203 tokens "
    "(3703 in the messages, 500 in the completion). Please reduce the length of the messages."
)
CONTEXT_VLLM = (
    "'max_tokens' or 'max_completion_tokens' is too large: 500. This model's maximum context "
    "length is 4096 tokens and your request has 4000 input tokens (500 > 4096 - 4000)."
)
REFUSED = {
    "context": (400, CONTEXT),
    "context-naming-both-limits": (400, CONTEXT_VLLM),
    "value": (400, "temperature must be between 0 and 2"),
    "policy": (400, "A text on how to stop a seed from sprouting is not allowed."),
    "essential": (400, "messages are not supported"),
    "too-large": (413, "too large"),
    "invalid": (422, "no"),
    "no-explanation": (400, ""),
    "long": (400, "x" * 10_000),
    "surrogate": (400, "\ud800"),
    "object": (400, {"why": ["x"]}),
}


@pytest.mark.parametrize(("status", "message"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_concerns_its_own_request_alone(status: int, message: object) -> None:
    with ScriptedServer(for_named("bad", Fault(status, error(message)))) as server:
        async with engine_on(server, in_flight=1) as engine:
            failed = failure(await engine.ask(asked("bad", SAMPLING)))
            reply(await engine.ask(asked("good", SAMPLING)))
    assert (failed.reason, failed.status, failed.attempts) == ("refused", status, 1)
    assert 0 < len(failed.detail.encode()) < 400
    first, *_, last = server.bodies
    assert set(last) == set(first)


DENIED = {
    "401": (401, error("Incorrect API key provided"), "OPENAI_API_KEY"),
    "403": (403, b"<html>Forbidden</html>", "OPENAI_API_KEY"),
    "404-model": (404, error("The model `some-model` does not exist"), "openai:"),
    "404-path": (404, b"404 page not found", "--base-url"),
    "402": (402, error("Insufficient credits"), "top up"),
    "quota": (429, error("You exceeded your quota", code="insufficient_quota"), "top up"),
}


@pytest.mark.parametrize(("status", "body", "remedy"), DENIED.values(), ids=DENIED)
async def test_a_denial_ends_the_run_at_once_with_a_remedy(
    status: int, body: bytes, remedy: str
) -> None:
    ledger = MemoryLedger()
    with ScriptedServer(lambda number, _: Fault(status, body)) as server:
        async with engine_on(server, ledger) as engine:
            with pytest.raises(DeniedError) as caught:
                await engine.ask(asked("a"))
        assert server.requests == (2 if status in (403, 404) else 1)  # a harmless one, too
        assert server.url in caught.value.what
    assert isinstance(caught.value, ModelError)
    assert remedy in caught.value.remedy
    assert str(status) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ledger.answers == {}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    with ScriptedServer() as elsewhere, ScriptedServer() as server:
        to = {"Location": f"{elsewhere.url}/completions"}
        server.script = lambda number, body: Fault(status, headers=to)
        async with engine_on(server, key="sk-secret") as engine:
            with pytest.raises(DeniedError) as caught:
                await engine.ask(asked("a"))
        assert (server.requests, elsewhere.requests) == (1, 0)
    assert "--base-url" in caught.value.remedy


# Servers that take less


def unsupported(name: str) -> str:
    return f"Unsupported parameter: '{name}' is not supported with this model."


EXTRA_FORBIDDEN = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "not permitted"}]
TAKEN_AWAY = {
    "temperature": ("temperature", unsupported("temperature"), {}),
    "top_p": ("top_p", unsupported("top_p"), {}),
    "stop": ("stop", unsupported("stop"), {}),
    "seed": ("seed", "Unrecognized request argument supplied: seed", {}),
    "seed-in-a-list": ("seed", EXTRA_FORBIDDEN, {}),
    "frequency_penalty": ("frequency_penalty", "property 'frequency_penalty' is unsupported", {}),
    "presence_penalty": ("presence_penalty", unsupported("presence_penalty"), {}),
    "only-zero": (
        "presence_penalty",
        "invalid presence_penalty: only 0 is allowed for this model",
        {},
    ),
    "in-camels": (
        "presence_penalty",
        "Model grok does not support parameter presencePenalty.",
        {},
    ),
    "by-param": ("top_p", "This parameter is not supported.", {"param": "top_p"}),
    "response_format": ("response_format", unsupported("response_format"), {}),
    "json_schema": (
        "response_format",
        "invalid value: `json_schema`, supported values are: `json_object` and `text`.",
        {},
    ),
    "unavailable": ("response_format", "This response_format type is unavailable now", {}),
}


@pytest.mark.parametrize(("name", "message", "fields"), TAKEN_AWAY.values(), ids=TAKEN_AWAY)
async def test_a_parameter_that_the_server_does_not_take_is_left_out_from_then_on(
    name: str, message: object, fields: dict[str, object]
) -> None:
    refusal = Fault(400, error(message, **fields))
    script: Script = lambda number, body: refusal if name in body else None  # noqa: E731
    schema = Schema("tasks", {"type": "object"})
    with ScriptedServer(script) as server:
        async with engine_on(server, in_flight=1) as engine:
            for text in "ab":
                reply(await engine.ask(replace(asked_chat(text, SAMPLING), schema=schema)))
        assert server.requests == 3
        assert set(server.bodies[0]) - set(server.bodies[1]) == {name}


@pytest.mark.parametrize("in_flight", [1, 4])
async def test_the_newer_name_of_the_limit_is_used_where_the_server_asks_for_it(
    in_flight: int,
) -> None:
    message = unsupported("max_tokens") + " Use 'max_completion_tokens' instead."
    refusal = Fault(400, error(message, param="max_tokens", code="unsupported_parameter"))
    script: Script = lambda number, body: refusal if "max_tokens" in body else None  # noqa: E731
    with ScriptedServer(script) as server:
        async with engine_on(server, in_flight=in_flight) as engine:
            for text in "abcd":
                reply(await engine.ask(asked_chat(text, Sampling(19))))
    assert server.bodies[-1]["max_completion_tokens"] == 19
    assert sum("max_tokens" in body for body in server.bodies) == 1


async def test_several_parameters_are_taken_away_one_after_the_other() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        for name in ("temperature", "top_p", "seed"):
            if name in body:
                return Fault(422, error(unsupported(name)))
        return None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            reply(await engine.ask(asked("a", SAMPLING)))
        assert server.requests == 4


async def test_a_server_that_goes_on_refusing_is_not_asked_for_ever() -> None:
    refusal = Fault(400, error(unsupported("seed")))
    with ScriptedServer(lambda number, body: refusal) as server:
        async with engine_on(server) as engine:
            assert failure(await engine.ask(asked("a"))).reason == "refused"
        assert server.requests == 2
