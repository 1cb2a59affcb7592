"""A scripted server with OpenAI's Batch API beside its live one, which fails when it is told to.

Replies are those of the script of `ScriptedServer`, live and by batch alike. What a batch goes
through, and what is wrong with its results, is its `BatchFault`, by its number from 0.
"""

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from support.scripted_server import Fault, Script, ScriptedServer, payload_of

__all__ = ["BatchFault", "BatchServer", "calm", "run_batch"]


@dataclass(frozen=True)
class BatchFault:
    """What becomes of a batch.

    `statuses` are what it passes through, one at each look, and `end` its last status. Only the
    first `answered` of its requests have a result, if that is given; of a batch that is cancelled,
    as many have one. `change` is called with the
    lines of results, which are served as it returns them. `counts` replaces the true counts.
    """

    statuses: Sequence[str] = ("validating", "in_progress", "finalizing")
    end: str = "completed"
    answered: int | None = None
    change: Callable[[list[dict[str, Any]]], list[Any]] = list
    counts: Any = None
    errors: Any = None


def calm(number: int) -> BatchFault:
    """No batch has a fault."""
    return BatchFault()


@dataclass
class _Batch:
    record: dict[str, Any]
    statuses: deque[str]
    fault: BatchFault
    lines: list[dict[str, Any]] = field(default_factory=list)


class BatchServer(ScriptedServer):
    """Serves while entered. `charged` counts how often each request, by its key, was answered.

    `faults` are sent in place of an answer to the next request of a method and path, such as `POST
    batches`; with `after` the request is carried out nevertheless. `seen` is called with each
    method and path before it is carried out, and with `done` after them before it is answered;
    what it returns something true for is not carried out. `lists` says whether there are lists,
    and `late` how many lists of batches are empty at first. `cancels` says whether a batch can be
    cancelled. `lost` are the names of files with results that the server does not find.
    `idempotency` are the keys with which batches were to be created.
    """

    cancels = True

    def __init__(
        self,
        script: Script | None = None,
        port: int = 0,
        batch_fault: Callable[[int], BatchFault] = calm,
    ) -> None:
        super().__init__(script, port)
        self.batch_fault = batch_fault
        self.faults: dict[str, deque[Fault]] = {}
        self.after = False
        self.lists = True
        self.late = 0
        self.lost: set[str] = set()
        self.seen: Callable[[str], object] = lambda name: None
        self.calls: list[str] = []
        self.idempotency: list[str | None] = []
        self.files: list[dict[str, Any]] = []
        self.contents: dict[str, bytes] = {}
        self.batches: list[_Batch] = []
        self.charged: Counter[str] = Counter()

    def __enter__(self) -> "BatchServer":
        super().__enter__()
        return self

    def fail(self, request: str, *faults: Fault, after: bool = False) -> None:
        """Let the next requests of a method and path fail."""
        self.faults[request] = deque(faults)
        self.after = after

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of all batches that were created."""
        return [line for batch in self.batches for line in batch.lines]

    def _routes(self, app: web.Application) -> None:
        super()._routes(app)
        app.middlewares.append(self._scripted)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files", self._list_files)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list_batches)
        app.router.add_get("/v1/batches/{id}", self._batch)
        if self.cancels:
            app.router.add_post("/v1/batches/{id}/cancel", self._cancel)

    @web.middleware
    async def _scripted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        path = request.path.removeprefix("/v1/")
        name = f"{request.method} {path.partition('/')[0]}"
        if path.endswith("/cancel"):
            name = "POST cancel"
        if "completions" in path:
            return await handler(request)  # type: ignore[no-any-return]
        self.calls.append(f"{request.method} {path}")
        if name == "POST batches":
            self.idempotency.append(request.headers.get("Idempotency-Key"))
        if self.seen(name):
            return web.Response(status=500)
        fault = self.faults[name].popleft() if self.faults.get(name) else None
        answer = None if fault and not self.after else await handler(request)
        self.seen(f"{name} done")
        if fault:
            return web.Response(status=fault.status, body=fault.body or b"{}")
        return answer  # type: ignore[return-value]

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        assert form["purpose"] == "batch"
        return web.json_response(self._keep(file.filename, file.file.read()))

    def _keep(self, name: str, content: bytes) -> dict[str, Any]:
        record = {"id": f"file-{len(self.contents) + 1}", "filename": name, "bytes": len(content)}
        self.contents[str(record["id"])] = content
        self.files.insert(0, record)
        return record

    async def _list_files(self, _: web.Request) -> web.Response:
        if not self.lists:
            return web.json_response({"error": {"message": "Not Found"}}, status=404)
        return web.json_response({"data": self.files, "has_more": False})

    async def _content(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        if {each["filename"] for each in self.files if each["id"] == wanted} & self.lost:
            return web.json_response({"error": {"message": "no such file"}}, status=404)
        return web.Response(body=self.contents[wanted])

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        number = len(self.batches)
        fault = self.batch_fault(number)
        content = self.contents[body["input_file_id"]]
        record = {**body, "id": f"batch_{number + 1}", "status": "validating"}
        made = _Batch(record, deque(fault.statuses), fault)
        made.lines = [json.loads(line) for line in content.splitlines()]
        assert {line["url"] for line in made.lines} == {body["endpoint"]}
        self.batches.append(made)
        return web.json_response(record)

    async def _list_batches(self, request: web.Request) -> web.Response:
        """Two a page, the newest first, as OpenAI lists 100."""
        if not self.lists:
            return web.json_response({"error": {"message": "Not Found"}}, status=404)
        records = [batch.record for batch in reversed(self.batches)]
        self.late -= 1
        if self.late >= 0:
            records = []
        after = request.query.get("after")
        ids = [record["id"] for record in records]
        start = ids.index(after) + 1 if after else 0
        page = records[start : start + 2]
        return web.json_response({"data": page, "has_more": start + 2 < len(records)})

    async def _cancel(self, request: web.Request) -> web.Response:
        """End a batch after one more look, with what was answered by then."""
        (batch,) = (b for b in self.batches if b.record["id"] == request.match_info["id"])
        if "request_counts" in batch.record:
            return web.json_response({"error": {"message": "it has ended"}}, status=400)
        batch.statuses = deque(["cancelling"])
        batch.fault = replace(batch.fault, end="cancelled", answered=batch.fault.answered or 0)
        return web.json_response(batch.record)

    async def _batch(self, request: web.Request) -> web.Response:
        found = [batch for batch in self.batches if batch.record["id"] == request.match_info["id"]]
        if not found:
            return web.json_response({"error": {"message": "no such batch"}}, status=404)
        (batch,) = found
        if batch.statuses:
            batch.record["status"] = batch.statuses.popleft()
        elif "request_counts" not in batch.record:
            self._finish(batch)
        return web.json_response(batch.record)

    def _finish(self, batch: _Batch) -> None:
        fault = batch.fault
        done = batch.lines if fault.answered is None else batch.lines[: fault.answered]
        results = [self.result(line) for line in done]
        good = [each for each in results if each["response"]["status_code"] == 200]
        bad = [each for each in results if each["response"]["status_code"] != 200]
        bad += [
            {
                "custom_id": line["custom_id"],
                "response": None,
                "error": {"code": f"batch_{fault.end}", "message": "It was not executed."},
            }
            for line in batch.lines[len(done) :]
            if fault.end != "completed"
        ]
        batch.record["status"] = fault.end
        batch.record["errors"] = fault.errors
        counts = {"total": len(batch.lines), "completed": len(good), "failed": len(bad)}
        batch.record["request_counts"] = counts if fault.counts is None else fault.counts
        for name, rows in (("output", fault.change(good[::-1])), ("error", bad)):
            if rows:
                lines = [
                    row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows
                ]
                kept = self._keep(f"{name}.jsonl", b"".join(line + b"\n" for line in lines))
                batch.record[f"{name}_file_id"] = kept["id"]

    def result(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a line of a batch file."""
        self.charged[line["custom_id"]] += 1
        body = dict(line["body"])
        fault = self.script(len(self.charged), body) if self.script else None
        status, reply = 200, None
        if fault:
            status = fault.status
            reply = json.loads(fault.body or b'{"error": {"message": "scripted fault"}}')
        response = {"status_code": status, "body": reply or payload_of(body)}
        return {"id": "r", "custom_id": line["custom_id"], "response": response, "error": None}


@contextmanager
def run_batch(server: BatchServer, folder: Path) -> Iterator[None]:
    """Write results beside each file of lines in a folder, as `vllm run-batch` does."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.01):
            for lines in folder.glob("seedstep-*.jsonl"):
                results = lines.with_name(f"{lines.stem}.out.jsonl")
                if not lines.stem.endswith(".out") and not results.exists():
                    rows = map(json.loads, lines.read_text().splitlines())
                    found = [server.result(row) for row in rows]
                    results.write_text("".join(json.dumps(each) + "\n" for each in found[::-1]))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        ended.set()
        worker.join()
