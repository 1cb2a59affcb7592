"""A fine-tuning API that keeps files and jobs in memory, and fails when it is told to."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass
class TuningServer:
    """`faults` are sent in place of an answer to the next request of that method and path.

    With `after` a fault is sent although the request was carried out, as if the answer was lost.
    `statuses` are what a job passes through, one at each look. `lists` says whether there are
    lists of files and jobs.
    """

    statuses: list[str] = field(default_factory=lambda: ["validating_files", "running"])
    outcome: dict[str, Any] = field(
        default_factory=lambda: {
            "status": "succeeded",
            "fine_tuned_model": "ft:small:me::1",
            "trained_tokens": 1234,
        }
    )
    lists: bool = True
    faults: dict[str, deque[web.Response]] = field(default_factory=dict)
    after: bool = False
    paths: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    files: list[dict[str, Any]] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    knows_method: bool = True
    echoes: bool = True
    url: str = ""

    def fail(self, request: str, *responses: web.Response) -> None:
        self.faults[request] = deque(responses)

    def count(self, request: str) -> int:
        return self.paths.count(request)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["TuningServer"]:
        app = web.Application(client_max_size=1 << 24, middlewares=[self._scripted])
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files", self._list_files)
        app.router.add_post("/v1/fine_tuning/jobs", self._create)
        app.router.add_get("/v1/fine_tuning/jobs", self._list_jobs)
        app.router.add_get("/v1/fine_tuning/jobs/{id}", self._job)
        app.router.add_get("/v1/fine_tuning/jobs/{id}/events", self._events)
        async with TestServer(app) as server:
            self.url = str(server.make_url("/v1"))
            yield self

    @web.middleware
    async def _scripted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        name = f"{request.method} {request.path.removeprefix('/v1/')}"
        self.paths.append(name)
        self.keys.add(request.headers.get("Authorization", ""))
        faults = self.faults.get(name)
        if not faults:
            return await handler(request)  # type: ignore[no-any-return]
        fault = faults.popleft()
        if self.after:
            await handler(request)
        await asyncio.sleep(0)
        return fault

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        assert form["purpose"] == "fine-tune"
        content = file.file.read()
        number = len(self.files) + 1
        kept = {"id": f"file-{number}", "filename": file.filename, "bytes": len(content)}
        self.files.append(kept)
        self.contents.append(content.decode("utf-8"))
        return web.json_response(kept)

    async def _list_files(self, _: web.Request) -> web.Response:
        return self._list(self.files)

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "method" in body and not self.knows_method:
            return refusal(400, "Unrecognized request argument supplied: method")
        self.bodies.append(body)
        told = body if self.echoes else {}
        job = {
            "id": f"ftjob-{len(self.jobs) + 1}",
            "status": "validating_files",
            "training_file": body["training_file"],
            "method": told.get("method"),
            "hyperparameters": told.get("hyperparameters"),
        }
        self.jobs.append(job)
        return web.json_response(job)

    async def _list_jobs(self, _: web.Request) -> web.Response:
        return self._list(self.jobs)

    async def _job(self, request: web.Request) -> web.Response:
        found = [job for job in self.jobs if job["id"] == request.match_info["id"]]
        if not found:
            return refusal(404, "no such job")
        found[0].update({"status": self.statuses.pop(0)} if self.statuses else self.outcome)
        return web.json_response(found[0])

    async def _events(self, _: web.Request) -> web.Response:
        return self._list(self.events[::-1])

    def _list(self, rows: list[dict[str, Any]]) -> web.Response:
        if not self.lists:
            return refusal(404, "Not Found")
        return web.json_response({"object": "list", "data": rows, "has_more": False})


@dataclass
class JobWatcher:
    """Keeps what a job tells."""

    statuses: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def moved(self, job_id: str, status: str) -> None:
        self.statuses.append(f"{job_id} {status}")

    def happened(self, message: str) -> None:
        self.events.append(message)

    def warned(self, message: str) -> None:
        self.warnings.append(message)


def refusal(status: int, message: str, **fields: Any) -> web.Response:
    """An error, as OpenAI writes it."""
    return web.json_response({"error": {"message": message, **fields}}, status=status)
