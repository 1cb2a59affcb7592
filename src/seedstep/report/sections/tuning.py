"""What a report says about a tuning.

Example::

    losses_section(*read_losses(Path("tuned/metrics.jsonl")))
"""

from collections.abc import Mapping
from math import isfinite

from seedstep.report.losses import loss_chart
from seedstep.report.records import Block, Paragraph, Section

__all__ = ["losses_section"]


def losses_section(training: Mapping[int, float], held_out: Mapping[int, float]) -> Section:
    """How the losses fell; each is by optimiser step, in their order."""
    chart = loss_chart(training, held_out)
    if chart is None:
        return Section("Losses", (Paragraph("No step was taken yet."),))
    blocks: list[Block] = [chart]
    if measured := [(loss, step) for step, loss in held_out.items() if isfinite(loss)]:
        least, step = min(measured)
        text = f"The held-out loss is least after step {step:,}: {least:.3f}."
        blocks.insert(0, Paragraph(text))
    return Section("Losses", tuple(blocks))
