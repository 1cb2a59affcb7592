"""Shards that grew side by side are merged into one run, the same whichever ended first."""

import itertools
import json
import random
from contextlib import ExitStack, chdir
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from seedstep import open_run, seed_tasks, self_instruct
from seedstep.bootstrap.prompting import STYLES
from seedstep.errors import InputError, RunError
from seedstep.exports.formats import ExportSource
from seedstep.exports.hub import data_card
from seedstep.inputs import load_source
from seedstep.recipes import merge_runs
from seedstep.review.browse import BrowsedRun
from seedstep.review.view import make_view
from seedstep.runs import BootstrapRun
from seedstep.runs.directory import CONFIG, DATABASE
from seedstep.runs.merges import Merge, merge_of
from seedstep.stages import BOOTSTRAP
from seedstep.text import TOKENIZERS, rouge_l
from seedstep.tune import make_source
from support.batch_server import BatchServer
from support.command_line import seedstep
from support.growing import Interruption, Recorder, asked_of, exported, grow
from support.merging import SETTINGS, SHARDS, rows_of, shards_of
from support.scripted_server import ScriptedServer


def merge_in(path: Path) -> Merge:
    with open_run(path, BOOTSTRAP) as run:
        found = merge_of(run.config)
    assert found
    return found


def test_the_order_of_the_runs_does_not_matter(grown_shards: Path, tmp_path: Path) -> None:
    orders = list(itertools.permutations(shards_of(grown_shards, 1)))
    random.Random(1).shuffle(orders)
    outs = [tmp_path / f"{number}" for number in range(3)]
    for out, order in zip(outs, orders, strict=False):
        merge_runs(order, out)
    assert len({(out / CONFIG).read_bytes() for out in outs}) == 1
    first, *others = map(rows_of, outs)
    assert first["candidates"]
    assert all(other == first for other in others)
    assert exported(outs[0]) == exported(outs[1]) == exported(outs[2])


def test_a_merge_has_a_row_for_each_shard(grown_shards: Path, tmp_path: Path) -> None:
    merged = merge_runs(shards_of(grown_shards, 1), tmp_path / "merged")
    rows = merged.to_records()
    assert [row["shard"] for row in rows] == [shard.shard for shard in merged.merge.shards]
    assert sum(row["kept"] for row in rows) == merged.kept
    assert [*merged.to_dataset()] == rows


def test_what_is_kept_is_what_brute_force_keeps(grown_shards: Path) -> None:
    tokens = TOKENIZERS["latin"]
    known = [tokens(task.definition) for task in seed_tasks()]
    kept: list[str] = []
    dropped = 0
    for number in (1, 2):
        for shard in shards_of(grown_shards, number):
            with open_run(shard, BOOTSTRAP) as run:
                for task in run.tasks():
                    text = tokens(task.definition)
                    if any(rouge_l(text, other) >= 0.5 for other in known):
                        dropped += 1
                        continue
                    known.append(text)
                    kept.append(task.id)
    with open_run(grown_shards / "round-2" / "merged", BOOTSTRAP) as run:
        assert [task.id for task in run.tasks()] == kept
        assert run.status().finished == run.settings.tasks == len(kept)
        assert dropped > 3
        wrong = [key for key, reason, _ in run.records.rejected() if reason == "not_novel"]
        assert len(wrong) >= dropped


def test_merging_round_by_round_is_merging_all_at_once(grown_shards: Path, tmp_path: Path) -> None:
    everything = shards_of(grown_shards, 1) + shards_of(grown_shards, 2)
    report = merge_runs(reversed(everything), tmp_path / "all")  # type: ignore[arg-type]
    assert exported(tmp_path / "all") == exported(grown_shards / "round-2" / "merged")
    assert len(report.merge.shards) == 2 * SHARDS
    assert report.merge == merge_in(grown_shards / "round-2" / "merged")
    assert sum(shard.kept for shard in report.merge.shards) == report.kept


def test_a_shard_that_was_killed_makes_the_same(
    grown_shards: Path, tmp_path: Path, shards_server: ScriptedServer
) -> None:
    out = tmp_path / "shard-2"
    chosen = asked_of(shards_server, shard=f"2/{SHARDS}", round=1, **SETTINGS)
    for fails_after in (1, 3):
        with pytest.raises(Interruption):
            self_instruct(out, watch=Recorder(fails_after=fails_after), **chosen)
    grow(out, shards_server, shard=f"2/{SHARDS}", round=1, **SETTINGS)
    first, _, last = shards_of(grown_shards, 1)
    merge_runs([last, out, first], tmp_path / "merged")
    assert exported(tmp_path / "merged") == exported(grown_shards / "round-1" / "merged")


def test_shards_make_choices_of_their_own_and_ids_that_differ(grown_shards: Path) -> None:
    prompts: set[tuple[str, ...]] = set()
    ids: list[str] = []
    for number in (1, 2):
        for place, shard in enumerate(shards_of(grown_shards, number), start=1):
            with open_run(shard, BOOTSTRAP) as run:
                rows = run.database.rows("SELECT demonstrations FROM generations WHERE item = 0")
                prompts.add(rows[0][0])
                ids += [task.id for task in run.tasks()]
                assert all(task.id.startswith(f"r{number}s{place}g") for task in run.tasks())
    assert len(prompts) == 2 * SHARDS
    assert len(set(ids)) == len(ids)


def test_the_pool_is_shown_and_known(grown_shards: Path) -> None:
    with open_run(grown_shards / "round-1" / "merged", BOOTSTRAP) as run:
        pool = {task.id for task in run.tasks()}
    for shard in shards_of(grown_shards, 2):
        database = rows_of(shard)
        shown = [set(json.loads(row[2])) for row in database["generations"]]
        assert {len(ids) for ids in shown} == {STYLES["completion"].shown[0]}
        assert all(len(ids & pool) == 2 for ids in shown[:1])
        assert any(row[6] in pool for row in database["candidates"])  # the nearest
        with open_run(shard, BOOTSTRAP) as run:
            details = [run.records.show(task.id) for task in run.tasks()]
        assert all(text for each in details for _, text in each.demonstrations)


def test_all_commands_read_a_merged_run(grown_shards: Path, tmp_path: Path) -> None:
    merged = grown_shards / "round-2" / "merged"
    status = seedstep("status", merged)
    assert f"3/{SHARDS}" in status.out
    assert "merged from" in status.out
    with open_run(merged, BOOTSTRAP) as run:
        tasks = run.tasks()
        spent = run.spent()
    assert f"{spent.requests:,}" in status.out
    shown = seedstep("show", merged, tasks[-1].id)
    assert tasks[-1].definition in shown.words
    assert seedstep("show", merged, "--rejected").code == 0
    assert seedstep("export", merged, "--format", "alpaca", "--out", tmp_path / "a").code == 0
    assert list(load_source(make_source(str(merged))).tasks) == list(tasks)
    with ExitStack() as stack:
        view = make_view([stack.enter_context(BrowsedRun.open(merged))], "127.0.0.1", 8090, "t")
        client = TestClient(view, base_url="http://127.0.0.1:8090/t/")
        assert tasks[-1].definition in unescape(client.get("0/tasks").text)
        assert tasks[-1].definition in unescape(client.get(f"0/one?name={tasks[-1].id}").text)
    refused = seedstep("bootstrap", "--out", merged, "--tasks", 500)
    assert "is merged from shards" in refused.error
    assert "--pool" in refused.error


def test_what_shards_spent_is_added(grown_shards: Path) -> None:
    single = 0
    for shard in shards_of(grown_shards, 1):
        with open_run(shard, BOOTSTRAP) as run:
            single += run.spent().total_tokens
    with open_run(grown_shards / "round-1" / "merged", BOOTSTRAP) as run:
        assert run.spent().total_tokens == single > 0


@pytest.mark.usefixtures("quick_batches")
def test_what_shards_by_batch_spent_is_half_the_price(tmp_path: Path) -> None:
    prices = {"scripted": {"input": 1.0, "output": 2.0}}
    shards = [tmp_path / "1", tmp_path / "2"]
    with BatchServer() as batches:
        for place, path in enumerate(shards, start=1):
            chosen = {**SETTINGS, "tasks": 2, "shard": f"{place}/2", "send": "batch"}
            grow(path, batches, **chosen, prices=prices)
    merge_runs(shards, tmp_path / "merged")
    usd: list[float] = []
    for path in (*shards, tmp_path / "merged"):
        with open_run(path, BOOTSTRAP) as run:
            spent = run.spent()
            usd.append(run.settings.pricing.usd(spent.tokens) or 0.0)
    assert spent.batch_tokens > 0
    assert usd[2] == pytest.approx(usd[0] + usd[1])


def test_the_card_names_the_shards(grown_shards: Path) -> None:
    with open_run(grown_shards / "round-1" / "merged", BOOTSTRAP) as run:
        rows = list(ExportSource(run, run.tasks()).rows())
        card = data_card(run, run.tasks(), rows, "cc-by-4.0")
    assert "Grown in 3 shards" in card
    assert "| 1 | 2/3 | 42 | openai:scripted |" in card
    assert str(grown_shards) not in card


def test_the_same_merge_stays_and_another_is_refused(copied_shards: Path) -> None:
    merged, shards = copied_shards / "round-1" / "merged", shards_of(copied_shards, 1)
    out = copied_shards / "again"
    merge_runs(shards, out)
    before = (out / DATABASE).stat().st_mtime_ns
    merge_runs(shards[::-1], out)
    assert (out / DATABASE).stat().st_mtime_ns == before
    with chdir(copied_shards):
        merge_runs([path.relative_to(copied_shards) for path in shards], out)
    with pytest.raises(RunError, match="merged from other runs"):
        merge_runs(shards[:2], out, partial=True)
    assert merged.exists()


def test_runs_that_differ_are_merged_when_asked(
    tmp_path: Path, shards_server: ScriptedServer
) -> None:
    """Two runs without shards, of two seeds: the ids of one get another beginning."""
    runs = [tmp_path / "a", tmp_path / "b"]
    for seed, path in enumerate(runs):
        grow(path, shards_server, **{**SETTINGS, "novelty_threshold": 0.7}, seed=seed)
    with pytest.raises(InputError, match="--different"):
        merge_runs(runs, tmp_path / "out")
    report = merge_runs(runs, tmp_path / "out", different=True)
    merge_runs(runs[::-1], tmp_path / "other", different=True)
    assert report.merge.differences == ("seed",)
    assert exported(tmp_path / "out") == exported(tmp_path / "other")
    with open_run(tmp_path / "out", BOOTSTRAP) as run:
        assert {shard.seed for shard in report.merge.shards} == {0, 1}
        assert len({task.id for task in run.tasks()}) == report.kept > SETTINGS["tasks"]
        assert sum(shard.kept for shard in report.merge.shards) == report.kept
        rows = list(ExportSource(run, run.tasks()).rows())
        assert "The shards differ in seed." in data_card(run, run.tasks(), rows, "cc-by-4.0")
        _all_demonstrations_are_known(run)


@pytest.mark.parametrize("first", [(0, 1), (0, 2), (1, 2)])
def test_a_merged_run_is_merged_with_another_configuration(
    tmp_path: Path, shards_server: ScriptedServer, first: tuple[int, int]
) -> None:
    """The ids of the merged run begin with `p2` already."""
    for seed in range(3):
        grow(tmp_path / f"{seed}", shards_server, **{**SETTINGS, "tasks": 4}, seed=seed)
    runs = [tmp_path / f"{seed}" for seed in range(3)]
    merge_runs([runs[place] for place in first], tmp_path / "merged", different=True)
    (last,) = set(range(3)) - set(first)
    both = [tmp_path / "merged", runs[last]]
    report = merge_runs(both, tmp_path / "out", different=True)
    merge_runs(both[::-1], tmp_path / "other", different=True)
    assert exported(tmp_path / "out") == exported(tmp_path / "other")
    assert len({shard.prefix for shard in report.merge.shards}) == 3
    assert all(shard.kept for shard in report.merge.shards)
    with open_run(tmp_path / "out", BOOTSTRAP) as run:
        assert len(run.tasks()) == report.kept == sum(each.kept for each in report.merge.shards)
        _all_demonstrations_are_known(run)


def _all_demonstrations_are_known(run: BootstrapRun) -> None:
    known = {row[0] for row in run.database.rows("SELECT id FROM candidates")}
    known |= {row[0] for row in run.database.rows("SELECT id FROM seeds")}
    for (shown,) in run.database.rows("SELECT demonstrations FROM generations"):
        assert set(json.loads(shown)) <= known


def test_evaluation_sets_of_one_run_count_for_all(
    tmp_path: Path, shards_server: ScriptedServer
) -> None:
    grow(tmp_path / "a", shards_server, **SETTINGS, seed=1)
    with open_run(tmp_path / "a", BOOTSTRAP) as run:
        copied = run.tasks()[2]
    (tmp_path / "set.txt").write_text(f"{copied.definition}\n")
    grow(tmp_path / "b", shards_server, **SETTINGS, seed=2, decontaminate=[tmp_path / "set.txt"])
    report = merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "out", different=True)
    assert report.dropped["contaminated"] == 1
    with open_run(tmp_path / "out", BOOTSTRAP) as run:
        assert copied.definition not in {task.definition for task in run.tasks()}
