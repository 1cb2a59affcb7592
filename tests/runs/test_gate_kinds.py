"""Gates by likelihood, and the options and prompts of the kinds of gates."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from seedstep import self_instruct
from seedstep.bootstrap import Proposal
from seedstep.bootstrap.gate_kinds import parse_gates
from seedstep.data import Instance, Task
from seedstep.errors import InputError, RunMismatchError
from support.command_line import seedstep
from support.gating import Noting, models_of, number, rejected_by, scoring
from support.growing import exported, grow, grow_again, times_asked
from support.scripted_server import Fault, ScriptedServer
from support.tuning_things import save_llama

pytestmark = pytest.mark.usefixtures("no_backoff", "empty_directory")


class TestLikelihood:
    GATES: ClassVar[dict[str, Any]] = {"likely": {"likelihood": {"at_most": 5.0, "gain": 0.5}}}

    def test_the_server_decides_and_each_text_is_scored_once(self) -> None:
        with ScriptedServer(scoring(nats)) as server:
            made = grow(Path("run"), server, tasks=15, gates=self.GATES)
            asked = [body for body in server.bodies if "echo" in body]
        assert asked
        assert {(body["logprobs"], body["max_tokens"]) for body in asked} == {(1, 1)}
        assert set(times_asked(asked).values()) == {1}
        for task in made.tasks:
            for instance in task.instances:
                assert is_likely(task.definition, instance.input, instance.output)
        bad = rejected_by(made, "likely")
        assert bad
        assert not any(is_likely(*instance) for *instance, _ in bad)
        assert {detail.partition("nats a token")[1] for *_, detail in bad} == {"nats a token"}
        assert made.status.usage["gate likely"].requests == len(asked)
        assert "likely" in seedstep("status", "run").words

    def test_stopped_it_goes_on_to_the_same_bytes(self) -> None:
        with ScriptedServer(scoring(nats)) as server:
            grow(Path("whole"), server, tasks=10, gates=self.GATES)
        with ScriptedServer(scoring(nats)) as server:
            grow_again(Path("run"), [server], tasks=10, gates=self.GATES)
        assert exported(Path("run")) == exported(Path("whole"))

    def test_its_recording_gives_the_same_data(self) -> None:
        with ScriptedServer(scoring(nats)) as server:
            grow(Path("run"), server, tasks=5, gates=self.GATES)
        assert seedstep("requests", "run", "--export", "run.jsonl").code == 0
        model: dict[str, Any] = {"model": "replay:run.jsonl", "gates": self.GATES}
        self_instruct("again", tasks=5, **model).close()
        assert exported(Path("again")) == exported(Path("run"))

    @pytest.mark.parametrize(
        "logprobs",
        [
            None,
            {},
            {"tokens": [" so"], "token_logprobs": [-1.0], "text_offset": [0]},
            {"tokens": ["T"], "token_logprobs": [None]},
            {"tokens": ["T", "x" * 5000], "token_logprobs": [None, None]},
            {"tokens": ["T", "x" * 5000], "token_logprobs": [None, -1.0], "text_offset": [0]},
            {"tokens": "T", "token_logprobs": "T"},
            [],
        ],
    )
    def test_a_server_without_likelihoods_ends_the_run_and_is_named(self, logprobs: Any) -> None:
        def script(_: int, body: dict[str, Any]) -> Fault | None:
            if "echo" not in body:
                return None
            choice = {"text": " so", "finish_reason": "length", "logprobs": logprobs}
            return Fault(body=json.dumps({"choices": [choice]}).encode())

        with (
            ScriptedServer(script) as server,
            pytest.raises(InputError, match=r"gives no likelihoods .*'scripted'.*hf:PATH"),
        ):
            grow(Path("run"), server, tasks=5, gates=self.GATES)

    def test_a_server_that_refuses_some_decides_on_none_of_these(self) -> None:
        def script(at: int, body: dict[str, Any]) -> Fault | None:
            if "echo" in body and not number(body["prompt"], 3):
                return Fault(400, b'{"error": {"message": "maximum context length is 20 tokens"}}')
            return scoring(nats)(at, body)

        with ScriptedServer(script) as server:
            made = grow(Path("run"), server, tasks=8, gates=self.GATES)
        assert made.status.finished == 8
        bad = rejected_by(made, "likely_undecided")
        assert any("maximum context length" in detail for *_, detail in bad)

    def test_a_checkpoint_says_what_it_says_when_measured(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from seedstep.infer.likelihood import WHOLE, ScoringModel

        model = save_llama(tmp_path / "llama", max_position_embeddings=256)
        scorer = ScoringModel.load(model)

        def nats_of(prompt: str, output: str) -> float:
            instance = Instance(prompt, (output,))
            return scorer.score(Task("a", prompt, (instance,)), WHOLE, seed=0).nats[0]

        gates = {"likely": {"likelihood": {"model": model, "gain": 0.0}}}
        with ScriptedServer() as server:
            made = grow(Path("run"), server, tasks=4, gates=gates, prices=PRICES)
            asked = server.requests
            assert not any("echo" in body for body in server.bodies)
            instances = [
                (task.definition, it.input, it.output, True)
                for task in made.tasks
                for it in task.instances
            ]
            instances += [(*bad[:3], False) for bad in rejected_by(made, "likely")]
            for instruction, given, output, passed in instances:
                whole = nats_of(f"Task: {instruction}\nInput: {given}\nOutput:", output)
                bare = nats_of(f"Task: {instruction}\nOutput:", output)
                assert (whole < bare) == passed
            assert {passed for *_, passed in instances} == {True, False}
            assert "for each finished task $" in seedstep("status", "run").words
            monkeypatch.setattr(ScoringModel, "load", None)  # what it said is kept
            again = grow(Path("run"), server, tasks=4)
            assert (again.tasks, server.requests) == (made.tasks, asked)

    def test_another_checkpoint_is_another_run(self, tmp_path: Path) -> None:
        model = save_llama(tmp_path / "llama", max_position_embeddings=256)
        gates = {"likely": {"likelihood": {"model": model, "gain": None, "at_most": 99.0}}}
        with ScriptedServer() as server:
            grow(Path("run"), server, tasks=1, gates=gates)
            (tmp_path / "llama" / "generation_config.json").write_text("{ }")
            with pytest.raises(RunMismatchError, match="gate_models_fingerprint"):
                grow(Path("run"), server, tasks=2)

    def test_a_text_that_is_too_long_is_not_decided_on(self, tmp_path: Path) -> None:
        model = save_llama(tmp_path / "llama", max_position_embeddings=16)
        gates = {"likely": {"likelihood": {"model": model, "at_most": 99.0}}}
        with ScriptedServer() as server:
            made = grow(Path("run"), server, tasks=1, gates=gates, patience=1)
        assert made.status.finished == 0
        details = {detail for *_, detail in rejected_by(made, "likely_undecided")}
        assert details
        assert all("longer than what" in detail or "need more than" in detail for detail in details)


PRICES = {"scripted": {"input": 1.0, "output": 2.0}}


def nats(text: str) -> float:
    """How unlikely the scripted model finds the output at the end of a prompt."""
    head, _, output = text.partition("\nOutput:")
    if "\nInput: " not in head:
        return 4.0
    return (2.0, 3.8, 6.0)[number(head + output, 3)]


def is_likely(instruction: str, given: str, output: str) -> bool:
    text = f"Task: {instruction}\nInput: {given}\nOutput: {output}"
    return nats(text) < 3 if given else True


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("judge", '{"valid_task": true, "appropriate_input": true, "correct_output": true}'),
        ("best", '{"rating": 5}'),
        ("likelihood", '{"nats": 1.0, "tokens": 3}'),
    ],
)
async def test_what_a_gate_asks_is_that_of_the_golden_files(
    kind: str, said: str, golden: Callable[[str, str], None]
) -> None:
    engine = Noting(said)
    models = models_of(engine)
    instance = Instance("Ann\nIs {{output}} an {input}?", ("{{questions}}\n\nAnswer: yes",))
    (gate,) = parse_gates({"a": {kind: {}}})
    await gate.find(Proposal("Say {{input}}.", instance, "latin", "a", models, (0,)))
    texts = []
    for request in (engine.asked[0], *engine.asked[1:][-1:]):
        prompt = request.prompt if isinstance(request.prompt, str) else request.prompt[0].content
        schema = json.dumps(request.schema.body) if request.schema else "no schema"
        texts.append(
            f"{request.purpose}, draw {request.draw}, {request.sampling}, {schema}, scored from "
            f"{request.scored_from}\n\n{prompt}\n"
        )
    golden(f"gate_{kind}", "\n".join(texts))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"likelihood": {"gain": None}}, "gate 'a' limits nothing"),
        ({"likelihood": {"at_most": 0}}, r"gate 'a': .*at_most"),
        ({"likelihood": {"model": "baseline:copy-input"}}, "gate 'a': model 'baseline:copy-input'"),
        ({"best": {"draws": 0}}, r"gate 'a': .*draws"),
        ({"best": {"by": "people"}}, r"gate 'a': .*by"),
        ({"best": {"model": "hf:x"}}, "gate 'a': model 'hf:x' says how likely.*by: likelihood"),
        ({"judge": {"model": "hf:x"}}, "model 'hf:x' says how likely.*`judge` a model that is"),
        ({"likelihood": {"gain": math.nan}}, "gate 'a': .*gain"),
        ({"likelihood": {"at_most": math.inf}}, "gate 'a': .*at_most"),
        ({"json": {"schema": "x"}}, r"gate 'a': .*schema"),
        ({"match": {"pattern": "x", "model": "openai:x"}}, "unknown field `model`"),
    ],
)
def test_what_is_wrong_is_named(written: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_gates({"a": written})
