"""`seedstep view` without a server."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from starlette.testclient import TestClient

from seedstep.review.browse import BrowsedRun
from seedstep.review.view import make_view
from support.reviewing import ORIGIN

TOKEN = "a-secret"


@contextmanager
def viewing(*paths: Path) -> Iterator[TestClient]:
    with ExitStack() as stack:
        runs = [stack.enter_context(BrowsedRun.open(path)) for path in paths]
        app = make_view(runs, "127.0.0.1", 8090, TOKEN)
        yield TestClient(app, base_url=f"{ORIGIN}/{TOKEN}/", follow_redirects=False)


def cards(page: str) -> list[str]:
    return re.findall(r'class="card" aria-label="([^"]*)"', page)
