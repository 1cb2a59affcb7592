"""What a report says about a tuning.

Example::

    losses_section(*read_losses(Path("tuned/metrics.jsonl")))
"""

from collections.abc import Mapping
from math import isfinite

from seedstep.report.charts import Line, line_chart
from seedstep.report.records import Block, Paragraph, Section

__all__ = ["losses_section"]


def losses_section(training: Mapping[int, float], held_out: Mapping[int, float]) -> Section:
    """How the losses fell; each is by optimiser step, in their order."""
    named = {"training": _points(training), "held-out tasks": _points(held_out)}
    lines = [Line(name, points) for name, points in named.items() if points]
    if not lines:
        return Section("Losses", (Paragraph("No step was taken yet."),))
    title = "Mean loss of a target token"
    blocks: list[Block] = [line_chart("losses", title, lines, ("step", "loss (nats)"))]
    if named["held-out tasks"]:
        step, least = min(named["held-out tasks"], key=lambda point: point[1])
        text = f"The held-out loss is least after step {step:,}: {least:.3f}."
        blocks.insert(0, Paragraph(text))
    return Section("Losses", tuple(blocks))


def _points(losses: Mapping[int, float]) -> tuple[tuple[int, float], ...]:
    return tuple((step, loss) for step, loss in losses.items() if isfinite(loss))
