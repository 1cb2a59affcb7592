"""What several servers of one model give together, and where requests go.

Each server, all in one process of their own, answers some requests at a time, the others wait: 16
slots of 100 ms make 160 requests a second at the most. Four requests each begin alike. What is
printed are requests a second, the share of each server, and how many requests were sent again.

Example::

    python benchmarks/servers.py                  # five cases, half a minute
    python benchmarks/servers.py --requests 6000 --in-flight 192
"""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiohttp import web
from local_server import running_server

from seedstep.llm import Endpoint, Engine, MemoryLedger, Reply, Request, Sampling

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SLOTS = 16
SECONDS = 0.1
ALIKE = 4
"""How many requests begin alike."""


@dataclass(frozen=True)
class Served:
    """How a server answers: the seconds of a reply, and how many replies there are in all."""

    seconds: float = SECONDS
    replies: int = 1 << 60


GOOD, SLOW = Served(), Served(seconds=4 * SECONDS)
CASES = {
    "one": (GOOD,),
    "two": (GOOD,) * 2,
    "three": (GOOD,) * 3,
    "three, one four times as slow": (GOOD, GOOD, SLOW),
    "three, one fails half-way": (GOOD, GOOD, Served(replies=-1)),
}


def serve(pipe: "Connection[list[str], None]", servers: tuple[Served, ...]) -> None:
    """Answer until killed; tell the addresses first."""
    asyncio.run(_serve(pipe, servers))


async def _serve(pipe: "Connection[list[str], None]", servers: tuple[Served, ...]) -> None:
    urls = []
    for server in servers:
        runner = web.ServerRunner(web.Server(_answering(server), access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
    pipe.send(urls)
    await asyncio.Event().wait()


def _answering(server: Served) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    slots = asyncio.Semaphore(SLOTS)
    answered = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal answered
        await request.read()
        answered += 1
        if answered > server.replies:
            return web.Response(status=500)
        async with slots:
            await asyncio.sleep(server.seconds)
        body = b'{"choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]}'
        return web.Response(body=body, content_type="application/json")

    return answer


async def measure(urls: list[str], requests: int, in_flight: int) -> str:
    """Ask for everything; return the speed, and the share of each server."""
    first, *others = (Endpoint("benchmark", "m", url) for url in urls)
    endpoint = replace(first, others=tuple(others))
    async with Engine(endpoint, MemoryLedger(), in_flight) as engine:
        numbers = iter(range(requests))

        async def work() -> None:
            for number in numbers:
                text = f"{'Follow the instruction. ' * 20}{number // ALIKE} ".ljust(800, "x")
                answer = await engine.ask(Request("test", f"{text}{number}", Sampling(9)))
                assert isinstance(answer, Reply), answer

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(2 * in_flight)))
        seconds = time.perf_counter() - started
        stats = engine.stats
    shares = [server.sent / requests for server in stats.servers.values()] or [1.0]
    told = ", ".join(f"{share:.0%}" for share in shares)
    return f"{requests / seconds:7,.0f} requests/s   {told}   {stats.retried} again"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The speed of several servers of one model.")
    parser.add_argument("--requests", type=int, default=1500, help="default: 1,500")
    parser.add_argument("--in-flight", type=int, default=96, help="default: 96")
    asked = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; a server gives at the most ")
    print(f"{SLOTS / SECONDS:,.0f} requests/s; {asked.in_flight} in flight")
    for name, servers in CASES.items():
        half = asked.requests // 6
        ready = tuple(replace(each, replies=half) if each.replies < 0 else each for each in servers)
        with running_server(serve, ready) as urls:
            line = asyncio.run(measure(urls, asked.requests, asked.in_flight))
        print(f"{name:32}{line}", flush=True)


if __name__ == "__main__":
    main()
