"""Stages whose model gives replies of one bad kind, and the outcomes that they name."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from seedstep.bootstrap import BootstrapSettings, bootstrap
from seedstep.data import Example, Instance, Task, seed_tasks
from seedstep.errors import InputError
from seedstep.evaluate.judge import JudgeSettings, judge_answers
from seedstep.infer.distill import DistillSettings, rewrite_outputs
from seedstep.infer.predict import TaskWork, ask_server
from seedstep.infer.settings import PredictSettings
from seedstep.llm import Engine
from seedstep.steps import ExamplesSettings, StepsSettings, generate_examples, render, write_steps
from seedstep.steps.examples import written_examples
from seedstep.steps.pipeline import judge
from support.asking import engine_on
from support.growing import SIGNS, purpose_of, text_of
from support.scripted_server import Fault, ScriptedServer
from support.step_server import STEPS, boat_task

__all__ = [
    "KINDS",
    "MODEL",
    "TASK",
    "Stage",
    "choosing",
    "drafting",
    "gating",
    "growing",
    "judging",
    "judging_steps",
    "naming",
    "of_kind",
    "on_server",
    "predicting",
    "reply",
    "rewriting",
    "showing",
    "stepping",
]

MODEL = "openai:some-model"
REFUSAL = "I'm sorry, but I can't help with that."
PROSE = "There is much to say about this."
KINDS = ("empty", "cut", "refusal", "withheld", "thoughts", "prose")


def reply(body: Mapping[str, Any], text: str | None, finish: str = "stop", **fields: str) -> Fault:
    """A reply in the form in which the request asks for it."""
    if "messages" in body:
        choice: dict[str, Any] = {"message": {"content": text, **fields}}
    else:
        choice = {"text": text or ""}
    usage = {"prompt_tokens": 7, "completion_tokens": 9}
    if fields:
        usage["completion_tokens_details"] = {"reasoning_tokens": 9}  # type: ignore[assignment]
    record = {"choices": [{**choice, "finish_reason": finish}], "usage": usage}
    return Fault(body=json.dumps(record).encode())


def of_kind(kind: str, body: Mapping[str, Any], cut: str) -> Fault:
    """A reply without what was asked for; `cut` is how the stage's own answer may be cut."""
    if kind == "cut":
        return reply(body, cut, "length")
    if kind == "withheld":
        return reply(body, "", "content_filter")
    if kind == "thoughts":
        return reply(body, None, "length", reasoning_content="Let me think.")
    return reply(body, {"empty": "", "refusal": REFUSAL, "prose": PROSE}[kind])


Bad = Callable[[Mapping[str, Any]], Fault]
Stage = Callable[[Bad], Awaitable[set[str]]]


async def on_server(
    script: Callable[[int, dict[str, Any]], Fault | None],
    work: Callable[[Engine], Awaitable[set[str]]],
) -> set[str]:
    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            return await work(engine)


def growing(purpose: str, style: str, frame: str = "", instruction: str = "") -> Stage:
    """The reasons of the candidates that reached a request; its replies are bad."""

    async def outcome(bad: Bad) -> set[str]:
        def script(number: int, body: dict[str, Any]) -> Fault | None:
            if purpose_of(body) == purpose:
                return bad(body)
            if purpose_of(body) == "generation" and instruction:
                return reply(
                    body,
                    json.dumps({"tasks": [instruction]}) if style == "chat" else f" {instruction}",
                )
            if purpose_of(body) == "classification":
                return reply(body, "Yes" if frame == "output_first" else "No")
            return None

        async def work(engine: Engine) -> set[str]:
            chosen = BootstrapSettings.of(
                model=MODEL,
                prompt_style=style,
                tasks=1,
                patience=1,
                window=1,
            )
            found: set[str] = set()
            async for made in bootstrap(chosen, seed_tasks(), engine):
                assert all(candidate.reason for candidate in made.candidates)
                found |= {"request_failed"} if made.failure else set()
                found |= {candidate.reason for candidate in made.candidates}
            return found

        return await on_server(script, work)

    return outcome


def gating(kind: str) -> Stage:
    """The reasons of the candidates that reached a gate of a kind; its replies are bad."""

    async def outcome(bad: Bad) -> set[str]:
        def script(number: int, body: dict[str, Any]) -> Fault | None:
            if text_of(body).startswith(sum(SIGNS.values(), ())):
                return None
            return bad(body)

        async def work(engine: Engine) -> set[str]:
            settings = {"tasks": 1, "patience": 1, "window": 1, "gates": {"gate": {kind: {}}}}
            chosen = BootstrapSettings.of(model=MODEL, prompt_style="chat", **settings)
            found: set[str] = set()
            async for made in bootstrap(chosen, seed_tasks(), engine):
                assert all(candidate.reason for candidate in made.candidates)
                found |= {each.reason for each in made.candidates if each.rejected_instances}
            return found

        return await on_server(script, work)

    return outcome


TASK = "Judge whether the harbour report praises its captain."


async def naming(bad: Bad) -> set[str]:
    """How a bootstrap ends whose model is asked for the values of an axis."""

    async def work(engine: Engine) -> set[str]:
        chosen = BootstrapSettings.of(
            model=MODEL, prompt_style="chat", tasks=1, patience=1, axes={"topic": 3}
        )
        with pytest.raises(InputError) as ended:
            async for _ in bootstrap(chosen, seed_tasks(), engine):
                pass
        return {ended.value.what.partition(" (")[0]}

    return await on_server(lambda number, body: bad(body), work)


async def stepping(bad: Bad) -> set[str]:
    async def work(engine: Engine) -> set[str]:
        done = write_steps(StepsSettings.of(model=MODEL, repairs=1), [boat_task(1)], engine)
        return {written.failure async for written in done if not written.steps}

    return await on_server(lambda number, body: bad(body), work)


async def drafting(bad: Bad) -> set[str]:
    async def work(engine: Engine) -> set[str]:
        chosen = StepsSettings.of(model=MODEL, prompt_style="completion", repairs=1)
        done = write_steps(chosen, [boat_task(1)], engine)
        return {written.failure async for written in done if not written.steps}

    return await on_server(lambda number, body: bad(body), work)


def choosing(style: str) -> Stage:
    """A further first version of an instruction, where the first is good."""

    async def outcome(bad: Bad) -> set[str]:
        def script(number: int, body: dict[str, Any]) -> Fault:
            if body["seed"]:
                return bad(body)
            return reply(body, render(STEPS).removeprefix("1." if style == "completion" else ""))

        async def work(engine: Engine) -> set[str]:
            chosen = StepsSettings.of(
                model=MODEL, prompt_style=style, refine="none", repairs=0, candidates=2
            )
            done = [written async for written in write_steps(chosen, [boat_task(1)], engine)]
            assert done[0].steps
            return {each.failure for each in done[0].candidates if not each.steps}

        return await on_server(script, work)

    return outcome


async def judging_steps(bad: Bad) -> set[str]:
    async def work(engine: Engine) -> set[str]:
        sampling = StepsSettings.of(model=MODEL).sampling_of("judge")
        found = await judge(boat_task(1), STEPS, sampling, engine)
        assert (found.correct, found.complete) == (None, None)
        return {found.reason if "could not be read" in found.reason else "request_failed"}

    return await on_server(lambda number, body: bad(body), work)


CANDIDATES = [
    Example(f"Report {n}: the boat {event}.", f"Boat {event}")
    for n, event in enumerate(("sank near the pier", "won the regatta", "lost its mast"), start=1)
]


def showing(request: str) -> Stage:
    """Generated examples, or their ranking."""

    async def outcome(bad: Bad) -> set[str]:
        def script(number: int, body: dict[str, Any]) -> Fault:
            asks_for_examples = text_of(body).startswith("Give me")
            if (request == "generate") is asks_for_examples:
                return bad(body)
            return reply(body, written_examples(CANDIDATES))

        async def work(engine: Engine) -> set[str]:
            chosen = ExamplesSettings.of(model=MODEL)
            made = [
                entry async for entry in generate_examples(chosen, [(boat_task(1), STEPS)], engine)
            ]
            assert not made[0].ranked
            return {made[0].failure or made[0].ranking_failure}

        return await on_server(script, work)

    return outcome


def judging(mode: str) -> Stage:
    async def outcome(bad: Bad) -> set[str]:
        async def work(engine: Engine) -> set[str]:
            task = Task("i1", "Name a boat.", (Instance("red", ("Ruby",)),), name="t1")
            systems = {"new": {"i1": "Ruby"}, "old": {"i1": "Max"}}
            chosen = JudgeSettings.of(model=MODEL, mode=mode)
            found: set[str] = set()
            async for judged in judge_answers(chosen, [task], systems, engine):
                assert judged.failure == "no_verdict"
                for verdict in judged.verdicts:
                    assert not verdict.label
                    unread = "could not be read" in verdict.failure
                    found.add("could not be read" if unread else "request_failed")
            return found

        return await on_server(lambda number, body: bad(body), work)

    return outcome


async def predicting(bad: Bad) -> set[str]:
    async def work(engine: Engine) -> set[str]:
        instance = Instance("red", ("Ruby",))
        task = Task("t1", "Name a boat.", (instance,))
        chosen = PredictSettings.of(model=MODEL)
        found: set[str] = set()
        async for answers in ask_server(chosen, [TaskWork(task, ((0, instance),))], engine):
            for answer in answers:
                named = "cut" if answer.cut else "answered" if answer.text else "empty"
                found.add("request_failed" if answer.failed else named)
        return found

    return await on_server(lambda number, body: bad(body), work)


def rewriting(style: str) -> Stage:
    """An output written anew."""

    async def outcome(bad: Bad) -> set[str]:
        async def work(engine: Engine) -> set[str]:
            task = Task("t1", "Name a boat.", (Instance("red", ("Ruby",), "t1-1"),))
            chosen = DistillSettings.of(model=MODEL, prompt_style=style)
            found: set[str] = set()
            async for made in rewrite_outputs(chosen, [task], engine):
                assert bool(made.instances) is (made.failure != "no_outputs")
                found |= {"written" for _ in made.instances}
                found |= {each.reason for each in made.left_out}
            return found

        return await on_server(lambda number, body: bad(body), work)

    return outcome
