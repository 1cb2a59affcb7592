"""A scripted OpenAI-compatible server: the test double of a model.

Replies depend on the request alone, never on the order in which requests come, so that two runs
of the same stage must end in the same data. Faults and delays are given by a script: a function
from the number of the request (and its body) to a `Fault`, or to None for an ordinary reply.

It runs in a thread of the test's process, so that the process under test can be killed.
"""

import asyncio
import hashlib
import json
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

VERBS = ("Describe", "Compare", "Explain", "Summarize", "Rewrite", "List", "Invent", "Classify")
SUBJECTS = tuple(
    f"{adjective} {noun}"
    for adjective in ("red", "old", "tiny", "loud", "calm", "odd", "wet")
    for noun in ("bridges", "rivers", "recipes", "letters", "songs", "gardens", "planets")
)
AIMS = tuple(
    f"for {who} in {where}"
    for who in ("children", "sailors", "nurses", "judges", "bakers")
    for where in ("winter", "Norway", "daylight", "school", "verse", "silence")
)


@dataclass(frozen=True)
class Fault:
    """What to send instead of a reply.

    First `until` must be true and `delay` seconds pass, also before a good reply. `drip` seconds
    pass before each byte of a body. `raw` is sent as it is, HTTP or not, and the connection closed,
    or with `reset` broken.
    """

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    reset: bool = False
    until: Callable[[], bool] | None = None
    drip: float = 0.0
    raw: bytes | None = None


Script = Callable[[int, dict[str, Any]], Fault | None]


def _chance(text: str) -> random.Random:
    return random.Random(hashlib.sha256(text.encode()).hexdigest())


def made_up_instructions(prompt: str) -> list[str]:
    """Up to 7 instructions, some of which our filters reject."""
    chance = _chance(prompt)
    written = [
        f"{chance.choice(VERBS)} {chance.choice(SUBJECTS)} {chance.choice(AIMS)}."
        for _ in range(chance.randint(2, 6))
    ]
    extras = ["Draw a cat on the table.", "Too short.", "- What is this about?"]
    return written + chance.sample(extras, chance.randint(0, 1))


def made_up_instances(instruction: str) -> list[tuple[str, str]]:
    """Up to 3 (input, output), sometimes with a bad one, sometimes none at all."""
    chance = _chance(instruction)
    if chance.random() < 0.1:
        return []
    pairs = [(f"text {chance.randint(0, 999)}", f"answer {n}") for n in range(chance.randint(1, 3))]
    if chance.random() < 0.3:
        pairs.append(("the same", "the same"))
    return pairs


def made_up_answer(instruction: str) -> str:
    """What a very small model might answer, sometimes with too little."""
    minutes = _chance(instruction).randint(0, 60)
    if minutes < 6:
        return "I see."
    return f"Look closely, take {minutes} quiet minutes, and then ask somebody who has done it."


def _target(prompt: str) -> str:
    return str(re.findall(r"^Task: (.*)$", prompt, re.MULTILINE)[-1])


def completion_text(prompt: str) -> str:
    """What a base model might continue; also the text of a conversation in the turns style."""
    if prompt.startswith("Come up with a series of tasks:"):
        first, *others = made_up_instructions(prompt)
        return f" {first}\n" + "".join(
            f"{n}. {instruction}\n" for n, instruction in enumerate(others, 10)
        )
    if prompt.startswith("<|im_start|>"):
        first, second, *_ = made_up_instructions(prompt)  # of one alone, few are novel
        return f"{first.removesuffix('.')}, and then {second}"
    if prompt.startswith("Answer correctly and briefly."):
        return made_up_answer(prompt.splitlines()[-1])
    target = _target(prompt)
    if prompt.startswith("Can the following task"):
        return " Yes" if target.startswith("Classify") else " No"
    pairs = made_up_instances(target)
    if prompt.startswith("Given the classification task"):
        return "\n".join(f"Class label: {output}\nText: {text}" for text, output in pairs)
    return "\n".join(
        f"Example {n}\nText: {text}\nOutput: {output}" for n, (text, output) in enumerate(pairs, 1)
    )


def chat_text(prompt: str) -> str:
    """What an instruction-tuned model might answer: JSON, sometimes in a fence."""
    if prompt.startswith("Here are"):
        return json.dumps({"tasks": made_up_instructions(prompt)})
    target = _target(prompt)
    if prompt.startswith("Can the following task"):
        return json.dumps({"is_classification": target.startswith("Classify")})
    name = "label" if prompt.startswith("Below is a classification task") else "output"
    pairs = made_up_instances(target)
    body = json.dumps({"examples": [{"input": text, name: out} for text, out in pairs]})
    return f"```json\n{body}\n```" if len(body) % 2 else body


class ScriptedServer:
    """Serves while entered. `answered` counts the bodies whose reply was sent as a whole.

    `paths`, `bodies`, `headers`, `arrived` (seconds) and `crowd` (how many were in flight with it)
    have one entry a request. `requests` and `bodies` count whatever was sent before they are
    looked at, also what a client that has ended by now did not wait for.
    """

    def __init__(self, script: Script | None = None, port: int = 0) -> None:
        self.script = script
        self.port = port
        self.url = ""
        self._thread: threading.Thread | None = None
        self._requests = 0
        self._bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.arrived: list[float] = []
        self.crowd: list[int] = []
        self.answered: Counter[str] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0

    def __enter__(self) -> "ScriptedServer":
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        def serve() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(self._start())
            started.set()
            self._loop.run_forever()
            self._loop.run_until_complete(self._runner.cleanup())
            self._loop.close()

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()
        started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        self._catch_up()
        return self._requests

    @requests.setter
    def requests(self, count: int) -> None:
        self._catch_up()
        self._requests = count

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of the requests that were sent."""
        self._catch_up()
        return self._bodies

    def _catch_up(self) -> None:
        """Wait until all is read that has arrived. The server's own thread does not wait."""
        thread = self._thread
        if thread and thread.is_alive() and thread is not threading.current_thread():
            asyncio.run_coroutine_threadsafe(_turns(), self._loop).result(60)

    async def _start(self) -> None:
        app = web.Application(client_max_size=1 << 24)
        self._routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024)
        await site.start()
        assert isinstance(site._server, asyncio.Server)
        self.port = site._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def _routes(self, app: web.Application) -> None:
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/completions", self._answer)
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_post("/v1/embeddings", self._answer)

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "scripted"}]})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number = self._requests
        self._requests += 1
        self._bodies.append(body)
        self.headers.append(dict(request.headers))
        self.paths.append(request.path)
        self.arrived.append(time.monotonic())
        with self._counted():
            self.crowd.append(self.in_flight)
            fault = self.script(number, body) if self.script else None
            if fault:
                await _wait(fault)
                if (response := await _faulty(request, fault)) is not None:
                    return response
            response = web.json_response(payload_of(body))
            await response.prepare(request)
            await response.write_eof()
            if request.transport and not request.transport.is_closing():
                self.answered[json.dumps(body, sort_keys=True)] += 1
            return response

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1


async def _turns() -> None:
    """So many turns of the loop as accepting a connection, reading and counting take, and more."""
    for _ in range(20):
        await asyncio.sleep(0)


async def _wait(fault: Fault) -> None:
    while fault.until and not fault.until():  # noqa: ASYNC110 - any condition, of another thread
        await asyncio.sleep(0.002)
    if fault.delay:
        await asyncio.sleep(fault.delay)


async def _faulty(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    """The response that a fault stands for; None where the good reply shall follow."""
    if fault.reset or fault.raw is not None:
        assert isinstance(request.transport, asyncio.Transport)
        request.transport.write(fault.raw or b"")
        if fault.reset:
            at_once = struct.pack("ii", 1, 0)  # without waiting for what is not yet read
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            request.transport.abort()
        else:
            request.transport.close()
        return web.Response()
    if fault.status == 200 and fault.body is None:
        return None
    data = fault.body or b'{"error": {"message": "scripted fault"}}'
    if not fault.drip:
        return web.Response(status=fault.status, body=data, headers=fault.headers)
    response = web.StreamResponse(status=fault.status, headers=fault.headers)
    await response.prepare(request)
    with suppress(ConnectionResetError):  # the client may have heard enough
        for byte in data:
            await asyncio.sleep(fault.drip)
            await response.write(bytes([byte]))
    return response


def made_up_embedding(text: str, width: int = 24) -> list[float]:
    """The sum of a vector for each word: texts of the same words, in any order, are equal."""
    words = re.findall(r"\w+", text.lower()) or [""]
    chances = [_chance(word) for word in words]
    vectors = [[chance.gauss(0, 1) for _ in range(width)] for chance in chances]
    return [round(sum(numbers), 6) for numbers in zip(*vectors, strict=True)]


def embeddings(texts: list[str], width: int = 24) -> dict[str, Any]:
    """The body of an answer with embeddings."""
    data = [
        {"object": "embedding", "index": place, "embedding": made_up_embedding(text, width)}
        for place, text in enumerate(texts)
    ]
    used = {"prompt_tokens": 5 * len(texts), "total_tokens": 5 * len(texts)}
    return {"object": "list", "data": data, "usage": used}


def prompt_tokens(body: dict[str, Any]) -> int:
    """The count of a prompt's tokens that the server sends."""
    turns = body.get("messages") or [{"content": body["prompt"]}]
    return 7 + sum(len(turn["content"]) for turn in turns) // 16


def payload_of(body: dict[str, Any]) -> dict[str, Any]:
    if "input" in body:
        return embeddings(body["input"])
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    if "prompt" in body:
        text = completion_text(body["prompt"])
        choice["text"] = text
    else:
        turns = [message["content"] for message in body["messages"]]
        text = completion_text("\n".join(turns)) if len(turns) > 1 else chat_text(turns[0])
        choice["message"] = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": prompt_tokens(body), "completion_tokens": len(text.split())}
    return {"object": "completion", "choices": [choice], "usage": usage}


def random_delays(most: float) -> Script:
    """Every reply comes after a random time of up to `most` seconds."""
    chance = random.Random()
    return lambda number, body: Fault(delay=chance.uniform(0, most))


def in_turn(*faults: Fault | None) -> Script:
    """The first request gets the first fault, and so on; later ones get ordinary replies."""
    return lambda number, body: faults[number] if number < len(faults) else None


def error(message: object, **fields: object) -> bytes:
    """The body of an error, as OpenAI writes it."""
    return json.dumps({"error": {"message": message, **fields}}).encode()


def completion(text: object, **fields: object) -> bytes:
    """The body of a completion. `fields` are further ones of it, such as `usage`."""
    choice = {"index": 0, "text": text, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], **fields}).encode()
