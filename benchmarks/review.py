"""How fast the review app saves, whether it loses labels, and how fast a view of a run opens.

    python benchmarks/review.py             # 50 raters, 20,000 labels, then 20 kills
    python benchmarks/review.py --raters 10 --each 40 --kills 3
    python benchmarks/review.py --view      # pages of a run of 52,000 predictions

Each rater saves over a connection of its own, one label after another, as a page does, with all
raters at once. Then raters go on while the server is killed with SIGKILL and started again; every
label that was acknowledged must be there.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from seedstep.data.reviews import ItemField, ReviewItem
from seedstep.review.forms import FORMS
from seedstep.review.items import deal
from seedstep.runs import Run
from seedstep.runs.reviews import Review
from seedstep.stages import PREDICT

FORM = FORMS["steps"]
ANSWERS = {"correct": "yes", "complete": "no"}


def make(path: Path, raters: int, each: int) -> None:
    """A review in which every rater has `each` items, a tenth of them shared."""
    shared = each // 10
    count = shared + (each - shared) * raters
    items = [
        ReviewItem(
            f"item{n}",
            "refined",
            f"task{n}",
            "",
            "",
            (
                ItemField("Task definition", f"Do {n}. " * 20),
                ItemField("Steps", "1. Do it.", "subject"),
            ),
            shared=n < shared,
        )
        for n in range(count)
    ]
    names = [f"rater{n}" for n in range(raters)]
    assigned = deal([item.id for item in items], names, [item.id for item in items[:shared]])
    Review.create(path, {"form": "steps", "seed": 1}, FORM, items, assigned, 1)


PREDICTED = 52_000
PAGES = (
    "",
    "0/predictions",
    "0/predictions?page=1040",
    "0/predictions?q=word+77+",
    "0/predictions?state=tuned",
    "0/",
)


def make_predictions(folder: Path) -> Path:
    """A run of two systems over 5,200 tasks of ten instances each."""
    tasks = folder / "tasks.jsonl"
    with tasks.open("w") as file:
        for number in range(PREDICTED // 10):
            instances = [
                {"id": f"t{number}-{n}", "input": f"red{number} blue{n} " * 20, "output": f"R{n}"}
                for n in range(10)
            ]
            task = {"id": f"t{number}", "definition": f"Write word {number} of it. " * 5}
            file.write(json.dumps({**task, "category": f"C{number % 60}", "instances": instances}))
            file.write("\n")
    Run.start(PREDICT, folder / "run", {"tasks": str(tasks)}).close()
    with contextlib.closing(sqlite3.connect(folder / "run/run.db")) as database, database:
        for system in ("base", "tuned"):
            database.execute("INSERT INTO systems VALUES (?, '{}', 0)", (system,))
            rows = (
                (system, place, f"{system} R{place % 11} words", "", 0, 0, 0)
                for place in range(PREDICTED)
            )
            database.executemany(
                "INSERT INTO predictions (system, place, text, failed, cut, shortened, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
    return folder / "run"


async def view(folder: Path) -> None:
    """Open pages of a new `seedstep view`, each for the first time."""
    began = time.perf_counter()
    server = Server("view", str(make_predictions(folder)))
    print(f"{PREDICTED:,} instances, two systems; made in {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    await server.start()
    print(f"the command says its address after {time.perf_counter() - began:.2f} s", end="")
    print(f", {server.seconds():.2f} s of the processor")
    async with aiohttp.ClientSession() as session:
        for page in PAGES:
            began, spent = time.perf_counter(), server.seconds()
            async with session.get(f"{server.addresses['view']}{page}") as reply:
                assert reply.status == 200, page
                text = await reply.text()
            took, spent = time.perf_counter() - began, server.seconds() - spent
            is_all = not re.search("still to be compared|being counted", text)
            size = f"{len(text):,} characters{'' if is_all else ', of those counted so far'}"
            print(f"{page or 'runs'}: {took:.2f} s, {spent:.2f} of the processor, {size}")
    await server.kill()


class Server:
    """A command that serves pages, as a process."""

    def __init__(self, *command: str) -> None:
        self.command = command
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.addresses: dict[str, str] = {}
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        command = (
            "-u",
            "-m",
            "seedstep",
            *self.command,
            "--port",
            str(self.port),
        )
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=asyncio.subprocess.PIPE
        )
        assert self.process.stdout
        async for line in self.process.stdout:
            if found := re.match(r"(\S+): (http\S+)", line.decode()):
                self.addresses[found[1]] = found[2]
            if b"Ctrl-C" in line:
                return
        raise SystemExit("the server did not start")

    def seconds(self) -> float:
        """The seconds of the processor that it took so far, where Linux tells them."""
        assert self.process
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return float("nan")
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    async def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


async def save(
    session: aiohttp.ClientSession, server: Server, rater: str, number: int, label: str
) -> bool:
    """Save one label; False where no acknowledgement came."""
    record = {"id": label, "number": number, "action": "label", "answers": ANSWERS}
    headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{server.port}"}
    try:
        async with session.post(
            f"{server.addresses[rater]}save", data=json.dumps(record), headers=headers
        ) as reply:
            return reply.status == 200 and (await reply.json())["saved"] == label
    except (aiohttp.ClientError, OSError):
        return False


async def measure(server: Server, raters: int, each: int, pause: float) -> list[float]:
    """The seconds that each label took, all raters at once, each with a pause between two."""
    seconds: list[float] = []

    async def rate(place: int) -> None:
        chance = random.Random(place)
        await asyncio.sleep(chance.uniform(0, pause))
        async with aiohttp.ClientSession() as session:
            for number in range(1, each + 1):
                began = time.perf_counter()
                assert await save(
                    session, server, f"rater{place}", number, f"r{place:04}-n{number:06}"
                )
                seconds.append(time.perf_counter() - began)
                await asyncio.sleep(chance.uniform(0.5, 1.5) * pause)

    await asyncio.gather(*(rate(place) for place in range(raters)))
    return seconds


async def survive(server: Server, raters: int, each: int, kills: int) -> set[str]:
    """The ids of the labels that were acknowledged while the server was killed again and again."""
    acknowledged: set[str] = set()
    is_over = False

    async def rate(place: int) -> None:
        number = 0
        async with aiohttp.ClientSession() as session:
            while not is_over:
                label = f"k{place:04}-n{number:06}"
                if await save(session, server, f"rater{place}", number % each + 1, label):
                    acknowledged.add(label)
                    number += 1
                else:
                    await asyncio.sleep(0.05)  # the same label again, as the page does

    raters_at_work = [asyncio.create_task(rate(place)) for place in range(raters)]
    chance = random.Random(1)
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(0.3, 0.9))
        await server.kill()
        await server.start()
    await asyncio.sleep(0.5)
    is_over = True
    await asyncio.gather(*raters_at_work)
    return acknowledged


async def run(arguments: Any, path: Path) -> None:
    """Measure, kill, and compare."""
    make(path, arguments.raters, arguments.each)
    server = Server("review", "serve", str(path))
    await server.start()
    began = time.perf_counter()
    seconds = sorted(await measure(server, arguments.raters, arguments.each, arguments.pause))
    took = time.perf_counter() - began
    at = [
        1000 * seconds[min(len(seconds) - 1, int(share * len(seconds)))]
        for share in (0.5, 0.95, 0.99)
    ]
    rate = len(seconds) / took
    print(f"{len(seconds):,} labels of {arguments.raters} raters in {took:.1f} s ({rate:.0f}/s)")
    most = 1000 * seconds[-1]
    print(f"saving: median {at[0]:.1f}, p95 {at[1]:.1f}, p99 {at[2]:.1f}, most {most:.0f} ms")
    acknowledged = await survive(server, arguments.raters, arguments.each, arguments.kills)
    await server.kill()
    with Review.open(path) as review:
        kept = {row.id for row in review.rows()}
    lost = acknowledged - kept
    print(
        f"{arguments.kills} kills: {len(acknowledged):,} acknowledged meanwhile, {len(lost)} lost"
    )
    print(f"kept in all: {len(kept):,}")
    if lost or len(kept) < len(seconds):
        raise SystemExit("labels were lost")


def main() -> None:
    """Read the flags, and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raters", type=int, default=50)
    parser.add_argument("--each", type=int, default=400)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pause", type=float, default=0.5, help="mean seconds between two labels")
    parser.add_argument("--view", action="store_true", help="measure `seedstep view` instead")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        work = view(Path(folder)) if asked.view else run(asked, Path(folder) / "review")
        asyncio.run(work)


if __name__ == "__main__":
    main()
