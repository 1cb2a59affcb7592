"""What each stage makes of a reply that does not hold what was asked for: a named outcome.

`OUTCOMES` is whole: a row for each kind of request, a column for each kind of reply. Nothing in it
is a label, an instance, a step or a verdict.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import seedstep
from seedstep.bootstrap import BootstrapSettings, bootstrap
from seedstep.data import Example, Instance, Task, seed_tasks
from seedstep.evaluate.judge import JudgeSettings, SystemAnswers, judge_answers
from seedstep.infer.distill import DistillSettings, rewrite_outputs
from seedstep.infer.predict import TaskWork, ask_server
from seedstep.infer.settings import SystemSettings
from seedstep.llm import Engine
from seedstep.steps import ExamplesSettings, StepsSettings, generate_examples, render, write_steps
from seedstep.steps.examples import written_examples
from seedstep.steps.judge import judge
from support.asking import engine_on
from support.growing import purpose_of, text_of
from support.scripted_server import Fault, ScriptedServer
from support.step_server import STEPS, boat_task

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
                assert not any(one.task for one in made.candidates)
                found |= {"request_failed"} if made.failure else set()
                found |= {one.reason for one in made.candidates}
            return found

        return await on_server(script, work)

    return outcome


TASK = "Judge whether the harbour report praises its captain."


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
            made = [one async for one in generate_examples(chosen, [(boat_task(1), STEPS)], engine)]
            assert not made[0].ranked
            return {made[0].failure or made[0].ranking_failure}

        return await on_server(script, work)

    return outcome


def judging(mode: str) -> Stage:
    async def outcome(bad: Bad) -> set[str]:
        async def work(engine: Engine) -> set[str]:
            task = Task("i1", "Name a boat.", (Instance("red", ("Ruby",)),), name="t1")
            systems = [SystemAnswers("new", {"i1": "Ruby"}), SystemAnswers("old", {"i1": "Max"})]
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
        chosen = SystemSettings.of(model=MODEL)
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


FAILED = ("request_failed", "request_failed")
"""A withheld reply, and one that the model's thoughts used up."""

ROWS: dict[str, tuple[Stage, str, tuple[str, ...]]] = {
    "generation, completion": (
        growing("generation", "completion"),
        " Rank pale rivers for",
        ("empty_reply", "cut_list", "refusal", *FAILED, "statement"),
    ),
    "generation, chat": (
        growing("generation", "chat"),
        '{"tasks": ["Rank pale rivers for',
        ("empty_reply", "cut_list", "unreadable_list", *FAILED, "unreadable_list"),
    ),
    "classification, completion": (
        growing("classification", "completion", instruction=TASK),
        "It dep",
        (*("classification_unreadable",) * 3, *FAILED, "classification_unreadable"),
    ),
    "classification, chat": (
        growing("classification", "chat", instruction=TASK),
        '{"is_classification": tr',
        (*("classification_unreadable",) * 3, *FAILED, "classification_unreadable"),
    ),
    "input-first instances": (
        growing("instances", "completion", "input_first", TASK),
        "Example 1\nReport: calm\nOutput: It pra",
        ("no_instance", "no_good_instance", "no_instance", *FAILED, "no_instance"),
    ),
    "input-first instances, chat": (
        growing("instances", "chat", "input_first", TASK),
        '{"examples": [{"input": "calm", "output": "It pra',
        (*("no_instance",) * 3, *FAILED, "no_instance"),
    ),
    "output-first instances": (
        growing("instances", "completion", "output_first", TASK),
        "Class label: Praise\nReport: calm and g",
        ("no_instance", "no_good_instance", "no_instance", *FAILED, "no_instance"),
    ),
    "output-first instances, chat": (
        growing("instances", "chat", "output_first", TASK),
        '{"examples": [{"label": "Praise", "input": "cal',
        (*("no_instance",) * 3, *FAILED, "no_instance"),
    ),
    "steps": (stepping, "1. Read the rep", ("empty", "cut", "refusal", *FAILED, "prose")),
    "steps, completion": (
        drafting,
        " Read the rep",
        ("empty", "cut", "refusal", *FAILED, "single_step"),
    ),
    "steps, candidates": (
        choosing("chat"),
        "1. Read the rep",
        ("empty", "cut", "refusal", *FAILED, "prose"),
    ),
    "steps, candidates, completion": (
        choosing("completion"),
        " Read the rep",
        ("empty", "cut", "refusal", *FAILED, "single_step"),
    ),
    "steps, judge": (
        judging_steps,
        "Correct: yes\nComplete: no",
        (
            *("the answer could not be read, twice",) * 3,
            *FAILED,
            "the answer could not be read, twice",
        ),
    ),
    "examples": (
        showing("generate"),
        "Input: red\nOutput: Ruby\n\nInput: blue\nOutput: Sap",
        ("empty", "no_examples", "no_examples", *FAILED, "no_examples"),
    ),
    "examples, ranking": (
        showing("rank"),
        "The best are Example 1 and Example 2",
        ("empty", "unmatched", "unmatched", *FAILED, "unmatched"),
    ),
    "rating": (
        judging("rating"),
        "Rating: B",
        (*("could not be read",) * 3, *FAILED, "could not be read"),
    ),
    "preference": (
        judging("pairwise"),
        "Same",
        (*("could not be read",) * 3, *FAILED, "could not be read"),
    ),
    "output": (rewriting("chat"), "Rub", ("empty", "cut", "refusal", *FAILED, "written")),
    "output, completion": (
        rewriting("completion"),
        " Rub",
        ("empty", "cut", "refusal", *FAILED, "written"),
    ),
    "prediction": (predicting, "Rub", ("empty", "cut", "answered", *FAILED, "answered")),
}
"""Each kind of request, how its answer may be cut, and its outcomes in the order of `KINDS`.

What a predicted model says is its answer, whatever it is; it is scored, and no label is made of it.
Prose may be the output that an instruction asks for.
"""

CASES = [
    pytest.param(stage, cut, kind, outcome, id=f"{name}-{kind}")
    for name, (stage, cut, outcomes) in ROWS.items()
    for kind, outcome in zip(KINDS, outcomes, strict=True)
]


@pytest.mark.parametrize(("stage", "cut", "kind", "outcome"), CASES)
async def test_a_reply_that_holds_no_answer_has_a_named_outcome(
    stage: Stage, cut: str, kind: str, outcome: str
) -> None:
    assert await stage(lambda body: of_kind(kind, body, cut)) == {outcome}


ASKING = {
    "bootstrap/pipeline.py": 3,
    "evaluate/judge.py": 1,
    "infer/distill.py": 1,
    "infer/predict.py": 1,
    "steps/conversation.py": 6,
    "steps/examples.py": 2,
    "steps/judge.py": 1,
}
"""Where requests are made; each has its rows above."""


def test_all_that_ask_are_in_the_table() -> None:
    source = Path(seedstep.__file__).parent
    calls = re.compile(r"engine\.ask\(|\bask\(self\.(?:chat\.)?engine|chat\.say\(|\)\.say\(")
    found = {
        str(path.relative_to(source)): len(calls.findall(path.read_text("utf-8")))
        for path in sorted(source.rglob("*.py"))
        if path.parent.name != "llm"
    }
    assert {name: count for name, count in found.items() if count} == ASKING


async def test_what_thoughts_used_up_tells_the_tokens_and_what_to_raise() -> None:
    details: set[str] = set()

    def script(number: int, body: dict[str, Any]) -> Fault:
        if purpose_of(body) == "generation":
            return reply(body, json.dumps({"tasks": [TASK]}))
        return of_kind("thoughts", body, "")

    async def work(engine: Engine) -> set[str]:
        chosen = BootstrapSettings.of(
            model=MODEL, prompt_style="chat", tasks=1, patience=1, window=1
        )
        async for made in bootstrap(chosen, seed_tasks(), engine):
            details.update(one.detail for one in made.candidates)
        return details

    (detail,) = await on_server(script, work)
    assert "all 9 tokens" in detail
    assert "room" in detail
