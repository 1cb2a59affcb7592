"""Write a report: one HTML page without scripts, which loads nothing, and the files of its figures.

Texts from data are escaped by the template, freed of characters that reverse or hide text, and cut
if they are very long. In addition, a content security policy forbids everything but the page's own
styles.

Example::

    report = write_report([Path("runs/first")], Path("report"))
    print(report.page)

A server may say its own address in the text of an error, and a model in a reply.

Example:
    >>> hidden(b"no route to 10.1.2.3:8000", ["http://10.1.2.3:8000/v1"])
    b'no route to [server]'
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from importlib import metadata
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from seedstep.data import (
    PathOrTasks,
    StrPath,
    evaluation_items,
    paths_of,
    require_ours,
    sources_of,
    whole_folder,
)
from seedstep.data.records import as_html
from seedstep.data.sources import path_of
from seedstep.errors import InputError, MissingExtraError
from seedstep.evaluate import METRICS, Metric
from seedstep.llm.addresses import OPENAI_URL
from seedstep.report.assembly import parts_of, split_against
from seedstep.report.contents import SECTIONS, ReportContext, ReportSection
from seedstep.report.data_files import TellActivity, TestSets, is_data
from seedstep.report.paper_layout import paper_part
from seedstep.report.paper_tables import paper_tables
from seedstep.report.records import Chart, Headline, ReportPart, Table
from seedstep.report.style import DARK, LIGHT, DrawnChart, render
from seedstep.runs import PredictionRecords, Run
from seedstep.stages import open_run
from seedstep.text import visible

__all__ = [
    "CELL",
    "TEXT",
    "Report",
    "addresses_in",
    "cut_note",
    "hidden",
    "render_page",
    "shown",
    "write_report",
]


TEXT = 3000
"""The most characters of a text that are shown. A note says how long a longer text is."""

CELL = 120
"""The most characters of a table's cell, a label, or a title."""


def shown(text: str, most: int = TEXT) -> str:
    """Return a text cleaned, and cut to at most so many characters."""
    return visible(text) if len(text) <= most else visible(text[:most]) + " …"


def cut_note(text: str, most: int = TEXT) -> str:
    """Return a note on a text that `shown` cuts; it is empty if the text is whole."""
    return f"{most:,} of {len(text):,} characters are shown" if len(text) > most else ""


def render_page(title: str, parts: Sequence[ReportPart], drawn: Mapping[str, DrawnChart]) -> bytes:
    """Return the page; `drawn` has the charts by the number of the part, from 1, and their name."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("seedstep.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "cut_note": cut_note}
    environment.filters["cell"] = lambda text: shown(text, CELL)
    environment.filters["markup"] = lambda drawing: Markup(drawing)  # noqa: S704 - ours
    environment.tests |= {"wide": is_wide, "long": is_long}
    environment.filters["kind"] = lambda block: type(block).__name__.lower()
    text = environment.get_template("page.html").render(
        title=title,
        parts=parts,
        headlines=list(_headlines(parts)),
        figure=next(_figures(parts), None),
        drawn=drawn,
        MORE=MORE,
        light=LIGHT,
        dark=DARK,
        version=metadata.version("seedstep"),
    )
    return text.encode()


MORE = 5
"""How many answers the first screen shows; the others are folded."""

LINE = 44
"""The most characters of a table's row that a phone shows on one line."""

WORD = 30
"""The most characters of a word in a table that is never broken."""


def is_wide(table: Table) -> bool:
    """Return whether a phone shows the cells of a row below each other, with their heads."""
    widths = []
    for place, (head, *cells) in enumerate(zip(table.head, *table.rows, strict=True)):
        is_text = place < table.names
        parts = [*head.split(), *(" ".join(cells).split() if is_text else cells)]
        widths.append(max(map(len, parts), default=0))
    return sum(widths) + 2 * len(widths) > LINE


def is_long(cell: str) -> bool:
    """Return whether a cell has a word that must be broken."""
    return any(len(word) > WORD for word in cell.split())


FIRST = "first"
"""Before the name of the figure of the first screen, where others have the number of a part."""

MARKER = ".seedstep-report.json"
PAGE = "index.html"
FIGURES = "figures"


@dataclass(frozen=True, slots=True)
class Report:
    """A written report: the path of its page, the number of figures, and notes on missing parts."""

    page: Path
    figures: int
    notes: tuple[str, ...]

    def _repr_html_(self) -> str:
        """Return a link to the page as HTML, as notebooks show it, with the notes below."""
        address = quote(Path(os.path.relpath(self.page)).as_posix())
        link = f'<a href="{address}" target="_blank">{as_html(str(self.page))}</a>'
        return "".join(f"<div>{part}</div>" for part in (link, *map(as_html, self.notes)))


def write_report(
    runs: StrPath | Iterable[StrPath],
    out: StrPath,
    test_sets: PathOrTasks | Iterable[PathOrTasks] = (),
    tell: TellActivity = lambda doing: None,
    sections: Sequence[ReportSection] | ReportSection = SECTIONS,
    against: StrPath | Sequence[StrPath] = (),
    experiments: StrPath | Iterable[StrPath] = (),
    metrics: Sequence[Metric] = METRICS,
) -> Report:
    """Write a report into a new directory, an empty one, or that of an earlier report.

    `runs` may also name data: a file, an export, or `hub:OWNER/NAME`, as `seedstep tune` takes it.

    Seed tasks and tasks are compared with the instructions of `test_sets`. Systems with predictions
    are compared with those that `against` names, by default the first with each of the others.
    As in version 0.1.0, `against` may also name test sets. `sections` is the table of sections.
    `experiments` are directories in which experiments ran; the tables of papers that these make are
    shown beside the printed ones. Predictions are scored by the `metrics`.

    Raises:
        RunError: a run can't be read, a directory is neither a run nor data, or `out` holds other
            files or can't be written.
        InputError: no run is named, there is no such system, or a test set can't be read.
        MissingExtraError: matplotlib or Jinja2 is not installed.
    """
    paths, out = paths_of(runs), Path(out)
    if not paths:
        raise InputError("no run to report on", "name one or more run directories")
    _require_installed()
    require_ours(out, MARKER)
    if isinstance(against, str | os.PathLike):
        against = [against]
    baselines, earlier = split_against(paths, against)
    named = _named_sets(test_sets, earlier)
    tables = [table for directory in paths_of(experiments) for table in paper_tables(directory)]
    parts = [
        *map(paper_part, tables),
        *parts_of(paths, sections, ReportContext(named, tell, baselines, metrics)),
    ]
    tell("drawing")
    drawn = _drawn(parts)
    title = title_of(parts, paths)
    with ExitStack() as opened:
        shared = [opened.enter_context(open_run(path)) for path in paths if not is_data(path)]
        addresses = {address for run in shared for address in addresses_in(run)}
    page = hidden(render_page(title, parts, drawn), addresses)
    with whole_folder(out, MARKER) as folder:
        (folder / PAGE).write_bytes(page)
        (folder / FIGURES).mkdir()
        for name, chart in drawn.items():
            (folder / FIGURES / f"{name}.svg").write_bytes(chart.svg)
            (folder / FIGURES / f"{name}.png").write_bytes(chart.png)
    notes = [section.left_out for part in parts for section in part.sections if section.left_out]
    return Report(out / PAGE, len(drawn), tuple(dict.fromkeys(notes)))


def _named_sets(
    test_sets: PathOrTasks | Iterable[PathOrTasks], earlier: Iterable[Path]
) -> TestSets:
    """Return the instructions of all test sets, of which a single one may be given, by name."""
    given = test_sets if isinstance(test_sets, str | os.PathLike) else list(test_sets)
    return {
        f"{path_of(source).resolve().name} ({number})": [*evaluation_items(source, inputs=False)]
        for number, source in enumerate((*sources_of(given), *earlier), start=1)
    }


def _require_installed() -> None:
    """Raise MissingExtraError if a package that a report needs is not installed."""
    if not all(map(find_spec, ("jinja2", "matplotlib"))):
        raise MissingExtraError("a report", extra="report")


def _drawn(parts: Sequence[ReportPart]) -> dict[str, DrawnChart]:
    """Draw the charts; return them by the names of their files, such as `1-novelty`."""
    charts = {
        f"{number}-{block.name}": block
        for number, part in enumerate(parts, start=1)
        for section in part.sections
        for block in section.blocks
        if isinstance(block, Chart)
    }
    charts |= {f"{FIRST}-{figure.name}": figure for figure in list(_figures(parts))[:1]}
    return {name: render(chart, name) for name, chart in charts.items()}


def _figures(parts: Sequence[ReportPart]) -> Iterator[Chart]:
    """Yield the figures for the first screen."""
    for part in parts:
        for section in part.sections:
            if section.figure:
                yield section.figure


def _headlines(parts: Sequence[ReportPart]) -> Iterator[Headline]:
    """Yield the answers for the first screen, those that compare the same systems once."""
    known: set[frozenset[tuple[Path, str]]] = set()
    for part in parts:
        for section in part.sections:
            for headline in section.headlines:
                if not headline.compares or headline.compares not in known:
                    known.add(headline.compares)
                    yield headline


def title_of(parts: Sequence[ReportPart], runs: Sequence[Path]) -> str:
    """Return what a report is about: the first question that it answers, else the runs' names."""
    for headline in _headlines(parts):
        return headline.asked
    return ", ".join(path.resolve().name for path in runs)


SERVER = b"[server]"


def addresses_in(run: Run[Any, Any, Any]) -> set[str]:
    """Return the addresses of the servers that a run asked."""
    found = set(_addresses(run.config))
    if isinstance(run.records, PredictionRecords):
        for name in run.records.names():
            if kept := run.records.kept(name):
                found |= {*_addresses(kept.settings), *_addresses(kept.identity_url)}
    return found


def _addresses(value: object) -> Iterator[str]:
    """Yield the texts that are addresses, also those in mappings and lists."""
    if isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _addresses(each)
    elif isinstance(value, str) and value.startswith(("http://", "https://")):
        yield value


def hidden(page: bytes, addresses: Iterable[str]) -> bytes:
    """Return a page in which `[server]` stands in place of addresses and their hosts.

    The address of OpenAI's servers is known to all, and stays. A host of one word, and this
    machine, are hidden only where a port or slashes tell that they are meant.
    """
    known = urlsplit(OPENAI_URL).hostname
    whole: list[str] = []
    hosts: list[str] = []
    for address in sorted(addresses, key=lambda each: (-len(each), each)):
        try:
            parts = urlsplit(address)
            host, port = parts.hostname or "", parts.port
        except ValueError:  # it only begins as an address does
            continue
        if not host or host == known:
            continue
        whole += [address.rstrip("/"), parts.netloc] if port else [address.rstrip("/")]
        if "." in host or ":" in host:
            hosts += [] if _is_this_machine(host) else [host]
        hosts.append(f"//{host}")
    for text in (*whole, *hosts):  # hosts last, as several servers may be on one
        for form in {text, escape(text)}:
            found = rb"(?<![\w.-])" + re.escape(form.encode()) + rb"(?![\w-])"
            page = re.sub(found, SERVER, page, flags=re.IGNORECASE)
    return page


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
