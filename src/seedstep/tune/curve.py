"""The losses of a tuning as a picture.

Example::

    plot_losses(Path("out/metrics.jsonl"), Path("out/losses"))  # losses.png and losses.svg
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedstep.data.decoding import BadLine
from seedstep.data.files import whole_file
from seedstep.data.jsonl import read_jsonl
from seedstep.errors import InputError, MissingExtraError

__all__ = ["plot_losses", "read_losses"]

SMOOTHED_OVER = 0.02
"""The part of all steps over which the smoothed line forgets half of what was before."""

MANY_POINTS = 5000
"""From so many on, the raw line is an image within the SVG file."""

FEW_POINTS = 30
"""Up to so many steps stand as points, since a line may be too short to be seen."""

RAW, TRAINING, HELD_OUT = "#a6c8ea", "#1f5f9e", "#d1620a"

Losses = dict[int, float]
"""The loss by optimiser step, in order."""


@dataclass(frozen=True, slots=True)
class _Line:
    step: int
    loss: float | None = None
    held_out_loss: float | None = None


def plot_losses(metrics: Path, out_stem: Path) -> None:
    """Draw the training and the held-out loss of `metrics`, as `out_stem` with .png and .svg.

    Raises:
        InputError: the file can't be read, or holds no losses.
        MissingExtraError: matplotlib is not installed.
        RunError: the pictures can't be written.
    """
    training, held_out = read_losses(metrics)
    if not training and not held_out:
        raise InputError(f"{metrics}: no losses", "name the metrics.jsonl of a tuning")
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingExtraError("a loss curve", "pip install 'seedstep[report]'") from None
    with mpl.rc_context({"svg.hashsalt": "seedstep"}):  # the same losses, the same file
        figure = _figure(training, held_out)
        for ending, metadata in (("png", {}), ("svg", {"Date": None})):
            with whole_file(out_stem.with_name(f"{out_stem.name}.{ending}")) as file:
                figure.savefig(file, format=ending, dpi=150, metadata=metadata)


def read_losses(metrics: Path) -> tuple[Losses, Losses]:
    """The training and the held-out loss of each step.

    A tuning that was resumed takes some steps again: the last line of a step counts. Lines that
    are cut off, or tell of something else, are left out.

    Raises:
        InputError: the file is not there or can't be read.
    """
    training, held_out = {}, {}
    for _, line in read_jsonl(metrics, _Line):
        if isinstance(line, BadLine):
            continue
        if line.loss is not None:
            training[line.step] = line.loss
        if line.held_out_loss is not None:
            held_out[line.step] = line.held_out_loss
    return dict(sorted(training.items())), dict(sorted(held_out.items()))


def _figure(training: Losses, held_out: Losses) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    if training:
        _draw_training(axes, training)
    if held_out:
        steps, values = [*held_out], [*held_out.values()]
        label = f"held-out tasks, last {values[-1]:.3f}"
        axes.plot(steps, values, color=HELD_OUT, marker="o", markersize=5, label=label)
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("mean loss of a target token (nats)")
    axes.set_xlim(0, 1.02 * max([1, *training, *held_out]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6")
    axes.set_axisbelow(True)
    axes.legend(frameon=False)
    return figure


def _draw_training(axes: Any, training: Losses) -> None:
    steps, values = [*training], [*training.values()]
    smoothed = _smoothed(values)
    marker = "." if len(steps) <= FEW_POINTS else ""
    many = len(steps) >= MANY_POINTS
    axes.plot(
        steps, values, color=RAW, linewidth=0.8, marker=marker, label="training", rasterized=many
    )
    label = f"training, smoothed, last {smoothed[-1]:.3f}"
    axes.plot(steps, smoothed, color=TRAINING, linewidth=2, label=label)


def _smoothed(values: Sequence[float]) -> list[float]:
    """The exponential mean so far, in which early values do not weigh more than late ones."""
    keep = 0.5 ** (1 / max(1.0, SMOOTHED_OVER * len(values)))
    total, weight, means = 0.0, 0.0, []
    for value in values:
        total = keep * total + value
        weight = keep * weight + 1
        means.append(total / weight)
    return means
