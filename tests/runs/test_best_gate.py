"""The best of several outputs: which is kept, and what is drawn for the gates that draw."""

import asyncio
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, ClassVar

import pytest

from seedstep.bootstrap.gate_kinds import parse_gates
from seedstep.bootstrap.gates import MOST_DRAWS, pass_gates
from seedstep.bootstrap.records import RejectedInstance
from seedstep.data import Instance
from seedstep.errors import BudgetReached
from seedstep.llm import Failure, Reply, Request
from support.command_line import chat_reply, seedstep
from support.gating import Noting, models_of, number, rejected_by, scoring
from support.growing import SIGNS, exported, grow, grow_again, text_of
from support.scripted_server import Fault, ScriptedServer

pytestmark = pytest.mark.usefixtures("no_backoff", "empty_directory")

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
) -> Any:
    """What gates make of an instance whose output is "the first"."""
    models = models_of(engine)
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
        chosen = Instance("a letter", (f"word{FIRST} is alone",))
        assert done == RejectedInstance(chosen, "same", "0.00 on the average")

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
        rated, _ = await passed(engine, {"chosen": self.BEST})
        assert rated.output == f"text {FIRST + 1}"
        sifted, note = await passed(
            engine, {"chosen": self.BEST}, lambda found: found.output != f"text {FIRST + 1}"
        )
        assert sifted.output == "the first"
        assert note.endswith("the best of 3")

    async def test_only_what_passes_the_gates_before_is_rated(self) -> None:
        links = {"match": {"pattern": "http", "reject": True}}
        outputs = {FIRST + MOST_DRAWS * 2: "http://a", FIRST + MOST_DRAWS * 2 + 1: "wrong"}
        engine = Drawing(lambda draw: outputs.get(draw, "good"), good=["http://a", "wrong", "good"])
        gates = {"links": links, "judged": {"judge": {}}, "chosen": self.BEST}
        kept, note = await passed(engine, gates)
        assert kept.output == "good"
        assert note.endswith("the best of 2")
        assert len(engine.asked) == 3  # the judge has not seen the link

    @pytest.mark.parametrize("gate", ["agree", "best"])
    async def test_why_it_is_undecided_does_not_depend_on_which_reply_is_first(
        self, gate: str
    ) -> None:
        faults = set()
        for seconds in (lambda draw: draw % 10 / 500, lambda draw: (10 - draw % 10) / 500):
            failing = Drawing(lambda draw: Failure("refused", f"no {draw}"), seconds=seconds)
            done = await passed(failing, {"a": {gate: {"draws": 3}}})
            faults.add((done.reason, done.detail))
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
