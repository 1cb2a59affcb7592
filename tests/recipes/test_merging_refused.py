"""What can't be merged, or only when it is asked for: shards of others, damaged or missing ones."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from seedstep import open_run, self_instruct
from seedstep.errors import InputError, RunBusyError, RunError, SeedstepError, StoreError
from seedstep.exports.formats import ExportSource
from seedstep.exports.hub import data_card
from seedstep.recipes import merge_runs
from seedstep.recipes.merge_sources import merge_sources
from seedstep.runs import Run
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE
from seedstep.stages import BOOTSTRAP
from support.command_line import seedstep
from support.growing import Interruption, Recorder, asked_of, grow
from support.merging import SETTINGS, rows_of, shards_of
from support.scripted_server import ScriptedServer


def spoilt(path: Path, statement: str) -> None:
    with closing(Database.open(path / DATABASE)) as database:
        database.write_now(statement, [()])


def _another_configuration(folder: Path, shards_server: ScriptedServer) -> list[Path]:
    grow(folder / "b", shards_server, **{**SETTINGS, "shard": "3/3", "novelty_threshold": 0.6})
    return [*shards_of(folder, 1)[:2], folder / "b"]


def _one_number_twice(folder: Path, _: ScriptedServer) -> list[Path]:
    shutil.copytree(folder / "round-1" / "shard-1", folder / "b")
    return [*shards_of(folder, 1), folder / "b"]


def _another_count(folder: Path, shards_server: ScriptedServer) -> list[Path]:
    grow(folder / "b", shards_server, **{**SETTINGS, "shard": "4/4"})
    return [*shards_of(folder, 1), folder / "b"]


def _a_round_that_is_merged(folder: Path, _: ScriptedServer) -> list[Path]:
    return [folder / "round-1" / "merged", folder / "round-1" / "shard-1"]


def _another_pool(folder: Path, shards_server: ScriptedServer) -> list[Path]:
    merge_runs(shards_of(folder, 1)[:2], folder / "less", partial=True)
    grow(folder / "b", shards_server, **SETTINGS, shard="1/3", round=2, pool=folder / "less")
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
    copied_shards: Path,
    shards_server: ScriptedServer,
    make: Callable[[Path, ScriptedServer], list[Path]],
    kind: type[SeedstepError],
    fault: str,
) -> None:
    runs = make(copied_shards, shards_server)
    with pytest.raises(kind, match=fault):
        merge_runs(runs, copied_shards / "out")
    assert not (copied_shards / "out").exists()
    assert not list(copied_shards.glob(".out*"))


def test_a_missing_shard_is_said_and_allowed_when_asked(grown_shards: Path, tmp_path: Path) -> None:
    first, _, third = shards_of(grown_shards, 1)
    with pytest.raises(InputError, match="shard 2/3 of round 1 is missing"):
        merge_runs([third, first], tmp_path / "out")
    done = seedstep("merge", first, third, "--partial", "--out", tmp_path / "out")
    assert "incomplete: shard 2/3 of round 1 is missing" in done.out
    assert "shard 2/3 of round 1 is missing" in seedstep("status", tmp_path / "out").out
    with open_run(tmp_path / "out", BOOTSTRAP) as run:
        rows = list(ExportSource(run, run.tasks()).rows())
        assert "Incomplete: shard 2/3" in data_card(run, run.tasks(), rows, "cc-by-4.0")


def test_a_shard_before_its_end_is_said(copied_shards: Path, shards_server: ScriptedServer) -> None:
    chosen = asked_of(shards_server, shard="2/2", **SETTINGS)
    with pytest.raises(Interruption):
        self_instruct(copied_shards / "b", watch=Recorder(fails_after=1), **chosen)
    grow(copied_shards / "a", shards_server, shard="1/2", **SETTINGS)
    with pytest.raises(InputError, match=r"shard 2/2 of round 1 has \d of 9 tasks"):
        merge_runs([copied_shards / "b", copied_shards / "a"], copied_shards / "out")
    report = merge_runs(
        [copied_shards / "b", copied_shards / "a"], copied_shards / "out", partial=True
    )
    assert [shard.complete for shard in report.merge.shards] == [True, False]


def test_a_shard_that_found_no_more_is_at_its_end(
    tmp_path: Path, shards_server: ScriptedServer
) -> None:
    out = tmp_path / "run"
    settings = {**SETTINGS, "tasks": 10_000, "patience": 1, "shard": "1/1"}
    grow(out, shards_server, **settings, max_requests=400)
    with open_run(out, BOOTSTRAP) as run:
        assert run.records.has_ended()
    assert merge_runs([out], tmp_path / "merged").merge.missing == ()


def test_a_shard_that_is_worked_on_is_not_merged(copied_shards: Path) -> None:
    with (
        Run.start(BOOTSTRAP, copied_shards / "round-1" / "shard-1", {}),
        pytest.raises(RunBusyError),
    ):
        merge_runs(shards_of(copied_shards, 1), copied_shards / "out")


def test_a_shard_is_read_as_it_was_when_it_was_checked(copied_shards: Path) -> None:
    shards = shards_of(copied_shards, 1)
    with merge_sources(shards, partial=False, different=False) as (sources, _):
        count = "SELECT count(*) FROM candidates"
        before = [source.database.rows(count)[0][0] for source in sources]
        for shard in shards:
            spoilt(shard, "DELETE FROM candidates")
        assert [source.database.rows(count)[0][0] for source in sources] == before
    assert all(before)
    assert not rows_of(shards[0])["candidates"]


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
