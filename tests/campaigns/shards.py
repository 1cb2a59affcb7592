"""Grow in shards and rounds twice, once with shards that are killed: the merges are the same bytes.

Each shard is a process, a copy of one that has loaded the command, against the scripted server of
the tests, whose replies come after random delays. In the second growth most shards are killed with
SIGKILL, some of them several times, and go on. Each round is merged in three orders, of which the
first is the pool of the next. Asserted:

- the three merges of a round have the same configuration, tables and exports;
- the exports of both growths are the same, byte for byte;
- the tasks that are kept are those that brute force keeps, one by one.

Example::

    python tests/campaigns/shards.py                       # 16 shards, 3 rounds
    python tests/campaigns/shards.py --shards 3 --rounds 2 --seed 7
"""

import argparse
import logging
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from seedstep import merge_runs, open_run, seed_tasks
from seedstep.cli import main as seedstep
from seedstep.runs.database import Database
from seedstep.runs.directory import DATABASE
from seedstep.runs.places import CONFIG
from seedstep.stages import BOOTSTRAP
from seedstep.text import TOKENIZERS, rouge_l
from support.growing import exported
from support.scripted_server import ScriptedServer, random_delays

THRESHOLD = 0.55
MOST_KILLS = 3
PROCESSES = multiprocessing.get_context("forkserver")
LOADED = ["seedstep.cli", "seedstep.cli.bootstrap", "seedstep.recipes", "aiohttp"]


def command(
    server: ScriptedServer, shard: str, number: int, pool: Path | None, tasks: int
) -> list[str]:
    """The command of a shard, without its directory."""
    words = ["seedstep", "bootstrap", "--model", "openai:scripted", "--base-url", server.url]
    words += ["--prompt-style", "completion", "--tasks", str(tasks)]
    words += ["--novelty-threshold", str(THRESHOLD), "--shard", shard, "--round", str(number)]
    return [*words, *(["--pool", str(pool)] if pool else []), "--out"]


def grow(words: list[str], out: Path, chance: random.Random, kills: int) -> int:
    """Run a shard to its end, after some kills; return how many processes were killed."""
    killed = 0
    for number in range(kills + 1):
        process = PROCESSES.Process(target=run, args=([*words, str(out)],))
        process.start()
        if number < kills:
            time.sleep(chance.uniform(0.1, 3.0))
            killed += process.is_alive()
            process.kill()
        process.join()
    if process.exitcode:
        raise AssertionError(f"{out} ended with status {process.exitcode}")
    return killed


def run(words: list[str]) -> None:
    """Run a command in this process, without what it prints."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = words
    seedstep()


def rows_of(path: Path) -> list[list[tuple[Any, ...]]]:
    """The tables of a merged run."""
    tables = ("seeds", "generations", "candidates", "instances")
    with closing(Database.open(path / DATABASE, read_only=True)) as database:
        return [
            [tuple(row) for row in database.rows(f"SELECT * FROM {table} ORDER BY rowid")]
            for table in tables
        ]


def merged(folder: Path, before: Path | None, shards: list[Path], chance: random.Random) -> Path:
    """Merge shards in three orders; return the first merge."""
    outs = [folder / name for name in ("merged", "second", "third")]
    for out in outs:
        runs = [*shards, *([before] if before else [])]
        chance.shuffle(runs)
        merge_runs(runs, out)
    assert len({(out / CONFIG).read_bytes() for out in outs}) == 1, f"{folder}: configurations"
    first, *others = map(rows_of, outs)
    assert all(other == first for other in others), f"{folder}: tables"
    assert len({str(exported(out)) for out in outs}) == 1, f"{folder}: exports"
    return outs[0]


def kept_by_brute_force(shards: list[Path]) -> Iterator[str]:
    """The ids of the tasks of shards, in their order, that are novel one after the other."""
    tokens = TOKENIZERS["latin"]
    known = [tokens(task.definition) for task in seed_tasks()]
    for shard in shards:
        with open_run(shard, BOOTSTRAP) as run:
            tasks = run.tasks()
        for task in tasks:
            text = tokens(task.definition)
            if all(rouge_l(text, other) < THRESHOLD for other in known):
                known.append(text)
                yield task.id


def growth(folder: Path, asked: argparse.Namespace, chance: random.Random, *, kill: bool) -> Path:
    """Grow all rounds; return the last merge."""
    shards, rounds, tasks = asked.shards, asked.rounds, asked.tasks
    before: Path | None = None
    everything: list[Path] = []
    with ScriptedServer(random_delays(0.05)) as server:
        for number in range(1, rounds + 1):
            place = folder / f"round-{number}"
            paths = [place / f"shard-{shard}" for shard in range(1, shards + 1)]
            order = list(enumerate(paths, start=1))
            chance.shuffle(order)
            killed = 0
            for shard, path in order:
                words = command(server, f"{shard}/{shards}", number, before, tasks)
                killed += grow(words, path, chance, chance.randint(0, MOST_KILLS) if kill else 0)
            everything += paths
            before = merged(place, before, paths, chance)
            with open_run(before, BOOTSTRAP) as run:
                kept = [task.id for task in run.tasks()]
            assert kept == list(kept_by_brute_force(everything)), f"{place}: brute force"
            made = len(everything) * tasks
            print(f"round {number}: {len(kept)} of {made} kept, {killed} killed", flush=True)
    assert before
    return before


def main() -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description="Shards, rounds and merges, with kills.")
    parser.add_argument("--shards", type=int, default=16, help="default: 16")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--tasks", type=int, default=8, help="of a shard, default: 8")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    chance = random.Random(asked.seed)
    PROCESSES.set_forkserver_preload(LOADED)
    with tempfile.TemporaryDirectory() as directory:
        outs = [
            growth(Path(directory) / name, asked, chance, kill=name == "killed")
            for name in ("whole", "killed")
        ]
        first, second = map(exported, outs)
        assert first == second, "a growth with kills has other exports"
    print("the same bytes")


if __name__ == "__main__":
    main()
