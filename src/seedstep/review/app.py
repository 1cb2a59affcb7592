"""The web app in which raters label a review, and its owner watches and adjudicates.

Everybody has a secret address. That of a rater opens the rater's own items and nothing else; which
system an answer is from stands on none of its pages.

Example::

    with Review.open(Path("reviews/steps"), write=True, alone=True) as review:
        uvicorn.run(make_app(review, "127.0.0.1", 8000), host="127.0.0.1", port=8000)
"""

import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from seedstep.data.reviews import standing
from seedstep.errors import InputError, SeedstepError, StoreError, reason_of
from seedstep.review.labelling import item_view, progress_of, save_row
from seedstep.review.owner import RouteHandler, owner_routes
from seedstep.review.pages import (
    EVERYWHERE,
    STATIC,
    Guard,
    answers_to,
    history_json,
    render_page,
    static_file,
)
from seedstep.runs.reviews import OWNER, Review, key_of

__all__ = ["address_of", "free_socket", "make_app", "plain_app", "serve"]


DOCUMENTED = "192.0.2.1"
"""A number that no machine has (RFC 5737)."""


def address_of(host: str, port: int, token: str) -> str:
    """Return the address of the pages that a secret opens."""
    if host in EVERYWHERE:
        host = _own_number(host)
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/{token}/"


def _own_number(host: str) -> str:
    """Return the number by which other machines find this one, or its name if it is in no network.

    Nothing is sent: connecting a socket of datagrams only chooses the way.
    """
    is_old = host == EVERYWHERE[0]
    with socket.socket(socket.AF_INET if is_old else socket.AF_INET6, socket.SOCK_DGRAM) as found:
        try:
            found.connect((DOCUMENTED if is_old else "2001:db8::1", 9))
            return str(found.getsockname()[0])
        except OSError:
            return socket.gethostname()


def free_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address; with port 0, to a free port.

    Raises:
        InputError: the port is in use, or the address is not this machine's.
    """
    if not host:
        raise InputError("--host names no address", "write one, such as 127.0.0.1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = None
    try:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except (OSError, OverflowError, TypeError, ValueError) as error:  # no port, no name
        if found:
            found.close()
        why = reason_of(error).rstrip(".")
        remedy = "name another --port, or stop what uses it"
        raise InputError(f"can't listen on {host}, port {port}: {why}", remedy) from None
    return found


def serve(app: ASGIApp, bound: socket.socket, began: Callable[[], None]) -> None:
    """Serve until Ctrl-C; `began` is called when the server answers."""
    import uvicorn

    config = uvicorn.Config(
        app,
        access_log=False,  # which would have the secret addresses
        log_level="error",
        server_header=False,
        date_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
    )
    bound.listen()
    began()
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[bound])


STATUS = ((InputError, 400), (StoreError, 507))
"""The status that tells of an error; 507 is a full disk. Of any other, 500."""

UNREACHED = "The server can't use its disk, which may be full. Tell whoever gave you this address."
"""What raters are told of a full disk, or a damaged database."""


def make_app(review: Review, host: str, port: int) -> ASGIApp:
    """Return the app of a review. Requests must name its address exactly."""
    raters = plain_app(_rater_routes(review), _rater_error)
    owner = plain_app(owner_routes(review))

    def find(secret: str) -> tuple[ASGIApp, str] | None:
        who = review.who(secret)
        if who is None:
            return None
        return (owner if who == OWNER else raters), who

    return Guard(answers_to(host, port), find)


def plain_app(
    routes: Mapping[str, RouteHandler],
    tell: Callable[[Request, Exception], Awaitable[Response]] | None = None,
) -> Starlette:
    """Return an app of GET routes by path, `/save` for POST, and the files that pages load.

    `tell` answers where a SeedstepError is raised; by default it tells all of it.
    """
    found = [
        Route(path, endpoint, methods=["POST" if path == "/save" else "GET"])
        for path, endpoint in routes.items()
    ]
    handlers: dict[Any, Any] = {
        HTTPException: _http_error,
        SeedstepError: tell or _seedstep_error,
        ClientDisconnect: _gone,
    }
    static = Route("/static/{name}", _static, methods=["GET"])
    app = Starlette(routes=[*found, static], exception_handlers=handlers)
    app.router.redirect_slashes = False  # it would leave the secret out
    return app


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404)
    return Response(static_file(name), media_type=STATIC[name])


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        message = (
            "There is nothing at this address. Check that it is the whole of what you were given."
        )
        return _problem(request, status, "Not found", message)
    return _problem(request, status, "Not allowed")


async def _seedstep_error(request: Request, error: Exception) -> Response:
    return _problem(request, _status_of(error), "This can't be shown", str(error))


async def _rater_error(request: Request, error: Exception) -> Response:
    """Tell a rater of an error, without the paths that it names: they may name a system."""
    message = str(error) if isinstance(error, InputError) else UNREACHED
    return _problem(request, _status_of(error), "This can't be shown", message)


def _status_of(error: Exception) -> int:
    return next((code for kind, code in STATUS if isinstance(error, kind)), 500)


def _problem(request: Request, status: int, title: str, message: str = "") -> Response:
    """Tell a person who reads a page, or the script that saves."""
    if request.method == "POST":
        return JSONResponse({"message": message or title}, status)
    up = "../" * (request.scope["path"].count("/") - 1)
    page = render_page("problem.html", title=title, up=up, message=message)
    return HTMLResponse(page, status)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


def _rater_routes(review: Review) -> dict[str, RouteHandler]:
    pages = {"/": _start, "/list": _list, "/item/{number:int}": _item, "/save": _save}
    return {path: partial(page, review) for path, page in pages.items()}


def _who(request: Request) -> str:
    return str(request.scope["who"])


def _states(review: Review, rater: str) -> list[dict[str, Any]]:
    """Return the items of a rater with their states, in the rater's order."""
    rows: dict[str, list[Any]] = {}
    for row in review.rows(rater=rater):
        rows.setdefault(row.item, []).append(row)
    words = {"label": "labelled", "skip": "skipped"}
    found = []
    for given in review.assigned(rater):
        counts = standing(rows.get(given.item, ()))
        state = words[counts.action] if counts else "open"
        flagged = bool(counts and counts.flagged)
        found.append({"number": given.place + 1, "state": state, "flagged": flagged})
    return found


def _first_open(states: list[dict[str, Any]]) -> int | None:
    return next((state["number"] for state in states if state["state"] == "open"), None)


async def _start(review: Review, request: Request) -> Response:
    """Redirect to the first open item, or to the list if there is none."""
    first = _first_open(_states(review, _who(request)))
    return RedirectResponse("list" if first is None else f"item/{first}", 303)


async def _list(review: Review, request: Request) -> Response:
    rater = _who(request)
    states = _states(review, rater)
    first = _first_open(states)
    return HTMLResponse(
        render_page(
            "list.html",
            title=f"Items: {review.form.title}",
            up="",
            heading=review.form.title,
            is_done=first is None,
            first=first or 1,
            entries=states,
            progress=progress_of(review, rater),
        )
    )


async def _item(review: Review, request: Request) -> Response:
    rater = _who(request)
    number = request.path_params["number"]
    own = review.assigned(rater)
    if not 1 <= number <= len(own):
        raise HTTPException(404)
    given = own[number - 1]
    view = item_view(
        review.form,
        review.items[given.item],
        given.shown,
        number=number,
        count=len(own),
        rows=history_json(review.rows(rater=rater, item=given.item)),
    )
    return HTMLResponse(
        render_page(
            "item.html",
            title=f"Item {number}",
            up="../",
            home="../",
            key=key_of(review.tokens[rater]),
            form=review.form,
            decides=False,
            progress=progress_of(review, rater),
            view=view,
        )
    )


async def _save(review: Review, request: Request) -> Response:
    rater = _who(request)
    own = review.assigned(rater)

    def find(number: int) -> tuple[str, tuple[int, ...]]:
        if not 1 <= number <= len(own):
            raise InputError(f"there is no item {number}", "load the page again")
        return own[number - 1].item, own[number - 1].shown

    saved = await save_row(review, request, rater, find)
    return JSONResponse({"saved": saved, "done": review.done(rater), "total": len(own)})
