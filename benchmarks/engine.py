"""What the request engine costs beside a bare aiohttp client, against a server that takes 50 ms.

The server, in a process of its own, answers every request after 50 ms: 64 in flight make 1,280
requests a second at the most. The bare client encodes, sends, receives and decodes, and keeps
nothing. The engine has each reply in a SQLite database, on the disk, before it is used. The two
take turns, each time in a fresh process, so that a busy machine slows both. What is printed are
medians over the rounds; CPU and memory are the client process's, threads included, memory as its
peak above what the process took before the first request.

Example::

    python benchmarks/engine.py                     # three cases, about a minute
    python benchmarks/engine.py --in-flight 8 --reply-bytes 100000 --rounds 9
    python benchmarks/engine.py --long              # 100,000 requests: does memory stay flat?

The database lies in the directory for temporary files (`TMPDIR`); on a tmpfs "on the disk" costs
nothing.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from local_server import PROCESSES, running_server

from seedstep.llm import Endpoint, Engine, Reply, Request, Sampling
from seedstep.runs.database import Database
from seedstep.runs.ledger import RequestLedger
from seedstep.runs.requests import read_spent

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SERVER_SECONDS = 0.05
PROMPT_CHARACTERS = 1000
WINDOW = 4
"""Requests that wait or are in flight at a time, in multiples of those in flight."""


@dataclass(frozen=True)
class Case:
    """How many requests, how many of them at a time, and how long the replies are."""

    requests: int = 3000
    in_flight: int = 64
    reply_bytes: int = 400

    def __str__(self) -> str:
        return f"{self.requests:,} requests, {self.in_flight} in flight, {self.reply_bytes:,} B"


STANDARD = (Case(), Case(in_flight=512), Case(reply_bytes=4096))
LONG = Case(requests=100_000)


@dataclass(frozen=True)
class Cost:
    """What one round took. `growth` has a process's memory, in MiB, after each tenth of it."""

    seconds: float
    cpu_seconds: float
    peak: float
    growth: tuple[float, ...]


# The server


def serve(pipe: "Connection[str, None]") -> None:
    """Answer until killed; tell the address first."""
    asyncio.run(_serve(pipe))


async def _serve(pipe: "Connection[str, None]") -> None:
    runner = web.ServerRunner(web.Server(_answer, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    pipe.send(site.name.replace(":0", f":{runner.addresses[0][1]}"))
    await asyncio.Event().wait()


async def _answer(request: web.BaseRequest) -> web.StreamResponse:
    """The path begins with the wanted length of the text: `/400/v1/completions`."""
    await request.read()
    await asyncio.sleep(SERVER_SECONDS)
    text = "x" * int(request.path.split("/")[1])
    choice = f'{{"index": 0, "text": "{text}", "finish_reason": "stop"}}'
    usage = '{"prompt_tokens": 250, "completion_tokens": 100}'
    body = f'{{"object": "text_completion", "choices": [{choice}], "usage": {usage}}}'
    return web.Response(body=body.encode(), content_type="application/json")


# The clients

Ask = Callable[[int], Awaitable[None]]


def prompt(number: int) -> str:
    """A prompt as long as the papers' frames, unlike every other."""
    return f"Task {number}: ".ljust(PROMPT_CHARACTERS, "x")


async def run_bare(case: Case, url: str) -> Cost:
    """As short as a client can be that keeps so many in flight."""
    places = asyncio.Semaphore(case.in_flight)
    timeout = aiohttp.ClientTimeout(total=600, sock_connect=10)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def ask(number: int) -> None:
            body = {"model": "m", "max_tokens": 100, "prompt": prompt(number)}
            data = json.dumps(body).encode()
            headers = {"Content-Type": "application/json"}
            async with (
                places,
                session.post(f"{url}/completions", data=data, headers=headers) as response,
            ):
                reply = json.loads(await response.read())
            assert len(reply["choices"][0]["text"]) == case.reply_bytes

        return await measured(case, ask)


async def run_engine(case: Case, url: str) -> Cost:
    """The engine on a run's database, as every stage asks through it."""
    with tempfile.TemporaryDirectory() as directory:
        database = Database.open(Path(directory) / "run.db")
        async with Engine(
            Endpoint("benchmark", "m", url),
            RequestLedger(database),
            case.in_flight,
            spent=read_spent(database),
        ) as engine:

            async def ask(number: int) -> None:
                answer = await engine.ask(Request("test", prompt(number), Sampling(100)), (number,))
                assert isinstance(answer, Reply), answer
                assert len(answer.text) == case.reply_bytes

            cost = await measured(case, ask)
        kept = database.rows("SELECT count(*) FROM requests")[0][0]
        assert kept == case.requests, "a request is not in the database"
        database.close()
        return cost


CLIENTS = {"bare": run_bare, "engine": run_engine}


async def measured(case: Case, ask: Ask) -> Cost:
    """Ask for everything, in order, with more waiting than can be in flight."""
    numbers = iter(range(case.requests))
    before = memory("VmRSS")
    growth: list[float] = []

    async def work() -> None:
        for number in numbers:
            await ask(number)
            if (number + 1) % max(1, case.requests // 10) == 0:
                growth.append(memory("VmRSS") - before)

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(WINDOW * case.in_flight)))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    return Cost(seconds, cpu_seconds, memory("VmHWM") - before, tuple(growth))


def memory(field: str) -> float:
    """MiB of this process, now (VmRSS) or at the most (VmHWM). Linux only; elsewhere 0."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def one_round(client: str, case: Case, url: str) -> Cost:
    """Run a client; called in a process of its own."""
    return asyncio.run(CLIENTS[client](case, f"{url}/{case.reply_bytes}/v1"))


# The comparison


def compare(case: Case, rounds: int, url: str) -> dict[str, list[Cost]]:
    """Costs of both clients, who take turns."""
    costs: dict[str, list[Cost]] = {client: [] for client in CLIENTS}
    with ProcessPoolExecutor(1, PROCESSES, max_tasks_per_child=1) as pool:
        for _ in range(rounds):
            for client in CLIENTS:
                costs[client].append(pool.submit(one_round, client, case, url).result())
    return costs


HEADINGS = ("requests/s", "CPU ms/request", "peak MiB")


def heading() -> str:
    """Two lines that stand above the table."""
    groups = "".join(f"{name:>18}" for name in HEADINGS)
    return f"{'':44}{groups}\n{'':44}" + f"{'bare':>9}{'engine':>9}" * 3 + f"{'ratio':>7}"


def row(case: Case, costs: dict[str, list[Cost]]) -> str:
    """Medians over the rounds; the ratio is the median of the rounds' ratios."""
    bare, engine = costs["bare"], costs["engine"]
    ratio = median(ours.seconds / theirs.seconds for ours, theirs in zip(bare, engine, strict=True))
    speeds, cpus, peaks = (
        (median(case.requests / measured.seconds for measured in each) for each in (bare, engine)),
        (
            median(measured.cpu_seconds * 1000 / case.requests for measured in each)
            for each in (bare, engine)
        ),
        (median(measured.peak for measured in each) for each in (bare, engine)),
    )
    cells = [f"{speed:9,.0f}" for speed in speeds]
    cells += [f"{seconds:9.2f}" for seconds in cpus]
    cells += [f"{peak:9.1f}" for peak in peaks]
    return f"{case!s:44}{''.join(cells)}{ratio:7.2f}"


def growth_table(case: Case, costs: dict[str, list[Cost]]) -> str:
    """Memory after each tenth of a long run."""
    marks = "".join(f"{case.requests * n // 10_000:>7}k" for n in range(1, 11))
    lines = [f"{'MiB above the start, after requests':44}{marks}"]
    for client, (cost, *_) in costs.items():
        lines.append(f"{client:>44}" + "".join(f"{grown:8.1f}" for grown in cost.growth))
    return "\n".join(lines)


def load() -> str:
    """How busy the machine is."""
    return ", ".join(f"{load:.1f}" for load in os.getloadavg())


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The engine's speed beside a bare aiohttp client.")
    parser.add_argument("--requests", type=int, help=f"default: {Case.requests:,}")
    parser.add_argument("--in-flight", type=int, help="one case only, with so many at a time")
    parser.add_argument("--reply-bytes", type=int, help="one case only, with replies so long")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--long", action="store_true", help=f"one round of {LONG.requests:,}")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    asked = options()
    names = ("requests", "in_flight", "reply_bytes")
    given = {name: getattr(asked, name) for name in names if getattr(asked, name)}
    cases = STANDARD if given.keys() <= {"requests"} else (Case(),)
    cases, rounds = ((LONG,), 1) if asked.long else (cases, asked.rounds)
    print(f"load {load()} on {os.cpu_count()} cores; rounds: {rounds}\n{heading()}")
    with running_server(serve) as url:
        for case in (replace(case, **given) for case in cases):
            costs = compare(case, rounds, url)
            print(row(case, costs), flush=True)
            if asked.long:
                print(growth_table(case, costs))
    print(f"load {load()}")


if __name__ == "__main__":
    main()
