"""What a report says about a judge's verdicts on answers.

Self-Instruct, section 4.4 (ratings); Step-by-Step Instruction Tuning, section 5.4 (preferences).

Example::

    verdicts_section("rating", run.judged())
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from seedstep.evaluate.agreement import OUTCOMES
from seedstep.evaluate.judge import Judged
from seedstep.evaluate.verdicts import preferences, ratings
from seedstep.report.charts import bar_chart, share_chart
from seedstep.report.records import Block, Chart, Paragraph, Section, Table
from seedstep.report.tables import verdict_table

__all__ = ["verdicts_section"]

RATED = (
    "A is valid and satisfying, B acceptable with small faults, C to the point but with grave "
    "ones, and D irrelevant or invalid."
)
PREFERRED = (
    "Each pair is judged in both orders. A tie is where the judge finds no difference, where it "
    "disagrees with itself in the other order, and where the texts are equal, which needs no judge."
)


def verdicts_section(
    mode: Literal["rating", "pairwise"], judged: Sequence[Judged]
) -> Section | None:
    """Levels by system, or wins, losses and ties by pair, and why verdicts are missing."""
    if not judged:
        return None
    tasks = len({one.task for one in judged})
    is_rating = mode == "rating"
    text = (
        f"{len(judged):,} instances of {tasks:,} tasks. {RATED if is_rating else PREFERRED} "
        "Missing verdicts are left out of all shares."
    )
    caption = "Verdicts, with shares in percent and their 95% intervals over tasks"
    blocks: list[Block] = [
        Paragraph(text),
        Table(caption, *verdict_table(mode, judged)),
        _levels(judged) if is_rating else _outcomes(judged),
    ]
    missing = Counter(each.failure for one in judged for each in one.verdicts if not each.label)
    if missing:
        head = ("reason", "verdicts")
        blocks.append(bar_chart("missing-verdicts", "Missing verdicts", missing, head))
    return Section("Ratings" if is_rating else "Preferences", tuple(blocks))


def _levels(judged: Sequence[Judged]) -> Chart:
    levels = {one.system: one.levels for one in ratings(judged)}
    return share_chart("levels", "Answers on each level", levels, ("system", "answers"))


def _outcomes(judged: Sequence[Judged]) -> Chart:
    outcomes = {
        f"{one.first} / {one.second}": dict(
            zip(OUTCOMES, (one.wins, one.losses, one.ties), strict=True)
        )
        for one in preferences(judged)
    }
    title = "Wins, losses and ties of the first system"
    return share_chart("outcomes", title, outcomes, ("pair", "instances"))
