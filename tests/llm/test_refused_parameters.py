"""Parameters that a server refuses: which error means which, and what is sent then."""

import json
from dataclasses import replace
from typing import Any

import pytest

from seedstep.llm import Request, Sampling
from seedstep.llm.faults import ServerError
from seedstep.llm.parameters import Parameters
from support.asking import asked, engine_on, reply
from support.scripted_server import Fault, ScriptedServer, completion, error


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
        ("property seed should not exist", "", "seed"),
        ("Top-p sampling is not available", "", "top_p"),
        ("temperature must be omitted for this model", "", "temperature"),
        ("temperature is fixed at 1", "", "temperature"),
        ("only the default value of temperature is allowed", "", "temperature"),
        ("Bad request", "/seed", "seed"),
        ("Bad request", "#/body/seed", "seed"),
        ("Bad request", "$.seed", "seed"),
        ("Bad request", "body['seed']", "seed"),
        ("Bad request", "['seed']", "seed"),
        ("Bad request", "generationConfig.topP", "top_p"),
        ("temperature and top_p may not be used at the same time", "", "top_p"),
        ("specify `temperature` or `top_p`: one or the other", "", "top_p"),
        ("cannot use temperature with top_p", "", "top_p"),
        ("top_p conflicts with another parameter", "", "top_p"),
        ("Der Parameter 'seed' wird nicht unterstützt", "", "seed"),
        ("不支持参数 seed", "", "seed"),
        ("Le paramètre 'stop' n'est pas pris en charge", "", "stop"),
        ("Invalid 'stop': array too long. Expected an array with maximum length 4", "stop", "stop"),
        ("1 validation error for Request seed Extra inputs are not permitted", "", "seed"),
        ("json: cannot unmarshal array into Go struct field Body.stop of type string", "", "stop"),
        ('Validation failed [{"field": "seed", "message": "not allowed"}]', "", "seed"),
        ("Malformed input request: #: extraneous key [seed] is not permitted", "", "seed"),
        ("Json document validation error: top_p should not be present", "", "top_p"),
    ],
)
def test_the_parameter_that_an_error_names_is_left_out(message: str, param: str, name: str) -> None:
    request = Request("test", "Hi", Sampling(16))
    body = {"model": "m", "temperature": 0.5, "stop": ["x"], "seed": 1, "top_p": 0.9}
    parameters = Parameters()
    assert parameters.give_way(request, ServerError(400, message, "", param), body)
    assert parameters.left_out(request) == {name}


def test_a_gateway_s_error_tells_that_of_the_provider() -> None:
    inner = error("Unsupported parameter: 'seed' is not supported with this model.").decode()
    told = {"message": "Provider returned error", "code": 400, "metadata": {"raw": inner}}
    read = ServerError.read(400, json.dumps({"error": told}).encode(), "")
    body = {"model": "m", "temperature": 0.5, "seed": 1}
    request, parameters = Request("test", "Hi", Sampling(16)), Parameters()
    assert parameters.give_way(request, read, body)
    assert set(parameters.adapt(request, body)) == {"model", "temperature"}


async def test_the_number_of_a_request_in_an_error_makes_it_no_other() -> None:
    def script(number: int, sent: dict[str, Any]) -> Fault | None:
        told = (
            "'temperature' must be 1 when 'top_p' is set; 'presence_penalty' is not supported "
            f"(request id: {number}, req-a{number}f)"
        )
        return Fault(400, error(told)) if "presence_penalty" in sent else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked("a", Sampling(16, 0.7, 0.9, 0.5, 1.5))))
    assert answer.left_out == ("presence_penalty",)


def test_what_was_tried_for_a_request_that_is_gone_changes_no_other() -> None:
    parameters, told = Parameters(), ServerError(400, "seed is not supported", "", "seed")
    for number in range(50):
        gone = Request("test", f"Hi {number}", Sampling(16))
        assert not parameters.left_out(gone)
        assert parameters.give_way(gone, told, {"model": "m", "seed": 1})
        del gone


REFUSED = ("seed", "presence_penalty")


ALIKE = {
    "by-param-alone": lambda found: error("Unsupported parameter", param=found[0]),
    "in-brackets": lambda found: error(f"[parameter '{found[0]}' is not supported]"),
    "all-that-are-sent": lambda found: error(" ".join(f"Unknown name '{n}'." for n in found)),
    "in-lists-around-the-model": lambda found: error(
        f"the API does not support parameters: ['{found[0]}'], for model=m. To drop these, pass "
        f"allowed_openai_params=['{found[0]}']."
    ),
    "the-same-words": lambda found: error("'seed' or 'presence_penalty' or 'stop' is unsupported"),
    "with-the-request": lambda found: error(
        "Unknown field. {'model': 'm', 'seed': 0, 'presence_penalty': 1, 'temperature': 1}"
    ),
}


@pytest.mark.parametrize("told", ALIKE.values(), ids=ALIKE)
async def test_two_parameters_that_are_refused_alike_are_both_found(told: Any) -> None:
    def script(number: int, sent: dict[str, Any]) -> Fault | None:
        found = [name for name in REFUSED if name in sent]
        return Fault(400, told(found)) if found else None

    sampling = Sampling(16, 0.7, 0.9, 0.5, 1.5, ("\n\n",))
    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(asked("a", sampling)))
            later = reply(await engine.ask(asked("b", sampling)))
    assert set(answer.left_out) == set(later.left_out) == set(REFUSED)
    assert later.attempts == 1


@pytest.mark.parametrize(
    "param", ["messages.0.content", "messages[0].stop", "prompt", "max_tokens"]
)
def test_a_field_that_must_be_sent_is_not_left_out(param: str) -> None:
    body = {"model": "m", "stop": ["x"], "prompt": "Hi"}
    told = ServerError(400, "Bad request", "", param)
    assert not Parameters().give_way(Request("test", "Hi", Sampling(16)), told, body)


@pytest.mark.parametrize("message", ["temperature must be between 0 and 2", "the prompt is bad"])
def test_other_errors_are_not_about_parameters(message: str) -> None:
    request = Request("test", "Hi", Sampling(16))
    told = ServerError(400, message, "", "")
    assert not Parameters().give_way(request, told, {"model": "m", "temperature": 0.5})


FULL = Sampling(16, 0.7, 0.5, 0.1, 0.2, ("\n\n",))


LISTING = (
    "Unsupported parameter: 'presence_penalty'. Supported are 'temperature', 'top_p', 'stop', "
    "'frequency_penalty' and 'seed'."
)


def full(text: str) -> Request:
    return replace(asked(text), sampling=FULL)


async def test_a_list_of_what_is_supported_costs_one_parameter() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault(400, error(LISTING)) if "presence_penalty" in body else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(full("a")))
            later = reply(await engine.ask(full("b")))
    assert answer.left_out == later.left_out == ("presence_penalty",)
    assert [len(set(body) & {"temperature", "top_p", "stop"}) for body in server.bodies] == [3] * 3
    assert (answer.attempts, later.attempts) == (2, 1)


@pytest.mark.parametrize("refused", ["temperature", "top_p", "frequency_penalty", "stop"])
async def test_an_error_that_repeats_the_request_costs_what_it_is_about_alone(refused: str) -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        told = f"This field is not supported. Your request: {json.dumps(body)}"
        return Fault(400, error(told)) if refused in body else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(full("a"))).left_out == (refused,)
            reply(await engine.ask(full("b")))
    assert set(server.bodies[-1]) >= {"temperature", "top_p", "stop", "seed"} - {refused}


async def test_the_parameter_that_the_server_names_is_trusted() -> None:
    told = "Unsupported value: 'temperature' does not support 0.7 with 'top_p'."

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault(400, error(told, param="top_p")) if "top_p" in body else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            assert reply(await engine.ask(full("a"))).left_out == ("top_p",)


async def test_two_parameters_that_exclude_each_other_leave_one() -> None:
    told = "`temperature` and `top_p` cannot both be specified for this model."

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault(400, error(told)) if {"temperature", "top_p"} <= set(body) else None

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(full("a")))
    assert len(answer.left_out) == 1
    assert set(answer.left_out) < {"temperature", "top_p"}


async def test_a_stop_that_is_refused_is_applied_here() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault | None:
        if "stop" in body:
            return Fault(400, error("Unsupported parameter: 'stop'", param="stop"))
        return Fault(body=completion("Blue\n\nTask: what else?"))

    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            answer = reply(await engine.ask(full("a")))
    assert (answer.text, answer.finish_reason) == ("Blue", "stop")
    assert answer.left_out == ("stop",)


async def test_defaults_of_the_api_and_nulls_are_not_sent() -> None:
    with ScriptedServer() as server:
        async with engine_on(server) as engine:
            await engine.ask(replace(asked("a"), sampling=Sampling(16, 1.0)))
            await engine.ask(replace(asked("b"), sampling=Sampling(16, None, 0.5, None, 0.5)))
    first, second = server.bodies
    names = {"temperature", "top_p", "frequency_penalty", "presence_penalty"}
    assert not names & set(first)
    assert names & set(second) == {"top_p", "presence_penalty"}
