"""Send a request to a server once, and classify what can go wrong.

A model in this process sends its replies piece by piece. `Writing` keeps the texts so far for
people who wait; nothing is made of them.

Example::

    status, headers, data = await exchange(session, endpoint, "GET", "models")
    writing = Writing()
    with writing.listen("generation") as hear:
        hear(b'data: {"choices": [{"text": "Name a"}]}\\n')
        writing.latest()  # ("generation", "Name a")
"""

import email.utils
import errno
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import count
from typing import Any, BinaryIO
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp
import msgspec
from yarl import URL

from seedstep.errors import DeniedError, InputError, StoreError, first_line
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.records import Reply

__all__ = [
    "LONGEST_REPLY",
    "MAX_REPLY_BYTES",
    "OVERLOADED",
    "Refused",
    "Retryable",
    "ServerError",
    "Writing",
    "exchange",
    "open_session",
    "require_readable",
    "retry_after",
    "storable",
    "without_key",
]

MAX_REPLY_BYTES = 16 << 20
"""The largest reply that is read; the context of a model allows no larger one."""

LARGEST_FILE = 4 << 30
"""The largest file that is downloaded: many times what a batch of the largest size has."""

LONGEST_REPLY = 1 << 20
"""The most characters of a reply's text. A bound of size, so that all runs decide alike."""

SHORTEST_KEY = 8
"""The fewest characters of a key; shorter texts are placeholders for servers without keys."""

OVERLOADED = "overloaded"
"""The reason of a fault after which a request only has to wait."""


@dataclass(eq=False)
class _Fault(Exception):  # noqa: N818 - a signal inside this room, users never see it
    """A fault of a request. `tokens` are those of prompt and reply that it cost nevertheless."""

    reason: str
    detail: str
    status: int = 0
    tokens: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        return self.detail


@dataclass(eq=False)
class Retryable(_Fault):
    """A fault after which the same request may succeed.

    `after` is the number of seconds that the server asks to wait.
    """

    after: float | None = None


@dataclass(eq=False)
class Refused(_Fault):
    """A fault after which the same request can't succeed, but others may.

    `denial` is the error that ends the run, unless the server has answered other requests.
    """

    denial: DeniedError | None = None


def open_session(endpoint: Endpoint, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    """Open a session for requests to an endpoint, without a limit of connections.

    It goes through the proxy that the environment names, except to this machine. Nothing else is
    taken from the environment: aiohttp's `trust_env` would read passwords from `~/.netrc`, too.

    Raises:
        InputError: the environment names a proxy that can't be used.
    """
    return aiohttp.ClientSession(
        connector=_Connector(), timeout=timeout, proxy=_proxy_for(endpoint)
    )


class _Connector(aiohttp.TCPConnector):
    """Uses a connection again only where the server has said nothing since its last answer.

    It would be taken for the answer to the next request, and shift all later ones. A server that
    did so once gets a new connection for each request from then on.
    """

    def __init__(self) -> None:
        super().__init__(limit=0)
        self._heard: WeakKeyDictionary[Any, _Heard] = WeakKeyDictionary()
        self._was_noisy = False

    async def connect(self, *args: Any, **options: Any) -> Any:
        """Return a new connection, or one that is quiet."""
        while True:
            connection = await super().connect(*args, **options)
            protocol: Any = connection.protocol
            heard = self._heard.get(protocol)
            if heard is None:
                heard = self._heard[protocol] = _Heard(protocol)
            else:
                said = _said(connection.transport)
                self._was_noisy |= heard.pieces > heard.before or bool(said)
                if self._was_noisy or said is not None:
                    connection.close()
                    continue
            connection.add_callback(partial(self._released, protocol, heard))
            return connection

    def _released(self, protocol: Any, heard: "_Heard") -> None:
        heard.before = heard.pieces
        self._was_noisy |= len(protocol) > 0  # answers that nobody takes


class _Heard:
    """How many pieces of data came on a connection, and how many until its last answer's end."""

    def __init__(self, protocol: Any) -> None:
        self.pieces = self.before = 0
        received = protocol.data_received

        def hear(data: bytes) -> None:
            self.pieces += bool(data)  # aiohttp passes none, to go on with those of before
            received(data)

        protocol.data_received = hear


def _said(transport: Any) -> bytes | None:
    """Return how what a server says unasked begins; b"" where it has closed, None if quiet."""
    if transport.get_extra_info("sslcontext"):
        return None  # TLS has messages of its own between answers
    with socket.fromfd(
        transport.get_extra_info("socket").fileno(), socket.AF_INET, socket.SOCK_STREAM
    ) as same:
        same.setblocking(False)
        try:
            return same.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return b""


def _proxy_for(endpoint: Endpoint) -> URL | None:
    url = URL(endpoint.url)
    if endpoint.is_loopback or proxy_bypass(url.raw_host or ""):
        return None
    named = getproxies().get(url.scheme)
    if not named:
        return None
    try:
        proxy = URL(named if "://" in named else f"http://{named}")
        if proxy.scheme in ("http", "https") and proxy.raw_host:
            return proxy
    except ValueError:
        pass
    variable = f"{url.scheme}_proxy"
    raise InputError(
        f"the proxy that {variable} names can't be used", "name one such as http://proxy:3128"
    )


async def exchange(
    session: aiohttp.ClientSession,
    endpoint: Endpoint,
    method: str,
    path: str,
    data: bytes | BytesIO | aiohttp.FormData | None = None,
    hear: Callable[[bytes], None] = lambda piece: None,
    into: BinaryIO | None = None,
) -> tuple[int, Any, bytes]:
    """Status, headers and body of one request with the endpoint's key.

    `hear` is called with each piece of the body as it comes. A body with status 200 is written to
    `into`, if that is given, however large it is.

    Raises:
        Retryable: there is no whole answer.
        Refused: it is too large.
        DeniedError: nothing can be sent to the address.
    """
    form = isinstance(data, aiohttp.FormData)
    headers = {} if form else {"Content-Type": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    try:
        async with session.request(
            method, f"{endpoint.url}/{path}", data=data, headers=headers, allow_redirects=False
        ) as response:
            return response.status, response.headers, await _read(response, hear, into)
    except aiohttp.InvalidURL as error:
        remedy = "write the address otherwise with --base-url"
        raise DeniedError(f"{endpoint.url} can't be asked ({first_line(error)})", remedy) from None
    except aiohttp.ConnectionTimeoutError:
        raise Retryable("unreachable", "no connection in time") from None
    except TimeoutError:
        raise Retryable("timeout", "no complete reply in time") from None
    except aiohttp.ClientConnectorError as error:
        if error.os_error.errno in (errno.EMFILE, errno.ENFILE):
            raise Retryable(OVERLOADED, "too many open files on this machine") from None
        raise Retryable("unreachable", str(error)) from None
    except (aiohttp.ClientError, OSError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise Retryable("connection", _clean(text, endpoint.key)) from None


@dataclass(frozen=True, slots=True)
class ServerError:
    """The body of an error, cut, and without the key."""

    status: int
    detail: str
    code: str
    param: str

    @classmethod
    def read(cls, status: int, data: bytes, key: str) -> "ServerError":
        """Read the body of an error."""
        text = data[:20_000].decode("utf-8", "replace")
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, list) and body and isinstance(body[0], dict):
            body = body[0]  # as Gemini's servers wrap their errors
        error = body.get("error", body) if isinstance(body, dict) else text
        fields = error if isinstance(error, dict) else {"message": str(error)}
        said = str(fields.get("message", fields))
        further = [fields[name] for name in ("details", "errors", "metadata") if fields.get(name)]
        if "message" in fields and further:
            said = f"{said} {json.dumps(further[0], ensure_ascii=False)}"
        detail = _clean(" ".join(said.split()) or "no explanation", key)
        return cls(status, detail, str(fields.get("code", "")), str(fields.get("param", "")))


def _clean(text: str, key: str) -> str:
    """Return a server's explanation, cleaned and cut, so that it may be shown and stored."""
    text = storable(without_key(text, key))
    return text if len(text) <= 300 else text[:300] + "…"


def storable(text: str) -> str:
    """Return a text without lone surrogates, which UTF-8 can't represent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def without_key(text: str, key: str) -> str:
    """Remove the key from a server's text about an error, as some servers repeat it.

    A placeholder for a server without keys, such as `none`, is not removed.
    """
    if len(key) >= SHORTEST_KEY:
        text = text.replace("\0", "")  # between the characters of UTF-16
        for form in {key, repr(key)[1:-1], json.dumps(key)[1:-1], quote(key), quote(key, safe="")}:
            text = text.replace(form, "[key]")
        return text
    return text.replace(f"Bearer {key}", "Bearer [key]") if key else text


def require_readable(reply: Reply) -> None:
    """Raise Refused for a reply that is too long to be read in seconds, whatever it says."""
    if (length := len(reply.text)) > LONGEST_REPLY:
        detail = f"the reply has {length:,} characters, which are not read"
        raise Refused("too_large", detail, 200, (reply.prompt_tokens, reply.completion_tokens))


async def _read(
    response: aiohttp.ClientResponse, hear: Callable[[bytes], None], into: BinaryIO | None
) -> bytes:
    data = bytearray()
    size, into = 0, into if response.status == 200 else None
    most = LARGEST_FILE if into else MAX_REPLY_BYTES
    async for chunk in response.content.iter_any():
        size += len(chunk)
        hear(chunk)
        if into:
            try:
                into.write(chunk)
            except OSError as error:  # not one of the connection
                remedy = "free some space, and run the command again"
                raise StoreError(f"results can't be written: {error.strerror}", remedy) from None
        else:
            data += chunk
        if size > most:
            raise Refused("too_large", f"the reply is larger than {most >> 20} MiB")
    return bytes(data)


def retry_after(headers: Any) -> float | None:
    """Return the seconds that a server asks to wait, from a number or a date, or None."""
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), 300.0) if seconds == seconds else None


KEPT_CHARACTERS = 2000
"""The most characters that are kept of a text, its last ones."""

LONGEST_LINE = 1 << 16
"""A longer line of a stream is not read here."""


class Writing:
    """The texts that are being written, by the purpose of their requests, the oldest first."""

    def __init__(self) -> None:
        """Begin without texts."""
        self._texts: dict[int, tuple[str, str]] = {}
        self._numbers = count()

    @contextmanager
    def listen(self, purpose: str) -> Iterator[Callable[[bytes], None]]:
        """Give a function to call with each piece of a reply, whose text is kept until the end."""
        number = next(self._numbers)
        rest = b""

        def hear(piece: bytes) -> None:
            nonlocal rest
            *lines, rest = (rest + piece).split(b"\n")
            rest = rest if len(rest) < LONGEST_LINE else b""
            if new := "".join(map(_text_in, lines)):
                before = self._texts.get(number, (purpose, ""))[1]
                self._texts[number] = purpose, (before + new)[-KEPT_CHARACTERS:]

        try:
            yield hear
        finally:
            self._texts.pop(number, None)

    def latest(self) -> tuple[str, str] | None:
        """Return purpose and text of the reply that has been written for longest, or None."""
        return next(iter(self._texts.values()), None)


def _text_in(line: bytes) -> str:
    """Return the text in a line of a stream of events, or "" if it has none."""
    if not line.startswith(b"data: {"):
        return ""
    try:
        choice: Any = msgspec.json.decode(line[6:])["choices"][0]
        found = choice["text"] if "text" in choice else choice["delta"]["content"]
    except (ValueError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) else ""
