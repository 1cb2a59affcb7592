"""How a bootstrap grows: time, memory and disk for a task, and how long going on takes.

A scripted server in a process of its own answers at once, with texts that depend on the request
alone. They are as long as those of the paper's data: instructions of 16 words, and one or two
instances with inputs of 13 and outputs of 19 words, all drawn from 20,000 made-up words. One run
grows to each size in turn, in a fresh process each time, so that each size but the first begins by
going on with all tasks of the one before. `goes on` is the time from the start of that process to
the first new generation request that is retired. Times, CPU and memory are those of the process
that works on the run; memory is its peak.

Example::

    python benchmarks/large.py                            # 1,000 and 2,000 tasks
    python benchmarks/large.py --tasks 52000 1000000      # hours
    python benchmarks/large.py --replay                   # going on by reading all replies again
"""

import argparse
import asyncio
import json
import os
import random
import re
import resource
import shutil
import sqlite3
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from local_server import PROCESSES, running_server

from seedstep import self_instruct
from seedstep.bootstrap import Generation
from seedstep.recipes import BootstrapProgress

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SYLLABLES = [first + last for first in "bdfgklmnprst" for last in ("a", "e", "i", "o", "u")]
WORDS = 20_000
INSTRUCTION, INPUT, OUTPUT = 16, 13, 19
"""Mean numbers of words (Self-Instruct, Table 1)."""

MORE = 5
"""How many tasks are added after the last size, to see how long going on takes."""


# The server


def serve(pipe: "Connection[str, None]") -> None:
    """Answer until killed; tell the address first."""
    asyncio.run(_serve(pipe))


async def _serve(pipe: "Connection[str, None]") -> None:
    runner = web.ServerRunner(web.Server(_answer, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    pipe.send(site.name.replace(":0", f":{runner.addresses[0][1]}") + "/v1")
    await asyncio.Event().wait()


async def _answer(request: web.BaseRequest) -> web.StreamResponse:
    if request.method == "GET":
        return web.json_response({"data": [{"id": "scripted"}]})
    body = json.loads(await request.read())
    text = reply(body["prompt"], body.get("seed", 0))
    choice = {"index": 0, "text": text, "finish_reason": "stop"}
    usage = {"prompt_tokens": len(body["prompt"]) // 4, "completion_tokens": len(text) // 4}
    return web.json_response({"object": "text_completion", "choices": [choice], "usage": usage})


def words(chance: random.Random, mean: int) -> str:
    """About so many words, from a vocabulary in which some are more frequent than others."""
    numbers = (int(WORDS * chance.random() ** 3) for _ in range(chance.randint(mean - 5, mean + 5)))
    return " ".join(
        "".join(SYLLABLES[number // 60**place % 60] for place in range(3)) for number in numbers
    )


def reply(prompt: str, draw: int) -> str:
    """What a base model might continue."""
    chance = random.Random(f"{draw} {prompt}")
    if prompt.startswith("Come up with a series of tasks:"):
        new = [f"Describe {words(chance, INSTRUCTION - 1)}." for _ in range(chance.randint(2, 4))]
        return f" {new[0]}\n" + "".join(f"{n}. {text}\n" for n, text in enumerate(new[1:], 10))
    if prompt.startswith("Can the following task"):
        return " Yes" if chance.random() < 0.2 else " No"
    target = re.findall(r"^Task: (.*)$", prompt, re.MULTILINE)[-1]
    chance = random.Random(target)
    pairs = [(words(chance, INPUT), words(chance, OUTPUT)) for _ in range(chance.randint(1, 2))]
    if prompt.startswith("Given the classification task"):
        return "\n".join(f"Class label: {output[:12]}\nText: {text}" for text, output in pairs)
    return "\n".join(
        f"Example {n}\nText: {text}\nOutput: {output}" for n, (text, output) in enumerate(pairs, 1)
    )


# The run


@dataclass(frozen=True)
class Growth:
    """What it took to grow a run to a number of tasks."""

    before: int
    tasks: int
    goes_on: float
    seconds: float
    cpu_seconds: float
    peak: float
    disk: int


class FirstNew:
    """Watches for the first item that no earlier process had retired."""

    def __init__(self, known: int) -> None:
        self.known = known
        self.at = 0.0

    def began(self, progress: BootstrapProgress) -> None:
        pass

    def retired(self, progress: BootstrapProgress, generation: Generation) -> None:
        if not self.at and generation.index >= self.known:
            self.at = time.perf_counter()

    def tick(self, progress: BootstrapProgress) -> None:
        pass


def counted(path: Path, query: str) -> int:
    """A number from a run's database; 0 if there is no run."""
    if not (path / "run.db").exists():
        return 0
    with closing(sqlite3.connect(path / "run.db")) as database:
        return int(database.execute(query).fetchone()[0] or 0)


def grow(path: Path, url: str, tasks: int, in_flight: int) -> Growth:
    """Grow a run; called in a process of its own."""
    before = counted(path, "SELECT count(*) FROM candidates WHERE reason = ''")
    watch = FirstNew(counted(path, "SELECT count(*) FROM generations"))
    started, cpu = time.perf_counter(), time.process_time()
    settings: dict[str, Any] = {"model": "openai:scripted", "base_url": url}
    settings |= {"prompt_style": "completion", "window": 2 * in_flight, "in_flight": in_flight}
    settings["patience"] = 1000
    with self_instruct(path, watch=watch, same_model=True, tasks=tasks, **settings) as run:
        found = len(run.tasks())
    ended = time.perf_counter()
    assert found == tasks, f"{found} tasks in place of {tasks}"
    return Growth(
        before,
        tasks,
        watch.at - started,
        ended - watch.at,
        time.process_time() - cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        sum(file.stat().st_size for file in path.glob("run.db*")),
    )


def forget(path: Path) -> None:
    """Take away what says that the records of retired items are whole."""
    with closing(sqlite3.connect(path / "run.db")) as database, database:
        database.execute("UPDATE generations SET chain = x'00'")


TABLES = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY sum(pgsize) DESC"


def parts(path: Path, tasks: int) -> str:
    """The bytes a task of each table and index, if this SQLite can tell."""
    with closing(sqlite3.connect(path / "run.db")) as database:
        try:
            rows = database.execute(TABLES).fetchall()
        except sqlite3.OperationalError:
            return ""
    return ", ".join(f"{name} {size / tasks:,.0f}" for name, size in rows if size >= 20 * tasks)


HEADING = (
    f"{'tasks':>10}{'known':>10}{'goes on s':>11}{'ms/task':>9}{'CPU ms':>8}{'MiB':>8}{'B/task':>8}"
)


def row(found: Growth) -> str:
    """A line of the table."""
    new = found.tasks - found.before
    return (
        f"{found.tasks:>10,}{found.before:>10,}{found.goes_on if found.before else 0:>11.2f}"
        f"{1000 * found.seconds / new:>9.2f}{1000 * found.cpu_seconds / new:>8.2f}"
        f"{found.peak:>8.0f}{found.disk / found.tasks:>8,.0f}"
    )


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, nargs="+", default=[1000, 2000], help="sizes, rising")
    parser.add_argument("--in-flight", type=int, default=32, help="default: 32")
    parser.add_argument("--replay", action="store_true", help="go on by reading all replies again")
    parser.add_argument("--out", type=Path, help="keep the run here, and go on with it")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    asked = options()
    folder = asked.out or Path(tempfile.mkdtemp(prefix="seedstep-large."))
    path = folder / "run"
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n{HEADING}", flush=True)
    with (
        running_server(serve) as url,
        ProcessPoolExecutor(1, PROCESSES, max_tasks_per_child=1) as pool,
    ):
        sizes = sorted(asked.tasks)
        for tasks in (*sizes, sizes[-1] + MORE):
            if asked.replay and path.exists():
                forget(path)
            print(row(pool.submit(grow, path, url, tasks, asked.in_flight).result()), flush=True)
    print(f"bytes a task: {parts(path, sizes[-1] + MORE)}")
    if not asked.out:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
