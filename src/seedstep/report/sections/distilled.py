"""The section about outputs that another model wrote anew (Self-Instruct, Figure 7).

Example::

    distilled(run)
"""

from collections import Counter

from seedstep.infer.distill import LEFT_OUT
from seedstep.report.charts import histogram_chart
from seedstep.report.records import Block, Field, Headline, Section, Specimen, Specimens, Table
from seedstep.report.statistics import thinned, words_histogram
from seedstep.runs import DistillRun

__all__ = ["distilled"]

SHOWN = 10


def distilled(run: DistillRun) -> Section | None:
    """Return the counts, the lengths before and after, and some outputs; None without any."""
    done = list(run.entries())
    pairs = [
        (entry, instance, before)
        for entry in done
        for instance, before in zip(entry.result.instances, entry.result.before, strict=True)
    ]
    if not done:
        return None
    changed = sum(instance.output != before for _, instance, before in pairs)
    missing = Counter(each.reason for entry in done for each in entry.result.left_out)
    rows = [
        ("tasks", f"{len(done):,}"),
        ("new outputs", f"{len(pairs):,}"),
        ("other than before", f"{changed:,}"),
        *((f"left out: {LEFT_OUT[name]}", f"{count:,}") for name, count in missing.most_common()),
    ]
    blocks: list[Block] = [Table("Outputs written anew", ("", "number"), tuple(rows))]
    lengths = {
        "Before": [len(before.split()) for _, _, before in pairs],
        "Written anew": [len(instance.output.split()) for _, instance, _ in pairs],
    }
    if pairs:
        panels = {name: words_histogram(values) for name, values in lengths.items()}
        blocks.append(
            histogram_chart(
                "outputs", "Words of outputs before and after", panels, "words", "texts"
            )
        )
        shown = tuple(
            Specimen(
                f"{entry.task} {instance.id}",
                (
                    Field("instruction", entry.definition),
                    *([Field("input", instance.input)] if instance.input else ()),
                    Field("before", before, half=True),
                    Field("written anew", instance.output, half=True),
                ),
            )
            for entry, instance, before in thinned(pairs, SHOWN)
        )
        blocks.append(Specimens(f"{len(shown)} of {len(pairs):,} outputs", shown))
    found = (
        f"{len(pairs):,} outputs were written anew, {changed:,} of them other than before; "
        f"{missing.total():,} instances are left out."
    )
    headline = Headline("What did the other model write?", found)
    return Section("Outputs written anew", tuple(blocks), headlines=(headline,))
