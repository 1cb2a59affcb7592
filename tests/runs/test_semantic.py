"""A bootstrap that compares by meaning: what it rejects and keeps, killed, resumed, and refused."""

import asyncio
import json
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from seedstep.bootstrap import Candidate
from seedstep.bootstrap.pool import Meanings
from seedstep.errors import InputError, ModelError, RunMismatchError
from seedstep.llm import Failure
from seedstep.llm.checkpoints import public_encoder
from seedstep.novelty import Overlap, unit_rows
from seedstep.prompts import exchanges
from seedstep.recipes import merge_runs
from seedstep.report.sections.grown import rejections_section
from seedstep.runs import Run
from seedstep.stages import BOOTSTRAP
from support.bad_replies import reply
from support.command_line import environment, seedstep
from support.forking import ForkedProcess, forked
from support.growing import Outcome, exported, grow, times_asked
from support.scripted_server import (
    Fault,
    ScriptedServer,
    embeddings,
    error,
    made_up_embedding,
    random_delays,
)

if TYPE_CHECKING:
    from seedstep.llm.embeddings import Encoder

THRESHOLD = 0.8
SEMANTIC: dict[str, Any] = {"semantic": "openai:encoder", "semantic_threshold": THRESHOLD}
SETTINGS: dict[str, Any] = {"tasks": 14, "window": 4, "in_flight": 4, "seed": 3}


def grow_by_meaning(path: Path, server: ScriptedServer, **settings: Any) -> Outcome:
    asked = {"semantic_base_url": server.url, **SEMANTIC, **SETTINGS, **settings}
    return grow(path, server, **asked)


def candidates_of(made: Outcome) -> list[Candidate]:
    return [found for generation in made.generations for found in generation.candidates]


def vector(text: str) -> Any:
    return unit_rows(np.array([made_up_embedding(text)], np.float32))[0].astype(float)


def is_embedding(body: dict[str, Any]) -> bool:
    return "input" in body


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, ScriptedServer]:
    with ScriptedServer() as server:
        return grow_by_meaning(tmp_path_factory.mktemp("made") / "run", server), server


def test_neighbours_and_decisions_are_those_of_brute_force(
    made: tuple[Outcome, ScriptedServer],
) -> None:
    outcome, _ = made
    with Run.read(BOOTSTRAP, outcome.path) as run:
        known = {name: vector(text) for name, text in run.records.seed_definitions()}
        reasons = []
        for candidate in candidates_of(outcome):
            if candidate.reason in ("too_short", "keyword", "starts_with_punctuation"):
                assert candidate.meaning is None
                continue
            own = vector(candidate.task.definition)
            scores = {name: round(float(own @ other), 6) for name, other in known.items()}
            nearest = max(scores, key=lambda name: scores[name])
            assert candidate.meaning
            assert candidate.meaning.score == pytest.approx(scores[nearest], abs=2e-6)
            assert candidate.meaning.id == nearest
            close = candidate.meaning.score >= THRESHOLD
            assert close if candidate.reason == "same_meaning" else True
            assert candidate.reason in ("same_meaning", "not_novel") if close else True
            if candidate.reason not in ("same_meaning", "not_novel"):
                known[candidate.task.id] = own
            reasons.append(candidate.reason)
            kept = run.records.show(candidate.task.id)
            assert kept.candidate == candidate
    assert "same_meaning" in reasons
    assert len(outcome.tasks) == 14


def test_what_every_request_of_a_style_shows_is_known_by_meaning(tmp_path: Path) -> None:
    shown = exchanges()[0][0]
    again = f"{' '.join(reversed(shown.rstrip('?.').split())).capitalize()}?"

    def script(number: int, body: dict[str, Any]) -> Fault | None:
        return reply(body, again) if "prompt" in body else None

    with ScriptedServer(script) as server:
        asked = {"prompt_style": "dialogue", "tasks": 1, "patience": 1}
        (found,) = candidates_of(grow_by_meaning(tmp_path / "run", server, **asked))
    assert (found.reason, found.detail) == ("same_meaning", "cosine 1.00 with shown_1")
    with Run.read(BOOTSTRAP, tmp_path / "run") as run:
        ((_, near),) = run.records.rejected_candidates(5)
    assert near
    assert near.text == shown


def test_a_known_text_that_is_refused_now_is_one_clear_error() -> None:
    """Its embedding was lost, and the server takes shorter texts than before."""

    class Refusing:
        name = "openai:encoder"

        async def embed(self, texts: Sequence[str], *_: Any, **__: Any) -> list[Failure]:
            return [Failure("refused", "400 too long")] * len(texts)

    meanings = Meanings(cast("Encoder", Refusing()), THRESHOLD)
    with pytest.raises(ModelError, match=r"'g0\.1' can't be embedded by .*: 400 too long"):
        asyncio.run(meanings.remember([("g0.1", "Sort the list.")]))


def test_it_is_told_with_the_reason_and_the_neighbour(
    made: tuple[Outcome, ScriptedServer],
) -> None:
    outcome, _ = made
    bad = next(each for each in candidates_of(outcome) if each.reason == "same_meaning")
    assert bad.meaning
    assert bad.detail == f"cosine {bad.meaning.score:.2f} with {bad.meaning.id}"
    told = seedstep("status", outcome.path).words
    assert "same_meaning" in told
    assert "compared by meaning with openai:encoder" in told
    shown = seedstep("show", outcome.path, bad.task.id).words
    assert f"nearest in meaning: cosine {bad.meaning.score:.3f} with {bad.meaning.id}: " in shown


def test_the_report_shows_what_it_was_too_close_to(
    made: tuple[Outcome, ScriptedServer], tmp_path: Path
) -> None:
    outcome, _ = made
    bad = next(each for each in candidates_of(outcome) if each.reason == "same_meaning")
    assert bad.meaning
    with Run.read(BOOTSTRAP, outcome.path) as run:
        shown = next(each for each in run.records.rejected_candidates(50) if each[0] == bad)
        text = run.records.show(bad.task.id).meaning
    assert text
    assert shown == (bad, Overlap(bad.meaning.id, text, bad.meaning.score, "cosine"))
    section = rejections_section(outcome.status, [shown], [], {})
    assert f"nearest known instruction, cosine {bad.meaning.score:.2f}" in str(section)


def test_a_card_names_the_encoder_and_no_path() -> None:
    assert public_encoder("minilm") == "minilm"
    assert public_encoder("hf:/home/me/encoders/mine") == "hf:mine"
    assert public_encoder("openai:text-embedding-3-small") == "openai:text-embedding-3-small"


def test_without_it_nothing_is_embedded_and_nothing_else_is_written(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        plain = grow(tmp_path / "plain", server, **SETTINGS)
        assert not any(map(is_embedding, server.bodies))
    assert "semantic" not in (plain.path / "run.yaml").read_text()
    assert all(candidate.meaning is None for candidate in candidates_of(plain))


def test_in_any_order_and_gone_on_with_it_is_the_same_and_asks_nothing_twice(
    made: tuple[Outcome, ScriptedServer], tmp_path: Path
) -> None:
    outcome, _ = made
    with ScriptedServer(random_delays(0.02)) as server:
        grow_by_meaning(tmp_path / "run", server, tasks=5, in_flight=8)
        again = grow_by_meaning(tmp_path / "run", server, tasks=14, in_flight=1)
        asked = times_asked(body for body in server.bodies if is_embedding(body))
    assert set(asked.values()) == {1}
    assert [each.meaning for each in candidates_of(again)] == [
        each.meaning for each in candidates_of(outcome)
    ]
    assert exported(again.path) == exported(outcome.path)


def wait_for(condition: Callable[[], bool], running: ForkedProcess) -> None:
    latest = time.monotonic() + 60
    while not condition() and running.poll() is None:
        assert time.monotonic() < latest
        time.sleep(0.005)


def embedded(path: Path) -> int:
    if not (path / "run.db").exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}/run.db?mode=ro", uri=True)) as database:
        try:
            query = "SELECT count(*) FROM requests WHERE purpose = 'embedding'"
            return int(database.execute(query).fetchone()[0])
        except sqlite3.OperationalError:
            return 0


@pytest.mark.parametrize("kill_at", [2, 9])
def test_killed_it_ends_in_the_same_bytes(
    kill_at: int, made: tuple[Outcome, ScriptedServer], tmp_path: Path
) -> None:
    outcome, _ = made
    path = tmp_path / "run"
    with ScriptedServer(random_delays(0.03)) as server:
        options = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
        options += ["--model=openai:scripted", f"--base-url={server.url}"]
        options += ["--semantic=openai:encoder", f"--semantic-base-url={server.url}"]
        command = forked("bootstrap", "--out", path, *options)
        with ForkedProcess(command, stdout=-1, stderr=-1, env=environment()) as running:
            wait_for(lambda: embedded(path) >= kill_at, running)
            running.send_signal(signal.SIGKILL)
    before = embedded(path)
    with ScriptedServer(port=server.port) as again:
        grow_by_meaning(path, again)
    after = [body for body in again.bodies if is_embedding(body)]
    assert before >= kill_at
    assert len(after) == embedded(path) - before
    assert exported(path) == exported(outcome.path)


def test_what_is_close_to_an_evaluation_set_in_other_words_is_rejected(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        plain = grow_by_meaning(tmp_path / "plain", server)
        task = plain.tasks[0]
        words = task.definition.rstrip(".").split()
        mixed = " ".join(reversed(words))
        items = tmp_path / "items.jsonl"
        items.write_text(json.dumps({"id": "held", "instruction": mixed}) + "\n")
        clean = grow_by_meaning(tmp_path / "clean", server, decontaminate=[str(items)])
    found = next(each for each in candidates_of(clean) if each.task.definition == task.definition)
    assert found.reason == "contaminated"
    assert found.detail.startswith("cosine 1.00 with items.jsonl, line 1")
    assert task.definition not in [each.definition for each in clean.tasks]


def test_shards_are_compared_by_meaning_when_they_are_merged(tmp_path: Path) -> None:
    shards = [tmp_path / f"shard-{number}" for number in (1, 2, 3)]
    least = 0.7
    asked = {"tasks": 12, "semantic_threshold": least, "prompt_style": "completion"}
    with ScriptedServer() as server:
        for number, path in enumerate(shards, start=1):
            grow_by_meaning(path, server, shard=f"{number}/3", **asked)
    report = merge_runs(shards, tmp_path / "merged")  # with no server there
    assert report.dropped["same_meaning"] > 0
    assert not report.merge.missing
    with Run.read(BOOTSTRAP, tmp_path / "merged") as run:
        vectors = [vector(task.definition) for task in run.tasks()]
        assert len(vectors) == report.kept
        for place, own in enumerate(vectors):
            assert all(round(float(own @ other), 6) < least for other in vectors[:place])
        dropped = [each for each in run.records.rejected() if each[1] == "same_meaning"]
        details = [run.records.show(name) for name, _, _ in dropped]
    assert all(each.candidate.meaning for each in details)
    for each in details:
        near = each.candidate.meaning
        assert near
        score = float(vector(each.candidate.task.definition) @ vector(each.meaning))
        assert near.score == pytest.approx(score, abs=2e-6)
        assert near.score >= least
    merge_runs(shards[::-1], tmp_path / "again")
    assert exported(tmp_path / "again") == exported(tmp_path / "merged")


def test_shards_with_encoders_of_their_own_are_merged_without_asking(tmp_path: Path) -> None:
    shards = [tmp_path / "shard-1", tmp_path / "shard-2"]
    asked = {"tasks": 3, "prompt_style": "completion", "window": 1}
    with ScriptedServer() as model, ScriptedServer() as first, ScriptedServer() as second:
        for number, encoder in enumerate((first, second), start=1):
            urls = {"semantic_base_url": encoder.url}
            grow_by_meaning(shards[number - 1], model, shard=f"{number}/2", **asked, **urls)
        before = first.requests, second.requests
        report = merge_runs(shards, tmp_path / "merged")
        assert (first.requests, second.requests) == before
    assert all(before)
    assert merge_runs(shards, tmp_path / "again").kept == report.kept  # with no server there


def test_an_embedding_of_another_width_is_an_error_and_is_not_kept(
    made: tuple[Outcome, ScriptedServer], tmp_path: Path
) -> None:
    def other(_: int, body: dict[str, Any]) -> Fault | None:
        if not is_embedding(body):
            return None
        return Fault(body=json.dumps(embeddings(body["input"], 7)).encode())

    with ScriptedServer() as server:
        grow_by_meaning(tmp_path / "run", server, tasks=3)
        server.script = other
        with pytest.raises(ModelError, match="embeddings of 7 numbers, and gave some of 24 before"):
            grow_by_meaning(tmp_path / "run", server, tasks=14)
        server.script = None
        grow_by_meaning(tmp_path / "run", server, tasks=14)
    assert exported(tmp_path / "run") == exported(made[0].path)


def test_another_encoder_or_threshold_is_another_run(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        grow_by_meaning(tmp_path / "run", server, tasks=2)
        for other in ({"semantic": "openai:other"}, {"semantic_threshold": 0.9}):
            with pytest.raises(RunMismatchError, match=next(iter(other))):
                grow_by_meaning(tmp_path / "run", server, tasks=3, **other)
        grow(tmp_path / "plain", server, tasks=2)
        with pytest.raises(RunMismatchError, match="semantic"):
            grow(tmp_path / "plain", server, tasks=3, **SEMANTIC)


@pytest.mark.usefixtures("no_backoff")
def test_a_text_that_the_encoder_refuses_is_a_rejection_with_its_words(tmp_path: Path) -> None:
    def refuse(_: int, body: dict[str, Any]) -> Fault | None:
        if is_embedding(body) and any("songs" in text for text in body["input"]):
            return Fault(400, error("the text is too long"))
        return None

    with ScriptedServer(refuse) as server:
        made = grow_by_meaning(tmp_path / "run", server, seeds=seeds_without_songs(tmp_path))
    found = candidates_of(made)
    songs = [each for each in found if "songs" in each.task.definition]
    refused = [each for each in songs if each.reason == "request_failed"]
    assert refused
    assert all(each.detail == "the embedding: HTTP 400: the text is too long" for each in refused)
    assert all(each.meaning for each in found if not each.reason)
    assert made.status.finished == 14


def seeds_without_songs(folder: Path) -> Path:
    from seedstep import seed_tasks

    lines = [
        {
            "instruction": task.definition,
            "instances": [{"input": each.input, "output": each.output} for each in task.instances],
            "is_classification": task.is_classification,
        }
        for task in seed_tasks()
        if "songs" not in task.definition
    ]
    path = folder / "seeds.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_requests_for_embeddings_count_towards_the_budget(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        made = grow_by_meaning(tmp_path / "run", server, max_requests=9)
        assert len(server.bodies) == 9
        assert any(map(is_embedding, server.bodies))
        assert made.status.finished < 14
        prices = {"scripted": {"input": 1, "output": 1}}
        with pytest.raises(InputError, match="the price of 'encoder' is not known"):
            grow_by_meaning(tmp_path / "other", server, max_usd=1, prices=prices)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"semantic": "gpt"}, "'gpt' is no encoder of sentences. Use minilm"),
        ({"semantic": "hf:"}, "'hf:' is no encoder of sentences"),
        ({"semantic_base_url": "http://127.0.0.1:9/v1"}, "no server makes the embeddings"),
        ({"semantic": "minilm", "semantic_threshold": 1.5}, "setting 'semantic_threshold'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    values: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with ScriptedServer() as server, pytest.raises(InputError) as raised:
        grow(tmp_path / "run", server, **values)
    assert said.lower() in str(raised.value).lower()
    assert not server.bodies
