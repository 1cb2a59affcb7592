"""Gates with a model of their own: what it is asked, what it costs, where its server is."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from seedstep import self_instruct
from seedstep.bootstrap import Generation
from seedstep.bootstrap.gate_kinds import VALID
from seedstep.errors import BudgetReached, InputError, RunMismatchError
from seedstep.infer import asking
from seedstep.recipes import BootstrapProgress
from seedstep.recipes import bootstrap as of_bootstrap
from seedstep.stages import BOOTSTRAP, open_run
from support.command_line import chat_reply, seedstep
from support.growing import Recorder, asked_of, exported, grow, grow_again, text_of, times_asked
from support.scripted_server import Fault, ScriptedServer, random_delays

URL = "OPENAI_BASE_URL"
ASKED = re.compile(
    r"Instruction:\n(.*?)\n\nInput:\n(.*?)\n\nOutput:\n(.*?)\n\nAll of the", re.DOTALL
)
"""What a judge is asked about."""

PRICES = {"scripted": {"input": 1.0, "output": 2.0}, "better": {"input": 30.0, "output": 40.0}}

pytestmark = pytest.mark.usefixtures("no_backoff", "empty_directory")


def chance(what: str, *texts: str) -> float:
    """A number from 0 to 1 that depends on texts alone."""
    return int.from_bytes(sha256("|".join((what, *texts)).encode()).digest()[:4]) / 2**32


def is_good(*instance: str) -> bool:
    """Whether an instance is good: 60 of 100, by chance."""
    return chance("good", *instance) < 0.6


def passes(*instance: str) -> bool:
    """What a judge says that is wrong of 10 in 100 good instances and of 20 in 100 bad ones."""
    wrong = chance("wrong", *instance) < (0.1 if is_good(*instance) else 0.2)
    return is_good(*instance) != wrong


def three_errors(share: float, of: int) -> float:
    """Three standard errors of a share."""
    return 3 * sqrt(share * (1 - share) / of)


def better(_: int, body: dict[str, Any]) -> Fault:
    """The judge's server."""
    found = ASKED.search(text_of(body))
    assert found, body
    answers = dict.fromkeys(VALID, True) | {"correct_output": passes(*found.groups())}
    return chat_reply(json.dumps(answers))


@pytest.fixture
def servers() -> Iterator[tuple[ScriptedServer, ScriptedServer, ScriptedServer]]:
    """A model's server, its judge's, and another one."""
    with (
        ScriptedServer() as model,
        ScriptedServer(better) as judge,
        ScriptedServer(better) as other,
    ):
        yield model, judge, other


def judged(server: ScriptedServer | None = None, model: str = "openai:better") -> dict[str, Any]:
    options = {"model": model} | ({"base_url": server.url} if server else {})
    return {"judged": {"judge": options}}


def config(run: str = "run") -> dict[str, Any]:
    found = yaml.safe_load(Path(run, "run.yaml").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


class TestAJudgeOfKnownErrors:
    def test_rates_prices_and_good_tasks_are_those_that_follow(
        self, servers: tuple[ScriptedServer, ...]
    ) -> None:
        model, judge, _ = servers
        made = grow(Path("run"), model, tasks=60, gates=judged(judge), prices=PRICES)
        assert made.status.finished == len(made.tasks) == 60
        kept = [
            (task.definition, it.input, it.output) for task in made.tasks for it in task.instances
        ]
        rejected = [
            (candidate.task.definition, bad.instance.input, bad.instance.output)
            for generation in made.generations
            for candidate in generation.candidates
            for bad in candidate.rejected_instances
            if bad.reason == "judged"
        ]
        assert all(passes(*instance) for instance in kept)
        assert not any(passes(*instance) for instance in rejected)
        came = len(kept) + len(rejected)
        assert came > 120
        shown = seedstep("status", "run").words
        assert f"judged {came} {len(kept)} {len(kept) / came:.0%}" in shown
        share = 0.6 * 0.9 + 0.4 * 0.2
        assert len(kept) / came == pytest.approx(share, abs=three_errors(share, came))
        good = sum(is_good(*instance) for instance in kept)
        right = 0.6 * 0.9 / share
        assert good / len(kept) == pytest.approx(right, abs=three_errors(right, len(kept)))
        usage = made.status.usage
        usd = sum(
            used.prompt_tokens * price["input"] + used.completion_tokens * price["output"]
            for purpose, used in usage.items()
            for price in [PRICES["better" if purpose == "gate judged" else "scripted"]]
        )
        assert f"for each finished task ${usd / 1e6 / 60:.4f}" in shown
        used = usage["gate judged"]
        cost = (used.prompt_tokens * 30 + used.completion_tokens * 40) / 1e6
        assert f"{len(kept) / came:.0%} ${cost:,.4f} a model denies" in shown

    def test_only_its_server_is_asked_and_by_its_name(
        self, servers: tuple[ScriptedServer, ...]
    ) -> None:
        model, judge, _ = servers
        made = grow(Path("run"), model, tasks=5, gates=judged(judge), window=1)
        assert not any(ASKED.search(text_of(body)) for body in model.bodies)
        assert {body["model"] for body in judge.bodies} == {"better"}
        assert judge.requests == made.status.usage["gate judged"].requests
        assert model.requests + judge.requests == sum(
            it.requests for it in made.status.usage.values()
        )

    def test_two_judges_at_one_server_are_both_asked(
        self, servers: tuple[ScriptedServer, ...]
    ) -> None:
        model, judge, _ = servers
        gates = judged(judge) | {"again": judged(judge, "openai:second")["judged"]}
        grow(Path("run"), model, tasks=3, gates=gates)
        by_model = [
            {text_of(body) for body in judge.bodies if body["model"] == name}
            for name in ("better", "second")
        ]
        assert by_model[1]
        assert by_model[1] <= by_model[0]  # what the first rejects does not come to the second

    def test_the_runs_own_model_is_not_opened_twice(
        self, servers: tuple[ScriptedServer, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, *_ = servers
        model.script = lambda number, body: (
            better(number, body) if ASKED.search(text_of(body)) else None
        )
        opened: list[Any] = []

        def watched(opening: Any, *asked: Any, **named: Any) -> Any:
            opened.append(asked)
            return opening(*asked, **named)

        for module, name in ((asking, "open_asked"), (of_bootstrap, "open_model")):
            monkeypatch.setattr(module, name, partial(watched, getattr(module, name)))
        grow(Path("named"), model, tasks=3, gates=judged(model, "openai:scripted"))
        assert len(opened) == 1
        grow(Path("plain"), model, tasks=3, gates={"judged": {"judge": {}}})
        assert exported(Path("named")) == exported(Path("plain"))


class TestBudget:
    def test_the_price_of_its_model_is_wanted(self, servers: tuple[ScriptedServer, ...]) -> None:
        model, judge, _ = servers
        prices = {"scripted": PRICES["scripted"]}
        with pytest.raises(InputError, match="the price of 'better' is not known"):
            grow(Path("run"), model, tasks=3, gates=judged(judge), max_usd=1.0, prices=prices)
        assert not Path("run").exists()

    def test_its_requests_and_dollars_count(self, servers: tuple[ScriptedServer, ...]) -> None:
        model, judge, _ = servers
        settings: dict[str, Any] = {"tasks": 20, "gates": judged(judge), "prices": PRICES}
        settings |= {"in_flight": 1}
        grow(Path("few"), model, **settings, max_requests=40)
        assert model.requests + judge.requests == 40
        watch = Watch()
        with self_instruct("run", watch=watch, **asked_of(model, **settings, max_usd=0.1)) as run:
            spent = run.settings.pricing.usd(run.spent().tokens)
            assert spent is not None
            assert 0.1 <= spent < 0.12
            assert 0 < run.status().finished < 20
        assert isinstance(watch.stopped(), BudgetReached)
        grow(Path("run"), model, **settings, max_usd=9.0)
        grow(Path("whole"), model, **settings)
        assert exported(Path("run")) == exported(Path("whole"))

    def test_the_price_of_a_good_task_is_told_while_it_runs(
        self, servers: tuple[ScriptedServer, ...]
    ) -> None:
        model, judge, _ = servers
        watch = Watch()
        settings = asked_of(model, tasks=5, gates=judged(judge), prices=PRICES, in_flight=1)
        with self_instruct("run", watch=watch, **settings) as run:
            usd = run.settings.pricing.usd(run.spent().tokens)
        assert usd is not None
        assert watch.prices[-1] is not None
        each = usd / 5  # what was in flight then may come on top
        assert 0.8 * each < watch.prices[-1] <= each * (1 + 1e-9)
        assert all(price is not None and price > 0 for price in watch.prices[-2:])
        flags = ("--model", "openai:scripted", "--base-url", model.url, "--tasks", 3)
        Path("more.yaml").write_text(yaml.safe_dump({"prices": PRICES, "gates": judged(judge)}))
        done = seedstep("bootstrap", *flags, "--config", "more.yaml", "--out", "other")
        assert re.search(r"\[3/3, \$0\.\d{4} a task\]", done.words)


class Watch(Recorder):
    """Keeps the price of a task after each generation."""

    def __init__(self) -> None:
        super().__init__()
        self.prices: list[float | None] = []
        self.progress: BootstrapProgress | None = None

    def began(self, progress: BootstrapProgress) -> None:
        self.progress = progress

    def retired(self, progress: BootstrapProgress, generation: Generation) -> None:
        self.prices.append(progress.usd_per_task)
        super().retired(progress, generation)

    def stopped(self) -> BudgetReached | None:
        assert self.progress
        return self.progress.stopped


class TestAddress:
    def test_the_environment_is_asked_once(
        self, servers: tuple[ScriptedServer, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, judge, other = servers
        monkeypatch.setenv(URL, judge.url)
        grow(Path("run"), model, tasks=2, gates=judged())
        assert judge.requests
        assert config()["gate_base_urls"] == {"judged": judge.url}
        monkeypatch.setenv(URL, other.url)
        grow(Path("run"), model, tasks=3)
        monkeypatch.delenv(URL)
        grow(Path("run"), model, tasks=4, gates=judged())
        assert other.requests == 0

    def test_another_address_is_refused_and_may_be_of_the_same_model(
        self, servers: tuple[ScriptedServer, ...]
    ) -> None:
        model, judge, other = servers
        grow(Path("run"), model, tasks=2, gates=judged(judge))
        asked = judge.requests
        with open_run("run", BOOTSTRAP) as run:
            usage = run.status().usage
        written = ("generation", "classification", "instances")
        kept = sum(each.requests for name, each in usage.items() if name not in written)
        assert kept
        assert "gate_identity_urls" not in config()
        with pytest.raises(RunMismatchError, match=r"gate_base_urls.*--same-model"):
            grow(Path("run"), model, tasks=3, gates=judged(other))
        grow(Path("run"), model, tasks=6, gates=judged(other), same_model=True)
        assert judge.requests == asked
        again = set(times_asked(judge.bodies)) & set(times_asked(other.bodies))
        assert len(again) <= asked - kept  # what was in flight when the first command ended
        assert config()["gate_base_urls"] == {"judged": other.url}
        assert config()["gate_identity_urls"] == {"judged": judge.url}
        urls = {"judged": judge.url}
        grow(Path("run"), model, tasks=7, gate_base_urls=urls, same_model=True)
        assert "gate_identity_urls" not in config()
        grow(Path("whole"), model, tasks=7, gates=judged(judge))
        assert exported(Path("run")) == exported(Path("whole"))

    def test_another_judge_or_none_is_another_run(
        self, servers: tuple[ScriptedServer, ...]
    ) -> None:
        model, judge, _ = servers
        grow(Path("run"), model, tasks=2, gates=judged(judge))
        with pytest.raises(RunMismatchError, match="gates"):
            grow(Path("run"), model, tasks=3, gates=judged(judge, "openai:other"), same_model=True)
        own: tuple[dict[str, Any], ...] = ({}, {"judged": {"judge": {}}})
        for gates in own:
            with pytest.raises(InputError, match="'judged' asks no server of its own"):
                grow(Path("run"), model, tasks=3, gates=gates, same_model=True)
        grow(Path("plain"), model, tasks=1, gates={"short": {"match": {"pattern": "."}}})
        with pytest.raises(RunMismatchError, match=r"gates: .* there, {} asked"):
            grow(Path("plain"), model, tasks=2, gates={})

    @pytest.mark.parametrize("is_new", [True, False])
    @pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1:1/v1", "http://[", "judge"])
    def test_an_address_that_can_not_be_used_is_refused_before_anything_is_written(
        self, servers: tuple[ScriptedServer, ...], url: str, *, is_new: bool
    ) -> None:
        model, judge, _ = servers
        if not is_new:
            grow(Path("run"), model, tasks=1, gates=judged(judge))
        before = {path: path.read_bytes() for path in Path().rglob("run/*")}
        gates = {"judged": {"judge": {"model": "openai:better", "base_url": url}}}
        with pytest.raises(InputError, match=r"password|not an address"):
            grow(Path("run"), model, tasks=1, gates=gates)
        assert {path: path.read_bytes() for path in Path().rglob("run/*")} == before
        flags = ("--model", "openai:scripted", "--base-url", model.url, "--dry-run")
        done = seedstep("bootstrap", *flags, "--gates", json.dumps(gates))
        assert done.code == 1
        assert "secret" not in done.words

    def test_a_password_in_the_environment_is_refused_too(
        self, servers: tuple[ScriptedServer, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(URL, "http://user:secret@127.0.0.1:1/v1")
        with pytest.raises(InputError, match="password"):
            grow(Path("run"), servers[0], tasks=1, gates=judged())
        assert not Path("run").exists()

    @pytest.mark.usefixtures("quick_figures")
    def test_no_report_and_no_card_shows_it(self, servers: tuple[ScriptedServer, ...]) -> None:
        model, judge, _ = servers
        gates = judged(judge) | {"short": {"match": {"pattern": "^.{0,60}$"}}}
        made = grow(Path("run"), model, tasks=3, gates=gates, prices=PRICES)
        assert seedstep("report", "run", "--out", "report").code == 0
        page = Path("report/index.html").read_text("utf-8")
        hub = ("--format", "hub", "--license", "cc-by-4.0", "--out", "hub")
        assert seedstep("export", "run", *hub).code == 0
        card = Path("hub/README.md").read_text("utf-8")
        assert judge.url not in page
        assert judge.url not in card
        assert "| gate judged | rejects: a model denies: " in card
        assert "(openai:better) |" in card
        table = page.partition(">Gates<")[2].partition("</table>")[0]
        passed = made.status.instances + made.status.bad_instances.get("short", 0)
        came = passed + made.status.bad_instances["judged"]
        cells = re.findall(r"<td[^>]*>(.*?)</td>", table)
        assert [str(came), str(passed)] == cells[0:2] or [str(came), str(passed)] == cells[1:3]

    def test_a_run_without_such_a_gate_has_no_address_for_it(
        self, servers: tuple[ScriptedServer, ...]
    ) -> None:
        grow(Path("run"), servers[0], tasks=1, gates={"short": {"match": {"pattern": "."}}})
        assert not [name for name in config() if name.startswith("gate_")]


@pytest.mark.parametrize(
    ("options", "more", "message"),
    [
        ({"model": "better"}, {}, r"gate 'judged': model 'better' is not of a known kind"),
        ({"model": "hf:some/where"}, {}, r"gate 'judged': model 'hf:some/where' says how likely"),
        ({"model": ""}, {}, r"gate 'judged': model '' is not of a known kind"),
        ({"model": 3}, {}, r"gate 'judged': Expected `str \| null`, got `int`"),
        ({"base_url": "http://127.0.0.1:1/v1"}, {}, "gate 'judged' asks no server of its own"),
        ({"model": "local", "base_url": "http://a.b/v1"}, {}, "asks no server of its own"),
        ({}, {"gate_base_urls": {"other": "http://a.b/v1"}}, "'other' asks no server of its own"),
        ({"model": "openai:x", "base_url": 3}, {}, "gate_base_urls.*expected `str "),
    ],
)
def test_what_is_wrong_is_named(
    options: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message), ScriptedServer() as server:
        grow(Path("run"), server, tasks=1, gates={"judged": {"judge": options}}, **more)
    assert not Path("run").exists()


def test_stopped_it_goes_on_to_the_same_bytes_and_asks_nothing_again(
    servers: tuple[ScriptedServer, ...],
) -> None:
    model, judge, other = servers
    with ScriptedServer() as another:
        grow(Path("whole"), another, tasks=12, gates=judged(other))
    grow_again(Path("run"), [model, judge], tasks=12, gates=judged(judge))
    assert exported(Path("run")) == exported(Path("whole"))


@pytest.mark.parametrize("in_flight", [1, 8])
def test_the_data_do_not_depend_on_which_reply_comes_first(
    servers: tuple[ScriptedServer, ...], in_flight: int
) -> None:
    model, judge, other = servers
    grow(Path("plain"), model, tasks=10, gates=judged(judge))
    chance = Random(1)
    other.script = lambda number, body: replace(better(number, body), delay=chance.uniform(0, 0.01))
    with ScriptedServer(random_delays(0.01)) as slow:
        grow(Path("run"), slow, tasks=10, gates=judged(other), in_flight=in_flight)
    assert exported(Path("run")) == exported(Path("plain"))
