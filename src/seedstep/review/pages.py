"""Render pages from templates, count what they show, and guard the requests of a server.

Texts in pages are escaped, and freed of characters that reverse or hide text. `Guard` lets only
requests pass that have the right host and a known secret.

Example::

    html = render_page("item.html", title="Item 3", up="../", **values)
"""

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import resources
from threading import Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seedstep.data.reviews import LabelRow
from seedstep.runs.blocks import duration
from seedstep.text import visible

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = [
    "CSP",
    "EVERYWHERE",
    "HEADERS",
    "LONGEST_BODY",
    "STATIC",
    "Counting",
    "Guard",
    "answers_to",
    "clean",
    "history_json",
    "render_page",
    "static_file",
]

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": CSP,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }
)
"""The headers of every answer."""

LONGEST_BODY = 1 << 18
"""The most bytes that a page may send."""

LONGEST_PATH = 1000
"""The most characters of an address: Python reads no numbers of more than some thousand digits."""

READING = ("GET", "HEAD")
WRITING = "POST"

SecretTarget = tuple[ASGIApp, str]
"""The application that a secret opens, and the person to whom the secret belongs."""


HERE = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - to know them, not to listen on them
HTTP_PORT = 80
"""The port that browsers leave out of the header `Host`."""


def answers_to(host: str, port: int) -> Callable[[str], bool]:
    """Return whether a server at this address answers to a value of the header `Host`.

    A server on all addresses of a machine answers to each number and to the machine's own name. A
    page of another site that had its name resolved to this machine would send that name.
    """
    names = {host.lower(), *(HERE if host in (*HERE, *EVERYWHERE) else ())}
    if host in EVERYWHERE:
        names.add(socket.gethostname().lower())

    def answers(given: str) -> bool:
        found = _HOST.fullmatch(given.lower())
        if not found or int(found["port"] or HTTP_PORT) != port:
            return False
        name = found["name"] or found["number"]
        return name in names or (host in EVERYWHERE and _is_number(name))

    return answers


_HOST = re.compile(
    r"(?:\[(?P<number>[0-9a-f:.]+)\]|(?P<name>[^\[\]:/@?#\s]+))(?::(?P<port>\d{1,5}))?"
)


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Passes allowed requests on. `find` returns what the secret at the start of a path opens."""

    def __init__(
        self, answers: Callable[[str], bool], find: Callable[[str], SecretTarget | None]
    ) -> None:
        """`answers` returns whether a value of the header `Host` is allowed."""
        self._answers = answers
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on without the secret in its path."""
        if scope["type"] != "http":
            return  # a websocket is never accepted
        send = _with_headers(send)
        if refusal := self._refusal(scope):
            await PlainTextResponse(*refusal)(scope, receive, send)
            return
        _, secret, rest = (scope["path"] + "//").split("/", 2)  # a path may have no slash
        found = self._find(secret)
        if found is None or not scope["path"].startswith(f"/{secret}/"):
            await PlainTextResponse("Not found.\n", 404)(scope, receive, send)
            return
        app, who = found
        path = f"/{rest[:-2]}"
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": "", "who": who}
        await app(inner, _limited(receive), send)

    def _refusal(self, scope: Scope) -> tuple[str, int] | None:
        """Return what to say to a request that may not pass, and with which status."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._answers(hosts[0]):
            return "This server does not answer to that name.\n", 421
        origins = headers.getlist("origin")
        if scope["method"] not in (*READING, WRITING):
            return "Not allowed.\n", 405
        if any(origin != f"http://{hosts[0]}" for origin in origins):
            return "Requests from other pages are refused.\n", 403
        if scope["method"] == WRITING and len(origins) != 1:
            return "What comes from no page is refused.\n", 403
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not (
            scope["method"] in READING
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        ):
            return "Requests from other pages are refused.\n", 403
        if len(scope["path"]) > LONGEST_PATH:
            return "Not found.\n", 404
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LONGEST_BODY:
            return "Too long.\n", 413
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sending


def _limited(receive: Receive) -> Callable[[], Awaitable[Any]]:
    """Stop reading a body at the longest allowed length, whatever its header says."""
    length = 0

    async def receiving() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > LONGEST_BODY:
            return {"type": "http.disconnect"}
        return message

    return receiving


STATIC = {
    "review.js": "text/javascript; charset=utf-8",
    "review.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def clean(text: object) -> str:
    """Return a text cleaned for a page, before it is escaped."""
    lines = str(text).replace("\r\n", "\n").replace("\r", "\n")
    return visible(lines, keep_marks=True)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("seedstep.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters["clock"] = clock
    return environment


def _finalized(value: Any) -> Any:
    is_plain = isinstance(value, str) and not hasattr(value, "__html__")
    return clean(value) if is_plain else value


def render_page(name: str, /, **values: Any) -> str:
    """Render the template of this name."""
    return _environment().get_template(name).render(**values)


def static_file(name: str) -> str:
    """Return the content of a file that pages load."""
    return resources.files("seedstep.review").joinpath("static", name).read_text("utf-8")


def history_json(rows: tuple[LabelRow, ...] | list[LabelRow]) -> str:
    """Return a rater's actions on an item as JSON for the page."""
    known = [
        {
            "id": row.id,
            "action": row.action,
            "answers": {name: clean(text) for name, text in row.answers.items()},
            "note": clean(row.note),
            "flagged": row.flagged,
            "at": row.at,
            "undoes": row.undoes,
            "person": clean(row.person),
        }
        for row in rows
    ]
    return msgspec.json.encode(known).decode()


PATIENCE = 0.3
"""How many seconds a page waits for what is counted in the background."""

T = TypeVar("T")


class Counting(Generic[T]):
    """Computes a value in a thread, for pages, which wait for it at most PATIENCE seconds."""

    def __init__(self, make: Callable[[], T], version: int | None) -> None:
        """Start the thread, which calls `make`.

        `version` is that of the database that it reads; None if the database has no versions.
        """
        self._make = make
        self._version = version
        self._made: list[T] = []
        self._problem: Exception | None = None
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._made.append(self._make())
        except Exception as problem:  # raised where it is asked for
            self._problem = problem

    def holds(self, version: int | None) -> bool:
        """Return whether the value is of this version, or still being computed."""
        is_same = version is not None and version == self._version
        return self._thread.is_alive() or (is_same and bool(self._made))

    def wait(self, seconds: float = PATIENCE) -> T | None:
        """Return the value, or None if it takes longer. What `make` raises is raised here."""
        self._thread.join(seconds)
        if self._problem:
            raise self._problem
        return self._made[0] if self._made else None


def clock(seconds: float | None) -> str:
    """Format seconds as 0:42, 12:05 or 1:02:03."""
    return "-" if seconds is None else duration(seconds)
