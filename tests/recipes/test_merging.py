"""Shards that grew side by side are merged into one run, the same whichever ended first."""

import itertools
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from seedstep import open_run, seed_tasks, self_instruct
from seedstep.bootstrap.styles import STYLES
from seedstep.errors import InputError, RunBusyError, RunError, SeedstepError, StoreError
from seedstep.exports.formats import ExportSource
from seedstep.exports.hub import data_card
from seedstep.inputs import load_source
from seedstep.recipes import merge_runs
from seedstep.recipes.merge_sources import merge_sources
from seedstep.review.browse import BrowsedRun
from seedstep.review.view import make_view
from seedstep.runs import BootstrapRun, Run
from seedstep.runs.database import Database
from seedstep.runs.directory import CONFIG, DATABASE
from seedstep.runs.merges import Merge, merge_of
from seedstep.stages import BOOTSTRAP
from seedstep.text import TOKENIZERS, rouge_l
from seedstep.tune import make_source
from support.batch_server import BatchServer
from support.command_line import seedstep
from support.growing import Interruption, Recorder, asked_of, exported, grow
from support.scripted_server import ScriptedServer

SHARDS = 3
SETTINGS: dict[str, Any] = {
    "tasks": 9,
    "prompt_style": "completion",
    "novelty_threshold": 0.5,
    "extra_filters": False,
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def grow_round(
    folder: Path, server: ScriptedServer, number: int, shards: int = SHARDS, **more: Any
) -> list[Path]:
    """The shards of a round, the last first."""
    paths = [folder / f"round-{number}" / f"shard-{shard}" for shard in range(1, shards + 1)]
    for shard in range(shards, 0, -1):
        chosen = {"shard": f"{shard}/{shards}", "round": number, **SETTINGS, **more}
        grow(paths[shard - 1], server, **chosen)
    return paths


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, server: ScriptedServer) -> Path:
    """Two rounds of three shards, each merged."""
    folder = tmp_path_factory.mktemp("grown")
    first = grow_round(folder, server, 1)
    merge_runs(first, folder / "round-1" / "merged")
    second = grow_round(folder, server, 2, pool=folder / "round-1" / "merged")
    merge_runs(second, folder / "round-2" / "merged")
    return folder


@pytest.fixture
def copied(grown: Path, tmp_path: Path) -> Path:
    """A copy of them, to be spoilt."""
    shutil.copytree(grown, tmp_path / "grown")
    return tmp_path / "grown"


def shards_of(folder: Path, number: int) -> list[Path]:
    return sorted((folder / f"round-{number}").glob("shard-*"))


def rows_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that a bootstrap's tables hold."""
    with closing(Database.open(path / DATABASE, read_only=True)) as database:
        return {
            table: [tuple(row) for row in database.rows(f"SELECT * FROM {table} ORDER BY rowid")]
            for table in ("seeds", "generations", "candidates", "instances")
        }


def merge_in(path: Path) -> Merge:
    with open_run(path, BOOTSTRAP) as run:
        found = merge_of(run.config)
    assert found
    return found


def test_the_order_of_the_runs_does_not_matter(grown: Path, tmp_path: Path) -> None:
    orders = list(itertools.permutations(shards_of(grown, 1)))
    random.Random(1).shuffle(orders)
    outs = [tmp_path / f"{number}" for number in range(3)]
    for out, order in zip(outs, orders, strict=False):
        merge_runs(order, out)
    assert len({(out / CONFIG).read_bytes() for out in outs}) == 1
    first, *others = map(rows_of, outs)
    assert first["candidates"]
    assert all(other == first for other in others)
    assert exported(outs[0]) == exported(outs[1]) == exported(outs[2])


def test_what_is_kept_is_what_brute_force_keeps(grown: Path) -> None:
    tokens = TOKENIZERS["latin"]
    known = [tokens(task.definition) for task in seed_tasks()]
    kept: list[str] = []
    dropped = 0
    for number in (1, 2):
        for shard in shards_of(grown, number):
            with open_run(shard, BOOTSTRAP) as run:
                for task in run.tasks():
                    text = tokens(task.definition)
                    if any(rouge_l(text, other) >= 0.5 for other in known):
                        dropped += 1
                        continue
                    known.append(text)
                    kept.append(task.id)
    with open_run(grown / "round-2" / "merged", BOOTSTRAP) as run:
        assert [task.id for task in run.tasks()] == kept
        assert run.status().finished == run.settings.tasks == len(kept)
        assert dropped > 3
        wrong = [key for key, reason, _ in run.records.rejected() if reason == "not_novel"]
        assert len(wrong) >= dropped


def test_merging_round_by_round_is_merging_all_at_once(grown: Path, tmp_path: Path) -> None:
    everything = shards_of(grown, 1) + shards_of(grown, 2)
    report = merge_runs(reversed(everything), tmp_path / "all")  # type: ignore[arg-type]
    assert exported(tmp_path / "all") == exported(grown / "round-2" / "merged")
    assert len(report.merge.shards) == 2 * SHARDS
    assert report.merge == merge_in(grown / "round-2" / "merged")
    assert sum(shard.kept for shard in report.merge.shards) == report.kept


def test_a_shard_that_was_killed_makes_the_same(
    grown: Path, tmp_path: Path, server: ScriptedServer
) -> None:
    out = tmp_path / "shard-2"
    chosen = asked_of(server, shard=f"2/{SHARDS}", round=1, **SETTINGS)
    for fails_after in (1, 3):
        with pytest.raises(Interruption):
            self_instruct(out, watch=Recorder(fails_after=fails_after), **chosen)
    grow(out, server, shard=f"2/{SHARDS}", round=1, **SETTINGS)
    first, _, last = shards_of(grown, 1)
    merge_runs([last, out, first], tmp_path / "merged")
    assert exported(tmp_path / "merged") == exported(grown / "round-1" / "merged")


def test_shards_make_choices_of_their_own_and_ids_that_differ(grown: Path) -> None:
    prompts: set[tuple[str, ...]] = set()
    ids: list[str] = []
    for number in (1, 2):
        for place, shard in enumerate(shards_of(grown, number), start=1):
            with open_run(shard, BOOTSTRAP) as run:
                rows = run.database.rows("SELECT demonstrations FROM generations WHERE item = 0")
                prompts.add(rows[0][0])
                ids += [task.id for task in run.tasks()]
                assert all(task.id.startswith(f"r{number}s{place}g") for task in run.tasks())
    assert len(prompts) == 2 * SHARDS
    assert len(set(ids)) == len(ids)


def test_the_pool_is_shown_and_known(grown: Path) -> None:
    with open_run(grown / "round-1" / "merged", BOOTSTRAP) as run:
        pool = {task.id for task in run.tasks()}
    for shard in shards_of(grown, 2):
        database = rows_of(shard)
        shown = [set(json.loads(row[2])) for row in database["generations"]]
        assert {len(ids) for ids in shown} == {STYLES["completion"].shown[0]}
        assert all(len(ids & pool) == 2 for ids in shown[:1])
        assert any(row[6] in pool for row in database["candidates"])  # the nearest
        with open_run(shard, BOOTSTRAP) as run:
            details = [run.records.show(task.id) for task in run.tasks()]
        assert all(text for each in details for _, text in each.demonstrations)


def test_all_commands_read_a_merged_run(grown: Path, tmp_path: Path) -> None:
    merged = grown / "round-2" / "merged"
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


def test_what_shards_spent_is_added(grown: Path) -> None:
    single = 0
    for shard in shards_of(grown, 1):
        with open_run(shard, BOOTSTRAP) as run:
            single += run.spent().total_tokens
    with open_run(grown / "round-1" / "merged", BOOTSTRAP) as run:
        assert run.spent().total_tokens == single > 0


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


def test_the_card_names_the_shards(grown: Path) -> None:
    with open_run(grown / "round-1" / "merged", BOOTSTRAP) as run:
        rows = list(ExportSource(run, run.tasks()).rows())
        card = data_card(run, run.tasks(), rows, "cc-by-4.0")
    assert "Grown in 3 shards" in card
    assert "| 1 | 2/3 | 42 | openai:scripted |" in card
    assert str(grown) not in card


def test_the_same_merge_stays_and_another_is_refused(copied: Path) -> None:
    merged, shards = copied / "round-1" / "merged", shards_of(copied, 1)
    out = copied / "again"
    merge_runs(shards, out)
    before = (out / DATABASE).stat().st_mtime_ns
    merge_runs(shards[::-1], out)
    assert (out / DATABASE).stat().st_mtime_ns == before
    with chdir(copied):
        merge_runs([path.relative_to(copied) for path in shards], out)
    with pytest.raises(RunError, match="of other shards"):
        merge_runs(shards[:2], out, partial=True)
    assert merged.exists()


def test_a_ray_cluster_decides_the_same(grown: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    merge_runs(shards_of(grown, 1), tmp_path / "merged", ray="local", partitions=2)
    assert exported(tmp_path / "merged") == exported(grown / "round-1" / "merged")


# What can't be merged


def spoilt(path: Path, statement: str) -> None:
    with closing(Database.open(path / DATABASE)) as database:
        database.write_now(statement, [()])


def _another_configuration(folder: Path, server: ScriptedServer) -> list[Path]:
    grow(folder / "b", server, **{**SETTINGS, "shard": "3/3", "novelty_threshold": 0.6})
    return [*shards_of(folder, 1)[:2], folder / "b"]


def _one_number_twice(folder: Path, _: ScriptedServer) -> list[Path]:
    shutil.copytree(folder / "round-1" / "shard-1", folder / "b")
    return [*shards_of(folder, 1), folder / "b"]


def _another_count(folder: Path, server: ScriptedServer) -> list[Path]:
    grow(folder / "b", server, **{**SETTINGS, "shard": "4/4"})
    return [*shards_of(folder, 1), folder / "b"]


def _a_round_that_is_merged(folder: Path, _: ScriptedServer) -> list[Path]:
    return [folder / "round-1" / "merged", folder / "round-1" / "shard-1"]


def _another_pool(folder: Path, server: ScriptedServer) -> list[Path]:
    merge_runs(shards_of(folder, 1)[:2], folder / "less", partial=True)
    grow(folder / "b", server, **SETTINGS, shard="1/3", round=2, pool=folder / "less")
    return [*shards_of(folder, 1), *shards_of(folder, 2)[1:], folder / "b"]


def _rows_lost(folder: Path, _: ScriptedServer) -> list[Path]:
    spoilt(folder / "round-1" / "shard-2", "DELETE FROM generations WHERE item = 1")
    return shards_of(folder, 1)


def _an_instance_lost(folder: Path, _: ScriptedServer) -> list[Path]:
    path = folder / "round-1" / "shard-2"
    with open_run(path, BOOTSTRAP) as run:
        name = run.tasks()[0].id
    spoilt(path, f"DELETE FROM instances WHERE task = '{name}'")
    return shards_of(folder, 1)


def _a_file_cut(folder: Path, _: ScriptedServer) -> list[Path]:
    path = folder / "round-1" / "shard-2" / DATABASE
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return shards_of(folder, 1)


def _no_run(folder: Path, _: ScriptedServer) -> list[Path]:
    (folder / "b").mkdir()
    return [*shards_of(folder, 1), folder / "b"]


@pytest.mark.parametrize(
    "make, kind, fault",
    [
        (_another_configuration, InputError, r"novelty_threshold: 0\.6 there, 0\.5 in"),
        (_one_number_twice, InputError, "are the same shard"),
        (_another_count, InputError, "round 1 has shards of 3 and of 4"),
        (_a_round_that_is_merged, InputError, "has shards of round 1"),
        (_another_pool, InputError, "was grown from another pool"),
        (_rows_lost, StoreError, "lacks 1 generations"),
        (_an_instance_lost, StoreError, "has no instance"),
        (_a_file_cut, StoreError, "damaged"),
        (_no_run, RunError, "is not a run"),
    ],
)
def test_what_can_not_be_merged_is_one_error_and_leaves_nothing(
    copied: Path,
    server: ScriptedServer,
    make: Callable[[Path, ScriptedServer], list[Path]],
    kind: type[SeedstepError],
    fault: str,
) -> None:
    runs = make(copied, server)
    with pytest.raises(kind, match=fault):
        merge_runs(runs, copied / "out")
    assert not (copied / "out").exists()
    assert not list(copied.glob(".out*"))


def test_a_missing_shard_is_said_and_allowed_when_asked(grown: Path, tmp_path: Path) -> None:
    first, _, third = shards_of(grown, 1)
    with pytest.raises(InputError, match="shard 2/3 of round 1 is missing"):
        merge_runs([third, first], tmp_path / "out")
    done = seedstep("merge", first, third, "--partial", "--out", tmp_path / "out")
    assert "incomplete: shard 2/3 of round 1 is missing" in done.out
    assert "shard 2/3 of round 1 is missing" in seedstep("status", tmp_path / "out").out
    with open_run(tmp_path / "out", BOOTSTRAP) as run:
        rows = list(ExportSource(run, run.tasks()).rows())
        assert "Incomplete: shard 2/3" in data_card(run, run.tasks(), rows, "cc-by-4.0")


def test_a_shard_before_its_end_is_said(copied: Path, server: ScriptedServer) -> None:
    chosen = asked_of(server, shard="2/2", **SETTINGS)
    with pytest.raises(Interruption):
        self_instruct(copied / "b", watch=Recorder(fails_after=1), **chosen)
    grow(copied / "a", server, shard="1/2", **SETTINGS)
    with pytest.raises(InputError, match=r"shard 2/2 of round 1 has \d of 9 tasks"):
        merge_runs([copied / "b", copied / "a"], copied / "out")
    report = merge_runs([copied / "b", copied / "a"], copied / "out", partial=True)
    assert [shard.complete for shard in report.merge.shards] == [True, False]


def test_a_shard_that_found_no_more_is_at_its_end(tmp_path: Path, server: ScriptedServer) -> None:
    out = tmp_path / "run"
    settings = {**SETTINGS, "tasks": 10_000, "patience": 1, "shard": "1/1"}
    grow(out, server, **settings, max_requests=400)
    with open_run(out, BOOTSTRAP) as run:
        assert run.records.has_ended()
    assert merge_runs([out], tmp_path / "merged").merge.missing == ()


def test_a_shard_that_is_worked_on_is_not_merged(copied: Path) -> None:
    with Run.start(BOOTSTRAP, copied / "round-1" / "shard-1", {}), pytest.raises(RunBusyError):
        merge_runs(shards_of(copied, 1), copied / "out")


def test_a_shard_is_read_as_it_was_when_it_was_checked(copied: Path) -> None:
    shards = shards_of(copied, 1)
    with merge_sources(shards, partial=False, different=False) as found:
        count = "SELECT count(*) FROM candidates"
        before = [source.database.rows(count)[0][0] for source in found.sources]
        for shard in shards:
            spoilt(shard, "DELETE FROM candidates")
        assert [source.database.rows(count)[0][0] for source in found.sources] == before
    assert all(before)
    assert not rows_of(shards[0])["candidates"]


def test_runs_that_differ_are_merged_when_asked(tmp_path: Path, server: ScriptedServer) -> None:
    """Two runs without shards, of two seeds: the ids of one get another beginning."""
    runs = [tmp_path / "a", tmp_path / "b"]
    for seed, path in enumerate(runs):
        grow(path, server, **{**SETTINGS, "novelty_threshold": 0.7}, seed=seed)
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
    tmp_path: Path, server: ScriptedServer, first: tuple[int, int]
) -> None:
    """The ids of the merged run begin with `p2` already."""
    for seed in range(3):
        grow(tmp_path / f"{seed}", server, **{**SETTINGS, "tasks": 4}, seed=seed)
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


def test_evaluation_sets_of_one_run_count_for_all(tmp_path: Path, server: ScriptedServer) -> None:
    grow(tmp_path / "a", server, **SETTINGS, seed=1)
    with open_run(tmp_path / "a", BOOTSTRAP) as run:
        copied = run.tasks()[2]
    (tmp_path / "set.txt").write_text(f"{copied.definition}\n")
    grow(tmp_path / "b", server, **SETTINGS, seed=2, decontaminate=[tmp_path / "set.txt"])
    report = merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "out", different=True)
    assert report.dropped["contaminated"] == 1
    with open_run(tmp_path / "out", BOOTSTRAP) as run:
        assert copied.definition not in {task.definition for task in run.tasks()}


@pytest.mark.parametrize(
    "flags, fault",
    [
        (["--shard", "17/16"], "'17/16' is no shard"),
        (["--shard", "0/3"], "'0/3' is no shard"),
        (["--shard", "three"], "Write NUMBER/COUNT"),
        (["--shard", "1/2", "--round", "2"], "Add --shard NUMBER/COUNT, and --pool"),
        (["--round", "2", "--pool", "x"], "round 2 needs a shard and a pool"),
        (["--shard", "1/2", "--round", "2", "--pool", "nowhere"], "nowhere is not a run"),
    ],
)
def test_flags_that_do_not_fit(tmp_path: Path, flags: list[str], fault: str) -> None:
    done = seedstep(
        "bootstrap", "--model", "openai:m", "--base-url", "http://127.0.0.1:9/v1", *flags,
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert fault in done.error
    assert not (tmp_path / "run").exists()
