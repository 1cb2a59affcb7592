"""Put the parts of a report together: one for each run, with the sections that its stage has.

Example::

    parts_of([Path("runs/first")], SECTIONS, ReportContext({}, print))
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedstep.data import StrPath
from seedstep.entries import (
    FUNCTION,
    LINE,
    TEXTS,
    TRUTH,
    FieldKind,
    as_entries,
    guarded,
    is_number,
    named_in_errors,
    require_fields,
    require_name,
    require_record,
    require_return,
)
from seedstep.errors import EntryError, InputError, unknown_name
from seedstep.llm.settings import AskingSettings
from seedstep.report.contents import (
    SECTIONS,
    AnyRun,
    ReportContext,
    ReportSection,
    spending,
    with_run,
)
from seedstep.report.data_files import data_part, is_data
from seedstep.report.records import (
    Chart,
    Paragraph,
    ReportBlock,
    ReportPart,
    Section,
    Specimens,
    Table,
)
from seedstep.runs import Line, Rows
from seedstep.settings import flatten
from seedstep.stages import PREDICT, STAGES, open_run, status_blocks

__all__ = ["check_sections", "parts_of", "split_against"]


def check_sections(given: Iterable[ReportSection] | ReportSection) -> tuple[ReportSection, ...]:
    """Return sections, or one alone, as a tuple, of which each can be in a report.

    Raises:
        EntryError: something else is given than sections, or a field of one can't be used.
        InputError: two have one name, or one names a stage that is not there, or would be in no
            part: neither does it name a stage, nor a stage it.
    """
    sections = as_entries("sections", given, ReportSection)
    names: set[str] = set()
    for section in sections:
        require_record("section", section, _FIELDS)
        if section.name in names:
            what = f"two sections are called '{section.name}'"
            raise InputError(what, "rename yours, or leave the other out to replace it")
        names.add(section.name)
        where = f"`stages` of the section '{section.name}'"
        for stage in section.stages:
            if stage not in STAGES:
                raise unknown_name("stage", stage, STAGES, where)
        if not section.stages and section.name not in _named_by_stages(section):
            what = f"the section '{section.name}' is in no report: no stage names it"
            raise InputError(what, "give it `stages`, such as stages=('bootstrap',)")
    return sections


_FIELDS: Mapping[str, FieldKind] = MappingProxyType(
    {
        "meaning": LINE,
        "make": FUNCTION,
        "together": TRUTH,
        "order": FieldKind("a number", is_number),
        "stages": TEXTS,
    }
)
"""What the fields of a section have to be, besides its name."""


def _named_by_stages(section: ReportSection) -> set[str]:
    """Return the names of the sections that stages name; of seedstep's own, its own name."""
    if section in SECTIONS:
        return {section.name}
    return {name for stage in STAGES.values() for name in stage.sections}


def parts_of(
    paths: Sequence[Path],
    sections: Sequence[ReportSection] | ReportSection,
    context: ReportContext,
) -> list[ReportPart]:
    """Return the parts of a report about runs, results first, and about data; systems are compared.

    Raises:
        RunError: a directory is neither a run nor data.
        InputError: predictions can't be compared, or a section can't be in a report.
    """
    sections = check_sections(sections)
    data = [path for path in paths if is_data(path)]
    with ExitStack() as opened:
        runs = [opened.enter_context(open_run(path)) for path in paths if path not in data]
        for run in runs:
            opened.enter_context(run.snapshot())
        made_of = {run.stage.name: _sections_of(run, sections) for run in runs}
        groups = sorted(_groups(runs, made_of), key=lambda group: _order(made_of, group[0]))
        parts = [_part(group, made_of[group[0].stage.name], context) for group in groups]
    return [*parts, *(data_part(path, context.test_sets, context.tell) for path in data)]


def split_against(
    runs: Sequence[Path], against: Sequence[StrPath]
) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Divide the names in `against` into systems of the runs and paths of test sets.

    In version 0.1.0 `against` named test sets.

    Raises:
        RunError: one of `runs` is no run.
        InputError: a name is neither a system nor a path.
    """
    known: list[str] = []
    with_runs: list[str] = []
    for path in runs:
        if is_data(path):
            continue
        with open_run(path) as run:
            if run.stage.name == PREDICT.name:
                known += run.records.names()
                with_runs += [with_run(name, path) for name in run.records.names()]
    systems: list[str] = []
    test_sets: list[Path] = []
    for name in [os.fspath(given) for given in against]:
        if name in known or name in with_runs:
            systems.append(name)
        elif Path(name).exists():
            test_sets.append(Path(name))
        else:
            error = unknown_name("system", name, known)
            raise InputError(error.what, f"{error.remedy}. A test set is named with --test-set")
    return tuple(systems), tuple(test_sets)


def _sections_of(run: AnyRun, known: Sequence[ReportSection]) -> list[ReportSection]:
    """Return the sections that the run's stage names, then those that name the stage.

    Raises:
        InputError: there is no section of a name that the stage has.
    """
    stage = run.stage
    for name in stage.sections:
        if not any(section.name == name for section in (*known, *SECTIONS)):
            where = f"`sections` of the stage '{stage.name}'"
            every = [section.name for section in known]
            error = unknown_name("section", name, every, where)
            remedy = f"{error.remedy}. One of your own is passed: sections=[*SECTIONS, yours]"
            raise InputError(error.what, remedy)
    named = {section.name: section for section in known if section.name in stage.sections}
    more = [
        section for section in known if stage.name in section.stages and section.name not in named
    ]
    return [*(named[name] for name in stage.sections if name in named), *more]


def _order(made_of: Mapping[str, Sequence[ReportSection]], run: AnyRun) -> int:
    return min((section.order for section in made_of[run.stage.name]), default=2)


def _groups(
    runs: Sequence[AnyRun], made_of: Mapping[str, Sequence[ReportSection]]
) -> Iterator[list[AnyRun]]:
    """Yield the runs of each part."""
    shared: dict[str, list[AnyRun]] = {}
    for run in runs:
        if not any(section.together for section in made_of[run.stage.name]):
            yield [run]
        elif run.stage.name in shared:
            shared[run.stage.name].append(run)
        else:
            shared[run.stage.name] = [run]
            yield shared[run.stage.name]


def _part(
    runs: Sequence[AnyRun], sections: Sequence[ReportSection], context: ReportContext
) -> ReportPart:
    found = [made for section in sections for made in _made(section, runs, context)]
    _require_chart_names(found)
    if not sections:
        found = [_standing(runs[0]), spending(runs[0])]
    title = f"{runs[0].stage.name}: {', '.join(run.path.resolve().name for run in runs)}"
    together = any(section.together for section in sections)
    facts = () if together else _facts(runs[0])
    return ReportPart(title, facts, tuple(made for made in found if made))


def _require_chart_names(sections: Iterable[Section | None]) -> None:
    """Check that the charts of a part have names of their own, of which their files are named.

    Raises:
        EntryError: two have the same.
    """
    known: set[str] = set()
    for block in (block for section in sections if section for block in section.blocks):
        if isinstance(block, Chart):
            if block.name in known:
                what = f"two charts of a run's sections are called '{block.name}'"
                raise EntryError(what, "give yours another name")
            known.add(block.name)


def _made(
    section: ReportSection, runs: Sequence[AnyRun], context: ReportContext
) -> Sequence[Section | None]:
    """Return the sections that an entry makes; what is not seedstep's own is checked.

    Raises:
        EntryError: the entry raised an error, or made something else.
    """
    if section in SECTIONS:
        return section.make(runs, context)
    entry = f"the section '{section.name}'"
    with named_in_errors(entry):
        made = section.make(runs, context)
        is_list = isinstance(made, Iterable) and not isinstance(made, str)
        sections = list(made) if is_list else []
    fits = is_list and all(each is None or isinstance(each, Section) for each in sections)
    require_return(entry, "a list of Sections", made if not is_list else sections, fits=fits)
    for block in (block for each in sections if each for block in each.blocks):
        fits = isinstance(block, Paragraph | Table | Chart | Specimens)
        wanted = "a Section whose blocks are Paragraphs, Tables, Charts or Specimens"
        require_return(entry, wanted, block, fits=fits)
        head, rows = (block.head, block.rows) if isinstance(block, Table) else ((), ())
        for row in rows:
            fits = len(row) == len(head) and all(isinstance(cell, str) for cell in row)
            require_return(entry, "rows of texts, as many as the head has", row, fits=fits)
    return [each and _with_guarded_charts(entry, each) for each in sections]


def _with_guarded_charts(entry: str, section: Section) -> Section:
    """Return a section whose charts are named in errors, as the entry that makes them is.

    Raises:
        EntryError: a chart has a name that can't be that of a file, or no function to draw it.
    """
    figure = section.figure
    fits = figure is None or isinstance(figure, Chart)
    require_return(entry, "a Section whose figure is a Chart", figure, fits=fits)
    blocks = (
        _guarded_chart(entry, block) if isinstance(block, Chart) else block
        for block in section.blocks
    )
    return replace(section, blocks=tuple(blocks), figure=figure and _guarded_chart(entry, figure))


def _guarded_chart(entry: str, chart: Chart) -> Chart:
    require_name(f"a chart of {entry}", chart.name)
    where = f"the chart '{chart.name}' of {entry}"
    require_fields(where, chart, {"draw": FUNCTION})
    return replace(chart, draw=guarded(where, chart.draw, "anything", lambda found: True))


def _facts(run: AnyRun) -> tuple[tuple[str, str], ...]:
    answers = run.answered()
    times = (("first answer", answers[0].at), ("last answer", answers[-1].at)) if answers else ()
    return (
        *((name, _clock(at)) for name, at in times),
        *_told(run.settings),
    )


def _clock(at: float) -> str:
    """Return a time in words; that of a damaged row may be none."""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "at a time that can't be"


def _told(settings: Any) -> tuple[tuple[str, str], ...]:
    """Return the settings that have a value, by name, without the addresses of servers."""
    private = getattr(settings, "ADDRESSES", AskingSettings.ADDRESSES)
    return tuple(
        (name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
        for name, value in flatten(settings).items()
        if name not in private and value not in (None, "", [], (), {})
    )


def _standing(run: AnyRun) -> Section:
    """Return a section with the output of `seedstep status`, for a stage that names no sections."""
    blocks: list[ReportBlock] = []
    for block in status_blocks(run):
        if isinstance(block, Rows):
            width = len(block.head) or max((len(row) for row in block.rows), default=0)
            head = block.head or ("",) * width
            rows = tuple((*row, *[""] * (width - len(row))) for row in block.rows)
            blocks.append(Table(block.title, head, rows))
        elif isinstance(block, Line):
            blocks.append(Paragraph("".join(words.text for words in block.parts)))
    return Section("Where it stands", tuple(blocks))
