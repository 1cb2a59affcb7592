"""Runs killed with SIGKILL at random moments: they end in the same bytes, and pay nothing twice.

Each run is a process against the scripted server of the tests, whose replies come after random
delays. It is killed one to four times, at moments spread evenly over what it has left to do, from
the first import to the last commit, and then left to finish. A process that ended before its moment
came is no kill. Asserted of every run:

- its export is byte for byte that of a run that nobody disturbed;
- no process asked for a request whose answer an earlier one had committed;
- no process left more than twice `--in-flight` requests of its own uncommitted.

Example::

    python benchmarks/kills.py                          # 200 kills, both styles
    python benchmarks/kills.py --kills 20 --seed 7
    python benchmarks/kills.py --concurrency            # in flight 1, 8, 64: the same bytes?
"""

import argparse
import json
import logging
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from seedstep import open_run
from seedstep.exports import export
from seedstep.stages import BOOTSTRAP
from support.scripted_server import Fault, Script, ScriptedServer

STYLES = ("completion", "chat")
TASKS = 60
WINDOW = 8
IN_FLIGHT = 8
LONGEST_DELAY = 0.05
MOST_KILLS = 4
"""Of one run."""

FORMATS = ("alpaca", "superni")
LATEST = 120.0
"""Seconds after which a process that has not ended is taken to hang."""

CLI = (sys.executable, "-c", "from seedstep.cli import main; main()")


# Processes and what they leave


def started(
    path: Path, server: ScriptedServer, style: str, in_flight: int
) -> "subprocess.Popen[str]":
    values = {
        "out": path,
        "model": "openai:scripted",
        "base-url": server.url,
        "prompt-style": style,
        "tasks": TASKS,
        "window": WINDOW,
        "in-flight": in_flight,
    }
    options = [f"--{name}={value}" for name, value in values.items()]
    return subprocess.Popen(
        [*CLI, "bootstrap", *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def finished(running: "subprocess.Popen[str]") -> None:
    """Wait for a good end."""
    _, errors = running.communicate(timeout=LATEST)
    assert running.returncode == 0, errors
    assert errors == "", errors


def delays(chance: random.Random) -> Script:
    return lambda number, body: Fault(delay=chance.uniform(0, LONGEST_DELAY))


def name_of(prompt: object, draw: object) -> str:
    return json.dumps([prompt, draw], sort_keys=True)


def asked_in(bodies: Iterable[dict[str, Any]]) -> list[str]:
    return [name_of(body.get("prompt") or body["messages"], body["seed"]) for body in bodies]


def committed(path: Path) -> set[str]:
    """The requests whose answers are in a run's database."""
    if not (path / "run.db").is_file():
        return set()
    with closing(sqlite3.connect(path / "run.db")) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'requests'").fetchall():
            return set()
        rows = [json.loads(row[0]) for row in connection.execute("SELECT request FROM requests")]
    return {name_of(row["prompt"], row["draw"]) for row in rows}


def exported(path: Path) -> dict[str, bytes]:
    """A run's exports, byte for byte."""
    with open_run(path, BOOTSTRAP) as run:
        for name in FORMATS:
            export(run, name, path / "exports" / name)
    folder = path / "exports"
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    }


@dataclass(frozen=True)
class Calm:
    """A run that nobody disturbed."""

    files: dict[str, bytes]
    seconds: float
    requests: int


def calm_run(folder: Path, server: ScriptedServer, style: str) -> Calm:
    began = time.monotonic()
    before = server.requests
    finished(started(folder / f"calm-{style}", server, style, IN_FLIGHT))
    seconds = time.monotonic() - began
    return Calm(exported(folder / f"calm-{style}"), seconds, server.requests - before)


# The campaign


@dataclass
class Tally:
    """What became of a run, or of all. `kept` are the requests that were committed at the kills;
    `lost` those that were asked before a kill and not committed at it.
    """

    runs: int = 0
    kills: int = 0
    requests: int = 0
    lost: int = 0
    most_lost: int = 0
    kept: list[int] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.runs += other.runs
        self.kills += other.kills
        self.requests += other.requests
        self.lost += other.lost
        self.most_lost = max(self.most_lost, other.most_lost)
        self.kept += other.kept


def disturbed_run(
    path: Path, server: ScriptedServer, style: str, calm: Calm, chance: random.Random, kills: int
) -> Tally:
    """A run that is killed so many times, or fewer, and resumed to its end."""
    tally = Tally(runs=1)
    start = len(server.bodies)
    kept: set[str] = set()
    left = calm.seconds
    while tally.kills < kills:
        first = len(server.bodies)
        running = started(path, server, style, IN_FLIGHT)
        time.sleep(chance.uniform(0, left))
        running.kill()
        running.communicate()
        asked = asked_in(server.bodies[first:])
        assert kept.isdisjoint(asked), "asked for what had been committed"
        kept = committed(path)
        lost = len(set(asked) - kept)
        assert lost <= 2 * IN_FLIGHT, f"{lost} requests were lost"
        if running.returncode == 0:  # it was quicker
            break
        tally.kills += 1
        tally.lost += lost
        tally.most_lost = max(tally.most_lost, lost)
        tally.kept.append(len(kept))
        left = max(0.5, calm.seconds * (1 - len(kept) / calm.requests))
    first = len(server.bodies)
    finished(started(path, server, style, IN_FLIGHT))
    assert kept.isdisjoint(asked_in(server.bodies[first:])), "asked for what had been committed"
    check_end(path, server, style, calm)
    tally.requests = len(server.bodies) - start
    return tally


def check_end(path: Path, server: ScriptedServer, style: str, calm: Calm) -> None:
    """The same bytes; and once more the same command finds nothing left to ask."""
    assert exported(path) == calm.files, f"{path}: other data than the undisturbed run"
    requests = server.requests
    finished(started(path, server, style, IN_FLIGHT))
    assert server.requests == requests, "a finished run asked for something"


def campaign(folder: Path, kills: int, chance: random.Random) -> None:
    total, began = Tally(), time.monotonic()
    for style in STYLES:
        with ScriptedServer(delays(chance)) as server:
            calm = calm_run(folder, server, style)
            print(f"{style}: undisturbed {calm.seconds:.1f} s, {calm.requests} requests")
            part = Tally()
            wanted = kills // 2 if style == STYLES[0] else kills - kills // 2
            while part.kills < wanted:
                number = min(chance.randint(1, MOST_KILLS), wanted - part.kills)
                path = folder / f"{style}-{part.runs}"
                since = time.monotonic()
                tally = disturbed_run(path, server, style, calm, chance, number)
                part.add(tally)
                print(
                    f"{style} run {part.runs:3}: killed with {tally.kept} kept, {tally.lost} lost, "
                    f"{tally.requests} requests, {time.monotonic() - since:.1f} s, same bytes",
                    flush=True,
                )
                shutil.rmtree(path)
            total.add(part)
    early = sum(one == 0 for one in total.kept)
    print(
        f"{total.kills} kills over {total.runs} runs of {TASKS} tasks, {IN_FLIGHT} in flight: "
        f"every export the same bytes, nothing committed was asked again.\n"
        f"Lost in flight: {total.lost} requests, {total.lost / max(1, total.kills):.1f} a kill, at "
        f"the most {total.most_lost}; {early} kills came before the first commit.\n"
        f"{total.requests} requests in all, {time.monotonic() - began:.0f} s."
    )


def concurrency(folder: Path, chance: random.Random) -> None:
    """The same window with other numbers in flight."""
    for style in STYLES:
        files = None
        with ScriptedServer(delays(chance)) as server:
            for in_flight in (1, 8, 64):
                path = folder / f"{style}-{in_flight}"
                server.most_in_flight = 0
                began, before = time.monotonic(), server.requests
                finished(started(path, server, style, in_flight))
                seconds = time.monotonic() - began
                made = exported(path)
                files = files or made
                assert made == files, f"{style}, {in_flight} in flight: other data"
                assert set(Counter(asked_in(server.bodies[before:])).values()) == {1}
                print(
                    f"{style}, {in_flight} in flight (at the most {server.most_in_flight} were): "
                    f"{server.requests - before} requests, {seconds:.1f} s, same bytes",
                    flush=True,
                )


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs killed at random moments.")
    parser.add_argument("--kills", type=int, default=200, help="default: 200, over both styles")
    parser.add_argument("--seed", type=int, default=1, help="of moments and delays; default: 1")
    parser.add_argument("--concurrency", action="store_true", help="in flight 1, 8, 64; no kills")
    return parser.parse_args()


def main() -> None:
    """Disturb and print; a broken promise is an AssertionError, and the run's directory is kept."""
    asked = options()
    chance = random.Random(asked.seed)
    logging.getLogger("aiohttp.server").disabled = True  # it tells of clients that went away
    folder = Path(tempfile.mkdtemp(prefix="seedstep-kills."))
    print(f"{folder}, seed {asked.seed}, {os.cpu_count()} cores")
    if asked.concurrency:
        concurrency(folder, chance)
    else:
        campaign(folder, asked.kills, chance)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
