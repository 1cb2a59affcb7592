"""The documentation builds without a warning, and its pages need nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_group

from seedstep import __all__ as public
from seedstep.cli import app
from support.pages import ROOT


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, as `make docs` builds them."""
    out = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(out / "doctrees"), str(ROOT / "docs"), str(out / "html")],
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return out / "html"


def test_every_page_is_built_and_within_reach(built: Path) -> None:
    index = (built / "index.html").read_text()
    for page in ROOT.joinpath("docs").rglob("*.md"):
        name = str(page.relative_to(ROOT / "docs").with_suffix(".html"))
        assert (built / name).is_file(), name
        assert f'href="{name}"' in index, f"{name} is in no table of contents"


def test_the_reference_has_every_command_and_every_public_name(built: Path) -> None:
    commands = (built / "reference" / "commands.html").read_text()
    for name, command in get_group(app).commands.items():
        assert f'id="seedstep-{name}"' in commands, name
        flags = [flag for option in command.params for flag in option.opts if flag[0] == "-"]
        assert all(flag in commands for flag in flags), name
    names = (built / "reference" / "python.html").read_text()
    for name in public:
        assert f'id="seedstep.{name}"' in names, name


def test_a_page_loads_nothing_from_the_network(built: Path) -> None:
    loaded = re.compile(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?//[^"]*')
    styled = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\"';]*")
    for page in built.rglob("*.html"):
        assert not loaded.findall(page.read_text()), page.name
    for sheet in built.rglob("*.css"):
        assert not styled.findall(sheet.read_text()), sheet.name
