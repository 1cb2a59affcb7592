"""The judge: what it is asked, and which of its answers count."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedstep.llm import Sampling
from seedstep.steps import Judgement, StepsSettings, judge, write_steps
from seedstep.steps.pipeline import parse_judgement
from support.asking import engine_on
from support.scripted_server import Fault, Script, ScriptedServer
from support.step_server import STEPS, boat_task, chat, strong_model

READ: dict[str, tuple[str, tuple[bool, bool]]] = {
    "json": ('{"correct": true, "complete": false}', (True, False)),
    "json-other-order": ('{"complete": true, "correct": false}', (False, True)),
    "json-lines": ('{\n  "correct": true,\n  "complete": true\n}\n', (True, True)),
    "json-fence": ('```json\n{"correct": false, "complete": false}\n```', (False, False)),
    "json-reason": ('{"correct": true, "complete": true, "reason": "fine"}', (True, True)),
    "thoughts": ('<think>No?</think>{"correct": true, "complete": true}', (True, True)),
    "lines": ("Correct: yes\nComplete: no", (True, False)),
    "lines-bold": ("**Correct:** Yes\n**Complete:** No.", (True, False)),
    "lines-bold-answer": ("Correct: **YES**\nComplete: **yes**", (True, True)),
    "lines-bullets": ("- correct: no\n- complete: yes", (False, True)),
    "lines-talk": ("Here is what I think.\n\nCorrect: yes\nComplete: yes\n", (True, True)),
}
UNREAD = {
    "empty": "",
    "talk": "It looks correct and complete to me.",
    "one": "Correct: yes",
    "json-one": '{"correct": true}',
    "json-text": '{"correct": "true", "complete": "false"}',
    "json-numbers": '{"correct": 1, "complete": 0}',
    "json-null": '{"correct": null, "complete": true}',
    "json-twice": '{"correct": true, "correct": false, "complete": true}',
    "json-in-talk": 'Sure: {"correct": true, "complete": true}',
    "json-list": '[{"correct": true, "complete": true}]',
    "json-cut": '{"correct": true, "comp',
    "json-deep": '{"correct": ' + "[" * 20_000,
    "json-long-number": '{"correct": ' + "9" * 10_000 + "}",
    "lines-twice": "Correct: yes\nComplete: yes\nCorrect: no",
    "lines-partly": "Correct: partly\nComplete: yes",
    "lines-hedged": "Correct: yes, but not always\nComplete: yes",
    "lines-other": "Is it correct: yes\nIs it complete: yes",
    "question": "Correct: yes or no?\nComplete: yes or no?",
    "surrogate": "Correct: yes\ud800\ncomplete\x00: no!",
}


@pytest.mark.parametrize(("reply", "expected"), READ.values(), ids=READ)
def test_answers_that_count(reply: str, expected: tuple[bool, bool]) -> None:
    assert parse_judgement(reply) == expected


@pytest.mark.parametrize("reply", UNREAD.values(), ids=UNREAD)
def test_answers_that_do_not(reply: str) -> None:
    assert parse_judgement(reply) is None


@given(st.text())
def test_any_text_is_read_or_not(reply: str) -> None:
    assert parse_judgement(reply) is None or "yes" in reply.lower() or "no" in reply.lower()


@given(st.booleans(), st.booleans(), st.sampled_from(["", "\n", " \n\n"]))
def test_both_forms_are_read_back(correct: bool, complete: bool, around: str) -> None:
    record = json.dumps({"correct": correct, "complete": complete})
    words = {True: "yes", False: "no"}
    lines = f"Correct: {words[correct]}\nComplete: {words[complete]}"
    for text in (record, lines):
        assert parse_judgement(f"{around}{text}{around}") == (correct, complete)


def answering(*replies: str) -> Script:
    """A judge whose answers depend on how often it was asked in a conversation."""
    return lambda number, body: chat(replies[len(body["messages"]) // 2])


async def judged(script: Script) -> tuple[Judgement, ScriptedServer]:
    with ScriptedServer(script) as server:
        async with engine_on(server) as engine:
            judgement = await judge(boat_task(3), STEPS, Sampling(100), engine)
    return judgement, server


async def test_a_judge_answers_both_questions() -> None:
    judgement, server = await judged(answering("Correct: yes\nComplete: no"))
    assert (judgement.correct, judgement.complete, judgement.reason) == (True, False, "")
    assert len(server.bodies) == 1
    (message,) = server.bodies[0]["messages"]
    assert boat_task(3).definition in message["content"]
    assert all(step in message["content"] for step in STEPS)
    assert "The ferry 3 ran aground." in message["content"]
    assert server.bodies[0]["response_format"]["json_schema"]["name"] == "judgement"


async def test_an_answer_that_can_not_be_read_is_asked_for_once_more() -> None:
    judgement, server = await judged(answering("Hm.", '{"correct": false, "complete": true}'))
    assert (judgement.correct, judgement.complete) == (False, True)
    first, second = server.bodies
    assert second["messages"][:2] == [*first["messages"], {"role": "assistant", "content": "Hm."}]


async def test_a_second_one_is_missing_with_a_reason() -> None:
    judgement, server = await judged(answering("Hm.", "Well."))
    assert (judgement.correct, judgement.complete) == (None, None)
    assert "twice" in judgement.reason
    assert len(server.bodies) == 2


async def test_a_refused_request_is_missing_with_a_reason() -> None:
    judgement, server = await judged(lambda number, body: Fault(400))
    assert (judgement.correct, judgement.complete) == (None, None)
    assert "scripted fault" in judgement.reason
    assert server.requests == 1


async def test_the_stage_asks_the_judge_about_what_was_written() -> None:
    def verdict(number: int, body: dict[str, Any]) -> Fault:
        return chat("Correct: yes\nComplete: no")

    settings = StepsSettings.of(model="openai:some-model", judge="openai:judge")
    tasks = [boat_task(number) for number in range(12)]
    with ScriptedServer(strong_model) as server, ScriptedServer(verdict) as other:
        async with engine_on(server) as engine, engine_on(other) as judge_engine:
            plain = [entry async for entry in write_steps(settings, tasks, engine)]
            done = [entry async for entry in write_steps(settings, tasks, engine, judge_engine)]
    assert [entry.judgement for entry in plain] == [None] * 12
    for before, after in zip(plain, done, strict=True):
        assert (before.steps, before.findings) == (after.steps, after.findings)
        assert (after.judgement is None) == bool(after.failure)
    opinions = [entry.judgement for entry in done if entry.judgement]
    assert {(opinion.correct, opinion.complete) for opinion in opinions} == {(True, False)}
    assert other.requests == len(opinions)
