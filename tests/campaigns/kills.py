"""Kill runs of every stage that asks a model, at random moments: they end in the same bytes.

Each run is a process against the scripted server of the tests, whose replies come after random
delays. It is killed with SIGKILL one to four times, and then left to finish: mostly a moment after
the server got a number of requests, which is spread evenly over those that are left, else at any
moment from its start. A process that ended before its moment came is no kill. Asserted of every
run:

- what it made is byte for byte what a run made that nobody disturbed;
- no process asked for a request whose answer an earlier one had committed;
- no kill lost more than twice `--in-flight` requests;
- once more the same command finds nothing left to ask.

Example::

    python tests/campaigns/kills.py                       # 200 kills, over all stages
    python tests/campaigns/kills.py --n 20 --seed 7 --stage judge
    python tests/campaigns/kills.py --concurrency         # in flight 1, 8, 64: the same bytes?
"""

import argparse
import json
import logging
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.asking_stages import STAGES, command_of, made, prepare
from support.growing import requests_in
from support.scripted_server import Fault, Script, ScriptedServer

LONGEST_DELAY = 0.1
EARLY = 0.2
"""The share of kills at any moment from the start of a process, also while it imports."""

MOST_KILLS = 4
"""Of one run."""

IN_FLIGHT = 4
LATEST = 120.0
"""Seconds after which a process that has not ended is taken to hang."""

CLI = (sys.executable, "-c", "from seedstep.cli import main; main()")
Process = subprocess.Popen[str]


def started(name: str, server: ScriptedServer, folder: Path, out: Path, *flags: str) -> Process:
    """Start the command of a stage."""
    command = [*CLI, *command_of(name, server, folder, out), *flags]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder
    )


def finish(running: Process) -> None:
    """Wait for a good end."""
    _, errors = running.communicate(timeout=LATEST)
    assert running.returncode == 0, errors
    assert "Traceback" not in errors, errors


def slowly(name: str, chance: random.Random) -> Script:
    """The replies of a stage, each after a random time."""

    def script(number: int, body: dict[str, Any]) -> Fault:
        reply = STAGES[name].reply(number, body) or Fault()
        return replace(reply, delay=chance.uniform(0, LONGEST_DELAY))

    return script


def name_of(prompt: object, draw: object) -> str:
    return json.dumps([prompt, draw], sort_keys=True)


def asked_in(bodies: Iterable[dict[str, Any]]) -> list[str]:
    return [name_of(body.get("prompt") or body["messages"], body["seed"]) for body in bodies]


def committed(path: Path) -> set[str]:
    """The requests whose answers are in a run's database."""
    return {name_of(row["prompt"], row["draw"]) for row in requests_in(path)}


@dataclass(frozen=True)
class Calm:
    """A run that nobody disturbed."""

    content: bytes
    seconds: float
    requests: int


@dataclass
class Tally:
    """What became of runs. `kept` are the requests that were committed at each kill; `lost` those
    that were asked before a kill and not committed at it.
    """

    runs: int = 0
    kills: int = 0
    lost: int = 0
    most_lost: int = 0
    kept: list[int] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.runs += other.runs
        self.kills += other.kills
        self.lost += other.lost
        self.most_lost = max(self.most_lost, other.most_lost)
        self.kept += other.kept


class Campaign:
    """Kills of one stage."""

    def __init__(self, name: str, folder: Path, server: ScriptedServer) -> None:
        self.name = name
        self.folder = folder
        self.server = server

    def calm(self) -> Calm:
        began, before = time.monotonic(), self.server.requests
        out = self.folder / "calm"
        finish(started(self.name, self.server, self.folder, out))
        seconds = time.monotonic() - began
        found = Calm(made(out), seconds, self.server.requests - before)
        shutil.rmtree(out)
        return found

    def disturbed(self, calm: Calm, chance: random.Random, kills: int) -> Tally:
        """A run that is killed so many times, or fewer, and resumed to its end."""
        tally, kept = Tally(runs=1), set[str]()
        out = self.folder / "run"
        while tally.kills < kills:
            first = len(self.server.bodies)
            running = started(self.name, self.server, self.folder, out)
            if chance.random() < EARLY:
                time.sleep(chance.uniform(0, calm.seconds))
            else:
                least = first + chance.uniform(1, max(1, calm.requests - len(kept)))
                while len(self.server.bodies) < least and running.poll() is None:
                    time.sleep(0.002)
                time.sleep(chance.uniform(0, LONGEST_DELAY))
            running.kill()
            running.communicate()
            asked = asked_in(self.server.bodies[first:])
            assert kept.isdisjoint(asked), "asked for what had been committed"
            kept = committed(out)
            lost = len(set(asked) - kept)
            assert lost <= 2 * IN_FLIGHT, f"{lost} requests were lost"
            if running.returncode == 0:  # it was quicker
                break
            tally.kills += 1
            tally.lost += lost
            tally.most_lost = max(tally.most_lost, lost)
            tally.kept.append(len(kept))
        first = len(self.server.bodies)
        finish(started(self.name, self.server, self.folder, out))
        asked = asked_in(self.server.bodies[first:])
        assert kept.isdisjoint(asked), "asked for what had been committed"
        assert made(out) == calm.content, f"{out}: other data than the undisturbed run"
        requests = self.server.requests
        finish(started(self.name, self.server, self.folder, out))
        assert self.server.requests == requests, "a finished run asked for something"
        shutil.rmtree(out)
        return tally


def kill(names: list[str], folder: Path, kills: int, chance: random.Random) -> Tally:
    """Kill runs of each stage in turn, until there were so many kills."""
    total = Tally()
    for place, name in enumerate(names):
        wanted = kills * (place + 1) // len(names) - kills * place // len(names)
        with ScriptedServer(slowly(name, chance)) as server:
            campaign, part = Campaign(name, folder, server), Tally()
            calm = campaign.calm()
            while part.kills < wanted:
                number = min(chance.randint(1, MOST_KILLS), wanted - part.kills)
                part.add(campaign.disturbed(calm, chance, number))
        print(
            f"{name}: {calm.requests} requests in {calm.seconds:.1f} s; {part.kills} kills of "
            f"{part.runs} runs, {part.lost} requests lost, the same bytes",
            flush=True,
        )
        total.add(part)
    return total


def concurrency(names: list[str], folder: Path, chance: random.Random) -> None:
    """Run each stage with other numbers in flight: nothing is asked twice, and the data are the
    same.
    """
    for name in names:
        content = None
        with ScriptedServer(slowly(name, chance)) as server:
            for in_flight in ("1", "8", "64"):
                out, before = folder / f"run-{in_flight}", server.requests
                finish(started(name, server, folder, out, "--in-flight", in_flight))
                assert set(Counter(asked_in(server.bodies[before:])).values()) == {1}
                content = content or made(out)
                assert made(out) == content, f"{name}, {in_flight} in flight: other data"
                shutil.rmtree(out)
        print(f"{name}: the same bytes with 1, 8 and 64 in flight", flush=True)


def main() -> None:
    """Disturb and print; a broken promise is an AssertionError, and the directory is kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200, help="kills, over all stages; default: 200")
    parser.add_argument("--seed", type=int, default=1, help="of moments and delays; default: 1")
    parser.add_argument("--stage", default="", help="only stages whose name begins so")
    parser.add_argument("--concurrency", action="store_true", help="in flight 1, 8, 64; no kills")
    asked = parser.parse_args()
    names = [name for name in STAGES if name.startswith(asked.stage)]
    chance = random.Random(asked.seed)
    logging.getLogger("aiohttp.server").disabled = True  # it tells of clients that went away
    folder = Path(tempfile.mkdtemp(prefix="seedstep-kills."))
    prepare(folder)
    began = time.monotonic()
    if asked.concurrency:
        concurrency(names, folder, chance)
    else:
        total = kill(names, folder, asked.n, chance)
        early = sum(kept == 0 for kept in total.kept)
        print(
            f"{total.kills} kills of {total.runs} runs, seed {asked.seed}: 0 bytes different, 0 "
            f"answers asked for again; {total.lost} requests lost in flight, {total.most_lost} at "
            f"a kill at the most; {early} kills before the first commit; "
            f"{time.monotonic() - began:.0f} s."
        )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
