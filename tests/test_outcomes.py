"""What each stage makes of a reply that does not hold what was asked for: a named outcome.

`ROWS` is whole: a row for each kind of request, a column for each kind of reply. Nothing in it
is a label, an instance, a step or a verdict.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import seedstep
from seedstep.bootstrap import BootstrapSettings, bootstrap
from seedstep.data import seed_tasks
from seedstep.llm import Engine, SendOptions
from seedstep.runs.batches import RunLedger
from seedstep.runs.database import Database
from support.asking import endpoint_of
from support.bad_replies import (
    KINDS,
    MODEL,
    TASK,
    Stage,
    choosing,
    drafting,
    gating,
    growing,
    judging,
    judging_steps,
    naming,
    of_kind,
    on_server,
    predicting,
    reply,
    rewriting,
    showing,
    stepping,
)
from support.batch_server import BatchServer
from support.growing import purpose_of
from support.scripted_server import Fault

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
    "values of an axis": (
        naming,
        '{"values": ["law", "medi',
        ("the model named no values for the axis 'topic'",) * 6,
    ),
    "gate that judges": (
        gating("judge"),
        '{"valid_task": true, "appropriate_input": true, "correct_output": tr',
        ("gate_undecided",) * 6,
    ),
    "gate that draws again": (
        gating("agree"),
        "It pra",
        (*("gate_undecided",) * 5, "gate"),
    ),
    "gate that rates": (gating("best"), '{"rating": ', ("gate_undecided",) * 6),
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


def _of_kind(kind: str, cut: str, body: Mapping[str, Any]) -> Fault:
    return of_kind(kind, body, cut)


@pytest.mark.usefixtures("quick_batches")
@pytest.mark.parametrize("name", list(ROWS))
async def test_a_reply_by_batch_has_the_outcome_of_a_live_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the first request of its kind is not asked live."""
    servers: list[BatchServer] = []

    @asynccontextmanager
    async def by_batch(server: BatchServer) -> AsyncIterator[Engine]:
        servers.append(server)
        path = tmp_path / str(len(servers)) / "run.db"
        path.parent.mkdir()
        with closing(Database.open(path)) as database:
            engine = Engine(
                endpoint_of(server), RunLedger(database), 4, sending=SendOptions("batch")
            )
            async with engine:
                yield engine

    async def as_it_is(self: object, wave: object) -> object:
        return wave

    monkeypatch.setattr("support.bad_replies.ScriptedServer", BatchServer)
    monkeypatch.setattr("support.bad_replies.engine_on", by_batch)
    monkeypatch.setattr("seedstep.llm.batches.BatchSender._try_out", as_it_is)
    stage, cut, outcomes = ROWS[name]
    for kind, outcome in zip(KINDS, outcomes, strict=True):
        if kind in ("cut", "withheld", "thoughts"):
            assert await stage(partial(_of_kind, kind, cut)) == {outcome}, kind
    assert not any(server.requests for server in servers)
    assert all(server.batches for server in servers)


ASKING = {
    "bootstrap/axes.py": 1,
    "bootstrap/gates.py": 1,
    "bootstrap/pipeline.py": 3,
    "evaluate/judge.py": 1,
    "infer/distill.py": 1,
    "infer/predict.py": 1,
    "steps/conversation.py": 6,
    "steps/examples.py": 2,
    "steps/pipeline.py": 1,
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
            details.update(candidate.detail for candidate in made.candidates)
        return details

    (detail,) = await on_server(script, work)
    assert "all 9 tokens" in detail
    assert "room" in detail
