"""Send a request to a server once.

Example::

    status, headers, data = await exchange(session, endpoint, "GET", "models")
"""

import errno
import select
import socket
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any, BinaryIO
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp
from yarl import URL

from seedstep.errors import DeniedError, InputError, StoreError, first_line
from seedstep.llm.endpoints import Endpoint
from seedstep.llm.faults import OVERLOADED, Refused, Retryable, cleaned
from seedstep.llm.records import Reply
from seedstep.text import single_spaced

__all__ = [
    "LONGEST_REPLY",
    "MAX_REPLY_BYTES",
    "exchange",
    "open_session",
    "require_readable",
]

MAX_REPLY_BYTES = 16 << 20
"""The largest reply that is read; the context of a model allows no larger one."""

LARGEST_FILE = 4 << 30
"""The largest file that is downloaded: many times what a batch of the largest size has."""

LONGEST_REPLY = 1 << 20
"""The most characters of a reply's text. A bound of size, so that all runs decide alike."""


CONNECT_SECONDS = 10.0
FIRST_BYTE_SECONDS = 600.0
"""The longest wait for the first byte, and between two; without streaming, for all of them."""

REPLY_SECONDS = 900.0
"""The longest wait for a whole reply."""


def open_session(endpoint: Endpoint, *, sends_files: bool = False) -> aiohttp.ClientSession:
    """Open a session for requests to an endpoint, without a limit of connections.

    One that `sends_files` has no limit for a whole answer, as an upload may take long.

    It goes through the proxy that the environment names, except to this machine. Nothing else is
    taken from the environment: aiohttp's `trust_env` would read passwords from `~/.netrc`, too.

    Raises:
        InputError: the environment names a proxy that can't be used.
    """
    timeout = aiohttp.ClientTimeout(
        total=None if sends_files else REPLY_SECONDS,
        sock_connect=CONNECT_SECONDS,
        sock_read=FIRST_BYTE_SECONDS,
    )
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
    number = transport.get_extra_info("socket").fileno()
    if number < 0:
        return b""
    if hasattr(select, "poll"):  # which takes a sixth of the time of a look
        poll = select.poll()
        poll.register(number, select.POLLIN)
        if not poll.poll(0):
            return None
    with socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as same:
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
    name: str = "",
) -> tuple[int, Any, bytes]:
    """Status, headers and body of one request with the endpoint's key.

    `hear` is called with each piece of the body as it comes. A body with status 200 is written to
    `into`, if that is given, however large it is. `name` is sent as the `Idempotency-Key`: of
    requests with the same one, a server that knows this header carries out one.

    Raises:
        Retryable: there is no whole answer.
        Refused: it is too large.
        DeniedError: nothing can be sent to the address.
    """
    form = isinstance(data, aiohttp.FormData)
    headers = {} if form else {"Content-Type": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    if name:
        headers["Idempotency-Key"] = name
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
        text = single_spaced(str(error)) or type(error).__name__
        raise Retryable("connection", cleaned(text, endpoint.key)) from None


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
