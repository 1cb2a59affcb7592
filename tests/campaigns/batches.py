"""Kill runs by batch at every step of a batch's life: nothing is paid twice, nothing is lost.

Each run is a process against the scripted batch server of the tests. It is killed with SIGKILL when
the server gets a certain request, before that is carried out or after, or at any moment; then the
same command goes on. Asserted of every run:

- what it made is byte for byte what live requests make;
- no request was answered in two batches, and none live that a batch answered;
- no batch is left at the server without having been taken;
- once more the same command finds nothing left to ask.

Example::

    python tests/campaigns/batches.py                  # 100 kills, over all stages
    python tests/campaigns/batches.py --n 10 --seed 7 --stage predict
"""

import argparse
import json
import logging
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from seedstep import open_run
from seedstep.runs.batches import read_batches
from support.asking_stages import STAGES, command_of, made, prepare
from support.batch_server import BatchFault, BatchServer
from support.forking import COMMANDS_ALONE, ForkedProcess, forked_python

LATEST = 120.0
"""Seconds after which a process that has not ended is taken to hang."""

QUICKLY = """
from seedstep.cli import main
from seedstep.llm import batch_api, batch_work, batches

batches.QUIET_SECONDS = 0.05
batch_work.FIRST_PAUSE = batch_work.LONGEST_PAUSE = batch_work.LOOK_PAUSE = 0.02
batch_api.RESULT_PAUSE = 0.02
main()
"""

STEPS = tuple(
    f"{name}{end}"
    for name in ("POST files", "POST batches", "GET batches", "GET files")
    for end in ("", " done")
)
"""The requests at which a process is killed, before they are carried out, or answered."""

MOST_LIVE = 8
"""Requests of a run that are asked live: the first of each purpose."""

Process = subprocess.Popen[str]


def quick(number: int) -> BatchFault:
    """A batch that is under way at one look."""
    return BatchFault(statuses=("in_progress",))


@dataclass(frozen=True)
class Moment:
    """When a process is killed: `after` so many seconds from the `nth` of a step."""

    step: str
    nth: int = 1
    after: float = 0.0

    @classmethod
    def drawn(cls, chance: random.Random) -> "Moment":
        after = chance.choice((0.0, chance.uniform(0, 0.05), chance.uniform(0, 0.3)))
        return cls(chance.choice(STEPS), chance.randint(1, 3), after)


class Killer:
    """Kills a process at a moment. `at` is called with each request of the server, and returns
    whether the process was killed at once.
    """

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self.seen: Counter[str] = Counter()
        self.process: Process | None = None

    def at(self, name: str) -> bool:
        self.seen[name] += 1
        if name != self.moment.step or self.seen[name] != self.moment.nth or not self.process:
            return False
        if self.moment.after:
            threading.Timer(self.moment.after, self.process.kill).start()
            return False
        self.process.kill()
        return True


def started(name: str, server: BatchServer, folder: Path, out: Path, send: str) -> Process:
    """Start the command of a stage."""
    command = (*command_of(name, server, folder, out), "--send", send)
    return ForkedProcess(
        forked_python("-c", QUICKLY, *command, loaded=COMMANDS_ALONE),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


def finish(running: Process) -> None:
    """Wait for a good end."""
    _, errors = running.communicate(timeout=LATEST)
    assert running.returncode == 0, errors
    assert "Traceback" not in errors, errors


def check(server: BatchServer, out: Path) -> None:
    """Assert that a finished run has paid for each request once, and has taken all batches."""
    twice = {key: count for key, count in server.charged.items() if count > 1}
    assert not twice, f"answered in two batches: {twice}"
    bodies = Counter(json.dumps(body, sort_keys=True) for body in server.bodies)
    bodies.update(json.dumps(line["body"], sort_keys=True) for line in server.lines)
    batched = {json.dumps(line["body"], sort_keys=True) for line in server.lines}
    assert all(bodies[body] == 1 for body in batched), "asked live and by batch"
    with open_run(out) as run:
        taken = read_batches(run.database)
    assert {batch.batch_id for batch in taken} == {
        batch.record["id"] for batch in server.batches
    }, "a batch at the server that the run does not know"
    assert all(batch.status in ("completed", "cancelled") for batch in taken)


@dataclass(frozen=True)
class Calm:
    """What live requests made, and the port of their server, which is part of requests' keys."""

    content: bytes
    port: int


def disturbed(name: str, folder: Path, calm: Calm, moments: list[Moment]) -> int:
    """A run that is killed at some moments, and resumed to its end; returns the kills."""
    kills = 0
    out = folder / "run"
    with BatchServer(STAGES[name].reply, calm.port, quick) as server:
        for moment in moments:
            killer = Killer(moment)
            server.seen = killer.at
            killer.process = started(name, server, folder, out, "batch")
            killer.process.communicate(timeout=LATEST)
            if killer.process.returncode == 0:
                break
            kills += 1
        server.seen = lambda name: None
        finish(started(name, server, folder, out, "batch"))
        assert made(out) == calm.content, f"{out}: other data than live"
        check(server, out)
        live, batches = server.requests, len(server.batches)
        finish(started(name, server, folder, out, "batch"))
        assert (server.requests, len(server.batches)) == (live, batches), "asked for something"
    shutil.rmtree(out)
    return kills


def live(name: str, folder: Path) -> Calm:
    """What a stage makes by live requests."""
    out = folder / "live"
    with BatchServer(STAGES[name].reply) as server:
        finish(started(name, server, folder, out, "live"))
    found = Calm(made(out), server.port)
    shutil.rmtree(out)
    return found


def campaign(names: list[str], folder: Path, kills: int, chance: random.Random) -> int:
    """Kill runs of each stage in turn, until there were so many kills."""
    total = 0
    for place, name in enumerate(names):
        wanted = kills * (place + 1) // len(names)
        calm, began, before = live(name, folder), time.monotonic(), total
        while total < wanted:
            moments = [Moment.drawn(chance) for _ in range(min(3, wanted - total))]
            total += disturbed(name, folder, calm, moments)
        seconds = time.monotonic() - began
        print(f"{name}: {total - before} kills in {seconds:.0f} s, as live", flush=True)
    return total


def main() -> None:
    """Disturb and print; a broken promise is an AssertionError, and the directory is kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100, help="kills, over all stages; default: 100")
    parser.add_argument("--seed", type=int, default=1, help="of moments; default: 1")
    parser.add_argument("--stage", default="", help="only stages whose name begins so")
    asked = parser.parse_args()
    logging.getLogger("aiohttp.server").disabled = True  # it tells of clients that went away
    folder = Path(tempfile.mkdtemp(prefix="seedstep-batches."))
    prepare(folder)
    names = [name for name in STAGES if name.startswith(asked.stage)]
    kills = campaign(names, folder, asked.n, random.Random(asked.seed))
    print(f"{kills} kills, seed {asked.seed}: nothing paid twice, nothing lost, the same bytes")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
