"""Replies of kinds that no other test has: nothing in them becomes data by silence."""

import json
from pathlib import Path
from typing import Any

import pytest

from seedstep.llm import Sampling
from seedstep.llm.batch_api import read_results
from seedstep.llm.jobs import state_of
from seedstep.llm.records import ending_of
from seedstep.llm.replies import BodyError, likelihood_in, read_body
from support.asking import asked, engine_on, failure, reply
from support.scripted_server import Fault, ScriptedServer, completion, error

ENDS = {
    "finished": ("end_of_message", "hit_eos", "FINISHED_STOPPED", "completed_normally"),
    "cut": ("stopped_limit", "token_cap", "context_overflow", "num_predict", "too_long"),
    "broken_off": ("engine_dead", "GENERATION_FAILED", "connection_lost", "evicted", "5xx"),
    "withheld": ("denied", "nsfw", "pii_detected", "risk_control", "data_inspection_failed"),
}


@pytest.mark.parametrize(("ending", "words"), ENDS.items())
def test_further_words_for_ends(ending: str, words: tuple[str, ...]) -> None:
    assert {word: ending_of(word) for word in words} == dict.fromkeys(words, ending)


STATES = {
    "under way": ("scheduling", "warming_up", "epoch_2", "active", "not_ready"),
    "ended": ("preempted", "evicted", "oom", "purged", "refused", "budget_exceeded"),
    "paused": ("frozen", "hibernated"),
    "succeeded": ("model_ready", "fine_tuned"),
}


@pytest.mark.parametrize(("state", "words"), STATES.items())
def test_further_words_for_states(state: str, words: tuple[str, ...]) -> None:
    assert {word: state_of(word) for word in words} == dict.fromkeys(words, state)


@pytest.mark.parametrize("finish_reason", [None, "", "weird"])
@pytest.mark.parametrize(("tokens", "cut"), [(16, True), (15, False)])
async def test_a_reply_of_all_tokens_and_no_known_end_is_cut(
    finish_reason: str | None, tokens: int, cut: bool
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": tokens}
    choices = [{"text": "a b c", "finish_reason": finish_reason}]
    body = completion("", choices=choices, usage=usage)
    with ScriptedServer(lambda number, _: Fault(body=body)) as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(asked("a"))).cut is cut


ENDS_ELSEWHERE: dict[str, dict[str, Any]] = {
    "details": {"generated_text": "a", "details": {"finish_reason": "length"}},
    "meta": {"choices": [{"text": "a"}], "meta_info": {"finish_reason": {"type": "length"}}},
    "flag": {"choices": [{"text": "a", "finish_reason": "stop", "stopped_limit": True}]},
    "completion-reason": {"choices": [{"text": "a", "completionReason": "LENGTH"}]},
}


@pytest.mark.parametrize("body", ENDS_ELSEWHERE.values(), ids=ENDS_ELSEWHERE)
def test_an_end_that_is_told_elsewhere_counts(body: dict[str, Any]) -> None:
    assert read_body(json.dumps(body).encode()).ending == "cut"


SAID: dict[str, dict[str, Any]] = {
    "user-first": {
        "choices": [
            {"message": {"role": "user", "content": "the prompt"}},
            {"message": {"role": "assistant", "content": "Blue"}},
        ]
    },
    "second-first": {"choices": [{"index": 1, "text": "Red"}, {"index": 0, "text": "Blue"}]},
    "text-in-envelope": {"response": json.dumps({"choices": [{"text": "Blue"}]})},
    "payload": {"payload": {"choices": [{"message": {"content": "Blue"}}]}},
    "code-of-success": {"code": 200, "success": True, "choices": [{"text": "Blue"}]},
}


@pytest.mark.parametrize("body", SAID.values(), ids=SAID)
def test_the_answer_is_found_in_further_shapes(body: dict[str, Any]) -> None:
    assert read_body(json.dumps(body).encode()).text == "Blue"


TOLD: dict[str, dict[str, Any]] = {
    "code": {"code": 500, "msg": "internal", "data": {"choices": [{"text": "half"}]}},
    "status": {"status": "error", "text": "half", "finish_reason": "stop"},
    "success": {"success": False, "message": "quota", "choices": [{"text": "half"}]},
    "base-resp": {"base_resp": {"status_code": 1002}, "choices": [{"text": "half"}]},
}


@pytest.mark.parametrize("body", TOLD.values(), ids=TOLD)
def test_an_error_of_a_gateway_beside_a_text_is_an_error(body: dict[str, Any]) -> None:
    with pytest.raises(BodyError):
        read_body(json.dumps(body).encode())


WITHHELD: dict[str, dict[str, Any]] = {
    "prompt": {"promptFeedback": {"blockReason": "OTHER"}},
    "filter": {
        "choices": [
            {
                "text": "I",
                "finish_reason": "stop",
                "content_filter_results": {"hate": {"filtered": True}},
            }
        ]
    },
}


@pytest.mark.parametrize("body", WITHHELD.values(), ids=WITHHELD)
async def test_what_a_filter_took_is_a_failure_and_asked_once(body: dict[str, Any]) -> None:
    with ScriptedServer(lambda number, _: Fault(body=json.dumps(body).encode())) as server:
        async with engine_on(server) as engine:
            assert failure(await engine.ask(asked("a"))).reason == "content_filter"
    assert server.requests == 1


async def test_a_count_too_small_for_its_prompt_is_an_estimate() -> None:
    body = completion(" a", usage={"prompt_tokens": 1, "completion_tokens": 1})
    with ScriptedServer(lambda number, _: Fault(body=body)) as server:
        async with engine_on(server) as engine:
            found = reply(await engine.ask(asked("word " * 800)))
    assert found.prompt_tokens > 900
    assert found.estimated


@pytest.mark.parametrize("param", ["", "temperature"])
@pytest.mark.parametrize(
    "message",
    [
        "Invalid temperature: must be between 0 and 0.5",
        "temperature is out of range",
        "Invalid 'temperature': 0.7 is greater than the maximum of 0.5",
        "temperature must be strictly less than 0.6",
    ],
)
async def test_a_value_out_of_range_is_told_and_not_left_out(message: str, param: str) -> None:
    told = error(message, param=param)
    with ScriptedServer(lambda number, _: Fault(400, told)) as server:
        async with engine_on(server) as engine:
            failed = failure(await engine.ask(asked("a", Sampling(16, temperature=0.7))))
    assert (failed.reason, failed.attempts) == ("refused", 1)
    assert message in failed.detail
    assert server.bodies[-1]["temperature"] == 0.7


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Параметр temperature не поддерживается", ""),
        ("Der Parameter 'temperature' ist nicht erlaubt", ""),
        ("Unsupported value: 'temperature' must be 1", "temperature"),
    ],
)
async def test_a_parameter_that_is_not_known_there_is_left_out(message: str, param: str) -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault(400, error(message, param=param)) if "temperature" in body else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            found = reply(await engine.ask(asked("a", Sampling(16, temperature=0.7, top_p=0.5))))
    assert found.left_out == ("temperature",)
    assert server.bodies[-1]["top_p"] == 0.5


def test_numbers_that_are_no_log_probabilities_are_no_likelihood() -> None:
    found = {"tokens": ["A", " b"], "token_logprobs": [None, 0.9]}
    body = json.dumps({"choices": [{"logprobs": found}]}).encode()
    assert likelihood_in(body, 1, 3) is None


def line(**fields: Any) -> str:
    return json.dumps({"custom_id": "a", **fields}) + "\n"


def test_lines_of_a_batch_in_further_shapes(tmp_path: Path) -> None:
    body = {"choices": [{"text": "Blue"}]}
    path = tmp_path / "results.jsonl"
    path.write_text(
        line(response={"status_code": 200, "body": json.dumps(body)})
        + line(response={"status_code": 201, "body": body})
        + line(response={"status_code": 200, "body": body}, error={"code": "expired"})
    )
    text, created, told = read_results([path])
    assert text is not None
    assert created is not None
    assert told is not None
    assert read_body(text.body).text == read_body(created.body).text == "Blue"
    assert (created.status, told.status, told.error) == (200, 0, "expired")
