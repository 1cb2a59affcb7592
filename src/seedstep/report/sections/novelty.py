"""How new instructions are, and how far they are from test sets (Self-Instruct, Figures 4 and 8).

Example::

    novelty_section(nearest(tasks, seeds, latin_tokens), nearest_before(tasks, latin_tokens))
"""

from collections.abc import Mapping, Sequence

from seedstep.report.charts import histogram_chart
from seedstep.report.records import Block, Field, Paragraph, Section, Specimen, Specimens
from seedstep.report.similarity import Near, closest
from seedstep.report.statistics import Histogram, score_histogram

__all__ = ["novelty_section", "overlap_section"]

SHOWN = 5
UNIT = "ROUGE-L"


def novelty_section(seeds: Sequence[Near], earlier: Sequence[Near]) -> Section | None:
    """Figure 4, and the same for the tasks that were accepted before each."""
    if not seeds:
        return None
    named = {"To the nearest seed": seeds, "To the nearest task accepted before": earlier}
    panels = {name: _histogram(found) for name, found in named.items() if found}
    text = (
        "Each task's instruction is compared with all seeds, and with all tasks accepted before "
        "it. 0 shares no word in order, 1 is the same."
    )
    blocks: list[Block] = [
        Paragraph(text),
        histogram_chart("novelty", "Similarity of the instructions", panels, UNIT, "tasks"),
    ]
    blocks += [_pairs(name, found) for name, found in named.items() if found]
    return Section("How new the instructions are", tuple(blocks))


def overlap_section(found: Mapping[str, Mapping[str, Sequence[Near]]]) -> Section | None:
    """Figure 8: by test set, how close the texts of each kind are to its nearest instruction."""
    blocks: list[Block] = []
    for place, (test_set, kinds) in enumerate(found.items(), start=1):
        panels = {name: _histogram(near) for name, near in kinds.items() if near}
        if panels:
            title = f"Similarity to the nearest instruction of {test_set}"
            blocks.append(histogram_chart(f"overlap-{place}", title, panels, UNIT, "texts"))
            blocks += [_pairs(f"{name}, {test_set}", near) for name, near in kinds.items() if near]
    return Section("Overlap with test sets", tuple(blocks)) if blocks else None


def _histogram(found: Sequence[Near]) -> Histogram:
    return score_histogram([one.score for one in found])


def _pairs(name: str, found: Sequence[Near]) -> Specimens:
    shown = closest(found, SHOWN)
    items = tuple(
        Specimen(
            f"ROUGE-L {one.score:.2f}",
            (
                Field(one.one.name, one.one.text, half=True),
                Field(one.other.name, one.other.text, half=True),
            ),
        )
        for one in shown
        if one.other
    )
    return Specimens(f"{name}: the {len(items)} closest", items)
