"""The bootstrap on a scripted model: order, numbers, demonstrations, and what failures do to it."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from seedstep import BootstrapSettings, seed_tasks
from seedstep.bootstrap import Generation, bootstrap
from seedstep.bootstrap.prompting import as_shown
from seedstep.errors import InputError, StoreError
from seedstep.llm import Answer, Endpoint, Engine, MemoryLedger, Request
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.growing import (
    STYLES,
    Outcome,
    exported,
    generated_in,
    grow,
    purpose_of,
    text_of,
    times_asked,
    where,
)
from support.scripted_server import Fault, ScriptedServer, completion, random_delays

REFUSED = Fault(400)
BARREN = Fault(body=completion(" Draw a cat.\n10. Draw a cat on a table.\n11. Too short."))
FRUITFUL = Fault(body=completion(" Describe the smell of rain on warm stones."))


def drawn(server: ScriptedServer) -> list[int]:
    """The items whose generation request reached the server, in the order they came."""
    return [body["seed"] for body in server.bodies if purpose_of(body) == "generation"]


def decisions(generations: tuple[Generation, ...]) -> list[tuple[str, str, str]]:
    return [
        (candidate.task.id, candidate.task.definition, candidate.reason)
        for g in generations
        for candidate in g.candidates
    ]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("tasks", [1, 2, 7, 40])
def test_exactly_as_many_finished_tasks_as_asked_for(
    style: str, tasks: int, tmp_path: Path
) -> None:
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, prompt_style=style, tasks=tasks)
    assert made.status.finished == len(made.tasks) == tasks
    assert len({task.id for task in made.tasks}) == tasks
    assert all(task.instances for task in made.tasks)
    assert all(instance.output for task in made.tasks for instance in task.instances)
    assert made.generations[-1].candidates[-1].task == made.tasks[-1]


@pytest.mark.parametrize(
    ("style", "generation", "others"),
    [
        ("completion", "/v1/completions", "/v1/completions"),
        ("turns", "/v1/completions", "/v1/chat/completions"),
        ("dialogue", "/v1/completions", "/v1/chat/completions"),
        ("chat", "/v1/chat/completions", "/v1/chat/completions"),
    ],
)
def test_a_style_asks_where_it_should(
    style: str, generation: str, others: str, tmp_path: Path
) -> None:
    with ScriptedServer() as server:
        grow(tmp_path / "run", server, prompt_style=style, tasks=5)
    asked = {
        (purpose_of(body), path) for body, path in zip(server.bodies, server.paths, strict=True)
    }
    assert asked == {("generation", generation), ("classification", others), ("instances", others)}


@pytest.mark.parametrize(("style", "window"), [("completion", 8), ("chat", 8), ("chat", 3)])
def test_the_data_does_not_depend_on_how_many_are_in_flight_and_how_fast(
    style: str, window: int, tmp_path: Path
) -> None:
    settings = {"prompt_style": style, "window": window, "tasks": 15}
    with ScriptedServer() as server:
        quick = grow(tmp_path / "quick", server, **settings)
        bytes_of_quick = exported(quick.path)
        for limit in (1, 4, 8, 64):
            server.script = random_delays(0.015)
            server.most_in_flight = 0
            slow = grow(tmp_path / f"slow{limit}", server, in_flight=limit, **settings)
            assert slow.generations == quick.generations
            assert exported(slow.path) == bytes_of_quick
            assert min(limit, 2) <= server.most_in_flight <= limit


def test_a_fault_that_passes_leaves_no_trace_in_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedstep.llm.engine.backoff", lambda attempt: 0.001)
    faults = (Fault(500), Fault(429), Fault(reset=True), Fault(body=b"<html>"), None)
    seen: set[str] = set()

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        """Every request is in trouble once, most of them."""
        text = json.dumps(body)
        known = text in seen
        seen.add(text)
        return None if known else faults[len(text) % len(faults)]

    with ScriptedServer() as server:
        calm = grow(tmp_path / "calm", server, tasks=12)
        server.script = script
        troubled = grow(tmp_path / "troubled", server, tasks=12)
    assert server.requests > 1.5 * sum(usage.requests for usage in calm.status.usage.values())
    assert troubled.generations == calm.generations


def test_same_seed_same_data_another_seed_other_data(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        first, same, other = (
            grow(tmp_path / str(number), server, seed=seed, tasks=12)
            for number, seed in enumerate((1, 1, 2))
        )
    assert exported(same.path) == exported(first.path)
    assert same.generations == first.generations
    assert {task.definition for task in other.tasks} != {task.definition for task in first.tasks}


def test_the_window_is_part_of_what_the_data_depends_on(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        narrow, wide = (grow(tmp_path / str(n), server, window=n, tasks=20) for n in (1, 8))
    assert decisions(narrow.generations) != decisions(wide.generations)


@pytest.mark.parametrize("style", STYLES)
def test_nothing_is_asked_twice(style: str, tmp_path: Path) -> None:
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, prompt_style=style, tasks=60)
    assert set(times_asked(server.bodies).values()) == {1}
    assert sum(usage.requests for usage in made.status.usage.values()) == server.requests


@pytest.mark.parametrize("window", [1, 3, 8])
def test_six_seeds_and_two_finished_tasks_are_shown(window: int, tmp_path: Path) -> None:
    with ScriptedServer(random_delays(0.005)) as server:
        made = grow(tmp_path / "run", server, window=window, tasks=40)
    seeds = {task.id for task in seed_tasks()}
    for written in made.generations:
        retired = made.generations[: max(0, written.index - window + 1)]
        known = {c.task.id for generation in retired for c in generation.candidates if not c.reason}
        machine = set(written.demonstrations) - seeds
        assert machine <= known
        assert len(machine) == min(2, len(known))
        assert len(written.demonstrations) == len(set(written.demonstrations)) == 8
    assert len(made.generations) > window + 2


def test_demonstrations_are_shuffled_and_stand_in_the_prompt(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, prompt_style="completion", window=1, tasks=40)
    texts = {task.id: as_shown(task.definition) for task in (*seed_tasks(), *made.tasks)}
    prompts = {b["seed"]: b["prompt"] for b in server.bodies if purpose_of(b) == "generation"}
    places = set()
    for generation in made.generations:
        shown = re.findall(r"^\d\. (.+)$", prompts[generation.index], re.MULTILINE)
        assert shown == [texts[task] for task in generation.demonstrations]
        places |= {n for n, task in enumerate(generation.demonstrations) if task.startswith("g")}
    assert len(places) >= 6


def test_an_accepted_instruction_goes_on_while_others_are_being_written(tmp_path: Path) -> None:
    """The reply to the second request waits for the requests that follow from the first."""
    latest = time.monotonic() + 10
    with ScriptedServer() as server:

        def went_on() -> bool:
            return any(purpose_of(body) == "instances" for body in server.bodies)

        server.script = where(
            generated_in(1), Fault(until=lambda: went_on() or time.monotonic() > latest)
        )
        grow(tmp_path / "run", server, in_flight=2, window=2, tasks=8)
    assert 1 in drawn(server)
    assert time.monotonic() < latest


@pytest.mark.parametrize("window", [1, 4])
def test_a_run_that_dries_up_stops_and_says_why(window: int, tmp_path: Path) -> None:
    with ScriptedServer(where(lambda body: True, BARREN)) as server:
        made = grow(
            tmp_path / "run", server, prompt_style="completion", patience=5, window=window, tasks=9
        )
    assert made.tasks == ()
    assert len(made.generations) == made.status.generations == 5
    assert made.status.rejected == {"too_short": 10, "keyword": 5}
    assert max(drawn(server)) < 5 + window


@pytest.mark.parametrize("window", [1, 4])
def test_a_finished_task_renews_the_patience(window: int, tmp_path: Path) -> None:
    with ScriptedServer() as server:
        server.script = lambda number, body: {
            "generation": FRUITFUL if generated_in(3)(body) else BARREN
        }.get(purpose_of(body))
        made = grow(
            tmp_path / "run", server, prompt_style="completion", patience=4, window=window, tasks=9
        )
    assert [generation.index for generation in made.generations] == list(range(8))
    assert [task.id for task in made.tasks] == ["g3.1"]
    assert made.status.rejected == {"too_short": 14, "keyword": 7}


@pytest.mark.parametrize("style", STYLES)
def test_a_refused_generation_request_does_not_stop_the_run(style: str, tmp_path: Path) -> None:
    with ScriptedServer(where(generated_in(0, 2), REFUSED)) as server:
        made = grow(tmp_path / "run", server, prompt_style=style, tasks=10)
    assert len(made.tasks) == 10
    failed = [generation for generation in made.generations if generation.failure]
    assert [generation.index for generation in failed] == [0, 2]
    assert all("HTTP 400: scripted fault" in generation.failure for generation in failed)
    assert all(generation.candidates == () for generation in failed)
    assert made.status.usage["generation"].failed == 2


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("purpose", ["classification", "instances"])
def test_a_refused_request_rejects_its_candidate(purpose: str, style: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"prompt_style": style, "tasks": 10}
    with ScriptedServer() as server:
        victim = grow(tmp_path / "calm", server, **settings).tasks[1]
        asked = as_shown(victim.definition)

        def hits(body: dict[str, Any]) -> bool:
            lines = text_of(body).splitlines()
            return purpose_of(body) == purpose and not {asked, f"Task: {asked}"}.isdisjoint(lines)

        server.script = where(hits, REFUSED)
        made = grow(tmp_path / "troubled", server, **settings)
    rejected = {c.task.id: c for g in made.generations for c in g.candidates}[victim.id]
    assert (rejected.reason, rejected.detail) == ("request_failed", "HTTP 400: scripted fault")
    assert rejected.classification_request
    assert bool(rejected.instances_request) == (purpose == "instances")
    assert made.status.rejected["request_failed"] == 1
    assert made.status.usage[purpose].failed == 1
    assert len(made.tasks) == 10
    assert victim.id not in {task.id for task in made.tasks}


@pytest.mark.parametrize(
    ("fidelity", "reasons"), [("paper", ["", "cut_list"]), ("released", ["cut_list", "cut_list"])]
)
def test_a_list_cut_at_its_length_limit(fidelity: str, reasons: list[str], tmp_path: Path) -> None:
    text = " Describe a calm morning at sea.\n10. Explain why the sky has"
    choice = {"index": 0, "text": text, "finish_reason": "length"}
    cut = Fault(body=completion("", choices=[choice]))
    with ScriptedServer(where(generated_in(0), cut)) as server:
        made = grow(tmp_path / "run", server, prompt_style="completion", fidelity=fidelity, tasks=5)
    candidates = made.generations[0].candidates
    assert [candidate.reason for candidate in candidates] == reasons
    assert [candidate.task.definition for candidate in candidates] == [
        "Describe a calm morning at sea.",
        "Explain why the sky has",
    ]


def test_the_novelty_filter_is_on_and_its_threshold_counts(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        strict, lax = (
            grow(tmp_path / str(limit), server, novelty_threshold=limit, tasks=20)
            for limit in (0.3, 1.0)
        )
    assert strict.status.rejected["not_novel"] > 5 * lax.status.rejected.get("not_novel", 0) + 5
    for generation in strict.generations:
        for candidate in generation.candidates:
            near = candidate.neighbor.score if candidate.neighbor else 0.0
            assert (near >= 0.3) == (candidate.reason == "not_novel")


@pytest.fixture(name="cut_and_whole")
def _cut_and_whole(tmp_path: Path) -> tuple[Outcome, Outcome, ScriptedServer]:
    """A run of 6 tasks, one of 60 that begins like it, and the server of the first."""
    with ScriptedServer() as server:
        made = grow(tmp_path / "six", server, tasks=6)
        asked = list(server.bodies)
        whole = grow(tmp_path / "sixty", server, tasks=60)
    server.bodies[:] = asked
    return made, whole, server


def test_what_follows_the_last_task_is_cut(
    cut_and_whole: tuple[Outcome, Outcome, ScriptedServer],
) -> None:
    made, whole, _ = cut_and_whole
    assert made.tasks == whole.tasks[:6]
    *before, last = made.generations
    assert tuple(before) == whole.generations[: len(before)]
    uncut = whole.generations[len(before)].candidates
    assert last.candidates == uncut[: len(last.candidates)]
    assert len(last.candidates) < len(uncut)


def test_items_that_were_not_retired_are_not_recorded(
    cut_and_whole: tuple[Outcome, Outcome, ScriptedServer],
) -> None:
    made, whole, server = cut_and_whole
    retired = len(made.generations)
    assert max(drawn(server)) >= retired
    assert made.status.generations == retired
    with Run.read(BOOTSTRAP, made.path) as run:
        for decision in decisions(made.generations):
            assert run.records.show(decision[0]).candidate.task.definition == decision[1]
        for decision in decisions(whole.generations[retired:]):
            with pytest.raises(InputError):
                run.records.show(decision[0])


def test_no_more_is_asked_for_than_may_be_needed(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        made = grow(tmp_path / "run", server, window=64, in_flight=64, tasks=1)
    assert [generation.index for generation in made.generations] == [0]
    assert drawn(server) == [0]


def test_replies_that_overtake_one_another_are_retired_in_order(tmp_path: Path) -> None:
    late = Fault(delay=0.1)
    with ScriptedServer(where(generated_in(0, 2, 5), late)) as server:
        made = grow(tmp_path / "run", server, in_flight=64, window=16, tasks=30)
    assert [generation.index for generation in made.generations] == list(
        range(len(made.generations))
    )
    assert len(made.generations) > 6
    follow_up = next(n for n, body in enumerate(server.bodies) if purpose_of(body) != "generation")
    assert server.arrived[follow_up] - server.arrived[0] > 0.09


class FullLedger(MemoryLedger):
    """Takes so many answers and no more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    async def put(self, key: str, request: Request, answer: Answer) -> None:
        if len(self.answers) >= self.room:
            raise StoreError("run.db: disk full", "free some space")
        await super().put(key, request, answer)


@pytest.mark.parametrize("in_flight", [1, 4])
async def test_what_can_not_be_kept_is_not_asked_for(in_flight: int) -> None:
    """A full disk ends the run at once: what is on its way then is lost, and nothing more."""
    room = 10
    with ScriptedServer() as server:
        endpoint = Endpoint("openai:test", "scripted", server.url)
        settings = BootstrapSettings.of(model="openai:scripted", window=8, tasks=40)
        async with Engine(endpoint, FullLedger(room), in_flight) as engine:
            with pytest.raises(StoreError):
                async for _ in bootstrap(settings, seed_tasks(), engine):
                    pass
    assert server.requests <= room + in_flight
