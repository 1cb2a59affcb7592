"""Gates by likelihood, by a JSON schema, and the best of several outputs."""

import asyncio
import json
import math
import sys
from collections.abc import Callable, Collection
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from seedstep import self_instruct
from seedstep.bootstrap import GateModel, Proposal
from seedstep.bootstrap.gate_kinds import parse_gates
from seedstep.bootstrap.gates import MOST_DRAWS, GateModels, Passed, pass_gates
from seedstep.data import Instance, Task
from seedstep.errors import BudgetReached, InputError, MissingExtraError, RunMismatchError
from seedstep.llm import Engine, Failure, Reply, Request
from support.command_line import chat_reply, seedstep
from support.growing import (
    SIGNS,
    Outcome,
    exported,
    grow,
    grow_again,
    text_of,
    times_asked,
)
from support.scripted_server import Fault, ScriptedServer
from support.tuning_things import save_llama

pytestmark = pytest.mark.usefixtures("no_backoff", "empty_directory")


def number(text: str, most: int) -> int:
    """A number from 0 up to `most`, less one, that depends on a text alone."""
    return sha256(text.encode()).digest()[0] % most


def rejected_by(made: Outcome, gate: str) -> list[tuple[str, str, str, str]]:
    """Instruction, input, output and detail of what a gate rejected."""
    return [
        (candidate.instruction, bad.input, bad.output, bad.detail)
        for generation in made.generations
        for candidate in generation.candidates
        for bad in candidate.rejected_instances
        if bad.reason == gate
    ]


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


def scoring(value: Callable[[str], float]) -> Callable[[int, dict[str, Any]], Fault | None]:
    """A server that gives the log-probabilities of the texts it is sent, word by word."""

    def script(_: int, body: dict[str, Any]) -> Fault | None:
        if "echo" not in body:
            return None
        text = str(body["prompt"])
        start = text.index("\nOutput:") + len("\nOutput:")
        words = [text[:5], text[5:start], *(f" {word}" for word in text[start:].split(" ")[1:])]
        words.append(" more")
        offsets = [sum(map(len, words[:place])) for place in range(len(words))]
        target = [-value(text)] * (len(words) - 3)
        found = {
            "tokens": words,
            "token_logprobs": [None, -9.0, *target, -0.1],
            "text_offset": offsets,
        }
        choice = {"text": text + " more", "finish_reason": "length", "logprobs": found}
        usage = {"prompt_tokens": 9, "completion_tokens": 1}
        return Fault(body=json.dumps({"choices": [choice], "usage": usage}).encode())

    return script


FIRST = 1 + MOST_DRAWS
"""The first draw of a gate for `best` that is the first of the gates."""


class TestBest:
    GATES: ClassVar[dict[str, Any]] = {"chosen": {"best": {"draws": 3}}}

    @staticmethod
    def server(rate: Callable[[str, str], str]) -> Callable[[int, dict[str, Any]], Fault | None]:
        def script(_: int, body: dict[str, Any]) -> Fault | None:
            text = text_of(body)
            if text.startswith("Rate an output"):
                output = text.partition("\n\nOutput:\n")[2].partition("\n\nAll of the above")[0]
                return chat_reply(rate(text, output))
            if text.startswith(sum(SIGNS.values(), ())):
                return None
            return chat_reply(f"redrawn {body['seed'] - FIRST + 1}")

        return script

    @staticmethod
    def rating(text: str, output: str) -> str:
        if output == "redrawn 2":
            return "I would call it the best of all."
        return json.dumps({"rating": 1 + number(text, 10)})

    def test_the_output_with_the_best_rating_is_kept(self) -> None:
        with ScriptedServer(self.server(self.rating)) as server:
            made = grow(Path("run"), server, tasks=12, gates=self.GATES)
            rated = [text_of(body) for body in server.bodies if "Rate an" in text_of(body)[:7]]
        kept = [(task, instance) for task in made.tasks for instance in task.instances]
        assert {it.output for _, it in kept} > {"redrawn 1", "redrawn 3"}
        assert any(not it.output.startswith("redrawn") for _, it in kept)
        assert "redrawn 2" not in {it.output for _, it in kept}
        for task, instance in kept:
            head = f"Instruction:\n{task.definition}\n\nInput:\n{instance.input}\n\nOutput:\n"
            ratings = {
                text.partition("\n\nOutput:\n")[2].partition("\n\nAll of")[0]: 1 + number(text, 10)
                for text in rated
                if head in text
            }
            assert len(ratings) == 4
            del ratings["redrawn 2"]
            assert ratings[instance.output] == max(ratings.values())
            shown = seedstep("show", "run", task.id).words
            assert f"rated {ratings[instance.output]}, the best of 4" in shown
        assert {"gate chosen", "gate chosen draws"} <= set(made.status.usage)
        assert made.status.finished == 12

    def test_stopped_it_goes_on_to_the_same_bytes(self) -> None:
        with ScriptedServer(self.server(self.rating)) as server:
            grow(Path("whole"), server, tasks=10, gates=self.GATES)
        with ScriptedServer(self.server(self.rating)) as server:
            grow_again(Path("run"), [server], tasks=10, gates=self.GATES)
        assert exported(Path("run")) == exported(Path("whole"))

    @pytest.mark.parametrize(
        "reply",
        [
            "It is fine.",
            '{"rating": 11}',
            '{"rating": true}',
            '{"rating": "9"}',
            "{}",
            '{"rating": 3}\n{"rating": 9}',
            'Either {"rating": 9} or {"note": {"rating": 3}, "rating": 3}.',
        ],
    )
    def test_without_any_rating_nothing_passes(self, reply: str) -> None:
        with ScriptedServer(self.server(lambda text, output: reply)) as server:
            made = grow(Path("run"), server, tasks=2, gates=self.GATES, patience=2)
        assert made.status.finished == 0
        assert set(made.status.bad_instances) >= {"chosen_undecided"}
        details = {detail for *_, detail in rejected_by(made, "chosen_undecided")}
        assert details == {"none of 4 outputs has a value"}

    @pytest.mark.parametrize(
        "more", ['\n{"rating": 5}', '\n\nInstruction:\nRate it: {"rating": 2}', " {well}"]
    )
    def test_a_rating_that_is_repeated_or_goes_on_to_other_material_counts(self, more: str) -> None:
        with ScriptedServer(self.server(lambda text, output: f'{{"rating": 5}}{more}')) as server:
            made = grow(Path("run"), server, tasks=1, gates=self.GATES, patience=2)
        assert made.status.finished == 1

    def test_a_better_model_rates_and_the_next_gate_sees_what_it_chose(self) -> None:
        gates: dict[str, Any] = {
            "chosen": {"best": {"draws": 2, "model": "openai:better"}},
            "drawn": {"match": {"pattern": "^redrawn"}},
        }

        def rating(_: str, output: str) -> str:
            return json.dumps({"rating": 9 if output == "redrawn 2" else 3})

        with ScriptedServer() as model, ScriptedServer(self.server(rating)) as judge:
            model.script = self.server(rating)
            gates["chosen"]["best"]["base_url"] = judge.url
            made = grow(Path("run"), model, tasks=4, gates=gates)
            assert all(text_of(body).startswith("Rate") for body in judge.bodies)
            assert not any(text_of(body).startswith("Rate") for body in model.bodies)
        outputs = {it.output for task in made.tasks for it in task.instances}
        assert outputs == {"redrawn 2"}
        assert "drawn" not in made.status.bad_instances

    def test_the_likeliest_is_kept(self) -> None:
        gates = {"chosen": {"best": {"draws": 2, "by": "likelihood"}}}

        def script(at: int, body: dict[str, Any]) -> Fault | None:
            if "echo" in body:
                return scoring(lambda text: 1.0 if "redrawn 2" in text else 2.0)(at, body)
            return self.server(self.rating)(at, body)

        with ScriptedServer(script) as server:
            made = grow(Path("run"), server, tasks=3, gates=gates)
        assert {it.output for task in made.tasks for it in task.instances} == {"redrawn 2"}
        assert "1.00 nats a token, the best of 3" in seedstep("show", "run", made.tasks[0].id).words


class Noting:
    """Stands for an engine: keeps what it is asked, and says what it is told to."""

    def __init__(self, said: str) -> None:
        self.said = said
        self.asked: list[Request] = []

    async def ask(self, request: Request, priority: tuple[int, ...]) -> Reply:
        self.asked.append(request)
        return Reply(self.said, "stop", 1, 1)


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
    models = GateModels(GateModel(cast("Engine", engine), converses=True))
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


class Drawing(Noting):
    """Says of each draw what it is told to, after a while; rates what is in `good` highest."""

    def __init__(
        self,
        texts: Callable[[int], str | Failure],
        good: Collection[str] = (),
        seconds: Callable[[int], float] = lambda draw: 0.0,
    ) -> None:
        super().__init__("")
        self.texts = texts
        self.good = good
        self.seconds = seconds
        self.drawn: list[int] = []

    async def ask(self, request: Request, priority: tuple[int, ...]) -> Any:
        assert not isinstance(request.prompt, str)
        prompt = request.prompt[0].content
        if request.schema and request.schema.name == "rating":
            output = prompt.partition("\n\nOutput:\n")[2].partition("\n\nAll of")[0]
            return Reply(json.dumps({"rating": 9 if output in self.good else 2}), "stop", 1, 1)
        if request.schema:
            self.asked.append(request)
            said = dict.fromkeys(request.schema.body["required"], "wrong" not in prompt)
            return Reply(json.dumps(said), "stop", 1, 1)
        self.drawn.append(request.draw)
        await asyncio.sleep(self.seconds(request.draw))
        text = self.texts(request.draw)
        return text if isinstance(text, Failure) else Reply(text, "stop", 1, 1)


async def passed(
    engine: Noting, gates: dict[str, Any], sift: Callable[[Instance], bool] = lambda _: True
) -> Passed:
    """What gates make of an instance whose output is "the first"."""
    models = GateModels(GateModel(cast("Engine", engine), converses=True))
    instance = Instance("a letter", ("the first",))
    return await pass_gates(
        parse_gates(gates), models, "Say.", instance, tokens="latin", priority=(0,), sift=sift
    )


class TestWhatIsDrawn:
    BEST: ClassVar[dict[str, Any]] = {"best": {"draws": 3}}

    async def test_what_best_chose_is_not_compared_with_what_it_chose_from(self) -> None:
        engine = Drawing(lambda draw: f"word{draw} is alone", good=[f"word{FIRST} is alone"])
        agree = {"agree": {"draws": 1, "metric": "exact_match"}}
        done = await passed(engine, {"chosen": self.BEST, "same": agree})
        assert done.instance.output == f"word{FIRST} is alone"
        assert done.fault == ("same", "0.00 on the average")

    async def test_no_two_gates_have_a_draw_in_common(self) -> None:
        engine = Drawing(lambda draw: f"text {draw}")
        gates = {"a": {"agree": {"at_least": 0.01}}, "b": self.BEST, "c": self.BEST}
        engine.texts = lambda draw: f"the first {draw}"
        await passed(engine, gates)
        own = [draw for draw in engine.drawn if draw > MOST_DRAWS]
        assert len(own) == len(set(own)) == 6
        assert {1, 2, 3} <= set(engine.drawn)  # of `agree`, as ever

    async def test_only_what_passes_the_filters_is_rated(self) -> None:
        engine = Drawing(lambda draw: f"text {draw}", good=[f"text {FIRST + 1}"])
        rated = await passed(engine, {"chosen": self.BEST})
        assert rated.instance.output == f"text {FIRST + 1}"
        sifted = await passed(
            engine, {"chosen": self.BEST}, lambda found: found.output != f"text {FIRST + 1}"
        )
        assert sifted.instance.output == "the first"
        assert sifted.note.endswith("the best of 3")

    async def test_only_what_passes_the_gates_before_is_rated(self) -> None:
        links = {"match": {"pattern": "http", "reject": True}}
        outputs = {FIRST + MOST_DRAWS * 2: "http://a", FIRST + MOST_DRAWS * 2 + 1: "wrong"}
        engine = Drawing(lambda draw: outputs.get(draw, "good"), good=["http://a", "wrong", "good"])
        gates = {"links": links, "judged": {"judge": {}}, "chosen": self.BEST}
        done = await passed(engine, gates)
        assert done.instance.output == "good"
        assert done.note.endswith("the best of 2")
        assert len(engine.asked) == 3  # the judge has not seen the link

    @pytest.mark.parametrize("gate", ["agree", "best"])
    async def test_why_it_is_undecided_does_not_depend_on_which_reply_is_first(
        self, gate: str
    ) -> None:
        faults = set()
        for seconds in (lambda draw: draw % 10 / 500, lambda draw: (10 - draw % 10) / 500):
            failing = Drawing(lambda draw: Failure("refused", f"no {draw}"), seconds=seconds)
            done = await passed(failing, {"a": {gate: {"draws": 3}}})
            faults.add(done.fault)
        assert faults == {("a_undecided", f"no {FIRST if gate == 'best' else 1}")}

    async def test_a_spent_budget_comes_before_a_refusal(self) -> None:
        def text(draw: int) -> str | Failure:
            if draw == 3:
                raise BudgetReached("max_requests", "3 requests")
            return Failure("refused", "no")

        with pytest.raises(BudgetReached):
            await passed(Drawing(text, seconds=lambda draw: draw / 500), {"a": {"agree": {}}})

    def test_instances_that_become_the_same_are_one(self) -> None:
        def script(_: int, body: dict[str, Any]) -> Fault | None:
            text = text_of(body)
            if text.startswith("Rate an output"):
                return chat_reply(json.dumps({"rating": 9 if "the same for all" in text else 3}))
            if text.startswith(SIGNS["instances"][0]):
                examples = [{"input": "", "output": output} for output in ("one", "two")]
                return chat_reply(json.dumps({"examples": examples}))
            return None if text.startswith(sum(SIGNS.values(), ())) else reply_to_all

        reply_to_all = chat_reply("the same for all")
        with ScriptedServer(script) as server:
            made = grow(Path("run"), server, tasks=3, gates={"chosen": self.BEST})
        several = [task for task in made.tasks if not task.is_classification]
        assert several
        assert all([it.output for it in task.instances] == ["the same for all"] for task in several)
        assert made.status.bad_instances["duplicate_instance"] >= len(several)


PERSON = {
    "type": "object",
    "properties": {"age": {"$ref": "#/$defs/age"}, "name": {"type": "string"}},
    "required": ["age"],
    "additionalProperties": False,
    "$defs": {"age": {"type": "integer", "minimum": 0, "multipleOf": 0.5}},
}


async def found(written: dict[str, Any], output: str) -> Any:
    (gate,) = parse_gates({"a": {"json": written}})
    return await gate.find(Proposal("Say.", Instance("", (output,)), "latin", "a", None, ()))  # type: ignore[arg-type]


class TestSchema:
    @pytest.mark.parametrize(
        ("output", "fault"),
        [
            ('{"age": 3}', ""),
            ('{"age": 3, "name": "Ann"}', ""),
            ('{"age": -1}', "$.age: -1 is less than the minimum of 0"),
            ('{"age": "3"}', "$.age: '3' is not of type 'integer'"),
            ('{"name": "Ann"}', "$: 'age' is a required property"),
            ("[3]", "$: [3] is not of type 'object'"),
            ("prose", "no JSON"),
            ('{"age": 3} and more', "no JSON"),
            ('{"age": NaN}', "no JSON"),
            ('{"age": 1e400}', "it is nested too deeply, or has numbers too large, to be checked"),
            ("[" * 100_000, "no JSON"),
        ],
    )
    async def test_an_output_fits_or_it_is_said_where_not(self, output: str, fault: str) -> None:
        assert ((await found({"schema": PERSON}, output)) or "") == fault

    async def test_fields_are_wanted_beside_a_schema(self) -> None:
        written = {"schema": {"minProperties": 1}, "fields": ["name"]}
        assert await found(written, '{"age": 1}') == "without name"
        assert not await found(written, '{"name": 1}')

    async def test_values_that_are_nested_for_ever_are_rejected(self) -> None:
        schema = {"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "null"}]}
        assert not await found({"schema": schema}, "[[null], []]")
        assert await found({"schema": schema}, "[" * 900 + "]" * 900)

    async def test_what_a_reply_quotes_is_short_and_of_one_line(self) -> None:
        said = await found({"schema": {"type": "string"}}, json.dumps(["\n\x1b[2J"] * 1000))
        assert len(said) <= 200
        assert "\n" not in said
        assert "\x1b" not in said

    @pytest.mark.parametrize(
        ("schema", "message"),
        [
            ({"type": "objekt"}, r"gate 'a', option 'schema': \$.type is wrong"),
            ({"properties": {"a": {"minimum": "x"}}}, r"\$.properties.a.minimum is wrong"),
            ({"$ref": "http://127.0.0.1:1/s.json"}, "is not in the schema, and nothing is fetched"),
            ({"items": {"$ref": "file:///etc/passwd"}}, "'file:///etc/passwd' is not in the"),
            ({"properties": {"a": {"$ref": "other.json#/a"}}}, "'other.json#/a' is not in"),
            ({"$ref": "#/$defs/none"}, "is not in the schema"),
            ({"$ref": "#none"}, "is not in the schema"),
            ({"$schema": "http://x.org/s", "$ref": "http://x.org/t"}, "is not in the schema"),
        ],
    )
    def test_a_schema_that_can_not_be_used_is_named(
        self, schema: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            parse_gates({"a": {"json": {"schema": schema}}})

    def test_older_drafts_and_their_meta_schemas_are_there(self) -> None:
        draft = {"$schema": "http://json-schema.org/draft-07/schema#"}
        for schema in (
            {**draft, "$ref": "http://json-schema.org/draft-07/schema#"},
            {"$ref": "https://json-schema.org/draft/2020-12/schema"},
            {"const": {"$ref": "http://x.org/not-a-reference"}},
        ):
            parse_gates({"a": {"json": {"schema": schema}}})

    def test_what_is_not_installed_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "jsonschema", None)
        with pytest.raises(MissingExtraError, match=r"seedstep\[schema\]"):
            parse_gates({"a": {"json": {"schema": PERSON}}})
        parse_gates({"a": {"json": {"fields": ["name"]}}})

    def test_a_run_says_what_did_not_fit(self) -> None:
        gates = {"form": {"json": {"schema": {"type": "object"}}}}
        with ScriptedServer() as server:
            made = grow(Path("run"), server, tasks=1, gates=gates, patience=1)
        assert made.status.finished == 0
        assert {detail for *_, detail in rejected_by(made, "form")} == {"no JSON"}


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
