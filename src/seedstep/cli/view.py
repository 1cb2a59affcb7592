"""`seedstep view`: look at runs in a browser."""

import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from seedstep.cli.terminal import console, plain
from seedstep.review.pages import require_extra

__all__ = ["command"]

TOKEN_BYTES = 24


def command(
    runs: Annotated[list[Path], typer.Argument(help="Runs of any stage.", metavar="RUN...")],
    port: Annotated[int, typer.Option(help="Port. 0: one that is free.")] = 8091,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Any but 127.0.0.1 lets other machines in, without "
            "encryption."
        ),
    ] = "127.0.0.1",
) -> None:
    """Look at runs in a browser: tasks, steps, predictions and requests, a page at a time."""
    require_extra()
    from seedstep.review.app import address_of, free_socket, serve
    from seedstep.review.browse import BrowsedRun
    from seedstep.review.view import make_view

    token = secrets.token_urlsafe(TOKEN_BYTES)
    with ExitStack() as stack:
        opened = [stack.enter_context(BrowsedRun.open(path)) for path in runs]
        bound = stack.enter_context(free_socket(host, port))
        number = bound.getsockname()[1]

        def say() -> None:
            line = f"view: {address_of(host, number, token)}"
            console.print(plain(line), soft_wrap=True)
            console.print("Nothing is written. Ctrl-C stops.")

        serve(make_view(opened, host, number, token), bound, say)
