"""The tables of the pages have what the tables of the source have."""

import re

from seedstep.bootstrap import REASONS
from seedstep.evaluate import METRICS
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


def test_the_guide_names_each_reason() -> None:
    page = ROOT.joinpath("docs", "self-instruct.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert set(REASONS) <= named


def test_the_guide_says_what_each_metric_is() -> None:
    found = rows_of("docs/evaluation.md", "| metric | a score |")
    assert found == {metric.title: metric.meaning for metric in METRICS}


def test_the_files_to_change_are_there() -> None:
    page = ROOT.joinpath("docs", "extending.md").read_text(encoding="utf-8")
    files = re.findall(r"^\| (?:a|an) [^|]*\| (.*?) \|", page, re.MULTILINE)
    names = [name for cell in files for name in re.findall(r"`([\w/]+(?:\.py)?)`", cell)]
    assert len(names) >= len(files) == 10
    for name in names:
        assert ROOT.joinpath("src", "seedstep", name).exists(), name
