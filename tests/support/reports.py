"""Reports that tests write, and what stands in their pages."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import html5lib

from support.command_line import Outcome, seedstep

__all__ = ["HTML", "WrittenReport", "report", "rows", "titles", "words"]

HTML = "{http://www.w3.org/1999/xhtml}"


def report(*args: object) -> tuple[Outcome, Any]:
    """Write a report to the directory given last; how that went, and the page."""
    done = seedstep("report", *args[:-1], "--out", args[-1])
    assert done.code == 0, done.err
    text = (Path(str(args[-1])) / "index.html").read_text()
    return done, html5lib.HTMLParser(strict=True).parse(text)


def titles(page: Any) -> list[str]:
    return [one.text for one in page.iter(f"{HTML}h3")]


def words(page: Any) -> str:
    return " ".join("".join(page.itertext()).split())


def rows(page: Any, caption: str) -> list[list[str]]:
    """The rows of the table with this caption."""
    (table,) = (
        one for one in page.iter(f"{HTML}table") if one.find(f"{HTML}caption").text == caption
    )
    return [[cell.text or "" for cell in row] for row in table.iter(f"{HTML}tr")]


@dataclass(frozen=True)
class WrittenReport:
    """A report that tests read, how writing it went, and its page."""

    folder: Path
    done: Outcome
    page: Any
