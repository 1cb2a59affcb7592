"""What the tests of merging share: two rounds of shards, and what a run holds."""

from contextlib import closing
from pathlib import Path
from typing import Any

from seedstep.recipes import merge_runs
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE
from support.growing import grow
from support.scripted_server import ScriptedServer

__all__ = ["SETTINGS", "SHARDS", "grow_and_merge", "rows_of", "shards_of"]

SHARDS = 3
SETTINGS: dict[str, Any] = {
    "tasks": 9,
    "prompt_style": "completion",
    "novelty_threshold": 0.5,
    "extra_filters": False,
}


def grow_round(
    folder: Path, server: ScriptedServer, number: int, shards: int = SHARDS, **more: Any
) -> list[Path]:
    """The shards of a round, the last first."""
    paths = [folder / f"round-{number}" / f"shard-{shard}" for shard in range(1, shards + 1)]
    for shard in range(shards, 0, -1):
        chosen = {"shard": f"{shard}/{shards}", "round": number, **SETTINGS, **more}
        grow(paths[shard - 1], server, **chosen)
    return paths


def grow_and_merge(folder: Path, server: ScriptedServer) -> None:
    """Two rounds of three shards, each merged."""
    first = grow_round(folder, server, 1)
    merge_runs(first, folder / "round-1" / "merged")
    second = grow_round(folder, server, 2, pool=folder / "round-1" / "merged")
    merge_runs(second, folder / "round-2" / "merged")


def shards_of(folder: Path, number: int) -> list[Path]:
    return sorted((folder / f"round-{number}").glob("shard-*"))


def rows_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that a bootstrap's tables hold."""
    with closing(Database.open(path / DATABASE, read_only=True)) as database:
        return {
            table: [tuple(row) for row in database.rows(f"SELECT * FROM {table} ORDER BY rowid")]
            for table in ("seeds", "generations", "candidates", "instances")
        }
