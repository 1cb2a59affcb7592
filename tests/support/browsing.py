"""A real browser, and the review app as a process of its own."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from support.command_line import environment
from support.forking import ForkedProcess, forked

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 30


def find_browser() -> str:
    """The browser of this machine; the test is skipped where there is none."""
    found = os.environ.get("SEEDSTEP_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip("no browser: install Debian's chromium, or set SEEDSTEP_BROWSER to its path")
    return found


@dataclass(frozen=True)
class StartedBrowser:
    """A browser, and the event loop that asks it."""

    browser: Any
    loop: asyncio.AbstractEventLoop

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let its event loop be the one that runs, as it has to be when the browser is asked."""
        asyncio._set_running_loop(self.loop)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)


@contextmanager
def started_browser() -> Iterator[StartedBrowser]:
    """Debian's Chromium without a window; what needs it is skipped where there is none.

    Playwright leaves its event loop running; here it does so only while the browser is asked.
    """
    path = find_browser()
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        started = StartedBrowser(opened, asyncio.get_running_loop())
        asyncio._set_running_loop(None)
        yield started
        asyncio._set_running_loop(started.loop)
        opened.close()


@dataclass
class Server:
    """A command that serves pages, which can be killed and started again on the same port."""

    command: tuple[str, ...]
    port: int
    log: Path
    line: Callable[..., list[str]] = forked
    addresses: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it says its addresses."""
        with self.log.open("wb") as log:
            self._process = ForkedProcess(
                self.line(*self.command, "--port", self.port),
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(PYTHONUNBUFFERED="1"),
            )
        assert self._process.stdout
        for line in self._process.stdout:
            if found := re.match(r"(.*): (http://\S+)", line.decode()):
                self.addresses[found[1]] = found[2]
            if line.startswith(b"Ctrl-C") or b"Ctrl-C stops" in line:
                return
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self._process
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(SECONDS)
        assert self._process.stdout
        self._process.stdout.close()
        self._process = None

    def close(self) -> None:
        """End it if it runs."""
        if self._process:
            self.kill()


def free_port() -> int:
    """A port that nothing uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(
    folder: Path, *command: str, line: Callable[..., list[str]] = forked
) -> Iterator[Server]:
    """A server; its messages go to a file in the folder."""
    server = Server(command, free_port(), folder / "server.log", line)
    try:
        server.start()
        yield server
    finally:
        server.close()


@dataclass
class Watched:
    """A page, with everything that its console said and every dialog that was opened."""

    page: Any
    said: list[str]


@contextmanager
def watched(browser: Any, **settings: Any) -> Iterator[Watched]:
    """A page in a context of its own. What the console says, or a dialog, is kept."""
    context = browser.new_context(**settings)
    context.set_default_timeout(1000 * SECONDS)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))

    def dismiss(dialog: Any) -> None:
        said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", dismiss)
    try:
        yield Watched(page, said)
    finally:
        context.close()


def accessibility_faults(page: Any) -> dict[str, list[tuple[str, list[str]]]]:
    """What axe finds on a page, light and dark, on a wide screen and on a phone.

    For each in which there is something, the rules that are broken, with the elements.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = {}
    for scheme, width in product(("light", "dark"), (1280, 390)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 844})
        broken = axe.run(page).response["violations"]
        found[f"{scheme}, {width} wide"] = [
            (rule["id"], [node["html"] for node in rule["nodes"]]) for rule in broken
        ]
    return {screen: rules for screen, rules in found.items() if rules}
