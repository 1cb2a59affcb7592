"""Writing step-by-step instructions with a scripted strong model: order, repairs, failures."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from seedstep import Task
from seedstep.errors import BudgetReached, DeniedError
from seedstep.llm import Budget, Engine, Ledger, MemoryLedger
from seedstep.steps import FAILURES, WrittenSteps, write_steps
from seedstep.steps.conversation import TURNS
from seedstep.steps.settings import StepsSettings
from support.asking import endpoint_of
from support.scripted_server import Fault, Script, ScriptedServer
from support.step_server import (
    LOOP,
    STEPS,
    boat_task,
    chat,
    manner_of,
    numbered,
    slowly,
    strong_model,
    with_trouble,
)


async def write(
    server: ScriptedServer,
    tasks: Iterable[Task],
    *,
    ledger: Ledger | None = None,
    budget: Budget | None = None,
    into: list[WrittenSteps] | None = None,
    **settings: Any,
) -> list[WrittenSteps]:
    """What the stage yields; also in `into` where it is ended by an error."""
    done: list[WrittenSteps] = [] if into is None else into
    chosen = StepsSettings.of(model="openai:some-model", **settings)
    engine = Engine(
        endpoint_of(server), ledger or MemoryLedger(), chosen.model.in_flight, budget or Budget()
    )
    async with engine:
        async for written in write_steps(chosen, tasks, engine):
            done.append(written)  # noqa: PERF401 - what was yielded before an error counts
    return done


def boats(number: int) -> list[Task]:
    return [boat_task(place) for place in range(number)]


def conversations(done: Iterable[WrittenSteps]) -> Counter[str]:
    """The messages of each request that a result tells of; empty replies are not among them."""
    asked: Counter[str] = Counter()
    for written in done:
        messages: list[dict[str, str]] = []
        unanswered = ""
        for turn in written.turns:
            content = f"{unanswered}\n\n{turn.prompt}" if unanswered else turn.prompt
            message = {"role": "user", "content": content}
            asked[json.dumps([*messages, message])] += 1
            unanswered = "" if turn.reply.strip() else content
            if not unanswered:
                messages += [message, {"role": "assistant", "content": turn.reply}]
    return asked


async def test_750_tasks_with_five_turns_each() -> None:
    with ScriptedServer(strong_model) as server:
        done = await write(server, boats(750), in_flight=64)
    assert [entry.task_id for entry in done] == [f"task{number}" for number in range(750)]
    for number, written in enumerate(done):
        check_manner(manner_of(number), written)
    sent = Counter(json.dumps(body["messages"]) for body in server.bodies)
    assert sent == conversations(done), "each turn holds all earlier ones, as they were said"


def check_manner(manner: str, written: WrittenSteps) -> None:
    """That the result is what a model of this manner leads to."""
    names = [turn.name for turn in written.turns]
    faults = [finding.name for finding in written.findings]
    if manner == "refused":
        assert names == ["obtain", "single", "examples"]
        assert (written.failure, written.steps, written.chosen) == ("request_failed", (), -1)
        assert written.detail.startswith("examples: ")
        assert written.left_out == ("general", "output")
        assert written.unrefined[1:] == STEPS[1:]
        return
    assert names[:5] == list(TURNS)
    assert written.left_out == ()
    assert names[5:] == ["repair"] * written.repairs
    repairs = {"iterates": 1, "prose": 1, "cut": 1, "stubborn": 2, "worse": 2, "refuses": 2}
    assert written.repairs == repairs.get(manner, 0)
    if manner == "refuses":
        assert (written.failure, written.steps, written.unrefined) == ("refusal", (), ())
        return
    assert written.failure == ""
    assert written.unrefined == ("In version 0, read the report.", *STEPS[1:])
    if manner in ("stubborn", "worse"):
        assert written.steps == (*STEPS, LOOP)
        assert faults == ["iterates"]
        assert written.chosen == (6 if manner == "stubborn" else 4), "latest of equals, or best"
    else:
        assert written.steps == STEPS
        assert faults == []
        assert written.chosen == len(names) - 1


@pytest.mark.parametrize("in_flight", [1, 8, 64])
async def test_results_do_not_depend_on_delays_and_numbers_in_flight(in_flight: int) -> None:
    with ScriptedServer(strong_model) as server:
        quick = await write(server, boats(36))
        server.script = slowly(strong_model, 0.01)
        server.most_in_flight = 0
        slow = await write(server, boats(36), in_flight=in_flight)
    assert slow == quick
    assert min(in_flight, 2) <= server.most_in_flight <= in_flight


@pytest.mark.usefixtures("no_backoff")
async def test_trouble_that_passes_leaves_no_trace() -> None:
    with ScriptedServer(strong_model) as server:
        calm = await write(server, boats(36))
        before = server.requests
        server.script = with_trouble(strong_model)
        troubled = await write(server, boats(36))
    assert troubled == calm
    assert server.requests - before > 1.2 * before


async def test_a_stopped_run_goes_on_and_asks_nothing_twice() -> None:
    ledger = MemoryLedger()
    with ScriptedServer(strong_model) as server:
        whole = await write(server, boats(36))
        before = len(server.bodies)
        begun: list[WrittenSteps] = []
        # two at a time are on eight tasks: some are complete, whatever comes back first
        budget = Budget(max_requests=60)
        with pytest.raises(BudgetReached):
            await write(server, boats(36), ledger=ledger, budget=budget, into=begun, in_flight=2)
        resumed = await write(server, boats(36), ledger=ledger)
    assert 0 < len(begun) < 36
    assert begun == whole[: len(begun)], "what is complete is retired before the end"
    assert resumed == whole
    asked = Counter(json.dumps(body, sort_keys=True) for body in server.bodies[before:])
    assert set(asked.values()) == {1}
    assert len(asked) == before


async def test_a_key_that_is_refused_ends_the_run() -> None:
    with ScriptedServer(lambda number, body: Fault(401)) as server, pytest.raises(DeniedError):
        await write(server, boats(30))
    assert server.requests <= 8


async def test_without_refining_only_the_first_turn_is_asked() -> None:
    with ScriptedServer(strong_model) as server:
        (written,) = await write(server, boats(1), refine="none")
    assert [turn.name for turn in written.turns] == ["obtain"]
    assert written.left_out == ("single", "examples", "general", "output")
    assert written.steps == written.unrefined != ()


@pytest.mark.parametrize("examples", [0, 1])
async def test_without_two_examples_their_turn_is_left_out(examples: int) -> None:
    full = boat_task(0)
    task = Task(
        full.id,
        full.definition,
        (),
        category=full.category,
        positive_examples=full.positive_examples[:examples],
    )
    with ScriptedServer(strong_model) as server:
        (written,) = await write(server, [task])
    assert [turn.name for turn in written.turns] == ["obtain", "single", "general", "output"]
    assert written.left_out == ("examples",)
    assert written.steps == STEPS


@pytest.mark.parametrize(("limit", "expected"), [(None, 5), (2, 2), (9, 5)])
async def test_the_limit_is_a_number_of_tasks(limit: int | None, expected: int) -> None:
    with ScriptedServer(strong_model) as server:
        assert len(await write(server, boats(5), limit=limit)) == expected


@pytest.mark.parametrize("repairs", [0, 1, 3])
async def test_repairs_end_at_their_limit(repairs: int) -> None:
    stubborn = boat_task(6)
    with ScriptedServer(strong_model) as server:
        (written,) = await write(server, [stubborn], repairs=repairs)
    assert written.repairs == repairs
    assert len(written.turns) == 5 + repairs
    assert [finding.name for finding in written.findings] == ["iterates"]


async def test_a_repair_that_fails_leaves_the_version_before_it() -> None:
    def script(number: int, body: dict[str, Any]) -> Fault:
        if body["messages"][-1]["content"].startswith("Something is wrong"):
            return Fault(400)
        return strong_model(number, body)

    with ScriptedServer(script) as server:
        (written,) = await write(server, [boat_task(6)])
    assert written.steps == (*STEPS, LOOP)
    assert [finding.name for finding in written.findings] == ["iterates"]
    assert written.failure == ""
    assert written.turns[-1].failure
    assert written.chosen == 4


async def test_an_earlier_version_that_is_whole_counts_where_the_last_is_none() -> None:
    replies = iter([numbered(*STEPS, LOOP), "No.", "I'm sorry."])
    with ScriptedServer(lambda number, body: chat(next(replies))) as server:
        (written,) = await write(server, boats(1), refine="none", repairs=2)
    assert written.steps == (*STEPS, LOOP)
    assert written.chosen == 0
    assert written.repairs == 2


HOSTILE = {
    "control": "1. Read\x00 the \x1b[31mtext.\n2. Answer.\ud800",
    "long": "1. " + "word " * 200_000,
    "deep": "[" * 100_000,
    "empty": "",
    "placeholder": "1. Read {{task_definition}}.\n2. Write {{example1_input}}.",
}


@pytest.mark.parametrize("reply", HOSTILE.values(), ids=HOSTILE)
async def test_whatever_the_model_says_gives_a_result(reply: str) -> None:
    with ScriptedServer(lambda number, body: chat(reply)) as server:
        done = await write(server, boats(2))
    assert len(done) == 2
    for written in done:
        assert bool(written.steps) != bool(written.failure)
        assert len(written.turns) == 5 + written.repairs
    sent = Counter(json.dumps(body["messages"]) for body in server.bodies)
    assert sent == conversations(done)


def drafts_script(replies: Callable[[int], tuple[str, str]]) -> Script:
    """A base model: what it writes depends on the draw."""

    def script(number: int, body: dict[str, Any]) -> Fault:
        assert body["prompt"].endswith("\n1.")
        text, finish = replies(body["seed"])
        choice = {"index": 0, "text": text, "finish_reason": finish}
        return Fault(body=json.dumps({"choices": [choice]}).encode())

    return script


async def test_in_completion_style_a_repair_is_a_new_draw() -> None:
    rest = numbered(*STEPS).removeprefix("1.")
    looped = numbered(*STEPS, LOOP).removeprefix("1.")
    draws = [(looped, "stop"), (" Read the", "length"), (rest, "stop")]
    with ScriptedServer(drafts_script(draws.__getitem__)) as server:
        (written,) = await write(server, boats(1), prompt_style="completion")
    assert written.steps == STEPS
    assert written.unrefined == (*STEPS, LOOP)
    assert [turn.name for turn in written.turns] == ["obtain", "repair", "repair"]
    assert [turn.cut for turn in written.turns] == [False, True, False]
    assert written.left_out == ("single", "examples", "general", "output")
    assert [body["seed"] for body in server.bodies] == [0, 1, 2]
    assert len({body["prompt"] for body in server.bodies}) == 1


@pytest.mark.parametrize("begin", [" ", "", "\n", " 1. ", "\n1. "])
async def test_in_completion_style_the_first_number_may_be_repeated(begin: str) -> None:
    rest = numbered(*STEPS).removeprefix("1. ")
    with ScriptedServer(drafts_script(lambda draw: (begin + rest, "stop"))) as server:
        (written,) = await write(server, boats(1), prompt_style="completion")
    assert written.steps == STEPS


async def test_in_completion_style_what_is_no_procedure_is_named() -> None:
    with ScriptedServer(drafts_script(lambda draw: ("", "stop"))) as server:
        (written,) = await write(server, boats(1), prompt_style="completion")
    assert written.failure
    assert written.steps == ()
    assert written.repairs == 2


def drawing(number: int, body: dict[str, Any]) -> Fault:
    """A model whose first versions differ by the draw; every other turn repeats one version."""
    if "seed" not in body or len(body["messages"]) > 1:
        return chat(numbered(*STEPS))
    draw = body["seed"]
    replies = {1: chat(numbered("Look.", f"Write version {draw}.")), 2: chat(""), 3: chat("Sorry.")}
    return replies.get(draw, chat(numbered(*STEPS)))


async def test_further_first_versions_are_asked_for_and_kept() -> None:
    ledger = MemoryLedger()
    with ScriptedServer(drawing) as server:
        (alone,) = await write(server, boats(1), ledger=ledger)
        before = len(server.bodies)
        (written,) = await write(server, boats(1), ledger=ledger, candidates=4)
        sent = server.bodies[before:]
    assert alone == replace(written, candidates=())
    assert [body["seed"] for body in sent] == [1, 2, 3], "the conversation was not asked again"
    assert {json.dumps(body["messages"]) for body in sent} == {
        json.dumps(server.bodies[0]["messages"])
    }
    first, empty, refusal = written.candidates
    assert first.steps == ("Look.", "Write version 1.")
    assert (empty.steps, empty.failure) == ((), "empty")
    assert not refusal.steps
    assert refusal.failure in FAILURES
