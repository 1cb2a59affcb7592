"""Recordings served as a model: the same run without a server, and recordings that are broken."""

import json
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from seedstep import BootstrapSettings, SeedstepError, self_instruct
from seedstep.errors import InputError, ModelError, NotRecordedError
from seedstep.llm import Engine, Failure, MemoryLedger, Request, Sampling, open_model
from seedstep.llm.exchange import LONGEST_REPLY
from seedstep.llm.ledgers import RecordedRequest, read_recording
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.command_line import error_reply, seedstep
from support.growing import STYLES, exported, grow, purpose_of
from support.scripted_server import ScriptedServer

pytestmark = pytest.mark.usefixtures("empty_directory", "no_backoff")

SETTINGS: dict[str, Any] = {"tasks": 8, "window": 4, "seed": 5}
HEADER = {
    "format": "seedstep-recording",
    "version": 1,
    "model": "openai:m",
    "base_url": None,
    "prompt_style": "completion",
}
LINE: dict[str, Any] = {
    "key": "ab",
    "purpose": "test",
    "request": {"prompt": "Once", "sampling": {"max_tokens": 4}, "schema": None, "draw": 0},
    "reply": {"text": " upon", "finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 1},
    "failure": None,
}
ONCE = Request("test", "Once", Sampling(4))
RUN = Path("run")
FILE = Path("first.jsonl")
AGAIN = Path("again")
MODEL = f"replay:{FILE}"


def refuse(number: int, body: dict[str, Any]) -> Any:
    """Refuses some requests, whichever come first; of the generation requests the second."""
    if purpose_of(body) == "generation":
        return error_reply(400, "not this one") if body["seed"] == 1 else None
    text = str(body.get("prompt") or body["messages"])
    return error_reply(400, "nor this") if len(text) % 5 == 0 else None


def record(server: ScriptedServer, **settings: Any) -> None:
    """Make a run on the server, and its recording."""
    grow(RUN, server, **{**SETTINGS, **settings})
    with Run.read(BOOTSTRAP, RUN) as run:
        run.write_recording(FILE)


def replay(out: Path = AGAIN, **settings: Any) -> None:
    with self_instruct(out, model=MODEL, **{**SETTINGS, **settings}):
        pass


def failures(path: Path) -> set[tuple[str, str]]:
    with Run.read(BOOTSTRAP, path) as run:
        lines, _ = run.requests(failed=True, limit=1000)
        return {(line.failure, line.start) for line in lines}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(*lines: Any) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    FILE.write_text("".join(f"{text}\n" for text in texts))


@pytest.mark.parametrize("style", STYLES)
def test_a_replay_ends_in_the_same_bytes_without_a_server(style: str) -> None:
    with ScriptedServer(refuse) as server:
        record(server, prompt_style=style)
    replay()
    assert exported(AGAIN) == exported(RUN)
    assert failures(AGAIN) == failures(RUN) != set()
    with Run.read(BOOTSTRAP, AGAIN) as run:
        assert run.settings.style == style


def test_a_replay_does_not_depend_on_how_many_are_in_flight(server: ScriptedServer) -> None:
    record(server, in_flight=64)
    for in_flight in (1, 64):
        replay(Path(str(in_flight)), in_flight=in_flight)
        assert exported(Path(str(in_flight))) == exported(RUN)


def test_only_what_was_retired_needs_to_be_recorded(server: ScriptedServer) -> None:
    record(server)
    with Run.read(BOOTSTRAP, RUN) as run:
        last = int(run.tasks()[-1].id.partition(".")[0][1:])
    header, *lines = lines_of(FILE)
    kept = [
        line for line in lines if line["purpose"] != "generation" or line["request"]["draw"] <= last
    ]
    assert len(kept) < len(lines)
    write(header, *kept)
    replay(in_flight=64)
    assert exported(AGAIN) == exported(RUN)


def test_a_recording_may_have_its_lines_in_any_order(server: ScriptedServer) -> None:
    record(server)
    header, *lines = lines_of(FILE)
    write(header, *reversed(lines))
    replay()
    assert exported(AGAIN) == exported(RUN)


def test_a_replay_has_a_ledger_and_goes_on_like_any_run(server: ScriptedServer) -> None:
    record(server)
    replay(tasks=2)
    replay()
    assert exported(AGAIN) == exported(RUN)
    with Run.read(BOOTSTRAP, AGAIN) as run:
        answered = run.spent().requests
    replay()
    with Run.read(BOOTSTRAP, AGAIN) as run:
        assert run.spent().requests == answered


def test_the_recording_of_a_replay_replays_too(server: ScriptedServer) -> None:
    record(server)
    replay()
    with Run.read(BOOTSTRAP, AGAIN) as run:
        run.write_recording(FILE)
    replay(Path("third"))
    assert exported(Path("third")) == exported(RUN)


def test_on_the_command_line(server: ScriptedServer) -> None:
    flags = ("--tasks", 5, "--seed", 3)
    first = seedstep("bootstrap", "--out", "run", "--model", "openai:scripted", *flags)
    assert seedstep("requests", "run", "--export", FILE).code == 0
    asked = server.requests
    again = seedstep("bootstrap", "--out", "again", "--model", MODEL, *flags)
    assert (first.code, again.code) == (0, 0)
    assert server.requests == asked
    assert exported(AGAIN) == exported(RUN)


def test_a_request_that_is_not_recorded_fails_the_run_with_one_error(
    server: ScriptedServer,
) -> None:
    record(server)
    with pytest.raises(ModelError) as caught:
        replay(seed=6)
    assert caught.value.what.startswith('first.jsonl does not hold this generation request: "Here')
    assert "settings that made the recording" in caught.value.remedy
    assert seedstep("bootstrap", "--out", "again").error == f"error: {caught.value}"


def test_what_is_known_is_retired_before_the_run_fails(server: ScriptedServer) -> None:
    record(server)
    with pytest.raises(NotRecordedError):
        replay(tasks=100)
    with Run.read(BOOTSTRAP, AGAIN) as again, Run.read(BOOTSTRAP, RUN) as run:
        assert again.tasks()[: len(run.tasks())] == run.tasks().tasks


def test_a_longer_recording_lets_a_replay_go_on(server: ScriptedServer) -> None:
    record(server)
    with pytest.raises(NotRecordedError):
        replay(tasks=30)
    record(server, tasks=30)
    replay(tasks=30)
    assert exported(AGAIN) == exported(RUN)


@pytest.mark.parametrize(
    "other",
    [
        Request("test", "Twice", Sampling(4)),
        Request("test", "Once", Sampling(5)),
        Request("test", "Once", Sampling(4, stop=("\n",))),
        Request("test", "Once", Sampling(4), draw=1),
    ],
)
async def test_prompt_sampling_and_draw_tell_requests_apart(other: Request) -> None:
    write(HEADER, LINE)
    recording = read_recording(FILE)
    assert await recording.send(ONCE) == await recording.send(Request("else", "Once", Sampling(4)))
    with pytest.raises(NotRecordedError, match="test request"):
        await recording.send(other)


async def test_recorded_failures_never_end_a_run() -> None:
    failure = {"reason": "refused", "detail": "no", "status": 400, "attempts": 3}
    requests = [{**LINE["request"], "draw": draw} for draw in range(20)]
    write(
        HEADER,
        *({**LINE, "request": request, "reply": None, "failure": failure} for request in requests),
    )
    async with (
        open_model(MODEL, None, 1) as endpoint,
        Engine(endpoint, MemoryLedger(), 1) as engine,
    ):
        for draw in range(20):
            answer = await engine.ask(Request("test", "Once", Sampling(4), draw=draw))
            assert answer == Failure("refused", "no", 400)


def test_another_content_is_another_model() -> None:
    write(HEADER, LINE)
    first = read_recording(FILE)
    Path("copy.jsonl").write_bytes(FILE.read_bytes())
    assert read_recording(Path("copy.jsonl")).identity == first.identity
    write(HEADER, {**LINE, "reply": {**LINE["reply"], "text": "!"}})
    assert read_recording(FILE).identity != first.identity


def test_the_style_is_that_of_the_recording_unless_it_is_named() -> None:
    write(HEADER)
    assert BootstrapSettings.of(model=MODEL).style == "completion"
    assert BootstrapSettings.of(model=MODEL, prompt_style="turns").style == "turns"
    assert BootstrapSettings.of(model="replay:missing.jsonl").style == "chat"


def test_a_finished_replay_needs_no_recording(server: ScriptedServer) -> None:
    record(server)
    replay()
    FILE.unlink()
    replay()
    assert seedstep("status", "again").code == 0


# Recordings that are broken


def changed(**fields: Any) -> dict[str, Any]:
    return {**LINE, **fields}


def reply(**fields: Any) -> dict[str, Any]:
    return changed(reply={**LINE["reply"], **fields})


def request(**fields: Any) -> dict[str, Any]:
    return changed(request={**LINE["request"], **fields})


FAILURE = {"reason": "refused", "detail": "no"}
BROKEN: dict[str, tuple[Any, str]] = {
    "cut": (json.dumps(LINE)[:-9], "line 2: not valid JSON"),
    "list": ([1], "line 2: expected `object`"),
    "no-request": ({"key": "a", "purpose": "b"}, "line 2, field 'request': missing"),
    "no-prompt": (changed(request={"sampling": {"max_tokens": 1}}), "'request.prompt': missing"),
    "prompt": (request(prompt=3), "field 'request.prompt': expected"),
    "turn": (request(prompt=[{"role": "user"}]), "'request.prompt[0].content': missing"),
    "sampling": (request(sampling={"max_tokens": 0}), "'request.sampling.max_tokens': expected"),
    "schema": (request(schema=[]), "'request.schema': expected"),
    "draw": (request(draw="1"), "'request.draw': expected"),
    "text": (reply(text=None), "'reply.text': expected `str`"),
    "tokens": (reply(prompt_tokens=-1), "'reply.prompt_tokens': expected"),
    "huge": (reply(completion_tokens=2**80), "'reply.completion_tokens': expected"),
    "attempts": (reply(attempts=2**80), "'reply.attempts': expected"),
    "surrogate": (json.dumps(reply(text="a\ud800")), "line 2: not valid JSON"),
    "status": (changed(reply=None, failure={**FAILURE, "status": 2**80}), "'failure.status'"),
    "neither": (changed(reply=None), "line 2: neither or both of a reply and a failure"),
    "both": (changed(failure=FAILURE), "line 2: neither or both of a reply and a failure"),
    "deep": (
        '{"request": {"schema": {"name": "a", "body": {"a": ' + "[" * 100_000,
        "line 2: nested too deeply",
    ),
}


@pytest.mark.parametrize(("line", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_line_is_named_with_its_fault(line: Any, message: str) -> None:
    write(HEADER, line)
    error = seedstep("bootstrap", "--out", "run", "--model", MODEL).error
    assert error.startswith("error: first.jsonl, line 2")
    assert message in error
    assert error.endswith("Make the recording anew with `seedstep requests RUN --export FILE`.")


def test_a_request_is_there_once() -> None:
    write(HEADER, LINE, "", reply(text="?"))
    with pytest.raises(InputError, match="line 4: a request that it has already"):
        read_recording(FILE)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (LINE,),
        ("mine",),
        ({**HEADER, "format": "x"},),
        ({**HEADER, "prompt_style": "loud"},),
        ({**HEADER, "version": "1"},),
        ("[" * 100_000,),
    ],
)
def test_what_is_no_recording_is_refused(lines: Any) -> None:
    write(*lines)
    error = seedstep("bootstrap", "--out", "run", "--model", MODEL).error
    assert error.startswith("error: first.jsonl, line 1: not the header of a recording. ")


def test_a_recording_of_a_newer_seedstep_is_refused() -> None:
    write({**HEADER, "version": 2}, LINE)
    with pytest.raises(InputError, match="Update seedstep"):
        read_recording(FILE)


@pytest.mark.parametrize("prepare", [lambda: None, FILE.mkdir], ids=["missing", "directory"])
def test_a_recording_that_is_not_there_is_named(prepare: Callable[[], None]) -> None:
    prepare()
    with pytest.raises(SeedstepError, match=r"^first\.jsonl") as caught:
        read_recording(FILE)
    assert caught.value.remedy.startswith("check the path")


def test_a_recorded_request_is_a_request_without_its_purpose() -> None:
    def told(record: type) -> list[tuple[str, object, object]]:
        return [(each.name, each.type, each.default) for each in fields(record)]

    assert [("purpose", str, MISSING), *told(RecordedRequest)] == told(Request)


def test_a_huge_reply_is_read(server: ScriptedServer) -> None:
    text = "word " * 1_000_000
    write(HEADER, reply(text=text))
    assert [answer.text for answer in read_recording(FILE).answers.values()] == [text]  # type: ignore[union-attr]


def write_long() -> None:
    long = {**LINE["reply"], "text": "*" * (LONGEST_REPLY + 1)}
    FILE.write_text(f"{json.dumps(HEADER)}\n{json.dumps({**LINE, 'reply': long})}\n")


async def test_a_recorded_text_that_takes_long_to_read_is_a_named_failure() -> None:
    write_long()
    async with (
        open_model(MODEL, None, 1) as endpoint,
        Engine(endpoint, MemoryLedger(), 1) as engine,
    ):
        answer = await engine.ask(ONCE)
    assert isinstance(answer, Failure)
    assert answer.reason == "too_large"
