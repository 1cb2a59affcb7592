"""The scripted server counts what was sent, however the client ended."""

import socket
from urllib.parse import urlsplit

from support.scripted_server import Fault, ScriptedServer

BODY = b'{"prompt": "Come up with a series of tasks:"}'
REQUEST = b"POST /v1/completions HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


def send(server: ScriptedServer, count: int) -> None:
    """Send requests, each on a connection that is closed before anything comes back."""
    address = urlsplit(server.url)
    for _ in range(count):
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(REQUEST)


def test_requests_of_a_client_that_is_gone_are_counted_when_one_looks() -> None:
    with ScriptedServer(lambda number, body: Fault(delay=0.2)) as server:
        for round_ in range(1, 31):
            send(server, 8)
            assert server.requests == 8 * round_
            assert len(server.bodies) == 8 * round_


def test_no_request_of_before_is_counted_after_the_count_was_set() -> None:
    with ScriptedServer() as server:
        for _ in range(30):
            send(server, 8)
            server.requests = 0
            assert server.requests == 0
            send(server, 1)
            assert server.requests == 1
    assert server.requests == 1, "it can be looked at when the server has ended"
