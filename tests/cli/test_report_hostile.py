"""The report over a run whose every text is made to break a page, in a parser and in a browser."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import html5lib
import pytest

from support.command_line import chat_reply
from support.growing import grow, purpose_of
from support.reports import HTML, WrittenReport, report, words
from support.scripted_server import Fault, ScriptedServer

LONG = "long " * 80_000


def hostile_model(_: int, body: dict[str, Any]) -> Fault | None:
    """Every text is made to break a page."""
    if purpose_of(body) == "generation":
        tasks = [
            "Describe <script>document.title='owned'</script> for </title> people in winter.",
            "Rewrite \u202ethe [link](javascript:x()) \u200f of <a href='javascript:x()'>it</a>.",
            "Classify <img src=x onerror=\"document.title='owned'\"> by \x1b[31mmood\x00 today.",
        ]
        return chat_reply(json.dumps({"tasks": tasks}))
    if purpose_of(body) == "classification":
        return None
    pair = {"input": "</pre></details><script>document.title='owned'</script>", "output": LONG}
    other = {"input": "--><svg onload=x()>", "label": "<b>bold</b>", "output": "<b>bold</b>"}
    return chat_reply(json.dumps({"examples": [pair | {"label": LONG}, other]}))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    """The report over a run in which every text is made to break a page."""
    folder = tmp_path_factory.mktemp("hostile")
    with ScriptedServer(hostile_model) as server:
        grow(folder / "run", server, tasks=3, patience=2, extra_filters=False)
    return WrittenReport(folder / "report", *report(folder / "run", folder / "report"))


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's Chromium, which is not part of the project."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("no Chromium: apt-get install chromium")
    return found


def browse(
    chromium: str, page: Path, profile: Path, *flags: str
) -> subprocess.CompletedProcess[bytes]:
    command = [
        chromium,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={profile}",
        *flags,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, timeout=120, check=True)


@pytest.fixture
def page(hostile: WrittenReport, tmp_path: Path) -> Path:
    return Path(shutil.copytree(hostile.folder, tmp_path / "out")) / "index.html"


def test_all_of_it_is_text(page: Path) -> None:
    parsed = html5lib.HTMLParser(strict=True).parse(page.read_text())
    names = {element.tag for element in parsed.iter() if isinstance(element.tag, str)}
    assert f"{HTML}script" not in names
    assert f"{HTML}img" not in names
    text = words(parsed)
    assert "<script>document.title='owned'</script>" in text
    assert "3,000 of 399,999 characters are shown" in text
    assert page.stat().st_size < 1_000_000
    assert not re.search("[\x00-\x08\x0b-\x1f\u200f\u202e]", text)


def test_in_a_browser_nothing_runs_and_nothing_is_complained_about(
    page: Path, chromium: str, tmp_path: Path
) -> None:
    page.write_text(page.read_text().replace("<details>", "<details open>"))
    done = browse(chromium, page, tmp_path / "profile", "--dump-dom")
    assert "<title>What was grown from the seeds? – seedstep report</title>" in done.stdout.decode()
    assert b"CONSOLE" not in done.stderr
    control = tmp_path / "control.html"
    control.write_text("<title>x</title><script>document.title='ran'; throw 'up'</script>")
    done = browse(chromium, control, tmp_path / "profile", "--dump-dom")
    assert "<title>ran</title>" in done.stdout.decode()
    assert b"CONSOLE" in done.stderr


@pytest.mark.parametrize("width", [360, 1200])
def test_no_page_is_wider_than_its_window(
    width: int, page: Path, chromium: str, tmp_path: Path
) -> None:
    page.write_text(page.read_text().replace("<details>", "<details open>"))
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"<iframe src={page.as_uri()} width={width} height=800></iframe><script>"
        "onload = () => { const page = frames[0].document.documentElement;"
        "document.title = page.scrollWidth + ' ' + page.clientWidth }</script>"
    )
    flags = ("--allow-file-access-from-files", "--dump-dom")
    done = browse(chromium, frame, tmp_path / "profile", *flags)
    (found,) = re.findall(r"<title>(\d+) (\d+)</title>", done.stdout.decode())
    assert found[0] == found[1]
