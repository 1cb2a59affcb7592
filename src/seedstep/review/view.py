"""The web app of `seedstep view`, which shows runs and writes nothing.

Every view has an address that can be passed on to colleagues.

Example::

    app = make_view((BrowsedRun.open(Path("runs/first")),), "127.0.0.1", 8091, token)
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from seedstep.errors import SeedstepError
from seedstep.review.answers import EACH, TIE, FoundPage, Search
from seedstep.review.app import plain_app
from seedstep.review.browse import BrowsedRun
from seedstep.review.pages import Guard, answers_to, render_page
from seedstep.runs.database import MAY_BE_DAMAGE

__all__ = ["make_view"]

LONGEST_QUERY = 500

Runs = Sequence[BrowsedRun]


def make_view(runs: Runs, host: str, port: int, token: str) -> ASGIApp:
    """Return an app that shows some runs under a secret address."""
    pages: dict[str, Callable[[Runs, Request], Awaitable[Response]]] = {
        "/": _home,
        "/{place:int}/": _run,
        "/{place:int}/tasks": partial(_tasks, accepted=True),
        "/{place:int}/rejected": partial(_tasks, accepted=False),
        "/{place:int}/results": _results,
        "/{place:int}/predictions": _predictions,
        "/{place:int}/verdicts": _verdicts,
        "/{place:int}/requests": _requests,
        "/{place:int}/request": _one_request,
        "/{place:int}/one": _one,
    }
    app = plain_app({path: partial(_told, page, runs) for path, page in pages.items()})
    secret = token.encode()

    def find(given: str) -> tuple[ASGIApp, str] | None:
        is_right = hmac.compare_digest(given.encode(errors="surrogatepass"), secret)
        return (app, "viewer") if is_right else None

    return Guard(answers_to(host, port), find)


async def _told(
    page: Callable[[Runs, Request], Awaitable[Response]], runs: Runs, request: Request
) -> Response:
    """Make a page, or tell what is damaged of its run."""
    try:
        return await page(runs, request)
    except MAY_BE_DAMAGE as error:
        named = [_chosen(runs, request)] if "place" in request.path_params else runs
        raise named[0].damage(error) from error


UNLESS_EMPTY = ("results", "requests")
"""The lists that are left out where a run has nothing of them."""


def _kinds(run: BrowsedRun) -> tuple[tuple[str, str], ...]:
    counts, lists = run.counts(), {**run.lists, "requests": "Requests"}
    shown = (name for name in lists if counts.get(name) or name not in UNLESS_EMPTY)
    return tuple((name, lists[name]) for name in shown)


def _page(
    runs: Runs, request: Request, name: str, here: str, title: str, **values: Any
) -> Response:
    place = request.path_params["place"]
    run = _chosen(runs, request)
    tabs = [("./", "Overview"), *_kinds(run)]
    text = render_page(
        name, up="../", here=here, title=title, run=run, place=place, tabs=tabs, **values
    )
    return HTMLResponse(text)


def _chosen(runs: Runs, request: Request) -> BrowsedRun:
    place = int(request.path_params["place"])
    if not 0 <= place < len(runs):
        raise HTTPException(404)
    return runs[place]


def _title(run: BrowsedRun, name: str) -> str:
    """Return the title that the stage of a run gives to a list."""
    return run.lists.get(name, name.capitalize())


def _require_list(run: BrowsedRun, name: str) -> None:
    """Check that a run has a list, which is made of records that others lack.

    Raises:
        HTTPException: the run has no such list.
    """
    if name not in run.lists:
        raise HTTPException(404)


def _wanted(request: Request) -> Search:
    given = request.query_params
    page = given.get("page", "1")
    number = int(page) if page.isdecimal() and len(page) < 9 else 1
    text, group, state = (given.get(name, "")[:LONGEST_QUERY] for name in ("q", "group", "state"))
    return Search(text, group, state, max(1, number))


def _listed(wanted: Search, found: FoundPage) -> dict[str, Any]:
    """Return what is found, with links to the pages before and after, and the range of rows."""

    def address(page: int) -> str:
        given = {"q": wanted.text, "group": wanted.group, "state": wanted.state, "page": page}
        return "?" + urlencode({name: value for name, value in given.items() if value})

    pager = {
        "here": address(wanted.page),
        "total": found.total,
        "left": found.left,
        "first": min(wanted.start + 1, found.total),
        "last": min(wanted.start + EACH, found.total),
        "page": wanted.page,
        "pages": found.pages,
        "back": address(wanted.page - 1) if wanted.page > 1 else "",
        "next": address(wanted.page + 1) if wanted.page < found.pages else "",
        "end": address(found.pages),
    }
    return {"rows": found.rows, "pager": pager, "wanted": wanted}


async def _home(runs: Runs, request: Request) -> Response:
    shown = [
        {"place": place, "path": str(run.path), "stage": run.stage, "counts": run.counts()}
        for place, run in enumerate(runs)
    ]
    return HTMLResponse(render_page("view_home.html", title="Runs", up="", runs=shown))


async def _run(runs: Runs, request: Request) -> Response:
    run = _chosen(runs, request)
    try:
        told = await asyncio.to_thread(run.status_blocks)
        problem = ""
    except SeedstepError as error:  # inputs that are gone leave the rest to be seen
        told, problem = (), str(error)
    settings = [
        (name, _plain(value))
        for name, value in run.settings.items()
        if value is not None and value != {} and value != []
    ]
    return _page(
        runs,
        request,
        "view_run.html",
        "./",
        str(run.path),
        blocks=told,
        problem=problem,
        settings=settings,
    )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


async def _tasks(runs: Runs, request: Request, *, accepted: bool) -> Response:
    run, wanted = _chosen(runs, request), _wanted(request)
    found = await asyncio.to_thread(run.tasks, wanted, accepted=accepted)
    reasons = {} if accepted else run.reasons()
    here = "tasks" if accepted else "rejected"
    title, listed = _title(run, here), _listed(wanted, found)
    return _page(runs, request, "view_tasks.html", here, title, **listed, reasons=reasons)


async def _results(runs: Runs, request: Request) -> Response:
    run, wanted = _chosen(runs, request), _wanted(request)
    found = await asyncio.to_thread(run.results, wanted)
    listed = {**_listed(wanted, found), "categories": run.categories()}
    listed["columns"] = run.columns(found.rows)
    title = _title(run, "results")
    return _page(runs, request, "view_results.html", "results", title, **listed)


async def _predictions(runs: Runs, request: Request) -> Response:
    run, wanted = _chosen(runs, request), _wanted(request)
    _require_list(run, "predictions")
    found = await asyncio.to_thread(run.compared.find, wanted)
    return _page(
        runs,
        request,
        "view_predictions.html",
        "predictions",
        _title(run, "predictions"),
        **_listed(wanted, found),
        categories=run.categories(),
        outcomes=[*run.compared.systems, TIE],
    )


async def _verdicts(runs: Runs, request: Request) -> Response:
    run, wanted = _chosen(runs, request), _wanted(request)
    _require_list(run, "verdicts")
    found = await asyncio.to_thread(run.verdicts, wanted)
    return _page(
        runs,
        request,
        "view_verdicts.html",
        "verdicts",
        _title(run, "verdicts"),
        **_listed(wanted, found),
        problem=run.judged.problem,
        categories=run.categories(),
        outcomes=await asyncio.to_thread(run.outcomes),
    )


async def _requests(runs: Runs, request: Request) -> Response:
    run, wanted = _chosen(runs, request), _wanted(request)
    found = await asyncio.to_thread(run.requests, wanted)
    purposes = [
        {**asked, "usd": run.usd(asked["prompt"], asked["completion"])} for asked in run.purposes()
    ]
    rows = [
        {**row, "usd": run.usd(row["prompt_tokens"], row["completion_tokens"])}
        for row in found.rows
    ]
    listed = {**_listed(wanted, found), "rows": rows, "purposes": purposes}
    return _page(runs, request, "view_requests.html", "requests", "Requests", **listed)


async def _one_request(runs: Runs, request: Request) -> Response:
    run = _chosen(runs, request)
    row = run.request(request.query_params.get("key", ""))
    asked = row["request"]
    prompt = asked.pop("prompt", "")
    turns = (
        [("prompt", prompt)]
        if isinstance(prompt, str)
        else [(str(turn.get("role", "")), str(turn.get("content", ""))) for turn in prompt]
    )
    usd = run.usd(row["prompt_tokens"], row["completion_tokens"])
    return _page(
        runs,
        request,
        "view_request.html",
        "requests",
        "A request",
        row=row,
        turns=turns,
        sampling=_plain(asked),
        usd=usd,
    )


async def _one(runs: Runs, request: Request) -> Response:
    run = _chosen(runs, request)
    name = request.query_params.get("name", "")[:LONGEST_QUERY]
    blocks = await asyncio.to_thread(run.item, name)
    here = _kinds(run)[0][0] if _kinds(run) else "./"
    return _page(runs, request, "view_one.html", here, name, blocks=blocks)
