"""Ask servers that misbehave at random: every command ends in good order, and nothing is made up.

Each server has some faults of its own, drawn by its number: statuses, bodies, headers and sockets
that are broken, bodies that are bombs, nested or garbage, texts of marks, words of ends that lie.
A share of its requests get one of them, at the first attempt only or at each. A stage is run
against it, twice, and then against a good server. Asserted:

- each command ends in its time, with exit status 0, or 1 and one line that says why;
- the key, which the server repeats, is in no output and in no file;
- `--max-requests` is not exceeded;
- faults that pass leave no trace: the data are those of a server without faults.

Example::

    python tests/campaigns/servers.py                # 200 servers
    python tests/campaigns/servers.py --n 20 --first 400
"""

import argparse
import gzip
import json
import logging
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.asking_stages import STAGES, command_of, made, prepare
from support.command_line import seedstep
from support.misbehaving import picked
from support.mutations import damaged
from support.scripted_server import Fault, Script, ScriptedServer, completion, error

KEY = "sk-campaign-0123456789abcdef"
MOST_REQUESTS = 400
LATEST = 60.0
"""Seconds in which a command has ended, on a busy machine too."""

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = completion(" A good reply", usage={"prompt_tokens": 7, "completion_tokens": 3})
WORDS = ("stop", "length", "content_filter", "tool_calls", "", None, 7, "\ud800", "x" * 5000, KEY)
MARKS = (
    "*",
    "#",
    " ",
    "\n",
    "1. ",
    "```",
    "<think>",
    "{",
    "Example 1\n",
    "Input: ",
    "\x1b[31m",
    "\0",
)


def _status(chance: random.Random) -> Fault:
    status = chance.choice((400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529, 302))
    body = chance.choice((error(f"no {KEY}"), b"<html>", b"", b"\xff" * 40, error({"a": [KEY]})))
    wait = chance.choice(("0", "0.01", "-1", "nan", "later", "1e9" if status != 429 else "0"))
    headers = {"Retry-After": wait, "Location": f"http://127.0.0.1:9/{KEY}"}
    return Fault(status, body, headers)


def _damaged(chance: random.Random) -> Fault:
    return Fault(body=damaged(GOOD, chance))


def _shape(chance: random.Random) -> Fault:
    shapes: tuple[Any, ...] = (
        [],
        {},
        None,
        7,
        [{}],
        [{"text": 7}],
        [{"message": None}],
    )
    return Fault(body=completion("", choices=chance.choice(shapes)))


def _empty(chance: random.Random) -> Fault:
    content = chance.choice(([], "", [{"type": "text", "text": ""}], [7], [None]))
    return Fault(body=completion("", choices=[{"message": {"content": content}}]))


def _ending(chance: random.Random) -> Fault:
    text = chance.choice(("", "I can't help with that.", " No", "x" * 3000))
    choice = {"text": text, "message": {"content": text}, "finish_reason": chance.choice(WORDS)}
    return Fault(body=completion("", choices=[choice]))


def _usage(chance: random.Random) -> Fault:
    counts = (0, -1, 10**30, 1e300, "many", None, [1], True)
    usage = {name: chance.choice(counts) for name in ("prompt_tokens", "completion_tokens")}
    return Fault(body=completion(" No", usage=usage))


def _marks(chance: random.Random) -> Fault:
    text = chance.choice(MARKS) * chance.choice((3, 500, 20_000))
    choice = {"text": text, "message": {"content": text}, "finish_reason": "stop"}
    return Fault(body=completion("", choices=[choice]))


def _bomb(chance: random.Random) -> Fault:
    body = gzip.compress(b" " * chance.choice((1 << 10, 1 << 22, 1 << 26)))
    return Fault(body=body, headers={"Content-Encoding": "gzip"})


def _deep(chance: random.Random) -> Fault:
    return Fault(
        body=chance.choice((b"[", b'{"choices":', b'{"a":[')) * chance.choice((50, 20_000))
    )


def _socket(chance: random.Random) -> Fault:
    raw = chance.choice(
        (
            b"",
            b"\0" * 50,
            OK + b"Content-Length: 500\r\n\r\n{",
            OK + b"Content-Length: -1\r\n\r\n{}",
            OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 " + KEY.encode() + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 3000 + b"\r\n",
            b"SSH-2.0-OpenSSH_9\r\n",
        )
    )
    return Fault(raw=raw, reset=chance.random() < 0.3)


def _two(chance: random.Random) -> Fault:
    """A good reply, and then another response that nobody asked for."""
    head = OK + b"Content-Length: %d\r\n\r\n" % len(GOOD)
    return Fault(raw=head + GOOD + OK + b"Content-Length: 2\r\n\r\n{}")


FAULTS: tuple[Callable[[random.Random], Fault], ...] = (
    *(
        _status,
        _status,
        _damaged,
        _damaged,
        _shape,
        _empty,
        _ending,
        _usage,
        _marks,
        _bomb,
        _deep,
        _socket,
        _two,
    ),
)
PASSING = (_shape, _socket)
"""Kinds that no stage takes for a reply; the statuses 429 and 500 are added."""


@dataclass(frozen=True)
class BadServer:
    """A server by its number: what it does to which requests of which stage."""

    stage: str
    faults: tuple[Fault, ...]
    one_in: int
    passes: bool

    @classmethod
    def of(cls, number: int) -> "BadServer":
        chance = random.Random(f"server {number}")
        passes = chance.random() < 0.3
        kinds = chance.sample(PASSING if passes else FAULTS, chance.randint(1, 2))
        faults = [kind(chance) for kind in kinds for _ in range(3)]
        if passes:
            faults += [Fault(429), Fault(500, error(KEY)), Fault(reset=True)]
        return cls(chance.choice(list(STAGES)), tuple(faults), chance.choice((1, 2, 5)), passes)

    def script(self) -> Script:
        seen: Counter[str] = Counter()

        def script(number: int, body: dict[str, Any]) -> Fault | None:
            text = json.dumps(body, sort_keys=True)
            seen[text] += 1
            is_bad = picked(body, self.one_in) and not (self.passes and seen[text] > 2)
            fault = self.faults[hash_of(text) % len(self.faults)]
            return fault if is_bad else STAGES[self.stage].reply(number, body)

        return script


def hash_of(text: str) -> int:
    return sum(text.encode("utf-8", "replace")[::7])


def run(folder: Path, stage: str, server: ScriptedServer, out: Path) -> str:
    """Run a stage, and return the error that it ended with, or ""."""
    began = time.monotonic()
    flags = ("--max-requests", MOST_REQUESTS)
    done = seedstep(*command_of(stage, server, folder, out), *flags)
    assert time.monotonic() - began < LATEST, "it took too long"
    assert done.code in (0, 1), done.code
    assert "Traceback" not in done.err, done.err
    assert KEY not in done.out + done.err, "the key is told"
    lines = done.err.splitlines()
    assert len(lines) <= 1, lines
    assert len(done.err) < 2000, "a message of many characters"
    return lines[0] if lines else "" if done.code == 0 else "stopped"


def data_of(out: Path) -> bytes:
    """What a run made, without the keys of requests, which depend on the server's port."""
    return re.sub(rb'"requests": \[[^]]*\]', b"", made(out))


def attack(number: int, folder: Path, calm: dict[str, bytes]) -> str:
    """Run a stage against a bad server and then a good one; return how it ended."""
    bad, out = BadServer.of(number), folder / f"run-{number}"
    with ScriptedServer(bad.script()) as server:
        told = [run(folder, bad.stage, server, out) for _ in range(2)]
        assert server.requests <= MOST_REQUESTS, f"{server.requests} requests"
        port = server.port
    with ScriptedServer(STAGES[bad.stage].reply, port) as server:
        told.append(run(folder, bad.stage, server, out))
    for path in out.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), f"the key is in {path}"
    if bad.passes and not told[-1]:
        assert data_of(out) == calm[bad.stage], "faults that passed left a trace"
    shutil.rmtree(out, ignore_errors=True)
    return "ended well" if not told[-1] else "told"


def campaign(first: int, count: int, folder: Path) -> Counter[str]:
    """Attack with so many servers; print each promise that is broken."""
    prepare(folder)
    calm: dict[str, bytes] = {}
    for name in STAGES:
        with ScriptedServer(STAGES[name].reply) as server:
            assert run(folder, name, server, folder / "calm") == ""
            calm[name] = data_of(folder / "calm")
            shutil.rmtree(folder / "calm")
    counted: Counter[str] = Counter()
    for number in range(first, first + count):
        try:
            counted[attack(number, folder, calm)] += 1
        except Exception as fault:
            counted["faults"] += 1
            print(f"server {number}: {BadServer.of(number).stage}: {fault!r:.600}", flush=True)
    return counted


@contextmanager
def in_haste() -> Iterator[None]:
    """Let commands wait for hardly anything, and know the key."""
    with (
        patch("seedstep.llm.engine.backoff", lambda attempts: 0.001),
        patch("seedstep.llm.faults.OVERLOAD_SECONDS", 1.0),
        patch("seedstep.llm.faults.OUTAGE_SECONDS", 1.0),
        patch("seedstep.llm.exchange.REPLY_SECONDS", 10.0),
        patch("seedstep.llm.wire.retry_after", lambda headers: 0.001),
        patch.dict(os.environ, {"OPENAI_API_KEY": KEY}),
    ):
        yield


def main() -> None:
    """Print the counts; exit with 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200, help="how many servers; default: 200")
    parser.add_argument("--first", type=int, default=0, help="the number of the first server")
    asked = parser.parse_args()
    logging.getLogger("aiohttp.server").disabled = True
    folder = Path(tempfile.mkdtemp(prefix="seedstep-servers."))
    began = time.monotonic()
    with in_haste():
        counted = campaign(asked.first, asked.n, folder)
    shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{asked.n} servers from {asked.first} on: {counted['ended well']} ended well at a good "
        f"server, {counted['told']} told why not, {counted['faults']} faults; "
        f"{time.monotonic() - began:.0f} s."
    )
    sys.exit(bool(counted["faults"]))


if __name__ == "__main__":
    main()
