"""What a report says about generated examples (Step-by-Step Instruction Tuning, appendix C).

Example::

    examples_section(run.entries())
"""

from collections import Counter
from collections.abc import Iterable

from seedstep.report.charts import bar_chart
from seedstep.report.records import Block, Field, Paragraph, Section, Specimen, Specimens
from seedstep.report.statistics import thinned
from seedstep.steps import ExampleSet
from seedstep.store import Entry

__all__ = ["examples_section"]

SHOWN = 10


def examples_section(entries: Iterable[Entry[ExampleSet]]) -> Section | None:
    """How many tasks have examples, why others have none, and some of those chosen."""
    entries = tuple(entries)
    if not entries:
        return None
    good = [one for one in entries if one.result.candidates]
    ranked = sum(bool(one.result.ranked) for one in good)
    text = (
        f"{len(good):,} of {len(entries):,} tasks have generated examples; of {ranked:,} the model "
        "ranked the best two."
    )
    blocks: list[Block] = [Paragraph(text)]
    failures = Counter(
        reason
        for one in entries
        for reason in (one.result.failure, one.result.ranking_failure)
        if reason
    )
    if failures:
        title = "Tasks without examples, or without a ranking"
        blocks.append(bar_chart("example-failures", title, failures, ("reason", "tasks")))
    items = tuple(map(_chosen, thinned(good, SHOWN)))
    if items:
        blocks.append(Specimens(f"{len(items)} of {len(good):,} tasks with examples", items))
    return Section("Generated examples", tuple(blocks))


def _chosen(entry: Entry[ExampleSet]) -> Specimen:
    found = entry.result
    fields = [Field("definition", entry.definition)]
    for how, places in (("drawn at random", found.drawn), ("ranked best", found.ranked)):
        for place in places:
            one = found.candidates[place]
            fields.append(Field(f"input, {how}", one.input, half=True))
            fields.append(Field("output", one.output, half=True))
    return Specimen(entry.task, tuple(fields))
