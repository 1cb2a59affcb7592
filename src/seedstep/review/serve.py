"""The web app as a server on this machine.

Example::

    serve(app, "127.0.0.1", 8000, began=lambda: print("ready"))
"""

import contextlib
import socket
from collections.abc import Callable

from starlette.types import ASGIApp

from seedstep.errors import InputError

__all__ = ["address_of", "free_socket", "serve"]


def address_of(host: str, port: int, token: str) -> str:
    """The address that a secret opens."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/{token}/"


def free_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound to an address; with port 0 to one that is free.

    Raises:
        InputError: the port is in use, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        remedy = "name another --port, or stop what uses it"
        raise InputError(f"can't listen on {host}, port {port}: {error.strerror}", remedy) from None
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
