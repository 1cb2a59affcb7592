"""What a report says about step-by-step instructions (the second paper, section 3.3).

Example::

    steps_sections(entries)
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from seedstep.report.charts import bar_chart, histogram_chart
from seedstep.report.records import Block, Field, Paragraph, Section, Specimen, Specimens, Table
from seedstep.report.statistics import thinned, words_histogram
from seedstep.runs import Entry
from seedstep.steps import (
    FAILURES,
    StepsStatistics,
    WrittenSteps,
    render,
    statistics,
)

__all__ = ["steps_sections"]

PAPER_ROWS = (
    ("the paper's training tasks", "756", "60", "66.2", "118.2", "6.0", "", "", ""),
    ("the paper's test tasks", "119", "12", "65.6", "91.6", "5.4", "", "", ""),
)
"""Table 1: what ChatGPT wrote. In section 4.1 the paper names 757 training tasks."""

HEAD = (
    "category",
    "tasks",
    "categories",
    "words of a definition",
    "words of an instruction",
    "steps",
    "with a fault",
    "without an instruction",
    "judged correct and complete",
)

EXAMPLES = 3
SHOWN = 10


def steps_sections(entries: Iterable[Entry[WrittenSteps]]) -> list[Section]:
    """All sections about a run of instructions; none where no task is done."""
    entries = tuple(entries)
    rows = statistics(entries)
    if not rows:
        return []
    good = [one for one in entries if one.result.steps]
    found = [_sizes(rows), _lengths(good), _faults(rows, good), _failures(rows, entries)]
    return [*(one for one in found if one), *_shown(good)]


def _sizes(rows: Sequence[StepsStatistics]) -> Section:
    caption = "Step-by-step instructions by category (Table 1 of the paper)"
    cells = tuple(map(_row, rows))
    return Section("What was written", (Table(caption, HEAD, (cells[0], *PAPER_ROWS, *cells[1:])),))


def _row(row: StepsStatistics) -> tuple[str, ...]:
    judged = f"{row.correct:,} and {row.complete:,} of {row.judged:,}" if row.judged else ""
    return (
        row.group,
        f"{row.tasks:,}",
        f"{row.categories:,}",
        f"{row.definition_words:.1f}",
        "" if row.words is None else f"{row.words:.1f}",
        "" if row.steps is None else f"{row.steps:.1f}",
        f"{row.faulty:,}",
        f"{row.failures.total():,}",
        judged,
    )


def _lengths(good: Sequence[Entry[WrittenSteps]]) -> Section | None:
    if not good:
        return None
    panels = {
        "Steps of an instruction": words_histogram([len(one.result.steps) for one in good]),
        "Words of an instruction": words_histogram(
            [sum(len(step.split()) for step in one.result.steps) for one in good]
        ),
    }
    title = "Steps and words"
    return Section("Lengths", (histogram_chart("steps", title, panels, "steps or words", "tasks"),))


def _faults(rows: Sequence[StepsStatistics], good: Sequence[Entry[WrittenSteps]]) -> Section:
    everything = rows[0]
    names = [name for name, _ in everything.findings.most_common()]
    if not good:
        nothing = Paragraph("No instruction was written, so that there was nothing to check.")
        return Section("Failed checks", (nothing,))
    if not names:
        return Section("Failed checks", (Paragraph("The checks found no fault."),))
    table = Table(
        "Tasks with a fault, by category",
        ("category", "tasks", *names),
        tuple(
            (row.group, f"{row.tasks:,}", *(f"{row.findings[name]:,}" for name in names))
            for row in rows
        ),
    )
    blocks: list[Block] = [
        bar_chart("failed-checks", "Failed checks", everything.findings, ("check", "tasks")),
        table,
    ]
    blocks += [_faulty(name, everything.findings[name], good) for name in names]
    return Section("Failed checks", tuple(blocks))


def _faulty(name: str, count: int, good: Sequence[Entry[WrittenSteps]]) -> Specimens:
    found = [
        (entry, finding.detail)
        for entry in good
        for finding in entry.result.findings
        if finding.name == name
    ][:EXAMPLES]
    items = tuple(
        Specimen(
            entry.task,
            (Field("what was found", detail), Field("steps", render(entry.result.steps))),
        )
        for entry, detail in found
    )
    return Specimens(f"{name} ({len(items)} of {count:,})", items)


def _failures(
    rows: Sequence[StepsStatistics], entries: Sequence[Entry[WrittenSteps]]
) -> Section | None:
    counts = rows[0].failures
    if not counts:
        return None
    failed = sorted((one for one in entries if one.result.failure), key=_reason)
    blocks: list[Block] = [
        bar_chart("failures", "Tasks without an instruction", counts, ("reason", "tasks"))
    ]
    for reason, group in groupby(failed, key=_reason):
        items = tuple(map(_failed, [*group][:EXAMPLES]))
        what = FAILURES.get(reason, "")
        blocks.append(Specimens(f"{reason}: {what} ({len(items)} of {counts[reason]:,})", items))
    return Section("Tasks without an instruction", tuple(blocks))


def _reason(entry: Entry[WrittenSteps]) -> str:
    return entry.result.failure


def _failed(entry: Entry[WrittenSteps]) -> Specimen:
    turns = entry.result.turns
    fields = [Field("definition", entry.definition)]
    if entry.result.detail:
        fields.append(Field("what went wrong", entry.result.detail))
    if turns and turns[-1].reply:
        fields.append(Field("last reply", turns[-1].reply))
    return Specimen(entry.task, tuple(fields))


def _shown(good: Sequence[Entry[WrittenSteps]]) -> list[Section]:
    items = tuple(
        Specimen(
            f"{one.task} {one.category}".strip(),
            (
                Field("definition", one.definition, half=True),
                Field("step-by-step instruction", render(one.result.steps), half=True),
            ),
        )
        for one in thinned(good, SHOWN)
    )
    if not items:
        return []
    summary = f"{len(items)} of {len(good):,} instructions"
    return [Section("Some of the instructions", (Specimens(summary, items),))]
