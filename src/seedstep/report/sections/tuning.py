"""What a report says about a tuning.

Example::

    losses_section(read_losses(Path("tuned/metrics.jsonl")))
"""

from seedstep.report.charts import Line, line_chart
from seedstep.report.losses import Losses
from seedstep.report.records import Paragraph, Section

__all__ = ["losses_section"]


def losses_section(found: Losses) -> Section:
    """How the losses fell."""
    named = {"training": found.training, "held-out tasks": found.held_out}
    lines = [Line(name, points) for name, points in named.items() if points]
    if not lines:
        return Section("Losses", (Paragraph("No step was taken yet."),))
    blocks = [line_chart("losses", "Loss per target token", lines, ("step", "loss"))]
    if found.held_out:
        step, least = min(found.held_out, key=lambda point: point[1])
        text = f"The held-out loss is least after step {step:,}: {least:.3f}."
        return Section("Losses", (Paragraph(text), *blocks))
    return Section("Losses", tuple(blocks))
