"""Gates: what instances have to pass, what it costs, and what becomes of those not decided on."""

import json
import signal
import textwrap
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from seedstep import Task, open_run, self_instruct
from seedstep.bootstrap import GATE_KINDS, BootstrapSettings, Proposal, rule_gate
from seedstep.bootstrap import gates as gates_module
from seedstep.bootstrap.gate_kinds import VALID, parse_gates
from seedstep.errors import InputError, RunMismatchError
from seedstep.prompts import fingerprint
from seedstep.stages import BOOTSTRAP
from support.command_line import chat_reply, environment, seedstep
from support.forking import ForkedProcess, forked
from support.growing import SIGNS, asked_of, exported, grow, stored_answers, text_of, times_asked
from support.scripted_server import (
    Fault,
    Script,
    ScriptedServer,
    made_up_instances,
    random_delays,
)

JUDGE: dict[str, Any] = {"judged": {"judge": {}}}
ASKED = "You are given an instruction, an input and an output"
"""How the request of a judge begins."""


def is_bad(text: str) -> bool:
    """Whether the scripted judge rejects an instance: about a third, by chance."""
    return sha256(text.encode()).digest()[0] < 85


def judge(decide: Callable[[str], Fault | None]) -> Script:
    """A server whose judge says this of an instance; other requests have the usual replies."""
    return lambda _, body: decide(text_of(body)) if text_of(body).startswith(ASKED) else None


def said(*, right: bool) -> Fault:
    answers = dict.fromkeys(VALID, True) | {"correct_output": right}
    return chat_reply(json.dumps(answers))


BY_CHANCE = judge(lambda text: said(right=not is_bad(text)))


def test_a_judge_decides_and_the_figures_are_those_counted_by_hand(tmp_path: Path) -> None:
    prices = {"scripted": {"input": 1.0, "output": 2.0}}
    with ScriptedServer(BY_CHANCE) as server:
        made = grow(tmp_path / "run", server, tasks=15, gates=JUDGE, prices=prices, window=1)
        judged = [text for text in map(text_of, server.bodies) if text.startswith(ASKED)]
    assert made.status.finished == len(made.tasks) == 15
    for task in made.tasks:
        assert task.instances
    rejected = [
        bad
        for generation in made.generations
        for candidate in generation.candidates
        for bad in candidate.rejected_instances
        if bad.reason == "judged"
    ]
    assert {bad.detail for bad in rejected} == {"correct_output"}
    passed = sum(len(task.instances) for task in made.tasks)
    assert made.status.bad_instances["judged"] == len(rejected) > 0
    assert made.status.usage["gate judged"].requests == len(judged)
    shown = seedstep("status", tmp_path / "run").words
    came = passed + len(rejected)
    assert f"judged {came} {passed} {passed / came:.0%}" in shown
    assert "for each finished task $" in shown


def pairs_of(task: Task) -> set[tuple[str, str]]:
    return {(instance.input, instance.output) for instance in task.instances}


def test_the_data_are_those_of_the_filters_less_what_the_judge_rejects(tmp_path: Path) -> None:
    with ScriptedServer(BY_CHANCE) as server:
        free = grow(tmp_path / "free", server, tasks=20, window=1)
        gated = grow(tmp_path / "gated", server, tasks=5, window=1, gates=JUDGE)
    first = free.generations[0].candidates
    for candidate, other in zip(gated.generations[0].candidates, first, strict=False):
        assert candidate.task.definition == other.task.definition
        assert pairs_of(candidate.task) <= pairs_of(other.task)


@pytest.mark.parametrize(
    "reply",
    [
        chat_reply("I would say that it is fine."),
        chat_reply('{"valid_task": true}'),
        chat_reply('{"valid_task": true, "appropriate_input": true, "correct_output": "yes"}'),
        chat_reply('{"valid_task": true, "appropriate_input": true, "correct_', "length"),
        Fault(400, body=b'{"error": {"message": "no"}}'),
    ],
    ids=["prose", "part", "word", "cut", "refused"],
)
def test_what_a_judge_does_not_say_passes_nothing(reply: Fault, tmp_path: Path) -> None:
    def decide(text: str) -> Fault | None:
        return reply if is_bad(text) else said(right=True)

    with ScriptedServer(judge(decide)) as server:
        made = grow(tmp_path / "run", server, tasks=8, gates=JUDGE)
    assert made.status.finished == 8
    assert made.status.bad_instances["judged_undecided"] > 0
    for task in made.tasks:
        for instance in task.instances:
            form = f"Input:\n{instance.input}\n\nOutput:\n{instance.output}\n"
            assert any(
                form in text and not is_bad(text)
                for text in map(text_of, server.bodies)
                if text.startswith(ASKED)
            )


def test_a_gate_that_passes_nothing_ends_the_run_and_is_named(tmp_path: Path) -> None:
    nothing = judge(lambda _: said(right=False))
    with ScriptedServer(nothing) as server:
        flags = ("--model", "openai:scripted", "--base-url", server.url, "--patience", 2)
        gates = ("--gates", "{judged: {judge: {}}}", "--tasks", 5)
        done = seedstep("bootstrap", *flags, *gates, "--out", tmp_path / "run")
    assert done.code == 1
    assert "gate 'judged' rejects most" in done.words
    assert "a model denies" in seedstep("status", tmp_path / "run").words


@pytest.mark.parametrize(
    "more", ["\n\nYou are given an instruction", " I am sure of it."], ids=["on", "prose"]
)
def test_what_stands_around_a_judgement_does_not_matter(more: str, tmp_path: Path) -> None:
    answers = json.dumps(dict.fromkeys(VALID, True))
    whole = judge(lambda _: chat_reply(f"Sure: {answers}{more}", "length"))
    with ScriptedServer(whole) as server:
        made = grow(tmp_path / "run", server, tasks=3, gates=JUDGE)
    assert made.status.finished == 3
    assert "judged_undecided" not in made.status.bad_instances


@pytest.mark.parametrize("in_flight", [1, 8])
def test_the_data_do_not_depend_on_which_reply_comes_first(in_flight: int, tmp_path: Path) -> None:
    delayed = random_delays(0.01)

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return BY_CHANCE(number, body) or delayed(number, body)

    settings: dict[str, Any] = {"tasks": 12, "gates": JUDGE}
    with ScriptedServer(BY_CHANCE) as server:
        grow(tmp_path / "plain", server, **settings)
    with ScriptedServer(script) as server:
        grow(tmp_path / "run", server, in_flight=in_flight, **settings)
    assert exported(tmp_path / "run") == exported(tmp_path / "plain")


def test_killed_it_goes_on_to_the_same_bytes_and_asks_nothing_again(tmp_path: Path) -> None:
    with ScriptedServer(BY_CHANCE) as server:
        grow(tmp_path / "whole", server, tasks=20, gates=JUDGE, in_flight=1)
        half = server.requests // 2
    with ScriptedServer(BY_CHANCE) as server:
        flags = ("--model", "openai:scripted", "--base-url", server.url, "--in-flight", 1)
        command = forked(
            "bootstrap", *flags, "--tasks", 20, "--gates", json.dumps(JUDGE), "--out",
            tmp_path / "run",
        )  # fmt: skip
        with ForkedProcess(command, env=environment()) as process:
            while process.poll() is None and server.requests < half:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        stored = stored_answers(tmp_path / "run")
        time.sleep(0.2)  # what had been sent arrives
        lost = server.requests - stored
        grow(tmp_path / "run", server, tasks=20, gates=JUDGE, in_flight=1)
        assert sum(times - 1 for times in times_asked(server.bodies).values()) <= lost
    assert exported(tmp_path / "run") == exported(tmp_path / "whole")


def test_outputs_drawn_again_are_compared(tmp_path: Path) -> None:
    gates = {"steady": {"agree": {"draws": 2, "metric": "exact_match", "at_least": 0.5}}}

    def script(_: int, body: dict[str, Any]) -> Fault | None:
        text = text_of(body)
        if text.startswith(tuple(chain(*SIGNS.values()))):
            return None
        instruction, _sign, given = text.partition("\n\n")
        right = dict(made_up_instances(instruction))[given]
        return chat_reply("Another one." if is_bad(text) else right)

    with ScriptedServer(script) as server:
        made = grow(tmp_path / "run", server, tasks=10, gates=gates, window=1)
        drawn = [body for body in server.bodies if body.get("temperature") == 0.7]
    kept = [
        "\n\n".join((task.definition, it.input)) for task in made.tasks for it in task.instances
    ]
    assert not any(map(is_bad, kept))
    assert made.status.bad_instances["steady"] > 0
    assert {body["seed"] for body in drawn} == {1, 2}
    assert made.status.usage["gate steady"].requests == len(drawn)


def test_a_run_goes_on_only_with_the_prompt_of_its_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(BY_CHANCE) as server:
        grow(tmp_path / "run", server, tasks=2, gates=JUDGE)
        grow(tmp_path / "free", server, tasks=2)
        monkeypatch.setattr(
            "seedstep.stages.bootstrap.fingerprint",
            lambda stage="bootstrap", *only: "other" if stage == "gates" else fingerprint(stage),
        )
        with pytest.raises(RunMismatchError, match="gates_fingerprint"):
            grow(tmp_path / "run", server, tasks=3, gates=JUDGE)
        assert grow(tmp_path / "free", server, tasks=3).status.finished == 3


@pytest.mark.parametrize(
    "gates",
    [JUDGE, {"some": {"match": {"pattern": "."}}}, {"some": {"match": {"pattern": "."}}, **JUDGE}],
)
def test_a_run_of_before_there_were_other_gates_goes_on(
    gates: dict[str, Any], tmp_path: Path
) -> None:
    """Then each run with gates had the hash of the judge's prompt."""
    config = tmp_path / "run" / "run.yaml"
    with ScriptedServer(BY_CHANCE) as server:
        grow(tmp_path / "run", server, tasks=2, gates=gates)
        entries = yaml.safe_load(config.read_text())
        config.write_text(yaml.safe_dump({**entries, "gates_fingerprint": "9bac3a0280e4141d"}))
        assert grow(tmp_path / "run", server, tasks=3, gates=gates).status.finished == 3


def test_gates_have_the_hash_of_the_prompts_that_they_use() -> None:
    best: dict[str, Any] = {"chosen": {"best": {}}}
    kinds: tuple[dict[str, Any], ...] = ({}, {"some": {"json": {}}}, JUDGE, best, {**best, **JUDGE})
    found = []
    for gates in kinds:
        settings = BootstrapSettings(gates=gates)
        found.append(BOOTSTRAP.stamps(settings, ()).get("gates_fingerprint"))
    assert found[:2] == [None, None]
    assert len(set(found[2:])) == 3
    assert None not in found[2:]


class TestFromPython:
    def test_a_rule_rejects_what_it_finds(self, tmp_path: Path) -> None:
        def short(found: Proposal) -> str | bool:
            return f"{len(found.output)} characters" if len(found.output) < 12 else False

        gate = rule_gate("short", "the output is short", short)
        with ScriptedServer() as server:
            made = grow(tmp_path / "run", server, tasks=5, own_gates=[gate], patience=4)
            again = grow(tmp_path / "run", server, tasks=5, own_gates=[gate], patience=4)
            with pytest.raises(RunMismatchError):
                grow(tmp_path / "run", server, tasks=6)
        assert again.tasks == made.tasks
        outputs = [found.output for task in made.tasks for found in task.instances]
        assert all(len(output) >= 12 for output in outputs)
        assert made.status.bad_instances["short"] > 0
        assert "the output is short" in seedstep("status", tmp_path / "run").words

    @pytest.mark.parametrize("kind", [KeyError, RuntimeError, OSError, AssertionError])
    def test_a_rule_that_raises_stops_the_run_and_nothing_is_lost(
        self, tmp_path: Path, kind: type[Exception]
    ) -> None:
        calls = 0

        def broken(_: Proposal) -> bool:
            nonlocal calls
            calls += 1
            if calls == 5:
                raise kind("lost")
            return False

        with ScriptedServer() as server:
            gate = rule_gate("broken", "breaks", broken)
            with pytest.raises(InputError, match=rf"gate 'broken' raised {kind.__name__}: '?lost"):
                grow(tmp_path / "run", server, tasks=10, own_gates=[gate])
            gate = rule_gate("broken", "breaks", lambda _: False)
            grow(tmp_path / "run", server, tasks=10, own_gates=[gate])
            assert set(times_asked(server.bodies).values()) == {1}
        with ScriptedServer() as server:
            grow(tmp_path / "whole", server, tasks=10, own_gates=[gate])
        assert exported(tmp_path / "run") == exported(tmp_path / "whole")

    def test_the_example_of_the_module_runs(self, tmp_path: Path) -> None:
        text = textwrap.dedent((gates_module.__doc__ or "").partition("::\n\n")[2])
        with ScriptedServer() as server:

            def grown(out: str, *, tasks: int, **settings: Any) -> None:
                assert tasks
                self_instruct(tmp_path / out, tasks=2, **asked_of(server, **settings)).close()

            exec(text, {"rule_gate": rule_gate, "self_instruct": grown})
        with open_run(tmp_path / "runs/mine") as run:
            assert run.records.gates() == {"links": "output has a link"}

    def test_a_name_stands_for_one_reason(self, tmp_path: Path) -> None:
        for name in ("not_novel", "too_short", "judged"):
            gate = rule_gate(name, "?", lambda _: False)
            with ScriptedServer() as server, pytest.raises(InputError, match="two reasons"):
                grow(tmp_path / name, server, tasks=1, own_gates=[gate], gates=JUDGE)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"a": {}}, "not one kind of gate"),
        ({"a": {"judge": {}, "agree": {}}}, "not one kind of gate"),
        ({"a": "judge"}, "not one kind of gate"),
        ({"a": True}, "not one kind of gate"),
        ({"a": 5}, "not one kind of gate"),
        ({"a": ["judge"]}, "not one kind of gate"),
        ({"a": {"jugde": {}}}, "there is no kind of gate 'jugde'"),
        ({"a": {"agree": {"draws": 0}}}, r"gate 'a': .*draws"),
        ({"a": {"agree": {"drawn": 2}}}, r"gate 'a': .*unknown field"),
        ({"a": {"match": {"pattern": "("}}}, "no regular expression"),
        ({"a": {"match": {}}}, r"gate 'a': .*pattern"),
        ({"a": {"judge": {"questions": {}}}}, "asks no question"),
        ({"a": {"judge": {"questions": {"Is it?": "x"}}}}, r"gate 'a': "),
    ],
)
def test_what_is_wrong_is_named(written: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_gates(written)
    with pytest.raises(InputError, match=message):
        BootstrapSettings.of(gates=written)


async def test_texts_that_match_and_outputs_that_are_json() -> None:
    from seedstep.data import Instance

    async def found(written: Mapping[str, Any], output: str) -> Any:
        (gate,) = parse_gates({"a": written})
        return await gate.find(Proposal("Say.", Instance("in", (output,)), "latin", "a", None, ()))  # type: ignore[arg-type]

    links = {"match": {"pattern": "https?://", "reject": True}}
    assert await found(links, "see http://x.org")
    assert not await found(links, "see there")
    assert await found({"match": {"pattern": "[0-9]"}}, "none")
    assert not await found({"match": {"pattern": "in", "of": "input"}}, "none")
    wanted = {"json": {"fields": ["name"]}}
    assert await found(wanted, "no json") is True
    assert await found(wanted, "{}") == "without name"
    assert not await found(wanted, '{"name": 1}')


def test_the_guide_has_every_kind_and_its_example_can_be_used() -> None:
    guide = Path(__file__).parents[2] / "docs" / "self-instruct.md"
    example = guide.read_text().partition("```yaml\ngates:")[2].partition("```")[0]
    settings = BootstrapSettings.of(**yaml.safe_load(f"gates:{example}"))
    assert settings.gate_base_urls == {"judged": "http://127.0.0.1:8001/v1"}
    assert [gate.name for gate in parse_gates(settings.gates)] == [*settings.gates]
    for kind in GATE_KINDS.values():
        assert f"| `{kind.name}` | {kind.meaning}" in guide.read_text()


YES_TO_ALL = json.dumps(dict.fromkeys(VALID, True))


@pytest.mark.parametrize(
    "reply",
    [
        f"I'm sorry, but I can't judge this. The form would be {YES_TO_ALL}",
        f"<think>{YES_TO_ALL}</think>",
        YES_TO_ALL.replace("true", '"true"'),
        YES_TO_ALL[:-1],
        f"[{YES_TO_ALL[1:-1]}]",
    ],
    ids=["refusal", "thought", "texts", "broken", "list"],
)
def test_a_reply_of_a_judge_that_holds_no_answers_lets_nothing_pass(
    reply: str, tmp_path: Path
) -> None:
    with ScriptedServer(judge(lambda text: chat_reply(reply))) as server:
        made = grow(tmp_path / "run", server, tasks=2, gates=JUDGE, patience=5)
    assert made.tasks == ()
    assert made.status.bad_instances["judged_undecided"] > 0
