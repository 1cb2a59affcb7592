"""The tables of the pages have what the tables of the source have."""

import re

from seedstep.exports import EXPORT_FORMATS
from support.pages import ROOT


def rows_of(page: str, head: str) -> dict[str, str]:
    """The second column of the table on a page under this head, by the first."""
    text = ROOT.joinpath(page).read_text(encoding="utf-8")
    table = text.partition(f"{head}\n|---|---|\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| (.*?) \| (.*) \|$", table, re.MULTILINE))


def test_the_readme_says_what_each_format_is() -> None:
    wanted = {f"`{name}`": one.meaning for name, one in EXPORT_FORMATS.items()}
    assert rows_of("README.md", "| `--format` | a record |") == wanted
