"""How the losses of a tuning fell, as a chart, and as pictures beside the tuned model.

Example::

    plot_losses(Path("tuned/metrics.jsonl"), Path("tuned/loss"))  # loss.png and loss.svg
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

from seedstep.data import write_atomically
from seedstep.errors import InputError
from seedstep.report.charts import Line, line_chart, render
from seedstep.report.records import Chart
from seedstep.tune.metrics import read_losses

__all__ = ["loss_chart", "plot_losses", "smoothed"]

SMOOTHED_OVER = 0.02
"""The part of all steps over which the smoothed line forgets half of what was before."""

MANY_STEPS = 30
"""From more than so many on there is a smoothed line too."""

Losses = Mapping[int, float]
"""The loss by optimiser step, in order."""


def loss_chart(training: Losses, held_out: Losses) -> Chart | None:
    """The losses of a tuning as lines; None where no step was taken yet."""
    steps = {step: loss for step, loss in training.items() if isfinite(loss)}
    lines = [Line("training", tuple(steps.items()), faint=len(steps) > MANY_STEPS)]
    if lines[0].faint:
        means = zip(steps, smoothed([*steps.values()]), strict=True)
        lines.append(Line("training, smoothed", tuple(means)))
    measured = tuple((step, loss) for step, loss in held_out.items() if isfinite(loss))
    lines.append(Line("held-out tasks", measured))
    drawn = [one for one in lines if one.points]
    title = "Mean loss of a target token"
    return line_chart("losses", title, drawn, ("step", "loss (nats)")) if drawn else None


def plot_losses(metrics: Path, out_stem: Path) -> None:
    """Draw the training and the held-out loss of `metrics`, as `out_stem` with .png and .svg.

    Raises:
        InputError: the file can't be read, or holds no losses.
        MissingExtraError: matplotlib is not installed.
        RunError: the pictures can't be written.
    """
    chart = loss_chart(*read_losses(metrics))
    if chart is None:
        raise InputError(f"{metrics}: no losses", "name the metrics.jsonl of a tuning")
    drawn = render(chart, "losses")
    for ending, image in (("png", drawn.png), ("svg", drawn.svg)):
        write_atomically(out_stem.with_name(f"{out_stem.name}.{ending}"), image)


def smoothed(values: Sequence[float]) -> list[float]:
    """The exponential mean so far, in which early values do not weigh more than late ones."""
    keep = 0.5 ** (1 / max(1.0, SMOOTHED_OVER * len(values)))
    total, weight, means = 0.0, 0.0, []
    for value in values:
        total = keep * total + value
        weight = keep * weight + 1
        means.append(total / weight)
    return means
